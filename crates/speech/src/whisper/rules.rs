//! Which tokens may come next.
//!
//! The rules are those of openai-whisper's decoding: timestamps come in pairs and never run backwards, the first is
//! early, and a timestamp is due as soon as timestamps together are more probable than any word.

use super::config::Generation;
use super::tokens::{TIMESTAMPS, Tokens};

/// Masks logits before a token is chosen.
pub(super) struct Rules<'m> {
    tokens: &'m Tokens,
    generation: &'m Generation,
    control: Vec<u32>,
}

impl<'m> Rules<'m> {
    pub(super) fn new(tokens: &'m Tokens, generation: &'m Generation) -> Self {
        Self { tokens, generation, control: tokens.control() }
    }

    /// Turns the logits after `sampled` into log-probabilities of the tokens that are allowed; the others are -inf.
    pub(super) fn apply(&self, sampled: &[u32], logits: &mut [f32]) {
        const NEVER: f32 = f32::NEG_INFINITY;
        let timestamps = self.tokens.timestamps as usize;
        let end = self.tokens.end as usize;
        if sampled.is_empty() {
            forbid(logits, &self.generation.suppress_at_begin);
        }
        forbid(logits, &self.generation.suppress);
        forbid(logits, &self.control);
        logits[self.tokens.no_timestamps as usize] = NEVER;
        // Some vocabularies are padded after the last timestamp.
        logits[timestamps + TIMESTAMPS as usize..].fill(NEVER);

        let is_timestamp =
            |at: usize| sampled.len().checked_sub(at).map(|n| self.tokens.is_timestamp(sampled[n]));
        let last = is_timestamp(1).unwrap_or(false);
        let before_last = is_timestamp(2).unwrap_or(true);
        if last && before_last {
            logits[timestamps..].fill(NEVER);
        } else if last {
            logits[..end].fill(NEVER);
        }
        if let Some(&latest) = sampled.iter().rev().find(|&&id| self.tokens.is_timestamp(id)) {
            // A segment that has only just begun must end later, or the text would never move on.
            let first_allowed = if last && !before_last { latest } else { latest + 1 };
            logits[timestamps..first_allowed as usize].fill(NEVER);
        }
        if sampled.is_empty() {
            logits[..timestamps].fill(NEVER);
            let last_allowed = timestamps + self.generation.initial_timestamp_max;
            if let Some(later) = logits.get_mut(last_allowed + 1..) {
                later.fill(NEVER);
            }
        }

        hansard_nn::log_softmax(logits);
        let (words, times) = logits.split_at_mut(timestamps);
        let time = log_sum_exp(times);
        if time > words.iter().copied().fold(NEVER, f32::max) {
            words.fill(NEVER);
            times.iter_mut().for_each(|value| *value -= time);
        }
    }
}

fn forbid(logits: &mut [f32], tokens: &[u32]) {
    for &token in tokens {
        if let Some(logit) = logits.get_mut(token as usize) {
            *logit = f32::NEG_INFINITY;
        }
    }
}

fn log_sum_exp(values: &[f32]) -> f32 {
    let max = values.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    if max == f32::NEG_INFINITY {
        return max;
    }
    max + values.iter().map(|value| (value - max).exp()).sum::<f32>().ln()
}
