//! Webhooks by the Standard Webhooks specification.

use std::process::{Command, Stdio};

use hansard_domain::event::DeliveryState;
use hansard_net::Url;
use hansard_store::Clock;
use hansard_testkit::receiver::{Answer, Received, Receiver};
use hansard_testkit::tools;
use hansard_workflow::delivery::{Settings, SigningKey};
use serde_json::json;

use super::shop::{Shop, delivered, event_to, settings};
use crate::desk::Place;
use crate::on_both_databases;

on_both_databases! {
    the_official_library_accepts_a_webhook_by_either_secret_of_a_rotation,
    a_webhook_says_what_happened_and_where_the_rest_is,
    callbacks_are_signed_where_there_is_a_key_for_them,
    a_receiver_that_is_gone_gets_nothing_more,
}

/// What the official library says: it reads a secret, the headers and the body.
const VERIFY: &str = "\
import json, sys
from standardwebhooks.webhooks import Webhook
secret, headers, body = json.load(sys.stdin)
print(json.dumps(Webhook(secret).verify(body, headers)))";

/// What the official verifier makes of a request: its JSON, or nothing where it refuses.
fn verified(secret: &str, received: &Received) -> Option<serde_json::Value> {
    let body = String::from_utf8(received.body.clone()).unwrap();
    let input = serde_json::to_vec(&json!([secret, received.headers, body])).unwrap();
    let mut python = Command::new(tools::python())
        .args(["-c", VERIFY])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    std::io::Write::write_all(&mut python.stdin.take().unwrap(), &input).unwrap();
    let output = python.wait_with_output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success() || error.contains("WebhookVerificationError"), "{error}");
    output.status.success().then(|| serde_json::from_slice(&output.stdout).unwrap())
}

async fn the_official_library_accepts_a_webhook_by_either_secret_of_a_rotation(place: Place) {
    // It compares the time with its own.
    let (shop, receiver) = (Shop::open_at(place, Clock::system()).await, Receiver::start());
    let (endpoint, first) = shop.endpoint(&receiver.url("/hook")).await;
    let rotated = shop.store.rotate_endpoint_secret(&shop.workspace, &endpoint, None).await;
    let second = rotated.unwrap().unwrap().secret.unwrap();
    shop.test(&endpoint).await;

    let mut received = delivered(&shop.deliverer(settings()), &receiver).await.remove(0);

    for secret in [&first, &second] {
        let event = verified(secret.reveal(), &received).unwrap();
        assert_eq!(event["type"], "endpoint.test");
        assert_eq!(event["data"]["endpoint_id"], endpoint.to_string());
    }
    assert_eq!(received.headers["webhook-signature"].split(' ').count(), 2);
    assert_eq!(verified("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", &received), None);
    received.body.push(b' ');
    assert_eq!(verified(first.reveal(), &received), None);
}

async fn a_webhook_says_what_happened_and_where_the_rest_is(place: Place) {
    let (shop, receiver) = (Shop::open(place).await, Receiver::start());
    shop.succeeded(event_to(receiver.url("/")), Vec::new()).await;
    let public_url = Some(Url::parse("https://hansard.example.org/base/").unwrap());

    let received =
        delivered(&shop.deliverer(Settings { public_url, ..settings() }), &receiver).await;

    let event = received[0].json();
    assert_eq!(event["type"], "job.succeeded");
    assert_eq!(event["timestamp"], shop.clock.now().to_string());
    let keys: Vec<_> = event.as_object().unwrap().keys().collect();
    assert_eq!(keys, ["type", "timestamp", "data"]);
    let job = shop.deliveries().await[0].subject.clone();
    assert_eq!(event["data"]["job_id"], job);
    let link = format!("https://hansard.example.org/base/api/v1/jobs/{job}");
    assert_eq!(event["data"]["links"]["job"], link);
    for name in ["recording", "transcript"] {
        assert!(event["data"]["links"][name].is_string(), "{event}");
    }
    let id = shop.deliveries().await[0].id.to_string();
    assert_eq!(received[0].headers["webhook-id"], id);
    assert_eq!(received[0].headers["webhook-timestamp"], shop.clock.now().as_seconds().to_string());
    assert!(!received[0].headers.contains_key("webhook-signature"));
}

async fn callbacks_are_signed_where_there_is_a_key_for_them(place: Place) {
    let (shop, receiver) = (Shop::open_at(place, Clock::system()).await, Receiver::start());
    shop.succeeded(event_to(receiver.url("/")), Vec::new()).await;
    let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    let callback_key = Some(SigningKey::parse(secret).unwrap());

    let received =
        delivered(&shop.deliverer(Settings { callback_key, ..settings() }), &receiver).await;

    assert_eq!(verified(secret, &received[0]).unwrap()["type"], "job.succeeded");
}

async fn a_receiver_that_is_gone_gets_nothing_more(place: Place) {
    let (shop, receiver) = (Shop::open(place).await, Receiver::start());
    receiver.answer_always(Answer::status(410));
    let (endpoint, _) = shop.endpoint(&receiver.url("/")).await;
    shop.test(&endpoint).await;
    let deliverer = shop.deliverer(settings());

    deliverer.deliver_due().await.unwrap();
    assert_eq!(shop.outcome().await, (DeliveryState::Failed, vec![(Some(410), None)]));
    shop.succeeded(event_to(receiver.url("/callback")), Vec::new()).await;
    deliverer.deliver_due().await.unwrap();

    let found = shop.store.find_endpoint(&shop.workspace, &endpoint).await.unwrap().unwrap();
    assert!(found.disabled.unwrap().by_receiver);
    let targets: Vec<_> = receiver.received().into_iter().map(|one| one.target).collect();
    assert_eq!(targets, ["/", "/callback"]);
}
