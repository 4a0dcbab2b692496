//! whisper.cpp through its Rust binding.

use std::path::Path;

use anyhow::Context;
use whisper_rs::{
    WhisperContext, WhisperContextParameters, WhisperState, get_whisper_version,
    install_logging_hooks, print_system_info,
};

use crate::engine::{Engine, TOKEN, TOKENS, window};

/// whisper.cpp with a loaded model.
pub(crate) struct Theirs {
    state: WhisperState,
    threads: usize,
    samples: Vec<f32>,
}

/// Which whisper.cpp this is, and what it was compiled for.
pub(crate) fn description() -> String {
    install_logging_hooks();
    format!("whisper.cpp {}: {}", get_whisper_version(), print_system_info())
}

impl Theirs {
    /// Loads a model file in whisper.cpp's own format.
    pub(crate) fn load(file: &Path, threads: usize) -> anyhow::Result<Self> {
        install_logging_hooks();
        let mut parameters = WhisperContextParameters::new();
        // Its own default, which the binding turns off.
        parameters.use_gpu(false).flash_attn(true);
        let context = WhisperContext::new_with_params(file, parameters)?;
        let state = context.create_state().context("whisper.cpp has no memory for a state")?;
        Ok(Self { state, threads, samples: window() })
    }
}

impl Engine for Theirs {
    fn front_end(&mut self) -> anyhow::Result<()> {
        Ok(self.state.pcm_to_mel(&self.samples, self.threads)?)
    }

    fn encode(&mut self) -> anyhow::Result<()> {
        Ok(self.state.encode(0, self.threads)?)
    }

    /// The rows of a step follow each other rather than stand beside each other, because the binding batches no
    /// other way. The work is the same: whisper.cpp keeps the rows of all hypotheses in one cache and masks it.
    fn decode(&mut self, rows: usize) -> anyhow::Result<()> {
        let tokens = vec![TOKEN.cast_signed(); rows];
        for step in 0..TOKENS {
            self.state.decode(&tokens, step * rows, self.threads)?;
        }
        Ok(())
    }
}
