//! The log-mel front end: 25 ms Hann windows every 10 ms, Slaney mel bins, logarithm to base 10.
//!
//! Robust Speech Recognition via Large-Scale Weak Supervision (Radford et al., 2022), section 2.2; the filter bank is
//! librosa's default (Slaney, 1998), which the published checkpoints were trained with.

use std::f64::consts::PI;
use std::sync::Arc;

use hansard_media::SAMPLE_RATE;
use realfft::num_complex::Complex32;
use realfft::{RealFftPlanner, RealToComplex};

/// Samples in one Fourier transform.
pub const FFT: usize = 400;
/// Samples from one frame to the next.
pub const HOP: usize = 160;
/// Frames in a second.
pub const FRAMES_PER_SECOND: usize = SAMPLE_RATE / HOP;
/// Frames that the encoder sees at once: 30 s.
pub const WINDOW_FRAMES: usize = 3000;

const BINS: usize = FFT / 2 + 1;
/// Power below this counts as this.
const POWER_MIN: f32 = 1e-10;
/// What is more than this below the loudest bin, in log10 of power, is raised to it.
const RANGE: f32 = 8.0;

/// Turns samples into log-mel frames. Cheap to share; scratch belongs to the caller.
pub struct FrontEnd {
    fft: Arc<dyn RealToComplex<f32>>,
    window: [f32; FFT],
    filters: Vec<Filter>,
}

/// One triangular mel bin: its weights from frequency bin `first` on.
struct Filter {
    first: usize,
    weights: Vec<f32>,
}

/// Raw log10 mel power, not yet floored and scaled, because the floor depends on the loudest bin of more than one frame.
#[derive(Debug, Clone, Default)]
pub struct LogPower {
    /// `[frames][bins]`
    pub values: Vec<f32>,
}

impl FrontEnd {
    /// A front end with `mel_bins` bins.
    pub fn new(mel_bins: usize) -> Self {
        let window =
            std::array::from_fn(|n| (0.5 - 0.5 * (2.0 * PI * n as f64 / FFT as f64).cos()) as f32);
        Self {
            fft: RealFftPlanner::new().plan_fft_forward(FFT),
            window,
            filters: filter_bank(mel_bins),
        }
    }

    /// Mel bins of a frame.
    pub fn bins(&self) -> usize {
        self.filters.len()
    }

    /// Appends the log power of `count` frames. Frame `n` is centred on `samples[FFT/2 + n*HOP]`: the caller gives 200
    /// samples before the first centre and 200 after the last.
    pub fn append(&self, samples: &[f32], count: usize, into: &mut LogPower) {
        assert!(count == 0 || samples.len() >= (count - 1) * HOP + FFT);
        let mut frame = self.fft.make_input_vec();
        let mut spectrum = self.fft.make_output_vec();
        let mut scratch = self.fft.make_scratch_vec();
        let mut power = [0.0_f32; BINS];
        into.values.reserve(count * self.bins());
        for n in 0..count {
            let source = &samples[n * HOP..n * HOP + FFT];
            for ((value, sample), weight) in frame.iter_mut().zip(source).zip(&self.window) {
                *value = sample * weight;
            }
            self.fft
                .process_with_scratch(&mut frame, &mut spectrum, &mut scratch)
                .expect("the buffers have the lengths that the transform asked for");
            for (power, bin) in power.iter_mut().zip(&spectrum) {
                *power = Complex32::norm_sqr(bin);
            }
            into.values.extend(self.filters.iter().map(|filter| {
                let bins = &power[filter.first..filter.first + filter.weights.len()];
                let sum: f32 = bins.iter().zip(&filter.weights).map(|(p, w)| p * w).sum();
                sum.max(POWER_MIN).log10()
            }));
        }
    }

    /// Log power of the frames of a whole signal, mirrored at its start and followed by silence.
    pub fn log_power(&self, samples: &[f32], count: usize) -> LogPower {
        let mut padded = Vec::with_capacity(FFT / 2 + (count + 2) * HOP);
        padded.extend(mirrored_start(samples));
        padded.extend_from_slice(samples);
        padded.resize(padded.len().max(count * HOP + FFT), 0.0);
        let mut log_power = LogPower::default();
        self.append(&padded, count, &mut log_power);
        log_power
    }
}

/// The 200 samples that stand before the first: its mirror image, silence where there is too little to mirror.
pub fn mirrored_start(samples: &[f32]) -> impl Iterator<Item = f32> + '_ {
    (1..=FFT / 2).rev().map(|n| samples.get(n).copied().unwrap_or(0.0))
}

impl LogPower {
    /// The loudest bin.
    pub fn max(&self) -> f32 {
        self.values.iter().copied().fold(f32::NEG_INFINITY, f32::max)
    }

    /// Raises what is far below `loudest` and scales, as the encoder expects it.
    pub fn normalise(&mut self, loudest: f32) {
        let floor = loudest - RANGE;
        for value in &mut self.values {
            *value = (value.max(floor) + 4.0) / 4.0;
        }
    }
}

/// librosa's `filters.mel(sr=16000, n_fft=400, n_mels)`: triangles of equal area, evenly spaced on Slaney's mel scale.
fn filter_bank(mel_bins: usize) -> Vec<Filter> {
    let hertz_of_bin = SAMPLE_RATE as f64 / FFT as f64;
    let mel_max = to_mel(SAMPLE_RATE as f64 / 2.0);
    let edge = |n: usize| to_hertz(mel_max * n as f64 / (mel_bins + 1) as f64);
    (0..mel_bins)
        .map(|mel| {
            let (low, centre, high) = (edge(mel), edge(mel + 1), edge(mel + 2));
            let weight = |bin: usize| {
                let hertz = bin as f64 * hertz_of_bin;
                let rising = (hertz - low) / (centre - low);
                let falling = (high - hertz) / (high - centre);
                (rising.min(falling).max(0.0) * 2.0 / (high - low)) as f32
            };
            let first = (0..BINS).find(|&bin| weight(bin) > 0.0).unwrap_or(0);
            let weights = (first..BINS).map(weight).take_while(|&weight| weight > 0.0).collect();
            Filter { first, weights }
        })
        .collect()
}

/// Slaney's scale is linear to 1 kHz and logarithmic above.
const LINEAR_HERTZ_PER_MEL: f64 = 200.0 / 3.0;
const KNEE_HERTZ: f64 = 1000.0;
const KNEE_MEL: f64 = KNEE_HERTZ / LINEAR_HERTZ_PER_MEL;

fn log_step() -> f64 {
    6.4_f64.ln() / 27.0
}

fn to_mel(hertz: f64) -> f64 {
    if hertz < KNEE_HERTZ {
        hertz / LINEAR_HERTZ_PER_MEL
    } else {
        KNEE_MEL + (hertz / KNEE_HERTZ).ln() / log_step()
    }
}

fn to_hertz(mel: f64) -> f64 {
    if mel < KNEE_MEL {
        mel * LINEAR_HERTZ_PER_MEL
    } else {
        KNEE_HERTZ * ((mel - KNEE_MEL) * log_step()).exp()
    }
}
