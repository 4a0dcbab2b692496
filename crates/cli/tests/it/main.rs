//! The command line as its users type it.

mod bundled_model;
mod config;
mod demo;
mod help;
mod models;
mod program;
mod refusals;
mod stopping;
mod transcribe;
mod working;
