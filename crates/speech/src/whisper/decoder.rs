//! The decoder: tokens so far in, logits of the next token out, with everything that does not change kept.

use std::ops::Range;

use hansard_nn::{Cache, Matrix, Memory, Pool, Rows, Then, attend_cache, attend_memory, linear};

use super::config::Config;
use super::layers::{FeedForward, Norm, Projections};
use super::weights::Weights;
use crate::transcriber::BEAM_SIZE_MAX;
use crate::{Cancel, Error};

/// Weights of the decoder.
pub(super) struct Decoder {
    embedding: Matrix,
    positions: Vec<f32>,
    layers: Vec<Layer>,
    norm: Norm,
    columns: usize,
    heads: usize,
    hidden: usize,
    vocabulary: usize,
    context: usize,
    memory_rows: usize,
}

struct Layer {
    self_norm: Norm,
    self_attention: Projections,
    cross_norm: Norm,
    cross_attention: Projections,
    feed_forward: FeedForward,
}

impl Decoder {
    pub(super) fn load(weights: &mut Weights, config: &Config) -> Result<Self, Error> {
        let columns = config.d_model;
        let name = "model.decoder";
        let embedding =
            weights.matrix(&format!("{name}.embed_tokens.weight"), config.vocab_size, columns)?;
        let layers = (0..config.decoder_layers)
            .map(|n| Layer::load(weights, &format!("{name}.layers.{n}"), config))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            embedding,
            positions: weights.vector(
                &format!("{name}.embed_positions.weight"),
                &[config.max_target_positions, columns],
            )?,
            layers,
            norm: Norm::load(weights, &format!("{name}.layer_norm"), columns)?,
            columns,
            heads: config.decoder_attention_heads,
            hidden: config.decoder_ffn_dim,
            vocabulary: config.vocab_size,
            context: config.max_target_positions,
            memory_rows: config.max_source_positions,
        })
    }
}

impl Layer {
    fn load(weights: &mut Weights, name: &str, config: &Config) -> Result<Self, Error> {
        let columns = config.d_model;
        Ok(Self {
            self_norm: Norm::load(weights, &format!("{name}.self_attn_layer_norm"), columns)?,
            self_attention: Projections::load(weights, &format!("{name}.self_attn"), columns)?,
            cross_norm: Norm::load(weights, &format!("{name}.encoder_attn_layer_norm"), columns)?,
            cross_attention: Projections::load(weights, &format!("{name}.encoder_attn"), columns)?,
            feed_forward: FeedForward::load(weights, name, columns, config.decoder_ffn_dim)?,
        })
    }
}

/// One token to put through the decoder: the next of `hypothesis`.
#[derive(Debug, Clone, Copy)]
pub struct Row {
    /// The token.
    pub token: u32,
    /// Which hypothesis it continues, from 0.
    pub hypothesis: usize,
}

/// The decoding of one window: what the encoder heard, and the hypotheses so far.
///
/// Hypotheses share their past: each position of each has a slot in the cache, and a fork copies slot numbers only.
pub struct Session<'m> {
    decoder: &'m Decoder,
    pool: &'m Pool,
    memories: Vec<Memory>,
    caches: Vec<Cache>,
    /// For each hypothesis the cache slot of each of its positions.
    histories: Vec<Vec<u8>>,
    /// What `histories` was before a fork; kept for its storage.
    spare: Vec<Vec<u8>>,
    cancel: Cancel,
    scratch: Scratch,
}

#[derive(Default)]
struct Scratch {
    state: Vec<f32>,
    normed: Vec<f32>,
    query: Vec<f32>,
    key: Vec<f32>,
    value: Vec<f32>,
    hidden: Vec<f32>,
    logits: Vec<f32>,
    scores: Vec<f32>,
}

impl<'m> Session<'m> {
    /// Room for `hypotheses` at once.
    pub(super) fn new(decoder: &'m Decoder, pool: &'m Pool, hypotheses: usize) -> Self {
        // Slots are numbered in a byte.
        assert!((1..=BEAM_SIZE_MAX).contains(&hypotheses));
        let Decoder { columns, heads, context, memory_rows, .. } = *decoder;
        let layers = 0..decoder.layers.len();
        let histories = || (0..hypotheses).map(|_| Vec::with_capacity(context)).collect();
        Self {
            decoder,
            pool,
            memories: layers.clone().map(|_| Memory::new(memory_rows, columns, heads)).collect(),
            caches: layers.map(|_| Cache::new(context, hypotheses, columns, heads)).collect(),
            histories: histories(),
            spare: histories(),
            cancel: Cancel::default(),
            scratch: Scratch::default(),
        }
    }

    /// Gives up soon after `cancel` is thrown. What comes back from then on is meaningless: a caller looks at the switch
    /// before it believes a result.
    pub fn stop_with(&mut self, cancel: &Cancel) {
        self.cancel = cancel.clone();
    }

    /// Forgets all hypotheses and takes the features of a window, `[1500][columns]`.
    pub fn listen(&mut self, features: &[f32]) {
        self.forget();
        let mut keys = vec![0.0; features.len()];
        let mut values = vec![0.0; features.len()];
        for (layer, memory) in self.decoder.layers.iter().zip(&mut self.memories) {
            if self.cancel.is_cancelled() {
                return;
            }
            layer.cross_attention.key.run(self.pool, features, Then::Store, &mut keys);
            layer.cross_attention.value.run(self.pool, features, Then::Store, &mut values);
            memory.fill(self.pool, &keys, &values);
        }
    }

