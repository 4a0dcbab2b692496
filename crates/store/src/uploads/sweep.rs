//! Removing uploads that nobody goes on with.

use std::time::Duration;

use hansard_domain::id::{Id, UploadId};
use ulid::Ulid;

use super::{Locked, blocking, remove_file, unusable};
use crate::backend::{run, statements};
use crate::{Error, Store};

/// Uploads, and files without one, that one sweep removes.
const SWEEP_MAX: usize = 100;

/// A file without a row is that of an upload that just begins, unless it is older than this.
const BEGINNING_MAX: Duration = Duration::from_secs(60 * 60);

statements! {
    EXPIRED = "SELECT id FROM uploads WHERE expires_at_us <= $1 ORDER BY expires_at_us LIMIT $2";
    /// One that was gone on with since it was found has more time.
    DELETE_EXPIRED = "DELETE FROM uploads WHERE id = $1 AND expires_at_us <= $2";
    EXISTS = "SELECT COUNT(*) FROM uploads WHERE id = $1";
}

impl Store {
    /// Removes uploads that have expired, and files of uploads that are gone. Returns how many.
    ///
    /// # Errors
    /// Where the database or the folder fails; what is left goes with the next sweep.
    pub async fn sweep_uploads(&self) -> Result<u64, Error> {
        let expired = self.sweep_expired().await;
        let orphans = self.sweep_orphans().await?;
        Ok(expired? + orphans)
    }

    async fn sweep_expired(&self) -> Result<u64, Error> {
        let now = self.clock().now().as_micros();
        let mut reader = self.reader().await?;
        let limit = i64::try_from(SWEEP_MAX).unwrap_or(i64::MAX);
        let expired = run!(&mut reader.conn(), fetch_all::<(String,)>, EXPIRED, now, limit)?;
        drop(reader);
        let (mut removed, mut failed) = (0, None);
        for id in expired.iter().filter_map(|(id,)| UploadId::parse(id).ok()) {
            match self.remove_expired(&id, now).await {
                Ok(true) => removed += 1,
                Ok(false) => {}
                // One that cannot be removed does not hold up the others.
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        failed.map_or(Ok(removed), Err)
    }

    /// Removes upload `id`, unless it is gone on with or is gone.
    async fn remove_expired(&self, id: &UploadId, now: i64) -> Result<bool, Error> {
        // A file that cannot be locked is written to just now; one that is gone leaves only the row.
        let lock = match self.lock_upload(id).await? {
            Locked::Here(file) => Some(file),
            Locked::Elsewhere => return Ok(false),
            Locked::Gone => None,
        };
        let row = id.clone();
        let deleted = self.write(move |conn| {
            Box::pin(async move { run!(conn, execute, DELETE_EXPIRED, row.as_str(), now) })
        });
        if deleted.await? == 0 {
            return Ok(false);
        }
        self.remove_upload_file(id).await?;
        drop(lock);
        Ok(true)
    }

    async fn sweep_orphans(&self) -> Result<u64, Error> {
        let mut removed = 0;
        let oldest = self.clock().now().before(BEGINNING_MAX).as_millis();
        let folder = self.uploads_folder().to_owned();
        let names = blocking(move || {
            let entries = std::fs::read_dir(&folder).map_err(unusable(&folder))?;
            let names = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok());
            Ok(names.filter(|name| began_before(name, oldest)).collect::<Vec<_>>())
        });
        for name in names.await? {
            let mut reader = self.reader().await?;
            let (rows,) = run!(&mut reader.conn(), fetch_one::<(i64,)>, EXISTS, &name)?;
            drop(reader);
            if rows == 0 {
                remove_file(&self.uploads_folder().join(&name)).await?;
                removed += 1;
            }
            if removed as usize >= SWEEP_MAX {
                break;
            }
        }
        Ok(removed)
    }
}

/// Whether `name` is that of an upload's file that began before `millis`, by the time in its id.
fn began_before(name: &str, millis: u64) -> bool {
    let ulid = name.strip_prefix(UploadId::PREFIX).and_then(|rest| rest.strip_prefix('_'));
    let ulid = ulid.and_then(|ulid| Ulid::from_string(ulid).ok());
    UploadId::parse(name).is_ok() && ulid.is_some_and(|ulid| ulid.timestamp_ms() < millis)
}
