//! Uploads, their jobs, and what is downloaded of them.

use http::StatusCode;
use serde_json::{Value, json};

use super::client::{Client, detail, mistakes, service, transcribe};
use crate::service::{BOUNDARY, Service, WAV, form};

#[tokio::test]
async fn a_file_goes_from_its_upload_to_its_transcript() {
    let service = service().await;
    let ana = Client::new(&service, "ana");

    let uploaded = ana.upload("/upload", WAV).await;
    let job = uploaded.json()["job_id"].as_i64().expect("a job has a number");
    let waiting = ana.get(&format!("/job/{job}")).await.json();
    assert!(service.was_woken());
    transcribe(&service).await;
    let completed = ana.get(&format!("/job/{job}")).await;

    assert_eq!(uploaded.status, StatusCode::OK);
    assert_eq!(uploaded.json()["message"], "File uploaded and transcription started");
    assert_eq!((&waiting["job_id"], &waiting["status"]), (&json!(job), &json!("pending")));
    assert_eq!((&waiting["filename"], &waiting["transcript"]), (&json!("talk.wav"), &json!(null)));
    assert_eq!((&waiting["progress"], &waiting["error"]), (&json!(0), &json!(null)));
    let json = completed.json();
    assert_eq!((&json["status"], &json["progress"]), (&json!("completed"), &json!(100)));
    assert_eq!(json["transcript"], "Good morning, all \"status\". Let us begin.");
    assert!(json["created_at"].as_str().unwrap().ends_with('Z'));
    assert_eq!(ana.get(&format!("/jobs/{job}")).await.json(), json, "as the documents have it");
    assert_eq!(ana.get(&format!("/mxwhisper/job/{job}")).await.json(), json);
}

#[tokio::test]
async fn a_script_that_looks_for_the_status_finds_one() {
    let service = service().await;
    let ana = Client::new(&service, "ana");
    let job = ana.transcribed("a").await;

    // `curl ... | grep -o '"status":"[^"]*"' | cut -d'"' -f4`, as the original's shell client does.
    let text = ana.get(&format!("/job/{job}")).await.text().to_owned();
    let found: Vec<_> =
        text.match_indices("\"status\":\"").map(|(at, mark)| &text[at + mark.len()..]).collect();

    assert_eq!(found.len(), 1, "{text}");
    assert!(found[0].starts_with("completed\""), "{text}");
    assert_eq!(text.matches("\"status\"").count(), 1, "{text}");
    assert_eq!(text.matches("\"job_id\"").count(), 1, "{text}");
}

#[tokio::test]
async fn a_transcript_is_downloaded_in_every_format() {
    let service = service().await;
    let ana = Client::new(&service, "ana");
    let job = ana.transcribed("a").await;
    let get = async |query: &str| ana.get(&format!("/jobs/{job}/download{query}")).await;

    let srt = get("?format=SRT").await;
    let (vtt, json) = (get("?format=vtt").await, get("?format=json").await.json());

    // The original cuts milliseconds off: 5.76 becomes 759. It ends with one line break.
    let expected = "1\n00:00:00,000 --> 00:00:05,760\nGood morning,\n\n\
                    2\n00:00:05,760 --> 00:00:09,000\nall \"status\".\n\n\
                    3\n00:00:31,500 --> 00:00:33,000\nLet us begin.\n";
    assert_eq!(srt.text(), expected);
    assert_eq!(srt.header("content-type"), "text/plain; charset=utf-8");
    for query in ["", "?format=txt", "?format=docx"] {
        let text = get(query).await;
        assert_eq!(text.text(), "Good morning, all \"status\". Let us begin.", "{query}");
        assert_eq!(text.header("content-type"), "text/plain; charset=utf-8");
    }
    assert!(vtt.text().starts_with("WEBVTT\n\n00:00:00.000 --> "), "{}", vtt.text());
    assert_eq!(json["segments"].as_array().unwrap().len(), 3);
    assert_eq!(json["language"], "en");
}

#[tokio::test]
async fn what_is_not_there_has_the_originals_words() {
    let service = service().await;
    let ana = Client::new(&service, "ana");
    let job = ana.uploaded("a").await;

    for path in ["/job/999", "/jobs/999", "/job/seven"] {
        assert_eq!(detail(&ana.get(path).await), (404, "Job not found".to_owned()), "{path}");
    }
    for path in [format!("/jobs/{job}/download"), "/jobs/999/download?format=srt".to_owned()] {
        let answer = ana.get(&path).await;
        assert_eq!(detail(&answer), (404, "Transcript not available".to_owned()), "{path}");
    }
    let expected = [(json!(["path", "job_id"]), "int_parsing".to_owned())];
    assert_eq!(mistakes(&ana.get("/jobs/seven").await), expected);
    assert_eq!(mistakes(&ana.get("/jobs/seven/download").await), expected);
}

