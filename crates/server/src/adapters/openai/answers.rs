//! Transcripts in OpenAI's formats.

use axum::Json;
use axum::response::{IntoResponse, Response};
use hansard_domain::language;
use hansard_domain::subtitles::{Cue, Limits, cues, srt, vtt};
use hansard_domain::transcript::{Segment, Task, Transcript};
use http::header::CONTENT_TYPE;
use serde::Serialize;
use utoipa::ToSchema;

/// Whisper counts the place in a recording in frames of 10 ms.
const FRAMES_PER_SECOND: f64 = 100.0;

/// What `language` is where nothing was said.
const NO_LANGUAGE: &str = "unknown";

/// The form of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    /// The text in an object.
    Json,
    /// The text alone.
    Text,
    /// SubRip.
    Srt,
    /// WebVTT.
    Vtt,
    /// Text, segments and words with all that is known about them.
    Verbose {
        /// Whether segments are listed.
        segments: bool,
        /// Whether words are listed.
        words: bool,
    },
}

/// What an answer in JSON is.
#[derive(ToSchema)]
#[schema(as = OpenAiTranscription)]
#[serde(untagged)]
#[expect(dead_code, reason = "described, never built")]
pub(super) enum PlainOrVerbose<'a> {
    /// `response_format=json`
    Plain(Plain),
    /// `response_format=verbose_json`
    Verbose(Verbose<'a>),
}

/// The answer with `transcript`.
pub(super) fn answer(transcript: &Transcript, format: Format) -> Response {
    let file = |content_type: &'static str, text: String| {
        ([(CONTENT_TYPE, content_type)], text).into_response()
    };
    match format {
        Format::Json => Json(Plain::of(transcript)).into_response(),
        Format::Text => file("text/plain; charset=utf-8", format!("{}\n", transcript.text())),
        Format::Srt => file("application/x-subrip; charset=utf-8", srt(&cues_of(transcript))),
        Format::Vtt => file("text/vtt; charset=utf-8", vtt(&cues_of(transcript))),
        Format::Verbose { segments, words } => {
            Json(Verbose::of(transcript, segments, words)).into_response()
        }
    }
}

/// What a transcription is charged by at OpenAI, and here tells how long it was.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OpenAiUsage)]
pub(super) struct Usage {
    r#type: &'static str,
    /// Whole seconds, rounded up.
    seconds: u64,
}

impl Usage {
    pub(super) fn of(transcript: &Transcript) -> Self {
        Self { r#type: "duration", seconds: transcript.duration.ceil() as u64 }
    }

    /// Translations have none.
    fn of_transcription(transcript: &Transcript) -> Option<Self> {
        (transcript.task == Task::Transcribe).then(|| Self::of(transcript))
    }
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OpenAiText)]
pub(super) struct Plain {
    text: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<Usage>,
}

impl Plain {
    fn of(transcript: &Transcript) -> Self {
        Self { text: transcript.text(), usage: Usage::of_transcription(transcript) }
    }
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OpenAiVerbose)]
pub(super) struct Verbose<'a> {
    task: &'static str,
    /// The English name, in lower case.
    language: &'static str,
    duration: f64,
    text: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    segments: Option<Vec<SegmentView<'a>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    words: Option<Vec<WordView<'a>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<Usage>,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OpenAiSegment)]
struct SegmentView<'a> {
    id: usize,
    seek: u64,
    start: f64,
    end: f64,
    text: &'a str,
    tokens: &'a [u32],
    temperature: f32,
    avg_logprob: f32,
    compression_ratio: f32,
    no_speech_prob: f32,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OpenAiWord)]
struct WordView<'a> {
    word: &'a str,
    start: f64,
    end: f64,
}

