//! Types and pure rules of Hansard: no IO, no clock, no runtime.
//!
//! Start reading at [`transcript`] and [`job`].

pub mod access;
pub mod audit;
pub mod event;
pub mod id;
pub mod job;
pub mod language;
mod names;
pub mod problem;
pub mod source;
pub mod subtitles;
pub mod time;
pub mod transcript;
