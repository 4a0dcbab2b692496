//! Four lanes in plain Rust: SSE2 on x86, NEON on ARM, after the compiler has vectorised it.

use half::{bf16, f16};

use super::Vector;
use crate::f24::F24;

/// Four lanes.
#[derive(Clone, Copy)]
#[repr(C, align(16))]
pub(super) struct F32x4([f32; 4]);

impl F32x4 {
    #[inline(always)]
    fn zip(self, other: F32x4, f: impl Fn(f32, f32) -> f32) -> F32x4 {
        F32x4(std::array::from_fn(|i| f(self.0[i], other.0[i])))
    }
}

/// Half to single precision without branches, so that it vectorises.
#[inline(always)]
fn widen(half: f16) -> f32 {
    // The exponent moves from bias 15 to 127 by a multiplication, which also normalises subnormals.
    let magnitude = u32::from(half.to_bits() & 0x7fff) << 13;
    let scaled = f32::from_bits(magnitude) * f32::from_bits((127 + 112) << 23);
    let special = if magnitude >= 0x7c00 << 13 { 0xff << 23 } else { 0 };
    let sign = u32::from(half.to_bits() & 0x8000) << 16;
    f32::from_bits(scaled.to_bits() | special | sign)
}

impl Vector for F32x4 {
    const LANES: usize = 4;
    const TILE: usize = 4;
    const SHORT: usize = 4;
    const FEW: usize = 1;

    #[inline(always)]
    fn splat(x: f32) -> Self {
        F32x4([x; 4])
    }

    #[inline(always)]
    unsafe fn load_f32(from: *const f32) -> Self {
        // SAFETY: the caller promises four readable elements.
        F32x4(unsafe { from.cast::<[f32; 4]>().read_unaligned() })
    }

    #[inline(always)]
    unsafe fn load_f16(from: *const f16) -> Self {
        // SAFETY: the caller promises four readable elements.
        F32x4(unsafe { from.cast::<[f16; 4]>().read_unaligned() }.map(widen))
    }

    #[inline(always)]
    unsafe fn load_bf16(from: *const bf16) -> Self {
        // SAFETY: the caller promises four readable elements.
        let halves = unsafe { from.cast::<[bf16; 4]>().read_unaligned() };
        F32x4(halves.map(|x| f32::from_bits(u32::from(x.to_bits()) << 16)))
    }

    #[inline(always)]
    unsafe fn load_f24(from: *const F24) -> Self {
        // SAFETY: the caller promises four readable elements.
        let elements = unsafe { from.cast::<[F24; 4]>().read_unaligned() };
        F32x4(elements.map(F24::to_f32))
    }

    #[inline(always)]
    unsafe fn store_f32(self, into: *mut f32) {
        // SAFETY: the caller promises four writable elements.
        unsafe { into.cast::<[f32; 4]>().write_unaligned(self.0) }
    }

    #[inline(always)]
    fn prefetch<T>(_from: *const T) {}

    #[inline(always)]
    fn add(self, other: Self) -> Self {
        self.zip(other, |a, b| a + b)
    }

    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        self.zip(other, |a, b| a - b)
    }

    #[inline(always)]
    fn mul(self, other: Self) -> Self {
        self.zip(other, |a, b| a * b)
    }

    #[inline(always)]
    fn div(self, other: Self) -> Self {
        self.zip(other, |a, b| a / b)
    }

    #[inline(always)]
    fn mul_add(self, factor: Self, term: Self) -> Self {
        // Without the instruction a fused multiply-add is a slow library call.
        if cfg!(any(target_feature = "fma", target_arch = "aarch64")) {
            F32x4(std::array::from_fn(|i| self.0[i].mul_add(factor.0[i], term.0[i])))
        } else {
            F32x4(std::array::from_fn(|i| self.0[i] * factor.0[i] + term.0[i]))
        }
    }

    #[inline(always)]
    fn max(self, other: Self) -> Self {
        self.zip(other, |a, b| if a > b { a } else { b })
    }

    #[inline(always)]
    fn min(self, other: Self) -> Self {
        self.zip(other, |a, b| if a < b { a } else { b })
    }

    #[inline(always)]
    fn round(self) -> Self {
        // Adding 1.5 * 2^23 leaves no bits for a fraction.
        let shift = F32x4::splat(12_582_912.0);
        self.add(shift).sub(shift)
    }

    #[inline(always)]
    fn exp2_integer(self) -> Self {
        F32x4(self.0.map(|n| f32::from_bits(((n + 127.0) as i32 as u32) << 23)))
    }
}
