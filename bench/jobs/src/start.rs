//! How soon the program serves, and how much memory it has while it has nothing to do.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};

use crate::ours::{self, Kind, Place};

/// Recordings in the database, each with a job that has ended and a transcript.
const RECORDINGS: usize = 5_000;

/// Starts that are measured. Each but the first comes after a kill, with what that leaves to recover.
const STARTS: usize = 5;

/// How long after it is ready the memory is looked at.
const SETTLE: Duration = Duration::from_secs(5);

/// What is asked for.
const READY_MAX: Duration = Duration::from_millis(300);
const RESIDENT_MAX_MEBIBYTES: f64 = 60.0;

/// How long a start may take before it is given up.
const START_MAX: Duration = Duration::from_secs(30);

/// What the program says when it listens, before the address.
const LISTENING: &str = "listening on http://";

pub(crate) async fn run() -> anyhow::Result<()> {
    let program = build()?;
    let place = Place::new(Kind::Sqlite)?;
    ours::run(&place, RECORDINGS).await?;
    let (mut slowest, mut largest) = (Duration::ZERO, 0.0_f64);
    for number in 1..=STARTS {
        let (service, ready) = Service::start(&program, place.folder())?;
        tokio::time::sleep(SETTLE).await;
        let resident = ours::resident_mebibytes(&service.process.id().to_string())?;
        println!(
            "start {number}, {RECORDINGS} recordings: ready after {:.0} ms, {resident:.1} MiB after {} s",
            ready.as_secs_f64() * 1e3,
            SETTLE.as_secs()
        );
        (slowest, largest) = (slowest.max(ready), largest.max(resident));
    }
    ensure!(slowest <= READY_MAX, "a start took longer than {} ms", READY_MAX.as_millis());
    ensure!(largest < RESIDENT_MAX_MEBIBYTES, "more than {RESIDENT_MAX_MEBIBYTES} MiB of memory");
    Ok(())
}

/// Builds the program as it is released, and says where it is.
fn build() -> anyhow::Result<PathBuf> {
    let output = Command::new(env!("CARGO"))
        .args(["build", "--release", "--locked", "--package", "hansard"])
        .arg("--message-format=json-render-diagnostics")
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../.."))
        .stderr(Stdio::inherit())
        .output()
        .context("cargo cannot be run")?;
    ensure!(output.status.success(), "the program cannot be built");
    let messages = String::from_utf8(output.stdout)?;
    let executable = messages.lines().filter_map(|line| {
        let message: serde_json::Value = serde_json::from_str(line).ok()?;
        message["executable"].as_str().map(PathBuf::from)
    });
    executable.last().context("cargo names no executable")
}

/// The program at work. It is killed when this is dropped.
struct Service {
    process: Child,
    /// What it says; read from as long as it lives, or it could not speak.
    stderr: BufReader<ChildStderr>,
}

impl Service {
    /// Starts `hansard serve` and returns it with the time that passed until it answered that it is ready.
    fn start(program: &Path, data: &Path) -> anyhow::Result<(Self, Duration)> {
        let began = Instant::now();
        let mut process = Command::new(program)
            .args(["serve", "--bind", "127.0.0.1:0", "--data-dir"])
            .arg(data)
            // Nothing of whoever runs this changes how it starts. Without a model it would not call itself ready.
            .env_clear()
            .env("MOCK_TRANSCRIBE", "1")
            .env("HOME", data)
            .current_dir(data)
            .stderr(Stdio::piped())
            .spawn()
            .context("the program cannot be run")?;
        let stderr = process.stderr.take().context("its messages are piped")?;
        let mut service = Self { process, stderr: BufReader::new(stderr) };
        let address = service.address()?;
        while !is_ready(&address)? {
            ensure!(began.elapsed() < START_MAX, "the program does not get ready");
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok((service, began.elapsed()))
    }

    /// Where it listens, as it says.
    fn address(&mut self) -> anyhow::Result<String> {
        let mut line = String::new();
        while self.stderr.read_line(&mut line)? > 0 {
            if let Some((_, address)) = line.split_once(LISTENING) {
                return Ok(address.trim().to_owned());
            }
            line.clear();
        }
        anyhow::bail!("the program ended before it listened")
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn is_ready(address: &str) -> anyhow::Result<bool> {
    let mut connection = TcpStream::connect(address)?;
    write!(connection, "GET /readyz HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    connection.read_to_string(&mut answer)?;
    Ok(answer.starts_with("HTTP/1.1 200 "))
}
