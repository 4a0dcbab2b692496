//! The whole way of one reading: packets, samples, one channel, 16 kHz.

use std::path::Path;

use symphonia::core::audio::Channels as Layout;

use crate::decode::{BadPacket, Decoder};
use crate::demux::{Demuxer, Next};
use crate::downmix::{Channels, Mixer};
use crate::guard::guarded;
use crate::resample::Resampler;
use crate::{Error, Samples, bounds};

/// Reads one file from its beginning to its end.
///
/// Holds one packet, its samples and one block of the resampler, however long the file is.
///
/// - A packet that cannot be decoded becomes silence of the length of the packet before it, so that
///   later times stay right; [`bounds::BAD_PACKETS_MAX`] of them in a row are an error.
/// - A file that is cut off ends where it is cut.
/// - After an error, reading on gives the end.
pub(crate) struct Stream {
    file: String,
    channels: Channels,
    demuxer: Demuxer,
    decoder: Decoder,
    /// Set by the first samples, and anew where rate or layout change.
    path: Option<SignalPath>,
    /// Frames of the current track that are still to be left out; `None` until its rate is known.
    to_skip: Option<u64>,
    /// Samples of one packet, all channels.
    interleaved: Vec<f32>,
    /// Samples of one packet, one channel.
    mono: Vec<f32>,
    /// Samples at 16 kHz that wait to be read, from `ready_from` on.
    ready: Vec<f32>,
    ready_from: usize,
    counts: Counts,
    finished: bool,
}

/// How samples of one rate and layout become samples at 16 kHz.
struct SignalPath {
    rate: u32,
    layout: Layout,
    mixer: Mixer,
    /// The last samples, as many as the container may declare to be padding.
    held: Vec<f32>,
    hold: usize,
    resampler: Resampler,
}

impl SignalPath {
    /// Sends samples on but for the last, which only the next ones prove to be no padding.
    fn push(&mut self, samples: &[f32], ready: &mut Vec<f32>) {
        if self.hold == 0 {
            self.resampler.push(samples, ready);
            return;
        }
        self.held.extend_from_slice(samples);
        let certain = self.held.len().saturating_sub(self.hold);
        self.resampler.push(&self.held[..certain], ready);
        self.held.drain(..certain);
    }
}

#[derive(Default)]
struct Counts {
    /// Unreadable packets since the last good one.
    bad: u32,
    /// Packets without sound since the last one with.
    silent: u32,
    /// Changes of rate, layout or track.
    changes: u32,
    /// Samples of the last good packet.
    last_mono: usize,
    /// Whether any sample was decoded.
    any: bool,
}

impl Stream {
    /// Opens the file at `path`, called `file` in messages.
    pub(crate) fn open(path: &Path, file: &str, channels: Channels) -> Result<Self, Error> {
        guarded(file, || {
            let demuxer = Demuxer::open(path, file)?;
            let decoder = Decoder::new(file, demuxer.track())?;
            Ok(Self {
                file: file.to_owned(),
                channels,
                demuxer,
                decoder,
                path: None,
                to_skip: None,
                interleaved: Vec::new(),
                mono: Vec::new(),
                ready: Vec::new(),
                ready_from: 0,
                counts: Counts::default(),
                finished: false,
            })
        })
    }

    pub(crate) fn demuxer(&self) -> &Demuxer {
        &self.demuxer
    }

    pub(crate) fn decoder(&self) -> &Decoder {
        &self.decoder
    }

    /// Reads on until samples are ready or the end is reached.
    pub(crate) fn fill(&mut self) -> Result<(), Error> {
        if self.ready_from < self.ready.len() {
            return Ok(());
        }
        let file = self.file.clone();
        let filled = guarded(&file, || {
            while self.ready_from == self.ready.len() && !self.finished {
                self.ready.clear();
                self.ready_from = 0;
                self.step()?;
            }
            Ok(())
        });
        if filled.is_err() {
            self.finished = true;
            self.ready.clear();
            self.ready_from = 0;
        }
        filled
    }

    /// Takes one packet.
    fn step(&mut self) -> Result<(), Error> {
        match self.demuxer.next()? {
            Next::Packet(packet) => match self.decoder.decode(&packet, &mut self.interleaved) {
                Ok(()) if self.interleaved.is_empty() => self.count_silent(),
                Ok(()) => self.accept(),
                Err(error) => {
                    self.ready.resize(self.ready.len() + self.lost_samples(), 0.0);
                    self.count_bad(error)
                }
            },
            Next::Other => self.count_silent(),
            Next::NewTrack => {
                self.count_change()?;
                self.decoder = Decoder::new(&self.file, self.demuxer.track())?;
                self.to_skip = None;
                Ok(())
            }
            Next::Bad(error) => self.count_bad(error.into()),
            Next::End => self.finish(),
        }
    }

