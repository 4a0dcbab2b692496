//! Receivers that are slow, broken, away, or not what they seem.

use std::sync::Arc;
use std::time::Duration;

use hansard_domain::event::DeliveryState;
use hansard_testkit::receiver::{Answer, Receiver};
use hansard_workflow::delivery::Settings;
use tokio::net::{TcpSocket, TcpStream};
use tokio_util::sync::CancellationToken;

use super::shop::{BOUND, Shop, delivered, event_to, plugin_at, settings};
use crate::desk::Place;
use crate::on_both_databases;

on_both_databases! {
    a_receiver_that_stumbles_is_asked_again_with_the_same_id,
    a_receiver_that_hangs_is_given_up_on_in_time,
    a_receiver_that_hangs_holds_up_nobody_else,
    a_redirect_is_never_followed,
    a_receiver_that_is_down_for_an_hour_gets_it_when_it_is_back,
    a_receiver_that_is_never_back_is_given_up_after_ten_attempts,
    a_receiver_that_wants_to_be_left_alone_is,
    a_callers_address_inside_the_network_is_refused_for_good,
    the_operators_own_callback_may_be_inside_the_network,
    what_was_sent_when_the_process_died_is_sent_again_with_the_same_id,
    what_is_under_way_ends_before_the_deliverer_does,
}

const MINUTE: Duration = Duration::from_secs(60);

async fn a_receiver_that_stumbles_is_asked_again_with_the_same_id(place: Place) {
    let (shop, receiver) = (Shop::open(place).await, Receiver::start());
    receiver.answer_next(Answer::status(500).body("token wp-token"));
    shop.succeeded(plugin_at(receiver.url("/")), Vec::new()).await;
    let deliverer = shop.deliverer(settings());

    assert_eq!(delivered(&deliverer, &receiver).await.len(), 1);
    assert_eq!(shop.outcome().await, (DeliveryState::Pending, vec![(Some(500), None)]));
    shop.clock.advance(MINUTE);
    let received = delivered(&deliverer, &receiver).await;

    assert_eq!(received.len(), 2);
    assert_eq!(received[0].body, received[1].body);
    let ids: Vec<_> = received.iter().map(|one| &one.headers["x-hansard-delivery"]).collect();
    assert_eq!(ids[0], ids[1]);
    let (state, attempts) = shop.outcome().await;
    assert_eq!((state, attempts.len()), (DeliveryState::Delivered, 2));
    let counted = shop.counted();
    for outcome in ["delivered", "retried"] {
        let line = format!("hansard_deliveries_total{{outcome=\"{outcome}\"}} 1");
        assert!(counted.contains(&line), "{line} is not in\n{counted}");
    }
}

async fn a_receiver_that_hangs_is_given_up_on_in_time(place: Place) {
    let (shop, receiver) = (Shop::open(place).await, Receiver::start());
    receiver.answer_next(Answer::hang());
    shop.succeeded(event_to(receiver.url("/")), Vec::new()).await;
    let impatient = Settings { timeout: Duration::from_millis(200), ..settings() };

    shop.deliverer(impatient).deliver_due().await.unwrap();

    let (state, attempts) = shop.outcome().await;
    assert_eq!((state, attempts.len()), (DeliveryState::Pending, 1));
    assert!(attempts[0].1.as_ref().unwrap().ends_with("did not answer in time"), "{attempts:?}");
}

async fn a_receiver_that_hangs_holds_up_nobody_else(place: Place) {
    let (shop, stuck, quick) = (Shop::open(place).await, Receiver::start(), Receiver::start());
    stuck.answer_always(Answer::hang());
    let (to_stuck, _) = shop.endpoint(&stuck.url("/")).await;
    let (to_quick, _) = shop.endpoint(&quick.url("/")).await;
    for _ in 0..6 {
        shop.test(&to_stuck).await;
    }
    for _ in 0..6 {
        shop.test(&to_quick).await;
    }
    let deliverer = shop.deliverer(Settings { concurrency: 4, per_receiver: 2, ..settings() });
    let running = tokio::spawn(async move { deliverer.run(CancellationToken::new()).await });

    quick.arrived(6, BOUND).await;

    assert_eq!(stuck.arrived(2, BOUND).await.len(), 2);
    running.abort();
}

async fn a_redirect_is_never_followed(place: Place) {
    let (shop, receiver, private) = (Shop::open(place).await, Receiver::start(), Receiver::start());
    receiver.answer_next(Answer::redirect(&private.url("/inside")));
    shop.succeeded(plugin_at(receiver.url("/")), Vec::new()).await;

    shop.deliverer(settings()).deliver_due().await.unwrap();

    let told = Some("redirects are not followed".to_owned());
    assert_eq!(shop.outcome().await, (DeliveryState::Pending, vec![(Some(307), told)]));
    assert!(private.received().is_empty());
}

