//! From features to tokens: greedy, beam search, or sampling.

use hansard_nn::log_softmax;

use super::decoder::{Row, Session};
use super::model::Model;
use super::rules::Rules;
use crate::{Cancel, Error};

/// How tokens are chosen.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Strategy {
    /// 0 searches for the most probable text, anything above samples.
    pub temperature: f32,
    /// Hypotheses kept (beam) or drawn (sampling); 1 is greedy.
    pub hypotheses: usize,
    /// Where the pseudo-random numbers begin.
    pub seed: u64,
}

/// The text that a search found.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// Text and timestamps, without the end token.
    pub tokens: Vec<u32>,
    /// Sum of the tokens' log-probabilities, the end token's included when the text came to its end.
    pub log_probability: f32,
    /// Probability of the no-speech token, 0 where the model has none.
    pub no_speech_probability: f32,
}

impl Found {
    /// Mean log-probability of a token, as openai-whisper counts it.
    pub fn average_log_probability(&self) -> f32 {
        self.log_probability / (self.tokens.len() + 1) as f32
    }
}

#[derive(Default)]
struct Hypothesis {
    tokens: Vec<u32>,
    log_probability: f32,
}

/// A candidate for the next token of a beam.
#[derive(Clone, Copy)]
struct Candidate {
    source: usize,
    token: u32,
    log_probability: f32,
}

/// Finds the text of the window that `session` listens to. `prompt` begins with what the model was trained to expect
/// and holds the start token at `start_at`.
pub(super) fn search(
    model: &Model,
    session: &mut Session<'_>,
    prompt: &[u32],
    start_at: usize,
    strategy: Strategy,
    cancel: &Cancel,
) -> Result<Found, Error> {
    session.forget();
    let rules = Rules::new(&model.tokens, &model.generation);
    let tokens_max =
        (model.config.max_target_positions / 2).min(session.room(0).saturating_sub(prompt.len()));
    let vocabulary = model.config.vocab_size;

    let rows: Vec<Row> = prompt.iter().map(|&token| Row { token, hypothesis: 0 }).collect();
    let logits = session.step(&rows, start_at..rows.len());
    let no_speech_probability = model.tokens.no_speech.map_or(0.0, |token| {
        let mut at_start = logits[..vocabulary].to_vec();
        log_softmax(&mut at_start);
        at_start[token as usize].exp()
    });
    let first = logits[logits.len() - vocabulary..].to_vec();

    let search = Search { model, rules, tokens_max, cancel };
    let Hypothesis { tokens, log_probability } = if strategy.temperature > 0.0 {
        search.sample(session, first, strategy)?
    } else if strategy.hypotheses > 1 {
        search.beam(session, first, strategy.hypotheses)?
    } else {
        search.greedy(session, first)?
    };
    Ok(Found { tokens, log_probability, no_speech_probability })
}

struct Search<'m> {
    model: &'m Model,
    rules: Rules<'m>,
    tokens_max: usize,
    cancel: &'m Cancel,
}

