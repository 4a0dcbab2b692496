//! Elementary functions on vectors.

use crate::vector::Vector;

/// `e` to the power of each lane, relative error below 2e-7; 0 below -87.7 (`-inf` included), and
/// finite above 88.
#[inline(always)]
pub(crate) fn exp<V: Vector>(x: V) -> V {
    // At -127 * ln 2 the power of two becomes 0.
    let x = V::splat(-88.029_69).max(V::splat(88.0).min(x));
    let n = x.mul(V::splat(std::f32::consts::LOG2_E)).round();
    // ln 2 in two parts: the first has trailing zeros, so that n times it is exact.
    let r = n.mul_add(V::splat(-0.693_359_4), x);
    let r = n.mul_add(V::splat(2.121_944_4e-4), r);
    // The minimax polynomial of Cephes' expf on ±ln 2 / 2.
    let p = V::splat(1.987_569_1e-4)
        .mul_add(r, V::splat(1.398_2e-3))
        .mul_add(r, V::splat(8.333_452e-3))
        .mul_add(r, V::splat(4.166_579_6e-2))
        .mul_add(r, V::splat(0.166_666_66))
        .mul_add(r, V::splat(0.5));
    let p = p.mul_add(r.mul(r), r.add(V::splat(1.0)));
    p.mul(n.exp2_integer())
}

/// `x / 2 * (1 + erf(x / sqrt 2))`, absolute error below 5e-7.
///
/// Abramowitz and Stegun 7.1.26, written with erfc so that the tail of negative `x` does not cancel.
#[inline(always)]
pub(crate) fn gelu<V: Vector>(x: V) -> V {
    let zero = V::splat(0.0);
    let size = x.max(zero.sub(x));
    let z = size.mul(V::splat(std::f32::consts::FRAC_1_SQRT_2));
    let one = V::splat(1.0);
    let t = one.div(z.mul_add(V::splat(0.327_591_1), one));
    let p = V::splat(1.061_405_4)
        .mul_add(t, V::splat(-1.453_152_1))
        .mul_add(t, V::splat(1.421_413_8))
        .mul_add(t, V::splat(-0.284_496_72))
        .mul_add(t, V::splat(0.254_829_6))
        .mul(t);
    let erfc = p.mul(exp(zero.sub(z.mul(z))));
    x.max(zero).sub(size.mul(V::splat(0.5)).mul(erfc))
}

/// A function of one lane.
///
/// A trait and not `Fn`: a closure would be compiled without the vector instructions of the kernel
/// that it is written in.
pub(crate) trait Function {
    /// Its value for each lane.
    fn of<V: Vector>(&self, x: V) -> V;
}

/// `x`.
pub(crate) struct Same;

/// `x * self`.
pub(crate) struct Times(pub(crate) f32);

/// `(x - self)^2`.
pub(crate) struct SquareFrom(pub(crate) f32);

/// `exp(x - self)`.
pub(crate) struct ExpFrom(pub(crate) f32);

impl Function for Same {
    #[inline(always)]
    fn of<V: Vector>(&self, x: V) -> V {
        x
    }
}

impl Function for Times {
    #[inline(always)]
    fn of<V: Vector>(&self, x: V) -> V {
        x.mul(V::splat(self.0))
    }
}

impl Function for SquareFrom {
    #[inline(always)]
    fn of<V: Vector>(&self, x: V) -> V {
        let x = x.sub(V::splat(self.0));
        x.mul(x)
    }
}

impl Function for ExpFrom {
    #[inline(always)]
    fn of<V: Vector>(&self, x: V) -> V {
        exp(x.sub(V::splat(self.0)))
    }
}

/// Replaces each element by `function` of it.
#[inline(always)]
pub(crate) fn map<V: Vector>(row: &mut [f32], function: impl Function) {
    let mut chunks = row.chunks_exact_mut(V::LANES);
    for chunk in &mut chunks {
        function.of(V::load(chunk)).store(chunk);
    }
    let rest = chunks.into_remainder();
    if !rest.is_empty() {
        let mut padded = [0.0; 16];
        padded[..rest.len()].copy_from_slice(rest);
        function.of(V::load(&padded)).store(&mut padded);
        rest.copy_from_slice(&padded[..rest.len()]);
    }
}

/// Elements whose sum is kept in the lanes of one register before it joins an f64.
const CHUNK: usize = 256;

/// The sum of `function` over a row; `neutral`, of which it makes 0, fills the last vector.
#[inline(always)]
pub(crate) fn sum<V: Vector>(row: &[f32], neutral: f32, function: impl Function) -> f64 {
    let mut total = 0.0;
    for chunk in row.chunks(CHUNK) {
        let mut sum = V::splat(0.0);
        let mut vectors = chunk.chunks_exact(V::LANES);
        for vector in &mut vectors {
            sum = sum.add(function.of(V::load(vector)));
        }
        let rest = vectors.remainder();
        if !rest.is_empty() {
            let mut padded = [neutral; 16];
            padded[..rest.len()].copy_from_slice(rest);
            sum = sum.add(function.of(V::load(&padded)));
        }
        total += f64::from(sum.sum());
    }
    total
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reference;
    use crate::vector::{Kernel, Level};

    struct Exp<'a>(&'a mut [f32]);

    impl Kernel for Exp<'_> {
        type Output = ();
        #[inline(always)]
        fn run<V: Vector>(self) {
            map::<V>(self.0, ExpFrom(0.0));
        }
    }

    struct GeluOf;

    impl Function for GeluOf {
        #[inline(always)]
        fn of<V: Vector>(&self, x: V) -> V {
            gelu(x)
        }
    }

    struct Gelu<'a>(&'a mut [f32]);

    impl Kernel for Gelu<'_> {
        type Output = ();
        #[inline(always)]
        fn run<V: Vector>(self) {
            map::<V>(self.0, GeluOf);
        }
    }

    #[test]
    fn exp_agrees_with_float64() {
        for level in Level::available() {
            let x: Vec<f32> = (-87_000..87_001).map(|i| i as f32 / 1000.0).collect();
            let mut y = x.clone();
            level.run(Exp(&mut y));
            for (x, y) in x.iter().zip(&y) {
                let expected = f64::from(*x).exp();
                let error = (f64::from(*y) - expected).abs() / expected;
                assert!(error < 2e-7, "{level:?}: exp({x}) = {y}, off by {error:e}");
            }
            let mut edge = [f32::NEG_INFINITY, -1000.0, -88.5, 0.0];
            level.run(Exp(&mut edge));
            assert_eq!(edge, [0.0, 0.0, 0.0, 1.0], "{level:?}");
        }
    }

    #[test]
    fn gelu_agrees_with_float64() {
        for level in Level::available() {
            let x: Vec<f32> = (-100_000..100_001).map(|i| i as f32 / 8000.0).collect();
            let mut y = x.clone();
            level.run(Gelu(&mut y));
            for (x, y) in x.iter().zip(&y) {
                let error = (f64::from(*y) - reference::gelu(f64::from(*x))).abs();
                // Half a unit in the last place of the result comes on top.
                assert!(error < 5e-7 + f64::from(x.abs()) * 6e-8, "{level:?}: gelu({x}) = {y}");
            }
            let mut edge = [1e4, -1e4, 1e30, -1e30];
            level.run(Gelu(&mut edge));
            assert_eq!(edge, [1e4, 0.0, 1e30, 0.0], "{level:?}");
        }
    }
}
