//! A place for files that are needed for a while, and that nobody finds after a crash.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use hansard_domain::id::WorkerId;
use hansard_domain::problem::ProblemCode;
use tempfile::TempDir;

use crate::error::ActivityError;

/// Ending of the file whose lock says that its worker lives.
const LOCK_ENDING: &str = "lock";

/// Held while folders are made and removed, so that no worker takes another's for a dead one's.
const GATE: &str = "gate";

/// The folder of one worker. It goes when the worker ends, or when the next worker starts after a crash.
#[derive(Debug)]
pub(crate) struct Scratch {
    root: PathBuf,
    own: PathBuf,
    lock: PathBuf,
    /// The kernel lets go of it when the process dies.
    _alive: File,
}

impl Scratch {
    /// Makes the folder of `worker` under `root`, and removes those of workers that are gone.
    pub(crate) fn open(root: &Path, worker: &WorkerId) -> io::Result<Self> {
        fs::create_dir_all(root)?;
        let gate = hold(&root.join(GATE))?;
        remove_leftovers(root)?;
        let own = root.join(worker.to_string());
        let lock = own.with_extension(LOCK_ENDING);
        let alive = hold(&lock)?;
        fs::create_dir(&own)?;
        drop(gate);
        Ok(Self { root: root.to_owned(), own, lock, _alive: alive })
    }

    /// A new folder, which goes when it is dropped.
    pub(crate) fn folder(&self) -> Result<TempDir, ActivityError> {
        TempDir::new_in(&self.own).map_err(Self::failed)
    }

    /// What a failure to write here means for an activity.
    pub(crate) fn failed(error: io::Error) -> ActivityError {
        ActivityError::retry(ProblemCode::Internal, "a working file cannot be written", error)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What cannot be removed now is found by the next worker.
        if let Ok(_gate) = hold(&self.root.join(GATE)) {
            let _ = fs::remove_dir_all(&self.own);
            let _ = fs::remove_file(&self.lock);
        }
    }
}

/// Opens the file at `path` and waits for its lock.
fn hold(path: &Path) -> io::Result<File> {
    let file = File::options().create(true).append(true).open(path)?;
    file.lock()?;
    Ok(file)
}

/// Removes the folders whose lock nobody holds.
fn remove_leftovers(root: &Path) -> io::Result<()> {
    for entry in fs::read_dir(root)? {
        let lock = entry?.path();
        if lock.extension().is_none_or(|ending| ending != LOCK_ENDING) {
            continue;
        }
        match File::options().append(true).open(&lock)?.try_lock() {
            Ok(()) => {
                let folder = lock.with_extension("");
                if folder.exists() {
                    fs::remove_dir_all(folder)?;
                }
                fs::remove_file(lock)?;
            }
            Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Error(error)) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use hansard_domain::id::Id;

    use super::*;

    fn worker(number: u128) -> WorkerId {
        WorkerId::from_parts(1, number)
    }

    fn names(root: &Path) -> usize {
        fs::read_dir(root)
            .unwrap()
            .filter(|entry| entry.as_ref().unwrap().file_name() != GATE)
            .count()
    }

    #[test]
    fn what_a_dead_worker_left_goes_and_what_a_live_one_has_stays() {
        let root = tempfile::tempdir().unwrap();
        let live = Scratch::open(root.path(), &worker(1)).unwrap();
        let kept = live.folder().unwrap();
        let dead = root.path().join(worker(2).to_string());
        fs::create_dir(&dead).unwrap();
        fs::write(dead.join("half"), "a film").unwrap();
        fs::write(dead.with_extension(LOCK_ENDING), "").unwrap();

        let next = Scratch::open(root.path(), &worker(3)).unwrap();

        assert!(!dead.exists());
        assert!(kept.path().exists());
        drop((next, kept, live));
        assert_eq!(names(root.path()), 0);
    }
}