impl Search<'_> {
    fn end(&self) -> u32 {
        self.model.tokens.end
    }

    fn greedy(&self, session: &mut Session<'_>, mut first: Vec<f32>) -> Result<Hypothesis, Error> {
        let mut tokens = Vec::with_capacity(self.tokens_max);
        let mut sum = 0.0;
        let mut logits = first.as_mut_slice();
        while tokens.len() < self.tokens_max {
            self.cancel.check()?;
            self.rules.apply(&tokens, logits);
            let (token, log_probability) = most_probable(logits);
            sum += log_probability;
            if token == self.end() {
                break;
            }
            tokens.push(token);
            logits = session.step(&[Row { token, hypothesis: 0 }], 0..1);
        }
        Ok(Hypothesis { tokens, log_probability: sum })
    }

    fn beam(
        &self,
        session: &mut Session<'_>,
        mut first: Vec<f32>,
        width: usize,
    ) -> Result<Hypothesis, Error> {
        let vocabulary = first.len();
        // Everything that a step needs is set aside here, so that no step allocates.
        let mut beams = self.hypotheses(width);
        let mut next = self.hypotheses(width);
        let mut count = 1;
        let mut finished: Vec<Hypothesis> = Vec::with_capacity(width);
        let mut candidates: Vec<Candidate> = Vec::with_capacity(width * (width + 1));
        let mut best = Vec::with_capacity(width + 2);
        let mut rows = Vec::with_capacity(width);
        let mut sources = Vec::with_capacity(width);
        let mut logits = first.as_mut_slice();
        for _ in 0..self.tokens_max {
            self.cancel.check()?;
            candidates.clear();
            let of_beams = beams[..count].iter().zip(logits.chunks_exact_mut(vocabulary));
            for (source, (beam, logits)) in of_beams.enumerate() {
                self.rules.apply(&beam.tokens, logits);
                top(logits, width + 1, &mut best);
                candidates.extend(best.iter().map(|&(token, log_probability)| Candidate {
                    source,
                    token,
                    log_probability: beam.log_probability + log_probability,
                }));
            }
            candidates.sort_unstable_by(|a, b| {
                let by_source = || a.source.cmp(&b.source);
                b.log_probability.total_cmp(&a.log_probability).then_with(by_source)
            });

            rows.clear();
            sources.clear();
            for candidate in &candidates {
                let beam = &beams[candidate.source];
                if candidate.token == self.end() {
                    if finished.len() < width {
                        let log_probability = candidate.log_probability;
                        finished.push(Hypothesis { tokens: beam.tokens.clone(), log_probability });
                    }
                    continue;
                }
                let hypothesis = rows.len();
                next[hypothesis].tokens.clone_from(&beam.tokens);
                next[hypothesis].tokens.push(candidate.token);
                next[hypothesis].log_probability = candidate.log_probability;
                rows.push(Row { token: candidate.token, hypothesis });
                sources.push(candidate.source);
                if rows.len() == width {
                    break;
                }
            }
            std::mem::swap(&mut beams, &mut next);
            count = rows.len();
            if finished.len() >= width || count == 0 {
                break;
            }
            session.fork(&sources);
            logits = session.step(&rows, 0..count);
        }

        // What has not come to its end takes part only where too little has.
        beams.truncate(count.min(width - finished.len().min(width)));
        Ok(finished.into_iter().chain(beams).reduce(better).unwrap_or_default())
    }

    fn hypotheses(&self, count: usize) -> Vec<Hypothesis> {
        let empty =
            || Hypothesis { tokens: Vec::with_capacity(self.tokens_max), log_probability: 0.0 };
        (0..count).map(|_| empty()).collect()
    }

    /// Draws `hypotheses` texts side by side and keeps the most probable.
    fn sample(
        &self,
        session: &mut Session<'_>,
        first: Vec<f32>,
        strategy: Strategy,
    ) -> Result<Hypothesis, Error> {
        let vocabulary = first.len();
        let count = strategy.hypotheses;
        let mut random = SplitMix64(strategy.seed ^ u64::from(strategy.temperature.to_bits()));
        let mut drawn = self.hypotheses(count);
        let mut ended = vec![false; count];
        session.fork(&vec![0; count]);
        let mut rows: Vec<Row> =
            (0..count).map(|hypothesis| Row { token: 0, hypothesis }).collect();
        let mut first = first.repeat(count);
        let mut logits = first.as_mut_slice();
        let mut weights = vec![0.0; vocabulary];
        for _ in 0..self.tokens_max {
            self.cancel.check()?;
            for (row, logits) in rows.iter_mut().zip(logits.chunks_exact_mut(vocabulary)) {
                let hypothesis = &mut drawn[row.hypothesis];
                self.rules.apply(&hypothesis.tokens, logits);
                let token = draw(logits, strategy.temperature, &mut weights, random.unit());
                hypothesis.log_probability += logits[token as usize];
                if token == self.end() {
                    ended[row.hypothesis] = true;
                } else {
                    hypothesis.tokens.push(token);
                    row.token = token;
                }
            }
            rows.retain(|row| !ended[row.hypothesis]);
            if rows.is_empty() {
                break;
            }
            logits = session.step(&rows, 0..rows.len());
        }
        Ok(drawn.into_iter().reduce(better).unwrap_or_default())
    }
}

/// What hypotheses are compared by: openai-whisper's ranking without a length penalty.
fn rank(hypothesis: &Hypothesis) -> f32 {
    hypothesis.log_probability / hypothesis.tokens.len().max(1) as f32
}

/// The one that ranks higher; the first of two that rank alike.
fn better(best: Hypothesis, other: Hypothesis) -> Hypothesis {
    if rank(&other) > rank(&best) { other } else { best }
}

/// The first of the most probable tokens.
fn most_probable(log_probabilities: &[f32]) -> (u32, f32) {
    let mut best = (0, f32::NEG_INFINITY);
    for (token, &value) in log_probabilities.iter().enumerate() {
        if value > best.1 {
            best = (token as u32, value);
        }
    }
    best
}

/// The `count` most probable tokens that are possible at all, best first.
fn top(log_probabilities: &[f32], count: usize, best: &mut Vec<(u32, f32)>) {
    best.clear();
    let mut least = f32::NEG_INFINITY;
    for (token, &value) in log_probabilities.iter().enumerate() {
        if value > least {
            let at = best.partition_point(|&(_, other)| other >= value);
            best.truncate(count - 1);
            best.insert(at, (token as u32, value));
            if best.len() == count {
                least = best[count - 1].1;
            }
        }
    }
}

/// Draws a token at `temperature`; `unit` is within 0 to 1.
fn draw(log_probabilities: &[f32], temperature: f32, weights: &mut [f32], unit: f64) -> u32 {
    let max = log_probabilities.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let mut total = 0.0_f64;
    for (weight, value) in weights.iter_mut().zip(log_probabilities) {
        *weight = ((value - max) / temperature).exp();
        total += f64::from(*weight);
    }
    let mut left = unit * total;
    let mut drawn = 0;
    for (token, &weight) in weights.iter().enumerate() {
        if weight > 0.0 {
            drawn = token as u32;
            left -= f64::from(weight);
            if left < 0.0 {
                break;
            }
        }
    }
    drawn
}

/// Steele, Lea and Flood's SplitMix64: enough randomness for sampling, and the same on every machine.
struct SplitMix64(u64);

impl SplitMix64 {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// Within 0 (included) to 1 (not).
    fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }
}
