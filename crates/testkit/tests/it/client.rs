//! As much of an HTTP client as these tests need, down at the bytes.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// Longer than an answer of these tests takes.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);

/// Sends a request, and returns all that comes before the connection ends.
pub(crate) fn exchange(url: &str, head: &str, body: &str) -> io::Result<String> {
    exchange_within(ANSWER_WITHIN, url, head, body)
}

/// The same with another bound; running out of it is the error `WouldBlock`.
pub(crate) fn exchange_within(
    bound: Duration,
    url: &str,
    head: &str,
    body: &str,
) -> io::Result<String> {
    let rest = url.strip_prefix("http://").expect("these servers speak plain HTTP");
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    let mut connection = TcpStream::connect(host)?;
    connection.set_read_timeout(Some(bound))?;
    let (method, headers) = head.split_once('\n').unwrap_or((head, ""));
    let headers: String = headers.lines().map(|line| format!("{line}\r\n")).collect();
    let length = body.len();
    write!(
        connection,
        "{method} /{path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\
         content-length: {length}\r\n{headers}\r\n{body}"
    )?;
    let mut answer = Vec::new();
    match connection.read_to_end(&mut answer) {
        // A server that closes at once may reset the connection after its last byte.
        Err(error) if error.kind() != io::ErrorKind::ConnectionReset => return Err(error),
        _ => {}
    }
    Ok(String::from_utf8_lossy(&answer).into_owned())
}
