//! Untrusted bytes in, 16 kHz mono samples and speech spans out.
//!
//! [`Recording`] is what the rest of the house sees; [`MediaFile`] is a file of any supported format.

mod bounds;
mod decode;
mod demux;
mod downmix;
mod error;
mod file;
mod guard;
mod matroska;
mod mp4;
mod opus;
pub mod recording;
mod resample;
mod source;
mod stream;
pub mod voice;
pub mod windows;

pub use downmix::Channels;
pub use file::{MediaFile, MediaInfo};
pub use recording::{Error, Pcm, Recording, Samples};
pub use voice::{Span, VoiceDetector, VoiceOptions};
pub use windows::{Step, WINDOW_SAMPLES, Window, WindowOptions, Windows};

/// Samples a second, everywhere after this crate.
pub const SAMPLE_RATE: usize = 16_000;
