//! Linear layers.
//!
//! Few rows (a decoder's step) are bound by memory: the packed weights are streamed once. Many rows
//! (an encoder's layer) are bound by arithmetic: blocks of rows are packed too, and tiles of the
//! result stay in registers.

use crate::math;
use crate::matrix::{Line, Matrix, Panels};
use crate::pool::Pool;
use crate::scratch::{self, Shared};
use crate::tile;
use crate::vector::{Element, Kernel, Level, PANEL, Vector};

/// Up to this many rows stream the weights without packing the input; a padded tile would waste more.
const FEW: usize = 16;
/// Inputs of a packed block of rows: a tile of it and a panel of weights stay in the inner caches.
const DEPTH: usize = 640;
/// Rows of a packed block; a multiple of every level's tile.
const BLOCK: usize = 48;
/// Tasks per thread, so that a thread which starts late or is interrupted does not hold up all.
const TASKS_PER_THREAD: usize = 4;
/// Weights worth a task of their own: about two microseconds of streaming.
const TASK_BYTES: usize = 32 << 10;

/// Input rows: row `r` is `data[r * stride..][..columns]`.
///
/// `stride` may be smaller than `columns`: overlapping rows make a convolution over time a matrix
/// product.
#[derive(Debug, Clone, Copy)]
pub struct Rows<'a> {
    /// The elements.
    pub data: &'a [f32],
    /// How many rows.
    pub rows: usize,
    /// Elements of a row.
    pub columns: usize,
    /// Elements from the start of a row to the start of the next.
    pub stride: usize,
}

impl<'a> Rows<'a> {
    fn row(&self, row: usize) -> &'a [f32] {
        &self.data[row * self.stride..][..self.columns]
    }
}

/// What happens to a result of [`linear`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Then {
    /// It replaces the output.
    Store,
    /// Its GELU (the exact one, with erf; error at most 1e-6) replaces the output.
    Gelu,
    /// It is added to the output.
    Add,
}

/// `output[r * outputs + o] = then(sum over i of input[r][i] * weights[o][i] + bias[o])`.
///
/// `bias` has an element for each output; without it there is none. `output` is `[rows][outputs]`.
///
/// # Panics
/// If the shapes do not agree.
pub fn linear(
    pool: &Pool,
    input: Rows<'_>,
    weights: &Matrix,
    bias: Option<&[f32]>,
    then: Then,
    output: &mut [f32],
) {
    linear_at(Level::best(), pool, input, weights, bias, then, output);
}

/// [`linear`] with the kernels of `level`.
pub(crate) fn linear_at(
    level: Level,
    pool: &Pool,
    input: Rows<'_>,
    weights: &Matrix,
    bias: Option<&[f32]>,
    then: Then,
    output: &mut [f32],
) {
    let outputs = weights.outputs();
    assert_eq!(input.columns, weights.inputs(), "a row is as long as the inputs");
    assert_eq!(output.len(), input.rows * outputs, "the output is [rows][outputs]");
    assert!(bias.is_none_or(|bias| bias.len() == outputs), "the bias has all outputs");
    if output.is_empty() {
        return;
    }
    let end =
        (input.rows - 1).checked_mul(input.stride).and_then(|at| at.checked_add(input.columns));
    assert!(end.is_some_and(|end| end <= input.data.len()), "all rows lie within the data");
    let output = Shared::new(output);
    match weights.panels() {
        Panels::F32(panels) => {
            Layer { input, panels, outputs, bias, then, output }.run(level, pool)
        }
        Panels::F16(panels) => {
            Layer { input, panels, outputs, bias, then, output }.run(level, pool)
        }
        Panels::Bf16(panels) => {
            Layer { input, panels, outputs, bias, then, output }.run(level, pool)
        }
    }
}

/// A call of [`linear`] on weights of one type.
struct Layer<'a, W> {
    input: Rows<'a>,
    panels: &'a [Line<W>],
    outputs: usize,
    bias: Option<&'a [f32]>,
    then: Then,
    output: Shared<'a>,
}

/// The part of the output that a task computes.
struct Part<'a, W> {
    layer: &'a Layer<'a, W>,
    rows: (usize, usize),
    panels: (usize, usize),
}

/// How the sums of a tile enter the output.
#[derive(Clone, Copy)]
struct Settle {
    add: bool,
    gelu: bool,
}

/// Part `index` of `0..len` cut into `parts` whose sizes differ by one at most.
fn cut(len: usize, parts: usize, index: usize) -> (usize, usize) {
    (len * index / parts, len * (index + 1) / parts)
}

