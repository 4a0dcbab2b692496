//! Normalisation of rows.

use crate::math::{self, ExpFrom, Function, Same, SquareFrom, Times};
use crate::pool::Pool;
use crate::scratch::Shared;
use crate::vector::{Kernel, Level, Vector};

/// Added to the variance, as PyTorch does by default.
const EPSILON: f32 = 1e-5;
/// Rows of a task: enough work to be worth handing over.
const ROWS_PER_TASK: usize = 16;

/// `output = (input - mean) / sqrt(variance + 1e-5) * gamma + beta` for each row of `gamma.len()`
/// elements, with the biased variance.
///
/// # Panics
/// If the shapes do not agree.
pub fn layer_norm(pool: &Pool, input: &[f32], gamma: &[f32], beta: &[f32], output: &mut [f32]) {
    layer_norm_at(Level::best(), pool, input, gamma, beta, output);
}

/// [`layer_norm`] with the kernels of `level`.
pub(crate) fn layer_norm_at(
    level: Level,
    pool: &Pool,
    input: &[f32],
    gamma: &[f32],
    beta: &[f32],
    output: &mut [f32],
) {
    assert_eq!(gamma.len(), beta.len(), "gamma and beta are as long as a row");
    assert_eq!(input.len(), output.len(), "output has the shape of the input");
    if input.is_empty() {
        return;
    }
    assert!(input.len().is_multiple_of(gamma.len()), "input consists of rows");
    let task_len = ROWS_PER_TASK * gamma.len();
    let tasks = input.len().div_ceil(task_len);
    let output = Shared::new(output);
    pool.run(tasks, &|task| {
        let at = task * task_len;
        let input = &input[at..input.len().min(at + task_len)];
        // SAFETY: each task has rows of its own.
        let output = unsafe { output.part(at, input.len()) };
        level.run(LayerNorm { input, gamma, beta, output });
    });
}

struct LayerNorm<'a> {
    input: &'a [f32],
    gamma: &'a [f32],
    beta: &'a [f32],
    output: &'a mut [f32],
}

impl Kernel for LayerNorm<'_> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vector>(self) {
        let LayerNorm { input, gamma, beta, output } = self;
        let n = gamma.len();
        for (row, into) in input.chunks_exact(n).zip(output.chunks_exact_mut(n)) {
            let mean = (math::sum::<V>(row, 0.0, Same) / n as f64) as f32;
            let squares = math::sum::<V>(row, mean, SquareFrom(mean));
            let scale = 1.0 / ((squares / n as f64) as f32 + EPSILON).sqrt();
            let whole = n - n % V::LANES;
            for at in (0..whole).step_by(V::LANES) {
                let x = V::load(&row[at..]).sub(V::splat(mean)).mul(V::splat(scale));
                x.mul_add(V::load(&gamma[at..]), V::load(&beta[at..])).store(&mut into[at..]);
            }
            for i in whole..n {
                into[i] = (row[i] - mean) * scale * gamma[i] + beta[i];
            }
        }
    }
}

/// The largest element of a row.
#[inline(always)]
fn largest<V: Vector>(row: &[f32]) -> f32 {
    let mut vectors = row.chunks_exact(V::LANES);
    let mut max = V::splat(f32::NEG_INFINITY);
    for vector in &mut vectors {
        max = max.max(V::load(vector));
    }
    vectors.remainder().iter().copied().fold(max.largest(), f32::max)
}

/// Replaces the row by `exp(x - largest)` and returns the sum of that; a row of only `-inf` becomes
/// zeros.
#[inline(always)]
pub(crate) fn exponentials<V: Vector>(row: &mut [f32]) -> f64 {
    let max = largest::<V>(row);
    if max == f32::NEG_INFINITY {
        row.fill(0.0);
        return 0.0;
    }
    math::map::<V>(row, ExpFrom(max));
    math::sum::<V>(row, 0.0, Same)
}

struct Softmax<'a>(&'a mut [f32]);

impl Kernel for Softmax<'_> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vector>(self) {
        let sum = exponentials::<V>(self.0);
        if sum > 0.0 {
            math::map::<V>(self.0, Times((1.0 / sum) as f32));
        }
    }
}

struct LogSoftmax<'a>(&'a mut [f32]);

impl Kernel for LogSoftmax<'_> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vector>(self) {
        let max = largest::<V>(self.0);
        if max == f32::NEG_INFINITY {
            return;
        }
        let log = math::sum::<V>(self.0, f32::NEG_INFINITY, ExpFrom(max)).ln();
        math::map::<V>(self.0, Minus(max, log as f32));
    }
}

/// `x - self.0 - self.1`: the largest first, so that nothing small is lost.
struct Minus(f32, f32);

