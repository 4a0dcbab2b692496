//! Models of published shapes, with random weights in every storage and layout, give the reference's numbers.

use std::sync::Arc;

use hansard_nn::{Pool, log_softmax};
use hansard_speech::Cancel;
use hansard_speech::whisper::decoder::Row;
use hansard_speech::whisper::model::Model;
use hansard_testkit::shapes::{Dtype, Layout, Shape};
use serde::Deserialize;

use crate::support::{clip, fixture, samples};

const ENCODER_TOLERANCE: f32 = 3e-3;
const LOG_PROBABILITY_TOLERANCE: f32 = 5e-3;

#[derive(Deserialize)]
struct Expectation {
    seed: u64,
    encoder: EncoderSpots,
    teacher_forced: Forced,
    greedy: Greedy,
}

#[derive(Deserialize)]
struct EncoderSpots {
    rows: Vec<usize>,
    columns: Vec<usize>,
    values: Vec<Vec<f32>>,
}

#[derive(Deserialize)]
struct Forced {
    tokens: Vec<u32>,
    positions: Vec<Position>,
}

#[derive(Deserialize)]
struct Position {
    ids: Vec<usize>,
    log_probabilities: Vec<f32>,
}

#[derive(Deserialize)]
struct Greedy {
    prefix: Vec<u32>,
    tokens: Vec<u32>,
}

fn rows(tokens: &[u32]) -> Vec<Row> {
    tokens.iter().map(|&token| Row { token, hypothesis: 0 }).collect()
}

fn check(shape: Shape, name: &str, layout: Layout, dtype: Dtype) {
    let file = std::fs::read(fixture(&format!("shapes/{name}.json"))).unwrap();
    let expected: Expectation = serde_json::from_slice(&file).unwrap();
    let folder = tempfile::tempdir().unwrap();
    shape.write_model(expected.seed, folder.path(), layout, dtype).unwrap();
    let model = Model::load(folder.path(), Arc::new(Pool::new(2))).unwrap();

    let mel = model.mel(&samples(&clip("en-00")));
    let features = model.encode(&mel, &Cancel::default()).unwrap();
    let columns = model.config().d_model;
    for (&row, values) in expected.encoder.rows.iter().zip(&expected.encoder.values) {
        for (&column, value) in expected.encoder.columns.iter().zip(values) {
            let ours = features.values()[row * columns + column];
            assert!(
                (ours - value).abs() < ENCODER_TOLERANCE,
                "{name} [{row}][{column}]: {ours} not {value}"
            );
        }
    }

    let mut session = model.session(1);
    session.listen(features.values());
    let tokens = rows(&expected.teacher_forced.tokens);
    let logits = session.step(&tokens, 0..tokens.len());
    let vocabulary = model.config().vocab_size;
    let by_position = logits.chunks_exact_mut(vocabulary).zip(&expected.teacher_forced.positions);
    for (at, (logits, position)) in by_position.enumerate() {
        log_softmax(logits);
        for (&id, value) in position.ids.iter().zip(&position.log_probabilities) {
            let ours = logits[id];
            assert!(
                (ours - value).abs() < LOG_PROBABILITY_TOLERANCE,
                "{name} {at} {id}: {ours} not {value}"
            );
        }
    }

    session.forget();
    let prefix = rows(&expected.greedy.prefix);
    let mut seen = expected.greedy.prefix.clone();
    let mut logits = session.step(&prefix, prefix.len() - 1..prefix.len());
    for &expected in &expected.greedy.tokens {
        let best = (0..vocabulary as u32)
            .filter(|id| !seen.contains(id))
            .max_by(|&a, &b| logits[a as usize].total_cmp(&logits[b as usize]));
        assert_eq!(best, Some(expected), "{name} after {} tokens", seen.len());
        seen.push(expected);
        logits = session.step(&rows(&[expected]), 0..1);
    }
}

#[test]
fn the_base_shape_in_one_file_of_halves() {
    check(Shape::base(), "base", Layout::Single, Dtype::F16);
}

#[test]
fn the_base_shape_in_shards_of_singles() {
    check(Shape::base(), "base", Layout::Sharded, Dtype::F32);
}

#[test]
fn a_narrow_turbo_in_brain_floats() {
    check(Shape::narrow_turbo(), "narrow-turbo", Layout::Single, Dtype::Bf16);
}
