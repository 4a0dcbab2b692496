//! Every format, decoded by us, is read as well as the reference reads it, decoded by ffmpeg.

use hansard_domain::transcript::Transcript;
use hansard_media::{Channels, MediaFile};
use hansard_speech::{LongForm, Options};
use serde::Deserialize;

use crate::support::{fixture, transcribe, word_errors, words};

#[derive(Deserialize)]
struct Entry {
    file: String,
    language: String,
    truth: String,
    reference: String,
    #[serde(default)]
    segments: Vec<Turn>,
    reference_left: Option<String>,
    reference_right: Option<String>,
}

#[derive(Deserialize)]
struct Turn {
    speaker: String,
    text: String,
}

fn manifest() -> Vec<Entry> {
    let file = std::fs::read(fixture("formats/manifest.json")).expect("the manifest is there");
    serde_json::from_slice(&file).expect("the manifest is as this file says")
}

fn open(file: &str, channels: Channels) -> MediaFile {
    MediaFile::open(fixture("formats").join(file), channels).expect("the file opens")
}

/// How the reference read these files.
fn as_the_reference(language: &str) -> Options {
    Options {
        language: Some(language.to_owned()),
        long_form: LongForm::Sequential,
        vad: false,
        beam_size: 1,
        temperatures: vec![0.0],
        no_speech_threshold: None,
        word_timestamps: true,
        ..Options::default()
    }
}

fn by_default(language: &str) -> Options {
    Options { language: Some(language.to_owned()), ..Options::default() }
}

fn read(file: &str, channels: Channels, options: &Options) -> Transcript {
    transcribe(&open(file, channels), options)
}

#[test]
fn every_format_has_no_more_word_errors_than_the_reference() {
    let mut worse = Vec::new();
    for entry in manifest().iter().filter(|entry| !entry.truth.is_empty()) {
        let text = read(&entry.file, Channels::Mix, &as_the_reference(&entry.language)).text();
        let ours = word_errors(&entry.truth, &text);
        let theirs = word_errors(&entry.truth, &entry.reference);
        if ours > theirs {
            worse.push(format!("{}: {ours} errors, the reference {theirs}: {text}", entry.file));
        }
    }
    assert!(worse.is_empty(), "{worse:#?}");
}

#[test]
fn the_two_sides_of_a_call_are_read_apart() {
    let calls: Vec<Entry> =
        manifest().into_iter().filter(|entry| entry.reference_left.is_some()).collect();
    assert_eq!(calls.len(), 2);
    for call in calls {
        let sides = [("USER", call.reference_left), ("BOT", call.reference_right)];
        for (channel, (speaker, reference)) in sides.into_iter().enumerate() {
            let said: String = call
                .segments
                .iter()
                .filter(|turn| turn.speaker == speaker)
                .map(|turn| format!("{} ", turn.text))
                .collect();
            let options = as_the_reference(&call.language);
            let text = read(&call.file, Channels::Only(channel), &options).text();
            let ours = word_errors(&said, &text);
            let theirs = word_errors(&said, &reference.expect("both sides were read"));
            assert!(ours <= theirs, "{} {speaker}: {ours} errors, not {theirs}: {text}", call.file);
        }
    }
}

#[test]
fn hard_recordings_keep_the_words_that_the_reference_gets() {
    for file in ["en-00.quiet-35dbfs.flac", "en-00.noise-10db.flac", "en-00.over-music.flac"] {
        let entries = manifest();
        let entry = entries.iter().find(|entry| entry.file == file).expect("it is listed");
        let right =
            |text: &str| words(&entry.truth).len().saturating_sub(word_errors(&entry.truth, text));
        let ours = read(file, Channels::Mix, &by_default(&entry.language)).text();
        let (ours_right, theirs_right) = (right(&ours), right(&entry.reference));
        assert!(
            ours_right as f64 >= 0.95 * theirs_right as f64,
            "{file}: {ours_right} words are right, the reference has {theirs_right}: {ours}"
        );
    }
}

#[test]
fn files_without_speech_give_no_text() {
    let silent: Vec<Entry> =
        manifest().into_iter().filter(|entry| entry.truth.is_empty()).collect();
    assert_eq!(silent.len(), 4);
    for entry in silent {
        for language in [Some("en".to_owned()), None] {
            let options = Options { language, ..Options::default() };
            assert_eq!(read(&entry.file, Channels::Mix, &options).text(), "", "{}", entry.file);
        }
    }
}
