//! One recording being transcribed: what both long-form modes do with a window.

use hansard_domain::transcript::{Segment, Task};
use hansard_media::Span;

use super::align::align;
use super::decoder::Session;
use super::mel::FRAMES_PER_SECOND;
use super::model::{Features, Model};
use super::search::{Found, Strategy, search};
use super::segments::Piece;
use super::words::add_words;
use crate::guard::{Guard, Limits, compression_ratio, is_invented, voiced_share};
use crate::{Cancel, Checkpoint, Error, Options};

/// The state of one transcription.
pub(super) struct Hearing<'m> {
    pub(super) model: &'m Model,
    pub(super) options: &'m Options,
    pub(super) cancel: &'m Cancel,
    pub(super) language: Option<String>,
    pub(super) language_probability: Option<f32>,
    session: Session<'m>,
    guard: Guard,
    last_speech: f64,
}

/// The text of a window.
pub(super) struct Heard {
    pub(super) found: Found,
    pub(super) temperature: f32,
    compression_ratio: f32,
}

/// Where a window lies in its recording.
pub(super) struct Place<'a> {
    /// Seconds before it.
    pub(super) offset: f64,
    /// Mel frames that are not padding.
    pub(super) frames: usize,
    /// Where voice was heard, in samples of the recording; `None` where nobody listened.
    pub(super) voice: Option<&'a [Span]>,
}

/// Segments of a window after the guard has seen them.
#[derive(Default)]
pub(super) struct Judged {
    pub(super) kept: Vec<Segment>,
    pub(super) dropped: Vec<Segment>,
    /// The end of the last word, or of the last segment where words were not asked for.
    pub(super) end: Option<f64>,
}

impl<'m> Hearing<'m> {
    pub(super) fn new(
        model: &'m Model,
        options: &'m Options,
        resume: Option<&Checkpoint>,
        cancel: &'m Cancel,
    ) -> Result<Self, Error> {
        check(model, options)?;
        let multilingual = model.tokens().is_multilingual();
        let given = options.language.clone().or((!multilingual).then(|| "en".to_owned()));
        let resumed = resume.and_then(|checkpoint| checkpoint.language.clone());
        let mut session = model.session(options.beam_size);
        session.stop_with(cancel);
        Ok(Self {
            model,
            options,
            cancel,
            language: given.or(resumed),
            language_probability: resume.and_then(|checkpoint| checkpoint.language_probability),
            session,
            guard: resume.map_or_else(Guard::default, |c| Guard::resume(&c.recent_texts)),
            last_speech: resume.map_or(0.0, |checkpoint| checkpoint.last_speech),
        })
    }

    /// Turns to a window. The language is found in the first one unless it was given.
    pub(super) fn listen(&mut self, features: &Features) {
        self.session.listen(features.values());
        if self.language.is_none()
            && let Some((language, probability)) =
                self.model.detect_language(&mut self.session).into_iter().next()
        {
            self.language = Some(language);
            self.language_probability = Some(probability);
        }
    }

    fn start_sequence(&self) -> Result<Vec<u32>, Error> {
        let language = self.language.as_deref().unwrap_or("en");
        self.model.tokens().start_sequence(language, self.options.task)
    }

    /// The text of the window, primed with `prompt`. Each temperature is tried until the text is sound.
    pub(super) fn decode(&mut self, prompt: &[u32], seed: u64) -> Result<Heard, Error> {
        let start = self.start_sequence()?;
        let mut tokens = Vec::new();
        if !prompt.is_empty() {
            let prompt_max = self.model.config().max_target_positions / 2 - 1;
            tokens.push(self.model.tokens().previous);
            tokens.extend_from_slice(&prompt[prompt.len().saturating_sub(prompt_max)..]);
        }
        let start_at = tokens.len();
        tokens.extend_from_slice(&start);

        let mut last = None;
        for &temperature in &self.options.temperatures {
            let hypotheses = self.options.beam_size;
            let strategy = Strategy { temperature, hypotheses, seed: self.options.seed ^ seed };
            let found =
                search(self.model, &mut self.session, &tokens, start_at, strategy, self.cancel)?;
            let compression_ratio =
                compression_ratio(self.model.tokens().decode(&found.tokens).trim());
            let heard = Heard { found, temperature, compression_ratio };
            let is_sound = self.is_sound(&heard);
            last = Some(heard);
            if is_sound {
                break;
            }
        }
        Ok(last.expect("the options were checked to hold a temperature"))
    }

    /// A text that loops or that the model is not sure of is tried again, unless the window is silence.
    fn is_sound(&self, heard: &Heard) -> bool {
        let loops = self
            .options
            .compression_ratio_threshold
            .is_some_and(|limit| heard.compression_ratio > limit);
        let is_improbable = self.is_improbable(heard);
        !loops && !is_improbable || (is_improbable && self.is_silent(heard))
    }

