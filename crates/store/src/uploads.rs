//! Uploads in pieces: what arrives over several requests, until it is all there.
//!
//! The bytes lie in a file for each upload, in the folder for uploads. The row knows how many of them count: a piece is
//! appended behind those, put on disk, and only then counted. Whatever lies behind them is of a piece that never ended.
//!
//! A lock on the file keeps out a second writer, of this process or another; the kernel lets go of it when its holder dies.

use std::fs::{File, TryLockError};
use std::io::{ErrorKind, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use futures_util::Stream;
use hansard_domain::id::{Id, UploadId, WorkspaceId};
use hansard_domain::time::Timestamp;
use sqlx::FromRow;
use tokio::io::AsyncWriteExt;

use crate::backend::{run, statements};
use crate::reach::Reach;
use crate::{Error, Store, WriteError, text};
use piece::Piece;

pub(crate) mod piece;
pub(crate) mod sweep;

/// Bytes that are read at once from a complete upload.
const READ_BYTES: usize = 1 << 20;

statements! {
    INSERT = "INSERT INTO uploads (id, workspace_id, length_bytes, offset_bytes, metadata, created_by, expires_at_us, created_at_us) \
        VALUES ($1, $2, $3, 0, $4, $5, $6, $7)";
    FIND = "SELECT id, length_bytes, offset_bytes, metadata, expires_at_us, created_at_us FROM uploads \
        WHERE workspace_id = $1 AND id = $2 AND (CAST($3 AS TEXT) IS NULL OR created_by = $3) AND expires_at_us > $4";
    SET_LENGTH = "UPDATE uploads SET length_bytes = $2 \
        WHERE id = $1 AND (length_bytes IS NULL OR length_bytes = $2) AND offset_bytes <= $2";
    DELETE = "DELETE FROM uploads WHERE id = $1";
}

/// An upload that is not yet a recording.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upload {
    /// Its name.
    pub id: UploadId,
    /// How many bytes it will have, once that is known.
    pub length: Option<u64>,
    /// How many of them are here, on disk.
    pub offset: u64,
    /// What the caller said about it, as it was said.
    pub metadata: String,
    /// When it is given up.
    pub expires_at: Timestamp,
    /// When it began.
    pub created_at: Timestamp,
}

impl Upload {
    /// Whether all of its bytes are here.
    pub fn is_complete(&self) -> bool {
        self.length == Some(self.offset)
    }
}

/// What a piece must hash to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Checksum {
    /// SHA-1.
    Sha1(Vec<u8>),
    /// SHA-256.
    Sha256(Vec<u8>),
}

/// How a piece is to be appended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Append {
    /// Where it begins: it must be where the last one ended.
    pub offset: u64,
    /// What the whole piece must hash to.
    pub checksum: Option<Checksum>,
    /// Bytes that the upload may have at most, while its length is not known.
    pub limit: u64,
    /// How long the upload is kept from now on.
    pub keep: Duration,
}

/// What came of an operation on an upload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Uploaded<T> {
    /// It was done.
    Done(T),
    /// There is no such upload, or it has expired.
    Missing,
    /// Somebody else writes to it.
    Locked,
    /// It goes on at another offset, or has another length: it is this.
    Conflict(Upload),
    /// The piece does not have the stated checksum. Nothing of it is kept.
    Mismatch,
}

#[derive(FromRow)]
struct UploadRow {
    id: String,
    length_bytes: Option<i64>,
    offset_bytes: i64,
    metadata: String,
    expires_at_us: i64,
    created_at_us: i64,
}

impl UploadRow {
    fn read(self) -> Result<Upload, Error> {
        let id = self.id;
        let corrupt = |reason: &str| Error::Corrupt {
            table: "uploads",
            id: id.clone(),
            reason: reason.to_owned(),
        };
        let length = self.length_bytes.map(u64::try_from).transpose();
        Ok(Upload {
            length: length.map_err(|_| corrupt("its length is negative"))?,
            offset: u64::try_from(self.offset_bytes)
                .map_err(|_| corrupt("its offset is negative"))?,
            metadata: self.metadata,
            expires_at: Timestamp::from_micros(self.expires_at_us),
            created_at: Timestamp::from_micros(self.created_at_us),
            id: UploadId::parse(&id).map_err(|_| corrupt("it has no valid id"))?,
        })
    }
}

