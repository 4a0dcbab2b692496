//! Greedy decoding in sequential mode gives the reference's tokens and times on every clip, and beam search its text.

use hansard_domain::transcript::{Segment, Transcript};
use hansard_speech::{LongForm, Options};

use crate::golden::{Clip, GoldenSegment, clips};
use crate::support::{clip, transcribe, word_errors};

const SEGMENT_TOLERANCE: f64 = 0.1;
const WORD_TOLERANCE: f64 = 0.15;
const PROBABILITY_TOLERANCE: f64 = 0.02;

/// How the reference was run.
fn as_the_reference(clip: &Clip, beam_size: usize) -> Options {
    Options {
        language: Some(clip.language.clone()),
        long_form: LongForm::Sequential,
        vad: false,
        beam_size,
        temperatures: vec![0.0],
        word_timestamps: true,
        ..Options::default()
    }
}

fn segments(transcript: &Transcript) -> Vec<&Segment> {
    assert!(transcript.dropped.is_empty(), "nothing of the clips is invented");
    transcript.segments.iter().collect()
}

fn spoken(segments: &[GoldenSegment]) -> Vec<&GoldenSegment> {
    segments.iter().filter(|segment| !segment.tokens.is_empty()).collect()
}

fn assert_same_times(name: &str, ours: &[&Segment], golden: &[&GoldenSegment]) {
    for (ours, golden) in ours.iter().zip(golden) {
        for (ours, golden) in [(ours.start, golden.start), (ours.end, golden.end)] {
            assert!(
                (ours - golden).abs() < SEGMENT_TOLERANCE,
                "{name}: segment at {ours} not {golden}"
            );
        }
        assert_eq!(ours.words.len(), golden.words.len(), "{name}: {:?}", ours.text);
        for (ours, golden) in ours.words.iter().zip(&golden.words) {
            assert_eq!(ours.text, golden.word, "{name}");
            for (ours, theirs) in [(ours.start, golden.start), (ours.end, golden.end)] {
                let difference = (ours - theirs).abs();
                assert!(
                    difference < WORD_TOLERANCE,
                    "{name}: {:?} at {ours} not {theirs}",
                    golden.word
                );
            }
            let difference = (ours.probability - golden.probability).abs();
            assert!(difference < PROBABILITY_TOLERANCE, "{name}: {:?} {ours:?}", golden.word);
        }
    }
}

#[test]
fn greedy_tokens_and_times_are_the_reference_s() {
    for golden in clips() {
        let transcript = transcribe(&clip(&golden.name), &as_the_reference(golden, 1));
        let ours = segments(&transcript);
        let theirs = spoken(&golden.greedy.segments);
        let our_tokens: Vec<&[u32]> = ours.iter().map(|s| s.tokens.as_slice()).collect();
        let their_tokens: Vec<&[u32]> = theirs.iter().map(|s| s.tokens.as_slice()).collect();
        assert_eq!(our_tokens, their_tokens, "{}", golden.name);
        assert_eq!(transcript.text(), golden.greedy.text.trim(), "{}", golden.name);
        assert_same_times(&golden.name, &ours, &theirs);
        let errors = word_errors(&golden.truth, &transcript.text());
        assert!(errors <= golden.greedy.word_errors, "{}: {errors} word errors", golden.name);
    }
}

#[test]
fn beam_search_finds_the_reference_s_text_or_a_better_one() {
    for golden in clips() {
        let transcript = transcribe(&clip(&golden.name), &as_the_reference(golden, 5));
        let ours = segments(&transcript);
        let theirs = spoken(&golden.beam5.segments);
        if transcript.text() == golden.beam5.text.trim() {
            assert_same_times(&golden.name, &ours, &theirs);
            continue;
        }
        let differ = ours.iter().zip(&theirs).find(|(a, b)| a.tokens != b.tokens);
        let (ours, theirs) = differ.expect("texts that differ have tokens that differ");
        assert!(
            ours.average_log_probability >= theirs.avg_logprob - 1e-3,
            "{}: {:?} has {} where the reference has {}",
            golden.name,
            ours.text,
            ours.average_log_probability,
            theirs.avg_logprob
        );
    }
}
