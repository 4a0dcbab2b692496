//! The cache that is shared with the hub's Python library, in its layout:
//!
//! ```text
//! models--openai--whisper-small/
//!   blobs/<sha256 or git sha1>                    the bytes, once
//!   refs/main                                     a commit
//!   snapshots/<commit>/config.json -> ../../blobs/...
//! .locks/models--openai--whisper-small/<blob>.lock
//! ```

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::Error;
use super::files::bytes_below;
use super::names::{self, ModelId};

/// How the folder of a model begins, and what joins its parts.
const PREFIX: &str = "models--";
const JOINT: &str = "--";

/// Another process may take this long for the file that we want too.
const LOCK_WAIT_MAX: Duration = Duration::from_secs(30 * 60);
/// How often we look whether it has finished.
const LOCK_LOOK: Duration = Duration::from_millis(100);

/// The cache's folder, which need not exist.
#[derive(Debug)]
pub(super) struct Cache {
    root: PathBuf,
}

/// One model's folder in the cache.
pub(super) struct Repository {
    pub(super) folder: PathBuf,
    locks: PathBuf,
}

impl Cache {
    pub(super) fn new(root: PathBuf) -> Self {
        Self { root }
    }

    pub(super) fn repository(&self, id: &ModelId) -> Repository {
        let name = format!("{PREFIX}{}{JOINT}{}", id.owner, id.name);
        Repository { folder: self.root.join(&name), locks: self.root.join(".locks").join(name) }
    }

    /// The folder of the revision of `id`, whole or not, if there is one.
    pub(super) fn find_snapshot(&self, id: &ModelId) -> Option<PathBuf> {
        let repository = self.repository(id);
        let commit = match id.revision() {
            commit if names::is_commit(commit) => commit.to_owned(),
            revision => repository.commit_of(revision)?,
        };
        Some(repository.snapshot(&commit)).filter(|folder| folder.is_dir())
    }

    /// Removes all of `id`, and tells how many bytes that were; `None` if there was nothing.
    pub(super) fn remove(&self, id: &ModelId) -> Result<Option<u64>, Error> {
        let repository = self.repository(id);
        if !repository.folder.is_dir() {
            return Ok(None);
        }
        let bytes = remove_folder(&repository.folder)?;
        match fs::remove_dir_all(&repository.locks) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(Error::io("remove", &repository.locks)(error))
            }
            _ => Ok(Some(bytes)),
        }
    }

    /// The models in the cache, of whatever kind, in no order.
    pub(super) fn ids(&self) -> Result<Vec<ModelId>, Error> {
        let entries = match fs::read_dir(&self.root) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(Error::io("list", &self.root))?,
        };
        let names = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok());
        let ids = names.filter_map(|name| {
            let (owner, name) = name.strip_prefix(PREFIX)?.split_once(JOINT)?;
            ModelId::parse(&format!("{owner}/{name}"))
        });
        Ok(ids.collect())
    }
}

impl Repository {
    pub(super) fn blob(&self, digits: &str) -> PathBuf {
        self.folder.join("blobs").join(digits)
    }

    pub(super) fn snapshot(&self, commit: &str) -> PathBuf {
        self.folder.join("snapshots").join(commit)
    }

    /// The commits of which there is a snapshot, in order.
    pub(super) fn commits(&self) -> Vec<String> {
        let entries = fs::read_dir(self.folder.join("snapshots")).into_iter().flatten().flatten();
        let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
        let mut commits: Vec<String> = names.filter(|name| names::is_commit(name)).collect();
        commits.sort();
        commits
    }

    /// The commit that a branch or tag was at when it was last fetched.
    pub(super) fn commit_of(&self, revision: &str) -> Option<String> {
        let commit = fs::read_to_string(self.folder.join("refs").join(revision)).ok()?;
        Some(commit.trim().to_owned()).filter(|commit| names::is_commit(commit))
    }

    /// Remembers the commit that a branch or tag is at.
    pub(super) fn set_commit_of(&self, revision: &str, commit: &str) -> Result<(), Error> {
        let path = self.folder.join("refs").join(revision);
        if self.commit_of(revision).as_deref() == Some(commit) {
            return Ok(());
        }
        let folder = path.parent().unwrap_or(&self.folder);
        create_folder(folder)?;
        // Written aside and renamed: a reader sees the old commit or the new one.
        let aside = folder.join(format!(".{}.incomplete", std::process::id()));
        fs::write(&aside, commit).map_err(Error::io("write", &aside))?;
        fs::rename(&aside, &path).map_err(Error::io("write", &path))
    }

    /// Lets the file `name` of a snapshot be the blob `digits`.
    pub(super) fn link(&self, commit: &str, name: &str, digits: &str) -> Result<(), Error> {
        let snapshot = self.snapshot(commit);
        create_folder(&snapshot)?;
        let path = snapshot.join(name);
        match link(&self.blob(digits), &Path::new("../../blobs").join(digits), &path) {
            // Another process was here, or an earlier call that was interrupted: a commit's files never change.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            linked => linked.map_err(Error::io("write", &path)),
        }
    }

    /// Waits until no other process, Python's included, fetches the blob `digits`. The lock ends with the returned file.
    pub(super) fn lock(&self, digits: &str, file: &str) -> Result<File, Error> {
        create_folder(&self.locks)?;
        let path = self.locks.join(format!("{digits}.lock"));
        let lock = File::options().write(true).create(true).truncate(false).open(&path);
        let lock = lock.map_err(Error::io("write", &path))?;
        let began = Instant::now();
        loop {
            match lock.try_lock() {
                Ok(()) => return Ok(lock),
                Err(fs::TryLockError::Error(error)) => return Err(Error::io("lock", &path)(error)),
                Err(fs::TryLockError::WouldBlock) if began.elapsed() > LOCK_WAIT_MAX => {
                    return Err(Error::Busy { file: file.to_owned() });
                }
                Err(fs::TryLockError::WouldBlock) => std::thread::sleep(LOCK_LOOK),
            }
        }
    }
}

/// Symbolic links, relative, so that the cache can be moved.
#[cfg(unix)]
fn link(_blob: &Path, relative: &Path, link: &Path) -> io::Result<()> {
    std::os::unix::fs::symlink(relative, link)
}

/// Symbolic links need a privilege elsewhere; a second name of the same bytes does not.
#[cfg(not(unix))]
fn link(blob: &Path, _relative: &Path, link: &Path) -> io::Result<()> {
    fs::hard_link(blob, link)
}

pub(super) fn create_folder(folder: &Path) -> Result<(), Error> {
    fs::create_dir_all(folder).map_err(Error::io("create", folder))
}

/// Removes a folder with all that is below it, following no links, and tells how many bytes that were.
pub(super) fn remove_folder(folder: &Path) -> Result<u64, Error> {
    let bytes = bytes_below(folder);
    fs::remove_dir_all(folder).map_err(Error::io("remove", folder))?;
    Ok(bytes)
}
