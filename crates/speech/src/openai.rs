//! Speech recognition by a service that speaks OpenAI's audio API, out on the web or in the same house.
//!
//! The recording is cut at pauses into pieces of some minutes; each is one request, and after each there is a checkpoint.
//! What the service answers is not trusted: times are brought into order and into the piece, and the guard against
//! invented text judges it like that of any engine.
//!
//! What the API has no word for is left to the service: beam size, all temperatures but the first, the seed, the long form.
//! Its translations come without words.

mod pieces;
mod reply;
mod service;
mod words;

use std::time::Duration;

use hansard_domain::language::code_of;
use hansard_domain::transcript::{Segment, Task, Transcript};
use hansard_media::{Recording, SAMPLE_RATE, Span};
use hansard_net::{Retries, Settings, Token, Url};

use crate::guard::{Guard, Limits, is_invented, voiced_share};
use crate::transcriber::{
    Cancel, Checkpoint, Collected, Error, Observer, Options, Transcriber, WindowDone,
};
use pieces::Pieces;
use service::{Question, Service};

/// Pieces are not shorter: a model hears better with something around a word.
const PIECE_MIN: Duration = Duration::from_secs(30);

/// Pieces are not longer. OpenAI takes requests of 25 MB, which are 13 minutes of 16 bit samples at 16 kHz.
const PIECE_MAX: Duration = Duration::from_secs(12 * 60);

/// The API takes codes of ISO 639-1 only; a longer one that it found itself is not given back to it.
const CODE_LENGTH: usize = 2;

/// Which service, and how it is asked.
#[derive(Debug, Clone)]
pub struct Config {
    /// Its address with the version, as `https://api.openai.com/v1`.
    pub base_url: Url,
    /// The key that it wants to see; a service in the house may want none.
    pub key: Option<Token>,
    /// The model that it is asked for.
    pub model: String,
    /// The most of a recording that goes into one request: half a minute to twelve minutes; what is outside is brought inside.
    pub piece: Duration,
    /// How long one answer may take.
    pub timeout: Duration,
    /// The way there, and what follows a failure. Its timeouts for answers and silence are replaced by `timeout`.
    pub network: Settings,
}

impl Config {
    /// Three minutes a piece, ten minutes an answer, and five attempts within a minute or as the service wants it.
    pub fn new(base_url: Url, key: Option<Token>, model: impl Into<String>) -> Self {
        // Services count requests by the minute.
        let retries = Retries {
            attempts: 5,
            first_pause: Duration::from_secs(2),
            pause_max: Duration::from_secs(60),
        };
        Self {
            base_url,
            key,
            model: model.into(),
            piece: Duration::from_secs(3 * 60),
            timeout: Duration::from_secs(10 * 60),
            network: Settings { retries, ..Settings::default() },
        }
    }
}

/// The engine.
#[derive(Debug)]
pub struct OpenAi {
    name: String,
    service: Service,
    piece_samples: u64,
}

impl OpenAi {
    /// An engine that asks this service. Nothing is sent yet.
    ///
    /// # Errors
    /// [`Error::Remote`] if no client can be made, as with a proxy that makes no sense.
    pub fn new(config: Config) -> Result<Self, Error> {
        let piece = config.piece.clamp(PIECE_MIN, PIECE_MAX);
        Ok(Self {
            name: format!("openai/{}", config.model),
            piece_samples: piece.as_secs() * SAMPLE_RATE as u64,
            service: Service::new(config)?,
        })
    }
}

impl Transcriber for OpenAi {
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
        options.check()?;
        let mut checkpoint = resume.cloned().unwrap_or_else(|| beginning(options));
        let mut guard = Guard::resume(&checkpoint.recent_texts);
        let samples = recording.open().map_err(Error::Media)?;
        let mut pieces =
            Pieces::new(samples, options.vad, self.piece_samples, checkpoint.next_sample);
        let mut collected = Collected::default();
        while let Some(mut piece) = pieces.next(cancel)? {
            let found = checkpoint.language.as_deref().filter(|code| code.len() == CODE_LENGTH);
            let language = options.language.as_deref().or(found);
            let question = Question { wav: piece.take_wav(), options, language };
            let reply = self.service.ask(&question, cancel)?;
            let heard = reply.language.as_deref().and_then(code_of);
            let segments = reply.into_segments(&piece, options);
            // The language of a translation is always English, whatever was spoken.
            if !segments.is_empty() && options.task == Task::Transcribe {
                checkpoint.language = checkpoint.language.or(heard.map(str::to_owned));
            }
            let (kept, dropped) =
                judge(&mut guard, segments, options, options.vad.then_some(&piece.speech));
            checkpoint.next_sample = piece.end();
            checkpoint.recent_texts = guard.recent_texts();
            if let Some(last) = kept.last() {
                checkpoint.last_speech = last.end;
            }
            observer.window_done(&WindowDone {
                segments: &kept,
                dropped: &dropped,
                checkpoint: &checkpoint,
                duration_hint: recording.duration_hint(),
            })?;
            collected.segments.extend(kept);
            collected.dropped.extend(dropped);
        }
        collected.duration = pieces.position() as f64 / SAMPLE_RATE as f64;
        Ok(Transcript {
            model: self.name.clone(),
            language: checkpoint.language,
            language_probability: checkpoint.language_probability,
            task: options.task,
            duration: collected.duration,
            segments: collected.segments,
            dropped: collected.dropped,
        })
    }
}

fn beginning(options: &Options) -> Checkpoint {
    Checkpoint {
        next_sample: 0,
        language: options.language.clone(),
        language_probability: None,
        carried_tokens: Vec::new(),
        recent_texts: Vec::new(),
        last_speech: 0.0,
    }
}

/// Tells what was said from what was invented.
fn judge(
    guard: &mut Guard,
    segments: Vec<Segment>,
    options: &Options,
    voice: Option<&Vec<Span>>,
) -> (Vec<Segment>, Vec<Segment>) {
    let limits = Limits {
        compression_ratio: options.compression_ratio_threshold,
        log_probability: options.log_probability_threshold,
        no_speech: options.no_speech_threshold,
    };
    segments
        .into_iter()
        .map(|mut segment| {
            let voiced = voice.map(|spans| voiced_share(spans, segment.start, segment.end));
            guard.inspect(&mut segment, voiced, limits);
            segment
        })
        .partition(|segment| !is_invented(&segment.suspicions))
}
