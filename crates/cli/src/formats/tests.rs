//! The files, character by character.

use hansard_domain::transcript::{Suspicion, Task, Word};
use serde_json::json;

use super::*;

fn segment(start: f64, end: f64, text: &str) -> Segment {
    Segment {
        start,
        end,
        text: text.to_owned(),
        tokens: vec![50364, 11],
        temperature: 0.0,
        average_log_probability: -0.25,
        compression_ratio: 1.5,
        no_speech_probability: 0.125,
        words: vec![Word { start, end, text: text.to_owned(), probability: 0.5 }],
        suspicions: Vec::new(),
    }
}

fn transcript() -> Transcript {
    let invented =
        Segment { suspicions: vec![Suspicion::NoVoice], ..segment(5.0, 6.0, " Thank you.") };
    Transcript {
        model: "fake/words".to_owned(),
        language: Some("en".to_owned()),
        language_probability: Some(0.5),
        task: Task::Transcribe,
        duration: 6.0000001,
        segments: vec![segment(0.0, 1.1 + 2.2, " One\ttwo."), segment(3.5, 5.0, " Three &\nfour.")],
        dropped: vec![invented],
    }
}

fn rendered(format: Format) -> String {
    render(&transcript(), Extent::Whole, format, &Style::default()).expect("rendering cannot fail")
}

#[test]
fn text_has_a_line_for_each_segment() {
    assert_eq!(rendered(Format::Txt), "One two.\nThree & four.\n");
}

#[test]
fn tab_separated_times_are_whole_milliseconds() {
    assert_eq!(
        rendered(Format::Tsv),
        "start\tend\ttext\n0\t3300\tOne two.\n3500\t5000\tThree & four.\n"
    );
}

#[test]
fn subtitles_take_the_width_asked_for() {
    let style = Style { line_width: Some(8), lines: Some(1), words: false };
    let srt = render(&transcript(), Extent::Whole, Format::Srt, &style).unwrap();
    assert!(srt.starts_with("1\n00:00:00,000 --> 00:00:03,300\nOne two.\n\n2\n"), "{srt}");
    assert!(srt.contains("\nThree\n") && srt.contains("\n& four.\n"), "{srt}");
    assert!(rendered(Format::Vtt).starts_with("WEBVTT\n\n00:00:00.000 --> "));
}

#[test]
fn the_document_has_openai_whispers_keys_and_ours() {
    let style = Style { words: true, ..Style::default() };
    let text = render(&transcript(), Extent::Partial, Format::Json, &style).unwrap();
    let document: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(
        document["segments"][0],
        json!({
            "id": 0, "seek": 0, "start": 0.0, "end": 3.3, "text": " One\ttwo.", "tokens": [50364, 11],
            "temperature": 0.0, "avg_logprob": -0.25, "compression_ratio": 1.5, "no_speech_prob": 0.125,
            "words": [{ "word": " One\ttwo.", "start": 0.0, "end": 3.3, "probability": 0.5 }],
            "flags": [],
        })
    );
    assert_eq!(document["text"], " One\ttwo. Three &\nfour.");
    assert_eq!(document["language"], "en");
    assert_eq!(document["duration"], 6.0);
    assert_eq!(document["complete"], false);
    assert_eq!(document["dropped"][0]["flags"], json!(["no_voice"]));
}

#[test]
fn words_are_left_out_unless_asked_for() {
    let document: serde_json::Value = serde_json::from_str(&rendered(Format::Json)).unwrap();
    assert_eq!(document["segments"][0].get("words"), None);
}
