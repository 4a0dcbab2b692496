//! The program with the bundled model: what people read.

use std::process::Command;

use serde_json::Value;

use crate::program::{Desk, Ended, clip};

const SENTENCES: [&str; 6] = [
    "Forgiveness important Mary.",
    "Small quick Paul loss teacher.",
    "The young silver is near the quiet picture.",
    "How much does the important engine cost?",
    "Island table hope pencil story table coffee.",
    "Please send the hospital to Daniel before Wednesday.",
];

fn with_the_model(desk: &Desk, args: &[&str]) -> Ended {
    let mut command: Command = desk.command(args);
    command.env_remove("MOCK_TRANSCRIBE").output().expect("the program runs").into()
}

fn transcribe(fixture: &str, args: &[&str]) -> String {
    let (model, recording) = (clip("model"), clip(fixture));
    let mut all = vec!["transcribe", "--model", model.to_str().expect("a plain path")];
    all.push(recording.to_str().expect("a plain path"));
    all.extend(args);
    with_the_model(&Desk::new(), &all).success()
}

#[test]
fn the_demo_reads_every_sentence_and_finds_the_phrase() {
    let stdout = with_the_model(&Desk::new(), &["demo"]).success();
    for sentence in SENTENCES {
        assert!(stdout.contains(sentence), "{stdout}");
    }
    assert!(stdout.contains("\"the hospital\" is said at 15."), "{stdout}");
}

#[test]
fn a_recording_becomes_its_sentences_line_by_line() {
    let stdout = transcribe("clips/en-00.flac", &[]);
    assert_eq!(stdout.lines().collect::<Vec<_>>(), SENTENCES);
}

#[test]
fn portuguese_is_recognised_and_every_word_has_its_time() {
    let stdout = transcribe("clips/pt-00.flac", &["-f", "json", "--word-timestamps"]);
    let document: Value = serde_json::from_str(&stdout).expect("one JSON document");
    assert_eq!(document["language"], "pt");
    let segments = document["segments"].as_array().expect("segments");
    let words = segments.iter().flat_map(|segment| segment["words"].as_array().expect("words"));
    let mut before = 0.0;
    let mut count = 0;
    for word in words {
        let start = word["start"].as_f64().expect("a time");
        assert!(start >= before && word["end"].as_f64() >= Some(start), "{word}");
        before = start;
        count += 1;
    }
    assert_eq!(count, document["text"].as_str().expect("text").split_whitespace().count());
}

#[test]
fn sequential_mode_reads_the_same_recording() {
    let stdout = transcribe(
        "clips/en-00.flac",
        &["--mode", "sequential", "--no-vad", "--beam-size", "1", "-f", "srt"],
    );
    assert!(stdout.starts_with("1\n00:00:00,"), "{stdout}");
    for sentence in ["Forgiveness important Mary.", "Small quick Paul loss teacher."] {
        assert!(stdout.contains(sentence), "{stdout}");
    }
}
