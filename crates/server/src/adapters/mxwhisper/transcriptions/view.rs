//! How transcriptions are shown.

use std::collections::HashMap;

use hansard_domain::access::{Permission, decide};
use hansard_domain::id::RecordingId;
use hansard_domain::time::Timestamp;
use hansard_store::catalogue::JobEntry;
use hansard_store::collections::Placement;
use hansard_store::topics::AssignedTopic;
use serde::Serialize;
use utoipa::ToSchema;

use super::super::spoken::spoken;
use super::super::views::{error, file_name, status};
use crate::App;
use crate::caller::Caller;
use crate::problem::Problem;

/// A transcription.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = MxWhisperTranscription)]
pub(in super::super) struct TranscriptionView {
    id: i64,
    audio_file_id: i64,
    user_id: String,
    /// The whole text; empty until it is completed.
    transcript: String,
    language: Option<String>,
    /// The model that is really used, as `whisper/base`.
    model_name: Option<String>,
    model_version: Option<String>,
    /// Mean probability of the text's tokens, from 0 to 1.
    avg_confidence: Option<f64>,
    /// Seconds from the start of the work to its end.
    processing_time: Option<f64>,
    /// `pending`, `processing`, `completed` or `failed`.
    status: &'static str,
    error_message: Option<String>,
    #[schema(format = DateTime)]
    created_at: String,
    #[schema(format = DateTime)]
    updated_at: String,
    audio_file: AudioSummaryView,
    topics: Vec<TopicView>,
    collections: Vec<CollectionView>,
}

/// The audio file of a transcription.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = MxWhisperAudioSummary)]
struct AudioSummaryView {
    id: i64,
    filename: String,
    duration: Option<f64>,
    source_type: &'static str,
}

/// A topic of a transcription.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = MxWhisperTranscriptionTopic)]
struct TopicView {
    id: i64,
    name: String,
    ai_confidence: Option<f64>,
    ai_reasoning: Option<String>,
    user_reviewed: bool,
}

/// A collection of a transcription.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = MxWhisperTranscriptionCollection)]
struct CollectionView {
    id: i64,
    name: String,
    position: i64,
    collection_type: Option<String>,
}

/// A transcription with its chunks, of which there are none yet.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = MxWhisperTranscriptionDetail)]
pub(in super::super) struct DetailView {
    #[serde(flatten)]
    #[schema(inline)]
    transcription: TranscriptionView,
    #[schema(value_type = Vec<Object>)]
    chunks: [(); 0],
}

impl DetailView {
    pub(super) fn of(transcription: TranscriptionView) -> Self {
        Self { transcription, chunks: [] }
    }
}

/// A transcription as its audio file shows it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = MxWhisperTranscriptionSummary)]
pub(in super::super) struct SummaryView {
    id: i64,
    audio_file_id: i64,
    status: &'static str,
    language: Option<String>,
    avg_confidence: Option<f64>,
    #[schema(format = DateTime)]
    created_at: String,
}

impl TranscriptionView {
    /// Those that `entries` make, in their order; without collections for a caller who may not read those.
    pub(super) async fn all(
        app: &App,
        caller: &Caller,
        entries: Vec<JobEntry>,
    ) -> Result<Vec<Self>, Problem> {
        let recordings: Vec<_> = entries.iter().map(|entry| entry.job.recording.clone()).collect();
        let (store, reach) = (app.store(), caller.reach());
        let topics = store.topics_of_all(reach, &recordings).await?;
        let collections = match decide(caller.principal(), Permission::ReadCollections) {
            Ok(()) => store.collections_of_all(reach, &recordings).await?,
            Err(_) => HashMap::new(),
        };
        let mut spoken = spoken(app, &entries).await?;
        let view = |entry: JobEntry| {
            let text = entry.job.transcript.as_ref().and_then(|id| spoken.remove(id));
            Self {
                topics: shown(&topics, &entry, TopicView::of),
                collections: shown(&collections, &entry, CollectionView::of),
                transcript: text.unwrap_or_default(),
                ..Self::of(entry)
            }
        };
        Ok(entries.into_iter().map(view).collect())
    }

    /// What an entry alone tells.
    fn of(entry: JobEntry) -> Self {
        let job = entry.job;
        let filename = file_name(&entry.source, entry.title.as_deref());
        let source_type = entry.source.kind();
        let id = entry.recording;
        let seconds = |end: Timestamp| end.since(job.started_at.unwrap_or(end)).as_secs_f64();
        Self {
            id: job.serial,
            audio_file_id: id,
            user_id: entry.owner,
            transcript: String::new(),
            language: entry.language.or_else(|| job.options.language.clone()),
            model_name: entry.model.or_else(|| job.options.model.clone()),
            model_version: None,
            avg_confidence: entry.confidence,
            processing_time: job.finished_at.map(seconds),
            status: status(job.state),
            error_message: error(&job),
            created_at: job.created_at.to_string(),
            updated_at: job.updated_at.to_string(),
            audio_file: AudioSummaryView { id, filename, duration: entry.duration, source_type },
            topics: Vec::new(),
            collections: Vec::new(),
        }
    }
}

/// What there is for the recording of `entry`, each as `view` shows it.
fn shown<T, V>(
    all: &HashMap<RecordingId, Vec<T>>,
    entry: &JobEntry,
    view: impl Fn(&T) -> V,
) -> Vec<V> {
    all.get(&entry.job.recording).into_iter().flatten().map(view).collect()
}

impl TopicView {
    fn of(assigned: &AssignedTopic) -> Self {
        Self {
            id: assigned.serial,
            name: assigned.name.clone(),
            ai_confidence: assigned.confidence,
            ai_reasoning: assigned.reasoning.clone(),
            user_reviewed: assigned.is_reviewed,
        }
    }
}

impl CollectionView {
    fn of(placement: &Placement) -> Self {
        Self {
            id: placement.serial,
            name: placement.name.clone(),
            position: placement.position,
            collection_type: placement.kind.clone(),
        }
    }
}

impl SummaryView {
    pub(in super::super) fn of(entry: JobEntry) -> Self {
        Self {
            id: entry.job.serial,
            audio_file_id: entry.recording,
            status: status(entry.job.state),
            language: entry.language,
            avg_confidence: entry.confidence,
            created_at: entry.job.created_at.to_string(),
        }
    }
}
