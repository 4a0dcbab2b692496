//! CPU kernels for neural networks, chosen at run time. The only crate that may say `unsafe`.