    /// Forgets all hypotheses; the window stays.
    pub fn forget(&mut self) {
        self.histories.iter_mut().for_each(Vec::clear);
    }

    /// Tokens that a hypothesis can still take.
    pub fn room(&self, hypothesis: usize) -> usize {
        self.decoder.context - self.histories[hypothesis].len()
    }

    /// Makes hypothesis `n` a continuation of what was hypothesis `sources[n]`.
    pub fn fork(&mut self, sources: &[usize]) {
        std::mem::swap(&mut self.histories, &mut self.spare);
        for (history, &source) in self.histories.iter_mut().zip(sources) {
            history.clone_from(&self.spare[source]);
        }
    }

    /// Appends each row to its hypothesis and returns the logits of the rows in `wanted`, `[rows][vocabulary]`.
    ///
    /// Rows of one hypothesis stand in their order. A hypothesis without [`room`](Self::room) is a caller's mistake.
    pub fn step(&mut self, rows: &[Row], wanted: Range<usize>) -> &mut [f32] {
        self.forward(rows, &[], &mut Vec::new());
        self.logits(wanted)
    }

    /// As [`step`](Self::step) for all rows, and gives the scaled attention scores, before softmax, of the given
    /// (layer, head) over the window: for each of them `[rows][1500]`.
    pub fn step_with_scores(
        &mut self,
        rows: &[Row],
        heads: &[(usize, usize)],
    ) -> (&mut [f32], Vec<Vec<f32>>) {
        let mut scores = vec![Vec::new(); heads.len()];
        self.forward(rows, heads, &mut scores);
        (self.logits(0..rows.len()), scores)
    }

    fn forward(&mut self, rows: &[Row], heads: &[(usize, usize)], taken: &mut Vec<Vec<f32>>) {
        let decoder = self.decoder;
        let columns = decoder.columns;
        let size = rows.len() * columns;
        let scratch = &mut self.scratch;
        for buffer in [
            &mut scratch.state,
            &mut scratch.normed,
            &mut scratch.query,
            &mut scratch.key,
            &mut scratch.value,
        ] {
            buffer.resize(size, 0.0);
        }
        scratch.hidden.resize(rows.len() * decoder.hidden, 0.0);

        let mut places = Places::new();
        for (row, state) in rows.iter().zip(scratch.state.chunks_exact_mut(columns)) {
            let history = &mut self.histories[row.hypothesis];
            let position = history.len();
            assert!(position < decoder.context, "the hypothesis has no room");
            history.push(row.hypothesis as u8);
            places.push((row.hypothesis, position));
            decoder.embedding.row(row.token as usize, state);
            let positions = &decoder.positions[position * columns..][..columns];
            for (value, position) in state.iter_mut().zip(positions) {
                *value += position;
            }
        }
        let histories: smallvec::SmallVec<[&[u8]; INLINE_ROWS]> = places
            .iter()
            .map(|&(hypothesis, position)| &self.histories[hypothesis][..=position])
            .collect();

        let pool = self.pool;
        for (number, layer) in decoder.layers.iter().enumerate() {
            if self.cancel.is_cancelled() {
                return;
            }
            let Scratch { state, normed, query, key, value, hidden, scores, .. } = scratch;
            layer.self_norm.run(pool, state, normed);
            layer.self_attention.query.run(pool, normed, Then::Store, query);
            layer.self_attention.key.run(pool, normed, Then::Store, key);
            layer.self_attention.value.run(pool, normed, Then::Store, value);
            let cache = &mut self.caches[number];
            for (row, &(hypothesis, position)) in places.iter().enumerate() {
                let at = row * columns..(row + 1) * columns;
                cache.store(position, hypothesis, &key[at.clone()], &value[at]);
            }
            attend_cache(pool, query, cache, &histories, normed);
            layer.self_attention.output.run(pool, normed, Then::Add, state);

            layer.cross_norm.run(pool, state, normed);
            layer.cross_attention.query.run(pool, normed, Then::Store, query);
            let memory = &self.memories[number];
            if heads.iter().any(|&(wanted, _)| wanted == number) {
                scores.resize(rows.len() * decoder.heads * decoder.memory_rows, 0.0);
                attend_memory(pool, query, rows.len(), memory, Some(scores), normed);
                for (&(wanted, head), taken) in heads.iter().zip(&mut *taken) {
                    if wanted == number {
                        let of_head = scores.chunks_exact(decoder.memory_rows);
                        taken.extend(of_head.skip(head).step_by(decoder.heads).flatten());
                    }
                }
            } else {
                attend_memory(pool, query, rows.len(), memory, None, normed);
            }
            layer.cross_attention.output.run(pool, normed, Then::Add, state);
            layer.feed_forward.run(pool, state, normed, hidden);
        }
    }

    fn logits(&mut self, wanted: Range<usize>) -> &mut [f32] {
        let Decoder { columns, vocabulary, .. } = *self.decoder;
        let rows = wanted.len();
        let Scratch { state, normed, logits, .. } = &mut self.scratch;
        let normed = &mut normed[..rows * columns];
        let state = &state[wanted.start * columns..wanted.end * columns];
        self.decoder.norm.run(self.pool, state, normed);
        logits.resize(rows * vocabulary, 0.0);
        let input = Rows { data: normed, rows, columns, stride: columns };
        linear(self.pool, input, &self.decoder.embedding, None, Then::Store, logits);
        logits
    }
}

/// Rows of a usual step, kept off the heap.
const INLINE_ROWS: usize = 16;
/// (hypothesis, position) of each row.
type Places = smallvec::SmallVec<[(usize, usize); INLINE_ROWS]>;
