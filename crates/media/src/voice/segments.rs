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
        match (self.last, self.running()) {
            (Some(last), Some(running)) if running.start <= last.end => {
                Some(Span { start: last.start, end: running.end })
            }
            (Some(last), _) => Some(last),
            (None, running) => running,
        }
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
