//! Whom a running service lets in: nobody without credentials once others are meant to reach it, and a token from the moment
//! that it is made until it is revoked.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use hansard_testkit::process::Process;

use crate::beside::{Beside, on_both};

/// Longer than anything here takes on a busy machine.
const BOUND: Duration = Duration::from_secs(60);

on_both! {
    a_token_is_good_at_once_and_no_longer_once_it_is_revoked,
}

/// The service beside a database, and where it listens.
fn serve(beside: &Beside, variables: &[(&str, &str)]) -> (Process, String) {
    let mut serve = beside.command(&["serve", "--no-worker", "--bind", "127.0.0.1:0"]);
    serve.env("HOME", beside.desk.path("")).envs(variables.iter().copied());
    let service = Process::start(&mut serve);
    let line = service.wait_for_line(BOUND, |line| line.starts_with("listening on http://"));
    (service, line["listening on http://".len()..].to_owned())
}

/// The status of a look at the recordings: with a token, or without credentials.
fn looks(address: &str, token: Option<&str>) -> u16 {
    let credential =
        token.map_or(String::new(), |token| format!("authorization: Bearer {token}\r\n"));
    let mut connection = TcpStream::connect(address).unwrap();
    connection.set_read_timeout(Some(BOUND)).unwrap();
    let head = format!(
        "GET /api/v1/recordings HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n{credential}\r\n"
    );
    connection.write_all(head.as_bytes()).unwrap();
    let mut answer = Vec::new();
    match connection.read_to_end(&mut answer) {
        // A server that closes at once may reset the connection after its last byte.
        Err(error) if error.kind() != io::ErrorKind::ConnectionReset => panic!("{error}"),
        _ => {}
    }
    let answer = String::from_utf8_lossy(&answer);
    answer.split(' ').nth(1).unwrap_or_default().parse().unwrap_or_else(|_| panic!("{answer}"))
}

fn a_token_is_good_at_once_and_no_longer_once_it_is_revoked(beside: &Beside) {
    let (service, address) = serve(beside, &[]);
    assert_eq!(looks(&address, None), 200, "only this machine asks");
    service.terminate();
    assert!(service.wait(BOUND).success(), "{}", service.output());
    let (service, address) =
        serve(beside, &[("HANSARD__SERVER__PUBLIC_URL", "https://hansard.example")]);
    let hint = service.wait_for_line(BOUND, |line| line.contains("nobody has any"));
    assert!(hint.contains("hansard token create"), "{hint}");
    assert_eq!(looks(&address, None), 401, "a proxy in front may be speaking for anybody");

    let made = beside.run(&["token", "create", "plugin"]).success();
    let token = made.trim_end();
    assert_eq!(looks(&address, Some(token)), 200);
    let rotated = beside.run(&["token", "rotate", token, "--overlap", "0s"]).success();
    let newer = rotated.trim_end();
    assert_eq!((looks(&address, Some(token)), looks(&address, Some(newer))), (401, 200));
    beside.run(&["token", "revoke", newer]).success();

    assert_eq!(looks(&address, Some(newer)), 401);
}
