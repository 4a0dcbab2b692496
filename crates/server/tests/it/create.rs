//! Handing in recordings.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::body::Body;
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::StatusCode;
use serde_json::{Value, json};

use crate::service::{BOUNDARY, Service, WAV, form, form_request};

const RECORDINGS: &str = "/api/v1/recordings";

#[tokio::test]
async fn a_form_becomes_a_recording_with_its_media_and_a_job() {
    let service = Service::start().await;
    let body = form(&[
        ("language", b"Portuguese"),
        ("file", WAV),
        ("words", b"true"),
        ("metadata", b"{\"course\": 7}"),
        ("title", "R\u{e9}union".as_bytes()),
    ]);

    let answer = service.send(form_request(RECORDINGS, body)).await;

    assert_eq!(answer.status, StatusCode::ACCEPTED, "{}", answer.text());
    let Value::Object(accepted) = answer.json() else { panic!() };
    let (recording, job) = (&accepted["recording"], &accepted["job"]);
    assert_eq!(recording["title"], "R\u{e9}union");
    assert_eq!(recording["metadata"], json!({"course": 7}));
    assert_eq!(recording["source"], json!({"upload": {"file_name": "talk.wav"}}));
    assert_eq!(recording["media"]["content_type"], "audio/wav");
    assert_eq!(recording["media"]["size_bytes"], WAV.len());
    assert_eq!(job["state"], "queued");
    assert_eq!(job["stage"], "transcribe");
    assert_eq!(job["options"]["language"], "pt");
    assert_eq!(job["options"]["words"], true);
    assert_eq!(job["queue"], json!({"ahead": 0, "wait_s": null}));
    assert!(service.was_woken());
    assert_eq!(service.media_files().await.len(), 1);
    let again = service.get(answer.header("location")).await;
    assert_eq!(again.json(), *job);
    let id = recording["id"].as_str().unwrap();
    assert_eq!(service.get(&format!("{RECORDINGS}/{id}")).await.json(), *recording);
}

#[tokio::test]
async fn json_names_a_source_for_the_workers_to_fetch() {
    let service = Service::start().await;

    let s3 = service.post_json(RECORDINGS, &json!({"source": {"s3": {"key": "a/b.webm"}}})).await;
    let url = "https://example.org/talk.mp3";
    let url =
        service.post_json(RECORDINGS, &json!({"source": {"url": url}, "priority": "high"})).await;

    assert_eq!(s3.status, StatusCode::ACCEPTED);
    assert_eq!(
        s3.json()["recording"]["source"],
        json!({"s3": {"bucket": "uploads", "key": "a/b.webm"}})
    );
    assert_eq!(s3.json()["recording"]["media"], Value::Null);
    assert_eq!(s3.json()["job"]["stage"], "acquire");
    assert_eq!(url.json()["job"]["priority"], "high");
    assert_eq!(url.json()["recording"]["source"], json!({"url": "https://example.org/talk.mp3"}));
}

