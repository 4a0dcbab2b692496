//! The command line as its users type it.

mod demo;
mod help;
mod program;
mod refusals;
mod stopping;
mod transcribe;
