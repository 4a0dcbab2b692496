//! Models that were imported by hand: one folder each, named as the model, with a `SHA256SUMS` as `sha256sum` writes it.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use hansard_net::{Checksum, Hasher};

use super::cache::create_folder;
use super::{Error, files, names};

/// The checksums of the other files.
pub(super) const SUMS: &str = "SHA256SUMS";

/// The folder of the models, which need not exist.
#[derive(Debug)]
pub(super) struct OwnModels {
    root: PathBuf,
}

impl OwnModels {
    pub(super) fn new(root: PathBuf) -> Self {
        Self { root }
    }

    /// The folder of model `name`, whole or not, if there is one.
    pub(super) fn find(&self, name: &str) -> Option<PathBuf> {
        let folder = self.root.join(name);
        (names::is_part(name) && folder.is_dir()).then_some(folder)
    }

    /// The names of the models, in order.
    pub(super) fn names(&self) -> Result<Vec<String>, Error> {
        let entries = match fs::read_dir(&self.root) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(Error::io("list", &self.root))?,
        };
        let names = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok());
        let mut names: Vec<String> = names.filter(|name| self.find(name).is_some()).collect();
        names.sort();
        Ok(names)
    }

    /// Copies the files of the model in `from`.
    pub(super) fn import(&self, name: &str, from: &Path) -> Result<PathBuf, Error> {
        if !names::is_part(name) {
            return Err(Error::ImportName { name: name.to_owned() });
        }
        if !from.is_dir() {
            return Err(Error::NoSuchFolder { path: from.to_owned() });
        }
        let to = self.root.join(name);
        if to.exists() {
            return Err(Error::Exists { name: name.to_owned() });
        }
        let names = files::checked(from)?;
        // Hidden, so that it is no model yet; removed when it is dropped after a failure.
        create_folder(&self.root)?;
        let aside = Aside(self.root.join(format!(".{name}.{}.incomplete", std::process::id())));
        create_folder(&aside.0)?;
        let mut sums = String::new();
        for name in names {
            let digits = copy(&from.join(&name), &aside.0.join(&name))?;
            sums.push_str(&format!("{digits}  {name}\n"));
        }
        let path = aside.0.join(SUMS);
        fs::write(&path, sums).map_err(Error::io("write", &path))?;
        match fs::rename(&aside.0, &to) {
            Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => {
                Err(Error::Exists { name: name.to_owned() })
            }
            renamed => renamed.map_err(Error::io("write", &to)).map(|()| to),
        }
    }
}

/// A folder that is removed unless it got another name.
struct Aside(PathBuf);

impl Drop for Aside {
    fn drop(&mut self) {
        // After a success there is nothing; after a failure the user hears of that failure.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Copies a file, makes it durable, and gives the SHA-256 of what was read.
fn copy(from: &Path, to: &Path) -> Result<String, Error> {
    let input = File::open(from).map_err(Error::io("read", from))?;
    let mut output = File::create_new(to).map_err(Error::io("write", to))?;
    let mut tee = Tee { input, output: &mut output };
    let mut hasher = Hasher::sha256();
    hasher.read(&mut tee).map_err(Error::io("copy", from))?;
    output.sync_all().map_err(Error::io("write", to))?;
    Ok(hasher.finish())
}

/// Writes what is read.
struct Tee<'a> {
    input: File,
    output: &'a mut File,
}

impl io::Read for Tee<'_> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let count = self.input.read(bytes)?;
        self.output.write_all(&bytes[..count])?;
        Ok(count)
    }
}

/// The checksums of the files of an imported model.
pub(super) fn sums(folder: &Path) -> Result<Vec<(String, Checksum)>, Error> {
    let path = folder.join(SUMS);
    let text = String::from_utf8_lossy(&files::read_bounded(&path)?).into_owned();
    let lines = text.lines().map(|line| {
        let (digits, name) = line.split_once("  ")?;
        Some((name.to_owned(), Checksum::parse(digits)?)).filter(|_| names::is_part(name))
    });
    let reason = "a line is no checksum and name".to_owned();
    lines.collect::<Option<_>>().ok_or(Error::Unusable { path, reason })
}
