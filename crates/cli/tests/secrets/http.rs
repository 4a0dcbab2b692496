//! Requests as bytes, and all bytes of their answers.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::Value;

/// How long an answer may take.
const BOUND: Duration = Duration::from_secs(30);

/// A request.
#[derive(Debug, Clone)]
pub(crate) struct Asked<'a> {
    pub(crate) method: &'a str,
    pub(crate) path: String,
    headers: Vec<(&'a str, String)>,
    body: String,
}

impl<'a> Asked<'a> {
    /// One without a body.
    pub(crate) fn of(method: &'a str, path: &str) -> Self {
        Self { method, path: path.to_owned(), headers: Vec::new(), body: String::new() }
    }

    pub(crate) fn get(path: &str) -> Self {
        Self::of("GET", path)
    }

    pub(crate) fn json(method: &'a str, path: &str, body: &Value) -> Self {
        let asked = Self::of(method, path).with("content-type", "application/json");
        Self { body: body.to_string(), ..asked }
    }

    pub(crate) fn form(path: &str, body: &str) -> Self {
        let kind = "application/x-www-form-urlencoded";
        Self { body: body.to_owned(), ..Self::of("POST", path).with("content-type", kind) }
    }

    /// The same with another header.
    pub(crate) fn with(mut self, name: &'a str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }
}

/// An answer, head and body, as it came.
pub(crate) struct Answer {
    pub(crate) bytes: Vec<u8>,
}

impl Answer {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }

    /// What follows the head, of an answer that came in one piece.
    pub(crate) fn body(&self) -> &str {
        let text = std::str::from_utf8(&self.bytes).unwrap_or_default();
        text.split_once("\r\n\r\n").map_or("", |(_, body)| body)
    }

    /// The value of a cookie that it sets.
    pub(crate) fn cookie(&self, name: &str) -> Option<String> {
        self.cookies().into_iter().find_map(|(known, value)| (known == name).then_some(value))
    }

    /// Names and values of all cookies that it sets.
    pub(crate) fn cookies(&self) -> Vec<(String, String)> {
        let pairs = self.headers("set-cookie");
        let pairs = pairs.filter_map(|line| line.split(';').next()?.split_once('='));
        pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    }

    /// Where it leads.
    pub(crate) fn location(&self) -> String {
        let location = self.headers("location").next();
        location.unwrap_or_else(|| panic!("it leads nowhere: {}", self.text())).to_owned()
    }

    fn headers<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let end = self.bytes.windows(4).position(|bytes| bytes == b"\r\n\r\n");
        let head = std::str::from_utf8(&self.bytes[..end.unwrap_or(self.bytes.len())]).unwrap();
        let lines = head.lines().filter_map(|line| line.split_once(": "));
        lines.filter(move |(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }
}

/// The answer to a request, on a connection of its own.
pub(crate) fn ask(address: &str, asked: &Asked<'_>) -> Answer {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(BOUND)).unwrap();
    let Asked { method, path, headers, body } = asked;
    let mut request = format!(
        "{method} {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\ncontent-length: {}\r\n",
        body.len()
    );
    for (name, value) in headers {
        request.push_str(&format!("{name}: {value}\r\n"));
    }
    request.push_str("\r\n");
    request.push_str(body);
    stream.write_all(request.as_bytes()).unwrap();
    let mut bytes = Vec::new();
    // An answer may end the connection before the request was read to its end.
    let _ = stream.read_to_end(&mut bytes);
    assert!(!bytes.is_empty(), "no answer to {method} {path}");
    Answer { bytes }
}
