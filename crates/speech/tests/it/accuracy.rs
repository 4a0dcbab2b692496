//! The default mode, windows with voice activity, on every clip: no more word errors than the reference and one in a
//! hundred words.

use hansard_speech::Options;

use crate::golden::clips;
use crate::support::{clip, transcribe, word_errors, words};

#[test]
fn windows_read_all_clips_as_well_as_the_reference() {
    for beam_size in [1, 5] {
        let (mut errors, mut allowed, mut total) = (0, 0, 0);
        for golden in clips() {
            let language = Some(golden.language.clone());
            let options = Options { language, beam_size, ..Options::default() };
            let text = transcribe(&clip(&golden.name), &options).text();
            errors += word_errors(&golden.truth, &text);
            let reference = if beam_size == 1 { &golden.greedy } else { &golden.beam5 };
            allowed += reference.word_errors;
            total += words(&golden.truth).len();
        }
        assert!(
            errors <= allowed + total / 100,
            "beam size {beam_size}: {errors} word errors in {total}, the reference has {allowed}"
        );
    }
}