    /// Sends the decoded packet down the signal path.
    fn accept(&mut self) -> Result<(), Error> {
        self.match_path()?;
        let Some(path) = &mut self.path else { return Ok(()) };
        self.mono.clear();
        path.mixer.fold(&self.interleaved, &mut self.mono);
        self.counts.bad = 0;
        self.counts.silent = 0;
        self.counts.last_mono = self.mono.len();

        let to_skip = self.to_skip.get_or_insert_with(|| self.decoder.skipped_frames(path.rate));
        let skipped = usize::try_from(*to_skip).unwrap_or(usize::MAX).min(self.mono.len());
        *to_skip -= skipped as u64;
        let kept = &self.mono[skipped..];
        self.counts.any |= !kept.is_empty();
        path.push(kept, &mut self.ready);
        Ok(())
    }

    /// Sees to it that the signal path fits what was just decoded.
    fn match_path(&mut self) -> Result<(), Error> {
        let (rate, layout) = (self.decoder.rate(), self.decoder.layout());
        if self.path.as_ref().is_some_and(|path| path.rate == rate && path.layout == *layout) {
            return Ok(());
        }
        let absurd = |property, value| Error::Absurd { file: self.file.clone(), property, value };
        if !(bounds::RATE_MIN..=bounds::RATE_MAX).contains(&rate) {
            return Err(absurd("sample rate", rate.into()));
        }
        let channels = layout.count();
        if !(1..=bounds::CHANNELS_MAX).contains(&channels) {
            return Err(absurd("channel count", channels as u64));
        }
        let mixer = Mixer::new(layout, self.channels).ok_or_else(|| match self.channels {
            Channels::Only(asked) => {
                Error::NoSuchChannel { file: self.file.clone(), asked, channels }
            }
            Channels::Mix => absurd("channel count", channels as u64),
        })?;
        let layout = layout.clone();
        if let Some(mut old) = self.path.take() {
            old.resampler.push(&old.held, &mut self.ready);
            old.resampler.finish(&mut self.ready);
            self.count_change()?;
        }
        let resampler = Resampler::new(rate);
        let hold = (self.demuxer.track().padding * f64::from(rate)).round() as usize;
        self.path = Some(SignalPath { rate, layout, mixer, held: Vec::new(), hold, resampler });
        Ok(())
    }

    /// Silence for a lost packet, at 16 kHz. Nothing before the first good packet.
    fn lost_samples(&self) -> usize {
        self.path
            .as_ref()
            .map_or(0, |path| self.counts.last_mono * crate::SAMPLE_RATE / path.rate as usize)
    }

    fn finish(&mut self) -> Result<(), Error> {
        self.finished = true;
        if !self.counts.any {
            return Err(Error::NoSamples { file: self.file.clone() });
        }
        if let Some(path) = &mut self.path {
            path.resampler.finish(&mut self.ready);
        }
        Ok(())
    }

    fn count_bad(&mut self, error: BadPacket) -> Result<(), Error> {
        self.counts.bad += 1;
        if self.counts.bad < bounds::BAD_PACKETS_MAX {
            return Ok(());
        }
        Err(Error::Corrupt { file: self.file.clone(), source: error })
    }

    fn count_silent(&mut self) -> Result<(), Error> {
        self.counts.silent += 1;
        if self.counts.silent < bounds::SILENT_PACKETS_MAX {
            return Ok(());
        }
        Err(self.restless("too many packets without sound in a row"))
    }

    fn count_change(&mut self) -> Result<(), Error> {
        self.counts.changes += 1;
        if self.counts.changes < bounds::CHANGES_MAX {
            return Ok(());
        }
        Err(self.restless("too many changes of rate, channels or track"))
    }

    fn restless(&self, what: &str) -> Error {
        Error::Corrupt { file: self.file.clone(), source: what.into() }
    }
}

impl Samples for Stream {
    fn read(&mut self, buffer: &mut [f32]) -> Result<usize, Error> {
        self.fill()?;
        let waiting = &self.ready[self.ready_from..];
        let count = waiting.len().min(buffer.len());
        buffer[..count].copy_from_slice(&waiting[..count]);
        self.ready_from += count;
        Ok(count)
    }
}
