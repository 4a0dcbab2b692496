//! What the native API shows. Times are RFC 3339 in UTC, durations are seconds.

use hansard_domain::job::{JobState, TranscribeOptions};
use hansard_domain::source::Source;
use hansard_domain::time::Timestamp;
use hansard_store::jobs::{FinishedStage, Job, Position};
use hansard_store::recordings::Recording;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::api::asks::whole_seconds;
use crate::openapi::names;
use crate::problem::ProblemView;

/// A recording.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Recording)]
pub(crate) struct RecordingView {
    /// Its name.
    id: String,
    /// What another system calls it.
    external_id: Option<String>,
    /// A title for people.
    title: Option<String>,
    /// Who may see it besides its owner: `private`, `workspace`, `link` or `public`.
    #[schema(schema_with = names::visibility)]
    visibility: &'static str,
    /// Where it comes from.
    source: SourceView,
    /// What the caller keeps with it.
    #[schema(value_type = Object)]
    metadata: Value,
    /// Its media, once they are stored.
    media: Option<MediaView>,
    /// Its length in seconds, once it is known.
    duration_s: Option<f64>,
    /// The transcript to show, once there is one.
    transcript_id: Option<String>,
    /// When it was accepted.
    #[schema(format = DateTime)]
    created_at: String,
    /// When something about it changed last.
    #[schema(format = DateTime)]
    updated_at: String,
}

/// Where a recording comes from.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Source)]
#[serde(rename_all = "snake_case")]
pub(crate) enum SourceView {
    /// The caller sent the bytes.
    Upload {
        /// The name that the caller's file had.
        file_name: Option<String>,
    },
    /// An object in a bucket.
    S3 {
        /// The bucket.
        bucket: String,
        /// The object's key.
        key: String,
    },
    /// An address on the web.
    Url(String),
}

/// Stored media.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Media)]
pub(crate) struct MediaView {
    /// The content type that the first bytes show.
    content_type: String,
    /// Size in bytes.
    size_bytes: u64,
    /// SHA-256 in hexadecimal digits.
    sha256: String,
}

impl RecordingView {
    pub(crate) fn of(recording: Recording) -> Self {
        let media = recording.media.map(|media| MediaView {
            content_type: media.media_type,
            size_bytes: media.size,
            sha256: media.sha256,
        });
        Self {
            id: recording.id.to_string(),
            external_id: recording.external_id,
            title: recording.title,
            visibility: recording.visibility.name(),
            source: match recording.source {
                Source::Upload { file_name } => SourceView::Upload { file_name },
                Source::S3 { bucket, key } => SourceView::S3 { bucket, key },
                Source::Url { url } => SourceView::Url(url),
            },
            // The store keeps what this API has checked to be an object.
            metadata: serde_json::from_str(&recording.metadata).unwrap_or_default(),
            media,
            duration_s: recording.duration,
            transcript_id: recording.current_transcript.map(|id| id.to_string()),
            created_at: recording.created_at.to_string(),
            updated_at: recording.updated_at.to_string(),
        }
    }
}

/// A job.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Job)]
pub(crate) struct JobView {
    /// Its name.
    id: String,
    /// The recording that it works on.
    recording_id: String,
    /// `queued`, `running`, `succeeded`, `failed` or `cancelled`.
    #[schema(schema_with = names::job_state)]
    state: &'static str,
    /// The stage that runs, is next, or failed: `acquire` or `transcribe`.
    #[schema(schema_with = names::stage)]
    stage: &'static str,
    /// `low`, `normal` or `high`.
    #[schema(schema_with = names::priority)]
    priority: &'static str,
    /// What was asked.
    options: OptionsView,
    /// Whether an earlier transcript of the same audio was not to be taken instead.
    again: bool,
    /// Who is called when it has ended.
    callback_url: Option<String>,
    /// How far it is.
    progress: ProgressView,
    /// Where it stands in the queue, while it waits.
    queue: Option<QueueView>,
    /// Attempts of the stage since it last made progress.
    attempts: u32,
    /// When the next attempt is due, for a job that waits after one that failed.
    #[schema(format = DateTime)]
    next_attempt_at: Option<String>,
    /// The stages that ended with a result.
    stages: Vec<StageView>,
    /// Its transcript, from the first window on.
    transcript_id: Option<String>,
    /// Why it failed, or why its last attempt did.
    #[schema(value_type = Option<ProblemView>)]
    error: Option<Value>,
    /// When it was accepted.
    #[schema(format = DateTime)]
    created_at: String,
    /// When a worker first took it.
    #[schema(format = DateTime)]
    started_at: Option<String>,
    /// When it ended.
    #[schema(format = DateTime)]
    finished_at: Option<String>,
    /// When something about it changed last.
    #[schema(format = DateTime)]
    updated_at: String,
}

