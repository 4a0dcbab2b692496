//! Our engine, at the level where whisper.cpp's steps have their counterparts.

use std::path::Path;
use std::sync::Arc;

use hansard_nn::Pool;
use hansard_speech::Cancel;
use hansard_speech::whisper::decoder::{Row, Session};
use hansard_speech::whisper::model::Model;

use crate::engine::{BEAM, Engine, TOKEN, TOKENS, window};

/// Our Whisper with a loaded model.
pub(crate) struct Ours {
    model: &'static Model,
    session: Session<'static>,
    samples: Vec<f32>,
    mel: Vec<f32>,
}

impl Ours {
    /// Loads a folder in the Hugging Face layout.
    pub(crate) fn load(folder: &Path, threads: usize) -> anyhow::Result<Self> {
        // Needed until the process ends, and borrowed by the session.
        let model = Box::leak(Box::new(Model::load(folder, Arc::new(Pool::new(threads)))?));
        Ok(Self { model, session: model.session(BEAM), samples: window(), mel: Vec::new() })
    }
}

impl Engine for Ours {
    fn front_end(&mut self) -> anyhow::Result<()> {
        self.mel = self.model.mel(&self.samples);
        Ok(())
    }

    fn encode(&mut self) -> anyhow::Result<()> {
        let features = self.model.encode(&self.mel, &Cancel::default())?;
        self.session.listen(features.values());
        Ok(())
    }

    fn decode(&mut self, rows: usize) -> anyhow::Result<()> {
        self.session.forget();
        let step: Vec<Row> = (0..rows).map(|hypothesis| Row { token: TOKEN, hypothesis }).collect();
        for _ in 0..TOKENS {
            self.session.step(&step, 0..rows);
        }
        Ok(())
    }
}
