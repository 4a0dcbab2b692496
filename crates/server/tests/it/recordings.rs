//! Finding, changing and deleting recordings.

use std::time::Duration;

use axum::body::Body;
use hansard_store::leases::Held;
use http::{Method, Request, StatusCode};
use serde_json::{Value, json};

use crate::service::{Service, form, form_request, id};

const RECORDINGS: &str = "/api/v1/recordings";
const NOBODY: &str = "/api/v1/recordings/rec_01KAJ2Z1GQ8C3T0V7M5N9XQ4RS";

/// Hands in what a worker will fetch, under a name of another system.
async fn named(service: &Service, external_id: &str) -> Value {
    let asked = json!({"source": {"s3": {"key": "a.webm"}}, "external_id": external_id});
    let answer = service.post_json(RECORDINGS, &asked).await;
    assert_eq!(answer.status, StatusCode::ACCEPTED, "{}", answer.text());
    answer.json()["recording"].clone()
}

#[tokio::test]
async fn recordings_are_found_by_what_is_known_of_them() {
    let service = Service::start().await;
    let mut ids = Vec::new();
    for number in 0..5 {
        ids.insert(0, id(&named(&service, &format!("wp {number}")).await).to_owned());
        service.clock.advance(Duration::from_secs(60));
    }
    let sent = service.accept().await["recording"].clone();
    let sha256 = sent["media"]["sha256"].as_str().unwrap().to_uppercase();
    let second = service.get(&format!("{RECORDINGS}/{}", ids[3])).await.json();
    let second = second["created_at"].as_str().unwrap().to_owned();

    let listed = async |query: &str| service.listed(&format!("{RECORDINGS}?{query}")).await;

    assert_eq!(listed("limit=2&source=s3").await, ids);
    assert_eq!(listed(&format!("sha256={sha256}")).await, [id(&sent)]);
    assert_eq!(listed("source=upload").await, [id(&sent)]);
    assert_eq!(listed("external_id=wp%203").await, [ids[1].as_str()]);
    assert_eq!(listed(&format!("created_before={second}")).await, [ids[4].as_str()]);
    assert_eq!(listed(&format!("created_from={second}&limit=2&source=s3")).await, ids[..4]);
    assert_eq!(listed("created_from=2026-11-22T00:00:00%2B14:00").await.len(), 6);
    assert!(listed("external_id=none").await.is_empty());
}

#[tokio::test]
async fn all_that_is_wrong_with_a_question_is_told_at_once() {
    let service = Service::start().await;

    let wrong = "created_from=yesterday&created_before=&source=ftp&sha256=abc&cursor=x";
    let answer = service.get(&format!("{RECORDINGS}?{wrong}")).await;

    assert_eq!(
        answer.mistakes(),
        ["/created_from", "/created_before", "/source", "/sha256", "/cursor"]
    );
    for wrong in ["colour=red", "limit=x", "limit=201", "external_id=%00"] {
        let answer = service.get(&format!("{RECORDINGS}?{wrong}")).await;
        assert_eq!(answer.problem(), "invalid_request", "{wrong}");
    }
}

#[tokio::test]
async fn a_patch_changes_what_it_names_and_null_clears() {
    let service = Service::start().await;
    let old = named(&service, "wp-1").await;
    let path = format!("{RECORDINGS}/{}", id(&old));

    let first = json!({
        "title": "Sunday", "visibility": "link", "metadata": {"course": {"id": 7, "room": "a"}, "tags": [1]},
    });
    let first = service.patch_json(&path, &first).await;
    let second = r#"{"title": null, "visibility": null, "metadata": {"course": {"room": null}, "tags": [2]}}"#;
    let merge = Request::patch(&path).header("content-type", "application/merge-patch+json");
    let second = service.send(merge.body(Body::from(second)).unwrap()).await;
    let nothing = service.patch_json(&path, &json!({})).await;
    let cleared = service.patch_json(&path, &json!({"metadata": null, "external_id": null})).await;

    assert_eq!(first.status, StatusCode::OK, "{}", first.text());
    assert_eq!(first.json()["title"], "Sunday");
    assert_eq!(first.json()["visibility"], "link");
    assert_eq!(first.json()["external_id"], "wp-1");
    assert_ne!(first.json()["updated_at"], old["updated_at"]);
    assert_eq!(second.json()["title"], Value::Null);
    assert_eq!(second.json()["visibility"], "workspace");
    assert_eq!(second.json()["metadata"], json!({"course": {"id": 7}, "tags": [2]}));
    assert_eq!(nothing.json(), second.json());
    assert_eq!(cleared.json()["metadata"], json!({}));
    assert_eq!(cleared.json()["external_id"], Value::Null);
    assert_eq!(service.get(&path).await.json(), cleared.json());
}

