//! Speech to text: the [`Transcriber`] seam and the engines behind it.
//!
//! Start at [`transcriber`]; `whisper` is our own engine, [`openai`] asks a service, `fake` is the deterministic one for
//! tests. [`hub`] finds and fetches models.

pub mod fake;
mod guard;
pub mod hub;
pub mod openai;
pub mod transcriber;
pub mod whisper;

pub use transcriber::{
    Cancel, Checkpoint, Error, LongForm, Observer, Options, Silent, Transcriber, WindowDone,
};
