//! Normalisation of rows.

use crate::pool::Pool;

/// Layer normalisation of rows of `gamma.len()` elements, epsilon 1e-5.
pub fn layer_norm(_pool: &Pool, input: &[f32], gamma: &[f32], beta: &[f32], output: &mut [f32]) {
    let n = gamma.len();
    for (row, into) in input.chunks_exact(n).zip(output.chunks_exact_mut(n)) {
        let mean = row.iter().map(|&x| f64::from(x)).sum::<f64>() / n as f64;
        let variance = row.iter().map(|&x| (f64::from(x) - mean).powi(2)).sum::<f64>() / n as f64;
        let scale = 1.0 / (variance + 1e-5).sqrt();
        for i in 0..n {
            into[i] = ((f64::from(row[i]) - mean) * scale) as f32 * gamma[i] + beta[i];
        }
    }
}

fn log_sum(row: &[f32]) -> f64 {
    let max = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    f64::from(max) + row.iter().map(|&x| f64::from(x - max).exp()).sum::<f64>().ln()
}

/// Softmax of one row in place. `-inf` entries become 0.
pub fn softmax(row: &mut [f32]) {
    let log_sum = log_sum(row);
    row.iter_mut().for_each(|x| *x = (f64::from(*x) - log_sum).exp() as f32);
}

/// Log-softmax of one row in place. `-inf` entries stay `-inf`.
pub fn log_softmax(row: &mut [f32]) {
    let log_sum = log_sum(row);
    row.iter_mut().for_each(|x| *x = (f64::from(*x) - log_sum) as f32);
}
