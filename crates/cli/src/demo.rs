//! `hansard demo`: a model and a recording inside the program show what it does, with nothing to download.

use std::path::Path;

use anyhow::Context;
use hansard_domain::transcript::Segment;
use hansard_media::{Channels, MediaFile};
use hansard_speech::{Options, Silent};

use crate::args::DemoArgs;
use crate::clock::stamp;
use crate::engine;
use crate::exit::{Exit, Failure};
use crate::interrupt;
use crate::output;

/// The files of the bundled model, and the sample recording.
macro_rules! bundled {
    ($($path:literal),*) => {
        [$(($path, include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/", $path)))),*]
    };
}

const RECORDING: &str = "clips/en-00.flac";
const FILES: [(&str, &[u8]); 6] = bundled!(
    "model/config.json",
    "model/generation_config.json",
    "model/preprocessor_config.json",
    "model/tokenizer.json",
    "model/model.safetensors",
    "clips/en-00.flac"
);

/// A phrase that is said in the recording.
const PHRASE: &str = "the hospital";

const WHAT_NEXT: &str = "
This bundled model knows a few hundred words. To transcribe your own recordings, get a full one:

    hansard models pull small
    hansard transcribe --model small FILE
";

/// Transcribes the bundled recording with the bundled model and prints what it heard.
pub(crate) fn run(args: &DemoArgs) -> Result<Exit, Failure> {
    let cancel = interrupt::on_interrupt()?;
    let folder = tempfile::tempdir().context("cannot make a temporary folder")?;
    unpack(folder.path())?;
    let engine = engine::load_folder(&folder.path().join("model"), &args.engine)
        .map_err(|error| Failure::new(Exit::Model, error))?;
    let recording = MediaFile::open(folder.path().join(RECORDING), Channels::Mix)
        .context("cannot open the bundled recording")?;
    let options = Options { word_timestamps: true, ..Options::default() };
    let heard = engine.transcribe(&recording, &options, None, &cancel, &mut Silent);
    let transcript = match heard {
        Err(hansard_speech::Error::Cancelled) => return Ok(Exit::Interrupted),
        heard => heard.context("cannot transcribe the bundled recording")?,
    };
    output::data(&report(&transcript.segments))?;
    Ok(Exit::Success)
}

fn unpack(folder: &Path) -> anyhow::Result<()> {
    for (name, bytes) in FILES {
        let path = folder.join(name);
        path.parent()
            .map_or(Ok(()), std::fs::create_dir_all)
            .and_then(|()| std::fs::write(&path, bytes))
            .context("cannot unpack the bundled model")?;
    }
    Ok(())
}

fn report(segments: &[Segment]) -> String {
    let mut report = String::new();
    for segment in segments {
        let (start, end, text) = (stamp(segment.start), stamp(segment.end), segment.line());
        report.push_str(&format!("[{start} --> {end}] {text}\n"));
    }
    match find(segments, PHRASE) {
        Some(start) => report.push_str(&format!("\n\"{PHRASE}\" is said at {start:.1} s.\n")),
        None => report.push_str(&format!("\n\"{PHRASE}\" is not said.\n")),
    }
    report.push_str(WHAT_NEXT);
    report
}

/// When the phrase is first said, in seconds. Case and punctuation do not count.
fn find(segments: &[Segment], phrase: &str) -> Option<f64> {
    let phrase: Vec<String> = phrase.split_whitespace().map(letters).collect();
    let words: Vec<_> = segments.iter().flat_map(|segment| &segment.words).collect();
    words
        .windows(phrase.len())
        .find(|said| said.iter().zip(&phrase).all(|(word, wanted)| letters(&word.text) == *wanted))
        .and_then(|said| said.first())
        .map(|word| word.start)
}

fn letters(word: &str) -> String {
    word.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use hansard_domain::transcript::Word;

    use super::*;

    #[test]
    fn a_phrase_is_found_across_segments_whatever_its_case_and_punctuation() {
        let said = |words: &[(f64, &str)]| Segment {
            start: 0.0,
            end: 0.0,
            text: String::new(),
            tokens: Vec::new(),
            temperature: 0.0,
            average_log_probability: 0.0,
            compression_ratio: 1.0,
            no_speech_probability: 0.0,
            words: words
                .iter()
                .map(|(start, text)| Word {
                    start: *start,
                    end: *start,
                    text: (*text).to_owned(),
                    probability: 1.0,
                })
                .collect(),
            suspicions: Vec::new(),
        };
        let segments = [said(&[(0.0, " Send"), (0.5, " The")]), said(&[(2.0, " hospital,")])];
        assert_eq!(find(&segments, PHRASE), Some(0.5));
        assert_eq!(find(&segments, "hospital send"), None);
        assert_eq!(find(&[], PHRASE), None);
    }
}
