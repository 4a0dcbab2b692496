//! AVX2 and AVX-512 registers.
//!
//! The intrinsics are called from functions without the features, which is why the calls are
//! `unsafe`; those functions are inlined into [`run_avx2`] and [`run_avx512`], which have them.

use std::arch::x86_64::*;

use half::{bf16, f16};

use super::{Kernel, Vector};
use crate::f24::F24;

/// Whether [`run_avx2`] may be called.
pub(super) fn has_avx2() -> bool {
    is_x86_feature_detected!("avx2")
        && is_x86_feature_detected!("fma")
        && is_x86_feature_detected!("f16c")
}

/// Whether [`run_avx512`] may be called, given that [`run_avx2`] may.
pub(super) fn has_avx512() -> bool {
    is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512dq")
        && is_x86_feature_detected!("avx512vl")
}

/// Runs `kernel` compiled for AVX2.
#[target_feature(enable = "avx2,fma,f16c")]
pub(super) fn run_avx2<K: Kernel>(kernel: K) -> K::Output {
    kernel.run::<F32x8>()
}

/// Runs `kernel` compiled for AVX-512.
#[target_feature(enable = "avx2,fma,f16c,avx512f,avx512bw,avx512dq,avx512vl")]
pub(super) fn run_avx512<K: Kernel>(kernel: K) -> K::Output {
    kernel.run::<F32x16>()
}

/// Implements [`Vector`] for a register type from the names of its intrinsics.
macro_rules! vector {
    (
        $name:ident($register:ty), lanes $lanes:literal, tile $tile:literal, short $short:literal,
        few $few:literal;
        $splat:ident, $load:ident, $store:ident, $add:ident, $sub:ident, $mul:ident, $div:ident,
        $mul_add:ident, $max:ident, $min:ident;
        f16 |$half:ident| $from_f16:expr;
        bf16 |$brain:ident| $from_bf16:expr;
        f24 |$wide:ident| $from_f24:expr;
        round |$round_in:ident| $round:expr;
        exp2 |$exp2_in:ident| $exp2:expr;
    ) => {
        #[doc = concat!(stringify!($lanes), " lanes.")]
        #[derive(Clone, Copy)]
        pub(super) struct $name($register);

        impl Vector for $name {
            const LANES: usize = $lanes;
            const TILE: usize = $tile;
            const SHORT: usize = $short;
            const FEW: usize = $few;

            #[inline(always)]
            fn splat(x: f32) -> Self {
                // SAFETY: the features were detected.
                Self(unsafe { $splat(x) })
            }

            #[inline(always)]
            unsafe fn load_f32(from: *const f32) -> Self {
                // SAFETY: the features were detected; all lanes are readable.
                Self(unsafe { $load(from) })
            }

            #[inline(always)]
            unsafe fn load_f16($half: *const f16) -> Self {
                // SAFETY: the features were detected; all lanes are readable.
                Self(unsafe { $from_f16 })
            }

            #[inline(always)]
            unsafe fn load_bf16($brain: *const bf16) -> Self {
                // SAFETY: the features were detected; all lanes are readable.
                Self(unsafe { $from_bf16 })
            }

            #[inline(always)]
            unsafe fn load_f24($wide: *const F24) -> Self {
                // SAFETY: the features were detected; all lanes are readable, and no more is read.
                Self(unsafe { $from_f24 })
            }

            #[inline(always)]
            unsafe fn store_f32(self, into: *mut f32) {
                // SAFETY: the features were detected; all lanes are writable.
                unsafe { $store(into, self.0) }
            }

            #[inline(always)]
            fn prefetch<T>(from: *const T) {
                // SAFETY: a prefetch never faults.
                unsafe { _mm_prefetch::<_MM_HINT_T0>(from.cast()) }
            }

            #[inline(always)]
            fn add(self, other: Self) -> Self {
                // SAFETY: the features were detected.
                Self(unsafe { $add(self.0, other.0) })
            }

            #[inline(always)]
            fn sub(self, other: Self) -> Self {
                // SAFETY: the features were detected.
                Self(unsafe { $sub(self.0, other.0) })
            }

            #[inline(always)]
            fn mul(self, other: Self) -> Self {
                // SAFETY: the features were detected.
                Self(unsafe { $mul(self.0, other.0) })
            }

            #[inline(always)]
            fn div(self, other: Self) -> Self {
                // SAFETY: the features were detected.
                Self(unsafe { $div(self.0, other.0) })
            }

            #[inline(always)]
            fn mul_add(self, factor: Self, term: Self) -> Self {
                // SAFETY: the features were detected.
                Self(unsafe { $mul_add(self.0, factor.0, term.0) })
            }

            #[inline(always)]
            fn max(self, other: Self) -> Self {
                // SAFETY: the features were detected.
                Self(unsafe { $max(self.0, other.0) })
            }

            #[inline(always)]
            fn min(self, other: Self) -> Self {
                // SAFETY: the features were detected.
                Self(unsafe { $min(self.0, other.0) })
            }

            #[inline(always)]
            fn round(self) -> Self {
                let $round_in = self.0;
                // SAFETY: the features were detected.
                Self(unsafe { $round })
            }

            #[inline(always)]
            fn exp2_integer(self) -> Self {
                let $exp2_in = self.0;
                // SAFETY: the features were detected.
                Self(unsafe { $exp2 })
            }
        }
    };
}

