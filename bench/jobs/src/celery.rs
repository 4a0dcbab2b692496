//! The peer: Celery with late acknowledgement on Redis that writes every change to disk before it answers.

use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, ensure};
use hansard_testkit::port::Port;

use crate::Speed;

/// Processes of the worker: the machine's processors, as Celery does by itself.
const CONCURRENCY: &str = "2";

/// Ends the server when it is dropped.
struct Redis(Child);

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub(crate) fn run(count: usize) -> anyhow::Result<Speed> {
    let folder = tempfile::tempdir()?;
    let port = Port::reserve();
    let number = port.address().port().to_string();
    let _redis = start_redis(&number, folder.path())?;
    let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("celery");
    let python = scripts.join("../../../.tools/bench/bin/python");
    let output = Command::new(&python)
        .arg(scripts.join("peer.py"))
        .args([&count.to_string(), CONCURRENCY])
        .env("PEER_PORT", &number)
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| {
            format!("cannot run {}; `make bench-jobs` installs it", python.display())
        })?;
    ensure!(output.status.success(), "the peer failed");
    let text = String::from_utf8(output.stdout)?;
    let (accepted, done) = text.trim().split_once(' ').context("the peer says two numbers")?;
    Ok(Speed { accepted: accepted.parse()?, done: done.parse()? })
}

fn start_redis(port: &str, folder: &Path) -> anyhow::Result<Redis> {
    let child = Command::new("redis-server")
        .args(["--bind", "127.0.0.1", "--port", port, "--save", ""])
        .args(["--appendonly", "yes", "--appendfsync", "always"])
        .current_dir(folder)
        .stdout(Stdio::null())
        .spawn()
        .context("redis-server is missing; `make bench-jobs` installs it")?;
    let redis = Redis(child);
    let address = format!("127.0.0.1:{port}");
    let began = std::time::Instant::now();
    while std::net::TcpStream::connect(&address).is_err() {
        ensure!(began.elapsed().as_secs() < 30, "redis-server does not listen");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    Ok(redis)
}
