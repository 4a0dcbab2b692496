//! Media objects: the bytes of recordings, in a folder or an S3-compatible bucket.
//!
//! An object has a row before it has a byte: `writing` until the transaction that accepts the recording makes it `kept`,
//! `deleting` from the transaction that deletes the recording on. The sweep removes what is not kept, so that nothing is
//! left behind wherever a process dies.

use std::fmt;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::stream::BoxStream;
use futures_util::{Stream, StreamExt, TryStreamExt};
use hansard_domain::id::{Id, RecordingId, UploadId, WorkspaceId};
use hansard_domain::time::Timestamp;
use object_store::local::LocalFileSystem;
use object_store::path::Path as Key;
use object_store::{GetOptions, ObjectStore, ObjectStoreExt, WriteMultipart};
use ring::digest::{Context, SHA256};
use tokio::runtime::Handle;

use crate::backend::{Conn, run, statements};
use crate::documents::hex;
use crate::{Error, Store, s3};

/// An object that was not accepted this long after its writing began is swept.
const WRITING_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// How long an object is left alone that could not be removed, so that it does not hold up the others.
const SWEEP_PAUSE: Duration = Duration::from_secs(60 * 60);

/// Objects that one sweep removes.
const SWEEP_MAX: i64 = 100;

/// Bytes of a part; S3 takes parts of at least 5 MiB.
const PART_BYTES: usize = 8 << 20;

/// Parts on their way to the store at once, for each object.
const PARTS_IN_FLIGHT_MAX: usize = 2;

/// First bytes of an object that are looked at.
pub const HEAD_BYTES: usize = 4096;

/// Where objects lie within the store.
const MEDIA_FOLDER: &str = "media";

statements! {
    ANNOUNCE = "INSERT INTO media_objects (key, workspace_id, state, due_us) VALUES ($1, $2, 'writing', $3)";
    KEEP = "UPDATE media_objects SET state = 'kept', recording_id = $2 WHERE key = $1 AND state = 'writing'";
    REPLACE = "UPDATE media_objects SET state = 'deleting', due_us = $3 \
        WHERE recording_id = $1 AND key <> $2 AND state = 'kept'";
    ABANDON = "UPDATE media_objects SET state = 'deleting', due_us = $2 WHERE key = $1 AND state = 'writing'";
    DELETE_OF_RECORDING = "UPDATE media_objects SET state = 'deleting', due_us = $2 WHERE recording_id = $1";
    DUE = "SELECT key FROM media_objects WHERE state <> 'kept' AND due_us <= $1 ORDER BY due_us LIMIT $2";
    /// From then on no recording can be accepted with it.
    CONDEMN = "UPDATE media_objects SET state = 'deleting' WHERE key = $1 AND state <> 'kept'";
    POSTPONE = "UPDATE media_objects SET due_us = $2 WHERE key = $1 AND state = 'deleting'";
    FORGET = "DELETE FROM media_objects WHERE key = $1 AND state <> 'kept'";
}

/// Where media objects go. Cheap to clone.
#[derive(Clone)]
pub struct Media {
    objects: Arc<dyn ObjectStore>,
    place: Place,
}

#[derive(Clone)]
enum Place {
    Folder(PathBuf),
    Bucket(String),
}

impl fmt::Debug for Media {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Place::Folder(folder) => write!(formatter, "Media({})", folder.display()),
            Place::Bucket(bucket) => write!(formatter, "Media(s3://{bucket})"),
        }
    }
}

/// An object that was written and not yet accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// Its key.
    pub key: String,
    /// Its size in bytes.
    pub size: u64,
    /// SHA-256 of its bytes, in lower-case hexadecimal digits.
    pub sha256: String,
    /// Its first bytes, up to [`HEAD_BYTES`]: enough to see what it is.
    pub head: Bytes,
}