impl Store {
    /// Begins an upload of `length` bytes, or of a length that is told later, which is given up `keep` from now. It is
    /// `creator`'s: of others, only those see it who see everything in the workspace.
    ///
    /// # Errors
    /// [`Error::Invalid`], or where the file or the row cannot be written.
    pub async fn create_upload(
        &self,
        workspace: &WorkspaceId,
        length: Option<u64>,
        metadata: &str,
        creator: Option<String>,
        keep: Duration,
    ) -> Result<Upload, Error> {
        text::check("metadata", Some(metadata))?;
        let length_bytes = length.map(bytes_in_row).transpose()?;
        let (id, now): (UploadId, _) = (self.clock().id(), self.clock().now());
        // The file goes first: one without a row is swept, a row without a file would be damage.
        let path = self.upload_file(&id);
        blocking(move || {
            File::create_new(&path).and_then(|file| file.sync_all()).map_err(unusable(&path))?;
            let folder = path.parent().unwrap_or(&path);
            File::open(folder).and_then(|folder| folder.sync_all()).map_err(unusable(folder))
        })
        .await?;
        let expires_at = now.after(keep);
        let upload = Upload {
            id,
            length,
            offset: 0,
            metadata: metadata.to_owned(),
            expires_at,
            created_at: now,
        };
        let (row, workspace) = (upload.clone(), workspace.clone());
        self.write(move |conn| {
            Box::pin(async move {
                run!(
                    conn,
                    execute,
                    INSERT,
                    row.id.as_str(),
                    workspace.as_str(),
                    length_bytes,
                    &row.metadata,
                    creator.as_deref(),
                    row.expires_at.as_micros(),
                    row.created_at.as_micros()
                )
                .map(drop)
            })
        })
        .await?;
        Ok(upload)
    }

    /// Upload `id` within `reach`, if there is one that has not expired.
    ///
    /// # Errors
    /// Where the database cannot be read.
    pub async fn find_upload(
        &self,
        reach: impl Into<Reach>,
        id: &UploadId,
    ) -> Result<Option<Upload>, Error> {
        let now = self.clock().now().as_micros();
        let mut reader = self.reader().await?;
        let (conn, reach) = (&mut reader.conn(), reach.into());
        let (workspace, eyes) = (reach.workspace(), reach.eyes());
        let row = run!(conn, fetch_optional::<UploadRow>, FIND, workspace, id.as_str(), eyes, now)?;
        row.map(UploadRow::read).transpose()
    }

    /// States the length of an upload that began without one. It cannot be changed, nor be less than what is here.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a length that no file has, or where the database cannot be written.
    pub async fn set_upload_length(
        &self,
        reach: impl Into<Reach>,
        id: &UploadId,
        length: u64,
    ) -> Result<Uploaded<Upload>, Error> {
        let reach = reach.into();
        let length = bytes_in_row(length)?;
        if self.find_upload(&reach, id).await?.is_none() {
            return Ok(Uploaded::Missing);
        }
        let row = id.clone();
        let changed = self.write(move |conn| {
            Box::pin(async move { run!(conn, execute, SET_LENGTH, row.as_str(), length) })
        });
        let changed = changed.await?;
        Ok(match self.find_upload(&reach, id).await? {
            None => Uploaded::Missing,
            Some(upload) if changed == 0 => Uploaded::Conflict(upload),
            Some(upload) => Uploaded::Done(upload),
        })
    }

