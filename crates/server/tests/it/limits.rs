//! How much one caller may ask for, and how often somebody may guess.

use std::time::Duration;

use axum::body::Body;
use hansard_domain::access::Role;
use hansard_server::{Keys, RateSettings, Settings};
use http::{Request, StatusCode};

use crate::service::{Answer, Service};
use crate::things::{key, user};

const KEY: &str = "zebra-7f3a";

fn limited(limits: RateSettings) -> impl FnOnce(&mut Settings) {
    move |settings| {
        settings.keys = Keys::new([KEY]);
        settings.admission.limits = limits;
    }
}

async fn ask(service: &Service, path: &str, key: &str) -> Answer {
    let request = Request::get(path).header("authorization", format!("Bearer {key}"));
    service.send(request.body(Body::empty()).unwrap()).await
}

#[tokio::test]
async fn a_caller_is_told_how_much_is_left_and_when_there_is_more() {
    let limits = RateSettings { requests_per_minute: 60, burst: 3, ..RateSettings::default() };
    let service = Service::start_with(limited(limits)).await;
    let ana = user(&service.store, "ana", Role::Editor).await;
    let other = key(&service.store, &ana, Role::Editor, false, Vec::new()).await;
    let list = "/api/v1/recordings";

    for left in ["2", "1", "0"] {
        let answer = ask(&service, list, KEY).await;
        assert_eq!(answer.status, StatusCode::OK);
        assert_eq!(answer.header("ratelimit-limit"), "3");
        assert_eq!(answer.header("ratelimit-remaining"), left);
        assert_eq!(answer.header("ratelimit-policy"), "60;w=60");
    }
    let refused = ask(&service, list, KEY).await;
    assert_eq!(refused.problem(), "rate_limited");
    assert_eq!(
        (refused.status, refused.header("retry-after")),
        (StatusCode::TOO_MANY_REQUESTS, "1")
    );
    assert_eq!(refused.header("ratelimit-remaining"), "0");
    assert_eq!(ask(&service, list, &other).await.status, StatusCode::OK, "that is somebody else");
    assert_eq!(
        ask(&service, "/metrics", KEY).await.status,
        StatusCode::OK,
        "probes are not counted"
    );

    service.clock.advance(Duration::from_secs(1));

    assert_eq!(ask(&service, list, KEY).await.status, StatusCode::OK);
    assert_eq!(ask(&service, list, KEY).await.problem(), "rate_limited");
}

#[tokio::test]
async fn strangers_are_counted_by_their_address() {
    let limits = RateSettings { anonymous_per_minute: 2, ..RateSettings::default() };
    let service = Service::start_with(|settings| {
        limited(limits)(settings);
        settings.admission.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()];
    })
    .await;
    let ask = async |address: &str| {
        let request = Request::get("/api/v1/openapi.json").header("x-forwarded-for", address);
        service.send(request.body(Body::empty()).unwrap()).await
    };

    for _ in 0..2 {
        assert_eq!(ask("198.51.100.7").await.status, StatusCode::OK);
    }

    assert_eq!(ask("198.51.100.7").await.problem(), "rate_limited");
    assert_eq!(ask("198.51.100.8").await.status, StatusCode::OK);
    assert_eq!(service.get("/healthz").await.status, StatusCode::OK);
}

