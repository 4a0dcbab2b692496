//! A service with MxWhisper's service tokens, and somebody who has one.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use axum::body::Body;
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use hansard_config::{FileSource, Secret, Sources};
use hansard_domain::access::Role;
use hansard_domain::id::WorkerId;
use hansard_domain::transcript::Segment;
use hansard_store::audit::{ActorRef, By};
use hansard_store::leases::Held;
use hansard_store::transcripts::{Progress, Window};
use hansard_store::users::NewUser;
use hansard_store::{Begin, Finished};
use http::{Method, Request, StatusCode};
use ring::hmac;
use serde_json::{Value, json};

use crate::service::{Answer, BOUNDARY, Service, WAV, form};

pub(super) const SECRET: &str = "zebra-shared-by-mxwhisper-and-hansard";

/// How long a worker may take.
const LEASE: Duration = Duration::from_secs(60);

/// The secret as the operator of the original writes it.
fn secret() -> Secret {
    let nowhere =
        || FileSource { path: PathBuf::from("there-is-no-such-file"), is_required: false };
    let variable = |name: &str| OsString::from(name);
    let sources = Sources {
        file: nowhere(),
        env_file: nowhere(),
        environment: vec![(variable("SERVICE_ACCOUNT_JWT_SECRET"), variable(SECRET))],
        flags: Vec::new(),
    };
    let loaded = hansard_config::load(&sources).expect("that is a configuration");
    loaded.config.mxwhisper.service_secret.expect("the secret has been read")
}

/// A service that knows MxWhisper's secret.
pub(super) async fn service() -> Service {
    Service::start_with(|settings| settings.admission.service_secret = Some(secret())).await
}

/// Somebody who calls a service.
pub(super) struct Client<'a> {
    pub(super) service: &'a Service,
    token: String,
}

/// The claims of a token of `subject`, good for an hour.
pub(super) fn claims(service: &Service, subject: &str) -> Value {
    let now = service.clock.now().as_micros() / 1_000_000;
    json!({
        "sub": subject, "username": subject, "roles": ["users.mxwhisper"], "jti": format!("jti-{subject}"),
        "iat": now, "exp": now + 3_600, "revocation_counter": 0,
    })
}

/// A token with these claims.
pub(super) fn signed(claims: &Value, secret: &str) -> String {
    let encode = |bytes: &[u8]| BASE64_URL_SAFE_NO_PAD.encode(bytes);
    let head = encode(json!({ "alg": "HS256", "typ": "JWT" }).to_string().as_bytes());
    let text = format!("{head}.{}", encode(claims.to_string().as_bytes()));
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()), text.as_bytes());
    format!("{text}.{}", encode(tag.as_ref()))
}

impl<'a> Client<'a> {
    /// Somebody who has a service token, and is a user from the first call on.
    pub(super) fn new(service: &'a Service, subject: &str) -> Self {
        Self { service, token: signed(&claims(service, subject), SECRET) }
    }

    /// The same somebody by a key of their own, which has only these scopes.
    pub(super) async fn scoped(&self, scopes: &[&str]) -> Self {
        self.with_key(&json!({ "name": "a key", "scopes": scopes })).await
    }

    /// The same somebody by a key that is made of `body`.
    pub(super) async fn with_key(&self, body: &Value) -> Self {
        let made = self.post("/api/v1/tokens", body).await;
        assert_eq!(made.status, StatusCode::CREATED, "{}", made.text());
        let token = made.json()["token"].as_str().expect("its secret is shown once").to_owned();
        Self { service: self.service, token }
    }

    /// An administrator of the installation.
    pub(super) async fn admin(service: &'a Service) -> Self {
        let home = service.store.ensure_workspace("default").await.unwrap();
        let user = NewUser { external_id: Some("boss".to_owned()), ..NewUser::of(Role::Admin) };
        let by = By::actor(ActorRef::COMMAND_LINE);
        service.store.create_user(user, &home, &by).await.unwrap();
        Self::new(service, "boss")
    }

    pub(super) async fn send(&self, mut request: Request<Body>) -> Answer {
        let bearer = format!("Bearer {}", self.token).parse().unwrap();
        request.headers_mut().insert("authorization", bearer);
        self.service.send(request).await
    }

    /// The answer to a request without a body.
    pub(super) async fn call(&self, method: Method, path: &str) -> Answer {
        self.send(Request::builder().method(method).uri(path).body(Body::empty()).unwrap()).await
    }

    pub(super) async fn get(&self, path: &str) -> Answer {
        self.call(Method::GET, path).await
    }

