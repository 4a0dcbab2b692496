//! Untrusted bytes in, 16 kHz mono samples and speech spans out.
//!
//! [`Recording`] is what the rest of the house sees; [`MediaFile`] is a file of any supported format.

pub mod recording;
pub mod voice;
pub mod windows;

pub use recording::{Error, Pcm, Recording, Samples};
pub use voice::{Span, VoiceDetector, VoiceOptions};
pub use windows::{WINDOW_SAMPLES, Window, WindowOptions, Windows};

/// Samples a second, everywhere after this crate.
pub const SAMPLE_RATE: usize = 16_000;
