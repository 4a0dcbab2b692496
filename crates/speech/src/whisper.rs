//! Whisper on the CPU, from the published architecture: Robust Speech Recognition via Large-Scale Weak Supervision
//! (Radford et al., 2022). Decoding follows openai-whisper, so that its users find their results again.
//!
//! In reading order: [`model`] (what is loaded), `encoder` and `decoder`, `search` (tokens from features), `rules`,
//! `segments`, `align` and `words`, then `hearing` with the two long-form modes `windows` and `sequential`.

mod align;
pub mod config;
pub mod decoder;
mod encoder;
mod frames;
mod hearing;
mod layers;
pub mod mel;
pub mod model;
mod rules;
pub mod search;
mod segments;
mod sequential;
pub mod tokens;
mod weights;
mod windows;
mod words;

use std::path::Path;
use std::sync::Arc;

use hansard_domain::transcript::Transcript;
use hansard_media::Recording;
use hansard_nn::Pool;

use crate::transcriber::{Cancel, Checkpoint, Error, LongForm, Observer, Options, Transcriber};
use hearing::Hearing;
use model::Model;

/// Whisper with a loaded model.
pub struct Whisper {
    name: String,
    model: Model,
}

impl Whisper {
    /// Loads the model in `folder`; all its work is done on `threads` threads, the caller's among them.
    pub fn load(folder: &Path, threads: usize) -> Result<Self, Error> {
        let model = Model::load(folder, Arc::new(Pool::new(threads)))?;
        let folder = folder.file_name().unwrap_or(folder.as_os_str()).to_string_lossy();
        Ok(Self { name: format!("whisper/{folder}"), model })
    }

    /// The model, for those who want its parts.
    pub fn model(&self) -> &Model {
        &self.model
    }
}

impl Transcriber for Whisper {
    fn model(&self) -> &str {
        &self.name
    }

    fn transcribe(
        &self,
        recording: &dyn Recording,
        options: &Options,
        resume: Option<&Checkpoint>,
        cancel: &Cancel,
        observer: &mut dyn Observer,
    ) -> Result<Transcript, Error> {
        let mut hearing = Hearing::new(&self.model, options, resume, cancel)?;
        let collected = match options.long_form {
            LongForm::Windows => {
                let from = resume.map_or(0, |checkpoint| checkpoint.next_sample);
                windows::transcribe(&mut hearing, recording, from, observer)?
            }
            LongForm::Sequential => {
                sequential::transcribe(&mut hearing, recording, resume, observer)?
            }
        };
        Ok(Transcript {
            model: self.name.clone(),
            language: hearing.language,
            language_probability: hearing.language_probability,
            task: options.task,
            duration: collected.duration,
            segments: collected.segments,
            dropped: collected.dropped,
        })
    }
}
