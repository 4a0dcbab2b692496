//! Programs in JavaScript that do what a test asks of them, command by command.

use std::ffi::OsStr;
use std::io::Write;
use std::path::Path;
use std::process::ChildStdin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};

use crate::process::{self, Process};
use crate::tools;

/// Longer than the programs themselves wait for anything, so that they say what did not happen.
const ANSWERS_WITHIN: Duration = Duration::from_secs(60);

/// Longer than a browser takes to put its things away.
const ENDS_WITHIN: Duration = Duration::from_secs(20);

/// A running one. It ends when this is dropped, and also when the test is killed, because its input ends with either.
#[derive(Debug)]
pub(crate) struct Script {
    process: Process,
    input: Mutex<Option<ChildStdin>>,
    asked: AtomicU64,
}

impl Script {
    /// Starts a file of `tools`.
    pub(crate) fn start(
        file: &str,
        arguments: impl IntoIterator<Item = impl AsRef<OsStr>>,
    ) -> Self {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tools").join(file);
        let mut node = process::command(tools::node());
        node.arg(file).args(arguments).env("NODE_PATH", tools::node_modules());
        let (process, input) = Process::start_with_input(&mut node);
        Self { process, input: Mutex::new(Some(input)), asked: AtomicU64::new(0) }
    }

    /// What a command answers.
    ///
    /// # Panics
    ///
    /// When it fails.
    #[track_caller]
    pub(crate) fn ask(&self, command: &str, input: &Value) -> Value {
        let answer = self.try_ask(command, input);
        answer.unwrap_or_else(|error| panic!("cannot {command} {input}: {error}"))
    }

    /// The same; the error is what the program says of it.
    pub(crate) fn try_ask(&self, command: &str, input: &Value) -> Result<Value, String> {
        let id = self.asked.fetch_add(1, Ordering::Relaxed);
        let question = json!({"id": id, "command": command, "input": input});
        if let Some(stdin) = &mut *self.input.lock().unwrap_or_else(PoisonError::into_inner) {
            // A program that has ended cannot be written to; waiting for its answer tells what it said before.
            let _ = stdin.write_all(format!("{question}\n").as_bytes());
        }
        let begin = format!("{{\"id\":{id},");
        let line = self.process.wait_for_line(ANSWERS_WITHIN, |line| line.starts_with(&begin));
        let mut answer: Value = serde_json::from_str(&line).expect("it answers in JSON");
        match answer["error"].take() {
            Value::String(error) => Err(error),
            _ => Ok(answer["value"].take()),
        }
    }
}

impl Drop for Script {
    fn drop(&mut self) {
        drop(self.input.get_mut().unwrap_or_else(PoisonError::into_inner).take());
        // One that does not end by itself is killed with its process.
        let _ = self.process.ended_within(ENDS_WITHIN);
    }
}
