//! Transcripts in every form, finished and growing.

use axum::body::Body;
use hansard_domain::id::TranscriptId;
use hansard_domain::transcript::{Segment, Suspicion, Word};
use hansard_store::leases::{Held, Lease};
use hansard_store::transcripts::{Progress, Window};
use hansard_store::{Begin, Finished};
use http::Request;

use crate::service::Service;

fn segment(start: f64, text: &str) -> Segment {
    Segment {
        start,
        end: start + 2.0,
        text: text.to_owned(),
        tokens: Vec::new(),
        temperature: 0.0,
        average_log_probability: -0.25,
        compression_ratio: 1.5,
        no_speech_probability: 0.125,
        words: vec![Word { start, end: start + 2.0, text: text.to_owned(), probability: 0.5 }],
        suspicions: Vec::new(),
    }
}

async fn begin(service: &Service) -> (Lease, TranscriptId) {
    service.accept().await;
    let lease = service.claim().await.lease;
    match service.store.begin_transcript(&lease, "5ha", "fake/words").await.unwrap() {
        Held::Yes(Begin::Go { transcript, .. }) => (lease, transcript),
        other => panic!("{other:?}"),
    }
}

async fn commit(service: &Service, lease: &Lease, id: &TranscriptId, ordinal: i64, window: Window) {
    let progress = Progress {
        checkpoint: "{}".to_owned(),
        done: 30.0,
        duration: Some(60.0),
        language: Some("en".to_owned()),
        language_probability: None,
    };
    let held = service.store.commit_window(lease, id, ordinal, window, progress).await.unwrap();
    assert_eq!(held, Held::Yes(()));
}

/// A transcript of two windows, of which the second one has a segment that was dropped.
async fn transcript(service: &Service) -> (Lease, TranscriptId) {
    let (lease, id) = begin(service).await;
    let first = Window { segments: vec![segment(0.0, " Hello *there*.")], ..Window::default() };
    let invented =
        Segment { suspicions: vec![Suspicion::KnownPhrase], ..segment(40.0, " Thanks.") };
    let second = Window {
        segments: vec![segment(31.5, " A --> b\n & <c>.")],
        dropped: vec![invented],
        ..Window::default()
    };
    commit(service, &lease, &id, 0, first).await;
    commit(service, &lease, &id, 1, second).await;
    (lease, id)
}

#[tokio::test]
async fn a_transcript_is_had_in_every_form() {
    let service = Service::start().await;
    let (_, id) = transcript(&service).await;
    let get = async |format: &str| {
        service.get(&format!("/api/v1/transcripts/{id}?format={format}")).await
    };

    let (txt, srt, vtt) = (get("txt").await, get("srt").await, get("vtt").await);
    let (tsv, md) = (get("tsv").await, get("md").await);

    assert_eq!(txt.text(), "Hello *there*.\nA --> b & <c>.\n");
    assert_eq!(txt.header("content-type"), "text/plain; charset=utf-8");
    assert_eq!(
        srt.text(),
        "1\n00:00:00,000 --> 00:00:02,000\nHello *there*.\n\n2\n00:00:31,500 --> 00:00:33,500\nA -> b & <c>.\n\n"
    );
    assert_eq!(
        vtt.text(),
        "WEBVTT\n\n00:00:00.000 --> 00:00:02.000\nHello *there*.\n\n00:00:31.500 --> 00:00:33.500\nA -> b &amp; &lt;c>.\n\n"
    );
    assert_eq!(
        tsv.text(),
        "start\tend\ttext\n0\t2000\tHello *there*.\n31500\t33500\tA --> b & <c>.\n"
    );
    assert_eq!(md.text(), "# Transcript\n\n**00:00:00** Hello \\*there\\*. A --\\> b & \\<c\\>.\n");
    assert_eq!(get("docx").await.problem(), "invalid_request");
}

#[tokio::test]
async fn json_says_everything_and_whether_that_is_all() {
    let service = Service::start().await;
    let (lease, id) = transcript(&service).await;
    let path = format!("/api/v1/transcripts/{id}");

    let growing = service.get(&path).await.json();
    let finished = Finished {
        duration: 60.0,
        language: Some("en".to_owned()),
        language_probability: None,
        heard: 60.0,
        took: 6.0,
        started_at: service.clock.now(),
    };
    service.store.finish_transcript(&lease, &id, "fake/words", finished).await.unwrap();
    let whole = service.get(&path).await.json();

    assert_eq!(growing["complete"], false);
    assert_eq!(whole["complete"], true);
    assert_eq!(whole["duration_s"], 60.0);
    assert_eq!(growing["segments"], whole["segments"]);
    let segments = whole["segments"].as_array().unwrap();
    let texts: Vec<_> = segments.iter().map(|segment| segment["text"].as_str().unwrap()).collect();
    assert_eq!(texts, ["Hello *there*.", "A --> b\n & <c>.", "Thanks."]);
    assert_eq!(segments[2]["dropped"], true);
    assert_eq!(segments[2]["suspicions"][0], "known_phrase");
    assert_eq!(segments[0]["words"][0]["probability"], 0.5);
    let listed = service.get("/api/v1/transcripts").await.json();
    assert_eq!(listed["items"][0]["id"], id.to_string());
    let job = service.get(&format!("/api/v1/jobs/{}", lease.job)).await.json();
    assert_eq!(
        (job["state"].as_str(), job["progress"]["fraction"].as_f64()),
        (Some("succeeded"), Some(1.0))
    );
}

#[tokio::test]
async fn a_long_transcript_is_the_same_whatever_its_pieces_are() {
    let service = Service::start().await;
    let (lease, id) = begin(&service).await;
    for ordinal in 0..100 {
        let segments = vec![segment(ordinal as f64 * 30.0, &format!(" Sentence {ordinal}."))];
        commit(&service, &lease, &id, ordinal, Window { segments, ..Window::default() }).await;
    }

    let srt = service.get(&format!("/api/v1/transcripts/{id}?format=srt")).await;
    let json = service.get(&format!("/api/v1/transcripts/{id}?format=json")).await;

    assert_eq!(srt.text().matches(" --> ").count(), 100);
    assert!(srt.text().contains("\n\n100\n00:49:30,000 --> 00:49:32,000\nSentence 99.\n\n"));
    assert_eq!(json.json()["segments"].as_array().unwrap().len(), 100);
}

#[tokio::test]
async fn a_transcript_without_windows_is_empty_and_not_broken() {
    let service = Service::start().await;
    let (_, id) = begin(&service).await;
    let get = async |format: &str| {
        service.get(&format!("/api/v1/transcripts/{id}?format={format}")).await
    };

    assert_eq!(get("txt").await.text(), "");
    assert_eq!(get("vtt").await.text(), "WEBVTT\n\n");
    assert_eq!(get("json").await.json()["segments"], serde_json::json!([]));
    let accept = Request::get(format!("/api/v1/transcripts/{id}")).header("accept", "image/png");
    let answer = service.send(accept.body(Body::empty()).unwrap()).await;
    assert_eq!(answer.problem(), "not_acceptable");
}
