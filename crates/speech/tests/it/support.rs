//! The bundled model, the clips and what the reference made of them.

use std::path::PathBuf;
use std::sync::OnceLock;

use hansard_domain::transcript::Transcript;
use hansard_media::{Channels, MediaFile, Pcm, Recording};
use hansard_speech::whisper::Whisper;
use hansard_speech::{Cancel, Options, Silent, Transcriber};

/// A file of the fixtures.
pub(crate) fn fixture(path: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures")).join(path)
}

/// The bundled model, loaded once for all tests.
pub(crate) fn whisper() -> &'static Whisper {
    static WHISPER: OnceLock<Whisper> = OnceLock::new();
    WHISPER.get_or_init(|| Whisper::load(&fixture("model"), 2).expect("the bundled model loads"))
}

/// The samples of a clip.
pub(crate) fn clip(name: &str) -> Pcm {
    let path = fixture("clips").join(format!("{name}.flac"));
    let file = MediaFile::open(path, Channels::Mix).expect("the clip opens");
    Pcm::new(name, samples(&file))
}

/// All samples of a recording.
pub(crate) fn samples(recording: &dyn Recording) -> Vec<f32> {
    let mut reader = recording.open().expect("the clip opens");
    let mut samples = Vec::new();
    let mut block = vec![0.0; 65_536];
    loop {
        let count = reader.read(&mut block).expect("the clip decodes");
        if count == 0 {
            return samples;
        }
        samples.extend_from_slice(&block[..count]);
    }
}

/// Transcribes with the bundled model.
pub(crate) fn transcribe(recording: &dyn Recording, options: &Options) -> Transcript {
    whisper()
        .transcribe(recording, options, None, &Cancel::default(), &mut Silent)
        .expect("the clip is transcribed")
}

/// Substitutions, insertions and deletions that turn one text into the other, word by word, without case and marks:
/// the measure of `golden.json`.
pub(crate) fn word_errors(truth: &str, text: &str) -> usize {
    let (truth, text) = (words(truth), words(text));
    let mut row: Vec<usize> = (0..=text.len()).collect();
    for (n, expected) in truth.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = n + 1;
        for (m, found) in text.iter().enumerate() {
            let replaced = diagonal + usize::from(expected != found);
            diagonal = row[m + 1];
            row[m + 1] = replaced.min(row[m] + 1).min(diagonal + 1);
        }
    }
    row[text.len()]
}

pub(crate) fn words(text: &str) -> Vec<String> {
    text.to_lowercase()
        .split_whitespace()
        .map(|word| word.trim_matches(|c: char| ".,?!;".contains(c)).to_owned())
        .filter(|word| !word.is_empty())
        .collect()
}
