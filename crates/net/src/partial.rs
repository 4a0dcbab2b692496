//! The beginning of a file that is being downloaded.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use http::header::{ETAG, HeaderMap, HeaderValue, IF_RANGE, RANGE};

use crate::download::{Downloaded, Promise};
use crate::{Checksum, Error, Hasher};

/// What is there of a file.
pub(crate) struct Partial {
    path: PathBuf,
    file: File,
    /// Bytes that are there.
    pub(crate) length: u64,
    /// The most that there may be.
    pub(crate) limit: u64,
    /// The length of the whole, as far as it is known.
    whole: Option<u64>,
    /// What `hasher` was before the first byte, and whether the checksum tells if the bytes are right.
    fresh: Hasher,
    is_checked: bool,
    /// Over the bytes that are there.
    hasher: Hasher,
    /// The version of the file that they are from, as far as the host names one.
    pub(crate) version: Option<HeaderValue>,
    pub(crate) content_type: Option<String>,
    /// Whether the host made us begin anew.
    pub(crate) restarted: bool,
    /// Of which kind the checksum is.
    kind: fn(String) -> Checksum,
    /// Removes the bytes if nobody could go on from them later.
    _leftover: Option<Leftover>,
}

/// A file that does not outlive the download, however that ends.
struct Leftover(PathBuf);

impl Drop for Leftover {
    fn drop(&mut self) {
        // Usually it is gone already, because it was whole and got its name.
        let _ = fs::remove_file(&self.0);
    }
}

impl Partial {
    /// Opens or creates `<to>.incomplete`. If it can be gone on from, computes the checksum of what it holds.
    pub(crate) async fn open(to: &Path, promise: Promise<'_>) -> Result<Self, Error> {
        let mut path = OsString::from(to);
        path.push(".incomplete");
        let (limit, whole, fresh, kind): (_, _, _, fn(String) -> Checksum) = match promise {
            Promise::Exactly { size, checksum } => {
                let kind = match checksum {
                    Checksum::Sha256(_) => Checksum::Sha256,
                    Checksum::GitBlob(_) => Checksum::GitBlob,
                };
                (size, Some(size), Hasher::new(checksum, size), kind)
            }
            Promise::AtMost(limit) => (limit, None, Hasher::sha256(), Checksum::Sha256),
        };
        on_a_thread(PathBuf::from(path), move |path| {
            let mut file = OpenOptions::new()
                .read(true)
                .write(true)
                .create(true)
                .truncate(false)
                .open(path)?;
            if whole.is_none_or(|whole| whole < file.metadata().map_or(u64::MAX, |m| m.len())) {
                file.set_len(0)?;
            }
            let mut hasher = fresh.clone();
            let length = hasher.read(&mut file)?;
            Ok(Self {
                path: path.to_owned(),
                file,
                length,
                limit,
                whole,
                fresh,
                is_checked: whole.is_some(),
                hasher,
                version: None,
                content_type: None,
                restarted: false,
                kind,
                _leftover: whole.is_none().then(|| Leftover(path.to_owned())),
            })
        })
        .await
    }

    pub(crate) fn is_whole(&self) -> bool {
        self.whole == Some(self.length)
    }

    /// Whether further bytes can be told to belong to those that are here: by the checksum in the end, or by the version.
    pub(crate) fn is_resumable(&self) -> bool {
        self.is_checked || self.version.is_some()
    }

    /// Whether a partial answer with this version, out of a file of this length, goes on with what is here.
    pub(crate) fn is_of(&self, version: Option<&HeaderValue>, total: Option<u64>) -> bool {
        let same_length = total.is_none() || self.whole.is_none() || self.whole == total;
        same_length && (self.is_checked || self.version.as_ref() == version)
    }

    /// Learns the length of the whole from an answer; `false` if it is more than there may be.
    pub(crate) fn expect(&mut self, total: Option<u64>) -> bool {
        if self.is_checked {
            return true;
        }
        self.whole = total.or(self.whole);
        self.whole.is_none_or(|whole| whole <= self.limit)
    }

