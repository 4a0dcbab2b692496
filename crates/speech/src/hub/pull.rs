//! Fetching a model.

use std::path::PathBuf;

use hansard_net::{Client, Download, Promise};

use super::cache::{Repository, create_folder};
use super::names::{self, ModelId};
use super::remote::{Listing, Remote, RemoteFile};
use super::{Error, Hub, files};

/// How far a pull is.
#[derive(Debug, Clone, Copy)]
pub struct Progress<'a> {
    /// The file that is being fetched.
    pub file: &'a str,
    /// Bytes of the whole model that are there.
    pub done: u64,
    /// Bytes of the whole model.
    pub total: u64,
}

/// What a pull came to.
#[derive(Debug)]
pub struct Pulled {
    /// Where the model is.
    pub folder: PathBuf,
    /// Bytes that came over the network.
    pub fetched: u64,
    /// The model was here and is used as it is, because the hub could not be asked for this reason.
    pub unchecked: Option<hansard_net::Error>,
}

impl Hub {
    /// Brings a model of the hub to this machine; what is here already is not fetched again.
    ///
    /// A call that fails or is killed leaves nothing visible but what was there before, and the next one goes on where it
    /// stopped. Without a network a model that is here counts as pulled. Blocks: not for asynchronous code.
    pub fn pull(
        &self,
        model: &str,
        progress: &mut (dyn FnMut(Progress<'_>) + Send),
    ) -> Result<Pulled, Error> {
        let id = self.hub_id(model)?;
        let here = self.cache.find_snapshot(&id);
        let here = here.filter(|folder| files::missing(folder).is_empty());
        let fixed = names::is_commit(id.revision());
        let as_it_is = |folder, unchecked| Pulled { folder, fetched: 0, unchecked };
        if fixed || self.config.offline {
            if let Some(folder) = here {
                return Ok(as_it_is(folder, None));
            }
            if self.config.offline {
                return Err(Error::Offline { model: model.to_owned() });
            }
        }
        let client = Client::new(&self.config.network).map_err(Error::Net)?;
        let remote = Remote::new(&client, &self.config, &id)?;
        match (remote.list(), here) {
            (Ok(listing), _) => self.pull_listed(&client, &remote, &id, &listing, progress),
            (Err(Error::Net(error)), Some(folder)) if error.is_unreachable() => {
                Ok(as_it_is(folder, Some(error)))
            }
            (Err(error), _) => Err(error),
        }
    }

    fn pull_listed(
        &self,
        client: &Client,
        remote: &Remote<'_>,
        id: &ModelId,
        listing: &Listing,
        progress: &mut (dyn FnMut(Progress<'_>) + Send),
    ) -> Result<Pulled, Error> {
        let repository = self.cache.repository(id);
        let folder = repository.snapshot(&listing.commit);
        let mut names = wanted(id, listing)?;
        let mut fetched = 0;
        let is_here = |name: &String| folder.join(name).is_file();
        if !names.iter().all(is_here) || !files::missing(&folder).is_empty() {
            let mut plan = Vec::new();
            for name in &names {
                plan.push(remote.file(&listing.commit, name)?);
            }
            if let Some(index) = plan.iter().find(|file| file.name == files::INDEX) {
                // Only the index knows the shards, so it comes before the others.
                fetched += fetch(client, &repository, index, &mut |_| {})?;
                let index = files::read_bounded(&repository.blob(index.checksum.digits()))?;
                let shards = files::shards(&index).map_err(|reason| remote.nonsense(reason))?;
                for shard in &shards {
                    require(id, listing, shard)?;
                    plan.push(remote.file(&listing.commit, shard)?);
                }
                names.extend(shards);
            }
            fetched += fetch_all(client, &repository, &plan, progress)?;
            // Only now, so that a model that is not whole is never seen; the settings, by which a model is known, last.
            for file in plan.iter().rev() {
                repository.link(&listing.commit, &file.name, file.checksum.digits())?;
            }
        }
        if !names::is_commit(id.revision()) {
            repository.set_commit_of(id.revision(), &listing.commit)?;
        }
        files::check_presence(&folder)?;
        Ok(Pulled { folder, fetched, unchecked: None })
    }
}

/// The files to fetch; of shards only the index, which names them.
fn wanted(id: &ModelId, listing: &Listing) -> Result<Vec<String>, Error> {
    for name in files::NEEDED {
        require(id, listing, name)?;
    }
    let weights = if listing.has(files::WEIGHTS) { files::WEIGHTS } else { files::INDEX };
    if !listing.has(weights) {
        require(id, listing, files::WEIGHTS)?;
    }
    let optional = files::OPTIONAL.into_iter().filter(|name| listing.has(name));
    let names = files::NEEDED.into_iter().chain(optional).chain([weights]);
    Ok(names.map(str::to_owned).collect())
}

fn require(id: &ModelId, listing: &Listing, name: &str) -> Result<(), Error> {
    if listing.has(name) {
        return Ok(());
    }
    Err(Error::NotWhisper { model: id.to_string(), missing: name.to_owned() })
}

fn fetch_all(
    client: &Client,
    repository: &Repository,
    plan: &[RemoteFile],
    progress: &mut (dyn FnMut(Progress<'_>) + Send),
) -> Result<u64, Error> {
    let total = plan.iter().map(|file| file.size).sum();
    let (mut before, mut fetched) = (0, 0);
    for file in plan {
        let tell = &mut |done| progress(Progress { file: &file.name, done: before + done, total });
        fetched += fetch(client, repository, file, tell)?;
        before += file.size;
    }
    Ok(fetched)
}

/// Brings one file into the cache, and tells how many bytes came over the network for it.
fn fetch(
    client: &Client,
    repository: &Repository,
    file: &RemoteFile,
    progress: &mut (dyn FnMut(u64) + Send),
) -> Result<u64, Error> {
    let blob = repository.blob(file.checksum.digits());
    create_folder(blob.parent().unwrap_or(&repository.folder))?;
    let _lock = repository.lock(file.checksum.digits(), &file.name)?;
    // Looked at under the lock: whoever held it before may have fetched the file.
    if blob.is_file() {
        progress(file.size);
        return Ok(0);
    }
    let mut first = None;
    let promise = Promise::Exactly { size: file.size, checksum: &file.checksum };
    let download = Download { request: &file.request, to: &blob, promise };
    let mut tell = |done| {
        first.get_or_insert(done);
        progress(done);
    };
    hansard_net::wait(client.download(&download, &mut tell)).map_err(Error::Net)?;
    Ok(file.size - first.unwrap_or(0))
}
