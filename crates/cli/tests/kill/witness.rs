//! What is seen between the kills and at the end.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use hansard_domain::id::{Id, JobId, RecordingId, WorkspaceId};
use hansard_domain::job::JobState;
use hansard_store::{Clock, Store};
use hansard_testkit::receiver::{Received, Receiver};
use tokio::runtime::Runtime;

use crate::client::Accepted;
use crate::service::Service;

/// Samples of a window of the fake engine.
const WINDOW_SAMPLES: u64 = 30 * 16_000;

/// Windows of each recording.
const WINDOWS: i64 = 2;

/// The workspace that callers act for unless the configuration says otherwise.
const WORKSPACE: &str = "default";

/// Rows of a page.
const PAGE: u32 = 100;

/// How often a state that is waited for is looked at.
const PAUSE: Duration = Duration::from_millis(100);

/// A window: the media object's name and its first sample.
type Window = (String, u64);

pub(crate) struct Witness {
    runtime: Runtime,
    store: Option<(Store, WorkspaceId)>,
    notes: std::path::PathBuf,
    /// How many lines the notes had when a window was first seen to be committed.
    committed: BTreeMap<Window, usize>,
}

impl Witness {
    pub(crate) fn new(service: &Service) -> Self {
        let runtime = Runtime::new().expect("a runtime can be started");
        Self { runtime, store: None, notes: service.notes(), committed: BTreeMap::new() }
    }

    fn store(&mut self, service: &Service) -> (Store, WorkspaceId) {
        if self.store.is_none() {
            let opened = self.runtime.block_on(async {
                let store = service.store(Clock::system()).await;
                let workspace = store.ensure_workspace(WORKSPACE).await.expect("it is there");
                (store, workspace)
            });
            self.store = Some(opened);
        }
        self.store.clone().expect("it was just opened")
    }

    /// Notes which windows are committed, and how many had been heard by then.
    pub(crate) fn look(&mut self, service: &Service) {
        let (store, workspace) = self.store(service);
        let windows = self.runtime.block_on(committed_windows(&store, &workspace));
        let heard = self.heard().len();
        for window in windows {
            self.committed.entry(window).or_insert(heard);
        }
    }

    /// Every window that was heard, in order, over all processes.
    fn heard(&self) -> Vec<Window> {
        let text = fs::read_to_string(&self.notes).unwrap_or_default();
        let window = |line: &str| {
            let (name, sample) = line.rsplit_once(' ')?;
            let name = Path::new(name).file_name()?.to_str()?.to_owned();
            Some((name, sample.parse().ok()?))
        };
        text.lines().filter_map(window).collect()
    }

    pub(crate) fn wait_for_ends(&mut self, accepted: &[Accepted], bound: Duration) {
        let (store, workspace) = self.store.clone().expect("it was looked at");
        let began = Instant::now();
        for one in accepted {
            let id = JobId::parse(&one.job).expect("it is an id");
            loop {
                let job = self.runtime.block_on(store.find_job(&workspace, &id));
                let job = job.expect("the database answers").expect("what was accepted is there");
                if job.state.is_final() {
                    assert_eq!(job.state, JobState::Succeeded, "{:?}", job.error);
                    break;
                }
                assert!(began.elapsed() < bound, "{id} did not end within {bound:?}: {job:?}");
                std::thread::sleep(PAUSE);
            }
        }
    }

    pub(crate) fn wait_for_callbacks(
        &self,
        receiver: &Receiver,
        accepted: &[Accepted],
        bound: Duration,
    ) -> Vec<Received> {
        let began = Instant::now();
        loop {
            let received = receiver.received();
            let jobs: BTreeSet<String> = received.iter().map(job_of).collect();
            if accepted.iter().all(|one| jobs.contains(&one.job)) {
                return received;
            }
            assert!(
                began.elapsed() < bound,
                "{} of {} jobs called back",
                jobs.len(),
                accepted.len()
            );
            std::thread::sleep(PAUSE);
        }
    }

