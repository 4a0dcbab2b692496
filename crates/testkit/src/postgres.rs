//! A PostgreSQL server for tests, on this machine and for this process only.
//!
//! Most tests share one cluster, [`Postgres::shared`], and make a database each. A test that stops the server or wants
//! its writes on the disk starts its own.
//!
//! Nothing of a cluster outlives the process, not even one that is killed: a watchdog shell holds one end of a pipe, and
//! stops the server and removes its files when the other end is gone.

use std::fs;
use std::io::Write;
use std::net::SocketAddr;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::port::Port;
use crate::tools;

/// `nobody`. PostgreSQL refuses to run as root, as whom tests run in many containers.
const NOBODY: u32 = 65534;

/// Enough for all tests of a binary at once, each with a pool.
const CONNECTIONS_MAX: u32 = 200;

/// Waits for the end of the test process, stops the server hard and removes the files.
const WATCHDOG: &str = r#"trap '' HUP INT TERM
cat >/dev/null
"$1/pg_ctl" --pgdata="$2/data" --mode=immediate stop >/dev/null 2>&1
rm -rf "$2""#;

/// Whether a commit waits for the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fsync {
    /// It does, as in production: for tests of durability and for measurements.
    On,
    /// It does not, which is quicker, and safe unless the machine itself goes down.
    Off,
}

/// A running cluster.
#[derive(Debug)]
pub struct Postgres {
    bin: PathBuf,
    dir: PathBuf,
    user: Option<u32>,
    /// Bound and never listening, so that nobody else is given the port while the server is down.
    port: Port,
    databases: AtomicU32,
    watchdog: Child,
}

impl Postgres {
    /// The cluster that the tests of this process share, without `fsync`. Started when it is first asked for.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Postgres> = OnceLock::new();
        SHARED.get_or_init(|| Self::start(Fsync::Off))
    }

    /// Starts a cluster of its own, which ends when it is dropped.
    pub fn start(fsync: Fsync) -> Self {
        let dir = tempfile::Builder::new().prefix("hansard-postgres-").tempdir();
        let dir = dir.expect("a temporary folder can be made").keep();
        let user = (owner(&dir) == 0).then_some(NOBODY);
        let bin = reachable_programs(&dir, user);
        let watchdog = as_user(Command::new("/bin/sh"), user)
            .args(["-c", WATCHDOG, "watchdog"])
            .args([&bin, &dir])
            .current_dir("/")
            // What ends the group of the test, Ctrl-C for instance, must not end the watchdog first.
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("there is a shell");
        let port = Port::reserve();
        let databases = AtomicU32::new(0);
        let cluster = Self { bin, dir, user, port, databases, watchdog };
        cluster.initialise(fsync);
        cluster.start_again();
        cluster
    }

    /// Where its files and its log lie.
    pub fn folder(&self) -> &Path {
        &self.dir
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.port.address()
    }

    /// The URL of a fresh, empty database.
    pub fn create_database(&self) -> String {
        let number = self.databases.fetch_add(1, Ordering::Relaxed) + 1;
        let name = format!("test_{number}");
        self.run(
            "createdb",
            &["--host", &self.address().ip().to_string(), "--username", "postgres"],
        )
        .args(["--port", &self.address().port().to_string(), &name])
        .succeeds();
        format!("postgres://postgres@{}/{name}", self.address())
    }

    /// Stops the server as a crash would: connections break, and what was committed is recovered at the next start.
    pub fn stop_hard(&self) {
        self.run("pg_ctl", &["--mode=immediate", "--silent", "stop"]).succeeds();
    }

    /// Starts the server again after [`Postgres::stop_hard`], at the same address.
    pub fn start_again(&self) {
        let log = self.dir.join("log");
        let mut start = self.run("pg_ctl", &["--wait", "--silent", "--log"]);
        start.arg(&log).arg("start").stderr(Stdio::null());
        if !start.status().is_ok_and(|status| status.success()) {
            panic!("PostgreSQL does not start: {}", fs::read_to_string(&log).unwrap_or_default());
        }
    }

    fn initialise(&self, fsync: Fsync) {
        let options = ["--no-sync", "--no-instructions", "--auth=trust", "--username=postgres"];
        self.run("initdb", &options).args(["--encoding=UTF8", "--no-locale"]).succeeds();
        let fsync = if fsync == Fsync::On { "on" } else { "off" };
        let settings = format!(
            "listen_addresses = '{}'\nport = {}\nunix_socket_directories = ''\n\
             max_connections = {CONNECTIONS_MAX}\nfsync = {fsync}\n",
            self.address().ip(),
            self.address().port(),
        );
        let file = fs::OpenOptions::new().append(true).open(self.dir.join("data/postgresql.conf"));
        let written = file.and_then(|mut file| file.write_all(settings.as_bytes()));
        written.expect("the new cluster has a file of settings");
    }

    /// One of PostgreSQL's programs, as the user that owns the cluster.
    fn run(&self, program: &str, arguments: &[&str]) -> Command {
        let mut command = as_user(Command::new(self.bin.join(program)), self.user);
        command.env("PGDATA", self.dir.join("data")).current_dir(&self.dir).args(arguments);
        command.stdin(Stdio::null()).stdout(Stdio::null());
        command
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // The watchdog ends once it has removed everything.
        drop(self.watchdog.stdin.take());
        let _ = self.watchdog.wait();
    }
}

/// Runs a program that has nothing to say unless it fails.
trait Succeeds {
    fn succeeds(&mut self);
}

impl Succeeds for Command {
    fn succeeds(&mut self) {
        let output = self.output().unwrap_or_else(|error| panic!("cannot run {self:?}: {error}"));
        let message = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{self:?} failed: {message}");
    }
}

fn as_user(mut command: Command, user: Option<u32>) -> Command {
    if let Some(user) = user {
        command.uid(user).gid(user);
    }
    command
}

/// Who we are: the owner of what we make.
fn owner(dir: &Path) -> u32 {
    fs::metadata(dir).expect("the folder was just made").uid()
}

/// Gives the folder to the user, and finds the programs; copies them if the user may not enter where they are, which is
/// so when root's own home holds the repository.
fn reachable_programs(dir: &Path, user: Option<u32>) -> PathBuf {
    let bin = tools::postgres_bin().canonicalize().expect("the folder exists");
    let Some(user) = user else { return bin };
    let mut probe = as_user(Command::new(bin.join("postgres")), Some(user));
    let probe = probe.arg("--version").stdout(Stdio::null()).current_dir("/").status();
    let is_reachable = probe.is_ok_and(|status| status.success());
    // The programs find their libraries in a folder beside the package.
    let package = bin.ancestors().nth(2).expect("the programs lie inside of a package");
    if !is_reachable {
        let libraries = package.with_extension("libs");
        Command::new("cp").arg("-r").args([package, &libraries]).arg(dir).succeeds();
    }
    Command::new("chown").arg("-R").arg(format!("{user}:{user}")).arg(dir).succeeds();
    if is_reachable {
        return bin;
    }
    let name = package.file_name().expect("a package has a name");
    dir.join(name).join("pginstall/bin")
}
