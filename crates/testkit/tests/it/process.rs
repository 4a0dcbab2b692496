//! Running programs. A shell stands for ours.

use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::time::Duration;

use hansard_testkit::process::{Process, command};

const BOUND: Duration = Duration::from_secs(30);

fn shell(script: &str) -> Process {
    Process::start(command("/bin/sh").args(["-c", script]))
}

#[test]
fn a_line_of_either_stream_is_found() {
    let server = shell("echo starting; echo listening on 127.0.0.1:7 >&2; while :; do :; done");

    let line = server.wait_for_line(BOUND, |line| line.contains("listening"));

    assert_eq!(line, "listening on 127.0.0.1:7");
    assert_eq!(server.wait_for_line(BOUND, |line| line == "starting"), "starting");
    assert!(server.resident_memory() > 100 * 1024);
}

#[test]
fn it_is_stopped_kindly_or_hard() {
    let kind = shell("trap 'echo bye; exit 3' TERM; echo up; while :; do :; done");
    kind.wait_for_line(BOUND, |line| line == "up");
    kind.terminate();
    assert_eq!(kind.wait(BOUND).code(), Some(3));
    assert_eq!(kind.output(), "up\nbye");

    let hard = shell("trap '' TERM; echo up; while :; do :; done");
    hard.wait_for_line(BOUND, |line| line == "up");
    hard.terminate();
    hard.kill_hard();
    assert_eq!(hard.wait(BOUND).signal(), Some(9));
}

#[test]
fn nothing_of_the_environment_gets_in() {
    let env = Process::start(&mut command("/usr/bin/env"));

    assert!(env.wait(BOUND).success());

    assert_eq!(env.output(), "PATH=/usr/local/bin:/usr/bin:/bin");
}

#[test]
fn a_dropped_process_is_killed() {
    let running = shell("echo up; while :; do :; done");
    running.wait_for_line(BOUND, |line| line == "up");
    let place = format!("/proc/{}", running.id());
    assert!(Path::new(&place).exists());

    drop(running);

    assert!(!Path::new(&place).exists());
}

#[test]
#[should_panic(expected = "cannot find it")]
fn a_line_that_cannot_come_is_not_waited_for() {
    shell("echo cannot find it").wait_for_line(Duration::from_secs(3600), |line| line == "up");
}