impl<W: Element> Layer<'_, W> {
    fn run(&self, level: Level, pool: &Pool) {
        let (rows, panels) = (self.input.rows, self.outputs.div_ceil(PANEL));
        let wanted = pool.threads() * TASKS_PER_THREAD;
        if rows <= FEW {
            let runs = (size_of_val(self.panels) / TASK_BYTES).clamp(1, wanted).min(panels);
            pool.run(runs, &|task| {
                level.run(Few(Part {
                    layer: self,
                    rows: (0, rows),
                    panels: cut(panels, runs, task),
                }));
            });
        } else {
            let blocks = rows.div_ceil(BLOCK);
            let groups = wanted.div_ceil(blocks).min(panels);
            pool.run(blocks * groups, &|task| {
                let first = task % blocks * BLOCK;
                level.run(Many(Part {
                    layer: self,
                    rows: (first, (first + BLOCK).min(rows)),
                    panels: cut(panels, groups, task / blocks),
                }));
            });
        }
    }

    /// The bias of a panel, zeros where there is none.
    #[inline(always)]
    fn panel_bias(&self, panel: usize) -> [f32; PANEL] {
        let mut padded = [0.0; PANEL];
        if let Some(bias) = self.bias {
            let bias = &bias[panel * PANEL..self.outputs.min((panel + 1) * PANEL)];
            padded[..bias.len()].copy_from_slice(bias);
        }
        padded
    }

    /// Lines `depth.0..depth.1` of a panel.
    #[inline(always)]
    fn lines(&self, panel: usize, depth: (usize, usize)) -> *const W {
        let first = panel * self.input.columns;
        self.panels[first + depth.0..first + depth.1].as_ptr().cast()
    }

    /// Brings `sums`, rows of 32, into the output from row `first` and column `32 * panel` on.
    ///
    /// # Safety
    /// No other task has this part of the output.
    #[inline(always)]
    unsafe fn settle<V: Vector>(
        &self,
        first: usize,
        panel: usize,
        sums: &[f32],
        bias: &[f32; PANEL],
        how: Settle,
    ) {
        let width = (self.outputs - panel * PANEL).min(PANEL);
        for (r, sums) in sums.chunks_exact(PANEL).enumerate() {
            let at = (first + r) * self.outputs + panel * PANEL;
            // SAFETY: as the caller promises.
            let into = unsafe { self.output.part(at, width) };
            if width == PANEL {
                settle_row::<V>(sums, bias, how, into);
            } else {
                let mut padded = [0.0; PANEL];
                padded[..width].copy_from_slice(into);
                settle_row::<V>(sums, bias, how, &mut padded);
                into.copy_from_slice(&padded[..width]);
            }
        }
    }
}

#[inline(always)]
fn settle_row<V: Vector>(sums: &[f32], bias: &[f32; PANEL], how: Settle, into: &mut [f32]) {
    for at in (0..PANEL).step_by(V::LANES) {
        let into = &mut into[at..at + V::LANES];
        let mut x = V::load(&sums[at..]).add(V::load(&bias[at..]));
        if how.add {
            x = x.add(V::load(into));
        }
        if how.gelu {
            x = math::gelu(x);
        }
        x.store(into);
    }
}

/// Up to [`FEW`] rows times a run of panels.
struct Few<'a, W>(Part<'a, W>);

impl<W: Element> Kernel for Few<'_, W> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vector>(self) {
        let Part { layer, rows: (_, rows), panels } = self.0;
        let how = Settle { add: layer.then == Then::Add, gelu: layer.then == Then::Gelu };
        let left = (layer.input.data.as_ptr(), layer.input.stride);
        let depth = layer.input.columns;
        let mut sums = [0.0; FEW * PANEL];
        for panel in panels.0..panels.1 {
            let lines = layer.lines(panel, (0, depth));
            // SAFETY: `linear_at` checked that all rows lie within the data, `lines` that the panel
            // does; there are at most FEW rows. Tasks have panels, and so output, of their own.
            unsafe {
                tile::few::<V, W>(rows, depth, left, lines, (sums.as_mut_ptr(), PANEL));
                let bias = layer.panel_bias(panel);
                layer.settle::<V>(0, panel, &sums[..rows * PANEL], &bias, how);
            }
        }
    }
}

/// A block of rows times a group of panels.
struct Many<'a, W>(Part<'a, W>);

impl<W: Element> Kernel for Many<'_, W> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vector>(self) {
        let Part { layer, rows, panels } = self.0;
        let columns = layer.input.columns;
        let parts = columns.div_ceil(DEPTH).max(1);
        let tiles = (rows.1 - rows.0).div_ceil(V::TILE);
        let mut buffer = scratch::take(BLOCK * DEPTH);
        let packed = buffer.elements();
        for part in 0..parts {
            let depth = cut(columns, parts, part);
            let len = depth.1 - depth.0;
            let last = part + 1 == parts;
            let how = Settle {
                add: layer.then == Then::Add || part > 0,
                gelu: layer.then == Then::Gelu && last,
            };
            for t in 0..tiles {
                let into = &mut packed[t * V::TILE * len..][..V::TILE * len];
                pack::<V>(layer.input, rows.0 + t * V::TILE, rows.1, depth, into);
            }
            for panel in panels.0..panels.1 {
                let lines = layer.lines(panel, depth);
                let bias = if last { layer.panel_bias(panel) } else { [0.0; PANEL] };
                for t in 0..tiles {
                    let first = rows.0 + t * V::TILE;
                    let count = (rows.1 - first).min(V::TILE);
                    let left = &packed[t * V::TILE * len..][..V::TILE * len];
                    let mut sums = [0.0; 12 * PANEL];
                    // SAFETY: the packed tile and the lines are `len` deep, and a tile has at
                    // most 12 rows. Tasks have rows or panels, and so output, of their own.
                    unsafe {
                        let into = sums.as_mut_ptr();
                        tile::packed::<V, W>(V::TILE, len, left.as_ptr(), lines, into, PANEL);
                        layer.settle::<V>(first, panel, &sums[..count * PANEL], &bias, how);
                    }
                }
            }
        }
    }
}

/// Packs a tile of rows from `first` on as `[depth][tile]`, with zeros for rows from `end` on.
#[inline(always)]
fn pack<V: Vector>(
    input: Rows<'_>,
    first: usize,
    end: usize,
    depth: (usize, usize),
    into: &mut [f32],
) {
    for m in 0..V::TILE {
        let column = into.chunks_exact_mut(V::TILE).map(|row| &mut row[m]);
        if first + m < end {
            let row = &input.row(first + m)[depth.0..depth.1];
            column.zip(row).for_each(|(into, &x)| *into = x);
        } else {
            column.for_each(|into| *into = 0.0);
        }
    }
}

#[cfg(test)]
mod tests;
