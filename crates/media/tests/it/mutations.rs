//! Ten thousand damaged files, each read in a process of bounded memory and within ten seconds.
//!
//! The test starts its own binary again, twice side by side, to run [`worker`]: what a decoder does at its
//! worst (an abort, a stack overflow, an endless loop, an allocation of gigabytes) ends that process, and
//! the index that it last named says which file did it.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use hansard_media::{Channels, MediaFile, Recording, SAMPLE_RATE};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::mutate::{Mutator, sources};

const MUTATIONS: u64 = 10_000;

/// Processes side by side; process `p` takes the mutations `p`, `p + WORKERS` and so on.
const WORKERS: u64 = 2;

/// Address space of a worker. The test binary alone takes about a quarter of it.
const MEMORY_MAX: u64 = 512 << 20;

/// Longest time for one file.
const PATIENCE: Duration = Duration::from_secs(10);

/// A file may claim to be endless; more than this is not read of it.
const SAMPLES_MAX: usize = 60 * SAMPLE_RATE;

/// Files that a run may fail on before it gives up.
const FAILURES_MAX: usize = 10;

/// Tells [`worker`] the first index it is to take; without it, that is an empty test.
const FROM: &str = "HANSARD_TEST_MUTATIONS_FROM";

#[test]
fn no_mutation_crashes_hangs_or_eats_the_memory() {
    let failures: Vec<String> = std::thread::scope(|scope| {
        let runs: Vec<_> =
            (0..WORKERS).map(|first| scope.spawn(move || failures_from(first))).collect();
        runs.into_iter().flat_map(|run| run.join().expect("the run itself does not fail")).collect()
    });

    assert!(failures.is_empty(), "{failures:#?}");
}

/// Runs workers from `first` on, a new one after each that fails.
fn failures_from(first: u64) -> Vec<String> {
    let mut failures = Vec::new();
    let mut from = first;
    while from < MUTATIONS && failures.len() < FAILURES_MAX {
        let Err((index, what)) = run_worker(from) else { break };
        failures.push(format!("mutation {index}: {what}"));
        from = index + WORKERS;
    }
    failures
}

/// Runs one worker; the error is the index that it was at, and what happened.
fn run_worker(from: u64) -> Result<(), (u64, String)> {
    let binary = std::env::current_exe().expect("the test binary has a path");
    let mut process = Command::new(binary)
        .args(["--exact", "mutations::worker", "--nocapture", "--test-threads=1"])
        .env(FROM, from.to_string())
        .env("RUST_BACKTRACE", "0")
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("the test binary starts again");
    let output = BufReader::new(process.stdout.take().expect("the output is piped"));
    let (sender, indices) = channel();
    let reader = std::thread::spawn(move || {
        let words = output.lines().map_while(Result::ok);
        for index in words.filter_map(|line| line.strip_prefix("at ")?.parse().ok()) {
            if sender.send(index).is_err() {
                break;
            }
        }
    });

    let mut last: u64 = from;
    let silent = loop {
        match indices.recv_timeout(PATIENCE) {
            Ok(index) => last = index,
            Err(RecvTimeoutError::Timeout) => break true,
            Err(RecvTimeoutError::Disconnected) => break false,
        }
    };
    if silent {
        process.kill().expect("the worker can be killed");
    }
    let status = process.wait().expect("the worker ends");
    reader.join().expect("the reader ends with the worker");
    match (silent, status.success()) {
        (true, _) => Err((last, "took too long".to_owned())),
        (false, false) => Err((last, format!("ended with {status}"))),
        (false, true) if last + WORKERS < MUTATIONS => Err((last, "ended early".to_owned())),
        (false, true) => Ok(()),
    }
}

/// Reads every [`WORKERS`]th mutated file from [`FROM`] on. An error is as good as samples.
#[test]
fn worker() {
    let Some(from) = std::env::var_os(FROM) else { return };
    let from: u64 = from.to_str().and_then(|text| text.parse().ok()).expect("an index");
    let limit = Rlimit { current: Some(MEMORY_MAX), maximum: getrlimit(Resource::As).maximum };
    setrlimit(Resource::As, limit).expect("memory can be limited");

    let mutator = Mutator::new(sources());
    let file = tempfile::NamedTempFile::new().expect("a temporary file");
    let mut buffer = vec![0.0; SAMPLE_RATE];
    for index in (from..MUTATIONS).step_by(WORKERS as usize) {
        announce(index);
        std::fs::write(file.path(), mutator.mutation(index)).expect("the file takes the bytes");
        let Ok(recording) = MediaFile::open(file.path(), Channels::Mix) else { continue };
        let mut samples = recording.open().expect("what opened once opens again");
        let mut total = 0;
        while let Ok(count @ 1..) = samples.read(&mut buffer) {
            assert!(buffer[..count].iter().all(|sample| sample.is_finite()));
            total += count;
            if total > SAMPLES_MAX {
                break;
            }
        }
    }
}

fn announce(index: u64) {
    let mut out = std::io::stdout().lock();
    // The harness has written to this line before.
    writeln!(out, "\nat {index}").and_then(|()| out.flush()).expect("the parent reads");
}
