//! Untrusted bytes in, 16 kHz mono samples and speech spans out.
//!
//! [`Recording`] is what the rest of the house sees; [`MediaFile`] is a file of any supported format.

pub mod recording;

pub use recording::{Error, Pcm, Recording, Samples};

/// Samples a second, everywhere after this crate.
pub const SAMPLE_RATE: usize = 16_000;
