//! Our Whisper against openai-whisper on the same weights, and the suite that every engine passes.

mod accuracy;
mod formats;
mod golden;
mod greedy;
mod numbers;
mod shapes;
mod suite;
mod support;
