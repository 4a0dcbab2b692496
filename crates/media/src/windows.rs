//! Cuts a recording into the windows that a speech model takes, at pauses.

use std::collections::VecDeque;

use crate::{Error, SAMPLE_RATE, Samples, Span, VoiceDetector, VoiceOptions};

/// The most samples that a window can hold: 30 s, what Whisper models take.
pub const WINDOW_SAMPLES: usize = 30 * SAMPLE_RATE;

/// Samples read at a time: 0.5 s.
const BLOCK: usize = SAMPLE_RATE / 2;

/// Where nothing tells speech from speech, a window ends within this last part of what it may hold: 8 s.
const CUT_SEARCH: usize = 8 * SAMPLE_RATE;

/// The sound level by which the quietest place is found is taken over this much: 0.2 s.
const CUT_LEVEL: usize = SAMPLE_RATE / 5;

/// Step between the places that are compared: 10 ms.
const CUT_STEP: usize = SAMPLE_RATE / 100;

/// One piece of the recording for the model.
#[derive(Debug, Clone, PartialEq)]
pub struct Window {
    /// First sample, from the start of the recording.
    pub start: u64,
    /// 16 kHz mono samples, at most [`WindowOptions::max_samples`].
    pub samples: Vec<f32>,
    /// Where speech is within the window, in samples from the start of the recording. Without voice activity detection: the
    /// whole window.
    pub speech: Vec<Span>,
}

impl Window {
    /// One past the last sample, from the start of the recording: where a later run resumes.
    pub fn end(&self) -> u64 {
        self.start + self.samples.len() as u64
    }
}

/// How a recording is cut.
#[derive(Debug, Clone, PartialEq)]
pub struct WindowOptions {
    /// The most samples in a window; 1 s to [`WINDOW_SAMPLES`], values outside are brought inside.
    pub max_samples: usize,
    /// Speech that follows a longer silence than this starts a new window; in samples.
    pub max_pause: u64,
    /// Whether speech is looked for, and silence left out. Otherwise the whole recording is taken for speech.
    pub vad: bool,
    /// How speech is found when `vad` is on.
    pub voice: VoiceOptions,
}

impl Default for WindowOptions {
    fn default() -> Self {
        Self {
            max_samples: WINDOW_SAMPLES,
            max_pause: 2 * SAMPLE_RATE as u64,
            vad: true,
            voice: VoiceOptions::default(),
        }
    }
}

/// Windows of a recording in order. Holds a few windows' worth of samples, whatever the recording's length.
pub struct Windows<'a> {
    samples: Box<dyn Samples + 'a>,
    options: WindowOptions,
    voice: Option<VoiceDetector>,
    /// Samples not yet dropped; the first one is number `held_from`.
    held: VecDeque<f32>,
    held_from: u64,
    /// Everything before is in windows already handed out, or was skipped.
    cursor: u64,
    position: u64,
    ended: bool,
}

impl<'a> Windows<'a> {
    /// Reads `samples` from their beginning and hands out windows from sample `from` on.
    ///
    /// With `from` at the end of an earlier run's window, the windows are those that the earlier run would have gone on with.
    pub fn new(samples: Box<dyn Samples + 'a>, options: WindowOptions, from: u64) -> Self {
        let max_samples = options.max_samples.clamp(SAMPLE_RATE, WINDOW_SAMPLES);
        Self {
            samples,
            voice: options.vad.then(|| VoiceDetector::new(options.voice)),
            options: WindowOptions { max_samples, ..options },
            held: VecDeque::new(),
            held_from: from,
            cursor: from,
            position: 0,
            ended: false,
        }
    }

