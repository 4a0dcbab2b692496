//! The inner loops of every matrix product: a tile of rows times one panel of 32 columns.

use crate::vector::{Element, PANEL, Vector};

/// Bytes that the kernel for few rows asks for ahead of its reads of the panel.
const PREFETCH_BYTES: usize = 2048;

/// `into[m][n] = sum over k of left[k][m] * panel[k][n]` for `rows` rows and 32 columns.
///
/// `rows` is `V::TILE` or `V::SHORT`, a constant after inlining.
///
/// # Safety
/// `left` is readable for `depth * rows` elements, `panel` for `depth * 32`; row `m` of `into`, at
/// `m * stride`, is writable for 32.
#[inline(always)]
pub(crate) unsafe fn packed<V: Vector, W: Element>(
    rows: usize,
    depth: usize,
    left: *const f32,
    panel: *const W,
    into: *mut f32,
    stride: usize,
) {
    // SAFETY: as the caller promises.
    unsafe {
        match rows {
            12 => packed_rows::<V, W, 12>(depth, left, panel, into, stride),
            8 => packed_rows::<V, W, 8>(depth, left, panel, into, stride),
            6 => packed_rows::<V, W, 6>(depth, left, panel, into, stride),
            4 => packed_rows::<V, W, 4>(depth, left, panel, into, stride),
            _ => unreachable!("no level has tiles of {rows} rows"),
        }
    }
}

/// # Safety
/// As [`packed`].
#[inline(always)]
unsafe fn packed_rows<V: Vector, W: Element, const ROWS: usize>(
    depth: usize,
    left: *const f32,
    panel: *const W,
    into: *mut f32,
    stride: usize,
) {
    for column in (0..PANEL).step_by(2 * V::LANES) {
        let mut sums = [[V::splat(0.0); 2]; ROWS];
        for k in 0..depth {
            // SAFETY: k < depth and column + 2 * LANES <= 32.
            let (low, high) = unsafe {
                let line = panel.add(k * PANEL + column);
                (W::load::<V>(line), W::load::<V>(line.add(V::LANES)))
            };
            for (m, sums) in sums.iter_mut().enumerate() {
                // SAFETY: k < depth and m < ROWS.
                let factor = V::splat(unsafe { *left.add(k * ROWS + m) });
                sums[0] = factor.mul_add(low, sums[0]);
                sums[1] = factor.mul_add(high, sums[1]);
            }
        }
        for (m, sums) in sums.iter().enumerate() {
            // SAFETY: m < ROWS and column + 2 * LANES <= 32.
            unsafe {
                let row = into.add(m * stride + column);
                sums[0].store_f32(row);
                sums[1].store_f32(row.add(V::LANES));
            }
        }
    }
}

/// `into[r][n] = sum over k of left[r][k] * panel[k][n]` for a few rows and 32 columns: `left` is read
/// where it lies, and the panel is streamed from memory once; more than `V::FEW` rows read it again
/// from the cache.
///
/// # Safety
/// Row `r` of `left`, at `r * left_stride`, is readable for `depth` elements, `panel` for
/// `depth * 32`; row `r` of `into`, at `r * stride`, is writable for 32.
#[inline(always)]
pub(crate) unsafe fn few<V: Vector, W: Element>(
    rows: usize,
    depth: usize,
    left: (*const f32, usize),
    panel: *const W,
    into: (*mut f32, usize),
) {
    let passes = rows.div_ceil(V::FEW);
    for pass in 0..passes {
        let done = rows * pass / passes;
        let count = rows * (pass + 1) / passes - done;
        // SAFETY: these are rows `done..done + count` of what the caller promises.
        unsafe {
            let left = (left.0.add(done * left.1), left.1);
            let into = (into.0.add(done * into.1), into.1);
            match V::LANES {
                16 => few_wide::<V, W, 2>(count, depth, left, panel, into),
                8 => few_wide::<V, W, 4>(count, depth, left, panel, into),
                _ => few_wide::<V, W, 8>(count, depth, left, panel, into),
            }
        }
    }
}

