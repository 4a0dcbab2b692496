//! Large files: resumed where they were cut off, checked, and visible only when whole.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use reqwest::StatusCode;
use reqwest::header::{CONTENT_RANGE, ETAG, HeaderMap, HeaderValue, IF_RANGE, RANGE};

use crate::error::{host_of, shown};
use crate::{Checksum, Client, Error, Hasher, Request};

/// An attempt that brought this much does not count as failed, so that a bad line gets a large file through. It also
/// bounds the attempts: by the file's size.
const PROGRESS_MIN: u64 = 1024 * 1024;

/// A file to be fetched.
#[derive(Debug)]
pub struct Download<'a> {
    /// Where it comes from.
    pub request: &'a Request,
    /// Where it goes. Until it is whole it is called `<to>.incomplete`.
    pub to: &'a Path,
    /// Its length in bytes. Not one byte more is written.
    pub size: u64,
    /// Its checksum.
    pub checksum: &'a Checksum,
}

impl Client {
    /// Fetches a file into its place.
    ///
    /// Goes on after what an earlier call left in `<to>.incomplete`, and leaves that behind when it fails on the way. The
    /// file appears at `to` only when it is whole, checked and on the disk. `progress` is told the bytes that are there.
    /// Only one download at a time may have the same `to`; the caller locks.
    pub async fn download(
        &self,
        download: &Download<'_>,
        progress: &mut (dyn FnMut(u64) + Send),
    ) -> Result<(), Error> {
        let mut partial = Partial::open(download).await?;
        // What an earlier call left may be damaged: then the whole file gets a second chance.
        let mut inherited = partial.length > 0;
        let mut failures = 0;
        let mut furthest = partial.length;
        loop {
            progress(partial.length);
            if let Err(error) = self.transfer(download, &mut partial, progress).await {
                if partial.length >= furthest.saturating_add(PROGRESS_MIN) {
                    furthest = partial.length;
                    failures = 0;
                }
                if matches!(error, Error::TooLarge { .. }) {
                    partial.discard();
                }
                self.pause_after(error, &mut failures).await?;
                continue;
            }
            let actual = partial.hasher.clone().finish();
            if actual == download.checksum.digits() {
                return partial.publish(download.to).await;
            }
            if inherited {
                inherited = false;
                partial.restart(download)?;
                continue;
            }
            partial.discard();
            return Err(Error::Checksum {
                address: shown(&download.request.url),
                expected: download.checksum.digits().to_owned(),
                actual,
            });
        }
    }

    /// One attempt to get the missing bytes.
    async fn transfer(
        &self,
        download: &Download<'_>,
        partial: &mut Partial,
        progress: &mut (dyn FnMut(u64) + Send),
    ) -> Result<(), Error> {
        if partial.length == download.size {
            return Ok(());
        }
        let url = &download.request.url;
        let begun = self.begin(download.request, partial.range_headers()).await;
        if begun.as_ref().is_err_and(|error| error.status() == Some(416)) {
            // The host does not have the bytes that we asked for: what we have is not a beginning of its file.
            partial.restart(download)?;
            return Err(Error::Broken { host: host_of(url), source: None });
        }
        let mut response = begun?;
        let continues = response.status() == StatusCode::PARTIAL_CONTENT
            && range_start(response.headers()) == Some(partial.length);
        if !continues && response.status() == StatusCode::PARTIAL_CONTENT {
            partial.restart(download)?;
            return Err(Error::Broken { host: host_of(url), source: None });
        }
        if !continues && partial.length > 0 {
            partial.restart(download)?;
        }
        partial.etag = strong_etag(response.headers());
        while partial.length < download.size {
            let chunk = response.chunk().await.map_err(|error| Error::of_call(url, error))?;
            let Some(chunk) = chunk else {
                return Err(Error::Broken { host: host_of(url), source: None });
            };
            if chunk.len() as u64 > download.size - partial.length {
                return Err(Error::TooLarge { address: shown(url), limit: download.size });
            }
            partial.append(&chunk)?;
            progress(partial.length);
        }
        Ok(())
    }
}

