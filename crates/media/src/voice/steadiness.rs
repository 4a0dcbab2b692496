//! How much a sound changes: the evidence that tells held tones from speech.
//!
//! A tone, a dial tone or a chord stays on its frequencies for as long as it is held; the pitch and the formants of speech
//! move within tens of milliseconds. For each frequency the part of its level that is above the median of the frames around
//! it counts as change (the idea of harmonic and percussive separation by median filters, Fitzgerald 2010). What is returned
//! for a frame is a low quantile of that over the loud frames of 1.5 s, so that the moments between two held notes do not
//! count, and that pauses in speech do not either.

use std::sync::Arc;

use realfft::{RealFftPlanner, RealToComplex, num_complex::Complex32};

use super::{FRAME, around::Around};

/// Samples under one spectrum: the last frame and this one, 32 ms, so 31 Hz a bin.
const WINDOW: usize = 2 * FRAME;

/// Lifts high frequencies, as loud low ones are steadier: speech too has a fundamental.
const PRE_EMPHASIS: f32 = 0.9;

/// Frames on each side whose median a level is compared with: 48 ms.
const MEDIAN_REACH: usize = 3;

/// Frames on each side from which the quantile is taken: 0.74 s.
const QUANTILE_REACH: usize = 46;

/// The quantile: a third of the loud frames may be still in what is accepted as speech, two thirds may move in what is not.
const QUANTILE: f32 = 0.35;

/// A frame is loud when its level is at least this part of the loudest one around.
const LOUD: f32 = 0.05;

#[derive(Debug, Clone, Copy)]
struct Change {
    /// Part of the level that is new, 0 to 1.
    part: f32,
    level: f32,
}

/// Measures change in a stream of frames; results come out [`QUANTILE_REACH`] + [`MEDIAN_REACH`] frames late.
pub(super) struct Steadiness {
    fft: Arc<dyn RealToComplex<f32>>,
    taper: Vec<f32>,
    samples: [f32; WINDOW],
    last: f32,
    input: Vec<f32>,
    output: Vec<Complex32>,
    spectra: Around<Vec<f32>>,
    spare: Option<Vec<f32>>,
    changes: Around<Change>,
    sorted: Vec<f32>,
}

impl Steadiness {
    pub(super) fn new() -> Self {
        let fft = RealFftPlanner::<f32>::new().plan_fft_forward(WINDOW);
        let step = std::f32::consts::TAU / WINDOW as f32;
        Self {
            taper: (0..WINDOW).map(|i| 0.5 - 0.5 * (step * i as f32).cos()).collect(),
            samples: [0.0; WINDOW],
            last: 0.0,
            input: fft.make_input_vec(),
            output: fft.make_output_vec(),
            fft,
            spectra: Around::new(MEDIAN_REACH),
            spare: None,
            changes: Around::new(QUANTILE_REACH),
            sorted: Vec::new(),
        }
    }

    /// Takes the next frame; gives the change, 0 to 1, around the frame that is now far enough behind.
    pub(super) fn push(&mut self, frame: &[f32; FRAME]) -> Option<f32> {
        let spectrum = self.spectrum(frame);
        self.spectra.push(spectrum);
        self.median(false);
        self.quantile(false)
    }

    /// After the last frame: the next result that is still owed.
    pub(super) fn drain(&mut self) -> Option<f32> {
        while self.median(true) {}
        self.quantile(true)
    }

    /// Magnitudes.
    fn spectrum(&mut self, frame: &[f32; FRAME]) -> Vec<f32> {
        self.samples.copy_within(FRAME.., 0);
        for (slot, &sample) in self.samples[FRAME..].iter_mut().zip(frame) {
            *slot = sample - PRE_EMPHASIS * self.last;
            self.last = sample;
        }
        for ((slot, sample), taper) in self.input.iter_mut().zip(&self.samples).zip(&self.taper) {
            *slot = sample * taper;
        }
        self.fft
            .process(&mut self.input, &mut self.output)
            .expect("the buffers were made by this transform");
        let mut spectrum = self.spare.take().unwrap_or_default();
        spectrum.clear();
        spectrum.extend(self.output.iter().map(|bin| bin.norm_sqr().sqrt()));
        spectrum
    }

    fn median(&mut self, ended: bool) -> bool {
        let Some((spectrum, around)) = self.spectra.view(ended) else { return false };
        let (mut new, mut level) = (0.0, 0.0);
        for (bin, &now) in spectrum.iter().enumerate() {
            let mut levels = [0.0; 2 * MEDIAN_REACH + 1];
            let levels = &mut levels[..around.len()];
            for (slot, spectrum) in levels.iter_mut().zip(around) {
                *slot = spectrum[bin];
            }
            levels.sort_unstable_by(f32::total_cmp);
            new += (now - levels[levels.len() / 2]).max(0.0);
            level += now;
        }
        self.changes.push(Change { part: if level > 0.0 { new / level } else { 0.0 }, level });
        self.spare = self.spectra.advance();
        true
    }

    fn quantile(&mut self, ended: bool) -> Option<f32> {
        let (_, around) = self.changes.view(ended)?;
        let loud = LOUD * around.iter().fold(0.0, |most: f32, change| most.max(change.level));
        self.sorted.clear();
        self.sorted
            .extend(around.iter().filter(|change| change.level >= loud).map(|change| change.part));
        let place = (self.sorted.len() as f32 * QUANTILE) as usize;
        let (_, part, _) = self.sorted.select_nth_unstable_by(place, f32::total_cmp);
        let part = *part;
        self.changes.advance();
        Some(part)
    }
}

#[cfg(test)]
mod tests {
    use std::f32::consts::TAU;

    use super::*;
    use crate::SAMPLE_RATE;

    fn changes(seconds: usize, sound: impl Fn(f32) -> f32) -> Vec<f32> {
        let mut steadiness = Steadiness::new();
        let mut changes = Vec::new();
        for frame in 0..seconds * SAMPLE_RATE / FRAME {
            let sample = |i| sound((frame * FRAME + i) as f32 / SAMPLE_RATE as f32);
            changes.extend(steadiness.push(&std::array::from_fn(sample)));
        }
        changes.extend(std::iter::from_fn(|| steadiness.drain()));
        changes
    }

    #[test]
    fn every_frame_gets_one_result() {
        assert_eq!(changes(3, |_| 0.0).len(), 3 * SAMPLE_RATE / FRAME);
    }

    #[test]
    fn a_held_chord_does_not_change() {
        let chord = |t: f32| (t * 220.0 * TAU).sin() + (t * 277.2 * TAU).sin();
        assert!(changes(3, chord).iter().all(|&part| part < 0.03));
    }

    #[test]
    fn a_voice_that_glides_in_syllables_changes_all_the_time() {
        let voice = |t: f32| {
            let phase = 130.0 * t + 5.0 * (t * 9.0).sin();
            let syllable = 0.6 + 0.4 * (t * 4.0 * TAU).sin();
            (1..12).map(|h| syllable * (phase * h as f32 * TAU).sin() / h as f32).sum()
        };
        assert!(changes(3, voice).iter().all(|&part| part > 0.08));
    }
}
