//! OpenAI's clients and OpenAI's wire format.

use std::time::Duration;

use hansard_domain::job::JobState;
use hansard_server::Keys;
use hansard_store::jobs::JobFilter;
use hansard_testkit::speech;
use http::StatusCode;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::service::{BOUNDARY, Service, form, form_request};
use crate::working::{BOUND, Plan, Working};

const TRANSCRIPTIONS: &str = "/v1/audio/transcriptions";

/// Sends the form to the running service.
async fn send(working: &Working, body: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(working.address).await.unwrap();
    let head = format!(
        "POST {TRANSCRIPTIONS} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n\
         content-type: multipart/form-data; boundary={BOUNDARY}\r\ncontent-length: {}\r\n\r\n",
        working.address,
        body.len()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(body).await.unwrap();
    stream
}

/// The whole answer: head and body.
async fn answer(mut stream: TcpStream) -> String {
    let mut text = String::new();
    let read = tokio::time::timeout(BOUND, stream.read_to_string(&mut text)).await;
    read.expect("an answer comes in time").unwrap();
    text
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_official_library_finds_everything_that_it_knows() {
    let working = Working::start(Plan::default()).await;
    let long = working.file("long.wav", &speech::mono(65.0, 1));
    let short = working.file("short.wav", &speech::mono(12.0, 2));

    working.python("openai/sdk.py", &[&long, &short]).await;

    // 65 s are three windows: plain, in English, with words and a prompt, and translated; the short one is heard once.
    assert_eq!(working.heard().len(), 4 * 3 + 1, "{:?}", working.heard());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_goes_away_finds_its_transcript_when_it_comes_back() {
    let plan = Plan { window_time: Duration::from_millis(300), ..Plan::default() };
    let working = Working::start(plan).await;
    let body = form(&[("model", b"whisper-1"), ("file", &speech::mono(65.0, 3))]);

    let gone = send(&working, &body).await;
    working.has_heard(1).await;
    drop(gone);
    let answer = answer(send(&working, &body).await).await;

    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert_eq!(working.heard().len(), 3, "{:?}", working.heard());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn text_is_sent_while_the_rest_is_still_being_heard() {
    let plan = Plan { window_time: Duration::from_secs(1), ..Plan::default() };
    let working = Working::start(plan).await;
    let body =
        form(&[("model", b"whisper-1"), ("stream", b"true"), ("file", &speech::mono(65.0, 4))]);

    let mut stream = send(&working, &body).await;
    let mut seen = Vec::new();
    while !String::from_utf8_lossy(&seen).contains("transcript.text.delta") {
        let read = tokio::time::timeout(BOUND, stream.read_buf(&mut seen)).await;
        assert_ne!(read.expect("text comes in time").unwrap(), 0);
    }
    let heard_by_then = working.heard().len();
    let rest = answer(stream).await;

    assert!(heard_by_then < 3, "{heard_by_then}");
    let head = String::from_utf8_lossy(&seen).into_owned();
    assert!(head.contains("content-type: text/event-stream"), "{head}");
    assert!(head.contains("x-accel-buffering: no"), "{head}");
    assert!(rest.contains("transcript.text.done") && rest.contains("data: [DONE]\n\n"), "{rest}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_that_stops_sends_its_callers_away_and_keeps_their_jobs() {
    let plan = Plan { window_time: Duration::from_secs(2), ..Plan::default() };
    let working = Working::start(plan).await;
    let body = form(&[("model", b"whisper-1"), ("file", &speech::mono(65.0, 5))]);

    let waiting = send(&working, &body).await;
    working.has_heard(1).await;
    working.stop();
    let answer = answer(waiting).await;

    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    assert!(answer.contains("\"code\":\"shutting_down\""), "{answer}");
    let workspace = working.store.ensure_workspace("default").await.unwrap();
    let jobs = working.store.page_jobs(&workspace, &JobFilter::default(), None, 10).await.unwrap();
    assert_eq!(jobs.items.len(), 1);
    assert_ne!(jobs.items[0].state, JobState::Failed);
}

#[tokio::test]
async fn what_is_wrong_is_said_in_openais_words_whoever_finds_it() {
    let service = Service::start_with(|settings| settings.keys = Keys::new(["zebra-7f3a"])).await;
    let error = |answer: &crate::service::Answer| -> Value {
        assert_eq!(answer.header("content-type"), "application/json");
        assert!(!answer.header("x-request-id").is_empty());
        answer.json()["error"].clone()
    };

    let stranger = service.send(form_request(TRANSCRIPTIONS, form(&[]))).await;
    assert_eq!(stranger.status, StatusCode::UNAUTHORIZED);
    assert_eq!(stranger.header("www-authenticate"), "Bearer");
    let expected = json!({
        "message": "Not authenticated", "type": "invalid_request_error", "param": null,
        "code": "invalid_api_key",
    });
    assert_eq!(error(&stranger), expected);

    let with_key = |body: Vec<u8>| {
        let mut request = form_request(TRANSCRIPTIONS, body);
        request.headers_mut().insert("authorization", "Bearer zebra-7f3a".parse().unwrap());
        service.send(request)
    };
    let no_file = with_key(form(&[("model", b"whisper-1")])).await;
    assert_eq!(no_file.status, StatusCode::BAD_REQUEST);
    assert_eq!(error(&no_file)["param"], "file");
    let no_model = with_key(form(&[("file", b"RIFF....WAVE")])).await;
    assert_eq!(no_model.status, StatusCode::BAD_REQUEST);
    assert_eq!(error(&no_model)["param"], "model");
    let no_form = with_key(b"{}".to_vec()).await;
    assert_eq!(no_form.status, StatusCode::BAD_REQUEST);
    let too_large = with_key(form(&[("file", &vec![0; 2 << 20])])).await;
    assert_eq!(too_large.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(error(&too_large)["code"], "payload_too_large");
    // Nothing of what was refused stays.
    assert!(service.media_files().await.is_empty());
}
