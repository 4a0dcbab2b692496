//! CPU kernels for neural networks: f32 activations, weights in f32, f16 or bf16, one thread pool.
//!
//! Read in this order: [`Pool`] runs tasks on threads; `vector` holds the instruction sets and
//! chooses one at run time; `tile` is the inner loop of every product; [`Matrix`], [`linear`],
//! [`layer_norm`], [`softmax`] and the attentions are what a model is made of.
//!
//! Shapes are checked by assertions: they follow from the model's configuration, which its loader
//! has checked against its weights. No call allocates once each thread's scratch memory has grown.
#![expect(unsafe_code, reason = "vector instructions, and threads that write disjoint parts")]

mod attention;
mod f24;
mod linear;
mod math;
mod matrix;
mod norm;
mod pool;
#[cfg(test)]
mod reference;
mod scratch;
mod tile;
mod vector;

pub use attention::{Cache, Memory, attend, attend_cache, attend_memory};
pub use linear::{Rows, Then, linear};
pub use matrix::{Elements, Matrix};
pub use norm::{layer_norm, log_softmax, softmax};
pub use pool::Pool;

/// The kernels that run on this machine: `avx512`, `avx2` or `portable`.
#[must_use]
pub fn kernels() -> &'static str {
    vector::Level::best().name()
}
