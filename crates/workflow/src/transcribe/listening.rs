//! The part of the transcribe stage that computes: it runs on a thread that may block.

use std::path::PathBuf;
use std::sync::Arc;

use hansard_domain::id::TranscriptId;
use hansard_media::{Channels, MediaFile, SAMPLE_RATE};
use hansard_speech::{Error as SpeechError, Observer, Options, Transcriber, WindowDone};
use hansard_store::leases::Held;
use hansard_store::transcripts::{Progress, Window};
use tokio::runtime::Handle;

use crate::attempt::Attempt;
use crate::error::ActivityError;
use crate::transcribe::place::{Place, overall};

/// A recording that is about to be heard, window by window.
pub(crate) struct Listening {
    pub(crate) attempt: Arc<Attempt>,
    pub(crate) engine: Arc<dyn Transcriber>,
    pub(crate) options: Options,
    pub(crate) file: PathBuf,
    /// What messages call the recording.
    pub(crate) name: String,
    /// Whether each channel is heard by itself.
    pub(crate) channels_apart: bool,
    pub(crate) transcript: TranscriptId,
    /// The number of the next window.
    pub(crate) ordinal: i64,
    pub(crate) place: Place,
}

/// What is known when everything was heard.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Heard {
    pub(crate) language: Option<String>,
    pub(crate) language_probability: Option<f32>,
    /// Length of the recording in seconds.
    pub(crate) length: f64,
    /// Seconds of that length that this attempt went through.
    pub(crate) gone_through: f64,
}

impl Listening {
    /// Hears the rest of the recording and commits each window on the way.
    ///
    /// # Errors
    /// Whatever stops it. What was committed stays, and the next attempt goes on behind it.
    pub(crate) fn run(self, runtime: Handle) -> Result<Heard, ActivityError> {
        let Self {
            attempt,
            engine,
            options,
            file,
            name,
            channels_apart,
            transcript,
            ordinal,
            place,
        } = self;
        let mixed = MediaFile::open_as(&name, &file, Channels::Mix)?;
        let channels = match channels_apart {
            // A decoder takes at most 64 channels.
            true => u16::try_from(mixed.info().channels).unwrap_or(u16::MAX),
            false => 1,
        };
        let mut keeper =
            Keeper { runtime, attempt, transcript, ordinal, channels, channels_apart, place };
        let begun_at = keeper.done();
        for channel in keeper.place.channel..channels {
            let recording = match channels_apart {
                true => {
                    let name = format!("{name} channel {channel}");
                    MediaFile::open_as(name, &file, Channels::Only(usize::from(channel)))?
                }
                false => mixed.clone(),
            };
            let resume = keeper.place.engine.clone();
            let cancel = keeper.attempt.switch().cancel().clone();
            let heard =
                engine.transcribe(&recording, &options, resume.as_ref(), &cancel, &mut keeper)?;
            keeper.channel_done(
                channel,
                heard.duration,
                heard.language,
                heard.language_probability,
            );
        }
        let Place { length, language, language_probability, .. } = keeper.place;
        let length = length.unwrap_or_default();
        let gone_through = (length - begun_at).max(0.0);
        Ok(Heard { language, language_probability, length, gone_through })
    }
}

/// Commits each window before the engine goes on to the next: what it reports is final only then.
struct Keeper {
    runtime: Handle,
    attempt: Arc<Attempt>,
    transcript: TranscriptId,
    ordinal: i64,
    channels: u16,
    channels_apart: bool,
    place: Place,
}

impl Keeper {
    /// How much of the recording is transcribed, in seconds.
    fn done(&self) -> f64 {
        let next_sample = self.place.engine.as_ref().map_or(0, |engine| engine.next_sample);
        let done = next_sample as f64 / SAMPLE_RATE as f64;
        overall(self.place.channel, self.channels, done, self.place.length)
    }

    fn channel_done(
        &mut self,
        channel: u16,
        length: f64,
        language: Option<String>,
        probability: Option<f32>,
    ) {
        let longest = self.place.length.map_or(length, |longest| longest.max(length));
        self.note_language(language, probability);
        self.place.channel = channel + 1;
        self.place.length = Some(longest);
        self.place.engine = None;
    }

    /// The language of a recording is the first that was heard in it, whatever other channels speak.
    fn note_language(&mut self, language: Option<String>, probability: Option<f32>) {
        if self.place.language.is_none() {
            self.place.language = language;
            self.place.language_probability = probability;
        }
    }

    fn commit(&mut self, window: &WindowDone<'_>) -> Result<(), ActivityError> {
        let checkpoint = window.checkpoint;
        self.note_language(checkpoint.language.clone(), checkpoint.language_probability);
        self.place.engine = Some(checkpoint.clone());
        let length = self.place.length.or(window.duration_hint);
        let done = checkpoint.next_sample as f64 / SAMPLE_RATE as f64;
        let progress = Progress {
            checkpoint: self.place.write(),
            done: overall(self.place.channel, self.channels, done, length),
            duration: length,
            language: self.place.language.clone(),
            language_probability: self.place.language_probability,
        };
        let window = Window {
            channel: self.channels_apart.then_some(self.place.channel),
            segments: window.segments.to_vec(),
            dropped: window.dropped.to_vec(),
        };
        let (store, lease) = (self.attempt.store(), self.attempt.lease());
        let commit = store.commit_window(lease, &self.transcript, self.ordinal, window, progress);
        match self.runtime.block_on(commit)? {
            Held::Yes(()) => {
                self.attempt.made_progress();
                self.ordinal += 1;
                Ok(())
            }
            Held::Lost => Err(ActivityError::Lost),
        }
    }
}

impl Observer for Keeper {
    fn window_done(&mut self, window: &WindowDone<'_>) -> Result<(), SpeechError> {
        self.commit(window).map_err(|error| SpeechError::Observer(Box::new(error)))
    }
}