impl<'a> Verbose<'a> {
    fn of(transcript: &'a Transcript, segments: bool, words: bool) -> Self {
        let spoken = transcript.language.as_deref().and_then(language::name_of);
        let language = match transcript.task {
            Task::Transcribe => spoken.unwrap_or(NO_LANGUAGE),
            Task::Translate => "english",
        };
        let view = |(id, segment)| SegmentView::of(id, segment);
        let said = transcript.segments.iter().flat_map(|segment| &segment.words);
        Self {
            task: transcript.task.name(),
            language,
            duration: whole_milliseconds(transcript.duration),
            text: transcript.text(),
            segments: segments.then(|| transcript.segments.iter().enumerate().map(view).collect()),
            words: words.then(|| {
                said.map(|word| WordView {
                    word: word.text.trim(),
                    start: whole_milliseconds(word.start),
                    end: whole_milliseconds(word.end),
                })
                .collect()
            }),
            usage: Usage::of_transcription(transcript),
        }
    }
}

impl<'a> SegmentView<'a> {
    fn of(id: usize, segment: &'a Segment) -> Self {
        Self {
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
        }
    }
}

fn cues_of(transcript: &Transcript) -> Vec<Cue> {
    let language = transcript.task.text_language(transcript.language.as_deref());
    cues(&transcript.segments, &Limits::for_language(language))
}

/// Spares readers the digits that only say how binary numbers work.
fn whole_milliseconds(seconds: f64) -> f64 {
    (seconds * 1000.0).round() / 1000.0
}

#[cfg(test)]
mod tests {
    use hansard_domain::transcript::Word;
    use serde_json::json;

    use super::*;

    fn transcript(task: Task) -> Transcript {
        let word =
            |start, end, text: &str| Word { start, end, text: text.to_owned(), probability: 0.5 };
        Transcript {
            model: "fake/words".to_owned(),
            language: Some("pt".to_owned()),
            language_probability: None,
            task,
            duration: 8.470000267,
            segments: vec![Segment {
                start: 0.0,
                end: 1.1 + 2.2,
                text: " Bom dia.".to_owned(),
                tokens: vec![50364, 11],
                temperature: 0.0,
                average_log_probability: -0.25,
                compression_ratio: 1.5,
                no_speech_probability: 0.125,
                words: vec![word(0.0, 0.5, " Bom"), word(0.5, 1.0, " dia.")],
                suspicions: Vec::new(),
            }],
            dropped: Vec::new(),
        }
    }

    #[test]
    fn a_verbose_answer_has_every_documented_member() {
        let spoken = transcript(Task::Transcribe);
        let view = serde_json::to_value(Verbose::of(&spoken, true, true)).unwrap();

        let expected = json!({
            "task": "transcribe", "language": "portuguese", "duration": 8.47, "text": "Bom dia.",
            "segments": [{
                "id": 0, "seek": 0, "start": 0.0, "end": 3.3, "text": " Bom dia.", "tokens": [50364, 11],
                "temperature": 0.0, "avg_logprob": -0.25, "compression_ratio": 1.5, "no_speech_prob": 0.125,
            }],
            "words": [
                { "word": "Bom", "start": 0.0, "end": 0.5 },
                { "word": "dia.", "start": 0.5, "end": 1.0 },
            ],
            "usage": { "type": "duration", "seconds": 9 },
        });
        assert_eq!(view, expected);
    }

    #[test]
    fn a_verbose_answer_leaves_out_what_was_not_asked_for() {
        let translated = transcript(Task::Translate);
        let view = serde_json::to_value(Verbose::of(&translated, false, false)).unwrap();

        let expected = json!({
            "task": "translate", "language": "english", "duration": 8.47, "text": "Bom dia.",
        });
        assert_eq!(view, expected);
    }

    #[test]
    fn silence_has_no_language_and_no_text() {
        let silence =
            Transcript { language: None, segments: Vec::new(), ..transcript(Task::Transcribe) };
        let view = serde_json::to_value(Verbose::of(&silence, true, false)).unwrap();

        assert_eq!((&view["language"], &view["text"]), (&json!("unknown"), &json!("")));
        assert_eq!(view["segments"], json!([]));
    }
}
