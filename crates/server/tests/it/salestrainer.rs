//! The WordPress plugin of SalesTrainer: what it posts, what it is answered, and what it is called back with.

use std::time::Duration;

use hansard_net::Client;
use hansard_server::{Keys, SalesTrainer};
use hansard_store::audit::AuditFilter;
use hansard_store::s3::{S3, S3Settings};
use hansard_testkit::receiver::Receiver;
use hansard_testkit::s3::{ACCESS_KEY, S3Server, SECRET_KEY};
use hansard_testkit::speech;
use hansard_workflow::Metrics;
use hansard_workflow::delivery::{Deliverer, SalesTrainer as Callbacks, ServerToken, Settings};
use http::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::service::{Answer, BOUNDARY, Service, form, form_request, json_request};
use crate::working::{BOUND, Plan, Working};

const SECRET: &str = "zebra-shared-1";

fn plugin(wait: Duration) -> SalesTrainer {
    SalesTrainer {
        secrets: Keys::new([SECRET, "zebra-shared-0"]),
        callback_url: None,
        wait,
        calls_back_failures: true,
    }
}

/// What WordPress posts to a service without workers.
async fn idle() -> Service {
    Service::start_with(|settings| settings.salestrainer = plugin(Duration::ZERO)).await
}

/// Posts to the running service as WordPress does; returns status and body.
async fn post(working: &Working, path: &str, content_type: &str, body: &[u8]) -> (u16, Value) {
    let mut stream = TcpStream::connect(working.address).await.unwrap();
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\nuser-agent: WordPress/6.8\r\n\
         content-type: {content_type}\r\ncontent-length: {}\r\n\r\n",
        working.address,
        body.len()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(body).await.unwrap();
    let mut answer = String::new();
    let read = tokio::time::timeout(BOUND, stream.read_to_string(&mut answer)).await;
    read.expect("an answer comes in time").unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").expect("the answer has a head");
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    (status.expect("there is a status"), serde_json::from_str(body).expect("the body is JSON"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wordpress_gets_the_answer_and_the_callback() {
    let (bucket, receiver) = (S3Server::start(), Receiver::start());
    bucket.create_bucket("uploads");
    let recording = speech::mono(12.0, 1);
    bucket.put_file("uploads", "2026/call.webm", &recording);
    let url = receiver.url("/wp-json/salestrainer/v1/upload-complete");
    let s3 = S3Settings {
        region: "us-east-1".to_owned(),
        endpoint: Some(bucket.endpoint()),
        path_style: true,
        access_key_id: ACCESS_KEY.to_owned(),
        secret_access_key: SECRET_KEY.to_owned(),
        session_token: None,
    };
    let client = || Client::new(&hansard_net::Settings::default()).unwrap();
    let working = Working::start(Plan {
        salestrainer: SalesTrainer { callback_url: Some(url.clone()), ..plugin(BOUND) },
        s3: Some(S3::new(s3, client())),
        ..Plan::default()
    })
    .await;

    let asked = json!({
        "object_key": "2026/call.webm", "session_id": "s-1", "scenario_id": 7, "mime_type": "audio/webm",
        "callback_url": null, "secret": SECRET,
    });
    let asked = asked.to_string();
    let (status, answer) =
        post(&working, "/process-s3", "application/json", asked.as_bytes()).await;
    let missing = json!({ "s3_key": "2026/none.webm", "secret": "zebra-shared-0" }).to_string();
    let (failed, why) =
        post(&working, "/salestrainer/transcribe", "application/json", missing.as_bytes()).await;
    let sales_trainer = Callbacks {
        callback_url: Some(url.parse().unwrap()),
        server_token: Some(ServerToken::new("wp-token")),
        ..Callbacks::default()
    };
    let settings = Settings { sales_trainer, ..Settings::default() };
    let deliverer = Deliverer::new(working.store.clone(), client(), Metrics::new(), settings);
    deliverer.deliver_due().await.unwrap();
    let calls = receiver.arrived(2, BOUND).await;
    let (told, told_of_failure): (Vec<_>, Vec<_>) =
        calls.iter().partition(|call| call.json()["ok"] == true);

    assert_eq!(status, 200, "{answer}");
    let keys: Vec<_> = answer.as_object().unwrap().keys().collect();
    let original =
        ["ok", "object_key", "session_id", "scenario_id", "size_bytes", "transcript", "duration"];
    assert_eq!(keys, original);
    assert_eq!((&answer["ok"], &answer["object_key"]), (&json!(true), &json!("2026/call.webm")));
    assert_eq!((&answer["session_id"], &answer["scenario_id"]), (&json!("s-1"), &json!(7)));
    assert_eq!(answer["size_bytes"], recording.len());
    assert_eq!(answer["duration"], 12);
    // The callback is the answer with the token.
    let mut called = told[0].json();
    assert_eq!(called["server_token"], "wp-token");
    called.as_object_mut().unwrap().remove("server_token");
    assert_eq!(called, answer);
    assert_eq!(told[0].headers["x-server-token"], "wp-token");
    assert!(!told[0].headers.contains_key("authorization"));
    assert_eq!(failed, 422, "{why}");
    assert_eq!(why["code"], "source_not_found");
    assert!(why["detail"].is_string());
    assert_eq!(told_of_failure[0].json()["error"]["code"], "source_not_found");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upload_is_answered_with_its_transcript() {
    let plan = Plan { salestrainer: plugin(BOUND), ..Plan::default() };
    let working = Working::start(plan).await;
    let body = form(&[("secret", SECRET.as_bytes()), ("file", &speech::mono(3.0, 2))]);

    let content_type = format!("multipart/form-data; boundary={BOUNDARY}");
    let (status, answer) = post(&working, "/transcribe-upload", &content_type, &body).await;

    assert_eq!(status, 200, "{answer}");
    assert_eq!(answer["ok"], true);
    assert_eq!(answer["transcript"].as_str().unwrap().split(' ').count(), 6);
}

#[tokio::test]
async fn who_has_waited_long_enough_is_told_the_job() {
    let service = idle().await;
    let asked = json!({ "object_key": "k", "secret": SECRET, "wait": false });

    let answer = service.post_json("/process-s3", &asked).await;

    assert_eq!(answer.status, StatusCode::ACCEPTED, "{}", answer.text());
    assert_eq!(
        (&answer.json()["ok"], &answer.json()["status"]),
        (&json!(true), &json!("processing"))
    );
    let job = answer.json()["job_id"].as_str().unwrap().to_owned();
    assert_eq!(service.get(&format!("/api/v1/jobs/{job}")).await.status, StatusCode::OK);
}

#[tokio::test]
async fn without_the_secret_nothing_is_read_and_nothing_kept() {
    let service = idle().await;
    let refused = |answer: Answer| {
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{}", answer.text());
        assert_eq!(answer.json(), json!({ "detail": "Unauthorized", "code": "unauthorized" }));
    };

    for body in
        [json!({}), json!({ "secret": "zebra" }), json!({ "secret": 7, "object_key": 7 }), json!(7)]
    {
        refused(service.post_json("/process-s3", &body).await);
        refused(service.post_json("/salestrainer/transcribe", &body).await);
    }
    let late = form(&[("file", b"RIFF....WAVE"), ("secret", SECRET.as_bytes())]);
    refused(service.send(form_request("/transcribe-upload", late)).await);
    refused(service.send(form_request("/transcribe-upload", form(&[]))).await);
    assert!(service.media_files().await.is_empty());
    let filter = AuditFilter::default();
    let noted = service.store.page_audit(None, &filter, None, 100).await.unwrap().items;
    let noted = noted.iter().filter(|entry| entry.code.as_deref() == Some("unauthorized"));
    assert_eq!(noted.count(), 10, "each of them is in the audit log");

    let mut in_header = json_request(Method::POST, "/process-s3", &json!({ "object_key": "k" }));
    in_header.headers_mut().insert("x-sidecar-secret", SECRET.parse().unwrap());
    assert_eq!(service.send(in_header).await.status, StatusCode::ACCEPTED);
}

#[tokio::test]
async fn what_is_wrong_is_said_as_fastapi_says_it() {
    let service = idle().await;

    let answer = service.post_json("/process-s3", &json!({ "secret": SECRET, "wait": 7 })).await;

    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    let missing =
        json!({ "loc": ["body", "object_key"], "msg": "Field required", "type": "missing" });
    let no_flag = json!({
        "loc": ["body", "wait"], "msg": "Input should be a valid boolean", "type": "bool_type",
    });
    assert_eq!(answer.json()["detail"], json!([missing, no_flag]));
    let no_file = form_request("/transcribe-upload", form(&[("secret", SECRET.as_bytes())]));
    let answer = service.send(no_file).await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    let missing = json!({ "loc": ["body", "file"], "msg": "Field required", "type": "missing" });
    assert_eq!(answer.json()["detail"], json!([missing]));
}

#[tokio::test]
async fn without_a_configured_secret_the_routes_are_off_and_health_is_not() {
    let service = Service::start().await;

    let answer = service.post_json("/process-s3", &json!({ "secret": "" })).await;

    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(answer.json()["code"], "not_configured");
    for path in ["/health", "/salestrainer/health"] {
        assert_eq!(service.get(path).await.json()["status"], "ok");
    }
}

#[tokio::test]
async fn a_slash_at_the_end_leads_to_the_route() {
    let service = idle().await;

    let answer = service.post_json("/salestrainer/process-s3/?x=1", &json!({})).await;

    assert_eq!(answer.status, StatusCode::TEMPORARY_REDIRECT);
    assert_eq!(answer.header("location"), "../process-s3?x=1");
}