async fn a_receiver_that_is_down_for_an_hour_gets_it_when_it_is_back(place: Place) {
    let (shop, receiver) = (Shop::open(place).await, Receiver::start());
    // Bound and not listening: connections are refused.
    let port = TcpSocket::new_v4().unwrap();
    port.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let url = format!("http://{}/hook", port.local_addr().unwrap());
    shop.succeeded(event_to(url), Vec::new()).await;
    let deliverer = shop.deliverer(settings());
    let id = shop.deliveries().await[0].id.to_string();

    for _ in 0..60 {
        deliverer.deliver_due().await.unwrap();
        shop.clock.advance(MINUTE);
    }
    let (state, attempts) = shop.outcome().await;
    // At once, after five seconds, five minutes and half an hour.
    assert_eq!((state, attempts.len()), (DeliveryState::Pending, 4));
    assert!(
        attempts.iter().all(|(_, error)| error.as_ref().unwrap().starts_with("cannot connect"))
    );
    let door = port.listen(8).unwrap();
    let inside = receiver.address();
    let doorman = tokio::spawn(async move {
        let (mut outside, _) = door.accept().await.unwrap();
        let mut inside = TcpStream::connect(inside).await.unwrap();
        let _ = tokio::io::copy_bidirectional(&mut outside, &mut inside).await;
    });
    for _ in 0..120 {
        deliverer.deliver_due().await.unwrap();
        shop.clock.advance(MINUTE);
    }

    let received = receiver.received();
    assert_eq!(received.len(), 1);
    assert_eq!(received[0].headers["webhook-id"], id);
    assert_eq!(shop.outcome().await.0, DeliveryState::Delivered);
    doorman.abort();
}

async fn a_receiver_that_is_never_back_is_given_up_after_ten_attempts(place: Place) {
    let (shop, receiver) = (Shop::open(place).await, Receiver::start());
    receiver.answer_always(Answer::status(503));
    shop.succeeded(event_to(receiver.url("/")), Vec::new()).await;
    let deliverer = shop.deliverer(settings());

    for _ in 0..100 {
        deliverer.deliver_due().await.unwrap();
        shop.clock.advance(60 * MINUTE);
    }

    let (state, attempts) = shop.outcome().await;
    assert_eq!((state, attempts.len()), (DeliveryState::Failed, 10));
    assert_eq!(receiver.received().len(), 10);
}

async fn a_receiver_that_wants_to_be_left_alone_is(place: Place) {
    let (shop, receiver) = (Shop::open(place).await, Receiver::start());
    receiver.answer_next(Answer::status(429).header("retry-after", "600"));
    shop.succeeded(event_to(receiver.url("/")), Vec::new()).await;
    let deliverer = shop.deliverer(settings());

    deliverer.deliver_due().await.unwrap();
    shop.clock.advance(9 * MINUTE);
    assert_eq!(delivered(&deliverer, &receiver).await.len(), 1);
    shop.clock.advance(MINUTE);
    assert_eq!(delivered(&deliverer, &receiver).await.len(), 2);
}

async fn a_callers_address_inside_the_network_is_refused_for_good(place: Place) {
    let (shop, receiver) = (Shop::open(place).await, Receiver::start());
    let (endpoint, _) = shop.endpoint(&receiver.url("/")).await;
    shop.test(&endpoint).await;

    shop.guarded(settings()).deliver_due().await.unwrap();

    let (state, attempts) = shop.outcome().await;
    assert_eq!(state, DeliveryState::Failed);
    let error = attempts[0].1.as_ref().unwrap();
    assert!(error.ends_with("is not at a public address"), "{error}");
    assert!(receiver.received().is_empty());
}

async fn the_operators_own_callback_may_be_inside_the_network(place: Place) {
    let (shop, receiver) = (Shop::open(place).await, Receiver::start());
    shop.succeeded(plugin_at(receiver.url("/")), Vec::new()).await;

    assert_eq!(delivered(&shop.guarded(settings()), &receiver).await.len(), 1);
}

async fn what_was_sent_when_the_process_died_is_sent_again_with_the_same_id(place: Place) {
    let (shop, receiver) = (Shop::open(place).await, Receiver::start());
    receiver.answer_next(Answer::hang());
    shop.succeeded(event_to(receiver.url("/")), Vec::new()).await;
    let settings = settings();
    let deliverer = Arc::new(shop.deliverer(settings.clone()));
    let dying = Arc::clone(&deliverer);
    let running = tokio::spawn(async move { dying.run(CancellationToken::new()).await });
    receiver.arrived(1, BOUND).await;
    running.abort();
    assert!(running.await.unwrap_err().is_cancelled());

    assert_eq!(delivered(&deliverer, &receiver).await.len(), 1);
    shop.clock.advance(settings.timeout + 2 * MINUTE);
    let received = delivered(&deliverer, &receiver).await;

    assert_eq!(received.len(), 2);
    assert_eq!(received[0].headers["webhook-id"], received[1].headers["webhook-id"]);
    assert_eq!(received[0].body, received[1].body);
    assert_eq!(shop.outcome().await, (DeliveryState::Delivered, vec![(Some(200), None)]));
}

async fn what_is_under_way_ends_before_the_deliverer_does(place: Place) {
    let (shop, receiver) = (Shop::open(place).await, Receiver::start());
    let (endpoint, _) = shop.endpoint(&receiver.url("/")).await;
    let (deliverer, stopping) = (shop.deliverer(settings()), CancellationToken::new());
    let stopped = stopping.clone();
    let running = tokio::spawn(async move { deliverer.run(stopped).await });

    shop.test(&endpoint).await;
    receiver.arrived(1, BOUND).await;
    stopping.cancel();
    tokio::time::timeout(BOUND, running).await.unwrap().unwrap();

    assert_eq!(shop.outcome().await.0, DeliveryState::Delivered);
}
