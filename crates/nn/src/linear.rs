//! Linear layers.

use crate::matrix::Matrix;
use crate::pool::Pool;

/// Input rows: row `r` is `data[r * stride..][..columns]`.
///
/// `stride` may be smaller than `columns`: overlapping rows make a convolution over time a matrix
/// product.
#[derive(Debug, Clone, Copy)]
pub struct Rows<'a> {
    /// The elements.
    pub data: &'a [f32],
    /// How many rows.
    pub rows: usize,
    /// Elements of a row.
    pub columns: usize,
    /// Elements from the start of a row to the start of the next.
    pub stride: usize,
}

/// What happens to a result of [`linear`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Then {
    /// It replaces the output.
    Store,
    /// Its GELU (the exact one, with erf) replaces the output.
    Gelu,
    /// It is added to the output.
    Add,
}

/// `output[r * outputs + o] = then(sum over i of input[r][i] * weights[o][i] + bias[o])`.
pub fn linear(
    _pool: &Pool,
    input: Rows<'_>,
    weights: &Matrix,
    bias: Option<&[f32]>,
    then: Then,
    output: &mut [f32],
) {
    assert_eq!(input.columns, weights.inputs(), "input columns are the inputs of the weights");
    let outputs = weights.outputs();
    let mut weight = vec![0.0; weights.inputs()];
    for o in 0..outputs {
        weights.row(o, &mut weight);
        for r in 0..input.rows {
            let row = &input.data[r * input.stride..][..input.columns];
            let sum: f32 = row.iter().zip(&weight).map(|(a, b)| a * b).sum();
            let sum = sum + bias.map_or(0.0, |bias| bias[o]);
            let into = &mut output[r * outputs + o];
            *into = match then {
                Then::Store => sum,
                Then::Gelu => gelu(sum),
                Then::Add => *into + sum,
            };
        }
    }
}

fn gelu(x: f32) -> f32 {
    let z = f64::from(x.abs()) / std::f64::consts::SQRT_2;
    let t = 1.0 / (1.0 + 0.327_591_1 * z);
    let poly = ((((1.061_405_429 * t - 1.453_152_027) * t) + 1.421_413_741) * t - 0.284_496_736)
        * t
        + 0.254_829_592;
    let erf = 1.0 - poly * t * (-z * z).exp();
    (0.5 * f64::from(x) * (1.0 + erf.copysign(f64::from(x)))) as f32
}
