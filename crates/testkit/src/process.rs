//! The built program as users run it: started, read from, stopped kindly or killed.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};

/// A command with an empty environment but for `PATH`, with which it finds nothing of the machine's settings.
pub fn command(program: impl AsRef<Path>) -> Command {
    let mut command = Command::new(program.as_ref());
    command.env_clear().env("PATH", "/usr/local/bin:/usr/bin:/bin");
    command
}

/// A running program. It is killed when this is dropped.
#[derive(Debug)]
pub struct Process {
    pid: Pid,
    state: Arc<(Mutex<Said>, Condvar)>,
}

/// What is known of it so far.
#[derive(Debug, Default)]
struct Said {
    lines: Vec<String>,
    open_streams: usize,
    status: Option<ExitStatus>,
}

impl Process {
    /// Starts it with no input and reads what it prints.
    pub fn start(command: &mut Command) -> Self {
        Self::spawn(command.stdin(Stdio::null())).0
    }

    /// The same with an input, which ends when the other end of it, that is returned, is dropped.
    pub(crate) fn start_with_input(command: &mut Command) -> (Self, ChildStdin) {
        let (process, input) = Self::spawn(command.stdin(Stdio::piped()));
        (process, input.expect("it is piped"))
    }

    fn spawn(command: &mut Command) -> (Self, Option<ChildStdin>) {
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child =
            command.spawn().unwrap_or_else(|error| panic!("cannot run {command:?}: {error}"));
        let input = child.stdin.take();
        let said = Said { open_streams: 2, ..Said::default() };
        let state = Arc::new((Mutex::new(said), Condvar::new()));
        read_lines(child.stdout.take().expect("it is piped"), Arc::clone(&state));
        read_lines(child.stderr.take().expect("it is piped"), Arc::clone(&state));
        let pid = Pid::from_child(&child);
        let process = Self { pid, state: Arc::clone(&state) };
        thread::spawn(move || await_end(child, pid, &state));
        (process, input)
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.pid.as_raw_nonzero().get().unsigned_abs()
    }

    /// The first line, of both streams, for which `wanted` holds. Lines printed earlier count.
    ///
    /// # Panics
    ///
    /// When it does not come within `bound`, or the program closes its streams without it.
    pub fn wait_for_line(&self, bound: Duration, wanted: impl Fn(&str) -> bool) -> String {
        let find = |said: &Said| said.lines.iter().find(|line| wanted(line)).cloned();
        let said = self.wait_while(bound, |said| find(said).is_none() && said.open_streams > 0);
        let Some(line) = find(&said) else {
            let output = said.lines.join("\n");
            drop(said);
            panic!("the line did not come within {bound:?}; there was:\n{output}");
        };
        line
    }

    /// What it printed so far, both streams line by line.
    pub fn output(&self) -> String {
        self.said().lines.join("\n")
    }

    /// Kills it as `kill -9` does, and returns when it is gone.
    pub fn kill_hard(&self) {
        self.signal(Signal::KILL);
        let (said, changed) = &*self.state;
        let said = said.lock().unwrap_or_else(PoisonError::into_inner);
        drop(changed.wait_while(said, |said| said.status.is_none()));
    }

    /// Asks it to stop: `SIGTERM`.
    pub fn terminate(&self) {
        self.signal(Signal::TERM);
    }

    /// How it ended.
    ///
    /// # Panics
    ///
    /// When it still runs after `bound`.
    pub fn wait(&self, bound: Duration) -> ExitStatus {
        self.ended_within(bound)
            .unwrap_or_else(|| panic!("it still runs after {bound:?}; it said:\n{}", self.output()))
    }

    /// How it ended, unless it still runs after `bound`.
    pub(crate) fn ended_within(&self, bound: Duration) -> Option<ExitStatus> {
        self.wait_while(bound, |said| said.status.is_none() || said.open_streams > 0).status
    }

    /// Its resident memory (`VmRSS`) in bytes.
    pub fn resident_memory(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.id()));
        let status = status.unwrap_or_else(|error| panic!("the process does not run: {error}"));
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kibibytes = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
        kibibytes.expect("the kernel tells it in kB") * 1024
    }

    /// A process that has ended and whose id may be somebody else's is sent nothing: see [`await_end`].
    fn signal(&self, signal: Signal) {
        let said = self.said();
        if said.status.is_none() {
            kill_process(self.pid, signal).expect("our own child may be sent signals");
        }
    }

    fn said(&self) -> MutexGuard<'_, Said> {
        self.state.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait_while(&self, bound: Duration, wait: impl Fn(&Said) -> bool) -> MutexGuard<'_, Said> {
        let waited = self.state.1.wait_timeout_while(self.said(), bound, |said| wait(said));
        waited.unwrap_or_else(PoisonError::into_inner).0
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill_hard();
    }
}

fn read_lines(stream: impl Read + Send + 'static, state: Arc<(Mutex<Said>, Condvar)>) {
    thread::spawn(move || {
        let (said, changed) = &*state;
        for line in BufReader::new(stream).lines() {
            let Ok(line) = line else { break };
            said.lock().unwrap_or_else(PoisonError::into_inner).lines.push(line);
            changed.notify_all();
        }
        said.lock().unwrap_or_else(PoisonError::into_inner).open_streams -= 1;
        changed.notify_all();
    });
}

/// Waits without taking the process id back from the kernel, then takes it under the lock under which signals are sent.
fn await_end(mut child: Child, pid: Pid, state: &(Mutex<Said>, Condvar)) {
    let ended = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
    while waitid(WaitId::Pid(pid), ended).is_err_and(|error| error == rustix::io::Errno::INTR) {}
    let (said, changed) = state;
    let mut said = said.lock().unwrap_or_else(PoisonError::into_inner);
    said.status = Some(child.wait().expect("it is our child"));
    changed.notify_all();
}
