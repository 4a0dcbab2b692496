//! Transcripts in every format, on standard output and in files.

use std::fs::File;
use std::process::Stdio;

use serde_json::Value;

use crate::program::{Desk, Ended, clip};

const EN: &str = "clips/en-00.flac";
const PT: &str = "clips/pt-00.flac";

#[test]
fn one_file_is_printed_as_text() {
    let desk = Desk::new().with(EN, "talk.flac");
    let ended = desk.run(&["transcribe", "talk.flac"]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    // 18.9 s: a segment for each 10 s.
    assert_eq!(ended.stdout.lines().count(), 2);
    assert!(ended.stdout.ends_with(".\n"));
    assert!(ended.stderr.contains("talk.flac: 100 % (00:18 of 00:18)"), "{}", ended.stderr);
    assert_eq!(desk.files(), ["talk.flac"]);
}

#[test]
fn quiet_says_nothing_but_the_text() {
    let ended = Desk::new().with(EN, "talk.flac").run(&["transcribe", "-q", "talk.flac"]);
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
}

#[test]
fn json_is_one_document_with_openai_whispers_keys() {
    let desk = Desk::new().with(EN, "talk.flac");
    let stdout =
        desk.run(&["transcribe", "talk.flac", "-f", "json", "--word_timestamps", "True"]).success();
    let document: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(document["language"], "en");
    assert_eq!(document["model"], "fake/words");
    assert_eq!(document["complete"], true);
    assert!((document["duration"].as_f64().unwrap() - 18.867).abs() < 0.01);
    let segments = document["segments"].as_array().unwrap();
    let texts: String = segments.iter().map(|segment| segment["text"].as_str().unwrap()).collect();
    assert_eq!(document["text"], texts.as_str());
    let keys: Vec<&String> = segments[1].as_object().unwrap().keys().collect();
    assert_eq!(
        keys,
        [
            "id",
            "seek",
            "start",
            "end",
            "text",
            "tokens",
            "temperature",
            "avg_logprob",
            "compression_ratio",
            "no_speech_prob",
            "words",
            "flags",
        ]
    );
    let word = segments[1]["words"][0].as_object().unwrap();
    assert_eq!(word.keys().collect::<Vec<_>>(), ["word", "start", "end", "probability"]);
    assert_eq!(segments[1]["start"], 10.0);
}

#[test]
fn subtitles_have_their_headers_numbers_and_widths() {
    let desk = Desk::new().with(EN, "talk.flac");
    let srt = desk.run(&["transcribe", "talk.flac", "--output_format", "srt"]).success();
    assert!(srt.starts_with("1\n00:00:00,000 --> "), "{srt}");
    let vtt = desk
        .run(&[
            "transcribe",
            "talk.flac",
            "-f",
            "vtt",
            "--max-line-width",
            "20",
            "--max-line-count",
            "1",
        ])
        .success();
    assert!(vtt.starts_with("WEBVTT\n\n00:00:00.000 --> "), "{vtt}");
    let lines = vtt.lines().filter(|line| !line.contains("-->"));
    assert!(lines.map(|line| line.chars().count()).all(|width| width <= 20), "{vtt}");
    let tsv = desk.run(&["transcribe", "talk.flac", "-f", "tsv"]).success();
    assert!(tsv.starts_with("start\tend\ttext\n0\t10000\t"), "{tsv}");
}

#[test]
fn silence_gives_a_vtt_header_and_nothing_else() {
    let desk = Desk::new().with("formats/silence.flac", "silence.flac");
    assert_eq!(desk.run(&["transcribe", "silence.flac", "-f", "vtt"]).success(), "WEBVTT\n\n");
    assert_eq!(desk.run(&["transcribe", "silence.flac"]).success(), "");
}

#[test]
fn all_formats_go_into_the_folder_asked_for() {
    let desk = Desk::new().with(EN, "talk.flac");
    let stdout =
        desk.run(&["transcribe", "talk.flac", "-f", "all", "--output-dir", "out/new"]).success();
    assert_eq!(stdout, "");
    for name in ["talk.txt", "talk.json", "talk.srt", "talk.vtt", "talk.tsv"] {
        assert!(!desk.read(&format!("out/new/{name}")).is_empty(), "{name}");
    }
}

#[test]
fn several_files_become_a_file_each() {
    let desk = Desk::new().with(EN, "en.flac").with("formats/pt-00.cbr64.mp3", "pt.mp3");
    assert_eq!(desk.run(&["transcribe", "en.flac", "pt.mp3"]).success(), "");
    assert_eq!(desk.files(), ["en.flac", "en.txt", "pt.mp3", "pt.txt"]);
    assert_ne!(desk.read("en.txt"), desk.read("pt.txt"));
}

#[test]
fn a_folder_is_known_by_the_content_of_its_files() {
    let desk = Desk::new()
        .with(EN, "talks/b.dat")
        .with(PT, "talks/a.flac")
        .with(PT, "talks/.hidden.flac")
        .with_file("talks/notes.txt", b"Not a recording, whatever it is called.")
        .with(EN, "talks/deeper/c.flac");
    let ended = desk.run(&["transcribe", "talks", "-o", "out"]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.stderr.contains("talks: left out 1 that hold no sound"), "{}", ended.stderr);
    let mut written: Vec<_> = std::fs::read_dir(desk.path("out"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    written.sort();
    assert_eq!(written, ["a.txt", "b.txt"]);
}

#[test]
fn standard_input_gives_the_same_as_the_file() {
    let desk = Desk::new().with(EN, "talk.flac");
    let from_file = desk.run(&["transcribe", "talk.flac", "-q"]).success();
    let output =
        desk.command(&["transcribe", "-"]).stdin(File::open(clip(EN)).unwrap()).output().unwrap();
    let ended = Ended::from(output);
    assert!(ended.stderr.contains("stdin: 100 %"), "{}", ended.stderr);
    assert_eq!(ended.success(), from_file);
}

#[test]
fn a_reader_that_leaves_ends_it_quietly() {
    let desk = Desk::new().with(EN, "talk.flac");
    let mut child = desk
        .command(&["transcribe", "talk.flac", "-q"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let ended = Ended::from(child.wait_with_output().unwrap());
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
}
