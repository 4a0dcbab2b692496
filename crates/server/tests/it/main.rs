//! The service as its callers see it: the real router on a real store, and a real socket where connections matter.

#![expect(clippy::unwrap_used, reason = "in a test that is how a failure is told")]

mod connections;
mod create;
mod documents;
mod door;
mod jobs;
mod media;
mod openai;
mod probes;
mod recordings;
mod salestrainer;
#[path = "../support/service.rs"]
#[expect(dead_code, reason = "other tests need more of it")]
mod service;
mod transcripts;
mod uploading;
mod uploads;
mod webhooks;
mod working;
