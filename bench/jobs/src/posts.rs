//! How long a `POST` of a recording takes while 200 of them come each second and a worker of the same process does their jobs.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use bytes::Bytes;
use hansard_net::{Body, Call, Client, Form, Request, Trust, Url};
use hansard_server::{App, EngineState, Keys, Parts, SalesTrainer, Settings, serve};
use hansard_testkit::speech;
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::ours::{self, Place};

/// Requests a second, whether the ones before were answered or not.
const RATE: u32 = 200;

/// Requests of a run: ten seconds.
const REQUESTS: u32 = 10 * RATE;

const ANSWER_MAX: usize = 1 << 20;

pub(crate) async fn run(place: &Place) -> anyhow::Result<()> {
    let store = place.store().await?;
    let wake = Arc::new(Notify::new());
    let worker = ours::start_worker(place, &store, Arc::clone(&wake))?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let shutdown = CancellationToken::new();
    let app = App::new(Parts {
        store: store.clone(),
        settings: settings(address),
        wake,
        models: Arc::new(Vec::new),
        engine: Arc::new(|| EngineState::Elsewhere),
        registry: Default::default(),
        shutdown: shutdown.clone(),
    })
    .await?;
    let serving = tokio::spawn(serve(app, listener, CancellationToken::new()));

    let times = post_all(address).await?;
    let (first_second, others) = times.split_at(RATE as usize);
    println!(
        "hansard, {}: POST at {RATE}/s: median {:.1} ms, p99 {:.1} ms; p99 of the first second {:.1} ms",
        place.name(),
        percentile(others, 50),
        percentile(others, 99),
        percentile(first_second, 99)
    );
    shutdown.cancel();
    serving.await?;
    worker.stop(Duration::from_secs(30)).await;
    store.close().await;
    Ok(())
}

fn settings(bind: SocketAddr) -> Settings {
    Settings {
        bind,
        keys: Keys::new([]),
        workspace: "bench".to_owned(),
        public_url: None,
        file_bytes_max: 1 << 20,
        header_timeout: Duration::from_secs(10),
        body_timeout: Duration::from_secs(10),
        connections_max: 1024,
        requests_max: 1024,
        json_depth_max: 16,
        upload_expiry: Duration::from_secs(24 * 60 * 60),
        openai_wait: Duration::from_secs(590),
        shutdown_grace: Duration::from_secs(10),
        s3_bucket: None,
        salestrainer: SalesTrainer::default(),
    }
}

/// A percentile of `times`, in milliseconds.
fn percentile(times: &[Duration], p: usize) -> f64 {
    let mut times = times.to_vec();
    times.sort_unstable();
    times[(times.len() - 1) * p / 100].as_secs_f64() * 1e3
}

/// Posts by the clock and returns how long each answer took from the moment at which its request was due, in their order.
async fn post_all(address: SocketAddr) -> anyhow::Result<Vec<Duration>> {
    let client = Client::new(&hansard_net::Settings::default())?;
    let url = Url::parse(&format!("http://{address}/api/v1/recordings"))?;
    let began = Instant::now();
    let mut posts = Vec::with_capacity(REQUESTS as usize);
    for number in 0..REQUESTS {
        let due = began + Duration::from_secs(1) * number / RATE;
        tokio::time::sleep_until(due.into()).await;
        let sound = Bytes::from(speech::mono(1.0, number.into()));
        posts.push(tokio::spawn(post(client.clone(), url.clone(), sound, due)));
    }
    let mut times = Vec::with_capacity(REQUESTS as usize);
    for post in posts {
        times.push(post.await??);
    }
    Ok(times)
}

async fn post(client: Client, url: Url, sound: Bytes, due: Instant) -> anyhow::Result<Duration> {
    let form = Form::new()?.file("file", "sound.wav", "audio/wav", sound);
    let request = Request::new(url, Trust::Operator);
    let answer = client.send(Call::post(request, Body::form(form))).await?;
    let status = answer.status();
    let body = answer.bytes(ANSWER_MAX).await.context("no answer")?;
    ensure!(status.as_u16() == 202, "{status}: {}", String::from_utf8_lossy(&body));
    Ok(due.elapsed())
}
