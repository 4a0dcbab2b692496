//! The JSON document: openai-whisper's keys with our additions after them.

use anyhow::Context;
use hansard_domain::transcript::{Segment, Transcript, Word};
use serde::Serialize;

use super::Extent;

/// Whisper counts the place in a recording in frames of 10 ms.
const FRAMES_PER_SECOND: f64 = 100.0;

#[derive(Serialize)]
struct Document<'a> {
    text: String,
    segments: Vec<JsonSegment<'a>>,
    language: Option<&'a str>,
    language_probability: Option<f32>,
    task: &'static str,
    duration: f64,
    model: &'a str,
    /// False when it was stopped before the recording's end.
    complete: bool,
    /// What the guard against invented text took out, with its reasons in `flags`.
    dropped: Vec<JsonSegment<'a>>,
}

#[derive(Serialize)]
struct JsonSegment<'a> {
    id: usize,
    /// The frame at which the segment starts. openai-whisper gives that of the window around it, which only means
    /// something where windows lie end to end.
    seek: u64,
    start: f64,
    end: f64,
    text: &'a str,
    tokens: &'a [u32],
    temperature: f32,
    avg_logprob: f32,
    compression_ratio: f32,
    no_speech_prob: f32,
    #[serde(skip_serializing_if = "Option::is_none")]
    words: Option<Vec<JsonWord<'a>>>,
    /// Why the text may be invented.
    flags: Vec<&'static str>,
}

#[derive(Serialize)]
struct JsonWord<'a> {
    word: &'a str,
    start: f64,
    end: f64,
    probability: f64,
}

/// One JSON document on one line.
pub(super) fn document(
    transcript: &Transcript,
    extent: Extent,
    words: bool,
) -> anyhow::Result<String> {
    let document = Document {
        text: transcript.segments.iter().map(|segment| segment.text.as_str()).collect(),
        segments: segments(&transcript.segments, words),
        language: transcript.language.as_deref(),
        language_probability: transcript.language_probability,
        task: transcript.task.name(),
        duration: whole_milliseconds(transcript.duration),
        model: &transcript.model,
        complete: extent == Extent::Whole,
        dropped: segments(&transcript.dropped, words),
    };
    let mut json = serde_json::to_string(&document).context("cannot write JSON")?;
    json.push('\n');
    Ok(json)
}

fn segments(segments: &[Segment], words: bool) -> Vec<JsonSegment<'_>> {
    segments
        .iter()
        .enumerate()
        .map(|(id, segment)| JsonSegment {
            id,
            seek: (segment.start * FRAMES_PER_SECOND).round() as u64,
            start: whole_milliseconds(segment.start),
            end: whole_milliseconds(segment.end),
            text: &segment.text,
            tokens: &segment.tokens,
            temperature: segment.temperature,
            avg_logprob: segment.average_log_probability,
            compression_ratio: segment.compression_ratio,
            no_speech_prob: segment.no_speech_probability,
            words: words.then(|| segment.words.iter().map(json_word).collect()),
            flags: segment.suspicions.iter().map(|suspicion| suspicion.name()).collect(),
        })
        .collect()
}

fn json_word(word: &Word) -> JsonWord<'_> {
    JsonWord {
        word: &word.text,
        start: whole_milliseconds(word.start),
        end: whole_milliseconds(word.end),
        probability: word.probability,
    }
}

/// Spares readers the digits that only say how binary numbers work.
fn whole_milliseconds(seconds: f64) -> f64 {
    (seconds * 1000.0).round() / 1000.0
}
