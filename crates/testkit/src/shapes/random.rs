//! The seeded generator: integer arithmetic up to the last step, so that every language agrees on every bit.
//!
//! A value is `k * 2^-shift` with an integer `k` of at most eight significant bits: exact in f16, bf16 and f32.

/// The odd increment of splitmix64.
const GOLDEN_GAMMA: u64 = 0x9E37_79B9_7F4A_7C15;

/// The fewest levels on each side of zero; twice as many are the limit of eight bits.
const LEVELS: f64 = 128.0;

/// Scale of a layer normalisation's factors and the most they stray from 1, in steps of 1/128.
const GAMMA_LEVELS: u64 = 16;

/// Counter-based random integers: the stream depends on the seed and the tensor's name alone.
pub(super) struct Stream {
    key: u64,
}

impl Stream {
    pub(super) fn new(name: &str, seed: u64) -> Self {
        Self { key: mix(fnv1a(name) ^ seed.wrapping_mul(GOLDEN_GAMMA)) }
    }

    /// `count` values, uniform within about `limit` (more than 0, at most 128) of 0.
    pub(super) fn uniform(&self, count: usize, limit: f64) -> Vec<f32> {
        let (mut scaled, mut step) = (limit, 1.0);
        while scaled < LEVELS {
            scaled *= 2.0;
            step /= 2.0;
        }
        let levels = scaled as u64;
        (0..count as u64).map(|index| self.integer(index, levels) as f32 * step).collect()
    }

    /// `count` values between 0.875 and 1.125.
    pub(super) fn around_one(&self, count: usize) -> Vec<f32> {
        let stray = |index| self.integer(index, GAMMA_LEVELS) as f32 / LEVELS as f32;
        (0..count as u64).map(|index| 1.0 + stray(index)).collect()
    }

    /// The value at `index`, uniform in `-levels..levels`. `levels` is at most 2^31.
    fn integer(&self, index: u64, levels: u64) -> i64 {
        let counter = (index + 1).wrapping_mul(GOLDEN_GAMMA);
        let high = mix(self.key.wrapping_add(counter)) >> 32;
        ((high * 2 * levels) >> 32) as i64 - levels as i64
    }
}

/// The encoder's fixed positions as openai-whisper makes them, rounded to 1/256: sines, then cosines, of
/// wavelengths from 2π to 20,000π.
pub(super) fn sinusoids(length: usize, width: usize) -> Vec<f32> {
    let half = width / 2;
    let increment = 10_000f64.ln() / (half - 1) as f64;
    let round = |wave: f64| ((wave * 256.0 + 0.5).floor() / 256.0) as f32;
    let mut values = Vec::with_capacity(length * width);
    for position in 0..length {
        let angle = |channel: usize| position as f64 * (-increment * channel as f64).exp();
        values.extend((0..half).map(|channel| round(angle(channel).sin())));
        values.extend((0..half).map(|channel| round(angle(channel).cos())));
    }
    values
}

fn fnv1a(name: &str) -> u64 {
    name.bytes().fold(0xCBF2_9CE4_8422_2325, |value, byte| {
        (value ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3)
    })
}

/// The output function of splitmix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators).
fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stream_is_splitmix64() {
        // First outputs of the published splitmix64 for the state 0.
        let zero = Stream { key: 0 };
        let first = |index: u64| mix(zero.key.wrapping_add((index + 1).wrapping_mul(GOLDEN_GAMMA)));
        assert_eq!(first(0), 0xE220_A839_7B1D_CDAF);
        assert_eq!(first(1), 0x6E78_9E6A_A1B9_65F4);
    }

    #[test]
    fn names_and_seeds_have_streams_of_their_own() {
        let of = |name, seed| Stream::new(name, seed).uniform(8, 1.0);
        assert_eq!(of("a", 1), of("a", 1));
        assert_ne!(of("a", 1), of("b", 1));
        assert_ne!(of("a", 1), of("a", 2));
    }

    #[test]
    fn every_value_is_exact_in_both_half_precisions() {
        let stream = Stream::new("exact", 7);
        let mut values = stream.around_one(500);
        values.extend(sinusoids(100, 64));
        for limit in [0.03, 0.1, 0.4330127, 1.0] {
            values.extend(stream.uniform(500, limit));
        }
        for value in values {
            assert_eq!(half::f16::from_f32(value).to_f32(), value);
            assert_eq!(half::bf16::from_f32(value).to_f32(), value);
        }
    }
}
