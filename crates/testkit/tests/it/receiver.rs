//! The receiver of webhooks.

use std::io::ErrorKind;
use std::thread;
use std::time::Duration;

use hansard_testkit::receiver::{Answer, Receiver};

use crate::client::{exchange, exchange_within};

const BOUND: Duration = Duration::from_secs(30);

#[test]
fn requests_are_kept_whole_and_in_order() {
    let receiver = Receiver::start();

    exchange(&receiver.url("/hook?a=1"), "POST\nX-Id: 7", r#"{"ok": true}"#).expect("it answers");
    exchange(&receiver.url("/other"), "GET", "").expect("it answers");

    let received = receiver.wait_for(2, BOUND);
    assert_eq!((received[0].method.as_str(), received[0].target.as_str()), ("POST", "/hook?a=1"));
    assert_eq!(received[0].headers["x-id"], "7");
    assert_eq!(received[0].json()["ok"], true);
    assert_eq!(received[1].target, "/other");
}

#[test]
fn answers_come_as_told_and_then_the_usual_one() {
    let receiver = Receiver::start();
    receiver.answer_next(Answer::status(429).header("retry-after", "3").body("later"));
    receiver.answer_next(Answer::redirect("http://10.0.0.1/"));
    receiver.answer_next(Answer::cut());
    receiver.answer_always(Answer::status(500));
    let ask = || exchange(&receiver.url("/"), "POST", "x").expect("it answers");

    let throttled = ask();
    assert!(throttled.starts_with("HTTP/1.1 429 ") && throttled.ends_with("later"), "{throttled}");
    assert!(throttled.contains("retry-after: 3\r\n"), "{throttled}");
    let redirected = ask();
    assert!(redirected.contains("location: http://10.0.0.1/\r\n"), "{redirected}");
    let cut = ask();
    assert!(cut.contains("content-length: 1013\r\n") && cut.ends_with("the beginning"), "{cut}");
    assert!(ask().starts_with("HTTP/1.1 500 "));
    assert!(ask().starts_with("HTTP/1.1 500 "));
}

#[test]
fn a_hanging_receiver_has_the_request_and_says_nothing() {
    let receiver = Receiver::start();
    receiver.answer_next(Answer::hang());

    let silence = exchange_within(Duration::from_millis(100), &receiver.url("/"), "POST", "x");

    assert_eq!(silence.map_err(|error| error.kind()), Err(ErrorKind::WouldBlock));
    assert_eq!(receiver.wait_for(1, BOUND)[0].body, b"x");
}

#[tokio::test]
async fn a_test_with_one_thread_can_wait_for_its_own_request() {
    let receiver = Receiver::start();
    let url = receiver.url("/");
    let sending = thread::spawn(move || exchange(&url, "POST", "x"));

    assert_eq!(receiver.arrived(1, BOUND).await.len(), 1);

    sending.join().expect("it sends").expect("it is answered");
}
