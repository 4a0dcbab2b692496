//! A piece of an upload on its way to the disk.

use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use hansard_domain::id::Id;
use ring::digest::{Context, SHA1_FOR_LEGACY_USE_ONLY, SHA256};
use tokio::io::AsyncWriteExt;

use super::{Checksum, Upload, bytes_in_row, unusable};
use crate::backend::{run, statements};
use crate::{Error, Store, WriteError};

/// Bytes after which a piece that goes on is put on disk and counted, so that a crash costs no more than these.
const STEP_BYTES: u64 = 64 << 20;

statements! {
    COUNT = "UPDATE uploads SET offset_bytes = $3, expires_at_us = $4 WHERE id = $1 AND offset_bytes = $2";
}

/// A piece on its way to the file.
pub(super) struct Piece<'a> {
    pub(super) store: &'a Store,
    pub(super) upload: Upload,
    pub(super) file: tokio::fs::File,
    /// Bytes in the file, counted or not.
    pub(super) written: u64,
    pub(super) keep: Duration,
}

impl Piece<'_> {
    /// Writes and counts what arrives; `false` if it does not have the checksum.
    pub(super) async fn take<E>(
        &mut self,
        mut bytes: impl Stream<Item = Result<Bytes, E>> + Unpin + Send,
        checksum: Option<Checksum>,
        limit: u64,
    ) -> Result<bool, WriteError>
    where
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let mut hash = checksum.as_ref().map(|checksum| match checksum {
            Checksum::Sha1(_) => Context::new(&SHA1_FOR_LEGACY_USE_ONLY),
            Checksum::Sha256(_) => Context::new(&SHA256),
        });
        while let Some(some) = bytes.next().await {
            let some = match some {
                Ok(some) => some,
                Err(error) => {
                    if checksum.is_none() {
                        self.count().await?;
                    }
                    return Err(WriteError::Source(error.into()));
                }
            };
            if some.len() as u64 > limit.saturating_sub(self.written) {
                return Err(WriteError::TooLarge { limit });
            }
            self.file.write_all(&some).await.map_err(|error| self.unusable(error))?;
            self.written += some.len() as u64;
            match &mut hash {
                Some(hash) => hash.update(&some),
                None if self.written - self.upload.offset >= STEP_BYTES => self.count().await?,
                None => {}
            }
        }
        let found = hash.map(Context::finish);
        let is_right = match (&found, &checksum) {
            (Some(found), Some(Checksum::Sha1(stated) | Checksum::Sha256(stated))) => {
                found.as_ref() == stated
            }
            _ => true,
        };
        if is_right {
            self.count().await?;
        }
        Ok(is_right)
    }

    /// Puts what was written on disk, and then counts it.
    async fn count(&mut self) -> Result<(), Error> {
        self.file.flush().await.map_err(|error| self.unusable(error))?;
        self.file.sync_all().await.map_err(|error| self.unusable(error))?;
        let (from, to) = (bytes_in_row(self.upload.offset)?, bytes_in_row(self.written)?);
        let expires = self.store.clock().now().after(self.keep).as_micros();
        let id = self.upload.id.clone();
        let counted = self.store.write(move |conn| {
            Box::pin(async move { run!(conn, execute, COUNT, id.as_str(), from, to, expires) })
        });
        // Nobody else has the lock, so only a row that is gone or was written by hand is another one now.
        if counted.await? == 1 {
            self.upload.offset = self.written;
        }
        Ok(())
    }

    fn unusable(&self, error: std::io::Error) -> Error {
        unusable(&self.store.upload_file(&self.upload.id))(error)
    }
}
