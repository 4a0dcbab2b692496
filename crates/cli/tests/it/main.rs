//! The command line as its users type it.

#![expect(clippy::unwrap_used, reason = "in a test that is how a failure is told")]

mod bundled_model;
mod config;
mod db;
mod demo;
mod help;
mod models;
mod program;
mod refusals;
mod stopping;
mod transcribe;
mod working;