    /// The next window, or `None` at the end of the recording.
    ///
    /// # Errors
    /// What reading the recording gave.
    #[expect(
        clippy::should_implement_trait,
        reason = "a fallible pull reads better than an iterator of results"
    )]
    pub fn next(&mut self) -> Result<Option<Window>, Error> {
        loop {
            let (speech, end) = match &self.voice {
                None => self.tile(),
                Some(voice) => self.group(voice),
            };
            match end {
                Some(end) => return Ok(Some(self.take(speech, end))),
                None if self.ended => return Ok(None),
                None => self.read()?,
            }
        }
    }

    /// Samples read so far; the recording's length once [`next`](Self::next) has given `None`.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// The next window without voice activity: its speech and its end, or no end while more must be read.
    fn tile(&self) -> (Vec<Span>, Option<u64>) {
        let max = self.options.max_samples as u64;
        let rest = self.position.saturating_sub(self.cursor);
        let end = if rest > max {
            self.quietest(self.cursor)
        } else if self.ended && rest > 0 {
            self.position
        } else {
            return (Vec::new(), None);
        };
        (vec![Span { start: self.cursor, end }], Some(end))
    }

    /// The next window's speech and its end, or no end while more must be read.
    fn group(&self, voice: &VoiceDetector) -> (Vec<Span>, Option<u64>) {
        let max = self.options.max_samples as u64;
        let mut speech: Vec<Span> = Vec::new();
        let open = voice.open().filter(|_| !self.ended);
        for (span, open) in voice
            .spans()
            .iter()
            .map(|span| (*span, false))
            .chain(open.map(|span| (span, true)))
            .filter(|(span, _)| span.end > self.cursor)
        {
            let span = Span { start: span.start.max(self.cursor), end: span.end };
            let (first, last) = match (speech.first(), speech.last()) {
                (Some(first), Some(last)) => (first.start, last.end),
                _ => (span.start, span.start),
            };
            if span.start - last > self.options.max_pause
                || (span.end - first > max && last > first)
            {
                return (speech, Some(last));
            }
            if span.end - first > max {
                let end = self.quietest(first);
                return (vec![Span { start: first, end }], Some(end));
            }
            if open {
                return (Vec::new(), None);
            }
            speech.push(span);
        }
        let end = speech.last().map(|last| last.end);
        let complete = self.ended
            || end.is_some_and(|end| {
                let settled = voice.settled();
                settled.saturating_sub(end) > self.options.max_pause
                    || settled.saturating_sub(speech[0].start) > max
            });
        if complete { (speech, end) } else { (Vec::new(), None) }
    }

    /// The middle of the quietest place in the last part of a full window that begins at `start`.
    fn quietest(&self, start: u64) -> u64 {
        let max = self.options.max_samples;
        let from = max - CUT_SEARCH.min(max / 2);
        let offset = (start - self.held_from) as usize;
        let mut best = (f32::INFINITY, max);
        for place in (from..max - CUT_LEVEL).step_by(CUT_STEP) {
            let level = self
                .held
                .range(offset + place..offset + place + CUT_LEVEL)
                .map(|sample| sample * sample)
                .sum::<f32>();
            if level < best.0 {
                best = (level, place + CUT_LEVEL / 2);
            }
        }
        start + best.1 as u64
    }

    fn take(&mut self, speech: Vec<Span>, end: u64) -> Window {
        let start = speech.first().map_or(self.cursor, |span| span.start);
        self.drop_before(start);
        let samples = self.held.drain(..(end - start) as usize).collect();
        self.held_from = end;
        self.cursor = end;
        if let Some(voice) = &mut self.voice {
            voice.forget_before(end);
        }
        Window { start, samples, speech }
    }

    fn read(&mut self) -> Result<(), Error> {
        let mut block = [0.0; BLOCK];
        let count = self.samples.read(&mut block)?.min(BLOCK);
        let block = &block[..count];
        let skipped = self.held_from.saturating_sub(self.position).min(count as u64) as usize;
        self.held.extend(&block[skipped..]);
        self.position += count as u64;
        self.ended = count == 0;
        if let Some(voice) = &mut self.voice {
            voice.push(block);
            if self.ended {
                voice.finish();
            }
            voice.forget_before(self.cursor);
            if voice.spans().is_empty() {
                let settled = voice.settled();
                self.drop_before(settled);
            }
        }
        Ok(())
    }

    fn drop_before(&mut self, sample: u64) {
        let count = sample.saturating_sub(self.held_from).min(self.held.len() as u64);
        self.held.drain(..count as usize);
        self.held_from += count;
    }
}
