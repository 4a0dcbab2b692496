//! The proxy that lets connections go wrong.

use std::io::ErrorKind;
use std::time::Duration;

use hansard_testkit::proxy::{Fault, FaultyProxy};
use hansard_testkit::receiver::{Answer, Receiver};

use crate::client::{exchange, exchange_within};

fn behind_a_proxy() -> (Receiver, FaultyProxy, String) {
    let receiver = Receiver::start();
    receiver.answer_always(Answer::status(200).body("x".repeat(10_000)));
    let proxy = FaultyProxy::start(receiver.address());
    let url = format!("http://{}/", proxy.address());
    (receiver, proxy, url)
}

#[test]
fn so_many_connections_are_cut_and_the_next_is_whole() {
    let (receiver, proxy, url) = behind_a_proxy();
    proxy.next(2, Fault::CutAnswer(500));

    let answers = [(); 3].map(|()| exchange(&url, "GET", "").expect("it answers"));

    assert_eq!(answers[0].len(), 500);
    assert_eq!(answers[1].len(), 500);
    assert!(answers[2].ends_with(&"x".repeat(10_000)));
    assert_eq!((proxy.connections(), receiver.received().len()), (3, 3));
}

#[test]
fn a_request_can_be_cut_before_it_is_whole() {
    let (receiver, proxy, url) = behind_a_proxy();
    proxy.next(1, Fault::CutRequest(200));

    let answer = exchange(&url, "POST", &"y".repeat(100_000));

    assert!(!answer.is_ok_and(|answer| answer.starts_with("HTTP/1.1 200 ")));
    assert_eq!(receiver.received().len(), 0);
}

#[test]
fn a_throttled_and_a_hanging_connection_never_reach_the_server() {
    let (receiver, proxy, url) = behind_a_proxy();
    proxy.next(1, Fault::SlowDown);
    proxy.next(1, Fault::Hang);

    let throttled = exchange(&url, "PUT", &"y".repeat(100_000)).expect("it answers");
    let silence = exchange_within(Duration::from_millis(100), &url, "GET", "");

    assert!(throttled.starts_with("HTTP/1.1 503 "), "{throttled}");
    assert!(throttled.contains("<Code>SlowDown</Code>"), "{throttled}");
    assert_eq!(silence.map_err(|error| error.kind()), Err(ErrorKind::WouldBlock));
    assert_eq!(receiver.received().len(), 0);
}