vector! {
    F32x8(__m256), lanes 8, tile 6, short 4, few 3;
    _mm256_set1_ps, _mm256_loadu_ps, _mm256_storeu_ps, _mm256_add_ps, _mm256_sub_ps, _mm256_mul_ps,
    _mm256_div_ps, _mm256_fmadd_ps, _mm256_max_ps, _mm256_min_ps;
    f16 |from| _mm256_cvtph_ps(_mm_loadu_si128(from.cast()));
    bf16 |from| _mm256_castsi256_ps(_mm256_slli_epi32::<16>(_mm256_cvtepu16_epi32(
        _mm_loadu_si128(from.cast()),
    )));
    f24 |from| {
        // Four elements from the front of the first load, four from the back of the second.
        let low = _mm_loadu_si128(from.cast());
        let high = _mm_loadu_si128(from.cast::<u8>().add(8).cast());
        let bytes = _mm256_setr_epi8(
            -1, 0, 1, 2, -1, 3, 4, 5, -1, 6, 7, 8, -1, 9, 10, 11,
            -1, 4, 5, 6, -1, 7, 8, 9, -1, 10, 11, 12, -1, 13, 14, 15,
        );
        _mm256_castsi256_ps(_mm256_shuffle_epi8(_mm256_set_m128i(high, low), bytes))
    };
    round |x| _mm256_round_ps::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(x);
    exp2 |x| _mm256_castsi256_ps(_mm256_slli_epi32::<23>(_mm256_add_epi32(
        _mm256_cvtps_epi32(x),
        _mm256_set1_epi32(127),
    )));
}

vector! {
    F32x16(__m512), lanes 16, tile 12, short 8, few 8;
    _mm512_set1_ps, _mm512_loadu_ps, _mm512_storeu_ps, _mm512_add_ps, _mm512_sub_ps, _mm512_mul_ps,
    _mm512_div_ps, _mm512_fmadd_ps, _mm512_max_ps, _mm512_min_ps;
    f16 |from| _mm512_cvtph_ps(_mm256_loadu_si256(from.cast()));
    bf16 |from| _mm512_castsi512_ps(_mm512_slli_epi32::<16>(_mm512_cvtepu16_epi32(
        _mm256_loadu_si256(from.cast()),
    )));
    f24 |from| {
        // Twelve double words, three to each quarter of the register, four elements in each three.
        let packed = _mm512_maskz_loadu_epi32(0x0FFF, from.cast());
        let quarters = _mm512_setr_epi32(0, 1, 2, 0, 3, 4, 5, 0, 6, 7, 8, 0, 9, 10, 11, 0);
        let bytes = _mm_setr_epi8(-1, 0, 1, 2, -1, 3, 4, 5, -1, 6, 7, 8, -1, 9, 10, 11);
        _mm512_castsi512_ps(_mm512_shuffle_epi8(
            _mm512_permutexvar_epi32(quarters, packed),
            _mm512_broadcast_i32x4(bytes),
        ))
    };
    round |x| _mm512_roundscale_ps::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(x);
    exp2 |x| _mm512_castsi512_ps(_mm512_slli_epi32::<23>(_mm512_add_epi32(
        _mm512_cvtps_epi32(x),
        _mm512_set1_epi32(127),
    )));
}
