//! Packed weights.

use half::{bf16, f16};

/// Row-major elements of a weight matrix, as a model file stores them.
#[derive(Debug, Clone, Copy)]
pub enum Elements<'a> {
    /// 32 bit.
    F32(&'a [f32]),
    /// IEEE half precision.
    F16(&'a [f16]),
    /// The upper half of a 32 bit float.
    Bf16(&'a [bf16]),
}

/// Weights of a linear layer.
#[derive(Debug)]
pub struct Matrix {
    elements: Vec<f32>,
    outputs: usize,
    inputs: usize,
}

impl Matrix {
    /// Packs row-major `elements` of shape `[outputs][inputs]`.
    #[must_use]
    pub fn pack(elements: Elements<'_>, outputs: usize, inputs: usize) -> Matrix {
        let elements: Vec<f32> = match elements {
            Elements::F32(values) => values.to_vec(),
            Elements::F16(values) => values.iter().map(|v| v.to_f32()).collect(),
            Elements::Bf16(values) => values.iter().map(|v| v.to_f32()).collect(),
        };
        assert_eq!(elements.len(), outputs * inputs, "elements fill the matrix");
        Matrix { elements, outputs, inputs }
    }

    /// Rows of the matrix.
    #[must_use]
    pub fn outputs(&self) -> usize {
        self.outputs
    }

    /// Columns of the matrix.
    #[must_use]
    pub fn inputs(&self) -> usize {
        self.inputs
    }

    /// Memory that the elements take.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.elements.len() * 4
    }

    /// Copies row `output` into `into` (`inputs` long).
    pub fn row(&self, output: usize, into: &mut [f32]) {
        into.copy_from_slice(&self.elements[output * self.inputs..][..self.inputs]);
    }
}
