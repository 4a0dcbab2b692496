//! Self-attention of a decoder over its own past.

use super::{head_width, scale};
use crate::math::{self, Times};
use crate::norm;
use crate::pool::Pool;
use crate::scratch::{self, Shared};
use crate::vector::{Kernel, Level, Vector};

/// Elements of keys worth waking other threads for: some microseconds of work.
const WORTH_SHARING: usize = 1 << 15;

/// Keys and values of the tokens so far for one decoder layer: a row for each position and slot.
///
/// Memory is zeroed lazily by the system: what is never stored costs nothing.
#[derive(Debug, Clone)]
pub struct Cache {
    /// `[positions][slots][columns]`, as `values`.
    keys: Vec<f32>,
    values: Vec<f32>,
    positions: usize,
    slots: usize,
    columns: usize,
    heads: usize,
}

impl Cache {
    /// Room for `slots` rows of `columns` at each of `positions`.
    ///
    /// # Panics
    /// If `heads` does not divide `columns`.
    #[must_use]
    pub fn new(positions: usize, slots: usize, columns: usize, heads: usize) -> Cache {
        let _ = head_width(columns, heads);
        let len = positions * slots * columns;
        Cache { keys: vec![0.0; len], values: vec![0.0; len], positions, slots, columns, heads }
    }

    /// Keeps the key and the value row, of `columns` each, of `slot` at `position`.
    ///
    /// # Panics
    /// If there is no such slot or position, or a row has another length.
    pub fn store(&mut self, position: usize, slot: usize, key: &[f32], value: &[f32]) {
        let at = self.at(position, slot);
        self.keys[at..][..self.columns].copy_from_slice(key);
        self.values[at..][..self.columns].copy_from_slice(value);
    }

    #[inline(always)]
    fn at(&self, position: usize, slot: usize) -> usize {
        assert!(
            position < self.positions && slot < self.slots,
            "position and slot are in the cache"
        );
        (position * self.slots + slot) * self.columns
    }
}

/// Row `r` of `q` attends to positions `0..histories[r].len()`, position `p` from slot
/// `histories[r][p]`: hypotheses share their past, and nothing is copied when they fork.
///
/// `q` and `output` are `[histories.len()][columns]`; an empty history gives zeros.
///
/// # Panics
/// If the shapes do not agree or a history names what the cache has no room for.
pub fn attend_cache(
    pool: &Pool,
    q: &[f32],
    cache: &Cache,
    histories: &[&[u8]],
    output: &mut [f32],
) {
    attend_cache_at(Level::best(), pool, q, cache, histories, output);
}

/// [`attend_cache`] with the kernels of `level`.
pub(crate) fn attend_cache_at(
    level: Level,
    pool: &Pool,
    q: &[f32],
    cache: &Cache,
    histories: &[&[u8]],
    output: &mut [f32],
) {
    let (rows, columns, heads) = (histories.len(), cache.columns, cache.heads);
    assert_eq!(q.len(), rows * columns, "queries are [rows][columns]");
    assert_eq!(output.len(), rows * columns, "output is [rows][columns]");
    let elements: usize = histories.iter().map(|history| history.len() * columns).sum();
    let width = columns / heads;
    let output = Shared::new(output);
    pool.run_if(elements >= WORTH_SHARING, heads, &|head| {
        for (r, history) in histories.iter().enumerate() {
            let at = r * columns + head * width;
            // SAFETY: each task has a head of its own.
            let output = unsafe { output.part(at, width) };
            level.run(Query { query: &q[at..][..width], cache, history, head, output });
        }
    });
}

/// Attention of one head of one row.
struct Query<'a> {
    query: &'a [f32],
    cache: &'a Cache,
    history: &'a [u8],
    head: usize,
    output: &'a mut [f32],
}

impl Kernel for Query<'_> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vector>(self) {
        let Query { query, cache, history, head, output } = self;
        let (width, factor) = (query.len(), scale(query.len()));
        let row =
            |position: usize| cache.at(position, usize::from(history[position])) + head * width;
        let mut buffer = scratch::take(history.len());
        let scores = buffer.elements();
        for (position, score) in scores.iter_mut().enumerate() {
            *score = dot::<V>(query, &cache.keys[row(position)..][..width]) * factor;
        }
        let sum = norm::exponentials::<V>(scores);
        output.fill(0.0);
        for (position, &weight) in scores.iter().enumerate() {
            add_scaled::<V>(output, weight, &cache.values[row(position)..][..width]);
        }
        if sum > 0.0 {
            math::map::<V>(output, Times((1.0 / sum) as f32));
        }
    }
}

/// The sum of the products of `a` and `b`.
#[inline(always)]
fn dot<V: Vector>(a: &[f32], b: &[f32]) -> f32 {
    let (mut a, mut b) = (a.chunks_exact(V::LANES), b.chunks_exact(V::LANES));
    let mut sum = V::splat(0.0);
    for (a, b) in (&mut a).zip(&mut b) {
        sum = V::load(a).mul_add(V::load(b), sum);
    }
    let rest = a.remainder().iter().zip(b.remainder());
    rest.fold(sum.sum(), |sum, (a, b)| sum + a * b)
}

/// `into += factor * row`.
#[inline(always)]
fn add_scaled<V: Vector>(into: &mut [f32], factor: f32, row: &[f32]) {
    let (mut into, mut row) = (into.chunks_exact_mut(V::LANES), row.chunks_exact(V::LANES));
    for (into, row) in (&mut into).zip(&mut row) {
        V::splat(factor).mul_add(V::load(row), V::load(into)).store(into);
    }
    for (into, x) in into.into_remainder().iter_mut().zip(row.remainder()) {
        *into += factor * x;
    }
}