    /// How many bytes may follow.
    pub(crate) fn room(&self) -> u64 {
        self.whole.unwrap_or(self.limit) - self.length
    }

    /// The answer ended. That is the end of the file if nobody said how long it is.
    pub(crate) fn end_of_answer(&mut self) -> Option<()> {
        match self.whole {
            Some(whole) => (whole == self.length).then_some(()),
            None => {
                self.whole = Some(self.length);
                Some(())
            }
        }
    }

    /// Asks for what is missing, from the same version of the file if the host names versions.
    pub(crate) fn range_headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        if self.length > 0 {
            let range = HeaderValue::from_str(&format!("bytes={}-", self.length));
            headers.insert(RANGE, range.expect("digits are allowed in a header"));
            headers.extend(self.version.clone().map(|version| (IF_RANGE, version)));
        }
        headers
    }

    pub(crate) fn append(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.file.write_all(bytes).map_err(|error| Error::of_file(&self.path, error))?;
        self.hasher.update(bytes);
        self.length += bytes.len() as u64;
        Ok(())
    }

    /// Forgets all bytes.
    pub(crate) fn restart(&mut self) -> Result<(), Error> {
        let emptied = self.file.set_len(0).and_then(|()| self.file.seek(SeekFrom::Start(0)));
        emptied.map_err(|error| Error::of_file(&self.path, error))?;
        self.length = 0;
        self.hasher = self.fresh.clone();
        self.version = None;
        if !self.is_checked {
            self.whole = None;
        }
        Ok(())
    }

    /// Forgets all bytes because the host does not go on from them.
    pub(crate) fn restart_by_host(&mut self) -> Result<(), Error> {
        self.restarted = true;
        self.restart()
    }

    /// Removes bytes that nobody may go on from.
    pub(crate) fn discard(&self) {
        // If that fails, the next call finds that their checksum is wrong and begins anew.
        let _ = fs::remove_file(&self.path);
    }

    /// The checksum of what is there.
    pub(crate) fn checksum(&self) -> Checksum {
        (self.kind)(self.hasher.clone().finish())
    }

    /// Makes the file durable and gives it its name.
    pub(crate) async fn publish(self, to: &Path) -> Result<Downloaded, Error> {
        let (length, checksum) = (self.length, self.checksum());
        let Self { path, file, content_type, _leftover, .. } = self;
        let to = to.to_owned();
        on_a_thread(path, move |path| {
            file.sync_all()?;
            fs::rename(path, &to)?;
            sync_folder(&to)
        })
        .await?;
        Ok(Downloaded { length, checksum, content_type })
    }
}

/// A version that promises equal bytes. A weak one promises equal meaning only.
pub(crate) fn version(headers: &HeaderMap) -> Option<HeaderValue> {
    headers.get(ETAG).filter(|etag| etag.as_bytes().starts_with(b"\"")).cloned()
}

/// Makes a new name in a folder durable.
#[cfg(unix)]
fn sync_folder(file: &Path) -> std::io::Result<()> {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

/// Other systems cannot open a folder; they write names through their journal.
#[cfg(not(unix))]
fn sync_folder(_file: &Path) -> std::io::Result<()> {
    Ok(())
}

/// Runs slow file work where it does not hold up other futures.
async fn on_a_thread<T: Send + 'static>(
    path: PathBuf,
    work: impl FnOnce(&Path) -> std::io::Result<T> + Send + 'static,
) -> Result<T, Error> {
    let done = tokio::task::spawn_blocking(move || {
        work(&path).map_err(|error| Error::of_file(&path, error))
    });
    done.await.map_err(|error| Error::Runtime(error.into()))?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_weak_version_is_no_version() {
        let read = |value: &'static str| {
            version(&HeaderMap::from_iter([(ETAG, value.parse().unwrap())])).is_some()
        };

        assert!(read("\"abc\""));
        assert!(!read("W/\"abc\""));
    }
}
