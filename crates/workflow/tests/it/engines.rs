//! Engines that do as the test says.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use hansard_domain::transcript::Transcript;
use hansard_media::Recording;
use hansard_speech::fake::Fake;
use hansard_speech::{Cancel, Checkpoint, Error, Observer, Options, Transcriber};
use hansard_workflow::{EnginePool, Engines, LoadError};

/// One engine under the name `words`, and no other.
struct Only(Arc<dyn Transcriber>);

impl Engines for Only {
    fn pick(&self, model: Option<&str>) -> Result<String, LoadError> {
        match model {
            None | Some("words") => Ok("words".to_owned()),
            Some(other) => Err(LoadError::NotInstalled {
                asked: other.to_owned(),
                installed: vec!["words".to_owned()],
            }),
        }
    }

    fn load(&self, _name: &str) -> Result<Arc<dyn Transcriber>, LoadError> {
        Ok(Arc::clone(&self.0))
    }
}

/// A pool with `engine` alone.
pub(crate) fn pool(engine: impl Transcriber + 'static) -> EnginePool {
    EnginePool::new(Arc::new(Only(Arc::new(engine))))
}

/// How a [`Moody`] engine fails.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Mood {
    Panics,
    Refuses,
    IsBusy,
    KnowsNoKey,
}

/// Fails so many times, and then works like a fake. Each recording adds to the count.
pub(crate) struct Moody {
    mood: Mood,
    failures: u32,
    pub(crate) calls: Arc<AtomicU32>,
    fake: Fake,
}

impl Moody {
    pub(crate) fn new(mood: Mood, failures: u32) -> Self {
        Self { mood, failures, calls: Arc::default(), fake: Fake::new() }
    }
}

impl Transcriber for Moody {
    fn model(&self) -> &str {
        self.fake.model()
    }

    fn transcribe(
        &self,
        recording: &dyn Recording,
        options: &Options,
        resume: Option<&Checkpoint>,
        cancel: &Cancel,
        observer: &mut dyn Observer,
    ) -> Result<Transcript, Error> {
        if self.calls.fetch_add(1, Ordering::SeqCst) >= self.failures {
            return self.fake.transcribe(recording, options, resume, cancel, observer);
        }
        match self.mood {
            Mood::Panics => panic!("an engine with a bug"),
            Mood::Refuses => Err(Error::Options("no engine can do that".to_owned())),
            Mood::IsBusy => Err(remote("it is busy", true)),
            Mood::KnowsNoKey => Err(remote("it refuses the key", false)),
        }
    }
}

fn remote(reason: &str, passing: bool) -> Error {
    Error::Remote { reason: reason.to_owned(), passing, retry_after: None, source: None }
}
