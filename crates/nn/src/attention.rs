//! Attention: every query attends to keys and gathers their values, head by head.
//!
//! Heads split the columns evenly; scores are scaled by `1 / sqrt(columns / heads)`.

mod cache;
mod encoder;
mod memory;
#[cfg(test)]
mod tests;

pub use cache::{Cache, attend_cache};
pub use encoder::attend;
pub use memory::{Memory, attend_memory};

/// Columns of a head.
fn head_width(columns: usize, heads: usize) -> usize {
    assert!(heads > 0 && columns > 0 && columns.is_multiple_of(heads), "heads split the columns");
    columns / heads
}

/// The factor of the scores of heads of `width` columns.
fn scale(width: usize) -> f32 {
    1.0 / (width as f32).sqrt()
}
