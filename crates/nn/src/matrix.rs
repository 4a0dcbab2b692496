//! Weights, packed for the kernels.

use half::slice::HalfFloatSliceExt;
use half::{bf16, f16};

use crate::vector::PANEL;

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

impl Elements<'_> {
    fn len(&self) -> usize {
        match self {
            Elements::F32(elements) => elements.len(),
            Elements::F16(elements) => elements.len(),
            Elements::Bf16(elements) => elements.len(),
        }
    }
}

/// The weights of a linear layer, each with its exact value.
#[derive(Debug, Clone)]
pub struct Matrix {
    panels: Panels,
    outputs: usize,
    inputs: usize,
}

/// Panel `p` holds outputs `32 * p..32 * (p + 1)`, zeros where there are fewer; its line `i` is the
/// weights of input `i`.
#[derive(Debug, Clone)]
pub(crate) enum Panels {
    F32(Vec<Line<f32>>),
    F16(Vec<Line<f16>>),
    Bf16(Vec<Line<bf16>>),
}

/// The weights of one input for the outputs of a panel.
#[derive(Debug, Clone, Copy)]
#[repr(C, align(64))]
pub(crate) struct Line<T>(pub(crate) [T; PANEL]);

impl Matrix {
    /// Packs row-major `elements` of shape `[outputs][inputs]`.
    ///
    /// They are stored in the narrowest of f16, bf16 and f32 that holds every value exactly: f32
    /// weights that were once f16 take half the memory, and no value ever changes.
    ///
    /// # Panics
    /// If there are not `outputs * inputs` elements.
    #[must_use]
    pub fn pack(elements: Elements<'_>, outputs: usize, inputs: usize) -> Matrix {
        assert_eq!(Some(elements.len()), outputs.checked_mul(inputs), "elements fill the matrix");
        let panels = match elements {
            Elements::F16(elements) => Panels::F16(pack(elements, outputs, inputs)),
            Elements::Bf16(elements) => Panels::Bf16(pack(elements, outputs, inputs)),
            Elements::F32(elements) => {
                if let Some(halves) = narrow::<f16>(elements) {
                    Panels::F16(pack(&halves, outputs, inputs))
                } else if let Some(halves) = narrow::<bf16>(elements) {
                    Panels::Bf16(pack(&halves, outputs, inputs))
                } else {
                    Panels::F32(pack(elements, outputs, inputs))
                }
            }
        };
        Matrix { panels, outputs, inputs }
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

    /// Memory that the elements take, in bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        match &self.panels {
            Panels::F32(lines) => size_of_val(lines.as_slice()),
            Panels::F16(lines) => size_of_val(lines.as_slice()),
            Panels::Bf16(lines) => size_of_val(lines.as_slice()),
        }
    }

    /// Copies row `output` into `into`: the output projection of a decoder is its embedding table.
    ///
    /// # Panics
    /// If there is no such row or `into` is not `inputs` long.
    pub fn row(&self, output: usize, into: &mut [f32]) {
        assert!(output < self.outputs, "row {output} of {}", self.outputs);
        assert_eq!(into.len(), self.inputs, "a row is as long as the inputs");
        let (first, lane) = (output / PANEL * self.inputs, output % PANEL);
        let lines = first..first + self.inputs;
        match &self.panels {
            Panels::F32(all) => copy(&all[lines], lane, into, |x| x),
            Panels::F16(all) => copy(&all[lines], lane, into, f16::to_f32),
            Panels::Bf16(all) => copy(&all[lines], lane, into, bf16::to_f32),
        }
    }

    pub(crate) fn panels(&self) -> &Panels {
        &self.panels
    }
}

fn copy<T: Copy>(lines: &[Line<T>], lane: usize, into: &mut [f32], widen: impl Fn(T) -> f32) {
    for (into, line) in into.iter_mut().zip(lines) {
        *into = widen(line.0[lane]);
    }
}

fn pack<T: Copy + Default>(elements: &[T], outputs: usize, inputs: usize) -> Vec<Line<T>> {
    let mut lines = vec![Line([T::default(); PANEL]); outputs.div_ceil(PANEL) * inputs];
    if inputs == 0 {
        return lines;
    }
    let panels = lines.chunks_exact_mut(inputs).zip(elements.chunks(PANEL * inputs));
    for (panel, elements) in panels {
        for (lane, row) in elements.chunks_exact(inputs).enumerate() {
            for (line, &element) in panel.iter_mut().zip(row) {
                line.0[lane] = element;
            }
        }
    }
    lines
}

/// The elements as `T`, if it holds each of them exactly.
fn narrow<T: Copy + Default>(elements: &[f32]) -> Option<Vec<T>>
where
    [T]: HalfFloatSliceExt,
{
    const CHUNK: usize = 1024;
    let mut narrowed = vec![T::default(); elements.len()];
    let mut back = [0.0; CHUNK];
    for (wide, narrow) in elements.chunks(CHUNK).zip(narrowed.chunks_mut(CHUNK)) {
        let back = &mut back[..wide.len()];
        narrow.convert_from_f32_slice(wide);
        narrow.convert_to_f32_slice(back);
        if wide.iter().zip(back).any(|(wide, back)| wide.to_bits() != back.to_bits()) {
            return None;
        }
    }
    Some(narrowed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reference::Random;

    /// Every row of the packed matrix is the row of `elements`, to the bit.
    fn check(matrix: &Matrix, elements: &[f32]) {
        let mut row = vec![0.0; matrix.inputs()];
        for (output, expected) in elements.chunks_exact(matrix.inputs()).enumerate() {
            matrix.row(output, &mut row);
            assert_eq!(row, expected);
        }
    }

    #[test]
    fn values_survive_in_the_narrowest_type() {
        let mut random = Random::new(1);
        for (outputs, inputs) in [(1, 1), (31, 3), (33, 65), (96, 32)] {
            let wide = random.values(outputs * inputs, 1.0);
            let halves: Vec<f16> = wide.iter().map(|&x| f16::from_f32(x)).collect();
            let brains: Vec<bf16> = wide.iter().map(|&x| bf16::from_f32(x * 1e10)).collect();
            let from_halves: Vec<f32> = halves.iter().map(|x| x.to_f32()).collect();
            let from_brains: Vec<f32> = brains.iter().map(|x| x.to_f32()).collect();
            let padded = outputs.div_ceil(PANEL) * PANEL * inputs;
            for (elements, expected, bytes) in [
                (Elements::F32(&wide), &wide, 4),
                (Elements::F16(&halves), &from_halves, 2),
                (Elements::Bf16(&brains), &from_brains, 2),
                (Elements::F32(&from_halves), &from_halves, 2),
                (Elements::F32(&from_brains), &from_brains, 2),
            ] {
                let matrix = Matrix::pack(elements, outputs, inputs);
                assert_eq!((matrix.outputs(), matrix.inputs()), (outputs, inputs));
                assert_eq!(matrix.bytes(), padded * bytes);
                check(&matrix, expected);
            }
        }
    }

    #[test]
    #[should_panic(expected = "elements fill the matrix")]
    fn a_matrix_of_the_wrong_size_is_refused() {
        let _ = Matrix::pack(Elements::F32(&[1.0; 5]), 2, 3);
    }
}
