//! Vectors of f32 and the levels of kernels built from them.
//!
//! A kernel is written once, over [`Vector`], and [`Level::run`] compiles it for every instruction
//! set: everything below it is inlined into one function that has the features enabled.

mod portable;
#[cfg(target_arch = "x86_64")]
mod x86;

use std::sync::OnceLock;

use half::{bf16, f16};

use crate::f24::F24;

/// Outputs of a panel of packed weights, on every level.
pub(crate) const PANEL: usize = 32;

/// A register of f32 lanes. Only [`Level::run`] names the types that implement it, so that their
/// instructions are never reached on a machine without them.
pub(crate) trait Vector: Copy {
    /// Lanes: a power of two up to 16.
    const LANES: usize;
    /// Rows of the matrix product's tile that still fit the registers; divides 12.
    const TILE: usize;
    /// The same where the rows are the columns of an attention head; divides 8.
    const SHORT: usize;
    /// Rows that a pass over a whole panel can accumulate in registers, at most 8.
    const FEW: usize;

    /// All lanes `x`.
    fn splat(x: f32) -> Self;
    /// # Safety
    /// `from` is readable for all lanes.
    unsafe fn load_f32(from: *const f32) -> Self;
    /// # Safety
    /// `from` is readable for all lanes.
    unsafe fn load_f16(from: *const f16) -> Self;
    /// # Safety
    /// `from` is readable for all lanes.
    unsafe fn load_bf16(from: *const bf16) -> Self;
    /// # Safety
    /// `from` is readable for all lanes.
    unsafe fn load_f24(from: *const F24) -> Self;
    /// # Safety
    /// `into` is writable for all lanes.
    unsafe fn store_f32(self, into: *mut f32);
    /// Asks for the cache line at `from`; any address will do.
    fn prefetch<T>(from: *const T);

    /// Lane by lane `self + other`.
    fn add(self, other: Self) -> Self;
    /// Lane by lane `self - other`.
    fn sub(self, other: Self) -> Self;
    /// Lane by lane `self * other`.
    fn mul(self, other: Self) -> Self;
    /// Lane by lane `self / other`.
    fn div(self, other: Self) -> Self;
    /// Lane by lane `self * factor + term`.
    fn mul_add(self, factor: Self, term: Self) -> Self;
    /// Lane by lane the larger; `other` where either is not a number.
    fn max(self, other: Self) -> Self;
    /// Lane by lane the smaller; `other` where either is not a number.
    fn min(self, other: Self) -> Self;
    /// Lane by lane the nearest integer, for values within ±2^22.
    fn round(self) -> Self;
    /// Lane by lane 2 to the power of an integer from -127 (which gives 0) to 127.
    fn exp2_integer(self) -> Self;

    /// The first lanes of `from`.
    #[inline(always)]
    fn load(from: &[f32]) -> Self {
        assert!(from.len() >= Self::LANES);
        // SAFETY: the slice has all lanes.
        unsafe { Self::load_f32(from.as_ptr()) }
    }

    /// Writes the first lanes of `into`.
    #[inline(always)]
    fn store(self, into: &mut [f32]) {
        assert!(into.len() >= Self::LANES);
        // SAFETY: the slice has all lanes.
        unsafe { self.store_f32(into.as_mut_ptr()) }
    }

    /// The lanes, and zeros behind them.
    #[inline(always)]
    fn lanes(self) -> [f32; 16] {
        let mut lanes = [0.0; 16];
        self.store(&mut lanes);
        lanes
    }

    /// The sum of all lanes, added in pairs.
    #[inline(always)]
    fn sum(self) -> f32 {
        let mut lanes = self.lanes();
        let mut width = 8;
        while width > 0 {
            for i in 0..width {
                lanes[i] += lanes[i + width];
            }
            width /= 2;
        }
        lanes[0]
    }

    /// The largest lane.
    #[inline(always)]
    fn largest(self) -> f32 {
        self.lanes()[..Self::LANES].iter().copied().fold(f32::NEG_INFINITY, f32::max)
    }
}

/// A stored element of a matrix.
pub(crate) trait Element: Copy + Send + Sync + 'static {
    /// # Safety
    /// `from` is readable for all lanes.
    unsafe fn load<V: Vector>(from: *const Self) -> V;
}

impl Element for f32 {
    #[inline(always)]
    unsafe fn load<V: Vector>(from: *const Self) -> V {
        // SAFETY: as the caller promises.
        unsafe { V::load_f32(from) }
    }
}

impl Element for f16 {
    #[inline(always)]
    unsafe fn load<V: Vector>(from: *const Self) -> V {
        // SAFETY: as the caller promises.
        unsafe { V::load_f16(from) }
    }
}

impl Element for bf16 {
    #[inline(always)]
    unsafe fn load<V: Vector>(from: *const Self) -> V {
        // SAFETY: as the caller promises.
        unsafe { V::load_bf16(from) }
    }
}

impl Element for F24 {
    #[inline(always)]
    unsafe fn load<V: Vector>(from: *const Self) -> V {
        // SAFETY: as the caller promises.
        unsafe { V::load_f24(from) }
    }
}

/// Code that is compiled for every level. `run` and what it calls must be `#[inline(always)]`.
pub(crate) trait Kernel {
    /// What it computes.
    type Output;
    /// Runs with the registers of one level.
    fn run<V: Vector>(self) -> Self::Output;
}

/// An instruction set that this machine has: there is no other way to get one than to detect it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Level(Set);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Set {
    Portable,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    #[cfg(target_arch = "x86_64")]
    Avx512,
}

impl Level {
    /// The levels of this machine, slowest first.
    pub(crate) fn available() -> Vec<Level> {
        let mut levels = vec![Level(Set::Portable)];
        #[cfg(target_arch = "x86_64")]
        if x86::has_avx2() {
            levels.push(Level(Set::Avx2));
            if x86::has_avx512() {
                levels.push(Level(Set::Avx512));
            }
        }
        levels
    }

    /// The fastest level of this machine.
    pub(crate) fn best() -> Level {
        static BEST: OnceLock<Level> = OnceLock::new();
        *BEST.get_or_init(|| Level::available().pop().unwrap_or(Level(Set::Portable)))
    }

    /// `avx512`, `avx2` or `portable`.
    pub(crate) fn name(self) -> &'static str {
        match self.0 {
            Set::Portable => "portable",
            #[cfg(target_arch = "x86_64")]
            Set::Avx2 => "avx2",
            #[cfg(target_arch = "x86_64")]
            Set::Avx512 => "avx512",
        }
    }

    /// Runs `kernel` with this level's registers.
    #[inline]
    pub(crate) fn run<K: Kernel>(self, kernel: K) -> K::Output {
        match self.0 {
            Set::Portable => kernel.run::<portable::F32x4>(),
            #[cfg(target_arch = "x86_64")]
            // SAFETY: this level exists only where the features were detected.
            Set::Avx2 => unsafe { x86::run_avx2(kernel) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: this level exists only where the features were detected.
            Set::Avx512 => unsafe { x86::run_avx512(kernel) },
        }
    }
}
