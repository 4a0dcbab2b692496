//! Looking at jobs, and what can be done about them.

use axum::body::Body;
use hansard_domain::problem::ProblemCode;
use hansard_store::jobs::JobError;
use http::{Request, StatusCode};
use serde_json::{Value, json};

use crate::service::Service;

fn id(value: &Value) -> &str {
    value["id"].as_str().expect("it has an id")
}

#[tokio::test]
async fn jobs_are_listed_page_by_page_and_by_state() {
    let service = Service::start().await;
    let mut ids = Vec::new();
    for _ in 0..5 {
        ids.insert(0, id(&service.accept().await["job"]).to_owned());
    }
    service.claim().await;

    let mut seen = Vec::new();
    let mut path = "/api/v1/jobs?limit=2".to_owned();
    loop {
        let page = service.get(&path).await.json();
        seen.extend(page["items"].as_array().unwrap().iter().map(|job| id(job).to_owned()));
        // What comes in between is no trouble.
        service.accept().await;
        let Some(cursor) = page["next_cursor"].as_str() else { break };
        path = format!("/api/v1/jobs?limit=2&cursor={cursor}");
    }
    let running = service.get("/api/v1/jobs?state=running").await.json();

    assert_eq!(seen, ids);
    assert_eq!(id(&running["items"][0]), ids[4]);
    assert_eq!(running["items"].as_array().unwrap().len(), 1);
    for wrong in ["state=lost", "cursor=x", "limit=0", "limit=x", "recording_id=1", "colour=red"] {
        let answer = service.get(&format!("/api/v1/jobs?{wrong}")).await;
        assert_eq!(answer.problem(), "invalid_request", "{wrong}");
    }
}

#[tokio::test]
async fn a_job_is_cancelled_once() {
    let service = Service::start().await;
    let accepted = service.accept().await;
    let path = format!("/api/v1/jobs/{}/cancel", id(&accepted["job"]));

    let cancelled = service.post_json(&path, &json!({})).await;
    let again = service.post_json(&path, &json!({})).await;

    assert_eq!(cancelled.json()["state"], "cancelled");
    assert_eq!(again.status, StatusCode::CONFLICT);
    assert_eq!(again.problem(), "job_state_conflict");
}

#[tokio::test]
async fn a_failed_job_says_why_and_is_retried_from_a_stage() {
    let service = Service::start().await;
    let accepted = service.accept().await;
    let path = format!("/api/v1/jobs/{}", id(&accepted["job"]));
    let retry = format!("{path}/retry");
    let lease = service.claim().await.lease;
    let early = service.post_json(&retry, &json!({})).await;
    let error = JobError { code: ProblemCode::UnreadableMedia, detail: "no sound".to_owned() };
    service.store.fail_job(&lease, error).await.unwrap();

    let failed = service.get(&path).await.json();
    let wrong = service.post_json(&retry, &json!({"stage": "publish"})).await;
    let bare = Request::post(&retry).body(Body::empty()).unwrap();
    let retried = service.send(bare).await;

    assert_eq!(early.problem(), "job_state_conflict");
    assert_eq!(failed["state"], "failed");
    assert_eq!(failed["error"]["code"], "unreadable_media");
    assert_eq!(failed["error"]["detail"], "no sound");
    assert_eq!(failed["error"]["type"], "/docs/errors/unreadable_media");
    assert_eq!(wrong.problem(), "invalid_request");
    assert_eq!(
        (retried.json()["state"].clone(), retried.json()["error"].clone()),
        (json!("queued"), Value::Null)
    );
}

#[tokio::test]
async fn a_recording_is_transcribed_again_with_other_options() {
    let service = Service::start().await;
    let accepted = service.accept().await;
    let recording = id(&accepted["recording"]);
    let path = format!("/api/v1/recordings/{recording}/jobs");

    let again = service.post_json(&path, &json!({"language": "pt", "again": true})).await;
    let nobody = service
        .post_json("/api/v1/recordings/rec_01KAJ2Z1GQ8C3T0V7M5N9XQ4RS/jobs", &json!({}))
        .await;
    let title = service.post_json(&path, &json!({"title": "x"})).await;

    assert_eq!(again.status, StatusCode::ACCEPTED);
    assert_eq!(again.json()["job"]["options"]["language"], "pt");
    assert_eq!(again.json()["recording"]["id"], recording);
    assert_ne!(again.json()["job"]["id"], accepted["job"]["id"]);
    assert_eq!(nobody.problem(), "recording_not_found");
    assert_eq!(title.problem(), "invalid_request");
}
