//! When each token was said: dynamic time warping over the cross attention that follows the words.
//!
//! The method of openai-whisper: the text is put through the decoder once more, the attention of the alignment heads is
//! normalised and smoothed, and the cheapest monotonous path through it gives each token its 20 ms step.

use hansard_nn::softmax;

use super::decoder::{Row, Session};
use super::model::Model;
use super::tokens::TIMESTAMP_STEP;
use crate::{Cancel, Error};

/// A word with its times in seconds from the start of the window.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct TimedWord {
    pub(super) text: String,
    /// How many text tokens it takes.
    pub(super) tokens: usize,
    pub(super) start: f64,
    pub(super) end: f64,
    pub(super) probability: f64,
}

/// Aligns the text tokens `ids` with the window that `session` listens to. `start` is the start sequence that the text
/// was decoded with, `frames` how many mel frames of the window are not padding.
pub(super) fn align(
    model: &Model,
    session: &mut Session<'_>,
    start: &[u32],
    language: &str,
    ids: &[u32],
    frames: usize,
    cancel: &Cancel,
) -> Result<Vec<TimedWord>, Error> {
    let steps = (frames / 2).min(model.config.max_source_positions);
    let tokens = &model.tokens;
    session.forget();
    let forced = start.len() + ids.len() + 2;
    if ids.is_empty() || steps == 0 || forced > session.room(0) {
        return Ok(Vec::new());
    }
    let rows: Vec<Row> = start
        .iter()
        .chain(&[tokens.no_timestamps])
        .chain(ids)
        .chain(&[tokens.end])
        .map(|&token| Row { token, hypothesis: 0 })
        .collect();
    let heads = &model.generation.alignment_heads;
    let (logits, scores) = session.step_with_scores(&rows, heads);
    cancel.check()?;

    let vocabulary = model.config.vocab_size;
    let probabilities: Vec<f64> = ids
        .iter()
        .enumerate()
        .map(|(n, &id)| {
            let text = &mut logits[(start.len() + n) * vocabulary..][..tokens.end as usize];
            softmax(text);
            f64::from(text[id as usize])
        })
        .collect();

    let matrix = focus(scores, rows.len(), steps, model.generation.median_filter_width, cancel)?;
    // From the row that predicts the first text token to the one that predicts the end.
    let matrix = &matrix[start.len() * steps..(rows.len() - 1) * steps];
    let begins = warp(matrix, steps);

    let mut words = Vec::new();
    let mut first = 0;
    for (text, count) in tokens.words(ids, language) {
        let range = first..first + count;
        first = range.end;
        words.push(TimedWord {
            text,
            tokens: count,
            start: begins[range.start] as f64 * TIMESTAMP_STEP,
            end: begins[range.end] as f64 * TIMESTAMP_STEP,
            probability: probabilities[range].iter().sum::<f64>() / count as f64,
        });
    }
    Ok(words)
}

/// The mean over the heads of their attention, each normalised over the tokens and smoothed over time: `[rows][steps]`.
fn focus(
    scores: Vec<Vec<f32>>,
    rows: usize,
    steps: usize,
    filter_width: usize,
    cancel: &Cancel,
) -> Result<Vec<f32>, Error> {
    let count = scores.len() as f32;
    let mut mean = vec![0.0; rows * steps];
    let mut smooth = vec![0.0; steps];
    for head in scores {
        cancel.check()?;
        let positions = head.len() / rows;
        let mut weights: Vec<f32> = Vec::with_capacity(rows * steps);
        for row in head.chunks_exact(positions) {
            let at = weights.len();
            weights.extend_from_slice(&row[..steps]);
            softmax(&mut weights[at..]);
        }
        standardise(&mut weights, rows, steps);
        for (row, mean) in weights.chunks_exact(steps).zip(mean.chunks_exact_mut(steps)) {
            median_filter(row, filter_width, &mut smooth);
            for (mean, value) in mean.iter_mut().zip(&smooth) {
                *mean += value / count;
            }
        }
    }
    Ok(mean)
}

