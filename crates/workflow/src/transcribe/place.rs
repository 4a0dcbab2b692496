//! Where a transcription goes on: the document that is committed with each window.

use hansard_domain::problem::ProblemCode;
use hansard_speech::Checkpoint;
use serde::{Deserialize, Serialize};

use crate::error::ActivityError;

/// The only version of the document so far.
const VERSION: u32 = 1;

/// Where a transcription goes on.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Place {
    /// The channel that is being transcribed, from 0; always 0 where channels are mixed.
    pub(crate) channel: u16,
    /// Length in seconds of the longest channel that is finished.
    pub(crate) length: Option<f64>,
    /// The language that was heard first, and its probability.
    pub(crate) language: Option<String>,
    pub(crate) language_probability: Option<f32>,
    /// Where the engine goes on in this channel; `None` at its beginning.
    pub(crate) engine: Option<Checkpoint>,
}

/// How it looks in JSON.
#[derive(Serialize, Deserialize)]
struct Form {
    v: u32,
    channel: u16,
    length_s: Option<f64>,
    language: Option<String>,
    language_probability: Option<f32>,
    engine: Option<EngineForm>,
}

#[derive(Serialize, Deserialize)]
struct EngineForm {
    next_sample: u64,
    language: Option<String>,
    language_probability: Option<f32>,
    carried_tokens: Vec<u32>,
    recent_texts: Vec<String>,
    last_speech_s: f64,
}

impl Place {
    /// The document.
    pub(crate) fn write(&self) -> String {
        let engine = self.engine.clone().map(|checkpoint| EngineForm {
            next_sample: checkpoint.next_sample,
            language: checkpoint.language,
            language_probability: checkpoint.language_probability,
            carried_tokens: checkpoint.carried_tokens,
            recent_texts: checkpoint.recent_texts,
            last_speech_s: checkpoint.last_speech,
        });
        let form = Form {
            v: VERSION,
            channel: self.channel,
            length_s: self.length,
            language: self.language.clone(),
            language_probability: self.language_probability,
            engine,
        };
        serde_json::to_string(&form).expect("a form has text keys")
    }

    /// Reads a document. One of another version is refused, never guessed at.
    pub(crate) fn read(document: &str) -> Result<Self, ActivityError> {
        let unreadable = || {
            let detail = "the transcription was begun by another version of Hansard";
            ActivityError::permanent(ProblemCode::Internal, detail)
        };
        let form: Form = serde_json::from_str(document).map_err(|_| unreadable())?;
        if form.v != VERSION {
            return Err(unreadable());
        }
        let engine = form.engine.map(|form| Checkpoint {
            next_sample: form.next_sample,
            language: form.language,
            language_probability: form.language_probability,
            carried_tokens: form.carried_tokens,
            recent_texts: form.recent_texts,
            last_speech: form.last_speech_s,
        });
        Ok(Self {
            channel: form.channel,
            length: form.length_s,
            language: form.language,
            language_probability: form.language_probability,
            engine,
        })
    }
}

/// How much of a recording is transcribed, in seconds of its length, when `done` seconds of channel number `channel` (from 0)
/// of `channels` are: a recording whose channels are heard one after the other is done when the last one is.
pub(crate) fn overall(channel: u16, channels: u16, done: f64, length: Option<f64>) -> f64 {
    match length {
        Some(length) => {
            let before = f64::from(channel) * length;
            (before + done.min(length)) / f64::from(channels.max(1))
        }
        None => done / f64::from(channels.max(1)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place() -> Place {
        Place {
            channel: 1,
            length: Some(65.5),
            language: Some("pt".to_owned()),
            language_probability: Some(0.25),
            engine: Some(Checkpoint {
                next_sample: 480_000,
                language: Some("en".to_owned()),
                language_probability: None,
                carried_tokens: vec![50_364, 1],
                recent_texts: vec!["so it is".to_owned()],
                last_speech: 29.5,
            }),
        }
    }

    #[test]
    fn a_place_is_read_back() {
        for place in [place(), Place::default()] {
            assert_eq!(Place::read(&place.write()).unwrap(), place);
        }
    }

    #[test]
    fn another_version_is_refused() {
        let newer = place().write().replacen("\"v\":1", "\"v\":2", 1);

        assert!(Place::read(&newer).is_err());
        assert!(Place::read("{}").is_err());
    }

    #[test]
    fn progress_over_channels_reaches_the_length_with_the_last_one() {
        assert_eq!(overall(0, 1, 30.0, Some(60.0)), 30.0);
        assert_eq!(overall(0, 2, 60.0, Some(60.0)), 30.0);
        assert_eq!(overall(1, 2, 60.0, Some(60.0)), 60.0);
        assert_eq!(overall(1, 2, 99.0, Some(60.0)), 60.0, "what a container states may be short");
        assert_eq!(overall(0, 2, 30.0, None), 15.0);
    }
}
