//! The default mode, windows with voice activity, on every clip: no more word errors than the reference
//! and one in a hundred words.

use hansard_domain::transcript::Transcript;
use hansard_speech::Options;

use crate::golden::clips;
use crate::support::{clip, transcribe, word_errors, words};

fn read(name: &str, language: &str, beam_size: usize) -> Transcript {
    let language = Some(language.to_owned());
    transcribe(&clip(name), &Options { language, beam_size, ..Options::default() })
}

#[test]
fn windows_read_all_clips_as_well_as_the_reference() {
    for beam_size in [1, 5] {
        let (mut errors, mut allowed, mut total) = (0, 0, 0);
        for golden in clips() {
            let transcript = read(&golden.name, &golden.language, beam_size);
            let reference = if beam_size == 1 { &golden.greedy } else { &golden.beam5 };
            let e = word_errors(&golden.truth, &transcript.text());
            println!(
                "{beam_size} {} {e} {} dropped {}",
                golden.name,
                reference.word_errors,
                transcript.dropped.len()
            );
            errors += e;
            allowed += reference.word_errors;
            total += words(&golden.truth).len();
        }
        assert!(
            errors <= allowed + total / 100,
            "beam size {beam_size}: {errors} word errors in {total}, the reference has {allowed}"
        );
    }
}
