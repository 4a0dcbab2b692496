//! The engines of a service, and how it stands with the configured model.

use std::sync::{Arc, Mutex, PoisonError};

use hansard_server::EngineState;
use hansard_speech::Transcriber;
use hansard_workflow::{Engines, LoadError};

use super::Choice;

/// Remembers how loading the configured model went. What else callers ask for says nothing about the service.
pub(crate) struct Watched {
    choice: Choice,
    loaded: Mutex<EngineState>,
}

impl Watched {
    pub(crate) fn new(choice: Choice) -> Self {
        Self { choice, loaded: Mutex::new(EngineState::NotLoaded) }
    }

    /// How it stands now. Reads files.
    pub(crate) fn state(&self) -> EngineState {
        match self.choice.pick(None) {
            Ok(_) => *self.loaded.lock().unwrap_or_else(PoisonError::into_inner),
            Err(_) => EngineState::Missing,
        }
    }
}

impl Engines for Watched {
    fn pick(&self, model: Option<&str>) -> Result<String, LoadError> {
        self.choice.pick(model)
    }

    fn installed(&self) -> Vec<String> {
        self.choice.installed()
    }

    fn load(&self, name: &str) -> Result<Arc<dyn Transcriber>, LoadError> {
        let loaded = self.choice.load(name);
        if self.choice.pick(None).is_ok_and(|configured| configured == name) {
            let state = if loaded.is_ok() { EngineState::Loaded } else { EngineState::Failed };
            *self.loaded.lock().unwrap_or_else(PoisonError::into_inner) = state;
        }
        loaded
    }
}
