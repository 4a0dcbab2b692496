//! Types and pure rules of Hansard: no IO, no clock, no runtime.
//!
//! Start reading at [`transcript`] and [`job`].

pub mod event;
pub mod id;
pub mod job;
mod names;
pub mod problem;
pub mod source;
pub mod subtitles;
pub mod time;
pub mod transcript;
