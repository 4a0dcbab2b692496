//! Reading an object: on from where the connection broke, and compared with its checksum at the end.

use std::sync::Arc;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use crc_fast::{CrcAlgorithm, Digest};
use futures_util::stream::BoxStream;
use futures_util::{Stream, StreamExt, stream};
use object_store::aws::AmazonS3;
use object_store::path::Path as Key;
use object_store::{Attribute, Attributes, GetOptions, GetRange, GetResult, ObjectStore};
use ring::digest::{Context, SHA256};

use super::error::S3Error;
use super::http::{CHECKSUM_METADATA, CHECKSUMS};

/// Connections that may break one after the other without a byte between them.
const BREAKS_MAX: u32 = 5;

/// An object that is being read.
pub struct S3Object {
    /// Its size in bytes.
    pub size: u64,
    objects: Arc<AmazonS3>,
    key: Key,
    etag: Option<String>,
    check: Option<Check>,
    first: BoxStream<'static, object_store::Result<Bytes>>,
}

impl S3Object {
    pub(super) fn new(objects: Arc<AmazonS3>, key: Key, got: GetResult) -> Self {
        let (size, etag) = (got.meta.size, got.meta.e_tag.clone());
        let check = Check::of(&got.attributes);
        Self { size, objects, key, etag, check, first: got.into_stream() }
    }

    /// The object's bytes, in order. A connection that breaks is replaced by one that goes on where it stopped, as long as
    /// the object stays the same and each one brings something.
    pub fn into_stream(self) -> impl Stream<Item = Result<Bytes, S3Error>> + Send + Unpin {
        let reading = Reading {
            size: self.size,
            objects: self.objects,
            key: self.key,
            etag: self.etag,
            check: self.check,
            bytes: self.first,
            position: 0,
            breaks: 0,
            is_over: false,
        };
        stream::unfold(reading, |mut reading| async move {
            let piece = reading.next().await?;
            Some((piece, reading))
        })
        .boxed()
    }
}

struct Reading {
    size: u64,
    objects: Arc<AmazonS3>,
    key: Key,
    etag: Option<String>,
    check: Option<Check>,
    bytes: BoxStream<'static, object_store::Result<Bytes>>,
    position: u64,
    breaks: u32,
    is_over: bool,
}

impl Reading {
    async fn next(&mut self) -> Option<Result<Bytes, S3Error>> {
        while !self.is_over {
            match self.bytes.next().await {
                Some(Ok(piece)) if piece.is_empty() => {}
                Some(Ok(piece)) => {
                    self.position += piece.len() as u64;
                    self.breaks = 0;
                    if let Some(check) = &mut self.check {
                        check.update(&piece);
                    }
                    return Some(Ok(piece));
                }
                None if self.position == self.size => {
                    self.is_over = true;
                    let wrong = self.check.take().and_then(Check::failure);
                    return wrong.map(|checksum| Err(S3Error::Corrupt { checksum }));
                }
                broken => {
                    if let Err(error) = self.go_on(broken.and_then(Result::err)).await {
                        self.is_over = true;
                        return Some(Err(error));
                    }
                }
            }
        }
        None
    }

    /// Opens the rest of the object after a connection broke with `error`, or ended too early without one.
    async fn go_on(&mut self, error: Option<object_store::Error>) -> Result<(), S3Error> {
        self.breaks += 1;
        if self.breaks > BREAKS_MAX || self.position > self.size {
            return Err(match error {
                Some(error) => S3Error::of(error),
                None => S3Error::Unavailable("the answer has another length than stated".into()),
            });
        }
        let options = GetOptions {
            if_match: self.etag.clone(),
            range: Some(GetRange::Bounded(self.position..self.size)),
            ..GetOptions::default()
        };
        let got = self.objects.get_opts(&self.key, options).await.map_err(S3Error::of)?;
        if got.meta.size != self.size {
            return Err(S3Error::Changed);
        }
        self.bytes = got.into_stream();
        Ok(())
    }
}

/// The checksum that an object was stored with, and that of what has arrived.
struct Check {
    name: &'static str,
    expected: Vec<u8>,
    sum: Sum,
}

enum Sum {
    Crc(Box<Digest>, usize),
    Sha256(Box<Context>),
}

impl Check {
    /// The first of the object's checksums that is one of the whole object. One with a hyphen is made of its parts' checksums.
    fn of(attributes: &Attributes) -> Option<Self> {
        CHECKSUMS.iter().find_map(|name| {
            let metadata = Attribute::Metadata(format!("{CHECKSUM_METADATA}{name}").into());
            let expected = BASE64_STANDARD.decode(attributes.get(&metadata)?.as_bytes()).ok()?;
            let sum = match *name {
                "crc64nvme" => Sum::Crc(Box::new(Digest::new(CrcAlgorithm::Crc64Nvme)), 8),
                "crc32c" => Sum::Crc(Box::new(Digest::new(CrcAlgorithm::Crc32Iscsi)), 4),
                "crc32" => Sum::Crc(Box::new(Digest::new(CrcAlgorithm::Crc32IsoHdlc)), 4),
                _ => Sum::Sha256(Box::new(Context::new(&SHA256))),
            };
            Some(Self { name, expected, sum })
        })
    }

    fn update(&mut self, piece: &[u8]) {
        match &mut self.sum {
            Sum::Crc(digest, _) => digest.update(piece),
            Sum::Sha256(context) => context.update(piece),
        }
    }

    /// The checksum's name if it does not match.
    fn failure(self) -> Option<&'static str> {
        let actual = match self.sum {
            Sum::Crc(digest, length) => digest.finalize().to_be_bytes()[8 - length..].to_vec(),
            Sum::Sha256(context) => context.finish().as_ref().to_vec(),
        };
        (actual != self.expected).then_some(self.name)
    }
}
