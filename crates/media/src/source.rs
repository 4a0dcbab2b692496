//! A file under the length that it was to have.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};

use symphonia::core::io::MediaSource;

/// A file that claims to be `length` bytes long, and ends where it really ends when it is read.
///
/// The MP4 reader refuses a media box that is longer than the file, so that a file that was cut off would
/// give nothing at all.
pub(crate) struct Stretched {
    file: File,
    length: u64,
}

impl Stretched {
    pub(crate) fn new(file: File, length: u64) -> Self {
        Self { file, length }
    }
}

impl Read for Stretched {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.file.read(buffer)
    }
}

impl Seek for Stretched {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let to = match to {
            SeekFrom::End(back) => {
                let place = self.length.checked_add_signed(back);
                SeekFrom::Start(place.ok_or(io::ErrorKind::InvalidInput)?)
            }
            other => other,
        };
        self.file.seek(to)
    }
}

impl MediaSource for Stretched {
    fn is_seekable(&self) -> bool {
        true
    }

    fn byte_len(&self) -> Option<u64> {
        Some(self.length)
    }
}
