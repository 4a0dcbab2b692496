//! 24 bit floats: what an f32 is without its last eight bits.

/// One sign bit, eight of exponent, fifteen of mantissa; little-endian, three bytes without padding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(transparent)]
pub(crate) struct F24([u8; 3]);

impl F24 {
    pub(crate) const ZERO: F24 = F24([0; 3]);

    /// The nearest 24 bit float: within one part in 65,536.
    pub(crate) fn from_f32(x: f32) -> F24 {
        let bits = x.to_bits();
        let half = 0x7F + (bits >> 8 & 1);
        // What would round up to infinity, or is none or no number, keeps its bits.
        let rounded = if bits & 0x7FFF_FF00 >= 0x7F7F_FF00 { bits } else { bits + half };
        let [_, low, middle, high] = rounded.to_le_bytes();
        F24([low, middle, high])
    }

    pub(crate) fn to_f32(self) -> f32 {
        let [low, middle, high] = self.0;
        f32::from_le_bytes([0, low, middle, high])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reference::Random;

    #[test]
    fn values_come_back_within_one_part_in_65536() {
        let mut random = Random::new(21);
        for size in [1e-30, 1e-3, 1.0, 1e30] {
            for x in random.values(1000, size) {
                let back = F24::from_f32(x).to_f32();
                assert!((back - x).abs() <= x.abs() / 65_536.0, "{x} became {back}");
            }
        }
    }

    #[test]
    fn the_ends_stay_what_they_are() {
        for x in [0.0, 1.0, -2.5, f32::INFINITY, f32::NEG_INFINITY] {
            assert_eq!(F24::from_f32(x).to_f32(), x);
        }
        assert!(F24::from_f32(f32::MAX).to_f32().is_finite());
        assert!(F24::from_f32(f32::NAN).to_f32().is_nan());
    }
}
