//! Audio files, and their transcriptions.

use http::StatusCode;
use serde_json::json;

use super::client::{Client, detail, mistakes, service, transcribe};
use super::contract::check_answer;
use crate::service::WAV;

/// Keeps a file; returns its number.
async fn kept(client: &Client<'_>, file: &[u8]) -> i64 {
    let answer = client.upload("/audio/upload", file).await;
    check_answer("POST /audio/upload", &answer)["audio_file_id"].as_i64().unwrap()
}

#[tokio::test]
async fn the_same_file_is_kept_once_for_each_user() {
    let service = service().await;
    let (ana, ben) = (Client::new(&service, "ana"), Client::new(&service, "ben"));

    let first = ana.upload("/audio/upload", WAV).await;
    let again = ana.upload("/audio/upload", WAV).await;
    let other = ben.upload("/audio/upload", WAV).await;

    let (first, second) = (first.json(), again.json());
    assert_eq!(again.status, StatusCode::CREATED);
    assert_eq!((&first["is_duplicate"], &first["message"]), (&json!(false), &json!(null)));
    assert_eq!(
        (&second["is_duplicate"], &second["audio_file_id"]),
        (&json!(true), &first["audio_file_id"])
    );
    assert_eq!(second["message"], "File already exists. Returning existing record.");
    assert_eq!((&first["file_size"], &first["filename"]), (&json!(WAV.len()), &json!("talk.wav")));
    assert_eq!(first["checksum"].as_str().unwrap().len(), 64);
    assert_eq!(other.json()["is_duplicate"], false);
    assert_eq!(service.media_files().await.len(), 2);
    assert_eq!(
        ana.get("/user/jobs").await.json(),
        json!([]),
        "nobody has asked for a transcription"
    );
}

#[tokio::test]
async fn two_equal_uploads_at_once_are_one_file() {
    let service = service().await;
    let ana = Client::new(&service, "ana");
    let upload = || ana.upload("/audio/upload", WAV);

    let answers = futures_util::future::join_all([upload(), upload(), upload()]).await;

    let numbers: std::collections::BTreeSet<_> =
        answers.iter().map(|answer| answer.json()["audio_file_id"].as_i64()).collect();
    assert_eq!(numbers.len(), 1);
    assert_eq!(ana.get("/audio").await.json()["total"], 1);
    assert_eq!(service.media_files().await.len(), 1);
}

#[tokio::test]
async fn files_are_listed_by_part() {
    let service = service().await;
    let ana = Client::new(&service, "ana");
    let mut numbers = Vec::new();
    for mark in ["a", "b", "c"] {
        numbers.push(kept(&ana, &[WAV, mark.as_bytes()].concat()).await);
    }

    let part = check_answer("GET /audio", &ana.get("/audio?limit=2&offset=1").await);

    assert_eq!(
        (&part["total"], &part["limit"], &part["offset"]),
        (&json!(3), &json!(2), &json!(1))
    );
    let files = part["audio_files"].as_array().unwrap();
    assert_eq!((&files[0]["id"], &files[1]["id"]), (&json!(numbers[1]), &json!(numbers[0])));
    assert_eq!(
        (&files[0]["transcription_count"], &files[0]["source_type"]),
        (&json!(0), &json!("upload"))
    );
    assert!(
        files[0]["file_path"].as_str().unwrap().starts_with("rec_"),
        "where it lies is told nobody"
    );
    assert_eq!(ana.get("/audio?source_type=upload").await.json()["total"], 3);
    assert_eq!(ana.get("/audio?source_type=url").await.json()["total"], 0);
    let wrong = [(json!(["query", "limit"]), "less_than_equal".to_owned())];
    assert_eq!(mistakes(&ana.get("/audio?limit=101").await), wrong);
}

#[tokio::test]
async fn an_audio_file_is_transcribed_and_everything_about_it_is_known() {
    let service = service().await;
    let ana = Client::new(&service, "ana");
    let audio = kept(&ana, WAV).await;
    let body = json!({ "model": "whisper-large-v3", "language": "English" });

    let started = ana.post(&format!("/transcriptions/{audio}/transcribe"), &body).await;
    let started = check_answer("POST /transcriptions/{audio_file_id}/transcribe", &started);
    let number = started["transcription_id"].as_i64().unwrap();
    let waiting = ana.get(&format!("/transcriptions/{number}")).await.json();
    transcribe(&service).await;
    ana.post(&format!("/jobs/{number}/topics"), &json!({ "topic_ids": [7] })).await;
    let book =
        ana.post("/collections", &json!({ "name": "Luke", "collection_type": "book" })).await;
    let place = json!({ "collection_id": book.json()["id"] });
    ana.post(&format!("/jobs/{number}/collections"), &place).await;
    let shown = ana.get(&format!("/transcriptions/{number}?include_chunks=false")).await;
    let shown = check_answer("GET /transcriptions/{transcription_id}", &shown);

    assert_eq!(
        (&started["job_id"], &started["status"]),
        (&started["transcription_id"], &json!("pending"))
    );
    assert_eq!((&waiting["transcript"], &waiting["status"]), (&json!(""), &json!("pending")));
    assert_eq!(shown["transcript"], "Good morning, all \"status\". Let us begin.");
    assert_eq!((&shown["model_name"], &shown["language"]), (&json!("fake/words"), &json!("en")));
    // The original has 0 and null here, and never any topic or collection.
    let confidence = shown["avg_confidence"].as_f64().unwrap();
    assert!((confidence - (-0.5_f64).exp()).abs() < 1e-6, "{confidence}");
    assert_eq!(shown["processing_time"], 2.0);
    assert_eq!(shown["audio_file"]["duration"], 60.0);
    assert_eq!(
        (&shown["topics"][0]["name"], &shown["topics"][0]["user_reviewed"]),
        (&json!("Sermons"), &json!(true))
    );
    assert_eq!(shown["collections"][0]["collection_type"], "book");
    assert_eq!(shown["chunks"], json!([]));
    let file =
        check_answer("GET /audio/{audio_file_id}", &ana.get(&format!("/audio/{audio}")).await);
    assert_eq!((&file["duration"], &file["transcription_count"]), (&json!(60.0), &json!(1)));
    assert_eq!(
        (&file["transcriptions"][0]["id"], &file["transcriptions"][0]["status"]),
        (&json!(number), &json!("completed"))
    );
    let srt = ana.get(&format!("/transcriptions/{number}/download")).await;
    assert!(srt.text().starts_with("1\n00:00:00,000 --> 00:00:05,760\nGood morning,\n\n2\n"));
}

