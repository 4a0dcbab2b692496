//! What the FILE arguments stand for: files, the media in folders, standard input.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use hansard_media::{Channels, MediaFile};

use crate::output;

/// The most entries of a folder that are looked at.
const FOLDER_ENTRIES_MAX: usize = 10_000;

/// One recording to transcribe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Input {
    File(PathBuf),
    Stdin,
}

impl Input {
    /// The name that messages use.
    pub(crate) fn name(&self) -> String {
        match self {
            Input::File(path) => path.display().to_string(),
            Input::Stdin => "stdin".to_owned(),
        }
    }
}

/// The recordings that were named, in order.
#[derive(Debug, Default)]
pub(crate) struct Inputs {
    pub(crate) list: Vec<Input>,
    /// Whether a folder was among the arguments.
    pub(crate) from_folder: bool,
    /// Arguments that give nothing to transcribe, and why.
    pub(crate) failed: Vec<anyhow::Error>,
}

/// Looks at each argument. Files are taken as they are; what is wrong with them shows when they are opened.
pub(crate) fn expand(arguments: &[PathBuf]) -> Inputs {
    let mut inputs = Inputs::default();
    for argument in arguments {
        if argument.as_os_str() == "-" {
            inputs.list.push(Input::Stdin);
        } else if argument.is_dir() {
            inputs.from_folder = true;
            match media_in(argument) {
                Ok(files) => inputs.list.extend(files.into_iter().map(Input::File)),
                Err(error) => inputs.failed.push(error),
            }
        } else {
            inputs.list.push(Input::File(argument.clone()));
        }
    }
    inputs
}

/// The audio and video directly in `folder`, by content, in order of name. Hidden files are left alone.
fn media_in(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let name = folder.display();
    let mut files = Vec::new();
    let entries = folder.read_dir().with_context(|| format!("cannot read the folder {name}"))?;
    for (count, entry) in entries.enumerate() {
        if count == FOLDER_ENTRIES_MAX {
            bail!("{name}: has more than {FOLDER_ENTRIES_MAX} files; name those that you want");
        }
        let entry = entry.with_context(|| format!("cannot read the folder {name}"))?;
        let hidden = entry.file_name().as_encoded_bytes().starts_with(b".");
        if !hidden && entry.path().is_file() {
            files.push(entry.path());
        }
    }
    files.sort();
    let all = files.len();
    files.retain(|file| is_media(file));
    if files.is_empty() {
        bail!("{name}: no audio or video in this folder");
    }
    if files.len() < all {
        output::note(&format!("{name}: left out {} that hold no sound", all - files.len()));
    }
    Ok(files)
}

/// Whether the file is a recording, or one that is damaged and worth a message of its own.
fn is_media(file: &Path) -> bool {
    use hansard_media::Error;
    match MediaFile::open(file, Channels::Mix) {
        Err(Error::NotMedia { .. } | Error::NotAFile { .. } | Error::NoAudioTrack { .. }) => false,
        Ok(_) | Err(_) => true,
    }
}
