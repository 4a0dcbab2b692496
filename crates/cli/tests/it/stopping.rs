//! Ctrl-C keeps what is done. The made-up engine waits after each window until it is stopped, so nothing depends on time.
#![cfg(unix)]

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::program::{Desk, Ended};

/// Starts the program, waits for its first sign of progress, and interrupts it.
fn interrupted(desk: &Desk, args: &[&str]) -> Ended {
    let mut command = desk.command(args);
    command.env("HANSARD_FAKE_PAUSE", "1").stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the program runs");
    let mut messages = BufReader::new(child.stderr.take().expect("standard error"));
    let mut stderr = String::new();
    messages.read_line(&mut stderr).expect("a line of progress");
    send_interrupt(&child);
    messages.read_to_string(&mut stderr).expect("the rest of the messages");
    let output = child.wait_with_output().expect("it ends");
    Ended { stderr, ..output.into() }
}

fn send_interrupt(child: &Child) {
    // The shell's own kill: the program of that name is not on every machine.
    let sent = Command::new("sh").arg("-c").arg(format!("kill -INT {}", child.id())).status();
    assert!(sent.expect("a shell is on every unix").success());
}

#[test]
fn what_was_finished_is_printed() {
    let desk = Desk::new().with("clips/long-00.flac", "long.flac");
    let ended = interrupted(&desk, &["transcribe", "long.flac", "-f", "json"]);
    assert_eq!(ended.code, Some(130), "{ended:?}");
    assert!(ended.stderr.starts_with("long.flac: 40 % (00:30 of 01:14)"), "{}", ended.stderr);
    assert!(ended.stderr.contains("long.flac: interrupted at 00:30; kept what was said before"));
    let document: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(document["complete"], false);
    assert_eq!(document["duration"], 30.0);
    assert_eq!(document["segments"].as_array().unwrap().len(), 3);
}

#[test]
fn what_was_finished_is_written_and_the_rest_not_begun() {
    let desk =
        Desk::new().with("clips/long-00.flac", "a.flac").with("clips/long-01.flac", "b.flac");
    let ended = interrupted(&desk, &["transcribe", "a.flac", "b.flac"]);
    assert_eq!(ended.code, Some(130), "{ended:?}");
    assert!(ended.stderr.contains("interrupted with 1 more to do"), "{}", ended.stderr);
    assert_eq!(desk.files(), ["a.flac", "a.txt", "b.flac"]);
    assert_eq!(desk.read("a.txt").lines().count(), 3);
}

#[test]
fn an_interruption_is_one_even_where_nothing_can_be_kept() {
    let desk = Desk::new().with("clips/long-00.flac", "a.flac");
    // A folder cannot be replaced by a file.
    std::fs::create_dir_all(desk.path("out/a.txt")).unwrap();
    let ended = interrupted(&desk, &["transcribe", "a.flac", "-o", "out", "--force"]);
    assert_eq!(ended.code, Some(130), "{ended:?}");
    assert!(ended.stderr.contains("interrupted at 00:30"), "{}", ended.stderr);
    assert!(ended.stderr.contains("cannot write out/a.txt"), "{}", ended.stderr);
}

#[test]
fn waiting_for_standard_input_can_be_interrupted() {
    let desk = Desk::new();
    let mut command = desk.command(&["transcribe", "-"]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // Kept open, so that the input does not end.
    let stdin = child.stdin.take();
    let mut messages = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    messages.read_line(&mut line).unwrap();
    assert_eq!(line, "reading standard input\n");
    send_interrupt(&child);
    assert_eq!(child.wait().unwrap().code(), Some(130));
    drop(stdin);
}
