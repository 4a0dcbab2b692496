//! `hansard serve` and `hansard worker`, as an operator runs them: they work, stop when they are asked to, and may be killed.
#![cfg(unix)]

use std::collections::HashSet;
use std::convert::Infallible;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::stream;
use hansard_domain::job::{JobState, TranscribeOptions};
use hansard_domain::source::{Callback, CallbackFormat, Source};
use hansard_net::{Client, Request, Trust, Url};
use hansard_store::jobs::Job;
use hansard_store::recordings::StoredMedia;
use hansard_store::{Accepted, Clock, Database, Media, NewJob, NewRecording, Settings, Store};
use hansard_testkit::process::{Process, command};
use hansard_testkit::receiver::Receiver;
use hansard_testkit::s3::{ACCESS_KEY, S3Server, SECRET_KEY};
use hansard_testkit::speech;
use hansard_testkit::tls::TlsFront;
use tempfile::TempDir;

/// Longer than anything here takes on a busy machine.
const BOUND: Duration = Duration::from_secs(60);

/// A data folder, as the service and its workers share it.
struct Shared {
    folder: TempDir,
    store: Store,
}

impl Shared {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let settings = Settings {
            database: Database::Sqlite { path: folder.path().join("hansard.db") },
            connections_max: 2,
            queue_max: 100,
            media: Media::folder(folder.path()).unwrap(),
            uploads: folder.path().join("uploads"),
            clock: Clock::system(),
        };
        Self { store: Store::open(settings).await.unwrap(), folder }
    }

    fn worker(&self, variables: &[(&str, &str)]) -> Process {
        let process = self.start(&["worker"], variables);
        process.wait_for_line(BOUND, |line| line.ends_with("waits for jobs"));
        process
    }

    /// The service on a free port, and its address.
    fn service(&self, flags: &[&str], variables: &[(&str, &str)]) -> (Process, String) {
        let args = [&["serve", "--bind", "127.0.0.1:0"], flags].concat();
        let process = self.start(&args, variables);
        let line = process.wait_for_line(BOUND, |line| line.starts_with("listening on http://"));
        (process, line["listening on ".len()..].to_owned())
    }

    fn start(&self, args: &[&str], variables: &[(&str, &str)]) -> Process {
        let mut command = command(env!("CARGO_BIN_EXE_hansard"));
        command.args(args).args(["--data-dir", "."]).current_dir(self.folder.path());
        command.env("HOME", self.folder.path()).env("MOCK_TRANSCRIBE", "1");
        command.env("HANSARD__JOBS__LEASE", "2s").env("HANSARD__JOBS__HEARTBEAT", "200ms");
        command.env("HANSARD_FAKE_NOTES", "notes").envs(variables.iter().copied());
        Process::start(&mut command)
    }

    async fn hand_in(&self, wav: Vec<u8>) -> Accepted {
        let workspace = self.store.ensure_workspace("default").await.unwrap();
        let bytes = stream::iter([Ok::<_, Infallible>(Bytes::from(wav))]);
        let written = self.store.write_media(&workspace, bytes, u64::MAX).await.unwrap();
        let media = StoredMedia {
            key: written.key,
            media_type: "audio/wav".to_owned(),
            size: written.size,
            sha256: written.sha256,
        };
        let recording = NewRecording::of(Source::Upload { file_name: None }).with(media);
        let job = NewJob::of(TranscribeOptions::default());
        self.store.accept(&workspace, recording, job, None).await.unwrap()
    }

    async fn job_when(&self, accepted: &Accepted, wanted: impl Fn(&Job) -> bool) -> Job {
        let looking = async {
            loop {
                let (workspace, id) = (&accepted.job.workspace, &accepted.job.id);
                let job = self.store.find_job(workspace, id).await.unwrap().unwrap();
                if wanted(&job) {
                    return job;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(BOUND, looking).await.expect("it happens within the bound")
    }

    fn noted(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.folder.path().join("notes")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }
}

#[tokio::test]
async fn a_worker_works_until_it_is_asked_to_stop() {
    let shared = Shared::new().await;
    let worker = shared.worker(&[]);
    let short = shared.hand_in(speech::mono(2.0, 1)).await;
    shared.job_when(&short, |job| job.state == JobState::Succeeded).await;
    drop(worker);

    let slow = shared.worker(&[("HANSARD_FAKE_WINDOW_MS", "20000")]);
    let long = shared.hand_in(speech::mono(95.0, 2)).await;
    shared.job_when(&long, |job| job.state == JobState::Running).await;
    slow.terminate();
    let status = slow.wait(BOUND);

    assert!(status.success(), "{}", slow.output());
    let job = shared.job_when(&long, |_| true).await;
    assert_eq!((job.state, job.attempts), (JobState::Queued, 0));
    assert!(slow.output().contains("engine: made-up words"), "{}", slow.output());
}

#[tokio::test]
async fn no_window_is_heard_again_after_a_worker_was_killed() {
    let shared = Shared::new().await;
    let accepted = shared.hand_in(speech::mono(155.0, 3)).await;
    let killed = shared.worker(&[("HANSARD_FAKE_WINDOW_MS", "300")]);
    shared.job_when(&accepted, |job| job.done >= 60.0).await;

    killed.kill_hard();
    let committed = shared.job_when(&accepted, |_| true).await.done as usize / 30;
    let heard = shared.noted().len();
    let _next = shared.worker(&[]);
    let job = shared.job_when(&accepted, |job| job.state.is_final()).await;

    assert_eq!(job.state, JobState::Succeeded, "{:?}", job.error);
    let line = |window: usize| format!("{} {}", job.recording, window * 30 * 16_000);
    let again: HashSet<String> = shared.noted().split_off(heard).into_iter().collect();
    let expected: HashSet<String> = (committed..6).map(line).collect();
    assert_eq!(again, expected, "{committed} windows were committed");
    let left: Vec<_> = std::fs::read_dir(shared.folder.path().join("work")).unwrap().collect();
    assert_eq!(left.len(), 3, "what the killed worker left is gone: {left:?}");
}

/// What is answered at `path`.
async fn get(address: &str, path: &str) -> String {
    let client = Client::new(&hansard_net::Settings::default()).unwrap();
    let url = Url::parse(&format!("{address}{path}")).unwrap();
    let body = client.fetch(&Request::new(url, Trust::Operator), 1 << 20).await.unwrap();
    String::from_utf8(body).unwrap()
}

/// What `/metrics` says when one job has been done.
const SUCCEEDED: &str = r#"hansard_attempts_total{outcome="succeeded"} 1"#;

/// Waits until `/metrics` has lines that begin like these: what was done is counted a moment after it can be seen.
async fn shows(address: &str, lines: &[&str]) {
    let deadline = Instant::now() + BOUND;
    loop {
        let shown = get(address, "/metrics").await;
        let is_shown = |line: &&&str| shown.lines().any(|shown| shown.starts_with(**line));
        let Some(missing) = lines.iter().find(|line| !is_shown(line)) else { return };
        assert!(Instant::now() < deadline, "{missing} is not in\n{shown}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn the_service_answers_and_works_in_little_memory() {
    let shared = Shared::new().await;
    let (service, address) = shared.service(&[], &[]);

    get(&address, "/healthz").await;
    get(&address, "/readyz").await;
    let accepted = shared.hand_in(speech::mono(2.0, 1)).await;
    shared.job_when(&accepted, |job| job.state == JobState::Succeeded).await;

    shows(&address, &[SUCCEEDED]).await;
    let memory = service.resident_memory();
    assert!(memory < 60_000_000, "{memory} bytes");
    service.terminate();
    assert!(service.wait(BOUND).success(), "{}", service.output());
}

#[tokio::test]
async fn a_worker_is_looked_after_at_an_address_of_its_own() {
    let shared = Shared::new().await;
    let worker = shared.start(&["worker", "--bind", "127.0.0.1:0"], &[]);
    let line = worker.wait_for_line(BOUND, |line| line.starts_with("listening on http://"));
    let address = &line["listening on ".len()..];
    let accepted = shared.hand_in(speech::mono(2.0, 1)).await;
    shared.job_when(&accepted, |job| job.state == JobState::Succeeded).await;

    shows(address, &[SUCCEEDED]).await;
    let ready = get(address, "/readyz").await;
    let client = Client::new(&hansard_net::Settings::default()).unwrap();
    let url = Url::parse(&format!("{address}/api/v1/jobs")).unwrap();
    let api = client.fetch(&Request::new(url, Trust::Operator), 1 << 20).await;

    assert!(ready.contains("\"model\":\"loaded\""), "{ready}");
    assert!(api.is_err(), "the API is the service's alone");
    worker.terminate();
    assert!(worker.wait(BOUND).success(), "{}", worker.output());
}

/// What of `/metrics` says one thing and no other, by the beginning of its line.
const WATCHED: [&str; 15] = [
    r#"hansard_http_requests_total{method="GET",route="/readyz",status="2xx"} 1"#,
    r#"hansard_http_request_duration_seconds_count{method="GET",route="/readyz",status="2xx"} 1"#,
    "hansard_queue_jobs 0",
    "hansard_queue_oldest_age_seconds 0.0",
    "hansard_running_jobs 0",
    SUCCEEDED,
    r#"hansard_attempts_total{outcome="source_not_found"} 1"#,
    r#"hansard_stage_duration_seconds_count{stage="acquire",outcome="succeeded"} 1"#,
    r#"hansard_stage_duration_seconds_count{stage="transcribe",outcome="succeeded"} 1"#,
    "hansard_audio_seconds_total 2.0",
    "hansard_real_time_factor ",
    r#"hansard_s3_downloads_total{outcome="source_not_found"} 1"#,
    r#"hansard_s3_download_bytes_total{outcome="succeeded"} 64044"#,
    r#"hansard_deliveries_total{outcome="delivered"} 2"#,
    "hansard_process_resident_memory_bytes ",
];

#[tokio::test]
async fn whoever_watches_the_service_sees_what_it_does() {
    let (shared, bucket, receiver) = (Shared::new().await, S3Server::start(), Receiver::start());
    // As in a house with an authority of its own.
    let front = TlsFront::start(bucket.address());
    bucket.create_bucket("talks");
    bucket.put_file("talks", "one.wav", &speech::mono(2.0, 1));
    let (_service, address) = shared.service(
        &[],
        &[
            ("AWS_ENDPOINT_URL", &front.url("")),
            ("AWS_CA_BUNDLE", front.authority().to_str().unwrap()),
            ("AWS_ACCESS_KEY_ID", ACCESS_KEY),
            ("AWS_SECRET_ACCESS_KEY", SECRET_KEY),
        ],
    );
    get(&address, "/readyz").await;
    let workspace = shared.store.ensure_workspace("default").await.unwrap();

    for key in ["one.wav", "none.wav"] {
        let source = Source::S3 { bucket: "talks".to_owned(), key: key.to_owned() };
        let (url, format) = (receiver.url("/"), CallbackFormat::Event);
        let callback = Callback { url, is_configured: true, on_failure: true, format };
        let job = NewJob { callback: Some(callback), ..NewJob::of(TranscribeOptions::default()) };
        let recording = NewRecording::of(source);
        shared.store.accept(&workspace, recording, job, None).await.unwrap();
    }
    receiver.arrived(2, BOUND).await;

    shows(&address, &WATCHED).await;
}

#[tokio::test]
async fn a_service_without_workers_leaves_the_jobs_to_others() {
    let shared = Shared::new().await;
    let (service, address) = shared.service(&["--no-worker"], &[]);
    let accepted = shared.hand_in(speech::mono(2.0, 1)).await;
    get(&address, "/healthz").await;
    assert!(!service.output().contains("engine:"), "{}", service.output());

    let _worker = shared.worker(&[]);

    shared.job_when(&accepted, |job| job.state == JobState::Succeeded).await;
}