#[tokio::test]
async fn a_patch_that_cannot_be_changes_nothing() {
    let service = Service::start().await;
    named(&service, "taken").await;
    let recording = named(&service, "mine").await;
    let path = format!("{RECORDINGS}/{}", id(&recording));
    let full = json!({"metadata": {"a": "x".repeat(60_000)}});

    let wrong =
        json!({"title": 7, "external_id": "", "visibility": "all", "metadata": [], "id": null});
    let wrong = service.patch_json(&path, &wrong).await;
    let taken = service.patch_json(&path, &json!({"external_id": "taken"})).await;
    let unchanged = service.get(&path).await.json();
    assert_eq!(service.patch_json(&path, &full).await.status, StatusCode::OK);
    let large = service.patch_json(&path, &json!({"metadata": {"b": "x".repeat(6_000)}})).await;
    let list = service.patch_json(&path, &json!([])).await;
    let text = Request::patch(&path).header("content-type", "text/plain").body("x".into());
    let text = service.send(text.unwrap()).await;
    let nobody = service.patch_json(NOBODY, &json!({"title": "x"})).await;

    assert_eq!(wrong.mistakes(), ["/title", "/external_id", "/visibility", "/metadata", "/id"]);
    assert_eq!((taken.status, taken.problem()), (StatusCode::CONFLICT, "external_id_taken".into()));
    assert_eq!(unchanged, recording);
    assert_eq!(large.mistakes(), ["/metadata"]);
    assert_eq!(list.problem(), "invalid_request");
    assert_eq!(text.problem(), "unsupported_content_type");
    assert_eq!(nobody.problem(), "recording_not_found");
}

#[tokio::test]
async fn callers_who_merge_at_once_do_not_undo_each_other() {
    let service = Service::start().await;
    let path = format!("{RECORDINGS}/{}", id(&named(&service, "wp-1").await));

    let patches: Vec<_> = (0..4).map(|n| json!({"metadata": {format!("k{n}"): n}})).collect();
    let changes = patches.iter().map(|patch| service.patch_json(&path, patch));
    let answers = futures_util::future::join_all(changes).await;

    assert!(answers.iter().all(|answer| answer.status == StatusCode::OK), "{answers:?}");
    let metadata = service.get(&path).await.json()["metadata"].clone();
    assert_eq!(metadata, json!({"k0": 0, "k1": 1, "k2": 2, "k3": 3}));
}

#[tokio::test]
async fn a_recording_is_deleted_with_all_that_belongs_to_it_even_when_the_queue_is_full() {
    let service = Service::start_full(1, |_| {}).await;
    let accepted = service.accept().await;
    let path = format!("{RECORDINGS}/{}", id(&accepted["recording"]));
    let full = service.send(form_request(RECORDINGS, form(&[("file", b"RIFF")]))).await;

    let deleted = service.call(Method::DELETE, &path).await;

    assert_eq!(full.problem(), "queue_full");
    assert_eq!((deleted.status, deleted.body.len()), (StatusCode::NO_CONTENT, 0));
    assert_eq!(service.get(&path).await.problem(), "recording_not_found");
    assert_eq!(service.call(Method::DELETE, &path).await.problem(), "recording_not_found");
    let job = format!("/api/v1/jobs/{}", id(&accepted["job"]));
    assert_eq!(service.get(&job).await.problem(), "job_not_found");
    assert!(service.listed(RECORDINGS).await.is_empty());
    assert!(service.media_files().await.is_empty());
    // Its place in the queue is free.
    service.accept().await;
}

#[tokio::test]
async fn whoever_works_on_a_deleted_recording_has_lost_it() {
    let service = Service::start().await;
    let accepted = service.accept().await;
    let claimed = service.claim().await;

    let path = format!("{RECORDINGS}/{}", id(&accepted["recording"]));
    assert_eq!(service.call(Method::DELETE, &path).await.status, StatusCode::NO_CONTENT);

    let told = service.store.return_job(&claimed.lease, service.clock.now(), None).await.unwrap();
    assert_eq!(told, Held::Lost);
}
