//! Voice activity: which parts of a recording hold speech.

mod around;
mod segments;
mod steadiness;

use std::collections::VecDeque;

use segments::Segments;
use steadiness::Steadiness;

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
        Self { on: 0.5, off: 0.35, min_speech: 2_000, min_silence: 6_400, padding: 6_400 }
    }
}

/// Frames that the network hears twice, as it takes any sound after nothing for voice at first: 0.5 s.
const WARM_UP: usize = 32;

/// A frame whose surroundings change less than this is a held tone or a chord, whatever it scores. The fixture clips have at
/// least 0.08, over music too, and music that is made of held notes at most 0.03.
const LEAST_CHANGE: f32 = 0.05;

/// Finds speech in a stream: samples go in by blocks of any size, padded and merged spans come out.
///
/// Memory does not grow with the recording as long as [`forget_before`](Self::forget_before) is called.
pub struct VoiceDetector {
    network: Box<earshot::Detector>,
    /// The first frames while they are fewer than [`WARM_UP`], then nothing.
    opening: Option<Vec<[f32; FRAME]>>,
    steadiness: Steadiness,
    /// The network's scores of frames whose steadiness is not known yet.
    waiting: VecDeque<f32>,
    segments: Segments,
    frame: [f32; FRAME],
    /// Samples in `frame`.
    filled: usize,
    length: u64,
}

impl VoiceDetector {
    /// Starts at the beginning of a recording.
    pub fn new(options: VoiceOptions) -> Self {
        Self {
            network: earshot::Detector::default_boxed(),
            opening: Some(Vec::with_capacity(WARM_UP)),
            steadiness: Steadiness::new(),
            waiting: VecDeque::new(),
            segments: Segments::new(options),
            frame: [0.0; FRAME],
            filled: 0,
            length: 0,
        }
    }

    /// Hears the next samples. What is no number counts as silence.
    pub fn push(&mut self, samples: &[f32]) {
        self.length += samples.len() as u64;
        for &sample in samples {
            self.frame[self.filled] = if sample.is_nan() { 0.0 } else { sample.clamp(-1.0, 1.0) };
            self.filled += 1;
            if self.filled == FRAME {
                self.take_frame();
            }
        }
    }

    /// The recording has ended: every span is final.
    pub fn finish(&mut self) {
        if self.filled > 0 {
            self.frame[self.filled..].fill(0.0);
            self.take_frame();
        }
        self.warm_up();
        while let Some(change) = self.steadiness.drain() {
            self.judge(change);
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

    /// All speech before this sample is known and final.
    pub fn settled(&self) -> u64 {
        self.segments.settled()
    }

    /// Forgets spans that end at or before `sample`.
    pub fn forget_before(&mut self, sample: u64) {
        self.segments.forget_before(sample);
    }

    fn take_frame(&mut self) {
        self.filled = 0;
        let frame = self.frame;
        match &mut self.opening {
            Some(opening) => {
                opening.push(frame);
                if opening.len() == WARM_UP {
                    self.warm_up();
                }
            }
            None => self.score(&frame),
        }
    }

    /// Lets the network hear the opening once for nothing, then scores it.
    fn warm_up(&mut self) {
        let opening = self.opening.take().unwrap_or_default();
        for frame in &opening {
            self.network.predict_f32(frame);
        }
        for frame in &opening {
            self.score(frame);
        }
    }

    fn score(&mut self, frame: &[f32; FRAME]) {
        self.waiting.push_back(self.network.predict_f32(frame));
        if let Some(change) = self.steadiness.push(frame) {
            self.judge(change);
        }
    }

    fn judge(&mut self, change: f32) {
        if let Some(score) = self.waiting.pop_front() {
            self.segments.push(if change < LEAST_CHANGE { 0.0 } else { score });
        }
    }
}
