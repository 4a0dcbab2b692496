//! What can go wrong with models, in words that say what to do.

use std::io;
use std::path::{Path, PathBuf};

/// Why a model cannot be found, fetched, imported, checked or removed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The model is not on this machine.
    #[error(
        "the model {model} is not on this machine\n\
         to fetch it from {endpoint}: hansard models pull {model}\n\
         to use another hub, set HF_ENDPOINT; without a network, copy a model folder here and type: \
         hansard models import NAME FOLDER"
    )]
    NotInstalled {
        /// The model as it was asked for.
        model: String,
        /// The hub that would be asked.
        endpoint: String,
    },
    /// The network may not be used, and the model is not on this machine.
    #[error(
        "the model {model} is not on this machine, and HF_HUB_OFFLINE forbids to fetch it\n\
         unset it, or copy a model folder here and type: hansard models import NAME FOLDER"
    )]
    Offline {
        /// The model as it was asked for.
        model: String,
    },
    /// A path leads to no model folder.
    #[error("there is no model folder at {}", path.display())]
    NoSuchFolder {
        /// The path as it was given.
        path: PathBuf,
    },
    /// A model folder lacks files.
    #[error("the model folder {} lacks {}", folder.display(), missing.join(", "))]
    Incomplete {
        /// The folder.
        folder: PathBuf,
        /// The names of the files that are not there.
        missing: Vec<String>,
    },
    /// A file of a model folder is not what its name says.
    #[error("{} is not a usable model file: {reason}", path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Neither a short name nor a hub id.
    #[error(
        "{name} is no name of a model: there are short names as small or large-v3-turbo, hub ids as \
         openai/whisper-small, and folders"
    )]
    Name {
        /// The name as it was given.
        name: String,
    },
    /// A name that an imported model cannot have.
    #[error(
        "{name} cannot be the name of an imported model: use letters, digits, dot, dash and underscore"
    )]
    ImportName {
        /// The name as it was given.
        name: String,
    },
    /// An imported model with that name is there already.
    #[error(
        "there is an imported model {name} already; to replace it, first type: hansard models remove {name}"
    )]
    Exists {
        /// The name.
        name: String,
    },
    /// One revision was to be removed; only whole models can be.
    #[error(
        "{model} names a revision; a model is removed with all its revisions, by its name alone"
    )]
    RemoveRevision {
        /// The model as it was asked for.
        model: String,
    },
    /// `HF_ENDPOINT` is no address.
    #[error("HF_ENDPOINT is not an http or https address")]
    Endpoint,
    /// No variable says where models are, and there is no home folder.
    #[error("there is no home folder; set HF_HOME and HANSARD_MODELS")]
    NoHome,
    /// The hub does not have the model, or does not show it to us.
    #[error(
        "{model} is not on the hub, or it is private; for a private model set HF_TOKEN to a token that may read it"
    )]
    UnknownModel {
        /// Id, and revision if one was asked for.
        model: String,
    },
    /// The model's owner wants conditions accepted first.
    #[error(
        "{model} is gated: accept its conditions on the hub's page, then set HF_TOKEN to a token of that account"
    )]
    Gated {
        /// Id, and revision if one was asked for.
        model: String,
    },
    /// The repository is not a Whisper model in the layout that we read.
    #[error(
        "{model} lacks {missing} on the hub: a Whisper model in the transformers layout is needed"
    )]
    NotWhisper {
        /// Id, and revision if one was asked for.
        model: String,
        /// The file that is not there.
        missing: String,
    },
    /// The hub's answer does not make sense, or is not safe to follow.
    #[error("the hub's answer about {model} cannot be used: {reason}")]
    Answer {
        /// Id, and revision if one was asked for.
        model: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Another process fetches the same file, for too long.
    #[error("another process is fetching {file}; wait for it or end it")]
    Busy {
        /// The file.
        file: String,
    },
    /// The network, or writing what came from it, failed.
    #[error("the hub could not be used")]
    Net(#[source] hansard_net::Error),
    /// A file or folder could not be read or written.
    #[error("cannot {verb} {}", path.display())]
    Io {
        /// What was to be done.
        verb: &'static str,
        /// To which file or folder.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

impl Error {
    /// An [`Error::Io`], for `map_err`.
    pub(super) fn io<'a>(
        verb: &'static str,
        path: &'a Path,
    ) -> impl FnOnce(io::Error) -> Self + 'a {
        move |source| Self::Io { verb, path: path.to_owned(), source }
    }
}
