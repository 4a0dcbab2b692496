//! The command line as its users type it.

#![expect(clippy::unwrap_used, reason = "in a test that is how a failure is told")]

mod beside;
mod bundled_model;
mod config;
mod db;
mod demo;
mod help;
mod models;
mod program;
mod refusals;
mod serving;
mod stopping;
mod tokens;
mod transcribe;
mod users;
mod working;
mod workspaces;
