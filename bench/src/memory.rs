//! Does memory stay where it is however long the recording? Ten hours against ten minutes, each in a process of its
//! own, with the fixture model and the settings of `hansard transcribe`.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, ensure};
use hansard_media::{Channels, Error, MediaFile, Recording, SAMPLE_RATE, Samples};
use hansard_speech::whisper::Whisper;
use hansard_speech::{Cancel, Options, Silent, Transcriber};

use crate::serve::peak_memory;

/// The recording that sets what is usual, in minutes.
const SHORT: u64 = 10;

/// The recording that must not need more, in minutes.
const LONG: u64 = 600;

/// Threads of the engine; memory hardly depends on them.
const THREADS: usize = 2;

/// How much more it may need after all.
const RATIO_MAX: f64 = 1.1;

/// Prints the peak memory of a long and a short transcription and fails if the long one needs more.
pub(crate) fn run() -> anyhow::Result<()> {
    let short = peak_of(SHORT)?;
    println!("{SHORT:>4} minutes: {short:.1} MiB");
    let long = peak_of(LONG)?;
    let ratio = long / short;
    println!("{LONG:>4} minutes: {long:.1} MiB, {ratio:.2} times as much ({RATIO_MAX} is allowed)");
    ensure!(ratio <= RATIO_MAX, "memory grows with the length of the recording");
    Ok(())
}

fn peak_of(minutes: u64) -> anyhow::Result<f64> {
    let output = Command::new(std::env::current_exe()?)
        .arg("listen")
        .arg(minutes.to_string())
        .stderr(std::process::Stdio::inherit())
        .output()?;
    ensure!(output.status.success(), "the listening process ended with {}", output.status);
    let peak = String::from_utf8(output.stdout)?;
    peak.trim().parse().context("the listening process did not state its memory")
}

/// Transcribes so many minutes of looped speech and prints this process's peak memory in MiB.
pub(crate) fn listen(minutes: u64) -> anyhow::Result<()> {
    let whisper = Whisper::load(&fixture("model"), THREADS)?;
    let clip = MediaFile::open(fixture("clips/en-00.flac"), Channels::Mix)?;
    let recording = Looped { clip, samples: minutes * 60 * SAMPLE_RATE as u64 };
    let transcript = whisper.transcribe(
        &recording,
        &Options::default(),
        None,
        &Cancel::default(),
        &mut Silent,
    )?;
    let end = transcript.segments.last().map_or(0.0, |segment| segment.end);
    ensure!(end > minutes as f64 * 60.0 - LAST_WORD, "the transcript ends at {end} s");
    println!("{}", peak_memory()?);
    Ok(())
}

/// The transcript ends at most this many seconds before the recording.
const LAST_WORD: f64 = 60.0;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures").join(name)
}

/// A recording played again and again, up to a length in samples.
struct Looped {
    clip: MediaFile,
    samples: u64,
}

struct LoopedReader<'a> {
    clip: &'a MediaFile,
    current: Box<dyn Samples + 'a>,
    rest: u64,
}

impl Recording for Looped {
    fn name(&self) -> &str {
        "looped clip"
    }

    fn open(&self) -> Result<Box<dyn Samples + '_>, Error> {
        let current = Recording::open(&self.clip)?;
        Ok(Box::new(LoopedReader { clip: &self.clip, current, rest: self.samples }))
    }

    fn duration_hint(&self) -> Option<f64> {
        Some(self.samples as f64 / SAMPLE_RATE as f64)
    }
}

impl Samples for LoopedReader<'_> {
    fn read(&mut self, buffer: &mut [f32]) -> Result<usize, Error> {
        let wanted = usize::try_from(self.rest).map_or(buffer.len(), |rest| rest.min(buffer.len()));
        let mut count = self.current.read(&mut buffer[..wanted])?;
        if count == 0 && wanted > 0 {
            self.current = Recording::open(self.clip)?;
            count = self.current.read(&mut buffer[..wanted])?;
        }
        self.rest -= count as u64;
        Ok(count)
    }
}
