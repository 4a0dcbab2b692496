//! Our Whisper against openai-whisper on the same weights, and the suite that every engine passes.

#![expect(clippy::unwrap_used, reason = "in a test that is how a failure is told")]

mod accuracy;
mod formats;
mod golden;
mod greedy;
mod numbers;
mod openai;
mod service;
mod shapes;
mod suite;
mod support;
mod wrong_models;
