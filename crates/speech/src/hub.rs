//! Models on this machine, and where they come from.
//!
//! Two places hold models: the cache of the Hugging Face hub, in the layout of its Python library, so that each finds what
//! the other fetched; and Hansard's own folder, for models that were imported by hand. Only [`Hub::pull`] uses the
//! network. Names, addresses and files that a hub sends are not trusted.
//!
//! Start at [`Hub`].

mod cache;
mod config;
mod error;
mod files;
mod installed;
mod names;
mod own;
mod pull;
mod remote;
mod verify;

use std::path::{Path, PathBuf};

use hansard_net::Url;

pub use config::{Access, HubConfig};
pub use error::Error;
pub use installed::{Installed, Origin};
pub use names::{ModelId, SHORT_NAMES};
pub use pull::{Progress, Pulled};
pub use verify::{Condition, FileCondition};

use cache::Cache;
use own::OwnModels;

/// The models that this machine has and the hub that has more.
#[derive(Debug)]
pub struct Hub {
    config: HubConfig,
    cache: Cache,
    own: OwnModels,
}

impl Hub {
    /// Looks where `config` says. Touches neither disk nor network.
    pub fn new(config: HubConfig) -> Self {
        let cache = Cache::new(config.cache.clone());
        let own = OwnModels::new(config.own_models.clone());
        Self { config, cache, own }
    }

    /// Looks where the environment says; see [`HubConfig::from_env`].
    pub fn from_env() -> Result<Self, Error> {
        Ok(Self::new(HubConfig::from_env()?))
    }

    /// The folder of a model that is on this machine. Never downloads.
    ///
    /// `model` is, in this order: a folder or its `model.safetensors`; the name of an imported model; a short name or a hub
    /// id, with `@revision` if not `main`.
    pub fn resolve(&self, model: &str) -> Result<PathBuf, Error> {
        let found = self.find(model)?;
        if let Found::InCache(folder) = &found
            && !files::missing(folder).is_empty()
        {
            // A pull that has not finished: to go on with it is the same command.
            return Err(self.not_installed(model));
        }
        let folder = found.folder();
        files::check_presence(&folder)?;
        Ok(folder)
    }

    /// The model to use when none is named: the first of [`Hub::list`] that is whole.
    pub fn default_model(&self) -> Result<Option<String>, Error> {
        let installed = self.list()?;
        Ok(installed.into_iter().find(|model| model.missing.is_empty()).map(|model| model.name))
    }

    /// Copies the model in `folder` into Hansard's own models, where `name` finds it. The copy is visible only when it is
    /// whole.
    pub fn import(&self, name: &str, folder: &Path) -> Result<PathBuf, Error> {
        let folder = folder_of_weights(folder);
        self.own.import(name, folder)
    }

    /// Removes a model from this machine, all revisions of it, and tells how many bytes that freed.
    ///
    /// An imported model goes before one of the hub with the same name. Models elsewhere, named by a path, are not
    /// Hansard's to remove.
    pub fn remove(&self, model: &str) -> Result<u64, Error> {
        if let Some(folder) = self.own.find(model) {
            return cache::remove_folder(&folder);
        }
        let id = self.hub_id(model)?;
        if id.revision.is_some() {
            return Err(Error::RemoveRevision { model: model.to_owned() });
        }
        self.cache.remove(&id)?.ok_or_else(|| self.not_installed(model))
    }

    /// The folder of a model on this machine, whole or not.
    fn find(&self, model: &str) -> Result<Found, Error> {
        if let Some(folder) = self.folder_at(model)? {
            return Ok(Found::Elsewhere(folder));
        }
        if let Some(folder) = self.own.find(model) {
            return Ok(Found::Own(folder));
        }
        let id = self.hub_id(model)?;
        let folder = self.cache.find_snapshot(&id);
        folder.map(Found::InCache).ok_or_else(|| self.not_installed(model))
    }

    /// What `model` means as a path, if it is or looks like one.
    fn folder_at(&self, model: &str) -> Result<Option<PathBuf>, Error> {
        let folder = folder_of_weights(Path::new(model));
        if folder.join(files::CONFIG).is_file() {
            return Ok(Some(folder.to_owned()));
        }
        let only_a_path = Path::new(model).is_absolute()
            || model.starts_with('.')
            || model.ends_with('/')
            || folder != Path::new(model);
        if only_a_path { Err(Error::NoSuchFolder { path: model.into() }) } else { Ok(None) }
    }

    fn not_installed(&self, model: &str) -> Error {
        let endpoint = shown(&self.config.endpoint);
        Error::NotInstalled { model: model.to_owned(), endpoint }
    }

    fn hub_id(&self, model: &str) -> Result<ModelId, Error> {
        ModelId::parse(model).ok_or_else(|| Error::Name { name: model.to_owned() })
    }
}

/// The folder of a model, and whose it is.
enum Found {
    /// Named by its path.
    Elsewhere(PathBuf),
    /// Imported.
    Own(PathBuf),
    /// Fetched from a hub, by us or by Python.
    InCache(PathBuf),
}

impl Found {
    fn folder(self) -> PathBuf {
        match self {
            Self::Elsewhere(folder) | Self::Own(folder) | Self::InCache(folder) => folder,
        }
    }
}

/// An address as people may see it: without a name and a password to log in with.
fn shown(address: &Url) -> String {
    let mut address = address.clone();
    // Only addresses without a host refuse, and those have neither.
    let _ = address.set_username("");
    let _ = address.set_password(None);
    address.as_str().trim_end_matches('/').to_owned()
}

/// The folder of a file of weights; anything else as it is.
fn folder_of_weights(path: &Path) -> &Path {
    let is_weights = path.extension().is_some_and(|extension| extension == "safetensors");
    match path.parent() {
        Some(parent) if is_weights && parent.as_os_str().is_empty() => Path::new("."),
        Some(parent) if is_weights => parent,
        _ => path,
    }
}
