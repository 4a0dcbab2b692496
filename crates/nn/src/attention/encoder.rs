//! Self-attention of an encoder: all rows attend to all rows.
//!
//! Scores are computed transposed, `[position][query]` for a panel of 32 queries: then the queries
//! are the lanes, the softmax needs no sum across lanes, and the scores already lie as the panel
//! that the product with the values reads.

use super::{head_width, scale};
use crate::math;
use crate::pool::Pool;
use crate::scratch::{self, Shared};
use crate::tile;
use crate::vector::{Kernel, Level, PANEL, Vector};

/// Positions are padded to a multiple of this: of every level's tile.
const TILES: usize = 12;
/// Columns of a head are padded to a multiple of this: of every level's short tile.
const SHORTS: usize = 8;

/// Attention of every row of `q` to every row of `k` and `v`, without a mask. `q`, `k`, `v` and
/// `output` are `[rows][columns]`.
///
/// # Panics
/// If the shapes do not agree.
#[expect(clippy::too_many_arguments, reason = "three matrices and the shape they share")]
pub fn attend(
    pool: &Pool,
    q: &[f32],
    k: &[f32],
    v: &[f32],
    rows: usize,
    columns: usize,
    heads: usize,
    output: &mut [f32],
) {
    let inputs = Inputs { q, k, v, rows, columns, width: head_width(columns, heads) };
    attend_at(Level::best(), pool, inputs, output);
}

/// The arguments of [`attend`]; heads have `width` columns.
#[derive(Clone, Copy)]
pub(crate) struct Inputs<'a> {
    pub(crate) q: &'a [f32],
    pub(crate) k: &'a [f32],
    pub(crate) v: &'a [f32],
    pub(crate) rows: usize,
    pub(crate) columns: usize,
    pub(crate) width: usize,
}

/// [`attend`] with the kernels of `level`.
pub(crate) fn attend_at(level: Level, pool: &Pool, inputs: Inputs<'_>, output: &mut [f32]) {
    let Inputs { q, k, v, rows, columns, width } = inputs;
    for matrix in [q, k, v, &*output] {
        assert_eq!(matrix.len(), rows * columns, "matrices are [rows][columns]");
    }
    if rows == 0 {
        return;
    }
    let heads = columns / width;
    let keys_len = rows.next_multiple_of(TILES) * width;
    let values_len = rows * width.next_multiple_of(SHORTS);
    let mut buffer = scratch::take(heads * (keys_len + values_len));
    let packed = buffer.elements();
    let (keys, values) = packed.split_at_mut(heads * keys_len);
    let (shared_keys, shared_values) = (Shared::new(keys), Shared::new(values));
    pool.run(heads, &|head| {
        // SAFETY: each task has a head of its own.
        let (keys, values) = unsafe {
            (
                shared_keys.part(head * keys_len, keys_len),
                shared_values.part(head * values_len, values_len),
            )
        };
        level.run(PackHead { inputs, head, keys, values });
    });
    let output = Shared::new(output);
    let blocks = rows.div_ceil(PANEL);
    pool.run(heads * blocks, &|task| {
        let (head, first) = (task / blocks, task % blocks * PANEL);
        let keys = &keys[head * keys_len..][..keys_len];
        let values = &values[head * values_len..][..values_len];
        level.run(Block { inputs, head, first, keys, values, output });
    });
}

/// Packs the keys of a head as `[position tile][width][TILE]` and its values as
/// `[column tile][position][SHORT]`.
struct PackHead<'a> {
    inputs: Inputs<'a>,
    head: usize,
    keys: &'a mut [f32],
    values: &'a mut [f32],
}

impl Kernel for PackHead<'_> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vector>(self) {
        let Inputs { k, v, rows, columns, width, .. } = self.inputs;
        let start = self.head * width;
        for (t, tile) in self.keys.chunks_exact_mut(width * V::TILE).enumerate() {
            for m in 0..V::TILE {
                let column = tile.chunks_exact_mut(V::TILE).map(|line| &mut line[m]);
                let position = t * V::TILE + m;
                if position < rows {
                    let key = &k[position * columns + start..][..width];
                    column.zip(key).for_each(|(into, &x)| *into = x);
                } else {
                    column.for_each(|into| *into = 0.0);
                }
            }
        }
        let tiles = self.values.chunks_exact_mut(rows * V::SHORT);
        for (t, tile) in tiles.take(width.div_ceil(V::SHORT)).enumerate() {
            let first = t * V::SHORT;
            let count = (width - first).min(V::SHORT);
            for (position, line) in tile.chunks_exact_mut(V::SHORT).enumerate() {
                let from = position * columns + start + first;
                line.fill(0.0);
                line[..count].copy_from_slice(&v[from..][..count]);
            }
        }
    }
}

