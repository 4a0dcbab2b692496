//! Forms with files, as `multipart/form-data`.

use std::io;

use bytes::Bytes;
use futures_util::stream::{self, BoxStream, Stream, StreamExt};
use ring::rand::{SecureRandom, SystemRandom};

use crate::Error;
use crate::body::pieces;

/// A form. Its length is known before it is sent, so that no host has to take it in chunks.
pub struct Form {
    boundary: String,
    length: u64,
    parts: BoxStream<'static, io::Result<Bytes>>,
}

impl Form {
    /// A form without fields.
    ///
    /// # Errors
    /// [`Error::Runtime`] if the system gives no random numbers.
    pub fn new() -> Result<Self, Error> {
        let mut random = [0; 16];
        SystemRandom::new()
            .fill(&mut random)
            .map_err(|_| Error::Runtime(io::Error::other("the system gives no random numbers")))?;
        let boundary = random.iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(Self { boundary, length: 0, parts: stream::empty().boxed() })
    }

    /// With a field of text.
    pub fn text(self, name: &str, value: &str) -> Self {
        let head = format!("Content-Disposition: form-data; name=\"{}\"\r\n\r\n", quoted(name));
        let value = Bytes::copy_from_slice(value.as_bytes());
        self.part(head, value.len() as u64, pieces(value))
    }

    /// With a file whose bytes are here.
    pub fn file(self, name: &str, file_name: &str, mime: &str, bytes: Bytes) -> Self {
        self.file_stream(name, file_name, mime, bytes.len() as u64, pieces(bytes))
    }

    /// With a file of `length` bytes that is read while it is sent.
    pub fn file_stream(
        self,
        name: &str,
        file_name: &str,
        mime: &str,
        length: u64,
        bytes: impl Stream<Item = io::Result<Bytes>> + Send + 'static,
    ) -> Self {
        let head = format!(
            "Content-Disposition: form-data; name=\"{}\"; filename=\"{}\"\r\nContent-Type: {}\r\n\r\n",
            quoted(name),
            quoted(file_name),
            mime.replace(['\r', '\n'], "")
        );
        self.part(head, length, bytes)
    }

    fn part(
        mut self,
        head: String,
        length: u64,
        bytes: impl Stream<Item = io::Result<Bytes>> + Send + 'static,
    ) -> Self {
        let head = format!("--{}\r\n{head}", self.boundary);
        self.length += head.len() as u64 + length + 2;
        let parts = self.parts.chain(one(head)).chain(bytes).chain(one("\r\n".to_owned()));
        self.parts = parts.boxed();
        self
    }

    pub(crate) fn content_type(&self) -> String {
        format!("multipart/form-data; boundary={}", self.boundary)
    }

    /// Length and bytes of the whole.
    pub(crate) fn into_parts(self) -> (u64, reqwest::Body) {
        let end = format!("--{}--\r\n", self.boundary);
        let length = self.length + end.len() as u64;
        (length, reqwest::Body::wrap_stream(self.parts.chain(one(end))))
    }
}

fn one(text: String) -> impl Stream<Item = io::Result<Bytes>> + Send {
    stream::iter([Ok(Bytes::from(text))])
}

/// A name within quotes, escaped as browsers do.
fn quoted(name: &str) -> String {
    name.replace('"', "%22").replace('\r', "%0D").replace('\n', "%0A")
}
