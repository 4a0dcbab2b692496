//! The database server.

use std::env;
use std::io::{self, BufRead, BufReader, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use hansard_testkit::postgres::{Fsync, Postgres};
use hansard_testkit::tools;

/// Longer than any machine needs to stop a server.
const GONE_WITHIN: Duration = Duration::from_secs(30);

/// Set in the process that is killed while it holds a cluster.
const VICTIM: &str = "HANSARD_TESTKIT_VICTIM";

fn query(url: &str, sql: &str) -> Option<String> {
    let mut psql = Command::new(tools::postgres_bin().join("psql"));
    let output = psql.args(["--no-psqlrc", "-qtA", "-c", sql, url]).output().expect("psql runs");
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

#[test]
fn every_database_is_empty_and_alone() {
    let making = [(); 8].map(|()| thread::spawn(|| Postgres::shared().create_database()));
    let urls = making.map(|one| one.join().expect("databases can be made at the same time"));
    let [one, other, ..] = &urls;

    query(one, "CREATE TABLE fact (it text)").expect("a new database can be written");

    assert!(query(other, "SELECT * FROM fact").is_none());
    assert_eq!(query(other, "SHOW fsync").as_deref(), Some("off"));
    assert_eq!(query(other, "SHOW max_connections").as_deref(), Some("200"));
}

#[test]
fn a_stopped_server_keeps_its_address_and_what_was_committed() {
    let cluster = Postgres::start(Fsync::On);
    let url = cluster.create_database();
    query(&url, "CREATE TABLE fact AS SELECT 7 AS it").expect("a new database can be written");

    cluster.stop_hard();
    assert!(query(&url, "SELECT it FROM fact").is_none());
    cluster.start_again();

    assert_eq!(query(&url, "SELECT it FROM fact").as_deref(), Some("7"));
    assert_eq!(query(&url, "SHOW fsync").as_deref(), Some("on"));
}

/// The process that [`nothing_outlives_a_killed_process`] kills. In any other run there is nothing to it.
#[test]
fn victim() {
    if env::var_os(VICTIM).is_none() {
        return;
    }
    let cluster = Postgres::start(Fsync::Off);
    let (address, folder) = (cluster.address(), cluster.folder().display());
    writeln!(io::stdout(), "\ncluster at {address} {folder}").expect("somebody listens");
    io::stdin().read_line(&mut String::new()).expect("it is piped");
}

#[test]
fn nothing_outlives_a_killed_process() {
    let this = env::current_exe().expect("the test has a file");
    let mut victim = Command::new(this)
        .args(["postgres::victim", "--exact", "--nocapture"])
        .env(VICTIM, "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the test runs again");
    let mut lines = BufReader::new(victim.stdout.take().expect("it is piped")).lines();
    let told = lines.find_map(|line| Some(line.ok()?.strip_prefix("cluster at ")?.to_owned()));
    let (address, folder) =
        told.as_deref().and_then(|told| told.split_once(' ')).expect("it says where");
    assert!(Path::new(folder).exists());
    assert!(TcpStream::connect(address).is_ok());

    victim.kill().expect("it runs");
    victim.wait().expect("it was killed");

    let began = Instant::now();
    while Path::new(folder).exists() {
        assert!(began.elapsed() < GONE_WITHIN, "{folder} is still there");
        thread::yield_now();
    }
    assert!(TcpStream::connect(address).is_err());
}
