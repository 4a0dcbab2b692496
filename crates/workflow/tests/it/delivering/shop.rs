//! What the stories of delivery begin with: a store, jobs that have ended, and a deliverer whose clock stands still.

use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use hansard_domain::event::DeliveryState;
use hansard_domain::id::{EndpointId, WorkerId, WorkspaceId};
use hansard_domain::job::TranscribeOptions;
use hansard_domain::problem::ProblemCode;
use hansard_domain::source::{Callback, CallbackFormat, Source};
use hansard_domain::time::Timestamp;
use hansard_domain::transcript::{Segment, Word};
use hansard_net::{Client, Guard, Proxies};
use hansard_store::deliveries::{Delivery, DeliveryFilter};
use hansard_store::endpoints::{EndpointSecret, NewEndpoint};
use hansard_store::jobs::JobError;
use hansard_store::leases::{Claimed, Held};
use hansard_store::recordings::StoredMedia;
use hansard_store::transcripts::{Progress, Window};
use hansard_store::{Begin, Clock, Finished, NewJob, NewRecording, Store};
use hansard_testkit::receiver::{Received, Receiver};
use hansard_workflow::Metrics;
use hansard_workflow::delivery::{Deliverer, Settings};
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;

use crate::desk::Place;

/// Longer than anything here takes on a busy machine.
pub(super) const BOUND: Duration = Duration::from_secs(60);

const LEASE: Duration = Duration::from_secs(30);
const MODEL: &str = "fake/one";

/// A store of its own.
pub(super) struct Shop {
    pub(super) store: Store,
    pub(super) clock: Clock,
    pub(super) workspace: WorkspaceId,
    metrics: Metrics,
    _place: Place,
}

impl Shop {
    /// Opens with a clock that moves when it is told to.
    pub(super) async fn open(place: Place) -> Self {
        Self::open_at(place, Clock::manual(Timestamp::from_micros(1_795_262_400_000_000))).await
    }

    pub(super) async fn open_at(place: Place, clock: Clock) -> Self {
        let store = Store::open(place.settings(clock.clone())).await.unwrap();
        let workspace = store.ensure_workspace("default").await.unwrap();
        Self { store, clock, workspace, metrics: Metrics::new(), _place: place }
    }

    /// A deliverer that callers may send to this machine with.
    pub(super) fn deliverer(&self, settings: Settings) -> Deliverer {
        let guard = Guard { allowed: vec!["127.0.0.0/8".parse().unwrap()] };
        Deliverer::new(self.store.clone(), client(guard), self.metrics.clone(), settings)
    }

    /// A deliverer that keeps callers away from this machine, as by default.
    pub(super) fn guarded(&self, settings: Settings) -> Deliverer {
        let client = client(Guard::default());
        Deliverer::new(self.store.clone(), client, self.metrics.clone(), settings)
    }

    /// What the deliverers have counted, as it is shown.
    pub(super) fn counted(&self) -> String {
        let (mut registry, mut shown) = (Registry::default(), String::new());
        self.metrics.register(&mut registry);
        encode(&mut shown, &registry).unwrap();
        shown
    }

    pub(super) async fn endpoint(&self, url: &str) -> (EndpointId, EndpointSecret) {
        let new = NewEndpoint { url: url.to_owned(), description: None, kinds: Vec::new() };
        let made = self.store.create_endpoint(&self.workspace, new, None).await.unwrap();
        (made.endpoint.id, made.secret.unwrap())
    }

    /// Puts a test event into the outbox.
    pub(super) async fn test(&self, endpoint: &EndpointId) {
        self.store.test_endpoint(&self.workspace, endpoint, None).await.unwrap().unwrap();
    }

    /// A job with this callback that a worker has.
    async fn begun(&self, callback: Callback) -> Claimed {
        let body = stream::iter([Ok::<_, std::io::Error>(Bytes::from_static(b"sound"))]);
        let written = self.store.write_media(&self.workspace, body, 1 << 20).await.unwrap();
        let media = StoredMedia {
            key: written.key,
            media_type: "audio/webm".to_owned(),
            size: written.size,
            sha256: written.sha256,
        };
        let recording = NewRecording::of(Source::Upload { file_name: None }).with(media);
        let job = NewJob::of(TranscribeOptions::default());
        let job = NewJob { again: true, callback: Some(callback), ..job };
        self.store.accept(&self.workspace, recording, job, None).await.unwrap();
        let worker: WorkerId = self.clock.id();
        self.store.claim_jobs(&worker, 1, LEASE).await.unwrap().remove(0)
    }

