//! Voice activity: which parts of a recording hold speech.

mod segments;

use std::collections::VecDeque;

use segments::Segments;

/// Samples in a scored frame: 16 ms.
const FRAME: usize = 256;

/// A stretch of speech, in 16 kHz samples from the start of the recording.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// First sample.
    pub start: u64,
    /// One past the last sample.
    pub end: u64,
}

/// How sure the detector must be, and how long speech and pauses are. Lengths are in 16 kHz samples.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct VoiceOptions {
    /// A frame that scores at least this starts speech; 0 to 1.
    pub on: f32,
    /// Speech goes on while frames score at least this; 0 to `on`.
    pub off: f32,
    /// Less voice than this is a click, and no speech.
    pub min_speech: u64,
    /// A pause of at least this ends speech.
    pub min_silence: u64,
    /// Kept on both sides of speech, so that quiet first and last consonants are never lost.
    pub padding: u64,
}

impl Default for VoiceOptions {
    fn default() -> Self {
        Self { on: 0.5, off: 0.35, min_speech: 2_000, min_silence: 6_400, padding: 4_800 }
    }
}

/// Finds speech in a stream: samples go in by blocks of any size, padded and merged spans come out.
///
/// Memory does not grow with the recording as long as [`forget_before`](Self::forget_before) is called.
#[derive(Debug)]
pub struct VoiceDetector {
    segments: Segments,
    frame: Vec<f32>,
    length: u64,
}

impl VoiceDetector {
    /// Starts at the beginning of a recording.
    pub fn new(options: VoiceOptions) -> Self {
        Self { segments: Segments::new(options), frame: Vec::with_capacity(FRAME), length: 0 }
    }

    /// Hears the next samples.
    pub fn push(&mut self, samples: &[f32]) {
        self.length += samples.len() as u64;
        for &sample in samples {
            self.frame.push(sample);
            if self.frame.len() == FRAME {
                self.score();
            }
        }
    }

    /// The recording has ended: every span is final.
    pub fn finish(&mut self) {
        if !self.frame.is_empty() {
            self.frame.resize(FRAME, 0.0);
            self.score();
        }
        self.segments.finish(self.length);
    }

    /// Spans that will not change any more, in order, from the first that was not forgotten.
    pub fn spans(&self) -> &VecDeque<Span> {
        self.segments.finals()
    }

    /// The span that may still grow; what it holds so far is certain.
    pub fn open(&self) -> Option<Span> {
        self.segments.open()
    }

    /// What is known before this sample, in 16 kHz samples, is final: spans there are in [`spans`](Self::spans).
    pub fn settled(&self) -> u64 {
        self.segments.settled()
    }

    /// Forgets spans that end at or before `sample`.
    pub fn forget_before(&mut self, sample: u64) {
        self.segments.forget_before(sample);
    }

    fn score(&mut self) {
        let power = self.frame.iter().map(|sample| sample * sample).sum::<f32>() / FRAME as f32;
        self.frame.clear();
        self.segments.push(if power > 1e-5 { 1.0 } else { 0.0 });
    }
}
