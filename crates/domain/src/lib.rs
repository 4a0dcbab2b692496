//! Types and pure rules of Hansard: no IO, no clock, no runtime.
//!
//! Start reading at [`transcript`].

pub mod subtitles;
pub mod transcript;
