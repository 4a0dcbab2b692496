//! The service as its callers see it: the real router on a real store, and a real socket where connections matter.

mod connections;
mod create;
mod door;
mod jobs;
mod media;
mod probes;
mod service;
mod transcripts;
