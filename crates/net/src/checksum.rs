//! The two checksums by which a model hub names files.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use ring::digest::{self, Context};

/// Bytes of a file read at a time.
const BLOCK: usize = 256 * 1024;

/// A promised checksum.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Checksum {
    /// SHA-256 of the bytes, as 64 lower-case hexadecimal digits.
    Sha256(String),
    /// Git's name of a blob, SHA-1 over `blob <length>\0` and the bytes, as 40 lower-case hexadecimal digits. It finds
    /// damage; it does not withstand an attacker.
    GitBlob(String),
}

impl Checksum {
    /// Reads 64 or 40 lower-case hexadecimal digits.
    pub fn parse(digits: &str) -> Option<Self> {
        let hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        if !digits.bytes().all(hex) {
            return None;
        }
        match digits.len() {
            64 => Some(Self::Sha256(digits.to_owned())),
            40 => Some(Self::GitBlob(digits.to_owned())),
            _ => None,
        }
    }

    /// The hexadecimal digits.
    pub fn digits(&self) -> &str {
        match self {
            Self::Sha256(digits) | Self::GitBlob(digits) => digits,
        }
    }

    /// Whether the file at `path` has this checksum. Reads all of it.
    pub fn matches(&self, path: &Path) -> io::Result<bool> {
        let mut file = File::open(path)?;
        let mut hasher = Hasher::new(self, file.metadata()?.len());
        hasher.read(&mut file)?;
        Ok(hasher.finish() == self.digits())
    }
}

/// Computes a checksum piece by piece.
#[derive(Clone)]
pub struct Hasher(Context);

impl Hasher {
    /// Begins a checksum of the same kind as `like` over `length` bytes.
    pub fn new(like: &Checksum, length: u64) -> Self {
        match like {
            Checksum::Sha256(_) => Self::sha256(),
            Checksum::GitBlob(_) => {
                let mut context = Context::new(&digest::SHA1_FOR_LEGACY_USE_ONLY);
                context.update(format!("blob {length}\0").as_bytes());
                Self(context)
            }
        }
    }

    /// Begins a SHA-256.
    pub fn sha256() -> Self {
        Self(Context::new(&digest::SHA256))
    }

    /// Takes the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// Takes the rest of `input`, and tells how many bytes that was.
    pub fn read(&mut self, input: &mut impl Read) -> io::Result<u64> {
        let mut block = vec![0; BLOCK];
        let mut length = 0;
        loop {
            let count = match input.read(&mut block) {
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            if count == 0 {
                return Ok(length);
            }
            self.update(&block[..count]);
            length += count as u64;
        }
    }

    /// The checksum in lower-case hexadecimal digits.
    pub fn finish(self) -> String {
        self.0.finish().as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_kinds_agree_with_sha256sum_and_git() {
        // `printf 'hello\n' | sha256sum` and `printf 'hello\n' | git hash-object --stdin`.
        for digits in [
            "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03",
            "ce013625030ba8dba906f756967f9e9ca394464a",
        ] {
            let checksum = Checksum::parse(digits).unwrap();
            let mut hasher = Hasher::new(&checksum, 6);
            assert_eq!(hasher.read(&mut &b"hello\n"[..]).unwrap(), 6);
            assert_eq!(hasher.finish(), digits);
        }
    }

    #[test]
    fn what_is_no_checksum_is_not_taken_for_one() {
        for digits in ["", "../../etc/passwd", &"A".repeat(40), &"g".repeat(64), &"0".repeat(41)] {
            assert_eq!(Checksum::parse(digits), None, "{digits}");
        }
    }
}
