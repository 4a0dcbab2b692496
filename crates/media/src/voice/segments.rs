//! Frame scores in, padded and merged stretches of speech out.

use std::collections::VecDeque;

use super::{FRAME, Span, VoiceOptions};

/// A hysteresis over frame scores: speech starts at a high score, goes on over low ones, and ends after a pause.
#[derive(Debug)]
pub(super) struct Segments {
    options: VoiceOptions,
    /// Samples of all frames so far.
    position: u64,
    state: State,
    /// Closed and padded, but a start soon after could still reach into it.
    last: Option<Span>,
    finals: VecDeque<Span>,
}

#[derive(Debug, Clone, Copy)]
enum State {
    Silence,
    /// From the first voiced frame to the end of the last one, not padded.
    Speech {
        voiced: Span,
        /// Samples in frames that scored as voice.
        heard: u64,
    },
}

impl Segments {
    pub(super) fn new(options: VoiceOptions) -> Self {
        Self { options, position: 0, state: State::Silence, last: None, finals: VecDeque::new() }
    }

    /// Takes the score of the next frame.
    pub(super) fn push(&mut self, score: f32) {
        let frame = Span { start: self.position, end: self.position + FRAME as u64 };
        self.position = frame.end;
        match &mut self.state {
            State::Silence if score >= self.options.on => {
                self.state = State::Speech { voiced: frame, heard: FRAME as u64 };
            }
            State::Silence => {}
            State::Speech { voiced, heard } if score >= self.options.off => {
                voiced.end = frame.end;
                *heard += FRAME as u64;
            }
            State::Speech { voiced, .. } => {
                if frame.end - voiced.end >= self.options.min_silence {
                    self.close();
                }
            }
        }
        self.release();
    }

    /// The recording ended after `length` samples.
    pub(super) fn finish(&mut self, length: u64) {
        self.close();
        self.position = length;
        self.finals.extend(self.last.take());
        self.finals.retain_mut(|span| {
            span.end = span.end.min(length);
            span.start < span.end
        });
    }

    pub(super) fn finals(&self) -> &VecDeque<Span> {
        &self.finals
    }

    /// Forgets final spans that end at or before `sample`.
    pub(super) fn forget_before(&mut self, sample: u64) {
        while self.finals.front().is_some_and(|span| span.end <= sample) {
            self.finals.pop_front();
        }
    }

    /// The span that may still grow. Its start and everything within it are certain.
    pub(super) fn open(&self) -> Option<Span> {
        let open = match (self.last, self.running()) {
            (Some(last), Some(running)) if running.start <= last.end => {
                Span { start: last.start, end: running.end }
            }
            (Some(last), _) => last,
            (None, running) => running?,
        };
        // The recording may end within the padding.
        Some(Span { end: open.end.min(self.position), ..open })
    }

    /// No span will start, end or grow before this sample.
    pub(super) fn settled(&self) -> u64 {
        let horizon = match self.state {
            State::Silence => self.position.saturating_sub(self.options.padding),
            State::Speech { voiced, .. } => voiced.start.saturating_sub(self.options.padding),
        };
        self.last.map_or(horizon, |last| horizon.min(last.start))
    }

    fn running(&self) -> Option<Span> {
        match self.state {
            State::Speech { voiced, heard } if heard >= self.options.min_speech => Some(Span {
                start: voiced.start.saturating_sub(self.options.padding),
                end: voiced.end,
            }),
            _ => None,
        }
    }

    fn close(&mut self) {
        let padding = self.options.padding;
        if let Some(running) = self.running() {
            let span = Span { start: running.start, end: running.end + padding };
            self.last = match self.last {
                Some(last) if span.start <= last.end => {
                    Some(Span { start: last.start, end: span.end })
                }
                last => {
                    self.finals.extend(last);
                    Some(span)
                }
            };
        }
        self.state = State::Silence;
    }

    /// Hands on the last span when nothing that starts from here can reach it.
    fn release(&mut self) {
        let next_start = match self.state {
            State::Silence => self.position,
            State::Speech { voiced, .. } => voiced.start,
        };
        if self.last.is_some_and(|last| next_start.saturating_sub(self.options.padding) > last.end)
        {
            self.finals.extend(self.last.take());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: usize = crate::SAMPLE_RATE / FRAME;

    /// Pushes `seconds` of one score.
    fn hold(segments: &mut Segments, seconds: f32, score: f32) {
        for _ in 0..(seconds * SECOND as f32) as usize {
            segments.push(score);
        }
    }

    fn spans(sounds: &[(f32, f32)]) -> Vec<Span> {
        let mut segments = Segments::new(VoiceOptions::default());
        for &(seconds, score) in sounds {
            hold(&mut segments, seconds, score);
        }
        segments.finish(segments.position);
        segments.finals().iter().copied().collect()
    }

    #[test]
    fn a_click_is_no_speech() {
        assert_eq!(spans(&[(2.0, 0.0), (0.05, 1.0), (2.0, 0.0)]), []);
    }

    #[test]
    fn speech_is_padded_on_both_sides() {
        let padding = VoiceOptions::default().padding;
        let (start, end) = (2 * SECOND * FRAME, 3 * SECOND * FRAME);
        let padded = Span { start: start as u64 - padding, end: end as u64 + padding };
        assert_eq!(spans(&[(2.0, 0.0), (1.0, 1.0), (2.0, 0.0)]), [padded]);
    }

    #[test]
    fn a_score_between_the_thresholds_goes_on_with_speech_and_starts_none() {
        assert_eq!(spans(&[(1.0, 0.0), (3.0, 0.4)]), []);
        let spans = spans(&[(1.0, 0.0), (1.0, 1.0), (3.0, 0.4)]);
        assert_eq!(spans, [Span { start: spans[0].start, end: (5 * SECOND * FRAME) as u64 }]);
    }

    #[test]
    fn a_short_pause_is_bridged_and_a_long_one_splits() {
        assert_eq!(spans(&[(1.0, 1.0), (0.3, 0.0), (1.0, 1.0)]).len(), 1);
        assert_eq!(spans(&[(1.0, 1.0), (2.0, 0.0), (1.0, 1.0)]).len(), 2);
    }

    #[test]
    fn what_was_settled_never_changes_over_ten_hours_and_little_is_held() {
        let mut segments = Segments::new(VoiceOptions::default());
        let mut seen: Vec<Span> = Vec::new();
        let (mut random, mut score) = (1_u32, 0.0);
        for frame in 0..10 * 3_600 * SECOND {
            if frame % 16 == 0 {
                random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                score = (random >> 24) as f32 / 256.0;
            }
            let settled = segments.settled();
            segments.push(score);
            assert!(segments.settled() >= settled);
            assert!(segments.finals().len() <= 1);
            if let Some(&span) = segments.finals().front() {
                assert!(span.end >= settled, "a span appeared where all was settled");
                assert!(seen.last().is_none_or(|last| last.end < span.start));
                seen.push(span);
                segments.forget_before(span.end);
            }
        }
        assert!(seen.len() > 1_000);
    }
}
