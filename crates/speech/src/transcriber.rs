//! The seam between engines and everything that wants a transcript.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use hansard_domain::transcript::{Segment, Task, Transcript};
use hansard_media::Recording;

/// Temperatures tried in turn when a window's text fails the quality checks.
pub const TEMPERATURES: [f32; 6] = [0.0, 0.2, 0.4, 0.6, 0.8, 1.0];

/// How a recording longer than the model's 30 s is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LongForm {
    /// Cut at pauses into windows that are decoded independently of each other.
    #[default]
    Windows,
    /// Seek by the decoded timestamps, as openai-whisper does.
    Sequential,
}

/// What to do with a recording. [`Options::default`] is what `hansard transcribe FILE` does.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// ISO 639 code; `None` detects it.
    pub language: Option<String>,
    /// Transcribe, or translate into English.
    pub task: Task,
    /// How a long recording is cut.
    pub long_form: LongForm,
    /// Leave out silence, found by voice activity detection.
    pub vad: bool,
    /// Hypotheses kept at temperature 0; 1 is greedy.
    pub beam_size: usize,
    /// Temperatures tried in turn; the first is used alone when the text is sound.
    pub temperatures: Vec<f32>,
    /// Text that primes the model's vocabulary and style.
    pub initial_prompt: Option<String>,
    /// Prime each window with the text before it (sequential mode only).
    pub condition_on_previous_text: bool,
    /// Times and probabilities for each word.
    pub word_timestamps: bool,
    /// Text that compresses better than this loops, and is decoded again; `None` never.
    pub compression_ratio_threshold: Option<f32>,
    /// Text less probable than this is decoded again; `None` never.
    pub log_probability_threshold: Option<f32>,
    /// Above this no-speech probability an improbable window is silence; `None` never.
    pub no_speech_threshold: Option<f32>,
    /// Seed of the sampling at temperatures above 0.
    pub seed: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            language: None,
            task: Task::Transcribe,
            long_form: LongForm::Windows,
            vad: true,
            beam_size: 5,
            temperatures: TEMPERATURES.to_vec(),
            initial_prompt: None,
            condition_on_previous_text: false,
            word_timestamps: false,
            compression_ratio_threshold: Some(2.4),
            log_probability_threshold: Some(-1.0),
            no_speech_threshold: Some(0.6),
            seed: 0,
        }
    }
}

/// More hypotheses than this are refused: no search gains by them, and each costs memory.
pub const BEAM_SIZE_MAX: usize = 255;

impl Options {
    /// Refuses what no engine can follow.
    ///
    /// # Errors
    /// [`Error::Options`] with what is wrong and what is expected.
    pub fn check(&self) -> Result<(), Error> {
        if !(1..=BEAM_SIZE_MAX).contains(&self.beam_size) {
            let size = self.beam_size;
            return Err(Error::Options(format!(
                "the beam size is {size}, expected 1 to {BEAM_SIZE_MAX}"
            )));
        }
        if self.temperatures.is_empty() {
            return Err(Error::Options("no temperature is given".to_owned()));
        }
        if let Some(wrong) = self.temperatures.iter().find(|t| !(0.0..=2.0).contains(*t)) {
            return Err(Error::Options(format!("temperature {wrong} is not within 0 to 2")));
        }
        if let Some(language) = &self.language {
            let is_code = (2..=3).contains(&language.len())
                && language.bytes().all(|byte| byte.is_ascii_lowercase());
            if !is_code {
                return Err(Error::Options(format!(
                    "{language:?} is not a language code; give one such as en, pt or de"
                )));
            }
        }
        Ok(())
    }
}

/// Where a stopped transcription goes on. What was reported before it is final.
#[derive(Debug, Clone, PartialEq)]
pub struct Checkpoint {
    /// The first 16 kHz sample not yet transcribed.
    pub next_sample: u64,
    /// Language found so far.
    pub language: Option<String>,
    /// Probability of that language.
    pub language_probability: Option<f32>,
    /// Tokens that prime the next window (sequential mode).
    pub carried_tokens: Vec<u32>,
    /// The last texts, which the guard against loops compares with.
    pub recent_texts: Vec<String>,
    /// Where speech ended, in seconds: the first word after a pause is not stretched over it.
    pub last_speech: f64,
}

/// One window is finished: what it gave, and where to go on from.
#[derive(Debug)]
pub struct WindowDone<'a> {
    /// Segments of this window, in order.
    pub segments: &'a [Segment],
    /// Segments of this window that the guard took out.
    pub dropped: &'a [Segment],
    /// Where the transcription goes on if it is stopped now.
    pub checkpoint: &'a Checkpoint,
    /// Length of the recording in seconds as its container states it, if it does.
    pub duration_hint: Option<f64>,
}

/// Is told of each window as it is finished.
pub trait Observer {
    /// Called once per window, in order of time. An error stops the transcription.
    fn window_done(&mut self, window: &WindowDone<'_>) -> Result<(), Error>;
}

/// An observer that wants to know nothing.
#[derive(Debug, Default)]
pub struct Silent;

impl Observer for Silent {
    fn window_done(&mut self, _window: &WindowDone<'_>) -> Result<(), Error> {
        Ok(())
    }
}

/// A switch that stops a transcription, within a second, from any thread.
#[derive(Debug, Clone, Default)]
pub struct Cancel(Arc<AtomicBool>);

impl Cancel {
    /// Stops what listens to this switch. It cannot be taken back.
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether it was thrown.
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// [`Error::Cancelled`] once it was thrown.
    pub fn check(&self) -> Result<(), Error> {
        if self.is_cancelled() { Err(Error::Cancelled) } else { Ok(()) }
    }
}

/// What a long-form mode has gathered.
#[derive(Debug, Default)]
pub(crate) struct Collected {
    pub(crate) duration: f64,
    pub(crate) segments: Vec<Segment>,
    pub(crate) dropped: Vec<Segment>,
}

/// Why there is no transcript.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The recording could not be read.
    #[error("cannot read the recording")]
    Media(#[source] hansard_media::Error),
    /// Somebody threw the [`Cancel`] switch.
    #[error("cancelled")]
    Cancelled,
    /// The options do not fit the model.
    #[error("{0}")]
    Options(String),
    /// The model's files are missing or wrong.
    #[error("cannot load the model {path}: {reason}")]
    Model {
        /// File or folder.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A service that was asked did not do its part.
    #[error("the speech service failed: {reason}")]
    Remote {
        /// What happened, without the key.
        reason: String,
        /// Whether the same recording may succeed later, as when the service is busy or cannot be reached.
        passing: bool,
        /// How long the service wants to be left alone, if it said so.
        retry_after: Option<Duration>,
        /// What the network or the answer said.
        #[source]
        source: Option<Box<dyn std::error::Error + Send + Sync>>,
    },
    /// The observer could not keep what it was told.
    #[error("cannot keep a finished window")]
    Observer(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// An engine with a loaded model. Shared by all callers; each call is one recording.
pub trait Transcriber: Send + Sync {
    /// Engine and model, as `whisper/fixture`.
    fn model(&self) -> &str;

    /// Transcribes `recording`, from the start or from where `resume` says.
    ///
    /// Blocks until it is done, failed or cancelled. The transcript holds the segments from `resume` on; what was
    /// reported to an observer before stays with the caller.
    fn transcribe(
        &self,
        recording: &dyn Recording,
        options: &Options,
        resume: Option<&Checkpoint>,
        cancel: &Cancel,
        observer: &mut dyn Observer,
    ) -> Result<Transcript, Error>;
}