/// Attention of up to 32 queries of one head.
struct Block<'a> {
    inputs: Inputs<'a>,
    head: usize,
    first: usize,
    keys: &'a [f32],
    values: &'a [f32],
    output: Shared<'a>,
}

impl Kernel for Block<'_> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vector>(self) {
        let Inputs { q, rows, columns, width, .. } = self.inputs;
        let start = self.head * width;
        let count = (rows - self.first).min(PANEL);
        let padded = rows.next_multiple_of(TILES);
        let mut buffer = scratch::take((width + padded) * PANEL);
        let memory = buffer.elements();
        let (queries, scores) = memory.split_at_mut(width * PANEL);
        queries.fill(0.0);
        for n in 0..count {
            let query = &q[(self.first + n) * columns + start..][..width];
            let factor = scale(width);
            let column = queries.chunks_exact_mut(PANEL).map(|line| &mut line[n]);
            column.zip(query).for_each(|(into, x)| *into = x * factor);
        }
        let tiles = self.keys.chunks_exact(width * V::TILE);
        for (tile, into) in tiles.zip(scores.chunks_exact_mut(V::TILE * PANEL)) {
            let (left, panel, into) = (tile.as_ptr(), queries.as_ptr(), into.as_mut_ptr());
            // SAFETY: the tile and the queries are `width` deep; `into` has a tile of rows.
            unsafe { tile::packed::<V, f32>(V::TILE, width, left, panel, into, PANEL) };
        }
        let sums = softmax_columns::<V>(&mut scores[..rows * PANEL]);
        let tiles = self.values.chunks_exact(rows * V::SHORT);
        for (t, tile) in tiles.take(width.div_ceil(V::SHORT)).enumerate() {
            let mut gathered = [0.0; SHORTS * PANEL];
            let (left, panel, into) = (tile.as_ptr(), scores.as_ptr(), gathered.as_mut_ptr());
            // SAFETY: the tile and the scores are `rows` deep; `gathered` has a tile of rows.
            unsafe { tile::packed::<V, f32>(V::SHORT, rows, left, panel, into, PANEL) };
            let column = t * V::SHORT;
            let wide = (width - column).min(V::SHORT);
            for (n, sum) in sums[..count].iter().enumerate() {
                let at = (self.first + n) * columns + start + column;
                // SAFETY: each task has a head and rows of its own.
                let output = unsafe { self.output.part(at, wide) };
                for (m, into) in output.iter_mut().enumerate() {
                    *into = gathered[m * PANEL + n] / sum;
                }
            }
        }
    }
}

/// Replaces each column of `[position][32]` by `exp(x - largest)` and returns the columns' sums.
#[inline(always)]
fn softmax_columns<V: Vector>(scores: &mut [f32]) -> [f32; PANEL] {
    let mut sums = [0.0; PANEL];
    for column in (0..PANEL).step_by(2 * V::LANES) {
        let (low, high) = (column, column + V::LANES);
        let mut max = [V::splat(f32::NEG_INFINITY); 2];
        for line in scores.chunks_exact(PANEL) {
            max = [max[0].max(V::load(&line[low..])), max[1].max(V::load(&line[high..]))];
        }
        let mut sum = [V::splat(0.0); 2];
        for line in scores.chunks_exact_mut(PANEL) {
            let weights = [
                math::exp(V::load(&line[low..]).sub(max[0])),
                math::exp(V::load(&line[high..]).sub(max[1])),
            ];
            weights[0].store(&mut line[low..]);
            weights[1].store(&mut line[high..]);
            sum = [sum[0].add(weights[0]), sum[1].add(weights[1])];
        }
        sum[0].store(&mut sums[low..]);
        sum[1].store(&mut sums[high..]);
    }
    sums
}