#[tokio::test]
async fn a_form_with_mistakes_leaves_nothing_and_tells_them_all() {
    let service = Service::start().await;
    let body =
        form(&[("file", WAV), ("language", b"klingon"), ("temperature", b"9"), ("flavor", b"x")]);

    let answer = service.send(form_request(RECORDINGS, body)).await;

    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(answer.problem(), "invalid_request");
    let pointers: Vec<_> = answer.json()["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|error| error["pointer"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(pointers, ["/language", "/temperature", "/flavor"]);
    assert!(service.media_files().await.is_empty());
}

#[tokio::test]
async fn a_file_that_is_too_large_or_missing_leaves_nothing() {
    let service = Service::start_with(|settings| settings.file_bytes_max = 1000).await;

    let large = service.send(form_request(RECORDINGS, form(&[("file", &[7; 1001])]))).await;
    let missing = service.send(form_request(RECORDINGS, form(&[("title", b"x")]))).await;
    let empty = service.send(form_request(RECORDINGS, form(&[("file", b"")]))).await;
    let twice = service.send(form_request(RECORDINGS, form(&[("file", WAV), ("file", WAV)]))).await;
    let mut cut = form(&[("file", WAV)]);
    cut.truncate(cut.len() - 10);
    let cut = service.send(form_request(RECORDINGS, cut)).await;

    assert_eq!(
        (large.status, large.problem()),
        (StatusCode::PAYLOAD_TOO_LARGE, "payload_too_large".into())
    );
    for answer in [missing, empty, twice] {
        assert_eq!(answer.problem(), "invalid_request");
    }
    assert_eq!(cut.problem(), "malformed_body");
    assert!(service.media_files().await.is_empty());
}

#[tokio::test]
async fn a_repeated_request_has_the_first_answer_and_does_nothing() {
    let service = Service::start().await;
    let send = async |title: &'static str, file: &'static [u8]| {
        let mut request =
            form_request(RECORDINGS, form(&[("title", title.as_bytes()), ("file", file)]));
        request.headers_mut().insert("idempotency-key", "upload 7".parse().unwrap());
        service.send(request).await
    };

    let first = send("a", WAV).await;
    assert!(service.was_woken());
    let again = send("a", WAV).await;
    let other_file = send("a", &WAV[..40]).await;
    let other_title = send("b", WAV).await;

    assert_eq!(first.header("idempotency-replayed"), "");
    assert_eq!(again.header("idempotency-replayed"), "true");
    assert_eq!(first.json(), again.json());
    for other in [other_file, other_title] {
        assert_eq!(other.problem(), "idempotency_key_reused");
    }
    assert_eq!(service.media_files().await.len(), 1);
    assert!(!service.was_woken());
}

#[tokio::test]
async fn a_full_queue_says_when_to_come_back_and_keeps_no_file() {
    let service = Service::start_full(1, |_| {}).await;
    let send = async || service.send(form_request(RECORDINGS, form(&[("file", WAV)]))).await;

    let first = send().await;
    let second = send().await;

    assert_eq!(first.status, StatusCode::ACCEPTED);
    assert_eq!(second.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(second.problem(), "queue_full");
    assert_eq!(second.header("retry-after"), "30");
    assert_eq!(service.media_files().await.len(), 1);
}

#[tokio::test]
async fn a_full_queue_is_told_before_the_file_is_sent() {
    let service = Service::start_full(1, |_| {}).await;
    service.accept().await;
    let unsent = Body::from_stream(stream::pending::<Result<Bytes, Infallible>>());

    let refused = service.send(form_request(RECORDINGS, unsent)).await;

    assert_eq!(refused.problem(), "queue_full");
}

#[tokio::test]
async fn a_request_that_was_made_before_finds_its_job_in_a_full_queue() {
    let service = Service::start_full(1, |_| {}).await;
    let send = async || {
        let mut request = form_request(RECORDINGS, form(&[("file", WAV)]));
        request.headers_mut().insert("idempotency-key", "order 7".parse().unwrap());
        service.send(request).await
    };

    let (first, again) = (send().await, send().await);

    assert_eq!(again.status, StatusCode::ACCEPTED, "{}", again.text());
    assert_eq!(first.json()["job"]["id"], again.json()["job"]["id"]);
}

#[tokio::test]
async fn bodies_of_other_kinds_are_refused() {
    let service = Service::start().await;
    let send = async |content_type: &str, body: &str| {
        let request = http::Request::post(RECORDINGS).header("content-type", content_type);
        service.send(request.body(body.to_owned().into()).unwrap()).await
    };

    assert_eq!(send("text/plain", "hello").await.problem(), "unsupported_content_type");
    assert_eq!(send("application/json", "{").await.problem(), "malformed_body");
    assert_eq!(send("application/json", "[]").await.problem(), "invalid_request");
    assert_eq!(send("application/json", &"[".repeat(100_000)).await.problem(), "malformed_body");
    let large = format!("{{\"source\": \"{}\"}}", "x".repeat(2 << 20));
    assert_eq!(send("application/json", &large).await.problem(), "payload_too_large");
    assert_eq!(send("multipart/form-data", "x").await.problem(), "malformed_body");
}

#[tokio::test]
async fn a_form_that_goes_on_and_on_without_a_part_is_cut_off() {
    let service = Service::start().await;
    let begun = format!("--{BOUNDARY}\r\ncontent-disposition: form-data; name=\"a\"\r\nx-long: ");

    for head in ["no boundary at all", &begun] {
        let pieces = std::iter::once(Bytes::from(head.to_owned()))
            .chain(std::iter::repeat_n(Bytes::from_static(&[b'x'; 1024]), 10_000));
        let taken = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&taken);
        let body = stream::iter(pieces.map(Ok::<_, Infallible>))
            .inspect(move |_| _ = count.fetch_add(1, Ordering::Relaxed));

        let answer = service.send(form_request(RECORDINGS, Body::from_stream(body))).await;

        assert_eq!(answer.problem(), "malformed_body", "{head}");
        assert!(taken.load(Ordering::Relaxed) < 100, "{head}: {taken:?} KiB were read");
    }
    assert!(service.media_files().await.is_empty());
}
