//! The log-mel frames of a whole recording as a stream: any 30 s of it, at positions that only move forward.

use hansard_media::{Samples, Span, VoiceDetector, VoiceOptions};

use super::mel::{FFT, FrontEnd, HOP, LogPower, WINDOW_FRAMES, mirrored_start};
use crate::{Cancel, Error};

/// Samples read at a time.
const BLOCK: usize = 16_000;
/// Frames that still hear the end of the recording after its last whole hop.
const FRAMES_OVER_THE_END: usize = 2;

/// A window's worth of frames is held, whatever the recording's length.
pub(super) struct Frames<'a> {
    front_end: &'a FrontEnd,
    samples: Box<dyn Samples + 'a>,
    voice: Option<VoiceDetector>,
    /// Samples from the beginning of the next frame's transform on.
    pending: Vec<f32>,
    block: Vec<f32>,
    read: u64,
    ended: bool,
    /// Frames from number `first` on.
    held: LogPower,
    first: usize,
    loudest: f32,
}

impl<'a> Frames<'a> {
    pub(super) fn new(front_end: &'a FrontEnd, samples: Box<dyn Samples + 'a>, vad: bool) -> Self {
        Self {
            front_end,
            samples,
            voice: vad.then(|| VoiceDetector::new(VoiceOptions::default())),
            pending: Vec::new(),
            block: vec![0.0; BLOCK],
            read: 0,
            ended: false,
            held: LogPower::default(),
            first: 0,
            loudest: f32::NEG_INFINITY,
        }
    }

    /// Reads to the end: the loudest bin of all, and the number of samples.
    pub(super) fn survey(mut self, cancel: &Cancel) -> Result<(f32, u64), Error> {
        while !self.ended {
            cancel.check()?;
            self.read_block()?;
            self.seek(self.first + self.count());
        }
        Ok((self.loudest, self.read))
    }

    /// Whole hops of the recording, once its end was seen.
    fn content(&self) -> usize {
        (self.read / HOP as u64) as usize
    }

    fn count(&self) -> usize {
        self.held.values.len() / self.front_end.bins()
    }

    /// Forgets everything before `frame`, which may lie ahead of what was read.
    pub(super) fn seek(&mut self, frame: usize) {
        let count = self.count().min(frame.saturating_sub(self.first));
        self.held.values.drain(..count * self.front_end.bins());
        self.first += count;
    }

    /// Up to 30 s of frames from `frame` on, fewer at the end of the recording and none after it.
    pub(super) fn window(&mut self, frame: usize, cancel: &Cancel) -> Result<LogPower, Error> {
        self.seek(frame);
        // What voice activity says of the window must be final, for which it hears a little more than the window.
        while !self.ended
            && (self.first + self.count() < frame + WINDOW_FRAMES
                || self.voice.as_ref().is_some_and(|v| v.settled() < sample(frame + WINDOW_FRAMES)))
        {
            cancel.check()?;
            self.read_block()?;
            self.seek(frame);
        }
        let end = if self.ended { self.content() } else { usize::MAX };
        let frames = self.count().min(WINDOW_FRAMES).min(end.saturating_sub(frame));
        Ok(LogPower { values: self.held.values[..frames * self.front_end.bins()].to_vec() })
    }

    /// Where voice is from sample `from` on, as far as the stream was read; `None` where nobody listens.
    pub(super) fn voice(&mut self, from: u64) -> Option<Vec<Span>> {
        let voice = self.voice.as_mut()?;
        voice.forget_before(from);
        Some(voice.spans().iter().copied().chain(voice.open()).collect())
    }

    fn read_block(&mut self) -> Result<(), Error> {
        let count = self.samples.read(&mut self.block).map_err(Error::Media)?;
        let at_start = self.read == 0;
        self.read += count as u64;
        let block = &self.block[..count];
        if at_start {
            self.pending.extend(mirrored_start(block));
        }
        self.pending.extend_from_slice(block);
        if let Some(voice) = &mut self.voice {
            voice.push(block);
        }
        if count == 0 {
            self.ended = true;
            if let Some(voice) = &mut self.voice {
                voice.finish();
            }
            let missing = self.content() + FRAMES_OVER_THE_END - (self.first + self.count());
            self.pending.resize(missing * HOP + FFT, 0.0);
        }
        let frames = (self.pending.len() + HOP).saturating_sub(FFT) / HOP;
        let before = self.held.values.len();
        self.front_end.append(&self.pending, frames, &mut self.held);
        self.loudest = self.held.values[before..].iter().copied().fold(self.loudest, f32::max);
        self.pending.drain(..frames * HOP);
        Ok(())
    }
}

/// The first sample of `frame`.
fn sample(frame: usize) -> u64 {
    (frame * HOP) as u64
}
