//! Mel, encoder, logits and language probabilities agree with the reference within the stated tolerances.

use hansard_nn::log_softmax;
use hansard_speech::Cancel;
use hansard_speech::whisper::decoder::Row;

use crate::golden::{clips, golden};
use crate::support::{clip, fixture, samples, whisper};

const MEL_TOLERANCE: f32 = 1e-3;
const ENCODER_TOLERANCE: f32 = 3e-3;
const LOG_PROBABILITY_TOLERANCE: f32 = 5e-3;
const LANGUAGE_TOLERANCE: f32 = 1e-3;

/// The numbers of a `.npy` file of little-endian f32.
fn array(path: &str) -> Vec<f32> {
    let bytes = std::fs::read(fixture(path)).expect("the array is there");
    let header = 10 + u16::from_le_bytes([bytes[8], bytes[9]]) as usize;
    bytes[header..].as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect()
}

fn largest_difference(ours: impl IntoIterator<Item = f32>, theirs: &[f32]) -> f32 {
    ours.into_iter().zip(theirs).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

#[test]
fn mel_and_encoder_output_are_the_reference_s() {
    for name in ["en-00", "pt-00"] {
        let model = whisper().model();
        let mel = model.mel(&samples(&clip(name)));
        let golden_mel = array(&format!("arrays/{name}.mel.npy"));
        assert_eq!(mel.len(), golden_mel.len());
        let by_bin = (0..mel.len()).map(|n| mel[(n % 3000) * 80 + n / 3000]);
        let difference = largest_difference(by_bin, &golden_mel);
        assert!(difference < MEL_TOLERANCE, "{name}: mel differs by {difference}");

        let features = model.encode(&mel, &Cancel::default()).unwrap();
        let golden_features = array(&format!("arrays/{name}.encoder.npy"));
        assert_eq!(features.values().len(), golden_features.len());
        let difference = largest_difference(features.values().iter().copied(), &golden_features);
        assert!(difference < ENCODER_TOLERANCE, "{name}: encoder output differs by {difference}");
    }
}

#[test]
fn forced_tokens_have_the_reference_s_probabilities() {
    let model = whisper().model();
    let mut checked = 0;
    for golden in clips() {
        let Some(forced) = &golden.teacher_forced else { continue };
        let mel = model.mel(&samples(&clip(&golden.name)));
        let features = model.encode(&mel, &Cancel::default()).unwrap();
        let mut session = model.session(1);
        session.listen(features.values());
        let rows: Vec<Row> =
            forced.tokens.iter().map(|&token| Row { token, hypothesis: 0 }).collect();
        let logits = session.step(&rows, 0..rows.len());
        let vocabulary = model.config().vocab_size;
        for (position, logits) in logits.chunks_exact_mut(vocabulary).enumerate() {
            let Some(ids) = forced.top5_ids.get(position) else { break };
            log_softmax(logits);
            let ours = ids.iter().map(|&id| logits[id as usize]);
            let difference = largest_difference(ours, &forced.top5_logprobs[position]);
            assert!(
                difference < LOG_PROBABILITY_TOLERANCE,
                "{}: log-probabilities at {position} differ by {difference}",
                golden.name
            );
            checked += 1;
        }
    }
    assert!(checked > 500, "only {checked} positions were compared");
}

#[test]
fn tokens_one_at_a_time_and_all_at_once_are_the_same() {
    let model = whisper().model();
    let forced = golden("en-00").teacher_forced.as_ref().expect("en-00 has forced tokens");
    let mel = model.mel(&samples(&clip("en-00")));
    let features = model.encode(&mel, &Cancel::default()).unwrap();
    let mut session = model.session(3);
    session.listen(features.values());
    let rows: Vec<Row> = forced.tokens.iter().map(|&token| Row { token, hypothesis: 0 }).collect();
    let together = session.step(&rows, rows.len() - 1..rows.len()).to_vec();
    session.forget();
    let mut last = Vec::new();
    for (n, &token) in forced.tokens.iter().enumerate() {
        // The text moves from hypothesis to hypothesis, as in a beam.
        let from = n % 3;
        session.fork(&[from; 3]);
        let rows: Vec<Row> = (0..3).map(|hypothesis| Row { token, hypothesis }).collect();
        last = session.step(&rows, 1..2).to_vec();
    }
    let difference = largest_difference(last, &together);
    assert!(difference < 1e-3, "logits differ by {difference}");
}

#[test]
fn languages_have_the_reference_s_probabilities() {
    let model = whisper().model();
    for golden in clips() {
        let samples = samples(&clip(&golden.name));
        let mel = model.mel(&samples[..samples.len().min(480_000)]);
        let features = model.encode(&mel, &Cancel::default()).unwrap();
        let mut session = model.session(1);
        session.listen(features.values());
        let found = model.detect_language(&mut session);
        if let Some((expected, _)) = golden.language_probs.iter().max_by(|a, b| a.1.total_cmp(b.1))
        {
            assert_eq!(&found[0].0, expected, "{}", golden.name);
        }
        for (code, expected) in &golden.language_probs {
            let (_, ours) = found.iter().find(|(other, _)| other == code).unwrap();
            let difference = (ours - expected).abs();
            assert!(difference < LANGUAGE_TOLERANCE, "{} {code}: {ours}", golden.name);
        }
    }
}
