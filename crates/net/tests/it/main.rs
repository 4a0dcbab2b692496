//! Calls over real sockets: who may be called, what is sent, and hosts that misbehave.

#![expect(clippy::unwrap_used, reason = "in a test that is how a failure is told")]

mod bodies;
mod downloads;
mod guarding;
mod host;
mod redirects;
