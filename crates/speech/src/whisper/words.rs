//! From aligned tokens to words in segments.
//!
//! Attention wanders over pauses, so the first and the last word of a sentence come out too long; the corrections are
//! those of openai-whisper's `add_word_timestamps`, on which subtitles of other tools rest.

use hansard_domain::transcript::{Segment, Word};

use super::align::TimedWord;
use super::tokens::Tokens;

/// Marks that belong to the word after them.
const BEFORE_WORD: &str = "\"'“¿([{-";
/// Marks that belong to the word before them.
const AFTER_WORD: &str = "\"'.。,，!！?？:：”)]}、";
const SENTENCE_ENDS: &str = ".。!！?？";
/// A median word is not taken to be longer than this, in seconds.
const MEDIAN_MAX: f64 = 0.7;
/// Words differ from their segment's edge by this many seconds at most before the edge is believed.
const EDGE_TOLERANCE: f64 = 0.5;

/// Puts `aligned` words into `segments`, whose window starts at `offset` seconds, and sets the segments' times by them.
/// Speech before the window ended at `last_speech`; the end of the last word is returned in its place.
pub(super) fn add_words(
    tokens: &Tokens,
    segments: &mut [Segment],
    mut aligned: Vec<TimedWord>,
    offset: f64,
    mut last_speech: f64,
) -> f64 {
    let median = median_duration(&aligned);
    shorten_at_sentence_ends(&mut aligned, 2.0 * median);
    join_marks(&mut aligned);

    let mut rest = aligned.into_iter();
    for segment in segments {
        let wanted = segment.tokens.iter().filter(|&&id| id < tokens.end).count();
        let mut taken = 0;
        let mut words = Vec::new();
        while taken < wanted {
            let Some(word) = rest.next() else { break };
            taken += word.tokens;
            if !word.text.is_empty() {
                words.push(Word {
                    start: hundredths(offset + word.start),
                    end: hundredths(offset + word.end),
                    text: word.text,
                    probability: word.probability,
                });
            }
        }
        if !words.is_empty() {
            shorten_after_pause(&mut words, median, last_speech);
            agree_on_edges(segment, &mut words, median);
            last_speech = segment.end;
        }
        segment.words = words;
    }
    last_speech
}

fn hundredths(seconds: f64) -> f64 {
    (seconds * 100.0).round() / 100.0
}

fn median_duration(words: &[TimedWord]) -> f64 {
    let mut durations: Vec<f64> = words
        .iter()
        .map(|word| word.end - word.start)
        .filter(|&duration| duration != 0.0)
        .collect();
    if durations.is_empty() {
        return 0.0;
    }
    durations.sort_unstable_by(f64::total_cmp);
    let (lower, upper) = (durations[(durations.len() - 1) / 2], durations[durations.len() / 2]);
    f64::midpoint(lower, upper).min(MEDIAN_MAX)
}

fn shorten_at_sentence_ends(words: &mut [TimedWord], duration_max: f64) {
    for n in 1..words.len() {
        if words[n].end - words[n].start > duration_max {
            if SENTENCE_ENDS.contains(words[n].text.as_str()) {
                words[n].end = words[n].start + duration_max;
            } else if SENTENCE_ENDS.contains(words[n - 1].text.as_str()) {
                words[n].start = words[n].end - duration_max;
            }
        }
    }
}

/// Joins marks to their words. The entry that gave its text away stays, empty and without tokens.
fn join_marks(words: &mut [TimedWord]) {
    let mut following = words.len().saturating_sub(1);
    for n in (0..following).rev() {
        let is_before =
            words[n].text.starts_with(' ') && BEFORE_WORD.contains(words[n].text.trim());
        if is_before {
            let (mark, count) =
                (std::mem::take(&mut words[n].text), std::mem::take(&mut words[n].tokens));
            words[following].text.insert_str(0, &mark);
            words[following].tokens += count;
        } else {
            following = n;
        }
    }
    let mut previous = 0;
    for n in 1..words.len() {
        if !words[previous].text.ends_with(' ') && AFTER_WORD.contains(words[n].text.as_str()) {
            let (mark, count) =
                (std::mem::take(&mut words[n].text), std::mem::take(&mut words[n].tokens));
            words[previous].text.push_str(&mark);
            words[previous].tokens += count;
        } else {
            previous = n;
        }
    }
}

/// After a pause the first word or two may have swallowed it.
fn shorten_after_pause(words: &mut [Word], median: f64, last_speech: f64) {
    let duration_max = 2.0 * median;
    let after_pause = words[0].end - last_speech > 4.0 * median;
    let first_is_long = words[0].end - words[0].start > duration_max;
    let two_are_long = words.len() > 1 && words[1].end - words[0].start > 2.0 * duration_max;
    if after_pause && (first_is_long || two_are_long) {
        if words.len() > 1 && words[1].end - words[1].start > duration_max {
            let boundary = (words[1].end / 2.0).max(words[1].end - duration_max);
            words[0].end = boundary;
            words[1].start = boundary;
        }
        words[0].start = (words[0].end - duration_max).max(0.0);
    }
}

/// The segment takes the words' times, unless the outer words are much too long.
fn agree_on_edges(segment: &mut Segment, words: &mut [Word], median: f64) {
    let first = &mut words[0];
    if segment.start < first.end && segment.start - EDGE_TOLERANCE > first.start {
        first.start = (first.end - median).min(segment.start).max(0.0);
    } else {
        segment.start = first.start;
    }
    let last = words.last_mut().expect("there is a first word");
    if segment.end > last.start && segment.end + EDGE_TOLERANCE < last.end {
        last.end = (last.start + median).max(segment.end);
    } else {
        segment.end = last.end;
    }
}
