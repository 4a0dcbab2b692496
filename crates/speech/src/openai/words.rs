//! Gives each segment its words.

use hansard_domain::transcript::{Segment, Word};
use serde::Deserialize;

/// A word as the service gives it: bare, with seconds from the start of the piece.
#[derive(Debug, Deserialize)]
pub(super) struct Heard {
    word: String,
    start: f64,
    end: f64,
}

/// Shares `heard` out among `segments`, whose times are still those of the piece.
///
/// A word belongs to the first segment that does not end before the word's middle. Its text is taken from the segment's,
/// with the space and the marks that the service leaves out.
pub(super) fn add(segments: &mut [Segment], heard: Vec<Heard>) {
    let mut heard = heard.into_iter().filter(|word| !word.word.trim().is_empty()).peekable();
    let count = segments.len();
    for (number, segment) in segments.iter_mut().enumerate() {
        let is_last = number + 1 == count;
        let belongs = |word: &Heard| is_last || (word.start + word.end) / 2.0 <= segment.end;
        let mut own = Vec::new();
        while let Some(word) = heard.next_if(belongs) {
            own.push(word);
        }
        let texts = texts(&segment.text, &own);
        // The service does not say how sure it was of a word, only of the segment.
        let probability = f64::from(segment.average_log_probability).exp();
        let mut reached = segment.start;
        let words = own.iter().zip(texts).map(|(word, text)| {
            let start = word.start.max(reached).min(segment.end);
            let end = word.end.min(segment.end).max(start);
            reached = end;
            Word { start, end, text, probability }
        });
        segment.words = words.collect();
    }
}

/// The stretch of `text` for each word, which together are all of it; or the words alone if they are not the text's.
fn texts(text: &str, words: &[Heard]) -> Vec<String> {
    let alone = || words.iter().map(|word| format!(" {}", word.word.trim())).collect();
    let mut starts = Vec::with_capacity(words.len());
    let mut from = 0;
    for word in words {
        let word = word.word.trim();
        let Some(found) = text[from..].find(word) else { return alone() };
        // Marks after the last word are its own; those after the next space belong to this one.
        let between = &text[from..from + found];
        let border = between.find(char::is_whitespace).unwrap_or(found);
        starts.push(if starts.is_empty() { 0 } else { from + border });
        from += found + word.len();
    }
    let ends = starts.iter().skip(1).copied().chain([text.len()]);
    starts.iter().zip(ends).map(|(&start, end)| text[start..end].to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(words: &[&str]) -> Vec<Heard> {
        let word = |(n, word): (usize, &&str)| Heard {
            word: (*word).to_owned(),
            start: n as f64,
            end: n as f64 + 1.0,
        };
        words.iter().enumerate().map(word).collect()
    }

    fn segment(start: f64, end: f64, text: &str) -> Segment {
        Segment {
            start,
            end,
            text: text.to_owned(),
            tokens: Vec::new(),
            temperature: 0.0,
            average_log_probability: 0.0,
            compression_ratio: 1.0,
            no_speech_probability: 0.0,
            words: Vec::new(),
            suspicions: Vec::new(),
        }
    }

    #[test]
    fn words_get_their_spaces_and_marks_back() {
        let text = " \"Well,\" he said - don't (really)!";
        let found = texts(text, &heard(&["Well", "he", "said", "don't", "really"]));

        assert_eq!(found, [" \"Well,\"", " he", " said", " - don't", " (really)!"]);
        assert_eq!(found.concat(), text);
        assert_eq!(texts("我们走吧。", &heard(&["我们", "走", "吧"])), ["我们", "走", "吧。"]);
        assert_eq!(texts("", &[]), [""; 0]);
    }

    #[test]
    fn words_that_are_not_the_text_stand_alone() {
        assert_eq!(texts(" In 2024.", &heard(&["in", "2024"])), [" in", " 2024"]);
    }

    #[test]
    fn words_go_to_the_segment_of_their_time_and_stay_within_it() {
        let mut segments = [segment(0.0, 1.8, " one two"), segment(1.8, 3.0, " three four")];
        let mut words = heard(&["one", "two", "three", "four"]);
        words[1].end = 2.0;
        words[3].end = 1e300;
        words[0].start = -1.0;

        add(&mut segments, words);

        let times = |segment: &Segment| -> Vec<(f64, f64)> {
            segment.words.iter().map(|word| (word.start, word.end)).collect()
        };
        assert_eq!(times(&segments[0]), [(0.0, 1.0), (1.0, 1.8)]);
        assert_eq!(times(&segments[1]), [(2.0, 3.0), (3.0, 3.0)]);
    }
}
