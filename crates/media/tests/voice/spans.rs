//! Speech is found whole, and nothing else is taken for it.

use hansard_media::{SAMPLE_RATE, Span};

use crate::{
    fixtures::{Clip, Random, clip, clips, read},
    speech,
};

/// The part of the sentences' time that is within spans, 0 to 1.
fn recall(sentences: &[Span], spans: &[Span]) -> f64 {
    let shared = |sentence: &Span, span: &Span| {
        sentence.end.min(span.end).saturating_sub(sentence.start.max(span.start))
    };
    let found: u64 = sentences
        .iter()
        .flat_map(|sentence| spans.iter().map(move |span| shared(sentence, span)))
        .sum();
    let said: u64 = sentences.iter().map(|sentence| sentence.end - sentence.start).sum();
    found as f64 / said as f64
}

/// A lost word is lost for ever: measured is 1.0 everywhere but in noise as loud as the speech (0.9987).
const LEAST_RECALL: f64 = 0.998;

fn assert_all_heard(what: &str, samples: &[f32], sentences: &[Span]) {
    let recall = recall(sentences, &speech(samples, 4_096));
    assert!(recall >= LEAST_RECALL, "{what}: {recall:.4} of the speech was found");
}

fn rms(samples: &[f32]) -> f32 {
    (samples.iter().map(|sample| sample * sample).sum::<f32>() / samples.len() as f32).sqrt()
}

#[test]
fn every_sentence_of_every_clip_is_found() {
    for Clip { name, samples, sentences } in clips() {
        assert_all_heard(&name, &samples, &sentences);
    }
}

#[test]
fn quiet_noisy_and_accompanied_speech_is_found() {
    let sentences = clip("en-00").sentences;
    for file in ["en-00.quiet-35dbfs", "en-00.noise-10db", "en-00.over-music"] {
        assert_all_heard(file, &read(&format!("formats/{file}.flac")), &sentences);
    }
}

#[test]
fn speech_is_found_at_any_level() {
    let Clip { samples, sentences, .. } = clip("pt-01");
    for decibels in [-60, -50, -20, -10] {
        let gain = 10_f32.powf(decibels as f32 / 20.0) / rms(&samples);
        let louder: Vec<f32> = samples.iter().map(|sample| sample * gain).collect();
        assert_all_heard(&format!("{decibels} dBFS"), &louder, &sentences);
    }
}

#[test]
fn speech_is_found_in_noise_as_loud_as_itself_and_over_mains_hum() {
    let Clip { samples, sentences, .. } = clip("pt-01");
    let level = rms(&samples);
    let mut random = Random(1);
    // Uniform noise within -1 to 1 has an rms of 1 / sqrt(3).
    let noisy: Vec<f32> =
        samples.iter().map(|sample| sample + level * 3_f32.sqrt() * random.sample()).collect();
    assert_all_heard("noise", &noisy, &sentences);
    let hum = |i: usize| (std::f32::consts::TAU * 50.0 * i as f32 / SAMPLE_RATE as f32).sin();
    let humming: Vec<f32> =
        samples.iter().enumerate().map(|(i, sample)| sample + level * hum(i)).collect();
    assert_all_heard("hum", &humming, &sentences);
}

#[test]
fn silence_noise_a_dial_tone_and_music_hold_no_speech() {
    for file in ["silence", "noise", "dial-tone", "music"] {
        let samples = read(&format!("formats/{file}.flac"));
        for gain in [1.0, 0.25, 0.05] {
            let quieter: Vec<f32> = samples.iter().map(|sample| sample * gain).collect();
            assert_eq!(speech(&quieter, 4_096), [], "{file} at {gain}");
        }
    }
}

#[test]
fn a_long_silence_splits_speech_and_short_pauses_do_not() {
    let Clip { samples, sentences, .. } = clip("pt-01");
    let mut recording = samples.clone();
    recording.extend(vec![0.0; 5 * SAMPLE_RATE]);
    recording.extend(&samples);
    let spans = speech(&recording, 4_096);
    let gap = samples.len() as u64..(samples.len() + 5 * SAMPLE_RATE) as u64;
    let said = sentences.last().expect("something is said").end;
    let before = spans.iter().filter(|span| span.start < said).max_by_key(|span| span.end);
    assert!(before.is_some_and(|span| span.end < gap.start + SAMPLE_RATE as u64));
    assert!(spans.iter().any(|span| span.start > gap.end - SAMPLE_RATE as u64));
    assert!(spans.len() <= 2 * sentences.len());
}

#[test]
fn block_size_does_not_matter() {
    let samples = &clip("en-03").samples[..12 * SAMPLE_RATE + 77];
    let whole = speech(samples, samples.len());
    assert!(!whole.is_empty());
    for block in [1, 160, 4_096] {
        assert_eq!(speech(samples, block), whole, "blocks of {block}");
    }
}

#[test]
fn spans_are_ordered_apart_and_within_the_recording() {
    for Clip { name, samples, .. } in clips() {
        let spans = speech(&samples, 4_096);
        assert!(spans.iter().all(|span| span.start < span.end), "{name}");
        assert!(spans.windows(2).all(|pair| pair[0].end < pair[1].start), "{name}");
        assert!(spans.iter().all(|span| span.end <= samples.len() as u64), "{name}");
    }
}

#[test]
fn recordings_of_a_few_samples_and_broken_samples_do_no_harm() {
    for length in [0, 1, 255, 256, 257, 5_000] {
        assert_eq!(speech(&vec![0.0; length], 4_096), []);
    }
    let broken = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 1e30, -1e30, 0.0];
    let mut samples: Vec<f32> = broken.into_iter().cycle().take(SAMPLE_RATE).collect();
    let Clip { samples: voice, sentences, .. } = clip("pt-01");
    samples.extend(voice);
    let later = |sample| sample + SAMPLE_RATE as u64;
    let sentences: Vec<Span> = sentences
        .iter()
        .map(|span| Span { start: later(span.start), end: later(span.end) })
        .collect();
    assert_all_heard("after broken samples", &samples, &sentences);
}
