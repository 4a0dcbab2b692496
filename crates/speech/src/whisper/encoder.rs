//! The encoder: log-mel frames of one window in, one row of features per 20 ms out.

use hansard_nn::{Pool, Rows, Then, attend};

use super::config::Config;
use super::layers::{FeedForward, Linear, Norm, Projections};
use super::mel::WINDOW_FRAMES;
use super::weights::Weights;
use crate::{Cancel, Error};

/// Weights of the encoder.
pub(super) struct Encoder {
    first: Linear,
    second: Linear,
    positions: Vec<f32>,
    layers: Vec<Layer>,
    norm: Norm,
    columns: usize,
    heads: usize,
    hidden: usize,
    bins: usize,
}

struct Layer {
    norm: Norm,
    attention: Projections,
    feed_forward: FeedForward,
}

impl Encoder {
    pub(super) fn load(weights: &mut Weights, config: &Config) -> Result<Self, Error> {
        let columns = config.d_model;
        let bins = config.num_mel_bins;
        let name = "model.encoder";
        let layers = (0..config.encoder_layers)
            .map(|n| Layer::load(weights, &format!("{name}.layers.{n}"), config))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            first: Linear::load_convolution(weights, &format!("{name}.conv1"), columns, bins)?,
            second: Linear::load_convolution(weights, &format!("{name}.conv2"), columns, columns)?,
            positions: weights.vector(
                &format!("{name}.embed_positions.weight"),
                &[config.max_source_positions, columns],
            )?,
            layers,
            norm: Norm::load(weights, &format!("{name}.layer_norm"), columns)?,
            columns,
            heads: config.encoder_attention_heads,
            hidden: config.encoder_ffn_dim,
            bins,
        })
    }

    /// Encodes `mel`, `[3000 frames][bins]`, into `[1500][columns]`.
    pub(super) fn run(&self, pool: &Pool, mel: &[f32], cancel: &Cancel) -> Result<Vec<f32>, Error> {
        assert_eq!(mel.len(), WINDOW_FRAMES * self.bins, "a window has 3000 frames");
        let columns = self.columns;
        let rows = WINDOW_FRAMES / 2;

        // A convolution over three frames is a linear layer over rows that overlap: no copy is made, only a frame of
        // silence put at both ends.
        let mut padded = vec![0.0; (WINDOW_FRAMES + 2) * self.bins];
        padded[self.bins..][..mel.len()].copy_from_slice(mel);
        let mut fine = vec![0.0; (WINDOW_FRAMES + 2) * columns];
        let frames =
            Rows { data: &padded, rows: WINDOW_FRAMES, columns: 3 * self.bins, stride: self.bins };
        self.first.run_rows(
            pool,
            frames,
            Then::Gelu,
            &mut fine[columns..][..WINDOW_FRAMES * columns],
        );
        let mut state = vec![0.0; rows * columns];
        let pairs = Rows { data: &fine, rows, columns: 3 * columns, stride: 2 * columns };
        self.second.run_rows(pool, pairs, Then::Gelu, &mut state);
        drop(fine);
        for (value, position) in state.iter_mut().zip(&self.positions) {
            *value += position;
        }

        let mut scratch = Scratch {
            normed: vec![0.0; rows * columns],
            query: vec![0.0; rows * columns],
            key: vec![0.0; rows * columns],
            value: vec![0.0; rows * columns],
            hidden: vec![0.0; rows * self.hidden],
        };
        for layer in &self.layers {
            cancel.check()?;
            layer.run(pool, rows, self.heads, &mut state, &mut scratch);
        }
        self.norm.run(pool, &state, &mut scratch.normed);
        Ok(scratch.normed)
    }
}

struct Scratch {
    normed: Vec<f32>,
    query: Vec<f32>,
    key: Vec<f32>,
    value: Vec<f32>,
    hidden: Vec<f32>,
}

impl Layer {
    fn load(weights: &mut Weights, name: &str, config: &Config) -> Result<Self, Error> {
        let columns = config.d_model;
        Ok(Self {
            norm: Norm::load(weights, &format!("{name}.self_attn_layer_norm"), columns)?,
            attention: Projections::load(weights, &format!("{name}.self_attn"), columns)?,
            feed_forward: FeedForward::load(weights, name, columns, config.encoder_ffn_dim)?,
        })
    }

    fn run(
        &self,
        pool: &Pool,
        rows: usize,
        heads: usize,
        state: &mut [f32],
        scratch: &mut Scratch,
    ) {
        let columns = state.len() / rows;
        let Scratch { normed, query, key, value, hidden } = scratch;
        self.norm.run(pool, state, normed);
        self.attention.query.run(pool, normed, Then::Store, query);
        self.attention.key.run(pool, normed, Then::Store, key);
        self.attention.value.run(pool, normed, Then::Store, value);
        attend(pool, query, key, value, rows, columns, heads, normed);
        self.attention.output.run(pool, normed, Then::Add, state);
        self.feed_forward.run(pool, state, normed, hidden);
    }
}
