//! The service as its callers see it: the real router on a real store, and a real socket where connections matter.

#![expect(clippy::unwrap_used, reason = "in a test that is how a failure is told")]

mod audit;
mod bearers;
mod collections;
mod connections;
mod cookies;
mod cors;
mod create;
mod documents;
mod door;
mod jobs;
mod limits;
mod logins;
mod media;
mod mxwhisper;
mod openai;
mod people;
mod probes;
mod recordings;
mod salestrainer;
#[path = "../support/service.rs"]
#[expect(dead_code, reason = "other tests need more of it")]
mod service;
mod sessions;
#[path = "../support/things.rs"]
#[expect(dead_code, reason = "other tests need more of it")]
mod things;
mod tokens;
mod topics;
mod transcripts;
mod uploading;
mod uploads;
mod users;
mod webhooks;
mod working;
mod workspaces;