    /// Appends a piece, as its bytes arrive.
    ///
    /// The upload never grows beyond its length. A piece that breaks off keeps what arrived, unless it has a checksum, which
    /// only a whole piece can have.
    ///
    /// # Errors
    /// See [`WriteError`]. Of a piece that is too large nothing counts.
    pub async fn write_upload<E>(
        &self,
        reach: impl Into<Reach>,
        id: &UploadId,
        append: Append,
        bytes: impl Stream<Item = Result<Bytes, E>> + Unpin + Send,
    ) -> Result<Uploaded<Upload>, WriteError>
    where
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let reach = reach.into();
        if self.find_upload(&reach, id).await?.is_none() {
            return Ok(Uploaded::Missing);
        }
        let file = match self.lock_upload(id).await? {
            Locked::Here(file) => file,
            Locked::Elsewhere => return Ok(Uploaded::Locked),
            Locked::Gone => return self.without_file(&reach, id).await,
        };
        // What the row says counts only from here on, where nobody else changes it.
        let Some(upload) = self.find_upload(&reach, id).await? else {
            return Ok(Uploaded::Missing);
        };
        let Append { offset, checksum, limit, keep } = append;
        if upload.offset != offset {
            return Ok(Uploaded::Conflict(upload));
        }
        let path = self.upload_file(id);
        let file = blocking(move || behind(file, offset, &path)).await?;
        let file = tokio::fs::File::from_std(file);
        let limit = upload.length.unwrap_or(limit);
        let mut piece = Piece { store: self, upload, file, written: offset, keep };
        let taken = piece.take(bytes, checksum, limit).await;
        // A write that is still under way would keep the lock after our answer.
        let _ = piece.file.flush().await;
        if !taken? {
            return Ok(Uploaded::Mismatch);
        }
        Ok(match self.find_upload(&reach, id).await? {
            Some(upload) if upload.offset == piece.upload.offset => Uploaded::Done(upload),
            Some(upload) => Uploaded::Conflict(upload),
            None => Uploaded::Missing,
        })
    }

    /// Ends an upload and removes its bytes.
    ///
    /// # Errors
    /// Where the row or the file cannot be removed.
    pub async fn terminate_upload(
        &self,
        reach: impl Into<Reach>,
        id: &UploadId,
    ) -> Result<Uploaded<()>, Error> {
        let reach = reach.into();
        if self.find_upload(&reach, id).await?.is_none() {
            return Ok(Uploaded::Missing);
        }
        let lock = match self.lock_upload(id).await? {
            Locked::Here(file) => Some(file),
            Locked::Elsewhere => return Ok(Uploaded::Locked),
            Locked::Gone => None,
        };
        // The row goes first: a file without a row is swept.
        let row = id.clone();
        let deleted = self.write(move |conn| {
            Box::pin(async move { run!(conn, execute, DELETE, row.as_str()).map(drop) })
        });
        deleted.await?;
        self.remove_upload_file(id).await?;
        drop(lock);
        Ok(Uploaded::Done(()))
    }

    /// Copies a complete upload into the media store; [`Uploaded::Conflict`] for one that lacks bytes.
    ///
    /// The upload stays until it is [terminated](Store::terminate_upload), which is for after the transaction that accepts
    /// the recording: whoever crashes in between takes it again, and the first copy is swept.
    ///
    /// # Errors
    /// See [`WriteError`].
    pub async fn take_upload(
        &self,
        reach: impl Into<Reach>,
        id: &UploadId,
    ) -> Result<Uploaded<crate::Written>, WriteError> {
        let reach = reach.into();
        let Some(upload) = self.find_upload(&reach, id).await? else {
            return Ok(Uploaded::Missing);
        };
        if !upload.is_complete() {
            return Ok(Uploaded::Conflict(upload));
        }
        let path = self.upload_file(id);
        let file = tokio::fs::File::open(&path).await.map_err(unusable(&path))?;
        let bytes = tokio_util::io::ReaderStream::with_capacity(file, READ_BYTES);
        let written = self.write_media(&reach.workspace, bytes, upload.offset).await?;
        if written.size < upload.offset {
            self.abandon_media(&written.key).await?;
            return Err(shorter(id.as_str()).into());
        }
        Ok(Uploaded::Done(written))
    }

    fn upload_file(&self, id: &UploadId) -> PathBuf {
        self.uploads_folder().join(id.as_str())
    }

    /// What an upload without its file is: one that was swept a moment ago, or damage.
    async fn without_file(
        &self,
        reach: &Reach,
        id: &UploadId,
    ) -> Result<Uploaded<Upload>, WriteError> {
        match self.find_upload(reach, id).await? {
            None => Ok(Uploaded::Missing),
            Some(_) => Err(shorter(id.as_str()).into()),
        }
    }

    /// The file of upload `id`, locked until it is closed.
    async fn lock_upload(&self, id: &UploadId) -> Result<Locked, Error> {
        let path = self.upload_file(id);
        blocking(move || {
            let file = match File::options().write(true).open(&path) {
                Ok(file) => file,
                Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Locked::Gone),
                Err(error) => return Err(unusable(&path)(error)),
            };
            match file.try_lock() {
                Ok(()) => Ok(Locked::Here(file)),
                Err(TryLockError::WouldBlock) => Ok(Locked::Elsewhere),
                Err(TryLockError::Error(error)) => Err(unusable(&path)(error)),
            }
        })
        .await
    }

    async fn remove_upload_file(&self, id: &UploadId) -> Result<(), Error> {
        remove_file(&self.upload_file(id)).await
    }
}

/// The file of an upload.
enum Locked {
    /// Locked until it is closed.
    Here(File),
    /// Locked by somebody else.
    Elsewhere,
    /// There is none.
    Gone,
}

/// Removes a file that may be gone already.
async fn remove_file(path: &Path) -> Result<(), Error> {
    match tokio::fs::remove_file(path).await {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(unusable(path)(error)),
        _ => Ok(()),
    }
}

/// Makes `file` end at `offset` and stand there.
fn behind(mut file: File, offset: u64, path: &Path) -> Result<File, Error> {
    let size = file.metadata().map_err(unusable(path))?.len();
    if size < offset {
        return Err(shorter(&path.file_name().unwrap_or_default().to_string_lossy()));
    }
    file.set_len(offset).map_err(unusable(path))?;
    file.seek(SeekFrom::Start(offset)).map_err(unusable(path))?;
    Ok(file)
}

fn shorter(id: &str) -> Error {
    let reason = "its file is shorter than it should be".to_owned();
    Error::Corrupt { table: "uploads", id: id.to_owned(), reason }
}

fn unusable(path: &Path) -> impl Fn(std::io::Error) -> Error + 'static {
    let path = path.to_owned();
    move |source| Error::File { path: path.clone(), source }
}

fn bytes_in_row(bytes: u64) -> Result<i64, Error> {
    i64::try_from(bytes).map_err(|_| Error::Invalid(format!("{bytes} bytes are too many")))
}

/// Runs work that waits for the disk where it holds nobody up.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    tokio::task::spawn_blocking(work).await.unwrap_or(Err(Error::Panicked))
}
