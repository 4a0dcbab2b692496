//! Any rate to 16 kHz, band-limited, without moving anything in time.

use rubato::audioadapter_buffers::direct::SequentialSlice;
use rubato::{Fft, FixedSync, Resampler as _};

use crate::SAMPLE_RATE;

/// Output samples of one block. The filter is as long as the block, so that more would be sharper at
/// the edge of the band and slower to start: 64 ms put the edge at 7.8 kHz.
const BLOCK_OUT: usize = 1024;

/// Turns mono samples of one rate into mono samples at 16 kHz. The samples must be finite and not huge:
/// [`crate::downmix::Mixer`] sees to that, and the transform panics on what overflows.
///
/// The filter's delay is taken off at the start and paid back by [`Resampler::finish`], so that sample
/// `n` of the output is the sound at `n / 16000` s of the input.
pub(crate) struct Resampler {
    /// `None` where the input is at 16 kHz already and passes unchanged.
    filter: Option<Filter>,
}

struct Filter {
    fft: Fft<f32>,
    rate: u64,
    /// Input that does not fill a block yet.
    pending: Vec<f32>,
    /// Length of one input block.
    block_in: usize,
    /// One output block.
    block: Vec<f32>,
    /// Output samples that are still to be dropped because they are the filter's delay.
    delay: usize,
    /// Input samples taken so far.
    taken: u64,
    /// Output samples given so far.
    given: u64,
}

impl Resampler {
    /// `rate` in Hz, at least 1.
    pub(crate) fn new(rate: u32) -> Self {
        let rate = rate as usize;
        let filter = (rate != SAMPLE_RATE).then(|| {
            // Of an odd block, half is no whole sample, and the delay could not be taken off exactly.
            let step = 2 * rate / greatest_common_divisor(rate, SAMPLE_RATE);
            let block_in = (BLOCK_OUT * rate / SAMPLE_RATE).next_multiple_of(step);
            let fft = Fft::new_custom(
                rate,
                SAMPLE_RATE,
                block_in,
                1,
                1,
                rubato::WindowFunction::BlackmanHarris2,
                FixedSync::Both,
            )
            .expect("both rates and the block are positive");
            Filter {
                rate: rate as u64,
                pending: Vec::with_capacity(fft.input_frames_next()),
                block_in: fft.input_frames_next(),
                block: vec![0.0; fft.output_frames_next()],
                delay: fft.output_delay(),
                taken: 0,
                given: 0,
                fft,
            }
        });
        Self { filter }
    }

    /// Takes `mono` and appends to `out` what is ready.
    pub(crate) fn push(&mut self, mono: &[f32], out: &mut Vec<f32>) {
        match &mut self.filter {
            None => out.extend_from_slice(mono),
            Some(filter) => filter.push(mono, out),
        }
    }

    /// Appends what the filter still holds. The total is then the input's length at the new rate, rounded up.
    pub(crate) fn finish(&mut self, out: &mut Vec<f32>) {
        if let Some(filter) = &mut self.filter {
            filter.finish(out);
        }
    }
}

impl Filter {
    fn push(&mut self, mut mono: &[f32], out: &mut Vec<f32>) {
        self.taken += mono.len() as u64;
        while !mono.is_empty() {
            let count = mono.len().min(self.block_in - self.pending.len());
            let (now, later) = mono.split_at(count);
            self.pending.extend_from_slice(now);
            mono = later;
            if self.pending.len() == self.block_in {
                self.run(out, usize::MAX);
            }
        }
    }

    fn finish(&mut self, out: &mut Vec<f32>) {
        let total = (self.taken * SAMPLE_RATE as u64).div_ceil(self.rate);
        // The delay is half a block, so that two blocks of silence push everything out.
        while self.given < total {
            self.pending.resize(self.block_in, 0.0);
            let missing = total - self.given;
            self.run(out, usize::try_from(missing).unwrap_or(usize::MAX));
        }
    }

