//! The program under test: one process that does everything, or a service and a worker that share a database.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use hansard_store::{Clock, Database, Media, Settings, Store};
use hansard_testkit::port::Port;
use hansard_testkit::process::{Process, command};

/// How long a start or an orderly stop may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Parts {
    Together,
    Apart,
}

pub(crate) struct Service {
    folder: PathBuf,
    parts: Parts,
    database: Option<String>,
    port: Port,
    running: Vec<Option<Process>>,
}

impl Service {
    pub(crate) fn new(folder: &Path, parts: Parts, database: Option<String>) -> Self {
        let count = if parts == Parts::Together { 1 } else { 2 };
        let running = (0..count).map(|_| None).collect();
        Self { folder: folder.to_owned(), parts, database, port: Port::reserve(), running }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port.address().port()
    }

    pub(crate) fn notes(&self) -> PathBuf {
        self.folder.join("notes")
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// Starts what does not run, and waits until it is ready.
    pub(crate) fn start(&mut self) {
        for index in 0..self.running.len() {
            if self.running[index].is_none() {
                self.running[index] = Some(self.start_part(index));
            }
        }
    }

    fn start_part(&self, index: usize) -> Process {
        let is_worker = index == 1;
        let mut command = command(env!("CARGO_BIN_EXE_hansard"));
        self.configure(&mut command);
        if is_worker {
            command.arg("worker");
        } else {
            command.args(["serve", "--bind", &self.port.address().to_string()]);
            if self.parts == Parts::Apart {
                command.arg("--no-worker");
            }
        }
        let process = Process::start(&mut command);
        let ready = if is_worker { "waits for jobs" } else { "listening on" };
        process.wait_for_line(PATIENCE, |line| line.contains(ready));
        process
    }

    fn configure(&self, command: &mut Command) {
        let settings = [
            ("HANSARD__ENGINE__KIND", "fake"),
            ("HANSARD__JOBS__LEASE", "1500ms"),
            ("HANSARD__JOBS__HEARTBEAT", "300ms"),
            ("HANSARD__JOBS__POLL_INTERVAL", "200ms"),
            ("HANSARD__JOBS__WORKERS", "3"),
            ("HANSARD__DELIVERY__DANGEROUS_ALLOW_PRIVATE_TARGETS", "127.0.0.0/8"),
            ("HANSARD_FAKE_WINDOW_MS", "20"),
        ];
        command.envs(settings);
        command.env("HANSARD_FAKE_NOTES", self.notes());
        command.env("HANSARD__STORE__DATA_DIR", self.data());
        if let Some(database) = &self.database {
            command.env("DATABASE_URL", database);
        }
        command.current_dir(&self.folder);
    }

    /// Kills one of the processes, chosen by `choice`.
    pub(crate) fn kill_one(&mut self, choice: usize) {
        let index = choice % self.running.len();
        if let Some(process) = self.running[index].take() {
            process.kill_hard();
        }
    }

    /// Asks everything to stop and waits until it has.
    pub(crate) fn stop(&mut self) {
        for process in self.running.iter_mut().filter_map(Option::take) {
            process.terminate();
            let status = process.wait(PATIENCE);
            assert!(status.success(), "it ended with {status}:\n{}", process.output());
        }
    }

    /// The store as the program has it, seen at the time of `clock`.
    pub(crate) async fn store(&self, clock: Clock) -> Store {
        let database = match &self.database {
            Some(url) => Database::Postgres { url: url.clone() },
            None => Database::Sqlite { path: self.data().join("hansard.db") },
        };
        let settings = Settings {
            database,
            connections_max: 2,
            queue_max: 1,
            media: Media::folder(&self.data()).expect("the folder is there"),
            uploads: self.data().join("uploads"),
            clock,
        };
        Store::connect(settings).await.expect("the database is there")
    }
}
