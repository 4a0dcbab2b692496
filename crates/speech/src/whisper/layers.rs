//! The parts that encoder and decoder share.

use hansard_nn::{Matrix, Pool, Rows, Then, layer_norm, linear};

use super::weights::Weights;
use crate::Error;

/// A linear layer, with a bias or without.
pub(super) struct Linear {
    weights: Matrix,
    bias: Option<Vec<f32>>,
}

/// A layer norm.
pub(super) struct Norm {
    gamma: Vec<f32>,
    beta: Vec<f32>,
}

/// The projections of an attention layer.
pub(super) struct Projections {
    pub(super) query: Linear,
    pub(super) key: Linear,
    pub(super) value: Linear,
    pub(super) output: Linear,
}

/// The feed-forward part of a layer with its norm.
pub(super) struct FeedForward {
    norm: Norm,
    up: Linear,
    down: Linear,
}

impl Linear {
    pub(super) fn load(
        weights: &mut Weights,
        name: &str,
        outputs: usize,
        inputs: usize,
        has_bias: bool,
    ) -> Result<Self, Error> {
        let bias =
            has_bias.then(|| weights.vector(&format!("{name}.bias"), &[outputs])).transpose()?;
        Ok(Self { weights: weights.matrix(&format!("{name}.weight"), outputs, inputs)?, bias })
    }

    /// A convolution over three frames of `channels`, as a linear layer over overlapping rows.
    pub(super) fn load_convolution(
        weights: &mut Weights,
        name: &str,
        outputs: usize,
        channels: usize,
    ) -> Result<Self, Error> {
        Ok(Self {
            weights: weights.convolution(&format!("{name}.weight"), outputs, channels)?,
            bias: Some(weights.vector(&format!("{name}.bias"), &[outputs])?),
        })
    }

    pub(super) fn run(&self, pool: &Pool, input: &[f32], then: Then, output: &mut [f32]) {
        let columns = self.weights.inputs();
        let rows = input.len() / columns;
        let input = Rows { data: input, rows, columns, stride: columns };
        self.run_rows(pool, input, then, output);
    }

    pub(super) fn run_rows(&self, pool: &Pool, input: Rows<'_>, then: Then, output: &mut [f32]) {
        linear(pool, input, &self.weights, self.bias.as_deref(), then, output);
    }
}

impl Norm {
    pub(super) fn load(weights: &mut Weights, name: &str, columns: usize) -> Result<Self, Error> {
        Ok(Self {
            gamma: weights.vector(&format!("{name}.weight"), &[columns])?,
            beta: weights.vector(&format!("{name}.bias"), &[columns])?,
        })
    }

    pub(super) fn run(&self, pool: &Pool, input: &[f32], output: &mut [f32]) {
        layer_norm(pool, input, &self.gamma, &self.beta, output);
    }
}

impl Projections {
    /// Keys have no bias: it would shift all scores of a query alike, which softmax undoes.
    pub(super) fn load(weights: &mut Weights, name: &str, columns: usize) -> Result<Self, Error> {
        let mut part = |part: &str, has_bias| {
            Linear::load(weights, &format!("{name}.{part}_proj"), columns, columns, has_bias)
        };
        Ok(Self {
            query: part("q", true)?,
            key: part("k", false)?,
            value: part("v", true)?,
            output: part("out", true)?,
        })
    }
}

impl FeedForward {
    pub(super) fn load(
        weights: &mut Weights,
        layer: &str,
        columns: usize,
        hidden: usize,
    ) -> Result<Self, Error> {
        Ok(Self {
            norm: Norm::load(weights, &format!("{layer}.final_layer_norm"), columns)?,
            up: Linear::load(weights, &format!("{layer}.fc1"), hidden, columns, true)?,
            down: Linear::load(weights, &format!("{layer}.fc2"), columns, hidden, true)?,
        })
    }

    /// Adds to `state` what the layer makes of it. `normed` is as long as `state`, `hidden` as the hidden width has it.
    pub(super) fn run(
        &self,
        pool: &Pool,
        state: &mut [f32],
        normed: &mut [f32],
        hidden: &mut [f32],
    ) {
        self.norm.run(pool, state, normed);
        self.up.run(pool, normed, Then::Gelu, hidden);
        self.down.run(pool, hidden, Then::Add, state);
    }
}