impl Function for Minus {
    #[inline(always)]
    fn of<V: Vector>(&self, x: V) -> V {
        x.sub(V::splat(self.0)).sub(V::splat(self.1))
    }
}

/// Softmax of one row in place. `-inf` becomes 0, also where the whole row is `-inf`.
pub fn softmax(row: &mut [f32]) {
    softmax_at(Level::best(), row);
}

/// [`softmax`] with the kernels of `level`.
pub(crate) fn softmax_at(level: Level, row: &mut [f32]) {
    level.run(Softmax(row));
}

/// Log-softmax of one row in place. `-inf` stays `-inf`.
pub fn log_softmax(row: &mut [f32]) {
    log_softmax_at(Level::best(), row);
}

/// [`log_softmax`] with the kernels of `level`.
pub(crate) fn log_softmax_at(level: Level, row: &mut [f32]) {
    level.run(LogSoftmax(row));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reference::{Random, assert_close};

    const INF: f32 = f32::NEG_INFINITY;

    fn log_softmax_of(row: &[f32]) -> Vec<f64> {
        let max = f64::from(row.iter().copied().fold(INF, f32::max));
        let sum: f64 = row.iter().map(|&x| (f64::from(x) - max).exp()).sum();
        row.iter().map(|&x| f64::from(x) - max - sum.ln()).collect()
    }

    #[test]
    fn layer_norm_agrees_with_float64() {
        let mut random = Random::new(10);
        let pool = Pool::new(3);
        for (rows, n) in [(1, 1), (1, 512), (3, 33), (50, 31), (17, 384), (2, 1000)] {
            let mut input = random.values(rows * n, 2.0);
            // A mean that is large beside the spread.
            input.iter_mut().for_each(|x| *x += 30.0);
            let (gamma, beta) = (random.values(n, 2.0), random.values(n, 1.0));
            let mut expected = Vec::new();
            for row in input.chunks_exact(n) {
                let mean = row.iter().map(|&x| f64::from(x)).sum::<f64>() / n as f64;
                let square = |&x: &f32| (f64::from(x) - mean).powi(2);
                let deviation = (row.iter().map(square).sum::<f64>() / n as f64 + 1e-5).sqrt();
                for i in 0..n {
                    let x = (f64::from(row[i]) - mean) / deviation;
                    expected.push(x * f64::from(gamma[i]) + f64::from(beta[i]));
                }
            }
            for level in Level::available() {
                let mut got = vec![f32::NAN; input.len()];
                layer_norm_at(level, &pool, &input, &gamma, &beta, &mut got);
                assert_close(&got, &expected, 1e-5, &format!("{level:?} {rows}x{n}"));
            }
        }
    }

    #[test]
    fn softmax_and_log_softmax_agree_with_float64() {
        let mut random = Random::new(11);
        for (n, size, offset) in
            [(1, 1.0, 0.0), (5, 30.0, 1e4), (33, 1.0, -1e4), (1000, 8.0, 0.0), (51_865, 3.0, 5.0)]
        {
            let mut row = random.values(n, size);
            row.iter_mut().for_each(|x| *x += offset);
            if n > 4 {
                row[3] = INF;
            }
            let expected = log_softmax_of(&row);
            let probabilities: Vec<f64> = expected.iter().map(|x| x.exp()).collect();
            for level in Level::available() {
                let mut got = row.clone();
                softmax_at(level, &mut got);
                assert_close(&got, &probabilities, 5e-7, &format!("softmax {level:?} {n}"));
                let mut got = row.clone();
                log_softmax_at(level, &mut got);
                let finite = |x: f64| if x.is_finite() { x } else { 0.0 };
                let expected: Vec<f64> = expected.iter().map(|&x| finite(x)).collect();
                assert!(n <= 4 || got[3] == INF);
                got.iter_mut().filter(|x| **x == INF).for_each(|x| *x = 0.0);
                assert_close(&got, &expected, 5e-7, &format!("log_softmax {level:?} {n}"));
            }
        }
    }

    #[test]
    fn masked_rows_stay_masked() {
        for level in Level::available() {
            let mut row = [INF; 20];
            softmax_at(level, &mut row);
            assert_eq!(row, [0.0; 20]);
            let mut row = [INF; 20];
            log_softmax_at(level, &mut row);
            assert_eq!(row, [INF; 20]);
            let mut row = [INF; 20];
            row[17] = -3.0e38;
            log_softmax_at(level, &mut row);
            assert_eq!((row[0], row[17]), (INF, 0.0));
            softmax_at(level, &mut []);
            log_softmax_at(level, &mut []);
        }
    }
}
