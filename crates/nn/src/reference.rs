//! What the kernels are tested against: plain code in float64, and seeded random shapes.

/// A small generator (SplitMix64): the same numbers in every run.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Random {
        Random(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = self.0;
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^ (x >> 31)
    }

    /// One of `low..high`.
    pub(crate) fn below(&mut self, low: usize, high: usize) -> usize {
        low + (self.next() % (high - low) as u64) as usize
    }

    /// Evenly spread over ±`size`.
    pub(crate) fn values(&mut self, len: usize, size: f32) -> Vec<f32> {
        let unit = |bits: u64| (bits >> 40) as f32 / (1_u64 << 23) as f32 - 1.0;
        (0..len).map(|_| unit(self.next()) * size).collect()
    }
}

/// Fails unless every element of `got` is within `tolerance * (1 + |expected|)` of `expected`.
pub(crate) fn assert_close(got: &[f32], expected: &[f64], tolerance: f64, what: &str) {
    assert_eq!(got.len(), expected.len(), "{what}");
    for (i, (got, expected)) in got.iter().zip(expected).enumerate() {
        let error = (f64::from(*got) - expected).abs();
        let bound = tolerance * (1.0 + expected.abs());
        assert!(error <= bound, "{what}: element {i} is {got}, not {expected}");
    }
}

/// The error function: its Taylor series near 0, the continued fraction of erfc elsewhere.
fn erf(x: f64) -> f64 {
    let size = x.abs();
    let value = if size < 2.5 {
        let (mut term, mut sum) = (size, size);
        for n in 1..100 {
            term *= -size * size / f64::from(n);
            sum += term / f64::from(2 * n + 1);
        }
        sum * std::f64::consts::FRAC_2_SQRT_PI
    } else {
        let fraction = (1..100).rev().fold(size, |below, n| size + f64::from(n) / 2.0 / below);
        1.0 - (-size * size).exp() / fraction / std::f64::consts::PI.sqrt()
    };
    value.copysign(x)
}

/// `x / 2 * (1 + erf(x / sqrt 2))`.
pub(crate) fn gelu(x: f64) -> f64 {
    x / 2.0 * (1.0 + erf(x / std::f64::consts::SQRT_2))
}

/// Attention of one head of one query: the scaled scores and the gathered value.
pub(crate) fn attend(query: &[f32], keys: &[&[f32]], values: &[&[f32]]) -> (Vec<f64>, Vec<f64>) {
    let dot = |key: &&[f32]| -> f64 {
        query.iter().zip(*key).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
    };
    let scale = (query.len() as f64).sqrt();
    let scores: Vec<f64> = keys.iter().map(|key| dot(key) / scale).collect();
    let max = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let sum: f64 = scores.iter().map(|score| (score - max).exp()).sum();
    let mut output = vec![0.0; query.len()];
    for (score, value) in scores.iter().zip(values) {
        let weight = (score - max).exp() / sum;
        output.iter_mut().zip(*value).for_each(|(into, x)| *into += weight * f64::from(*x));
    }
    (scores, output)
}
