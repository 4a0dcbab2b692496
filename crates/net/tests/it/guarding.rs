//! Who may be called on a caller's word.

use std::io;
use std::net::IpAddr;
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::BoxFuture;
use hansard_net::{
    Call, Client, Error, Guard, Proxies, Redirects, Request, Resolve, Settings, Trust,
};

use crate::host::{Host, Names, PRIVATE, PUBLIC, answer, client, redirect, settings};

fn hello() -> Vec<Vec<crate::host::Act>> {
    vec![answer("200 OK", &[], b"hello")]
}

fn is_forbidden<T: std::fmt::Debug>(outcome: &Result<T, Error>) -> bool {
    matches!(outcome, Err(Error::Forbidden { .. }))
}

#[tokio::test]
async fn a_caller_reaches_a_public_host_and_no_private_one() {
    let (public, private) = Host::start_pair(hello());
    let names = Arc::new(Names::default());
    names.next("shop.example", &[PUBLIC]);
    names.next("inside.example", &[PRIVATE]);
    let client = client(&names);
    let call = |url| client.send(Call::get(Request::new(url, Trust::Caller)));

    let welcome = call(public.url_as("shop.example", "/")).await.unwrap();
    assert_eq!(&welcome.bytes(100).await.unwrap()[..], b"hello");
    for url in [private.url_as("inside.example", "/"), private.url("/")] {
        let outcome = call(url).await;
        assert!(is_forbidden(&outcome), "{outcome:?}");
    }
    assert!(private.seen().is_empty());
}

#[tokio::test]
async fn the_operator_may_be_anywhere() {
    let (_public, private) = Host::start_pair(hello());
    let names = Arc::new(Names::default());
    names.next("inside.example", &[PRIVATE]);
    let client = client(&names);

    for url in [private.url_as("inside.example", "/"), private.url("/")] {
        let answer = client.send(Call::get(Request::new(url, Trust::Operator))).await.unwrap();
        assert_eq!(answer.status(), 200);
    }
}

#[tokio::test]
async fn nothing_local_is_public_unless_a_range_allows_it() {
    let host = Host::start(hello());
    let call = |guard| {
        let settings = Settings { guard, ..Settings::default() };
        let client = Client::new(&settings).unwrap();
        let request = Request::new(host.url("/"), Trust::Caller);
        async move { client.send(Call::get(request)).await }
    };

    assert!(is_forbidden(&call(Guard::default()).await));
    let allowed = vec!["127.0.0.0/8".parse().unwrap()];
    assert_eq!(call(Guard { allowed }).await.unwrap().status(), 200);
}

#[tokio::test]
async fn a_redirect_to_a_private_address_is_refused() {
    let names = Arc::new(Names::default());
    let (_public, private) = Host::start_pair(hello());
    for target in [
        private.url("/").to_string(),
        private.url_as("2130706434", "/").to_string(),
        format!("http://[::ffff:{PRIVATE}]:{}/", private.url("/").port().unwrap()),
        "http://[::1]/".to_owned(),
        "http://inside.example/".to_owned(),
        "http://169.254.169.254/latest/meta-data/".to_owned(),
    ] {
        names.next("inside.example", &[PRIVATE]);
        names.next("shop.example", &[PUBLIC]);
        let door = Host::start([redirect(&target)]);
        let request = Request::new(door.url_as("shop.example", "/"), Trust::Caller);

        let call = Call::get(request).redirects(Redirects::Follow);
        let outcome = client(&names).send(call).await;

        assert!(is_forbidden(&outcome), "{target}: {outcome:?}");
        assert_eq!(door.seen().len(), 1);
    }
    assert!(private.seen().is_empty());
}

#[tokio::test]
async fn a_redirect_to_another_scheme_is_refused() {
    let names = Arc::new(Names::default());
    for target in ["file:///etc/passwd", "ftp://shop.example/", "http://ana:pw@shop.example/"] {
        let door = Host::start([redirect(target)]);
        let call = Call::get(Request::new(door.url("/"), Trust::Caller));

        let outcome = client(&names).send(call.redirects(Redirects::Follow)).await;

        assert!(matches!(outcome, Err(Error::Url { .. })), "{target}: {outcome:?}");
    }
}