    pub(super) async fn delete(&self, path: &str) -> Answer {
        self.call(Method::DELETE, path).await
    }

    pub(super) async fn json(&self, method: Method, path: &str, body: &Value) -> Answer {
        let request = Request::builder().method(method).uri(path);
        let request = request.header("content-type", "application/json");
        self.send(request.body(Body::from(body.to_string())).unwrap()).await
    }

    pub(super) async fn post(&self, path: &str, body: &Value) -> Answer {
        self.json(Method::POST, path, body).await
    }

    pub(super) async fn put(&self, path: &str, body: &Value) -> Answer {
        self.json(Method::PUT, path, body).await
    }

    pub(super) async fn patch(&self, path: &str, body: &Value) -> Answer {
        self.json(Method::PATCH, path, body).await
    }

    /// Uploads a file to `path`.
    pub(super) async fn upload(&self, path: &str, file: &[u8]) -> Answer {
        let content_type = format!("multipart/form-data; boundary={BOUNDARY}");
        let request = Request::post(path).header("content-type", content_type);
        self.send(request.body(Body::from(form(&[("file", file)]))).unwrap()).await
    }

    /// Uploads a file that nobody else has, to be transcribed; returns the number of its job.
    pub(super) async fn uploaded(&self, mark: &str) -> i64 {
        let answer = self.upload("/upload", &[WAV, mark.as_bytes()].concat()).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
        answer.json()["job_id"].as_i64().expect("a job has a number")
    }

    /// The same, with the job completed.
    pub(super) async fn transcribed(&self, mark: &str) -> i64 {
        let job = self.uploaded(mark).await;
        transcribe(self.service).await;
        job
    }
}

/// The sentence of an error.
pub(super) fn detail(answer: &Answer) -> (u16, String) {
    let json = answer.json();
    let text = json["detail"].as_str().unwrap_or_else(|| panic!("{}", answer.text()));
    (answer.status.as_u16(), text.to_owned())
}

/// The kinds and places of what a 422 lists.
pub(super) fn mistakes(answer: &Answer) -> Vec<(Value, String)> {
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", answer.text());
    super::contract::check("HTTPValidationError", &answer.json());
    let json = answer.json();
    let list = json["detail"].as_array().unwrap();
    let pair = |item: &Value| (item["loc"].clone(), item["type"].as_str().unwrap().to_owned());
    list.iter().map(pair).collect()
}

fn segment(start: f64, end: f64, text: &str, average_log_probability: f32) -> Segment {
    Segment {
        start,
        end,
        text: text.to_owned(),
        tokens: Vec::new(),
        temperature: 0.0,
        average_log_probability,
        compression_ratio: 1.5,
        no_speech_probability: 0.0,
        words: Vec::new(),
        suspicions: Vec::new(),
    }
}

/// Does what a worker does with the next job: two windows, two seconds of work.
pub(super) async fn transcribe(service: &Service) {
    let worker: WorkerId = service.clock.id();
    let claimed = service.store.claim_jobs(&worker, 1, LEASE).await.unwrap();
    let lease = claimed.into_iter().next().expect("a job waits").lease;
    let mark = service.clock.id::<WorkerId>().to_string();
    let begun = service.store.begin_transcript(&lease, &mark, "fake/words").await.unwrap();
    let Held::Yes(Begin::Go { transcript, .. }) = begun else { panic!("{begun:?}") };
    let started_at = service.clock.now();
    service.clock.advance(Duration::from_secs(2));
    let windows = [
        vec![
            segment(0.0, 5.76, " Good morning,", -0.25),
            segment(5.76, 9.0, " all \"status\".", -0.75),
        ],
        vec![segment(31.5, 33.0, " Let us begin.", -0.5)],
    ];
    for (ordinal, segments) in (0..).zip(windows) {
        let progress = Progress {
            checkpoint: "{}".to_owned(),
            done: 30.0,
            duration: Some(60.0),
            language: Some("en".to_owned()),
            language_probability: None,
        };
        let window = Window { segments, ..Window::default() };
        let held =
            service.store.commit_window(&lease, &transcript, ordinal, window, progress).await;
        assert_eq!(held.unwrap(), Held::Yes(()));
    }
    let finished = Finished {
        language: Some("en".to_owned()),
        language_probability: None,
        duration: 60.0,
        heard: 60.0,
        took: 2.0,
        started_at,
    };
    service.store.finish_transcript(&lease, &transcript, "fake/words", finished).await.unwrap();
}