/// Brings each column to mean 0 and deviation 1.
fn standardise(weights: &mut [f32], rows: usize, steps: usize) {
    for step in 0..steps {
        let column = || (0..rows).map(|row| f64::from(weights[row * steps + step]));
        let mean = column().sum::<f64>() / rows as f64;
        let variance = column().map(|value| (value - mean).powi(2)).sum::<f64>() / rows as f64;
        let deviation = variance.sqrt().max(f64::MIN_POSITIVE);
        for row in 0..rows {
            let value = &mut weights[row * steps + step];
            *value = ((f64::from(*value) - mean) / deviation) as f32;
        }
    }
}

/// The median of `width` values around each, the ends mirrored.
fn median_filter(row: &[f32], width: usize, smooth: &mut [f32]) {
    let half = width / 2;
    if row.len() <= half {
        smooth.copy_from_slice(row);
        return;
    }
    let last = row.len() - 1;
    let mut around = vec![0.0; width];
    for (n, smooth) in smooth.iter_mut().enumerate() {
        for (offset, value) in around.iter_mut().enumerate() {
            let at = (n + offset).abs_diff(half);
            *value = row[if at > last { 2 * last - at } else { at }];
        }
        around.sort_unstable_by(f32::total_cmp);
        *smooth = around[half];
    }
}

/// The step at which each row of `matrix` (`[rows][steps]`, large where row and step belong together) begins on the path
/// of the largest sum that never goes back.
fn warp(matrix: &[f32], steps: usize) -> Vec<usize> {
    #[derive(Clone, Copy)]
    enum From {
        Both,
        Row,
        Step,
    }
    let rows = matrix.len() / steps;
    let mut from = vec![From::Step; rows * steps];
    // Costs of the column before and of this one, with a border above the first row.
    let mut before = vec![f32::INFINITY; rows + 1];
    let mut now = vec![f32::INFINITY; rows + 1];
    before[0] = 0.0;
    for step in 0..steps {
        now[0] = f32::INFINITY;
        for row in 0..rows {
            let (both, down, right) = (before[row], now[row], before[row + 1]);
            let (cost, origin) = if both < down && both < right {
                (both, From::Both)
            } else if down < both && down < right {
                (down, From::Row)
            } else {
                (right, From::Step)
            };
            now[row + 1] = (f64::from(cost) - f64::from(matrix[row * steps + step])) as f32;
            from[row * steps + step] = origin;
        }
        std::mem::swap(&mut before, &mut now);
    }
    let mut begins = vec![0; rows];
    let (mut row, mut step) = (rows - 1, steps - 1);
    loop {
        begins[row] = step;
        match (row, step) {
            (0, _) => break,
            (_, 0) => row -= 1,
            _ => match from[row * steps + step] {
                From::Both => (row, step) = (row - 1, step - 1),
                From::Row => row -= 1,
                From::Step => step -= 1,
            },
        }
    }
    begins[0] = 0;
    begins
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_follows_what_is_large() {
        #[rustfmt::skip]
        let matrix = [
            9.0, 9.0, -1.0, -1.0, -1.0,
            -1.0, -1.0, 9.0, -1.0, -1.0,
            -1.0, -1.0, -1.0, 9.0, 9.0,
        ];
        assert_eq!(warp(&matrix, 5), [0, 2, 3]);
    }

    #[test]
    fn more_tokens_than_steps_share_a_step() {
        assert_eq!(warp(&[1.0, 1.0, 1.0], 1), [0, 0, 0]);
    }

    #[test]
    fn the_median_forgets_a_spike_and_mirrors_the_ends() {
        let mut smooth = [0.0; 6];
        median_filter(&[5.0, 1.0, 1.0, 9.0, 1.0, 1.0], 3, &mut smooth);
        assert_eq!(smooth, [1.0, 1.0, 1.0, 1.0, 1.0, 1.0]);
        let mut short = [0.0; 2];
        median_filter(&[1.0, 2.0], 7, &mut short);
        assert_eq!(short, [1.0, 2.0]);
    }
}
