//! CPU kernels for neural networks, chosen at run time.

mod attention;
mod linear;
mod matrix;
mod norm;
mod pool;

pub use attention::{Cache, Memory, attend, attend_cache, attend_memory};
pub use linear::{Rows, Then, linear};
pub use matrix::{Elements, Matrix};
pub use norm::{layer_norm, log_softmax, softmax};
pub use pool::Pool;

/// The kernels that run on this machine: `avx512`, `avx2` or `portable`.
#[must_use]
pub fn kernels() -> &'static str {
    "portable"
}