/// Why an object was not written. Nothing of it stays.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// It is larger than allowed.
    #[error("more than {limit} bytes")]
    TooLarge {
        /// The allowed size.
        limit: u64,
    },
    /// Its bytes did not arrive.
    #[error("the bytes did not arrive")]
    Source(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// It could not be kept.
    #[error(transparent)]
    Store(#[from] Error),
}

impl Media {
    /// Objects are files under `folder`, which is made if it is missing.
    ///
    /// # Errors
    /// [`Error::File`] where it cannot be made.
    pub fn folder(folder: &Path) -> Result<Self, Error> {
        let failed = |source| Error::File { path: folder.to_owned(), source };
        std::fs::create_dir_all(folder).map_err(failed)?;
        let folder = folder.canonicalize().map_err(failed)?;
        // An object that is reported as stored is on disk, and not on its way there.
        let objects =
            LocalFileSystem::new_with_prefix(&folder).map_err(Error::Media)?.with_fsync(true);
        Ok(Self { objects: Arc::new(objects), place: Place::Folder(folder) })
    }

    /// Objects go to `bucket`, through this store of the `object_store` crate.
    pub(crate) fn objects(objects: Arc<dyn ObjectStore>, bucket: String) -> Self {
        Self { objects, place: Place::Bucket(bucket) }
    }

    /// Where the object `key` is a file, for readers that seek.
    pub fn file(&self, key: &str) -> Option<PathBuf> {
        match &self.place {
            Place::Folder(folder) => Some(folder.join(key)),
            Place::Bucket(_) => None,
        }
    }

    /// Bytes `range` of the object `key`, as a stream.
    ///
    /// # Errors
    /// [`Error::Media`] where it is missing or the store fails.
    pub async fn read(
        &self,
        key: &str,
        range: Range<u64>,
    ) -> Result<BoxStream<'static, Result<Bytes, Error>>, Error> {
        let options = GetOptions { range: Some(range.into()), ..GetOptions::default() };
        let got = self.objects.get_opts(&Key::from(key), options).await.map_err(Error::Media)?;
        Ok(got.into_stream().map_err(Error::Media).boxed())
    }

    /// The size of the object `key` in bytes, if there is one.
    pub(crate) async fn size(&self, key: &str) -> Result<Option<u64>, Error> {
        match self.objects.head(&Key::from(key)).await {
            Ok(object) => Ok(Some(object.size)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(Error::Media(error)),
        }
    }

    /// Whether the store answers us, also if it is to say that we may not list it.
    ///
    /// # Errors
    /// [`Error::Media`] where it does not.
    pub async fn check(&self) -> Result<(), Error> {
        // S3 denies an object that is missing to who may not list the bucket, and says why only where it may send a body.
        match self.objects.get(&Key::from("ready")).await {
            Ok(_) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) if s3::is_denied(&error) => Ok(()),
            Err(error) => Err(Error::Media(error)),
        }
    }

    /// Removes what there is of the object `key`.
    async fn remove(&self, key: &str) -> Result<(), Error> {
        if let Some(file) = self.file(key) {
            // What a process was writing when it died: `object_store` keeps it beside its place until it is whole.
            let mut begun = file.into_os_string();
            begun.push("#1");
            match tokio::fs::remove_file(&begun).await {
                Err(source) if source.kind() != io::ErrorKind::NotFound => {
                    return Err(Error::File { path: begun.into(), source });
                }
                _ => {}
            }
        }
        match self.objects.delete(&Key::from(key)).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(Error::Media(error)),
        }
    }

    /// Writes the pieces of `bytes` under `key`; returns size, checksum and first bytes.
    async fn write<E>(
        &self,
        key: &str,
        bytes: impl Stream<Item = Result<Bytes, E>> + Unpin + Send,
        limit: u64,
    ) -> Result<Written, WriteError>
    where
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let upload = self.objects.put_multipart(&Key::from(key)).await.map_err(Error::Media)?;
        let mut upload = WriteMultipart::new_with_chunk_size(upload, PART_BYTES);
        match fill(&mut upload, bytes, limit).await {
            Ok((size, sha256, head)) => {
                upload.finish().await.map_err(Error::Media)?;
                Ok(Written { key: key.to_owned(), size, sha256, head })
            }
            Err(error) => {
                // What was written so far goes at once; where that fails, the sweep comes by.
                let _ = upload.abort().await;
                Err(error)
            }
        }
    }
}

/// Writes the pieces of `bytes`; returns size, checksum and first bytes.
async fn fill<E>(
    upload: &mut WriteMultipart,
    mut bytes: impl Stream<Item = Result<Bytes, E>> + Unpin + Send,
    limit: u64,
) -> Result<(u64, String, Bytes), WriteError>
where
    E: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let (mut size, mut head, mut hash) = (0, BytesMut::new(), Context::new(&SHA256));
    while let Some(piece) = bytes.next().await {
        let piece = piece.map_err(|error| WriteError::Source(error.into()))?;
        size += piece.len() as u64;
        if size > limit {
            return Err(WriteError::TooLarge { limit });
        }
        head.extend_from_slice(&piece[..piece.len().min(HEAD_BYTES - head.len())]);
        hash.update(&piece);
        upload.wait_for_capacity(PARTS_IN_FLIGHT_MAX).await.map_err(Error::Media)?;
        upload.put(piece);
    }
    Ok((size, hex(hash.finish().as_ref()), head.freeze()))
}