    /// Filters the full pending block and appends at most `limit` of its samples.
    fn run(&mut self, out: &mut Vec<f32>, limit: usize) {
        let frames = self.block.len();
        let input = SequentialSlice::new(&self.pending, 1, self.block_in);
        let output = SequentialSlice::new_mut(&mut self.block, 1, frames);
        let (input, mut output) = input
            .and_then(|input| Ok((input, output?)))
            .expect("both buffers have the length of one block");
        self.fft
            .process_into_buffer(&input, &mut output, None)
            .expect("both buffers have the length that the filter asked for");
        self.pending.clear();

        let dropped = self.delay.min(frames);
        self.delay -= dropped;
        let kept = (frames - dropped).min(limit);
        let samples = &self.block[dropped..dropped + kept];
        out.extend_from_slice(samples);
        self.given += kept as u64;
    }
}

fn greatest_common_divisor(mut a: usize, mut b: usize) -> usize {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

#[cfg(test)]
mod tests {
    use std::f64::consts::TAU;

    use super::*;

    /// Two seconds of a sine of amplitude 0.5 through the resampler, fed in uneven pieces.
    fn resampled_sine(rate: u32, hertz: f64) -> Vec<f32> {
        let sine: Vec<f32> = (0..2 * rate)
            .map(|n| (0.5 * (TAU * hertz * f64::from(n) / f64::from(rate)).sin()) as f32)
            .collect();
        let mut resampler = Resampler::new(rate);
        let mut out = Vec::new();
        for piece in sine.chunks(777) {
            resampler.push(piece, &mut out);
        }
        resampler.finish(&mut out);
        out
    }

    /// Level in dB of the second half of the second second, where neither edge reaches.
    fn level(samples: &[f32]) -> f64 {
        let middle = &samples[8_000..24_000];
        let power: f64 = middle.iter().map(|s| f64::from(*s).powi(2)).sum::<f64>();
        10.0 * (power / middle.len() as f64).max(1e-20).log10()
    }

    const RATES: [u32; 9] =
        [8_000, 11_025, 22_050, 24_000, 32_000, 44_100, 48_000, 96_000, 192_000];

    #[test]
    fn sixteen_kilohertz_pass_bit_for_bit() {
        let input: Vec<f32> = (0..5_000).map(|n| (n as f32).sin()).collect();
        let (mut resampler, mut out) = (Resampler::new(16_000), Vec::new());

        resampler.push(&input, &mut out);
        resampler.finish(&mut out);

        assert_eq!(out, input);
    }

    #[test]
    fn tones_of_the_band_keep_their_level_and_their_place() {
        for rate in RATES {
            for hertz in [50.0, 300.0, 1_000.0, 3_400.0, 7_000.0] {
                if hertz > f64::from(rate) * 0.45 {
                    continue;
                }
                let out = resampled_sine(rate, hertz);

                assert_eq!(out.len(), 32_000, "{rate} Hz");
                let error: Vec<f32> = (out.iter().zip(0..))
                    .map(|(s, n)| s - (0.5 * (TAU * hertz * f64::from(n) / 16_000.0).sin()) as f32)
                    .collect();
                // A shift by one sample would already leave an error above -50 dB at 50 Hz and more above.
                let (level, error) = (level(&out), level(&error));
                assert!((level + 9.03).abs() < 0.1, "{rate} Hz, tone {hertz}: {level} dB");
                assert!(error < -60.0, "{rate} Hz, tone {hertz}: error {error} dB");
            }
        }
    }

    #[test]
    fn tones_above_the_band_do_not_come_back_below_it() {
        for rate in RATES.into_iter().filter(|rate| *rate > 16_000) {
            let mut hertz = 8_200.0;
            while hertz < f64::from(rate) / 2.0 {
                let alias = level(&resampled_sine(rate, hertz));
                assert!(alias < -69.0, "{rate} Hz, tone {hertz}: alias {alias} dB");
                hertz *= 1.31;
            }
        }
    }

    #[test]
    fn the_length_is_right_for_any_rate_and_any_length() {
        for rate in [4_000, 8_000, 11_025, 44_100, 47_999, 384_000] {
            for length in [1, 2, 441, 10_000, 100_001] {
                let (mut resampler, mut out) = (Resampler::new(rate), Vec::new());
                resampler.push(&vec![0.1; length], &mut out);
                resampler.finish(&mut out);

                assert_eq!(out.len(), (length * 16_000).div_ceil(rate as usize), "{rate} {length}");
            }
        }
    }
}
