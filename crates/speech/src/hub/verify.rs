//! Whether a model's files are what they were.

use std::fs;
use std::io;
use std::path::Path;

use hansard_net::Checksum;

use super::{Error, Hub, files, own};

/// A file of a model and its condition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileCondition {
    /// The file's name.
    pub file: String,
    /// What was found.
    pub condition: Condition,
}

/// What a check of a file found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Condition {
    /// The bytes have their checksum.
    Sound,
    /// The bytes do not have their checksum.
    Damaged,
    /// The file is needed and not there.
    Missing,
    /// Nothing says what the checksum should be.
    Unknown,
}

impl Hub {
    /// Reads every file of a model and compares it with its checksum: in the cache that is the name of the blob, for an
    /// imported model what was noted at the import. `each` is told of each file when it is done.
    pub fn verify(&self, model: &str, each: &mut dyn FnMut(&FileCondition)) -> Result<(), Error> {
        let folder = self.find(model)?.folder();
        let missing = files::missing(&folder);
        for (file, checksum) in promised(&folder)? {
            if !missing.contains(&file) {
                let condition = check(&folder.join(&file), checksum.as_ref())?;
                each(&FileCondition { file, condition });
            }
        }
        for file in missing {
            each(&FileCondition { file, condition: Condition::Missing });
        }
        Ok(())
    }
}

/// The files of a model and the checksums that they should have, as far as something tells.
fn promised(folder: &Path) -> Result<Vec<(String, Option<Checksum>)>, Error> {
    if folder.join(own::SUMS).is_file() {
        let sums = own::sums(folder)?.into_iter();
        return Ok(sums.map(|(name, checksum)| (name, Some(checksum))).collect());
    }
    let entries = fs::read_dir(folder).map_err(Error::io("list", folder))?;
    let names = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok());
    let mut names: Vec<String> = names.collect();
    names.sort();
    let promised = names.into_iter().map(|name| {
        let checksum = checksum_of_link(&folder.join(&name));
        (name, checksum)
    });
    Ok(promised.collect())
}

/// The checksum in the name of the blob that a link of the cache leads to.
fn checksum_of_link(path: &Path) -> Option<Checksum> {
    let target = fs::read_link(path).ok()?;
    Checksum::parse(target.file_name()?.to_str()?)
}

fn check(path: &Path, checksum: Option<&Checksum>) -> Result<Condition, Error> {
    let Some(checksum) = checksum else { return Ok(Condition::Unknown) };
    match checksum.matches(path) {
        Ok(true) => Ok(Condition::Sound),
        Ok(false) => Ok(Condition::Damaged),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Condition::Missing),
        Err(error) => Err(Error::io("read", path)(error)),
    }
}
