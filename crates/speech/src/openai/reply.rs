//! What the service heard, brought into order.

use hansard_domain::transcript::Segment;
use serde::Deserialize;

use super::pieces::Piece;
use super::words::{self, Heard};
use crate::Options;
use crate::guard::compression_ratio;

/// A segment has at least this length in seconds; text with less time goes to the segment before it.
const SEGMENT_MIN: f64 = 0.02;

/// An answer in the format `verbose_json`, as far as we use it. A service that knows only `json` gives the text alone.
#[derive(Debug, Deserialize)]
pub(super) struct Reply {
    text: String,
    /// An English name, or a code.
    pub(super) language: Option<String>,
    segments: Option<Vec<RawSegment>>,
    words: Option<Vec<Heard>>,
}

/// Times are in seconds from the start of the piece.
#[derive(Debug, Deserialize)]
struct RawSegment {
    start: f64,
    end: f64,
    text: String,
    tokens: Option<Vec<u32>>,
    temperature: Option<f32>,
    avg_logprob: Option<f32>,
    compression_ratio: Option<f32>,
    no_speech_prob: Option<f32>,
}

impl Reply {
    pub(super) fn read(body: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(body)
    }

    /// The segments of `piece`: in order, within it, not overlapping, none without text, none of the text lost.
    pub(super) fn into_segments(self, piece: &Piece, options: &Options) -> Vec<Segment> {
        let length = piece.seconds();
        let whole = RawSegment::of_text(self.text, length);
        let given = self.segments.filter(|given| !given.is_empty());
        let given = given.unwrap_or_else(|| vec![whole]);
        let mut segments: Vec<Segment> = Vec::with_capacity(given.len());
        // Text that came before any segment with a length.
        let mut early = String::new();
        let mut reached = 0.0;
        for mut raw in given {
            if raw.text.trim().is_empty() {
                continue;
            }
            raw.text = spaced(raw.text);
            let start = raw.start.max(reached).min(length);
            let end = raw.end.min(length).max(start);
            if end - start >= SEGMENT_MIN {
                reached = end;
                let text = std::mem::take(&mut early) + &raw.text;
                segments.push(raw.at(start, end, text, options));
            } else if let Some(last) = segments.last_mut() {
                last.text.push_str(&raw.text);
            } else {
                early.push_str(&raw.text);
            }
        }
        if !early.is_empty() {
            let raw = RawSegment::of_text(early, length);
            segments.push(raw.at(0.0, length, raw.text.clone(), options));
        }
        if options.word_timestamps {
            words::add(&mut segments, self.words.unwrap_or_default());
        }
        for segment in &mut segments {
            segment.start += piece.offset();
            segment.end += piece.offset();
            for word in &mut segment.words {
                word.start += piece.offset();
                word.end += piece.offset();
            }
        }
        segments
    }
}

impl RawSegment {
    fn of_text(text: String, length: f64) -> Self {
        Self {
            start: 0.0,
            end: length,
            text,
            tokens: None,
            temperature: None,
            avg_logprob: None,
            compression_ratio: None,
            no_speech_prob: None,
        }
    }

    /// Numbers that are missing or impossible are replaced by such as arouse no suspicion.
    fn at(&self, start: f64, end: f64, text: String, options: &Options) -> Segment {
        let sound = |value: Option<f32>| value.filter(|value| value.is_finite());
        let ratio = sound(self.compression_ratio).filter(|ratio| *ratio >= 0.0);
        Segment {
            start,
            end,
            tokens: self.tokens.clone().unwrap_or_default(),
            temperature: sound(self.temperature).unwrap_or(options.temperatures[0]),
            average_log_probability: sound(self.avg_logprob).unwrap_or_default().min(0.0),
            compression_ratio: ratio.unwrap_or_else(|| compression_ratio(text.trim())),
            no_speech_probability: sound(self.no_speech_prob).unwrap_or_default().clamp(0.0, 1.0),
            text,
            words: Vec::new(),
            suspicions: Vec::new(),
        }
    }
}

/// `text` as Whisper gives it: with a space before it where the script has spaces, so that texts can be joined.
fn spaced(text: String) -> String {
    match text.chars().next() {
        Some(first) if first.is_whitespace() || is_unspaced(first) => text,
        _ => format!(" {text}"),
    }
}

/// Characters of Thai, Lao, Burmese, Khmer, Chinese and Japanese.
fn is_unspaced(character: char) -> bool {
    matches!(
        u32::from(character),
        0x0e00..=0x0eff | 0x1000..=0x109f | 0x1780..=0x17ff | 0x2e80..=0x9fff | 0xf900..=0xfaff
            | 0xff00..=0xffef | 0x20000..=0x3ffff
    )
}

#[cfg(test)]
mod tests {
    use hansard_media::{Pcm, Recording, SAMPLE_RATE};

    use super::*;
    use crate::Cancel;
    use crate::openai::pieces::Pieces;

