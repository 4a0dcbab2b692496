//! A deterministic engine for tests: it hears made-up words, the same ones for the same samples.
//!
//! It keeps every promise of the [`Transcriber`] seam (progress per window, resuming, cancelling, bounded memory) without a
//! model, so that everything above the seam can be tested in milliseconds.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use hansard_domain::transcript::{Segment, Transcript, Word};
use hansard_media::{Recording, SAMPLE_RATE, Samples};

use crate::transcriber::{Cancel, Checkpoint, Error, Observer, Options, Transcriber, WindowDone};

/// A segment for each 10 s of sound.
const SEGMENT_SAMPLES: usize = 10 * SAMPLE_RATE;

/// Three segments make a window, after which there is a checkpoint.
const SEGMENTS_PER_WINDOW: usize = 3;

/// A word for each half second of sound.
const WORD_SAMPLES: usize = SAMPLE_RATE / 2;

/// With voice activity detection, sound whose samples all stay below this is silence.
const SILENCE_LEVEL: f32 = 1e-3;

/// Samples read at a time.
const BLOCK: usize = 4096;

/// How often a pausing fake looks whether it was cancelled.
const PAUSE_STEP: Duration = Duration::from_millis(5);

/// A pausing fake goes on by itself after this many looks: one minute.
const PAUSE_STEPS_MAX: u32 = 12_000;

const WORDS: [&str; 16] = [
    "the", "river", "and", "house", "speaker", "of", "seven", "hospital", "a", "question", "in",
    "winter", "order", "to", "garden", "reply",
];

/// The engine that `MOCK_TRANSCRIBE=1` selects.
///
/// Each 10 s of sound give one segment whose words follow from the samples' values and their number. With
/// [`Options::vad`] silent stretches give none.
#[derive(Debug, Clone, Default)]
pub struct Fake {
    pause: bool,
    window_time: Duration,
    notes: Option<PathBuf>,
}

impl Fake {
    /// A fake that works as fast as it can read.
    pub fn new() -> Self {
        Self::default()
    }

    /// A fake that waits after each window until it is cancelled, for at most a minute: tests of stopping need no race.
    pub fn pausing() -> Self {
        Self { pause: true, ..Self::default() }
    }

    /// The same fake, which takes at least so long for each window.
    pub fn taking(self, window_time: Duration) -> Self {
        Self { window_time, ..self }
    }

    /// The same fake, which notes each window in the file at `path` when it has heard it and before anybody is told: a line
    /// with the recording's name and the window's first sample. The file is appended to, by any number of fakes, and what
    /// was noted survives a kill of the process.
    pub fn noting(self, path: impl Into<PathBuf>) -> Self {
        Self { notes: Some(path.into()), ..self }
    }
}

