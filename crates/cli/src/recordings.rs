//! Opens what is to be transcribed; standard input goes through a temporary file, since containers are read back and forth.

use std::fs::File;
use std::io::{self, IsTerminal, Read};
use std::path::Path;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use hansard_media::{Channels, MediaFile, Recording};
use hansard_speech::Cancel;
use tempfile::TempDir;

use crate::inputs::Input;

/// Standard input may be so long: 4 GiB.
const STDIN_BYTES_MAX: u64 = 4 << 30;

/// How often a wait for standard input looks whether it was interrupted.
const STDIN_POLL: Duration = Duration::from_millis(100);

/// A recording that can be read; its temporary file lives as long.
pub(crate) struct Opened {
    media: MediaFile,
    _spool: Option<TempDir>,
}

impl Opened {
    pub(crate) fn recording(&self) -> &dyn Recording {
        &self.media
    }
}

/// Opens the recording; `None` when it was interrupted.
pub(crate) fn open(input: &Input, cancel: &Cancel) -> anyhow::Result<Option<Opened>> {
    match input {
        Input::File(path) => {
            let media = MediaFile::open(path, Channels::Mix)?;
            Ok(Some(Opened { media, _spool: None }))
        }
        Input::Stdin => {
            if io::stdin().is_terminal() {
                bail!("stdin: nothing is piped in");
            }
            let folder = tempfile::tempdir().context("cannot make a temporary folder")?;
            let path = folder.path().join("stdin");
            if !spool(&path, cancel)? {
                return Ok(None);
            }
            let media = MediaFile::open_as(input.name(), &path, Channels::Mix)?;
            Ok(Some(Opened { media, _spool: Some(folder) }))
        }
    }
}

/// Copies standard input into the file at `path`; false when it was interrupted.
///
/// A thread of its own waits for the input, so that an interruption need not wait too. It ends with the program.
fn spool(path: &Path, cancel: &Cancel) -> anyhow::Result<bool> {
    let mut file = File::create_new(path).context("cannot make a temporary file")?;
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        // The receiver is gone only when nobody wants to know any more.
        let _ = sender.send(copy(&mut io::stdin().lock(), &mut file));
    });
    loop {
        match receiver.recv_timeout(STDIN_POLL) {
            Ok(copied) => return copied.map(|()| true),
            Err(RecvTimeoutError::Timeout) if cancel.is_cancelled() => return Ok(false),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => bail!("stdin: cannot be read"),
        }
    }
}

fn copy(from: &mut impl Read, to: &mut File) -> anyhow::Result<()> {
    let copied = io::copy(&mut from.take(STDIN_BYTES_MAX + 1), to);
    if copied.context("stdin: cannot be copied to a temporary file")? > STDIN_BYTES_MAX {
        let gib = STDIN_BYTES_MAX >> 30;
        return Err(anyhow!("stdin: is longer than {gib} GiB; give the file by its name"));
    }
    Ok(())
}
