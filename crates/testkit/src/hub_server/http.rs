//! As much of HTTP/1.1 as the server needs, down at the bytes, so that an answer can go wrong at any of them.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use super::{Fault, Seen};

/// No request of a test is longer.
const REQUEST_BYTES_MAX: usize = 64 * 1024;

/// A connection that says nothing for so long is given up.
const SILENCE_MAX: Duration = Duration::from_secs(60);

/// An answer, before it may go wrong.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: Arc<[u8]>,
    /// A request for a range is granted.
    pub(super) ranges: bool,
    pub(super) fault: Option<Fault>,
}

impl Answer {
    /// An answer with a text.
    pub(super) fn new(status: u16, body: impl Into<String>) -> Self {
        let body: Arc<[u8]> = body.into().into_bytes().into();
        Self { status, headers: Vec::new(), body, ranges: false, fault: None }
    }

    /// With one more header.
    pub(super) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

/// Method, target and headers of the next request. `unread` holds what arrived of the one after it.
pub(super) fn read(
    connection: &mut TcpStream,
    unread: &mut Vec<u8>,
) -> Option<(String, String, BTreeMap<String, String>)> {
    connection.set_read_timeout(Some(SILENCE_MAX)).ok()?;
    let end = loop {
        if let Some(end) = unread.windows(4).position(|four| four == b"\r\n\r\n") {
            break end;
        }
        let mut block = [0; 4096];
        let count = connection.read(&mut block).ok()?;
        if count == 0 || unread.len() > REQUEST_BYTES_MAX {
            return None;
        }
        unread.extend_from_slice(&block[..count]);
    };
    let head: Vec<u8> = unread.drain(..end + 4).collect();
    let head = String::from_utf8(head).ok()?;
    let mut lines = head.lines();
    let mut first = lines.next()?.split(' ');
    let (method, target) = (first.next()?.to_owned(), first.next()?.to_owned());
    let headers = lines.filter_map(|line| line.split_once(':'));
    let headers = headers.map(|(name, value)| (name.to_lowercase(), value.trim().to_owned()));
    Some((method, target, headers.collect()))
}

/// Sends `answer` with its fault. `None` ends the connection.
pub(super) fn write(connection: &mut TcpStream, request: &Seen, mut answer: Answer) -> Option<()> {
    match answer.fault.take() {
        None => send(connection, request, &answer, usize::MAX),
        Some(Fault::Cut(bytes)) => send(connection, request, &answer, bytes),
        Some(Fault::IgnoreRange) => {
            send(connection, request, &Answer { ranges: false, ..answer }, usize::MAX)
        }
        Some(Fault::Status(status, retry_after)) => {
            let mut refusal = Answer::new(status, "try another time");
            refusal.headers.extend(retry_after.map(|value| ("retry-after", value)));
            send(connection, request, &refusal, usize::MAX)
        }
        Some(Fault::WrongByte) => {
            let mut body = answer.body.to_vec();
            if let Some(middle) = body.len().checked_sub(1).map(|last| last / 2) {
                body[middle] ^= 1;
            }
            send(connection, request, &Answer { body: body.into(), ..answer }, usize::MAX)
        }
        Some(Fault::Silence) => {
            // Returns when the client hangs up, or after the read timeout.
            let _ = connection.read(&mut [0]);
            None
        }
    }
}

/// Sends head and at most `bytes` of the body; if that is not all of it, ends the connection.
fn send(connection: &mut TcpStream, request: &Seen, answer: &Answer, bytes: usize) -> Option<()> {
    let total = answer.body.len();
    let start = asked_range(request, answer).filter(|_| answer.ranges);
    let mut head = match start {
        Some(start) if start >= total => {
            format!(
                "HTTP/1.1 416 Beyond\r\ncontent-range: bytes */{total}\r\ncontent-length: 0\r\n"
            )
        }
        Some(start) => format!(
            "HTTP/1.1 206 Part\r\ncontent-range: bytes {start}-{}/{total}\r\ncontent-length: {}\r\n",
            total - 1,
            total - start
        ),
        None => format!("HTTP/1.1 {} Answer\r\ncontent-length: {total}\r\n", answer.status),
    };
    for (name, value) in &answer.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str("\r\n");
    connection.write_all(head.as_bytes()).ok()?;
    if request.method == "HEAD" {
        return Some(());
    }
    let body = answer.body.get(start.unwrap_or(0)..).unwrap_or_default();
    connection.write_all(&body[..body.len().min(bytes)]).ok()?;
    if bytes < body.len() {
        connection.shutdown(Shutdown::Both).ok()?;
        return None;
    }
    Some(())
}

/// The first byte that `Range: bytes=N-` asks for, unless `If-Range` wants it of another version of the file.
fn asked_range(request: &Seen, answer: &Answer) -> Option<usize> {
    let etag = answer.headers.iter().find(|(name, _)| *name == "etag").map(|(_, etag)| etag);
    if request.headers.get("if-range").is_some_and(|wanted| Some(wanted) != etag) {
        return None;
    }
    let range = request.headers.get("range")?.strip_prefix("bytes=")?;
    range.strip_suffix('-')?.parse().ok()
}