/// What was asked of a job.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Options)]
pub(crate) struct OptionsView {
    /// ISO 639 code of the language; `null` finds it out.
    language: Option<String>,
    /// `transcribe`, or `translate` into English.
    #[schema(schema_with = names::task)]
    task: &'static str,
    /// The model; `null` is the configured one.
    model: Option<String>,
    /// Text that primes the model's vocabulary and style.
    prompt: Option<String>,
    /// Times for each word.
    words: bool,
    /// Each channel by itself.
    channels_apart: bool,
    /// The only sampling temperature; `null` is the engine's own ladder.
    temperature: Option<f32>,
}

/// How far a job is.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Progress)]
pub(crate) struct ProgressView {
    /// Seconds of the recording that are transcribed.
    done_s: f64,
    /// Length of the recording in seconds, once it is known.
    duration_s: Option<f64>,
    /// From 0 to 1, once the length is known.
    fraction: Option<f64>,
}

/// Where a waiting job stands.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = QueuePosition)]
pub(crate) struct QueueView {
    /// Jobs that wait before it or run now.
    ahead: u64,
    /// Seconds until it starts, from the measured speed of the engine; `null` while nothing was measured.
    wait_s: Option<u64>,
}

/// A stage that ended with its result.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Stage)]
pub(crate) struct StageView {
    /// `acquire` or `transcribe`.
    #[schema(schema_with = names::stage)]
    stage: &'static str,
    /// How many attempts it took.
    attempts: u32,
    /// When its last attempt began.
    #[schema(format = DateTime)]
    started_at: String,
    /// When it ended.
    #[schema(format = DateTime)]
    finished_at: String,
}

impl OptionsView {
    pub(crate) fn of(options: TranscribeOptions) -> Self {
        let TranscribeOptions { language, task, model, prompt, words, channels_apart, temperature } =
            options;
        let task = task.name();
        Self { language, task, model, prompt, words, channels_apart, temperature }
    }
}

impl JobView {
    pub(crate) fn of(job: Job, stages: Vec<FinishedStage>, position: Option<Position>) -> Self {
        let succeeded = job.state == JobState::Succeeded;
        let fraction = match job.duration {
            _ if succeeded => Some(1.0),
            Some(duration) if duration > 0.0 => Some((job.done / duration).clamp(0.0, 1.0)),
            Some(_) | None => None,
        };
        let error = job.error.map(|error| {
            let view = ProblemView::of_code(error.code, &error.detail);
            serde_json::to_value(view).expect("a problem has text keys")
        });
        let waits_after_failure = job.state == JobState::Queued && error.is_some();
        let time = |time: Timestamp| time.to_string();
        Self {
            id: job.id.to_string(),
            recording_id: job.recording.to_string(),
            state: job.state.name(),
            stage: job.stage.name(),
            priority: job.priority.name(),
            options: OptionsView::of(job.options),
            again: job.again,
            // Where the operator has results sent is the operator's business.
            callback_url: job.callback.filter(|call| !call.is_configured).map(|call| call.url),
            progress: ProgressView { done_s: job.done, duration_s: job.duration, fraction },
            queue: position.map(|Position { ahead, wait }| QueueView {
                ahead,
                wait_s: wait.map(whole_seconds),
            }),
            attempts: job.attempts,
            next_attempt_at: waits_after_failure.then(|| job.run_at.to_string()),
            stages: stages
                .into_iter()
                .map(|stage| StageView {
                    stage: stage.stage.name(),
                    attempts: stage.attempts,
                    started_at: stage.started_at.to_string(),
                    finished_at: stage.finished_at.to_string(),
                })
                .collect(),
            transcript_id: job.transcript.map(|id| id.to_string()),
            error,
            created_at: job.created_at.to_string(),
            started_at: job.started_at.map(time),
            finished_at: job.finished_at.map(time),
            updated_at: job.updated_at.to_string(),
        }
    }
}
