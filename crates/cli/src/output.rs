//! The one place that writes: data to standard output, everything else to standard error, and files whole or not at all.

use std::io::{self, Write};
use std::path::Path;

use anyhow::Context;

/// Whether a file that is in the way may be replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Overwrite {
    Yes,
    No,
}

/// Writes data to standard output.
///
/// A reader that has seen enough (`| head`) is no error: the program ends quietly, whatever is left to write.
pub(crate) fn data(text: &str) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => result.context("cannot write to standard output"),
    }
}

/// Tells the person at the terminal something. Nobody may be there, so a failure is ignored.
pub(crate) fn note(message: &str) {
    let _ = writeln!(io::stderr().lock(), "{message}");
}

/// Writes a file so that it is there complete or not at all, whatever happens meanwhile.
pub(crate) fn file(path: &Path, text: &str, overwrite: Overwrite) -> anyhow::Result<()> {
    let write = || -> io::Result<()> {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        let mut builder = tempfile::Builder::new();
        builder.prefix(".hansard-").suffix(".part");
        readable_by_others(&mut builder);
        let mut file = builder.tempfile_in(folder.unwrap_or(Path::new(".")))?;
        file.write_all(text.as_bytes())?;
        file.as_file().sync_all()?;
        match overwrite {
            Overwrite::Yes => file.persist(path)?,
            Overwrite::No => match file.persist_noclobber(path) {
                // Some file systems can do it in no way that is safe from a race; then a look has to do.
                Err(error)
                    if error.error.kind() != io::ErrorKind::AlreadyExists
                        && path.symlink_metadata().is_err() =>
                {
                    error.file.persist(path)?
                }
                persisted => persisted?,
            },
        };
        Ok(())
    };
    write().with_context(|| format!("cannot write {}", path.display()))
}

/// Temporary files are private to their owner unless told otherwise; a transcript follows the user's umask.
#[cfg(unix)]
fn readable_by_others(builder: &mut tempfile::Builder<'_, '_>) {
    use std::os::unix::fs::PermissionsExt;
    builder.permissions(std::fs::Permissions::from_mode(0o666));
}

#[cfg(not(unix))]
fn readable_by_others(_builder: &mut tempfile::Builder<'_, '_>) {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_only_when_asked() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("talk.txt");
        file(&path, "first", Overwrite::No).unwrap();
        assert!(file(&path, "second", Overwrite::No).is_err());
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "first");
        file(&path, "third", Overwrite::Yes).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "third");
        // No temporary file is left behind.
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