    fn is_improbable(&self, heard: &Heard) -> bool {
        let average = heard.found.average_log_probability();
        self.options.log_probability_threshold.is_some_and(|limit| average < limit)
    }

    fn is_silent(&self, heard: &Heard) -> bool {
        let probability = heard.found.no_speech_probability;
        self.options.no_speech_threshold.is_some_and(|limit| probability > limit)
    }

    /// openai-whisper's rule for a window without speech.
    pub(super) fn holds_no_speech(&self, heard: &Heard) -> bool {
        let is_sure =
            self.options.log_probability_threshold.is_some() && !self.is_improbable(heard);
        self.is_silent(heard) && !is_sure
    }

    /// Makes segments of the pieces of a text, with words if they are wanted, and lets the guard judge them.
    pub(super) fn judge(
        &mut self,
        heard: &Heard,
        pieces: &[Piece],
        place: &Place<'_>,
    ) -> Result<Judged, Error> {
        let tokens = self.model.tokens();
        let mut segments: Vec<Segment> = pieces
            .iter()
            .map(|piece| {
                let ids = &heard.found.tokens[piece.tokens.clone()];
                Segment {
                    start: place.offset + piece.start,
                    end: place.offset + piece.end,
                    text: tokens.decode(ids),
                    tokens: ids.to_vec(),
                    temperature: heard.temperature,
                    average_log_probability: heard.found.average_log_probability(),
                    compression_ratio: heard.compression_ratio,
                    no_speech_probability: heard.found.no_speech_probability,
                    words: Vec::new(),
                    suspicions: Vec::new(),
                }
            })
            .collect();
        let holds_no_speech = self.holds_no_speech(heard);
        if self.options.word_timestamps && !holds_no_speech {
            self.add_words(&mut segments, place)?;
        }
        let last_word = segments.iter().rev().find_map(|segment| segment.words.last());
        let end = last_word.map(|word| word.end).or(segments.last().map(|segment| segment.end));
        if let Some(end) = end.filter(|_| !holds_no_speech) {
            self.last_speech = end;
        }

        let mut judged = Judged { end, ..Judged::default() };
        let limits = Limits {
            compression_ratio: self.options.compression_ratio_threshold,
            log_probability: self.options.log_probability_threshold,
            no_speech: self.options.no_speech_threshold,
        };
        for mut segment in segments {
            if segment.text.trim().is_empty() {
                continue;
            }
            let voiced = place.voice.map(|spans| voiced_share(spans, segment.start, segment.end));
            self.guard.inspect(&mut segment, voiced, limits);
            let is_instant = segment.start >= segment.end;
            if holds_no_speech || is_instant || is_invented(&segment.suspicions) {
                judged.dropped.push(segment);
            } else {
                judged.kept.push(segment);
            }
        }
        Ok(judged)
    }

    fn add_words(&mut self, segments: &mut [Segment], place: &Place<'_>) -> Result<(), Error> {
        self.cancel.check()?;
        let tokens = self.model.tokens();
        let ids: Vec<u32> = segments
            .iter()
            .flat_map(|segment| segment.tokens.iter().copied())
            .filter(|&id| id < tokens.end)
            .collect();
        let start = self.start_sequence()?;
        let language = self.language.clone().unwrap_or_default();
        let (model, frames) = (self.model, place.frames);
        let aligned =
            align(model, &mut self.session, &start, &language, &ids, frames, self.cancel)?;
        self.last_speech = add_words(tokens, segments, aligned, place.offset, self.last_speech);
        Ok(())
    }

    pub(super) fn checkpoint(&self, next_sample: u64, carried_tokens: Vec<u32>) -> Checkpoint {
        Checkpoint {
            next_sample,
            language: self.language.clone(),
            language_probability: self.language_probability,
            carried_tokens,
            recent_texts: self.guard.recent_texts(),
            last_speech: self.last_speech,
        }
    }

    /// Tokens of the initial prompt, if there is one.
    pub(super) fn initial_prompt(&self) -> Result<Vec<u32>, Error> {
        match self.options.initial_prompt.as_deref().map(str::trim) {
            Some(prompt) if !prompt.is_empty() => self.model.tokens().encode(&format!(" {prompt}")),
            _ => Ok(Vec::new()),
        }
    }
}

/// Refuses options that the model or the search cannot follow, before any work is done.
fn check(model: &Model, options: &Options) -> Result<(), Error> {
    options.check()?;
    // A language that is not given will be one that the model knows; every multilingual model knows English.
    let language = options.language.as_deref().unwrap_or("en");
    model.tokens().start_sequence(language, options.task)?;
    if options.task == Task::Translate && !model.config().translates() {
        return Err(Error::Options(
            "turbo and distilled models cannot translate: use large-v3 or medium".to_owned(),
        ));
    }
    Ok(())
}

/// Seconds of `frames` mel frames.
pub(super) fn seconds(frames: usize) -> f64 {
    frames as f64 / FRAMES_PER_SECOND as f64
}
