//! The transcribe stage: from stored media to a complete transcript.
//!
//! It may be run again at any time. Each window is committed with the place behind it, under the job's lease, so that
//! another attempt goes on there, and one that lost its lease writes nothing more.

mod listening;
mod options;
mod place;

use std::sync::Arc;

use futures_util::TryStreamExt;
use hansard_store::leases::Held;
use hansard_store::recordings::StoredMedia;
use hansard_store::{Begin, Finished};
use tempfile::TempDir;
use tokio::io::AsyncWriteExt;
use tokio::runtime::Handle;

use crate::attempt::Attempt;
use crate::engines::EnginePool;
use crate::error::ActivityError;
use crate::scratch::Scratch;
use listening::Listening;
use place::Place;

/// How much was heard, and how long it took, in seconds.
pub(crate) struct Work {
    pub(crate) heard: f64,
    pub(crate) took: f64,
}

/// Transcribes `media` for the job of `attempt`, which has succeeded when this returns. Nothing is heard where the same text
/// could be copied.
pub(crate) async fn transcribe(
    attempt: &Arc<Attempt>,
    engines: &EnginePool,
    scratch: &Scratch,
    media: &StoredMedia,
) -> Result<Option<Work>, ActivityError> {
    let (store, lease, asked) = (attempt.store(), attempt.lease(), &attempt.job().options);
    let engine = engines.get(asked.model.as_deref()).await?;
    let model = engine.model().to_owned();
    let started_at = store.clock().now();
    let begun = store.begin_transcript(lease, &media.sha256, &model).await?;
    let (transcript, ordinal, place) = match begun {
        Held::Lost => return Err(ActivityError::Lost),
        Held::Yes(Begin::Copied) => return Ok(None),
        Held::Yes(Begin::Wait) => return Err(ActivityError::Twin),
        Held::Yes(Begin::Go { transcript, ordinal, checkpoint }) => {
            let place = checkpoint.as_deref().map(Place::read).transpose()?;
            (transcript, ordinal, place.unwrap_or_default())
        }
    };
    let local = LocalFile::of(attempt, scratch, media).await?;
    let listening = Listening {
        attempt: Arc::clone(attempt),
        engine,
        options: options::engine_options(asked),
        file: local.path,
        name: attempt.job().recording.to_string(),
        channels_apart: asked.channels_apart,
        transcript: transcript.clone(),
        ordinal,
        place,
    };
    let runtime = Handle::current();
    let listened = tokio::task::spawn_blocking(move || listening.run(runtime)).await;
    let heard = listened.unwrap_or_else(|_| Err(ActivityError::panicked("the engine")))?;
    let took = store.clock().now().since(started_at).as_secs_f64();
    let work = Work { heard: heard.gone_through, took };
    let finished = Finished {
        language: heard.language,
        language_probability: heard.language_probability,
        duration: heard.length,
        heard: work.heard,
        took,
        started_at,
    };
    match store.finish_transcript(lease, &transcript, &model, finished).await? {
        Held::Yes(()) => Ok(Some(work)),
        Held::Lost => Err(ActivityError::Lost),
    }
}

/// The media as a file, since containers are read back and forth.
struct LocalFile {
    path: std::path::PathBuf,
    /// Holds a copy that goes with it.
    _folder: Option<TempDir>,
}

impl LocalFile {
    async fn of(
        attempt: &Attempt,
        scratch: &Scratch,
        media: &StoredMedia,
    ) -> Result<Self, ActivityError> {
        let store = attempt.store();
        if let Some(path) = store.media().file(&media.key) {
            return Ok(Self { path, _folder: None });
        }
        let folder = scratch.folder()?;
        let path = folder.path().join("media");
        let fetch = async {
            let mut file = tokio::fs::File::create_new(&path).await.map_err(Scratch::failed)?;
            let mut bytes = store.media().read(&media.key, 0..media.size).await?;
            while let Some(piece) = bytes.try_next().await? {
                file.write_all(&piece).await.map_err(Scratch::failed)?;
            }
            file.flush().await.map_err(Scratch::failed)
        };
        attempt.switch().unless_thrown(fetch).await?;
        Ok(Self { path, _folder: Some(folder) })
    }
}