impl Transcriber for Fake {
    fn model(&self) -> &str {
        "fake/words"
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
        let mut samples = recording.open().map_err(Error::Media)?;
        let from = resume.map_or(0, |checkpoint| checkpoint.next_sample);
        let mut position = skip(&mut *samples, from, cancel)?;
        let mut checkpoint = resume.cloned().unwrap_or_else(|| beginning(options));
        let mut heard = Vec::new();
        let mut sound = Vec::with_capacity(SEGMENT_SAMPLES);
        loop {
            let window_start = position;
            let mut segments = Vec::new();
            for _ in 0..SEGMENTS_PER_WINDOW {
                fill(&mut *samples, &mut sound, cancel)?;
                segments.extend(hear(&sound, position, options));
                position += sound.len() as u64;
            }
            if position == window_start {
                break;
            }
            if !segments.is_empty() && checkpoint.language.is_none() {
                checkpoint.language = Some("en".to_owned());
                checkpoint.language_probability = Some(1.0);
            }
            checkpoint.next_sample = position;
            wait(self.window_time, cancel)?;
            if let Some(path) = &self.notes {
                note(path, recording.name(), window_start)
                    .map_err(|error| Error::Observer(Box::new(error)))?;
            }
            observer.window_done(&WindowDone {
                segments: &segments,
                dropped: &[],
                checkpoint: &checkpoint,
                duration_hint: recording.duration_hint(),
            })?;
            heard.append(&mut segments);
            if self.pause {
                wait_for(cancel);
            }
        }
        Ok(Transcript {
            model: self.model().to_owned(),
            language: checkpoint.language,
            language_probability: checkpoint.language_probability,
            task: options.task,
            duration: seconds(position),
            segments: heard,
            dropped: Vec::new(),
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

/// Reads past the first `count` samples, or to the end where there are fewer; returns how many were passed.
fn skip(samples: &mut dyn Samples, count: u64, cancel: &Cancel) -> Result<u64, Error> {
    let mut block = [0.0; BLOCK];
    let mut passed = 0;
    while passed < count {
        cancel.check()?;
        let wanted = (count - passed).min(BLOCK as u64) as usize;
        match samples.read(&mut block[..wanted]).map_err(Error::Media)? {
            0 => break,
            read => passed += read as u64,
        }
    }
    Ok(passed)
}

/// Replaces `sound` by the next 10 s, or by what is left of the recording.
fn fill(samples: &mut dyn Samples, sound: &mut Vec<f32>, cancel: &Cancel) -> Result<(), Error> {
    let mut block = [0.0; BLOCK];
    sound.clear();
    while sound.len() < SEGMENT_SAMPLES {
        cancel.check()?;
        let wanted = (SEGMENT_SAMPLES - sound.len()).min(BLOCK);
        match samples.read(&mut block[..wanted]).map_err(Error::Media)? {
            0 => break,
            read => sound.extend_from_slice(&block[..read]),
        }
    }
    Ok(())
}

/// What is said in `sound`, which begins at sample `start`.
fn hear(sound: &[f32], start: u64, options: &Options) -> Option<Segment> {
    let silent = sound.iter().all(|sample| sample.abs() < SILENCE_LEVEL);
    if sound.is_empty() || (options.vad && silent) {
        return None;
    }
    let count = sound.len().div_ceil(WORD_SAMPLES);
    let mut state = fingerprint(sound);
    let mut tokens = Vec::with_capacity(count);
    let mut words = Vec::with_capacity(count);
    for number in 0..count {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let token = (state >> 60) as usize;
        let first = start + (number * WORD_SAMPLES) as u64;
        let last = start + ((number + 1) * WORD_SAMPLES).min(sound.len()) as u64;
        tokens.push(token as u32);
        words.push(Word {
            start: seconds(first),
            end: seconds(last),
            text: format!(" {}{}", WORDS[token], if number + 1 == count { "." } else { "" }),
            probability: 0.9,
        });
    }
    Some(Segment {
        start: seconds(start),
        end: seconds(start + sound.len() as u64),
        text: words.iter().map(|word| word.text.as_str()).collect(),
        tokens,
        temperature: options.temperatures[0],
        average_log_probability: -0.1,
        compression_ratio: 1.0,
        no_speech_probability: 0.0,
        words: if options.word_timestamps { words } else { Vec::new() },
        suspicions: Vec::new(),
    })
}

/// FNV-1a over the samples' bits and their number.
fn fingerprint(sound: &[f32]) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    let bits = sound.iter().map(|sample| u64::from(sample.to_bits()));
    for value in bits.chain([sound.len() as u64]) {
        hash = (hash ^ value).wrapping_mul(0x0100_0000_01b3);
    }
    hash
}

fn seconds(samples: u64) -> f64 {
    samples as f64 / SAMPLE_RATE as f64
}

/// Appends a line, whole or not at all: one write to a file that is open for appending.
fn note(path: &Path, recording: &str, window_start: u64) -> io::Result<()> {
    let mut file = File::options().create(true).append(true).open(path)?;
    file.write_all(format!("{recording} {window_start}\n").as_bytes())
}

/// Waits, in steps short enough for a quick end.
fn wait(time: Duration, cancel: &Cancel) -> Result<(), Error> {
    let mut left = time;
    while !left.is_zero() {
        cancel.check()?;
        let step = left.min(PAUSE_STEP);
        std::thread::sleep(step);
        left -= step;
    }
    Ok(())
}

fn wait_for(cancel: &Cancel) {
    for _ in 0..PAUSE_STEPS_MAX {
        if cancel.is_cancelled() {
            return;
        }
        std::thread::sleep(PAUSE_STEP);
    }
}

#[cfg(test)]
mod tests {
    use hansard_media::Pcm;

    use super::*;
    use crate::transcriber::Silent;

    /// Keeps what it is told and cancels after so many windows.
    #[derive(Default)]
    struct Notes {
        segments: Vec<Segment>,
        checkpoints: Vec<Checkpoint>,
        cancel: Cancel,
        cancel_after: Option<usize>,
    }

    impl Observer for Notes {
        fn window_done(&mut self, window: &WindowDone<'_>) -> Result<(), Error> {
            self.segments.extend_from_slice(window.segments);
            self.checkpoints.push(window.checkpoint.clone());
            if self.cancel_after == Some(self.checkpoints.len()) {
                self.cancel.cancel();
            }
            Ok(())
        }
    }

    fn tone(seconds: usize) -> Pcm {
        let samples: Vec<f32> =
            (0..seconds * SAMPLE_RATE).map(|i| (i as f32 * 0.1).sin()).collect();
        Pcm::new("tone", samples)
    }

    fn options() -> Options {
        Options { word_timestamps: true, ..Options::default() }
    }

    #[test]
    fn the_same_sound_gives_the_same_words_and_other_sound_gives_others() {
        let hear = |recording: &Pcm| {
            Fake::new()
                .transcribe(recording, &options(), None, &Cancel::default(), &mut Silent)
                .expect("a sound recording")
        };
        let transcript = hear(&tone(25));
        assert_eq!(transcript, hear(&tone(25)));
        assert_eq!(transcript.segments.len(), 3);
        assert_eq!(transcript.duration, 25.0);
        assert_eq!(transcript.segments[2].end, 25.0);
        assert_eq!(transcript.segments[2].words.len(), 10);
        assert_ne!(transcript.segments[2].text, hear(&tone(24)).segments[2].text);
        assert_ne!(transcript.segments[0].text, transcript.segments[1].text);
    }

    #[test]
    fn silence_gives_no_text_and_no_language() {
        let silence = Pcm::new("silence", vec![0.0; 12 * SAMPLE_RATE]);
        let transcript = Fake::new()
            .transcribe(&silence, &options(), None, &Cancel::default(), &mut Silent)
            .unwrap();
        assert!(transcript.segments.is_empty());
        assert_eq!(transcript.language, None);
        assert_eq!(transcript.duration, 12.0);
    }

    #[test]
    fn a_stopped_transcription_goes_on_where_it_was() {
        let whole = Fake::new()
            .transcribe(&tone(65), &options(), None, &Cancel::default(), &mut Silent)
            .unwrap();
        let mut notes = Notes { cancel_after: Some(1), ..Notes::default() };
        let cancel = notes.cancel.clone();
        let stopped = Fake::new().transcribe(&tone(65), &options(), None, &cancel, &mut notes);
        assert!(matches!(stopped, Err(Error::Cancelled)));

        let rest = Fake::new()
            .transcribe(
                &tone(65),
                &options(),
                notes.checkpoints.last(),
                &Cancel::default(),
                &mut Silent,
            )
            .unwrap();
        let mut segments = notes.segments;
        segments.extend(rest.segments);
        assert_eq!(segments, whole.segments);
        assert_eq!(rest.duration, whole.duration);
    }

    #[test]
    fn a_pausing_fake_waits_until_it_is_cancelled() {
        let mut notes = Notes { cancel_after: Some(1), ..Notes::default() };
        let cancel = notes.cancel.clone();
        let stopped = Fake::pausing().transcribe(&tone(65), &options(), None, &cancel, &mut notes);
        assert!(matches!(stopped, Err(Error::Cancelled)));
        assert_eq!(notes.checkpoints.len(), 1);
    }

    #[test]
    fn each_window_is_noted_before_anybody_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notes");
        let fake = Fake::new().noting(&path).taking(Duration::from_millis(1));
        let mut notes = Notes { cancel_after: Some(1), ..Notes::default() };
        let cancel = notes.cancel.clone();

        let stopped = fake.transcribe(&tone(65), &options(), None, &cancel, &mut notes);
        let resume = notes.checkpoints.last();
        fake.transcribe(&tone(65), &options(), resume, &Cancel::default(), &mut Silent).unwrap();

        assert!(matches!(stopped, Err(Error::Cancelled)));
        let noted = std::fs::read_to_string(&path).unwrap();
        assert_eq!(noted, "tone 0\ntone 480000\ntone 960000\n");
    }

    #[test]
    fn options_that_no_engine_can_follow_are_refused() {
        for wrong in [
            Options { temperatures: Vec::new(), ..Options::default() },
            Options { beam_size: 0, ..Options::default() },
        ] {
            let refused =
                Fake::new().transcribe(&tone(1), &wrong, None, &Cancel::default(), &mut Silent);
            assert!(matches!(refused, Err(Error::Options(_))));
        }
    }
}