    /// The second of two pieces: 20 s from 20 s on.
    fn piece(recording: &Pcm) -> Piece {
        let from = 20 * SAMPLE_RATE as u64;
        let mut pieces = Pieces::new(recording.open().unwrap(), false, u64::MAX, from);
        pieces.next(&Cancel::default()).unwrap().unwrap()
    }

    fn segments(reply: &str) -> Vec<Segment> {
        let recording = Pcm::new("tone", vec![0.25; 40 * SAMPLE_RATE]);
        let options = Options { word_timestamps: true, ..Options::default() };
        Reply::read(reply.as_bytes()).unwrap().into_segments(&piece(&recording), &options)
    }

    fn times(segments: &[Segment]) -> Vec<(f64, f64, &str)> {
        segments.iter().map(|segment| (segment.start, segment.end, &*segment.text)).collect()
    }

    #[test]
    fn times_are_those_of_the_recording() {
        let segments = segments(
            r#"{"text": "Good evening.", "language": "english", "duration": 20.0, "segments": [
                {"id": 0, "start": 1.0, "end": 2.5, "text": " Good evening.", "tokens": [50364, 3],
                 "temperature": 0.2, "avg_logprob": -0.5, "compression_ratio": 0.9, "no_speech_prob": 0.25}],
                "words": [{"word": "Good", "start": 1.0, "end": 1.5}, {"word": "evening", "start": 1.5, "end": 2.5}]}"#,
        );

        assert_eq!(times(&segments), [(21.0, 22.5, " Good evening.")]);
        let segment = &segments[0];
        assert_eq!((segment.tokens.as_slice(), segment.temperature), (&[50364, 3][..], 0.2));
        assert_eq!(segment.average_log_probability, -0.5);
        assert_eq!((segment.compression_ratio, segment.no_speech_probability), (0.9, 0.25));
        let words: Vec<_> =
            segment.words.iter().map(|word| (word.start, word.end, &*word.text)).collect();
        assert_eq!(words, [(21.0, 21.5, " Good"), (21.5, 22.5, " evening.")]);
    }

    #[test]
    fn impossible_times_are_brought_into_order() {
        let segments = segments(
            r#"{"text": "", "segments": [
                {"start": -5, "end": -1, "text": "zero"},
                {"start": -3.5, "end": 2, "text": "one"},
                {"start": 1, "end": 4, "text": "two"},
                {"start": 4, "end": 3, "text": "three"},
                {"start": 2, "end": 1e300, "text": "four"},
                {"start": 7, "end": 9, "text": "five"},
                {"start": 8, "end": 9, "text": " "}]}"#,
        );

        let expected =
            [(20.0, 22.0, " zero one"), (22.0, 24.0, " two three"), (24.0, 40.0, " four five")];
        assert_eq!(times(&segments), expected);
    }

    #[test]
    fn numbers_that_are_none_arouse_no_suspicion() {
        let segments = segments(
            r#"{"text": "", "segments": [{"start": 0, "end": 1, "text": "one", "avg_logprob": 1e300,
                "compression_ratio": -1, "no_speech_prob": 7, "temperature": null}]}"#,
        );

        let segment = &segments[0];
        assert_eq!((segment.average_log_probability, segment.temperature), (0.0, 0.0));
        assert!(segment.compression_ratio > 0.0);
        assert_eq!(segment.no_speech_probability, 1.0);
    }

    #[test]
    fn a_text_alone_is_one_segment() {
        assert_eq!(times(&segments(r#"{"text": "All of it."}"#)), [(20.0, 40.0, " All of it.")]);
        assert_eq!(times(&segments(r#"{"text": "全部"}"#)), [(20.0, 40.0, "全部")]);
        assert_eq!(times(&segments(r#"{"text": " "}"#)), []);
        let timeless = r#"{"text": "", "segments": [{"start": 9, "end": 9, "text": "lost"}]}"#;
        assert_eq!(times(&segments(timeless)), [(20.0, 40.0, " lost")]);
    }

    #[test]
    fn another_shape_is_an_error() {
        let deep = "[".repeat(100_000);
        for wrong in [
            "",
            "{}",
            "[]",
            "<html>",
            &deep,
            r#"{"text": 1}"#,
            r#"{"text": "a", "segments": {}}"#,
            r#"{"text": "a", "segments": [{"start": "0", "end": 1, "text": "a"}]}"#,
            r#"{"text": "a", "segments": [{"start": null, "end": 1, "text": "a"}]}"#,
            r#"{"text": "a", "segments": [{"start": NaN, "end": 1, "text": "a"}]}"#,
            r#"{"text": "a", "segments": [{"start": 1e999, "end": 1, "text": "a"}]}"#,
            r#"{"text": "a", "words": [{"word": 1, "start": 1, "end": 1}]}"#,
        ] {
            assert!(Reply::read(wrong.as_bytes()).is_err(), "{wrong:.80}");
        }
    }
}
