//! Login as people see it: a real browser, a certified identity provider, and the service on a real socket.

#![expect(clippy::unwrap_used, reason = "in a test that is how a failure is told")]

mod coming_in;
mod going_out;
mod kept_out;
mod parties;
mod passwords;
#[path = "../support/service.rs"]
#[expect(dead_code, reason = "other tests need more of it")]
mod service;