#[tokio::test]
async fn whoever_guesses_keys_is_no_longer_listened_to() {
    let limits = RateSettings { failures_per_address: 3, ..RateSettings::default() };
    let service = Service::start_with(limited(limits)).await;
    let ana = user(&service.store, "ana", Role::Editor).await;
    let own = key(&service.store, &ana, Role::Editor, false, Vec::new()).await;
    let list = "/api/v1/recordings";

    for _ in 0..50 {
        assert_eq!(ask(&service, list, KEY).await.status, StatusCode::OK, "that is no guess");
    }
    for number in 0..3 {
        let guessed = ask(&service, list, &format!("zebra-{number}")).await;
        assert_eq!(guessed.status, StatusCode::UNAUTHORIZED);
    }

    let refused = ask(&service, list, "zebra-3").await;
    assert_eq!((refused.problem(), refused.header("retry-after")), ("rate_limited".into(), "15"));
    // What it tells is how it stands with guesses, of which there were too many, and not with requests.
    let told = ["ratelimit-limit", "ratelimit-remaining"].map(|name| refused.header(name));
    assert_eq!(told, ["3", "0"]);
    assert_eq!(ask(&service, list, KEY).await.problem(), "rate_limited", "right or not");
    // Nobody guesses 256 bits, and a neighbour behind the same address goes on working.
    assert_eq!(ask(&service, list, &own).await.status, StatusCode::OK);

    service.clock.advance(Duration::from_secs(15));

    assert_eq!(ask(&service, list, KEY).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_key_with_the_shape_of_a_signed_token_is_guessed_no_more_often() {
    const DOTTED: &str = "zebra.7f3a.key";
    let limits = RateSettings { failures_per_address: 3, ..RateSettings::default() };
    let service = Service::start_with(|settings| {
        limited(limits)(settings);
        settings.keys = Keys::new([DOTTED]);
    })
    .await;
    let list = "/api/v1/recordings";

    for _ in 0..10 {
        assert_eq!(ask(&service, list, DOTTED).await.status, StatusCode::OK, "that is no guess");
    }
    for number in 0..3 {
        let guessed = ask(&service, list, &format!("zebra.{number}.key")).await;
        assert_eq!(guessed.status, StatusCode::UNAUTHORIZED);
    }

    assert_eq!(ask(&service, list, "zebra.3.key").await.problem(), "rate_limited");
    assert_eq!(ask(&service, list, DOTTED).await.problem(), "rate_limited", "right or not");
}

#[tokio::test]
async fn whoever_goes_on_with_a_token_that_has_ended_keeps_no_neighbour_out() {
    let limits = RateSettings { failures_per_address: 3, ..RateSettings::default() };
    let service = Service::start_with(limited(limits)).await;
    let list = "/api/v1/recordings";

    for _ in 0..10 {
        let ended = ask(&service, list, "eyJhbGciOiJSUzI1NiJ9.e30.c2lnbmF0dXJl").await;
        assert_eq!(ended.status, StatusCode::UNAUTHORIZED);
    }

    assert_eq!(ask(&service, list, KEY).await.status, StatusCode::OK);
}

#[tokio::test]
async fn guesses_at_the_shared_secret_of_an_adapter_count_as_well() {
    let limits = RateSettings { failures_per_address: 2, ..RateSettings::default() };
    let service = Service::start_with(|settings| {
        limited(limits)(settings);
        settings.salestrainer.secrets = Keys::new(["zebra-shared-1"]);
    })
    .await;
    let guess = async |secret: &str| {
        let body = serde_json::json!({ "secret": secret, "object_key": "a.webm", "wait": false });
        service.post_json("/process-s3", &body).await.status
    };

    assert_eq!(guess("zebra-shared-2").await, StatusCode::UNAUTHORIZED);
    assert_eq!(guess("zebra-shared-3").await, StatusCode::UNAUTHORIZED);

    assert_eq!(guess("zebra-shared-1").await, StatusCode::TOO_MANY_REQUESTS);
}

#[tokio::test]
async fn nodes_that_share_a_database_count_together() {
    let limits = RateSettings { requests_per_minute: 60, burst: 40, ..RateSettings::default() };
    let one = Service::start_on_postgres(limited(limits)).await;
    let other = one.node(limited(limits)).await;
    let list = "/api/v1/recordings";

    let mut answered = 0;
    for _ in 0..40 {
        for node in [&one, &other] {
            let answer = ask(node, list, KEY).await;
            answered += u32::from(answer.status == StatusCode::OK);
            assert_eq!(answer.header("ratelimit-limit"), "40");
        }
    }

    assert_eq!(answered, 40, "as many as one node alone would have answered");
    assert_eq!(ask(&one, list, KEY).await.problem(), "rate_limited");
    one.clock.advance(Duration::from_secs(1));
    assert_eq!(ask(&other, list, KEY).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_user_has_no_more_of_more_keys() {
    let limits = RateSettings { requests_per_minute: 60, burst: 2, ..RateSettings::default() };
    let service = Service::start_with(limited(limits)).await;
    let ana = user(&service.store, "ana", Role::Editor).await;
    let list = "/api/v1/recordings";

    for expected in [StatusCode::OK, StatusCode::OK, StatusCode::TOO_MANY_REQUESTS] {
        let another = key(&service.store, &ana, Role::Editor, false, Vec::new()).await;
        assert_eq!(ask(&service, list, &another).await.status, expected);
    }
}

#[tokio::test]
async fn whoever_shows_nothing_that_is_any_good_is_counted_too() {
    let limits = RateSettings { anonymous_per_minute: 3, ..RateSettings::default() };
    let service = Service::start_with(limited(limits)).await;
    let made_up = format!("hsk_01KAJ2Z1GQ8C3T0V7M5N9XQ4RS_{}", "A".repeat(43));
    let list = "/api/v1/recordings";

    for _ in 0..3 {
        assert_eq!(ask(&service, list, &made_up).await.problem(), "unauthorized");
    }

    assert_eq!(ask(&service, list, &made_up).await.problem(), "rate_limited");
    let sessionless = Request::post("/api/v1/uploads").header("x-csrf-token", "x");
    let sessionless = service.send(sessionless.body(Body::empty()).unwrap()).await;
    assert_eq!(sessionless.status, StatusCode::TOO_MANY_REQUESTS, "{}", sessionless.text());
    assert_eq!(ask(&service, list, KEY).await.status, StatusCode::OK, "that is no stranger");
}

#[tokio::test]
async fn requests_that_come_at_once_take_no_more_than_they_are() {
    let limits = RateSettings { requests_per_minute: 60, burst: 40, ..RateSettings::default() };
    let service = Service::start_on_postgres(limited(limits)).await;
    let list = "/api/v1/recordings";

    let asked = (0..40).map(|_| ask(&service, list, KEY));
    let answers = futures_util::future::join_all(asked).await;

    let answered = answers.iter().filter(|answer| answer.status == StatusCode::OK);
    assert_eq!(answered.count(), 40);
    assert_eq!(ask(&service, list, KEY).await.problem(), "rate_limited");
}

#[tokio::test]
async fn whatever_else_is_wrong_with_a_request_of_nobodys_it_is_counted() {
    let limits = RateSettings { anonymous_per_minute: 3, ..RateSettings::default() };
    let list = "/api/v1/recordings";
    for headers in [
        &[("x-csrf-token", "made up")][..],
        &[("authorization", "Bearer made-up"), ("x-workspace", "nowhere")],
        &[("authorization", "Bearer made-up"), ("authorization", "Bearer twice")],
    ] {
        let service = Service::start_with(limited(limits)).await;
        let ask = async || {
            let request = headers
                .iter()
                .fold(Request::post(list), |request, (name, value)| request.header(*name, *value));
            service.send(request.body(Body::empty()).unwrap()).await
        };

        for _ in 0..3 {
            assert!(ask().await.problem() != "rate_limited", "{headers:?}");
        }
        assert_eq!(ask().await.problem(), "rate_limited", "{headers:?}");
    }
}