#[tokio::test]
async fn a_name_that_changes_gains_nothing() {
    let (public, private) = Host::start_pair(hello());
    let names = Arc::new(Names::default());
    names.next("flip.example", &[PUBLIC]);
    names.next("flip.example", &[PRIVATE]);
    let client = client(&names);
    let call = || {
        let request = Request::new(public.url_as("flip.example", "/"), Trust::Caller);
        client.send(Call::get(request))
    };

    // The connection goes to the address that was judged: the name is looked at once.
    let answer = call().await.unwrap();
    assert_eq!(names.asked().len(), 1);
    assert_eq!(&answer.bytes(100).await.unwrap()[..], b"hello");
    // The next connection looks again, and judges again.
    let outcome = call().await;
    assert!(is_forbidden(&outcome), "{outcome:?}");
    assert_eq!(names.asked().len(), 2);
    assert!(private.seen().is_empty());
}

#[tokio::test]
async fn of_several_addresses_only_the_public_ones_are_used() {
    let (public, private) = Host::start_pair(hello());
    let names = Arc::new(Names::default());
    names.next("mixed.example", &[PRIVATE, "::1", PUBLIC]);
    let request = Request::new(public.url_as("mixed.example", "/"), Trust::Caller);

    assert_eq!(client(&names).send(Call::get(request)).await.unwrap().status(), 200);

    assert_eq!((public.seen().len(), private.seen().len()), (1, 0));
}

#[tokio::test]
async fn a_connection_of_the_operator_is_not_used_for_a_caller() {
    let (_public, private) = Host::start_pair(hello());
    let names = Arc::new(Names::default());
    names.next("inside.example", &[PRIVATE]);
    names.next("inside.example", &[PRIVATE]);
    let client = client(&names);
    let call =
        |trust| client.send(Call::get(Request::new(private.url_as("inside.example", "/"), trust)));

    call(Trust::Operator).await.unwrap().bytes(100).await.unwrap();

    assert!(is_forbidden(&call(Trust::Caller).await));
}

#[tokio::test]
async fn a_proxy_does_not_resolve_for_callers() {
    let proxy = Host::start([answer("200 OK", &[], b"by proxy")]);
    let host = Host::start(hello());
    let names = Arc::new(Names::default());
    names.next("shop.example", &[PUBLIC]);
    let proxies = Proxies::Through(proxy.url("/").to_string());
    let client = Client::new(&Settings { proxies, ..settings(&names) }).unwrap();
    let call = |trust| {
        let request = Request::new(host.url_as("shop.example", "/"), trust);
        let answer = client.send(Call::get(request));
        async { answer.await.unwrap().bytes(100).await.unwrap() }
    };

    assert_eq!(&call(Trust::Operator).await[..], b"by proxy");
    assert_eq!(&call(Trust::Caller).await[..], b"hello");
    assert_eq!(proxy.seen().len(), 1);
}

/// Answers when the other end of the channel is dropped.
#[derive(Debug)]
struct SlowNames(Mutex<Option<Receiver<()>>>);

impl Resolve for SlowNames {
    fn resolve(&self, _name: &str) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> {
        let end = self.0.lock().unwrap().take().unwrap();
        Box::pin(async move {
            // As the system's own function does: it blocks a thread, and cannot be interrupted.
            let looked = tokio::task::spawn_blocking(move || end.recv()).await;
            Err(io::Error::other(format!("{looked:?}")))
        })
    }
}

#[test]
fn a_name_server_that_hangs_holds_nobody_up() {
    let (hold, end) = channel();
    let settings = Settings {
        resolver: Arc::new(SlowNames(Mutex::new(Some(end)))),
        connect_timeout: Duration::from_millis(50),
        ..Settings::default()
    };
    let client = Client::new(&settings).unwrap();
    let request = Request::new("http://slow.example/".parse().unwrap(), Trust::Caller);

    let outcome = hansard_net::wait(client.send(Call::get(request)));

    assert!(matches!(outcome, Err(Error::Timeout { .. })), "{outcome:?}");
    drop(hold);
}

#[test]
fn authorities_that_cannot_be_used_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let empty = folder.path().join("empty.pem");
    std::fs::write(&empty, "no certificate").unwrap();

    for path in [empty, folder.path().join("none.pem")] {
        let extra_authorities = Some(path.clone());
        let refused = Client::new(&Settings { extra_authorities, ..Settings::default() });

        let Err(Error::Authorities { path: named, .. }) = refused else { panic!("{refused:?}") };
        assert_eq!(named, path);
    }
}
