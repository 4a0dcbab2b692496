//! Pages of other origins, and what their browsers are told.

use std::time::Duration;

use axum::body::Body;
use hansard_server::{Keys, RateSettings, declarations};
use http::{Method, Request, StatusCode};

use crate::service::{Answer, Service};

const KEY: &str = "zebra-7f3a";

/// The application that is listed, and one that is not.
const APP: &str = "https://app.example";
const EVIL: &str = "https://evil.example";

async fn start(limits: RateSettings) -> Service {
    Service::start_with(move |settings| {
        settings.keys = Keys::new([KEY]);
        settings.admission.limits = limits;
        settings.admission.frontend_url = Some("https://app.example/hansard/".parse().unwrap());
    })
    .await
}

/// A request of a page of `origin`, with other headers.
async fn from_page(
    service: &Service,
    method: Method,
    path: &str,
    origin: &str,
    headers: &[(&str, &str)],
) -> Answer {
    let mut request = Request::builder().method(method).uri(path).header("origin", origin);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    service.send(request.body(Body::empty()).unwrap()).await
}

/// Whether a browser lets a page of the listed application read the answer, and call with cookies.
fn is_welcome(answer: &Answer) -> bool {
    let origin = answer.header("access-control-allow-origin");
    let credentials = answer.header("access-control-allow-credentials");
    assert!(answer.header("vary").contains("origin"), "a cache would mix pages up: {answer:?}");
    match (origin, credentials) {
        (APP, "true") => true,
        ("", "") => false,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn browsers_ask_without_credentials_and_are_answered_on_every_route() {
    let service = start(RateSettings::default()).await;

    for route in declarations() {
        let wanted = [("access-control-request-method", route.method.as_str())];
        for (origin, is_listed) in [(APP, true), (EVIL, false), ("null", false)] {
            let answer = from_page(&service, Method::OPTIONS, &route.path, origin, &wanted).await;

            assert_eq!(answer.status, StatusCode::NO_CONTENT, "{route:?}");
            assert_eq!(is_welcome(&answer), is_listed, "{route:?} {origin}");
            let methods = answer.header("access-control-allow-methods");
            let is_allowed = methods.split(", ").any(|method| method == route.method.as_str());
            assert_eq!(is_allowed, is_listed, "{route:?} {origin}: {methods}");
        }
    }
}

#[tokio::test]
async fn an_application_reads_refusals_as_well() {
    let limits = RateSettings { anonymous_per_minute: 1, ..RateSettings::default() };
    let service = start(limits).await;
    let (list, key) = ("/api/v1/recordings", [("x-api-key", KEY)]);
    let nowhere = "/api/v1/recordings/rec_01KAJ2Z1GQ8C3T0V7M5N9XQ4RS";

    let refused = from_page(&service, Method::GET, list, APP, &[]).await;
    let throttled = from_page(&service, Method::GET, list, APP, &[]).await;
    let found = from_page(&service, Method::GET, list, APP, &key).await;
    service.clock.advance(Duration::from_secs(60));
    let missing = from_page(&service, Method::GET, nowhere, APP, &key).await;

    let statuses = [&refused, &throttled, &found, &missing].map(|answer| answer.status.as_u16());
    assert_eq!(statuses, [401, 429, 200, 404]);
    for answer in [&refused, &throttled, &found, &missing] {
        assert!(is_welcome(answer), "{answer:?}");
        assert!(answer.header("access-control-expose-headers").contains("retry-after"));
    }
    let evil = from_page(&service, Method::GET, nowhere, EVIL, &key).await;
    assert!(!is_welcome(&evil), "its page does not learn what the answer was");
}
