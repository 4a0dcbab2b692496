//! What is on this machine.

use std::path::{Path, PathBuf};

use super::names::{self, DEFAULT_REVISION, ModelId};
use super::{Error, Hub, files};

/// A model on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installed {
    /// What [`Hub::resolve`] finds it by: its short name if it has one.
    pub name: String,
    /// Where it came from.
    pub origin: Origin,
    /// Its folder.
    pub folder: PathBuf,
    /// The length of its files.
    pub bytes: u64,
    /// Names of files that it lacks; a whole model lacks none.
    pub missing: Vec<String>,
}

/// Where a model came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// It was imported by hand.
    Imported,
    /// The hub, with the id `owner/name` there and the commit.
    Hub {
        /// `owner/name`.
        id: String,
        /// Forty hexadecimal digits.
        commit: String,
    },
}

impl Hub {
    /// The models on this machine, from the one to be preferred to the last: imported ones by name; those of the hub that
    /// have a short name, in the order of [`super::SHORT_NAMES`]; others by id. Other kinds of models in the cache are
    /// left out.
    pub fn list(&self) -> Result<Vec<Installed>, Error> {
        let mut installed = Vec::new();
        for name in self.own.names()? {
            let Some(folder) = self.own.find(&name) else { continue };
            installed.push(Installed {
                bytes: files::bytes_below(&folder),
                missing: files::missing(&folder),
                origin: Origin::Imported,
                folder,
                name,
            });
        }
        let mut ids = self.cache.ids()?;
        ids.sort_by_key(|id| {
            let id = id.id();
            (names::short_name(&id).map_or(usize::MAX, |(place, _)| place), id)
        });
        for id in ids {
            installed.extend(self.snapshots(&id));
        }
        Ok(installed)
    }

    /// The snapshots of `id` that are Whisper models, the default revision first.
    fn snapshots(&self, id: &ModelId) -> Vec<Installed> {
        let repository = self.cache.repository(id);
        let main = repository.commit_of(DEFAULT_REVISION);
        let mut commits = repository.commits();
        commits.sort_by_key(|commit| Some(commit) != main.as_ref());
        let id = id.id();
        let short = names::short_name(&id).map_or(id.as_str(), |(_, short)| short);
        let snapshots = commits.into_iter().filter_map(|commit| {
            let folder = repository.snapshot(&commit);
            if !files::is_whisper(&folder) {
                return None;
            }
            let is_main = Some(&commit) == main.as_ref();
            let name = if is_main { short.to_owned() } else { format!("{short}@{commit}") };
            let (bytes, missing) = (bytes_behind(&folder), files::missing(&folder));
            let origin = Origin::Hub { id: id.clone(), commit };
            Some(Installed { name, origin, bytes, missing, folder })
        });
        snapshots.collect()
    }
}

/// The bytes of the files that the links in `folder` lead to.
fn bytes_behind(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let files = entries.filter_map(|entry| std::fs::metadata(entry.path()).ok());
    files.filter(|metadata| metadata.is_file()).map(|metadata| metadata.len()).sum()
}