/// The beginning of a file.
struct Partial {
    path: PathBuf,
    file: File,
    /// Bytes that are there.
    length: u64,
    /// Over those bytes.
    hasher: Hasher,
    /// The version of the file that they are from, as far as the host names one.
    etag: Option<HeaderValue>,
}

impl Partial {
    /// Opens or creates `<to>.incomplete` and computes the checksum of what it holds.
    async fn open(download: &Download<'_>) -> Result<Self, Error> {
        let mut path = OsString::from(download.to);
        path.push(".incomplete");
        let path = PathBuf::from(path);
        let mut hasher = Hasher::new(download.checksum, download.size);
        let size = download.size;
        on_a_thread(path, move |path| {
            let mut file = OpenOptions::new()
                .read(true)
                .write(true)
                .create(true)
                .truncate(false)
                .open(path)?;
            if file.metadata()?.len() > size {
                file.set_len(0)?;
            }
            let length = hasher.read(&mut file)?;
            Ok(Self { path: path.to_owned(), file, length, hasher, etag: None })
        })
        .await
    }

    /// Asks for what is missing, from the same version of the file if the host names versions.
    fn range_headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        if self.length > 0 {
            let range = HeaderValue::from_str(&format!("bytes={}-", self.length));
            headers.insert(RANGE, range.expect("digits are allowed in a header"));
            headers.extend(self.etag.clone().map(|etag| (IF_RANGE, etag)));
        }
        headers
    }

    fn append(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.file.write_all(bytes).map_err(|error| Error::of_file(&self.path, error))?;
        self.hasher.update(bytes);
        self.length += bytes.len() as u64;
        Ok(())
    }

    /// Forgets all bytes.
    fn restart(&mut self, download: &Download<'_>) -> Result<(), Error> {
        let emptied = self.file.set_len(0).and_then(|()| self.file.seek(SeekFrom::Start(0)));
        emptied.map_err(|error| Error::of_file(&self.path, error))?;
        self.length = 0;
        self.hasher = Hasher::new(download.checksum, download.size);
        self.etag = None;
        Ok(())
    }

    /// Removes bytes that nobody may go on from.
    fn discard(&self) {
        // If that fails, the next call finds that their checksum is wrong and begins anew.
        let _ = fs::remove_file(&self.path);
    }

    /// Makes the file durable and gives it its name.
    async fn publish(self, to: &Path) -> Result<(), Error> {
        let to = to.to_owned();
        on_a_thread(self.path, move |path| {
            self.file.sync_all()?;
            fs::rename(path, &to)?;
            sync_folder(&to)
        })
        .await
    }
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

/// Where the bytes of a partial answer begin: `bytes 200-1000/67589` says 200.
fn range_start(headers: &HeaderMap) -> Option<u64> {
    let range = headers.get(CONTENT_RANGE)?.to_str().ok()?.strip_prefix("bytes ")?;
    range.split('-').next()?.trim().parse().ok()
}

/// A version that promises equal bytes. A weak one promises equal meaning only.
fn strong_etag(headers: &HeaderMap) -> Option<HeaderValue> {
    headers.get(ETAG).filter(|etag| etag.as_bytes().starts_with(b"\"")).cloned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_start_of_a_range_is_read() {
        let read = |value: &'static str| {
            range_start(&HeaderMap::from_iter([(CONTENT_RANGE, value.parse().unwrap())]))
        };

        assert_eq!(read("bytes 200-1000/67589"), Some(200));
        assert_eq!(read("bytes */67589"), None);
        assert_eq!(read("lines 1-2/3"), None);
    }

    #[test]
    fn a_weak_version_is_no_version() {
        let read = |value: &'static str| {
            strong_etag(&HeaderMap::from_iter([(ETAG, value.parse().unwrap())])).is_some()
        };

        assert!(read("\"abc\""));
        assert!(!read("W/\"abc\""));
    }
}
