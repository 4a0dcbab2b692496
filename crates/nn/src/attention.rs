//! Attention.

use crate::norm::softmax;
use crate::pool::Pool;

/// One query's heads over `positions` key and value rows.
fn one(
    q: &[f32],
    heads: usize,
    positions: usize,
    key: &dyn Fn(usize) -> (usize, usize),
    (keys, values): (&[f32], &[f32]),
    mut scores: Option<&mut [f32]>,
    output: &mut [f32],
) {
    let width = q.len() / heads;
    let scale = 1.0 / (width as f32).sqrt();
    for h in 0..heads {
        let mut row = vec![0.0; positions];
        for (p, s) in row.iter_mut().enumerate() {
            let k = &keys[key(p).0 + h * width..][..width];
            *s = q[h * width..][..width].iter().zip(k).map(|(a, b)| a * b).sum::<f32>() * scale;
        }
        if let Some(scores) = &mut scores {
            scores[h * positions..][..positions].copy_from_slice(&row);
        }
        softmax(&mut row);
        let into = &mut output[h * width..][..width];
        into.fill(0.0);
        for (p, s) in row.iter().enumerate() {
            let v = &values[key(p).1 + h * width..][..width];
            into.iter_mut().zip(v).for_each(|(o, v)| *o += s * v);
        }
    }
}

/// Self-attention of an encoder: every row attends to every row. `q`, `k`, `v` and `output` are
/// `[rows][columns]`.
#[expect(clippy::too_many_arguments, reason = "three matrices and their shape")]
pub fn attend(
    _pool: &Pool,
    q: &[f32],
    k: &[f32],
    v: &[f32],
    rows: usize,
    columns: usize,
    heads: usize,
    output: &mut [f32],
) {
    for (q, o) in q.chunks_exact(columns).zip(output.chunks_exact_mut(columns)) {
        one(q, heads, rows, &|p| (p * columns, p * columns), (k, v), None, o);
    }
}

/// Keys and values of the encoder output for one decoder layer, read by every token.
#[derive(Debug)]
pub struct Memory {
    keys: Vec<f32>,
    values: Vec<f32>,
    positions: usize,
    columns: usize,
    heads: usize,
}

impl Memory {
    /// Room for `positions` rows of `columns`, split into `heads`.
    #[must_use]
    pub fn new(positions: usize, columns: usize, heads: usize) -> Memory {
        let n = positions * columns;
        Memory { keys: vec![0.0; n], values: vec![0.0; n], positions, columns, heads }
    }

    /// Packs `keys` and `values`, both `[positions][columns]`.
    pub fn fill(&mut self, _pool: &Pool, keys: &[f32], values: &[f32]) {
        self.keys.copy_from_slice(keys);
        self.values.copy_from_slice(values);
    }
}

/// Attention of `rows` queries (`[rows][columns]`) to all positions of `memory`.
///
/// `scores`, if given, receives the scaled scores before the softmax: `[rows][heads][positions]`.
pub fn attend_memory(
    _pool: &Pool,
    q: &[f32],
    rows: usize,
    memory: &Memory,
    mut scores: Option<&mut [f32]>,
    output: &mut [f32],
) {
    let Memory { keys, values, positions, columns, heads } = memory;
    for r in 0..rows {
        let scores = scores.as_mut().map(|s| &mut s[r * heads * positions..][..heads * positions]);
        let (q, o) = (&q[r * columns..][..*columns], &mut output[r * columns..][..*columns]);
        let at = |p| (p * columns, p * columns);
        one(q, *heads, *positions, &at, (keys, values), scores, o);
    }
}

/// Self-attention cache of a decoder: a key and a value row for each position and slot.
#[derive(Debug)]
pub struct Cache {
    keys: Vec<f32>,
    values: Vec<f32>,
    slots: usize,
    columns: usize,
    heads: usize,
}

impl Cache {
    /// Room for `slots` rows of `columns` at each of `positions`.
    #[must_use]
    pub fn new(positions: usize, slots: usize, columns: usize, heads: usize) -> Cache {
        let n = positions * slots * columns;
        Cache { keys: vec![0.0; n], values: vec![0.0; n], slots, columns, heads }
    }

    /// Keeps the key and the value row of `slot` at `position`.
    pub fn store(&mut self, position: usize, slot: usize, key: &[f32], value: &[f32]) {
        let at = (position * self.slots + slot) * self.columns;
        self.keys[at..][..self.columns].copy_from_slice(key);
        self.values[at..][..self.columns].copy_from_slice(value);
    }
}

/// Row `r` of `q` attends to positions `0..histories[r].len()`, position `p` from slot
/// `histories[r][p]`: hypotheses share their past, and nothing is copied when they fork.
pub fn attend_cache(
    _pool: &Pool,
    q: &[f32],
    cache: &Cache,
    histories: &[&[u8]],
    output: &mut [f32],
) {
    let columns = cache.columns;
    for (r, history) in histories.iter().enumerate() {
        let at = |p: usize| {
            let at = (p * cache.slots + usize::from(history[p])) * columns;
            (at, at)
        };
        let (q, o) = (&q[r * columns..][..columns], &mut output[r * columns..][..columns]);
        one(q, cache.heads, history.len(), &at, (&cache.keys, &cache.values), None, o);
    }
}
