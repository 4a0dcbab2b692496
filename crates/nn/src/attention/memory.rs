//! Attention of a decoder to the encoder's output.

use half::f16;
use half::slice::HalfFloatSliceExt;

use super::{head_width, scale};
use crate::f24::F24;
use crate::math::{self, Times};
use crate::norm;
use crate::pool::Pool;
use crate::scratch::{self, Shared};
use crate::tile;
use crate::vector::{Kernel, Level, PANEL, Vector};

/// Queries that read a head's keys and values together.
const QUERIES: usize = 8;

/// Keys and values of the encoder's output for one decoder layer: packed once for a window of audio,
/// read by every token.
///
/// A token takes as long as it takes to read all of it, so keys are kept in 24 bits and values in 16.
/// Errors of keys are raised to powers by the softmax, those of values average out: all in all
/// log-probabilities move by 1e-3 at most (with keys in 16 bits by 7e-3). Values beyond the range of
/// f16 are brought to its ends.
#[derive(Debug, Clone)]
pub struct Memory {
    /// `[head][panel of 32 positions][width][32]`.
    keys: Vec<F24>,
    /// `[head][panel of 32 columns][positions][32]`.
    values: Vec<f16>,
    positions: usize,
    columns: usize,
    heads: usize,
}

impl Memory {
    /// Room for `positions` rows of `columns`, split into `heads`; zeros until it is filled.
    ///
    /// # Panics
    /// If `heads` does not divide `columns`.
    #[must_use]
    pub fn new(positions: usize, columns: usize, heads: usize) -> Memory {
        let width = head_width(columns, heads);
        let keys = vec![F24::ZERO; heads * keys_len(positions, width)];
        let values = vec![f16::ZERO; heads * values_len(positions, width)];
        Memory { keys, values, positions, columns, heads }
    }

    /// Replaces the content by `keys` and `values`, both `[positions][columns]`.
    ///
    /// # Panics
    /// If the shapes do not agree.
    pub fn fill(&mut self, pool: &Pool, keys: &[f32], values: &[f32]) {
        let (positions, columns) = (self.positions, self.columns);
        assert_eq!(keys.len(), positions * columns, "keys are [positions][columns]");
        assert_eq!(values.len(), positions * columns, "values are [positions][columns]");
        let width = self.columns / self.heads;
        let (keys_len, values_len) = (keys_len(positions, width), values_len(positions, width));
        let (all_keys, all_values) = (Shared::new(&mut self.keys), Shared::new(&mut self.values));
        pool.run(self.heads, &|head| {
            let start = head * width;
            // SAFETY: each task has a head of its own.
            let packed = unsafe { all_keys.part(head * keys_len, keys_len) };
            for position in 0..positions {
                let key = &keys[position * columns + start..][..width];
                let panel = &mut packed[position / PANEL * PANEL * width..][..PANEL * width];
                for (line, &x) in panel.chunks_exact_mut(PANEL).zip(key) {
                    line[position % PANEL] = F24::from_f32(x);
                }
            }
            // SAFETY: as above.
            let packed = unsafe { all_values.part(head * values_len, values_len) };
            for (p, panel) in packed.chunks_exact_mut((positions * PANEL).max(1)).enumerate() {
                let wide = (width - p * PANEL).min(PANEL);
                for (position, line) in panel.chunks_exact_mut(PANEL).enumerate() {
                    let from = position * columns + start + p * PANEL;
                    line[..wide].copy_from_slice(&halves(&values[from..][..wide])[..wide]);
                }
            }
        });
    }
}

/// Up to 32 elements in half precision.
fn halves(elements: &[f32]) -> [f16; PANEL] {
    let (least, greatest) = (f16::MIN.to_f32_const(), f16::MAX.to_f32_const());
    let mut within = [0.0; PANEL];
    for (within, x) in within.iter_mut().zip(elements) {
        *within = x.clamp(least, greatest);
    }
    let mut halves = [f16::ZERO; PANEL];
    halves.convert_from_f32_slice(&within);
    halves
}

/// Packed elements of a head's keys.
fn keys_len(positions: usize, width: usize) -> usize {
    positions.next_multiple_of(PANEL) * width
}

/// Packed elements of a head's values.
fn values_len(positions: usize, width: usize) -> usize {
    positions * width.next_multiple_of(PANEL)
}

