//! A loaded checkpoint: front end, encoder, decoder, tokenizer and decoding rules. Immutable, so that any number of
//! callers share one.

use std::path::Path;
use std::sync::Arc;

use hansard_nn::{Pool, softmax};

use super::config::{self, Config, Generation};
use super::decoder::{Decoder, Row, Session};
use super::encoder::Encoder;
use super::mel::{FrontEnd, LogPower, WINDOW_FRAMES};
use super::tokens::Tokens;
use super::weights::Weights;
use crate::{Cancel, Error};

/// A Whisper checkpoint in memory.
pub struct Model {
    pub(super) config: Config,
    pub(super) generation: Generation,
    pub(super) tokens: Tokens,
    pub(super) front_end: FrontEnd,
    encoder: Encoder,
    decoder: Decoder,
    threads: Arc<Pool>,
}

/// What the encoder makes of one window: `[1500][columns]`.
pub struct Features(Vec<f32>);

impl Features {
    /// The numbers, row by row.
    pub fn values(&self) -> &[f32] {
        &self.0
    }
}

impl Model {
    /// Loads a folder in the Hugging Face layout of `openai/whisper-*`.
    pub fn load(folder: &Path, threads: Arc<Pool>) -> Result<Self, Error> {
        let (config, generation) = config::read(folder)?;
        let tokens = Tokens::load(folder, config.vocab_size)?;
        let mut weights = Weights::open(folder)?;
        Ok(Self {
            front_end: FrontEnd::new(config.num_mel_bins),
            encoder: Encoder::load(&mut weights, &config)?,
            decoder: Decoder::load(&mut weights, &config)?,
            config,
            generation,
            tokens,
            threads,
        })
    }

    /// The shape of the checkpoint.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The tokenizer of the checkpoint.
    pub fn tokens(&self) -> &Tokens {
        &self.tokens
    }

    /// Log-mel frames of at most 30 s of samples followed by silence, normalised: `[3000][bins]`.
    pub fn mel(&self, samples: &[f32]) -> Vec<f32> {
        let mut mel = self.front_end.log_power(samples, WINDOW_FRAMES);
        let loudest = mel.max();
        mel.normalise(loudest);
        mel.values
    }

    /// Encodes `[3000 frames][bins]`.
    pub fn encode(&self, mel: &[f32], cancel: &Cancel) -> Result<Features, Error> {
        self.encoder.run(&self.threads, mel, cancel).map(Features)
    }

    /// Encodes frames that may be fewer than a window holds; what is missing is zero, as openai-whisper has it.
    pub(super) fn encode_frames(&self, mel: LogPower, cancel: &Cancel) -> Result<Features, Error> {
        let mut values = mel.values;
        values.resize(WINDOW_FRAMES * self.front_end.bins(), 0.0);
        self.encode(&values, cancel)
    }

    /// A decoding session with room for `hypotheses`.
    pub fn session(&self, hypotheses: usize) -> Session<'_> {
        Session::new(&self.decoder, &self.threads, hypotheses)
    }

    /// Probability of each language for the window that `session` listens to, most probable first.
    ///
    /// Empty for a model that knows English alone.
    pub fn detect_language(&self, session: &mut Session<'_>) -> Vec<(String, f32)> {
        if !self.tokens.is_multilingual() {
            return Vec::new();
        }
        session.forget();
        let logits = session.step(&[Row { token: self.tokens.start, hypothesis: 0 }], 0..1);
        let (codes, mut probabilities): (Vec<_>, Vec<_>) = self
            .tokens
            .languages()
            .map(|(code, id)| (code.to_owned(), logits[id as usize]))
            .unzip();
        softmax(&mut probabilities);
        let mut languages: Vec<_> = codes.into_iter().zip(probabilities).collect();
        languages.sort_by(|a, b| b.1.total_cmp(&a.1));
        languages
    }
}