    /// A job that ends with these windows of segments.
    pub(super) async fn succeeded(&self, callback: Callback, windows: Vec<Vec<Segment>>) {
        let Claimed { job, lease } = self.begun(callback).await;
        let recording = self.store.find_recording(&self.workspace, &job.recording).await.unwrap();
        let sha256 = recording.unwrap().media.unwrap().sha256;
        let begun = self.store.begin_transcript(&lease, &sha256, MODEL).await.unwrap();
        let Held::Yes(Begin::Go { transcript, .. }) = begun else { panic!("it begins: {begun:?}") };
        for (ordinal, segments) in (0..).zip(windows) {
            let window = Window { channel: None, segments, dropped: Vec::new() };
            let progress = Progress {
                checkpoint: "{}".to_owned(),
                done: 1.0,
                duration: Some(60.0),
                language: None,
                language_probability: None,
            };
            let held = self.store.commit_window(&lease, &transcript, ordinal, window, progress);
            assert_eq!(held.await.unwrap(), Held::Yes(()));
        }
        let finished = Finished {
            language: Some("en".to_owned()),
            language_probability: None,
            duration: 60.0,
            heard: 60.0,
            took: 6.0,
            started_at: self.clock.now(),
        };
        let held = self.store.finish_transcript(&lease, &transcript, MODEL, finished).await;
        assert_eq!(held.unwrap(), Held::Yes(()));
    }

    /// A job that ends without a transcript.
    pub(super) async fn failed(&self, callback: Callback, code: ProblemCode, detail: &str) {
        let Claimed { lease, .. } = self.begun(callback).await;
        let error = JobError { code, detail: detail.to_owned() };
        assert_eq!(self.store.fail_job(&lease, error).await.unwrap(), Held::Yes(()));
    }

    /// Everything in the outbox, newest first.
    pub(super) async fn deliveries(&self) -> Vec<Delivery> {
        let filter = DeliveryFilter::default();
        self.store.page_deliveries(&self.workspace, &filter, None, 100).await.unwrap().items
    }

    /// The state of the only delivery, and its attempts: status and error.
    pub(super) async fn outcome(&self) -> (DeliveryState, Vec<(Option<u16>, Option<String>)>) {
        let deliveries = self.deliveries().await;
        assert_eq!(deliveries.len(), 1);
        let attempts = self.store.delivery_attempts(&deliveries[0].id).await.unwrap();
        let attempts = attempts.into_iter().map(|one| (one.status, one.error)).collect();
        (deliveries[0].state, attempts)
    }
}

fn client(guard: Guard) -> Client {
    let settings = hansard_net::Settings { guard, proxies: Proxies::Direct, ..Default::default() };
    Client::new(&settings).unwrap()
}

pub(super) fn settings() -> Settings {
    Settings { timeout: Duration::from_secs(30), ..Settings::default() }
}

/// A segment with a word for each of `words`, one a second from `start` on.
pub(super) fn segment(start: f64, words: &[&str]) -> Segment {
    let word = |(at, text): (u32, &&str)| Word {
        start: start + f64::from(at) + 0.5,
        end: start + f64::from(at) + 1.0,
        text: format!(" {text}"),
        probability: 0.9,
    };
    Segment {
        start,
        end: start + 10.0,
        text: words.iter().map(|word| format!(" {word}")).collect(),
        tokens: vec![1],
        temperature: 0.0,
        average_log_probability: -0.25,
        compression_ratio: 1.5,
        no_speech_probability: 0.125,
        words: (0..).zip(words).map(word).collect(),
        suspicions: Vec::new(),
    }
}

/// A callback to `url` that has the form of a webhook.
pub(super) fn event_to(url: String) -> Callback {
    Callback { url, is_configured: true, on_failure: true, format: CallbackFormat::Event }
}

/// A callback to `url` as the plugin of SalesTrainer wants it.
pub(super) fn plugin_at(url: String) -> Callback {
    let format = CallbackFormat::SalesTrainer {
        session_id: Some("s-1".to_owned()),
        scenario_id: Some(7),
        object_key: "uploads/a.webm".to_owned(),
    };
    Callback { url, is_configured: true, on_failure: true, format }
}

/// The requests that have arrived; sends what is due first.
pub(super) async fn delivered(deliverer: &Deliverer, receiver: &Receiver) -> Vec<Received> {
    deliverer.deliver_due().await.unwrap();
    receiver.received()
}