    /// No window was heard again after it was seen to be committed, and each was heard at all.
    pub(crate) fn check_windows(&self) {
        let heard = self.heard();
        for (window, seen_after) in &self.committed {
            let again = heard[*seen_after..].contains(window);
            assert!(!again, "{window:?} was committed and heard again");
        }
    }

    /// Each job called back under one id, once or more often.
    pub(crate) fn check_callbacks(&self, accepted: &[Accepted], received: &[Received]) {
        let mut ids: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
        for one in received {
            let id = one.headers["x-hansard-delivery"].as_str();
            ids.entry(job_of(one)).or_default().insert(id);
        }
        assert_eq!(ids.len(), accepted.len(), "something that was not accepted called back");
        for (job, ids) in &ids {
            assert_eq!(ids.len(), 1, "{job} called back under several ids");
        }
    }

    /// One recording, one job and one whole transcript for each that was accepted; no lease, no file besides.
    pub(crate) fn check_nothing_is_left(&mut self, service: &Service, accepted: &[Accepted]) {
        let (store, workspace) = self.store(service);
        self.runtime.block_on(async {
            let transcripts = transcripts(&store, &workspace).await;
            assert_eq!(transcripts.len(), accepted.len(), "transcripts");
            for transcript in &transcripts {
                assert!(transcript.completed_at.is_some(), "{transcript:?} is not complete");
                assert_eq!(transcript.windows, WINDOWS);
            }
            let recordings: BTreeSet<&str> =
                transcripts.iter().map(|t| t.recording.as_str()).collect();
            for one in accepted {
                assert!(recordings.contains(one.recording.as_str()), "{one:?} has no transcript");
            }
            let queue = store.queue_stats().await.expect("the database answers");
            assert_eq!((queue.queued, queue.running), (0, 0));

            // What a killed upload left is swept a day later.
            let in_two_days =
                Clock::manual(Clock::system().now().after(Duration::from_secs(2 * 86_400)));
            let later = service.store(in_two_days).await;
            while later.sweep_media().await.expect("the sweep works") > 0 {}
        });
        assert_eq!(files(&service.data().join("media")), accepted.len(), "media objects");
        assert_eq!(files(&service.data().join("uploads")), 0, "uploads");
        // The one file is the gate through which workers come and go.
        assert_eq!(files(&service.data().join("work")), 1, "working files");
    }
}

fn job_of(received: &Received) -> String {
    received.json()["data"]["job_id"].as_str().expect("a callback names its job").to_owned()
}

async fn transcripts(
    store: &Store,
    workspace: &WorkspaceId,
) -> Vec<hansard_store::transcripts::TranscriptHead> {
    let mut all = Vec::new();
    let mut before = None;
    loop {
        let page = store.page_transcripts(workspace, None, before, PAGE).await;
        let page = page.expect("the database answers");
        all.extend(page.items);
        match page.next {
            Some(serial) => before = Some(serial),
            None => return all,
        }
    }
}

async fn committed_windows(store: &Store, workspace: &WorkspaceId) -> Vec<Window> {
    let mut windows = Vec::new();
    for transcript in transcripts(store, workspace).await {
        let name = media_name(store, workspace, &transcript.recording).await;
        let firsts = (0..transcript.windows).map(|ordinal| ordinal as u64 * WINDOW_SAMPLES);
        windows.extend(firsts.map(|first| (name.clone(), first)));
    }
    windows
}

async fn media_name(store: &Store, workspace: &WorkspaceId, recording: &RecordingId) -> String {
    let recording = store.find_recording(workspace, recording).await.expect("the database answers");
    let media = recording.and_then(|recording| recording.media).expect("its media are stored");
    media.key.rsplit('/').next().unwrap_or_default().to_owned()
}

/// Files below `folder`, however deep.
fn files(folder: &Path) -> usize {
    let Ok(entries) = fs::read_dir(folder) else { return 0 };
    let count = |path: std::path::PathBuf| if path.is_dir() { files(&path) } else { 1 };
    entries.map(|entry| count(entry.expect("it can be read").path())).sum()
}
