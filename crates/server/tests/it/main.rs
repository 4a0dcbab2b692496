//! The service as its callers see it: the real router on a real store, and a real socket where connections matter.

mod create;
mod door;
mod service;