#[tokio::test]
async fn transcriptions_are_listed_by_audio_file_and_status() {
    let service = service().await;
    let ana = Client::new(&service, "ana");
    let (one, two) = (kept(&ana, WAV).await, kept(&ana, &[WAV, b"2"].concat()).await);
    for path in [format!("/transcriptions/{one}/transcribe"), format!("/audio/{two}/transcribe")] {
        let answer = ana.post(&path, &json!({})).await;
        assert_eq!(answer.status, StatusCode::ACCEPTED, "{}", answer.text());
    }
    transcribe(&service).await;

    // The original answers 500 as soon as there is one.
    let all = check_answer("GET /transcriptions", &ana.get("/transcriptions").await);

    assert_eq!((&all["total"], &all["limit"], &all["offset"]), (&json!(2), &json!(50), &json!(0)));
    let transcriptions = all["transcriptions"].as_array().unwrap();
    assert_eq!(
        (&transcriptions[0]["audio_file_id"], &transcriptions[1]["audio_file_id"]),
        (&json!(two), &json!(one))
    );
    for (query, files) in [
        (format!("audio_file_id={one}"), vec![one]),
        ("status_filter=completed".to_owned(), vec![one]),
        ("status=pending".to_owned(), vec![two]),
        (format!("status=failed&audio_file_id={one}"), vec![]),
    ] {
        let list = ana.get(&format!("/transcriptions?{query}")).await.json();
        let found: Vec<_> = list["transcriptions"].as_array().unwrap().iter().collect();
        assert_eq!(list["total"], files.len(), "{query}");
        assert!(
            found.iter().map(|one| one["audio_file_id"].as_i64().unwrap()).eq(files),
            "{query}"
        );
    }
    let wrong = ana.get("/transcriptions?status=done").await;
    assert_eq!(mistakes(&wrong), [(json!(["query", "status"]), "enum".to_owned())]);
}

#[tokio::test]
async fn a_transcription_goes_and_its_audio_file_stays_until_it_goes_too() {
    let service = service().await;
    let ana = Client::new(&service, "ana");
    let audio = kept(&ana, WAV).await;
    let start = async || {
        let started = ana.post(&format!("/audio/{audio}/transcribe"), &json!({})).await.json();
        started["transcription_id"].as_i64().unwrap()
    };
    let first = start().await;
    transcribe(&service).await;
    start().await;

    let deleted = ana.delete(&format!("/transcriptions/{first}")).await;
    let path = format!("/audio/{audio}");
    let left = ana.get(&path).await.json();
    let gone = ana.delete(&path).await;

    assert_eq!(deleted.json(), json!({ "message": "Transcription deleted successfully" }));
    assert_eq!(
        detail(&ana.get(&format!("/transcriptions/{first}")).await),
        (404, "Transcription not found".to_owned())
    );
    assert_eq!(left["transcriptions"].as_array().unwrap().len(), 1);
    assert_eq!(
        gone.json(),
        json!({ "message": "Audio file deleted successfully", "deleted_transcriptions": 1 })
    );
    assert_eq!(detail(&ana.get(&path).await), (404, "Audio file not found".to_owned()));
    assert!(service.media_files().await.is_empty());
    assert_eq!(ana.get("/transcriptions").await.json()["total"], 0);
}

#[tokio::test]
async fn audio_files_and_transcriptions_are_their_owners() {
    let service = service().await;
    let (ana, ben) = (Client::new(&service, "ana"), Client::new(&service, "ben"));
    let audio = kept(&ana, WAV).await;
    let started = ana.post(&format!("/audio/{audio}/transcribe"), &json!({})).await.json();
    let number = &started["transcription_id"];
    let forbidden = |what: &str| (403, format!("You do not have permission to {what}"));

    let path = format!("/audio/{audio}");
    assert_eq!(detail(&ben.get(&path).await), forbidden("access this audio file"));
    assert_eq!(detail(&ben.delete(&path).await), forbidden("delete this audio file"));
    let start = ben.post(&format!("/transcriptions/{audio}/transcribe"), &json!({})).await;
    assert_eq!(detail(&start), forbidden("transcribe this audio file"));
    let path = format!("/transcriptions/{number}");
    assert_eq!(detail(&ben.get(&path).await), forbidden("access this transcription"));
    assert_eq!(detail(&ben.delete(&path).await), forbidden("delete this transcription"));
    assert_eq!(ben.get(&format!("/transcriptions?audio_file_id={audio}")).await.json()["total"], 0);
    assert_eq!(detail(&ben.post("/audio/999/transcribe", &json!({})).await).0, 404);
    let nothing = http::Request::post(format!("/audio/{audio}/transcribe"));
    let nothing = ana.send(nothing.body(axum::body::Body::empty()).unwrap()).await;
    assert_eq!(mistakes(&nothing), [(json!(["body"]), "missing".to_owned())]);
}
