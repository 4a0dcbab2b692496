//! What operators ask.

use std::time::Duration;

use axum::body::Body;
use futures_util::future;
use hansard_server::EngineState;
use http::{Request, StatusCode};

use crate::service::{Service, WAV, form, form_request};

#[tokio::test]
async fn readiness_tells_each_part() {
    let service = Service::start_full(1, |_| {}).await;

    let ready = service.get("/readyz").await;
    service.accept().await;
    service.engine.send_replace(EngineState::Failed);
    let seen_lately = service.get("/readyz").await;
    service.clock.advance(Duration::from_secs(1));
    let failed = service.get("/readyz").await;
    service.engine.send_replace(EngineState::Loaded);
    service.clock.advance(Duration::from_secs(1));
    let loaded = service.get("/readyz").await;
    service.shutdown.cancel();
    let stopping = service.get("/readyz").await;

    assert_eq!(ready.status, StatusCode::OK);
    assert_eq!((&ready.json()["database"], &ready.json()["queue"]), (&"ok".into(), &"ok".into()));
    assert_eq!(ready.json()["model"], "not_loaded");
    assert_eq!(
        (failed.status, failed.json()["queue"].as_str()),
        (StatusCode::SERVICE_UNAVAILABLE, Some("full"))
    );
    assert_eq!(
        seen_lately.json(),
        ready.json(),
        "however many ask, the parts are asked once a second"
    );
    assert_eq!(loaded.status, StatusCode::OK);
    assert_eq!(stopping.status, StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test]
async fn a_database_that_is_gone_is_told_without_its_words() {
    let service = Service::start().await;
    service.store.close().await;

    let ready = service.get("/readyz").await;
    let jobs = service.get("/api/v1/jobs").await;

    assert_eq!(ready.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(ready.json()["database"], "unavailable");
    assert_eq!(jobs.problem(), "database_unavailable");
    assert_eq!(jobs.header("retry-after"), "1");
    assert!(jobs.json().get("detail").is_none());
    assert_eq!(service.get("/healthz").await.status, StatusCode::OK);
}

#[tokio::test]
async fn metrics_count_requests_by_route_and_never_by_path() {
    let service = Service::start().await;
    service.accept().await;
    service.get("/api/v1/jobs/job_01KAJ2Z1GQ8C3T0V7M5N9XQ4RS?secret=1").await;
    service.get("/no/such/path").await;

    let metrics = service.get("/metrics").await;

    let text = metrics.text();
    for line in [
        r#"hansard_http_requests_total{method="GET",route="/api/v1/jobs/{id}",status="4xx"} 1"#,
        r#"hansard_http_requests_total{method="POST",route="/api/v1/recordings",status="2xx"} 1"#,
        r#"hansard_http_requests_total{method="GET",route="none",status="4xx"} 1"#,
        "hansard_queue_jobs 1",
    ] {
        assert!(text.lines().any(|known| known == line), "{line}\n{text}");
    }
    assert!(!text.contains("secret") && !text.contains("01KAJ2Z1GQ8C3T0V7M5N9XQ4RS"));
    assert!(text.ends_with("# EOF\n"));
}

#[tokio::test]
async fn whoever_waits_for_a_result_keeps_nobody_else_out() {
    let service = Service::start_with(|settings| settings.requests_max = 1).await;
    let body = form(&[("model", b"whisper-1"), ("file", WAV)]);
    let waiting = service.send(form_request("/v1/audio/transcriptions", body));

    let others = async {
        // Until the file is here, the first request is worked on.
        while service.get("/api/v1/jobs").await.status != StatusCode::OK {
            tokio::task::yield_now().await;
        }
        service.shutdown.cancel();
    };
    let (waited, ()) = future::join(waiting, others).await;

    assert_eq!(waited.status, StatusCode::SERVICE_UNAVAILABLE, "the service stops: {waited:?}");
}

#[tokio::test]
async fn a_busy_server_says_so_and_still_answers_probes() {
    let service = Service::start_with(|settings| settings.requests_max = 0).await;

    let busy = service.get("/api/v1/jobs").await;
    let head = service.send(Request::head("/healthz").body(Body::empty()).unwrap()).await;

    assert_eq!(
        (busy.status, busy.problem()),
        (StatusCode::SERVICE_UNAVAILABLE, "overloaded".into())
    );
    assert_eq!(busy.header("retry-after"), "1");
    assert_eq!(head.status, StatusCode::OK);
}
