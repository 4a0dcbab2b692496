//! What happens to a call that is sent on.

use std::sync::Arc;

use hansard_net::{Body, Call, Client, Error, Redirects, Request, Token, Trust};
use http::header::{ACCEPT, COOKIE, HeaderName, HeaderValue};

use crate::host::{Host, Names, answer, client, redirect};

fn anybody() -> Client {
    client(&Arc::new(Names::default()))
}

fn request(host: &Host) -> Request {
    Request::new(host.url("/start"), Trust::Operator)
}

#[tokio::test]
async fn a_redirect_is_the_answer_unless_asked_otherwise() {
    let host = Host::start([redirect("/other")]);

    let answer = anybody().send(Call::get(request(&host))).await.unwrap();

    assert_eq!(answer.status(), 302);
    assert_eq!(answer.header("location"), Some("/other"));
    assert_eq!(host.seen().len(), 1);
}

#[tokio::test]
async fn what_was_posted_is_not_posted_again() {
    let host = Host::start([redirect("/other")]);
    let call = Call::post(request(&host), Body::bytes("once")).redirects(Redirects::Follow);

    assert_eq!(anybody().send(call).await.unwrap().status(), 302);

    assert_eq!(host.seen()[0].body, b"once");
    assert_eq!(host.seen().len(), 1);
}

#[tokio::test]
async fn another_host_sees_no_secret() {
    let other = Host::start([answer("200 OK", &[], b"there")]);
    let host = Host::start([redirect("/again"), redirect(other.url("/").as_str())]);
    let secret = || HeaderValue::from_static("secret");
    let request = request(&host)
        .bearer(&Token::new("secret").unwrap())
        .header(HeaderName::from_static("x-server-token"), secret())
        .header(COOKIE, secret())
        .header(ACCEPT, HeaderValue::from_static("audio/*"));

    let call = Call::get(request).redirects(Redirects::Follow);
    let answer = anybody().send(call).await.unwrap();

    assert_eq!(&answer.bytes(100).await.unwrap()[..], b"there");
    // Within the host everything goes along.
    assert_eq!(host.seen()[1].line, "GET /again");
    assert_eq!(host.seen()[1].headers["authorization"], "Bearer secret");
    assert_eq!(host.seen()[1].headers["x-server-token"], "secret");
    let seen = &other.seen()[0];
    assert!(!format!("{seen:?}").contains("secret"), "{seen:?}");
    assert_eq!(seen.headers["accept"], "audio/*");
}

#[tokio::test]
async fn redirects_without_end_are_given_up() {
    let host = Host::start([redirect("/again")]);
    let call = Call::get(request(&host)).redirects(Redirects::Follow);

    let outcome = anybody().send(call).await;

    assert!(matches!(outcome, Err(Error::Redirect { .. })), "{outcome:?}");
    assert_eq!(host.seen().len(), 11);
}
