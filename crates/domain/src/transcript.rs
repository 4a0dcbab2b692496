//! What was said: a transcript, its segments and their words.
//!
//! Times are seconds from the start of the recording. Probabilities are in 0 to 1, log-probabilities are natural logarithms.

use crate::names::names;

names! {
    /// What to make of the speech; the names are those of Whisper's tokens and command line.
    #[derive(Default)]
    Task {
        /// Write down what is said in the language in which it is said.
        #[default]
        Transcribe = "transcribe",
        /// Write it down in English.
        Translate = "translate",
    }
}

impl Task {
    /// The language of a text that this task made of speech in the language `spoken`, as ISO 639 codes.
    pub fn text_language(self, spoken: Option<&str>) -> Option<&str> {
        match self {
            Self::Transcribe => spoken,
            Self::Translate => Some("en"),
        }
    }
}

/// One word with its times.
#[derive(Debug, Clone, PartialEq)]
pub struct Word {
    /// Start in seconds.
    pub start: f64,
    /// End in seconds, never before the start.
    pub end: f64,
    /// The text with its leading space and the punctuation that belongs to it.
    pub text: String,
    /// Mean probability of the word's tokens.
    pub probability: f64,
}

names! {
    /// Why a segment may not be what was said.
    Suspicion {
        /// Voice activity detection heard no speech in the segment's time.
        NoVoice = "no_voice",
        /// The model itself thought that there was no speech.
        NoSpeech = "no_speech",
        /// The average log-probability of the text is low.
        LowProbability = "low_probability",
        /// The text compresses too well: it loops.
        Compressible = "compressible",
        /// The same words come again and again, within the segment or in the segments before it.
        Repetition = "repetition",
        /// A phrase that models are known to invent on silence.
        KnownPhrase = "known_phrase",
        /// More text than a person can say in that time.
        TooFast = "too_fast",
    }
}

/// A stretch of speech with its text.
#[derive(Debug, Clone, PartialEq)]
pub struct Segment {
    /// Start in seconds.
    pub start: f64,
    /// End in seconds, never before the start.
    pub end: f64,
    /// The text, with the leading space that the model gave it.
    pub text: String,
    /// The model's token ids, timestamps included.
    pub tokens: Vec<u32>,
    /// The sampling temperature that gave the text; 0 is deterministic.
    pub temperature: f32,
    /// Mean log-probability of the tokens of the window that the segment comes from.
    pub average_log_probability: f32,
    /// Bytes of the window's text over its size after zlib; above 2.4 it loops.
    pub compression_ratio: f32,
    /// The model's own probability that the window holds no speech.
    pub no_speech_probability: f32,
    /// Words with times; empty unless asked for.
    pub words: Vec<Word>,
    /// Why the segment may be invented; empty for a sound one.
    pub suspicions: Vec<Suspicion>,
}

impl Segment {
    /// The text without line breaks, tabs and spaces at its ends.
    pub fn line(&self) -> String {
        self.text.split_whitespace().collect::<Vec<_>>().join(" ")
    }
}

/// What one engine heard in one recording.
#[derive(Debug, Clone, PartialEq)]
pub struct Transcript {
    /// The engine and model that made it, as `whisper/fixture`.
    pub model: String,
    /// ISO 639 code of the language that was given or heard; `None` when nothing was said.
    pub language: Option<String>,
    /// Probability of that language when it was detected.
    pub language_probability: Option<f32>,
    /// What was asked for.
    pub task: Task,
    /// Length of the recording in seconds.
    pub duration: f64,
    /// The text in order of time; segments do not overlap.
    pub segments: Vec<Segment>,
    /// Segments that the guard against invented text took out, with its reasons.
    pub dropped: Vec<Segment>,
}

impl Transcript {
    /// The whole text: the segments' texts one after the other, trimmed.
    pub fn text(&self) -> String {
        let mut text = String::with_capacity(self.segments.iter().map(|s| s.text.len()).sum());
        for segment in &self.segments {
            text.push_str(&segment.text);
        }
        text.trim().to_owned()
    }
}
