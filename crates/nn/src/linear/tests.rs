//! Every level against float64 over random shapes.

use half::{bf16, f16};

use super::*;
use crate::matrix::Elements;
use crate::reference::{self, Random};

/// A random layer and what it has to give.
struct Case {
    data: Vec<f32>,
    rows: usize,
    inputs: usize,
    stride: usize,
    outputs: usize,
    weights: Matrix,
    bias: Option<Vec<f32>>,
    before: Vec<f32>,
    /// The products plus the bias.
    sums: Vec<f64>,
}

impl Case {
    fn new(random: &mut Random, [rows, inputs, stride, outputs]: [usize; 4], kind: usize) -> Case {
        let data = random.values((rows - 1) * stride + inputs, 1.0);
        let wide = random.values(outputs * inputs, 1.0 / (inputs.max(1) as f32).sqrt());
        let halves: Vec<f16> = wide.iter().map(|&x| f16::from_f32(x)).collect();
        let brains: Vec<bf16> = wide.iter().map(|&x| bf16::from_f32(x)).collect();
        let (elements, exact): (_, Vec<f32>) = match kind {
            0 => (Elements::F32(&wide), wide.clone()),
            1 => (Elements::F16(&halves), halves.iter().map(|x| x.to_f32()).collect()),
            _ => (Elements::Bf16(&brains), brains.iter().map(|x| x.to_f32()).collect()),
        };
        let weights = Matrix::pack(elements, outputs, inputs);
        let bias = (random.below(0, 3) > 0).then(|| random.values(outputs, 1.0));
        let before = random.values(rows * outputs, 1.0);
        let mut sums = Vec::with_capacity(rows * outputs);
        for r in 0..rows {
            for o in 0..outputs {
                let row = data[r * stride..][..inputs].iter().zip(&exact[o * inputs..]);
                let sum: f64 = row.map(|(a, b)| f64::from(*a) * f64::from(*b)).sum();
                sums.push(sum + bias.as_ref().map_or(0.0, |bias| f64::from(bias[o])));
            }
        }
        Case { data, rows, inputs, stride, outputs, weights, bias, before, sums }
    }

    /// Runs it on every level and with everything that can follow.
    fn check(&self, pool: &Pool) {
        let Case { rows, inputs, stride, outputs, .. } = *self;
        let input = Rows { data: &self.data, rows, columns: inputs, stride };
        for level in Level::available() {
            for then in [Then::Store, Then::Gelu, Then::Add] {
                let expected: Vec<f64> = match then {
                    Then::Store => self.sums.clone(),
                    Then::Gelu => self.sums.iter().map(|&sum| reference::gelu(sum)).collect(),
                    Then::Add => {
                        let both = self.sums.iter().zip(&self.before);
                        both.map(|(sum, before)| sum + f64::from(*before)).collect()
                    }
                };
                let mut output = self.before.clone();
                let bias = self.bias.as_deref();
                linear_at(level, pool, input, &self.weights, bias, then, &mut output);
                let what =
                    format!("{level:?} {then:?} {rows}x{inputs} (stride {stride}) x{outputs}");
                reference::assert_close(&output, &expected, 1e-5, &what);
            }
        }
    }
}

#[test]
fn few_and_many_rows_of_odd_shapes_agree_with_float64() {
    let mut random = Random::new(2);
    let pool = Pool::new(3);
    let sizes = [1, 2, 7, 31, 32, 33, 64, 100];
    for rows in 1..=18 {
        for kind in 0..3 {
            let inputs = sizes[random.below(0, sizes.len())];
            let outputs = sizes[random.below(0, sizes.len())];
            let stride = inputs + random.below(0, 3);
            Case::new(&mut random, [rows, inputs, stride, outputs], kind).check(&pool);
        }
    }
    for kind in 0..3 {
        let shape = [random.below(40, 120), random.below(1, 90), 90, random.below(1, 150)];
        Case::new(&mut random, shape, kind).check(&pool);
    }
}

#[test]
fn deep_products_are_summed_in_parts() {
    let mut random = Random::new(3);
    let pool = Pool::new(2);
    for (rows, inputs) in [(1, 1301), (20, 641), (50, 1301)] {
        Case::new(&mut random, [rows, inputs, inputs, 70], 1).check(&pool);
    }
}

#[test]
fn overlapping_rows_are_a_convolution() {
    let mut random = Random::new(4);
    let pool = Pool::new(2);
    for (rows, stride) in [(5, 8), (61, 8), (61, 16), (40, 0)] {
        Case::new(&mut random, [rows, 24, stride, 33], 0).check(&pool);
    }
}

#[test]
fn many_outputs_are_split_over_threads() {
    let mut random = Random::new(5);
    let pool = Pool::new(4);
    Case::new(&mut random, [2, 64, 64, 2900], 1).check(&pool);
    Case::new(&mut random, [20, 16, 16, 1000], 2).check(&pool);
}

#[test]
fn empty_shapes_leave_the_bias_or_nothing() {
    let mut random = Random::new(6);
    let pool = Pool::new(2);
    Case::new(&mut random, [3, 0, 0, 5], 0).check(&pool);
    Case::new(&mut random, [20, 0, 0, 5], 0).check(&pool);
    let weights = Matrix::pack(Elements::F32(&[1.0; 6]), 2, 3);
    let none = Rows { data: &[], rows: 0, columns: 3, stride: 3 };
    linear(&pool, none, &weights, None, Then::Store, &mut []);
}

#[test]
#[should_panic(expected = "all rows lie within the data")]
fn rows_beyond_the_data_are_refused() {
    let weights = Matrix::pack(Elements::F32(&[1.0; 6]), 2, 3);
    let input = Rows { data: &[1.0; 5], rows: 2, columns: 3, stride: 3 };
    linear(&Pool::new(1), input, &weights, None, Then::Store, &mut [0.0; 4]);
}
