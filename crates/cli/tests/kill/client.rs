//! A client that hands in recordings and repeats what it got no answer to, as a good one does.

use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use hansard_net::{Body, Call, Form, Request, Trust, Url};
use hansard_testkit::speech;
use http::{HeaderName, HeaderValue};
use serde_json::Value;

/// Each recording is so long: two windows of the fake engine.
const SECONDS: f64 = 31.0;

/// An answer is small.
const ANSWER_MAX: usize = 1 << 20;

/// A request that had no answer is repeated after so long.
const PAUSE: Duration = Duration::from_millis(20);

/// What was accepted: ids of the job and its recording.
#[derive(Debug, Clone)]
pub(crate) struct Accepted {
    pub(crate) job: String,
    pub(crate) recording: String,
}

pub(crate) struct Client {
    working: JoinHandle<Vec<Accepted>>,
}

impl Client {
    /// Begins to hand in `count` recordings at `port`, one after the other.
    pub(crate) fn start(port: u16, callback: &str, count: usize) -> Self {
        let callback = callback.to_owned();
        let working = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let runtime = runtime.expect("a runtime can be started");
            runtime.block_on(async {
                let mut accepted = Vec::with_capacity(count);
                for seed in 0..count {
                    accepted.push(hand_in(port, &callback, seed as u64).await);
                }
                accepted
            })
        });
        Self { working }
    }

    /// What was accepted, once everything is.
    pub(crate) fn finish(self, bound: Duration) -> Vec<Accepted> {
        let began = Instant::now();
        while !self.working.is_finished() {
            assert!(began.elapsed() < bound, "not everything was accepted within {bound:?}");
            thread::sleep(PAUSE);
        }
        self.working.join().expect("the client does not panic")
    }
}

async fn hand_in(port: u16, callback: &str, seed: u64) -> Accepted {
    let client =
        hansard_net::Client::new(&hansard_net::Settings::default()).expect("it can be made");
    let sound = speech::mono(SECONDS, seed);
    loop {
        match attempt(&client, port, callback, seed, sound.clone()).await {
            Some(accepted) => return accepted,
            None => tokio::time::sleep(PAUSE).await,
        }
    }
}

/// One attempt; nothing if the service was not there, or went away.
async fn attempt(
    client: &hansard_net::Client,
    port: u16,
    callback: &str,
    seed: u64,
    sound: Vec<u8>,
) -> Option<Accepted> {
    let url = Url::parse(&format!("http://127.0.0.1:{port}/api/v1/recordings")).expect("it is one");
    let key = HeaderValue::from_str(&format!("recording-{seed}")).expect("it is plain");
    let request =
        Request::new(url, Trust::Operator).header(HeaderName::from_static("idempotency-key"), key);
    let form = Form::new().ok()?.text("callback_url", callback);
    let form = form.file("file", "sound.wav", "audio/wav", sound.into());
    let answer = client.send(Call::post(request, Body::form(form))).await.ok()?;
    let status = answer.status().as_u16();
    let body = answer.bytes(ANSWER_MAX).await.ok()?;
    // A server on its way up or down says so; everything else would be a surprise.
    if status == 503 {
        return None;
    }
    assert_eq!(status, 202, "{}", String::from_utf8_lossy(&body));
    let json: Value = serde_json::from_slice(&body).expect("the answer is JSON");
    let id = |what: &str| json[what]["id"].as_str().expect("it has an id").to_owned();
    Some(Accepted { job: id("job"), recording: id("recording") })
}