/// Picks the code for `rows` rows; `WIDE` registers hold a line of the panel.
///
/// # Safety
/// As [`few`].
#[inline(always)]
unsafe fn few_wide<V: Vector, W: Element, const WIDE: usize>(
    rows: usize,
    depth: usize,
    left: (*const f32, usize),
    panel: *const W,
    into: (*mut f32, usize),
) {
    // SAFETY: as the caller promises.
    unsafe {
        match rows.min(V::FEW) {
            1 => few_rows::<V, W, WIDE, 1>(depth, left, panel, into),
            2 if V::FEW >= 2 => few_rows::<V, W, WIDE, 2>(depth, left, panel, into),
            3 if V::FEW >= 3 => few_rows::<V, W, WIDE, 3>(depth, left, panel, into),
            4 if V::FEW >= 4 => few_rows::<V, W, WIDE, 4>(depth, left, panel, into),
            5 if V::FEW >= 5 => few_rows::<V, W, WIDE, 5>(depth, left, panel, into),
            6 if V::FEW >= 6 => few_rows::<V, W, WIDE, 6>(depth, left, panel, into),
            7 if V::FEW >= 7 => few_rows::<V, W, WIDE, 7>(depth, left, panel, into),
            8 if V::FEW >= 8 => few_rows::<V, W, WIDE, 8>(depth, left, panel, into),
            _ => unreachable!("at most FEW rows"),
        }
    }
}

/// # Safety
/// As [`few`].
#[inline(always)]
unsafe fn few_rows<V: Vector, W: Element, const WIDE: usize, const ROWS: usize>(
    depth: usize,
    left: (*const f32, usize),
    panel: *const W,
    into: (*mut f32, usize),
) {
    // Even and odd k have sums of their own where there are few: more additions in flight.
    let pairs = ROWS * WIDE <= 4;
    let mut even = [[V::splat(0.0); WIDE]; ROWS];
    let mut odd = even;
    let mut k = 0;
    // SAFETY: k < depth in each step, and the registers cover 32 columns of a row.
    unsafe {
        while pairs && k + 1 < depth {
            few_step(k, left, panel, &mut even);
            few_step(k + 1, left, panel, &mut odd);
            k += 2;
        }
        while k < depth {
            few_step(k, left, panel, &mut even);
            k += 1;
        }
        for (r, (even, odd)) in even.iter().zip(&odd).enumerate() {
            for (n, (even, odd)) in even.iter().zip(odd).enumerate() {
                even.add(*odd).store_f32(into.0.add(r * into.1 + n * V::LANES));
            }
        }
    }
}

/// Adds the products of line `k` of the panel.
///
/// # Safety
/// As [`few`], and `k` is below its depth.
#[inline(always)]
unsafe fn few_step<V: Vector, W: Element, const WIDE: usize, const ROWS: usize>(
    k: usize,
    left: (*const f32, usize),
    panel: *const W,
    sums: &mut [[V; WIDE]; ROWS],
) {
    // SAFETY: as the caller promises.
    let line = unsafe { panel.add(k * PANEL) };
    V::prefetch(line.wrapping_byte_add(PREFETCH_BYTES));
    let mut weights = [V::splat(0.0); WIDE];
    for (n, weights) in weights.iter_mut().enumerate() {
        // SAFETY: as the caller promises.
        *weights = unsafe { W::load(line.add(n * V::LANES)) };
    }
    for (r, sums) in sums.iter_mut().enumerate() {
        // SAFETY: as the caller promises.
        let factor = V::splat(unsafe { *left.0.add(r * left.1 + k) });
        for (sum, weights) in sums.iter_mut().zip(weights) {
            *sum = factor.mul_add(weights, *sum);
        }
    }
}