#[tokio::test]
async fn a_job_is_its_owners() {
    let service = service().await;
    let (ana, ben) = (Client::new(&service, "ana"), Client::new(&service, "ben"));
    let job = ana.transcribed("a").await;
    let read = "You do not have permission to access this job";

    // In the original, everybody reads the first of these, and whoever has a token the others.
    for path in ["", "/download", "/topics", "/collections"] {
        let answer = ben.get(&format!("/jobs/{job}{path}")).await;
        assert_eq!(detail(&answer), (403, read.to_owned()), "{path}");
    }
    assert_eq!(detail(&ben.get(&format!("/job/{job}")).await).0, 403);
    assert_eq!(ben.get("/user/jobs").await.json(), json!([]));
    assert_eq!(ana.get("/user/jobs").await.json()[0]["id"], job);
}

#[tokio::test]
async fn ones_own_jobs_are_listed_newest_first() {
    let service = service().await;
    let ana = Client::new(&service, "ana");
    assert_eq!(ana.get("/user/jobs").await.json(), json!([]));
    let jobs = [ana.uploaded("a").await, ana.uploaded("b").await, ana.uploaded("c").await];

    let all = ana.get("/user/jobs").await.json();
    let one = ana.get("/user/jobs?limit=1&offset=1").await.json();

    let numbers = |list: &Value| -> Vec<i64> {
        list.as_array().unwrap().iter().map(|job| job["id"].as_i64().unwrap()).collect()
    };
    assert_eq!(numbers(&all), [jobs[2], jobs[1], jobs[0]]);
    assert_eq!(numbers(&one), [jobs[1]]);
    let keys: Vec<_> = all[0].as_object().unwrap().keys().collect();
    assert_eq!(keys, ["id", "filename", "status", "created_at", "updated_at"]);
    let wrong = ana.get("/user/jobs?limit=0&offset=x").await;
    let expected = [
        (json!(["query", "limit"]), "greater_than_equal".to_owned()),
        (json!(["query", "offset"]), "int_parsing".to_owned()),
    ];
    assert_eq!(mistakes(&wrong), expected);
}

#[tokio::test]
async fn an_upload_is_refused_with_the_reason() {
    let service = service().await;
    let ana = Client::new(&service, "ana");

    let large = ana.upload("/upload", &vec![0; (1 << 20) + 1]).await;
    let post = async |body: Vec<u8>, content_type: String| {
        let request = http::Request::post("/upload").header("content-type", content_type);
        ana.send(request.body(body.into()).unwrap()).await
    };
    let multipart = format!("multipart/form-data; boundary={BOUNDARY}");
    let without = post(form(&[("title", b"Talk")]), multipart).await;
    let json = post(b"{}".to_vec(), "application/json".to_owned()).await;

    assert_eq!(detail(&large), (413, "File too large (max 1048576 bytes)".to_owned()));
    let missing = [(json!(["body", "file"]), "missing".to_owned())];
    assert_eq!(mistakes(&without), missing);
    assert_eq!(mistakes(&json), missing);
    assert!(service.media_files().await.is_empty());
}

#[tokio::test]
async fn a_name_with_a_slash_is_a_name() {
    let service = service().await;
    let ana = Client::new(&service, "ana");
    let file = String::from_utf8_lossy(&form(&[("file", b"RIFF....WAVE")])).into_owned();
    let body = file.replace("talk.wav", "a/b/../Predigt f\u{fc}r Ana.wav");

    let request = http::Request::post("/upload")
        .header("content-type", format!("multipart/form-data; boundary={BOUNDARY}"));
    let answer = ana.send(request.body(body.into()).unwrap()).await;

    // The original takes it for a path, and answers 500.
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    let job = ana.get(&format!("/jobs/{}", answer.json()["job_id"])).await.json();
    assert_eq!(job["filename"], "Predigt f\u{fc}r Ana.wav");
}

#[tokio::test]
async fn a_queue_that_is_full_takes_no_upload() {
    let service = Service::start_full(1, |_| {}).await;
    let upload = async || {
        let body = form(&[("file", WAV)]);
        service.send(crate::service::form_request("/upload", body)).await
    };

    let (first, second) = (upload().await, upload().await);

    // The original says 200 and leaves the job pending for ever.
    assert_eq!(first.status, StatusCode::OK, "{}", first.text());
    assert!(second.status.is_server_error() || second.status.as_u16() == 429);
    assert!(second.json()["detail"].is_string(), "{}", second.text());
}