/// Attention of `rows` queries (`[rows][columns]`, as `output`) to all positions of `memory`.
///
/// `scores`, if given, receives the scaled scores before the softmax: `[rows][heads][positions]`.
///
/// # Panics
/// If the shapes do not agree.
pub fn attend_memory(
    pool: &Pool,
    q: &[f32],
    rows: usize,
    memory: &Memory,
    scores: Option<&mut [f32]>,
    output: &mut [f32],
) {
    attend_memory_at(Level::best(), pool, q, rows, memory, scores, output);
}

/// [`attend_memory`] with the kernels of `level`.
pub(crate) fn attend_memory_at(
    level: Level,
    pool: &Pool,
    q: &[f32],
    rows: usize,
    memory: &Memory,
    scores: Option<&mut [f32]>,
    output: &mut [f32],
) {
    let Memory { positions, columns, heads, .. } = *memory;
    assert_eq!(q.len(), rows * columns, "queries are [rows][columns]");
    assert_eq!(output.len(), rows * columns, "output is [rows][columns]");
    let scores_len = rows * heads * positions;
    assert!(scores.as_ref().is_none_or(|s| s.len() == scores_len), "[rows][heads][positions]");
    let (scores, output) = (scores.map(Shared::new), Shared::new(output));
    let blocks = rows.div_ceil(QUERIES);
    pool.run(heads * blocks, &|task| {
        let (head, first) = (task / blocks, task % blocks * QUERIES);
        let count = (rows - first).min(QUERIES);
        level.run(Block { q, memory, head, first, count, scores, output });
    });
}

/// Attention of up to [`QUERIES`] queries of one head.
struct Block<'a> {
    q: &'a [f32],
    memory: &'a Memory,
    head: usize,
    first: usize,
    count: usize,
    scores: Option<Shared<'a>>,
    output: Shared<'a>,
}

impl Kernel for Block<'_> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vector>(self) {
        let Memory { ref keys, ref values, positions, columns, heads } = *self.memory;
        let width = columns / heads;
        let (keys_len, values_len) = (keys_len(positions, width), values_len(positions, width));
        let keys = &keys[self.head * keys_len..][..keys_len];
        let values = &values[self.head * values_len..][..values_len];
        let stride = positions.next_multiple_of(PANEL);
        let mut buffer = scratch::take(self.count * (width + stride));
        let memory = buffer.elements();
        let (queries, scores) = memory.split_at_mut(self.count * width);
        for (r, query) in queries.chunks_exact_mut(width).enumerate() {
            let from = (self.first + r) * columns + self.head * width;
            query.copy_from_slice(&self.q[from..][..width]);
            math::map::<V>(query, Times(scale(width)));
        }
        for (p, panel) in keys.chunks_exact(PANEL * width).enumerate() {
            let into = &mut scores[p * PANEL..][..(self.count - 1) * stride + PANEL];
            let (left, into) = ((queries.as_ptr(), width), (into.as_mut_ptr(), stride));
            // SAFETY: queries and panel are `width` deep; `into` was cut to its rows above.
            unsafe { tile::few::<V, F24>(self.count, width, left, panel.as_ptr(), into) };
        }
        let mut factors = [0.0; QUERIES];
        for (r, row) in scores.chunks_exact_mut(stride.max(1)).enumerate() {
            let row = &mut row[..positions];
            if let Some(all) = self.scores {
                let at = ((self.first + r) * heads + self.head) * positions;
                // SAFETY: each task has rows and a head of its own.
                unsafe { all.part(at, positions) }.copy_from_slice(row);
            }
            factors[r] = (1.0 / norm::exponentials::<V>(row)) as f32;
        }
        for (p, panel) in values.chunks_exact((positions * PANEL).max(1)).enumerate() {
            let mut gathered = [0.0; QUERIES * PANEL];
            let (left, into) = ((scores.as_ptr(), stride), (gathered.as_mut_ptr(), PANEL));
            // SAFETY: scores and panel are `positions` deep; at most QUERIES rows.
            unsafe { tile::few::<V, f16>(self.count, positions, left, panel.as_ptr(), into) };
            let wide = (width - p * PANEL).min(PANEL);
            for r in 0..self.count {
                let at = (self.first + r) * columns + self.head * width + p * PANEL;
                // SAFETY: each task has rows and a head of its own.
                let output = unsafe { self.output.part(at, wide) };
                for (into, x) in output.iter_mut().zip(&gathered[r * PANEL..]) {
                    *into = x * factors[r];
                }
            }
        }
    }
}
