//! Which engine does the work, and the model it is given.

mod choice;
mod watched;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use hansard_speech::Transcriber;
use hansard_speech::fake::Fake;
use hansard_speech::hub::{Error as HubError, Hub};
use hansard_speech::whisper::Whisper;

use crate::args::EngineArgs;
use crate::output;

pub(crate) use choice::{Choice, FakeArgs};
pub(crate) use watched::Watched;

/// The model when none is named, if it is on this machine: good enough for most, small enough for any machine.
const DEFAULT_MODEL: &str = "small";

/// Loads the engine with `model`: a name, a hub id, a folder or a file in it.
pub(crate) fn load_engine(
    model: Option<&str>,
    args: &EngineArgs,
) -> anyhow::Result<Arc<dyn Transcriber>> {
    match fake(args) {
        Some(fake) => Ok(fake),
        None => load_folder(&find_model(model)?, args),
    }
}

/// Loads the engine with the model in `folder`.
pub(crate) fn load_folder(
    folder: &Path,
    args: &EngineArgs,
) -> anyhow::Result<Arc<dyn Transcriber>> {
    match fake(args) {
        Some(fake) => Ok(fake),
        None => Ok(Arc::new(Whisper::load(folder, count_threads(args.threads))?)),
    }
}

/// The engine without a model, if it is asked for.
fn fake(args: &EngineArgs) -> Option<Arc<dyn Transcriber>> {
    let fake = || if args.fake_pause { Fake::pausing() } else { Fake::new() };
    args.mock_transcribe.then(|| Arc::new(fake()) as Arc<dyn Transcriber>)
}

/// The folder that holds the model's files. Never downloads.
fn find_model(model: Option<&str>) -> anyhow::Result<PathBuf> {
    let hub = Hub::from_env()?;
    if let Some(model) = model {
        return Ok(hub.resolve(model)?);
    }
    match hub.resolve(DEFAULT_MODEL) {
        Err(HubError::NotInstalled { model, endpoint }) => {
            let Some(other) = hub.default_model()? else {
                return Err(HubError::NotInstalled { model, endpoint }.into());
            };
            output::note(&format!("using the model {other}, since {model} is not on this machine"));
            Ok(hub.resolve(&other)?)
        }
        resolved => Ok(resolved?),
    }
}

/// As many threads as were asked for, or as the machine runs at once.
fn count_threads(asked: u16) -> usize {
    match asked {
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        count => usize::from(count),
    }
}
