//! Cuts a recording into the windows that a speech model takes, at pauses.

use std::collections::VecDeque;

use crate::{Error, SAMPLE_RATE, Samples, Span, VoiceDetector, VoiceOptions};

/// The most samples that a window can hold: 30 s, what Whisper models take.
pub const WINDOW_SAMPLES: usize = 30 * SAMPLE_RATE;

/// Samples read at a time: 0.5 s.
const BLOCK: usize = SAMPLE_RATE / 2;

/// Where nothing tells speech from speech, a window ends within this last part of what it may hold: 8 s.
const CUT_SEARCH: usize = 8 * SAMPLE_RATE;

/// Sound levels are compared over steps of this length: 10 ms.
const CUT_STEP: usize = SAMPLE_RATE / 100;

/// Steps of the stretch that is sought, so that a pause wins over the closure of a consonant: 0.3 s.
const CUT_STRETCH: usize = 30;

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

/// What one [`step`](Windows::step) came to.
#[derive(Debug)]
pub enum Step {
    /// The next window.
    Window(Window),
    /// Some of the recording was read, and a window is not complete yet.
    Read,
    /// There are no more windows.
    End,
}

/// Where the next window lies. Never empty.
struct Plan {
    start: u64,
    end: u64,
    speech: Vec<Span>,
}

impl Plan {
    fn of(span: Span) -> Self {
        Self { start: span.start, end: span.end, speech: vec![span] }
    }

    fn add(&mut self, span: Span) {
        self.end = span.end;
        self.speech.push(span);
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

    /// The next window, or `None` at the end of the recording. May read on for long where the recording is silent.
    ///
    /// # Errors
    /// What reading the recording gave.
    #[expect(clippy::should_implement_trait, reason = "`?` on a pull reads better than on an item")]
    pub fn next(&mut self) -> Result<Option<Window>, Error> {
        loop {
            match self.step()? {
                Step::Window(window) => return Ok(Some(window)),
                Step::Read => {}
                Step::End => return Ok(None),
            }
        }
    }

    /// One step towards the next window, that reads half a second at most: for callers that watch for cancellation.
    ///
    /// # Errors
    /// What reading the recording gave.
    pub fn step(&mut self) -> Result<Step, Error> {
        let plan = match &self.voice {
            None => self.tile(),
            Some(voice) => self.group(voice),
        };
        match plan {
            Some(plan) => Ok(Step::Window(self.take(plan))),
            None if self.ended => Ok(Step::End),
            None => self.read().map(|()| Step::Read),
        }
    }

    /// Samples read so far; the recording's length once [`next`](Self::next) has given `None`.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// The next window when all sound counts as speech; nothing while more must be read.
    fn tile(&self) -> Option<Plan> {
        let rest = self.position.saturating_sub(self.cursor);
        let end = if rest > self.options.max_samples as u64 {
            self.quietest(self.cursor)
        } else if self.ended && rest > 0 {
            self.position
        } else {
            return None;
        };
        Some(Plan::of(Span { start: self.cursor, end }))
    }

    /// As many of the next spans as belong together and fit; nothing while more must be read.
    fn group(&self, voice: &VoiceDetector) -> Option<Plan> {
        let max = self.options.max_samples as u64;
        let mut plan: Option<Plan> = None;
        let open = if self.ended { None } else { voice.open() };
        let known =
            voice.spans().iter().map(|span| (*span, false)).chain(open.map(|span| (span, true)));
        for (span, grows) in known.filter(|(span, _)| span.end > self.cursor) {
            let span = Span { start: span.start.max(self.cursor), end: span.end };
            match &mut plan {
                Some(group)
                    if span.start - group.end > self.options.max_pause
                        || span.end - group.start > max =>
                {
                    return plan;
                }
                None if span.end - span.start > max => {
                    return Some(Plan::of(Span {
                        start: span.start,
                        end: self.quietest(span.start),
                    }));
                }
                _ if grows => return None,
                Some(group) => group.add(span),
                None => plan = Some(Plan::of(span)),
            }
        }
        let settled = voice.settled();
        plan.filter(|plan| {
            self.ended
                || settled.saturating_sub(plan.end) > self.options.max_pause
                || settled.saturating_sub(plan.start) > max
        })
    }

    /// The middle of the quietest place in the last part of a full window that begins at `start`.
    fn quietest(&self, start: u64) -> u64 {
        let max = self.options.max_samples;
        let from = max - CUT_SEARCH.min(max / 2);
        let offset = (start - self.held_from) as usize;
        let level = |place| {
            let samples = self.held.range(offset + place..offset + place + CUT_STEP);
            samples.map(|sample| sample * sample).sum::<f32>()
        };
        let levels: Vec<f32> = (from..=max - CUT_STEP).step_by(CUT_STEP).map(level).collect();
        let stretches = levels.windows(CUT_STRETCH).map(|steps| steps.iter().sum::<f32>());
        let quietest = stretches.enumerate().min_by(|(_, one), (_, other)| one.total_cmp(other));
        let step = quietest.map_or(levels.len(), |(step, _)| step + CUT_STRETCH / 2);
        start + (from + step * CUT_STEP) as u64
    }

    fn take(&mut self, plan: Plan) -> Window {
        let Plan { start, end, speech } = plan;
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

#[cfg(test)]
mod tests;