/// Marks an object as one that stays, for `recording`, in place of the one that it had. Refused if it was swept in the
/// meantime.
pub(crate) async fn keep(
    conn: &mut Conn<'_>,
    key: &str,
    recording: &RecordingId,
    now: Timestamp,
) -> Result<(), Error> {
    if run!(conn, execute, KEEP, key, recording.as_str())? == 0 {
        return Err(Error::MediaSwept { key: key.to_owned() });
    }
    run!(conn, execute, REPLACE, recording.as_str(), key, now.as_micros()).map(drop)
}

/// Marks an object that was announced as one to delete.
pub(crate) async fn abandon(conn: &mut Conn<'_>, key: &str, now: Timestamp) -> Result<(), Error> {
    run!(conn, execute, ABANDON, key, now.as_micros()).map(drop)
}

/// Marks the objects of `recording` as ones to delete.
pub(crate) async fn delete_of(
    conn: &mut Conn<'_>,
    recording: &RecordingId,
    now: Timestamp,
) -> Result<(), Error> {
    run!(conn, execute, DELETE_OF_RECORDING, recording.as_str(), now.as_micros()).map(drop)
}

/// An object whose writing may be dropped in the middle, as when a caller hangs up or a job is cancelled. Then it is given up.
struct Unfinished<'a> {
    store: &'a Store,
    key: Option<String>,
}

impl Drop for Unfinished<'_> {
    fn drop(&mut self) {
        let (Some(key), Ok(runtime)) = (self.key.take(), Handle::try_current()) else { return };
        let store = self.store.clone();
        runtime.spawn(async move {
            if let Err(error) = store.abandon_media(&key).await {
                tracing::warn!(error = %error, "a media object could not be given up");
            }
        });
    }
}

impl Store {
    /// Writes a media object of up to `limit` bytes, piece by piece as they arrive. It stays only if a recording with it is
    /// accepted, or an acquire stage ends with it, within a day.
    ///
    /// # Errors
    /// See [`WriteError`].
    pub async fn write_media<E>(
        &self,
        workspace: &WorkspaceId,
        bytes: impl Stream<Item = Result<Bytes, E>> + Unpin + Send,
        limit: u64,
    ) -> Result<Written, WriteError>
    where
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let key = self.announce_media(workspace).await?;
        let mut unfinished = Unfinished { store: self, key: Some(key.clone()) };
        let written = self.media().write(&key, bytes, limit).await;
        unfinished.key = None;
        if written.is_err()
            && let Err(error) = self.abandon_media(&key).await
        {
            // The sweep finds it a day later.
            tracing::warn!(error = %error, "a media object could not be given up");
        }
        written
    }

    /// Removes what is due: objects whose recording was deleted, and those that were never accepted. Returns how many.
    ///
    /// # Errors
    /// Where the database fails, or the media store does not remove an object; the others are removed all the same, and this
    /// one is tried again after an hour.
    pub async fn sweep_media(&self) -> Result<u64, Error> {
        let now = self.clock().now().as_micros();
        let mut reader = self.reader().await?;
        let due = run!(&mut reader.conn(), fetch_all::<(String,)>, DUE, now, SWEEP_MAX)?;
        drop(reader);
        let (mut removed, mut failed) = (0, None);
        for (key,) in due {
            let row = key.clone();
            let condemned = self
                .write(move |conn| Box::pin(async move { run!(conn, execute, CONDEMN, &row) }))
                .await?;
            // Accepted in the meantime, or swept by somebody else.
            if condemned == 0 {
                continue;
            }
            let gone = self.media().remove(&key).await;
            let (is_gone, later) = (gone.is_ok(), self.clock().now().after(SWEEP_PAUSE));
            self.write(move |conn| {
                Box::pin(async move {
                    match is_gone {
                        true => run!(conn, execute, FORGET, &key),
                        false => run!(conn, execute, POSTPONE, &key, later.as_micros()),
                    }
                })
            })
            .await?;
            match gone {
                Ok(()) => removed += 1,
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        failed.map_or(Ok(removed), Err)
    }

    /// Writes the row of a new object and returns its key.
    async fn announce_media(&self, workspace: &WorkspaceId) -> Result<String, Error> {
        let id: UploadId = self.clock().id();
        let key = format!("{MEDIA_FOLDER}/{}", id.as_str().trim_start_matches("upl_"));
        let due = self.clock().now().after(WRITING_MAX).as_micros();
        let (row, workspace) = (key.clone(), workspace.clone());
        self.write_apart(move |conn| {
            Box::pin(async move {
                run!(conn, execute, ANNOUNCE, &row, workspace.as_str(), due).map(drop)
            })
        })
        .await?;
        Ok(key)
    }

    /// Gives up an object that was announced: the next sweep removes what there is of it.
    pub async fn abandon_media(&self, key: &str) -> Result<(), Error> {
        let (key, now) = (key.to_owned(), self.clock().now());
        self.write(move |conn| Box::pin(async move { abandon(conn, &key, now).await })).await
    }
}
