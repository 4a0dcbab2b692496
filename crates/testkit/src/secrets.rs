//! A search for the secrets of a test in what was printed, stored, logged and answered.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::path::Path;
use std::sync::OnceLock;

use aho_corasick::AhoCorasick;
use base64::Engine;
use base64::prelude::{BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE_NO_PAD};
use percent_encoding::percent_decode;

/// Shorter ones would be found by accident.
const BYTES_MIN: usize = 8;

/// How much of what comes before a finding is told, in bytes.
const NEAR_BYTES: usize = 40;

/// The secrets that are looked for, each with a name that may be told.
#[derive(Default)]
pub struct Secrets {
    names: Vec<String>,
    spellings: Vec<Spelling>,
    /// All spellings in one, made when they are first looked for.
    search: OnceLock<AhoCorasick>,
}

/// One way to write a secret.
struct Spelling {
    secret: usize,
    form: Form,
    bytes: Vec<u8>,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Form {
    Raw,
    Base64,
    Hex,
    Percent,
}

impl Secrets {
    /// Looks for one more from now on.
    ///
    /// # Panics
    ///
    /// When it is too short to tell it from anything else.
    pub fn keep(&mut self, name: &str, secret: impl AsRef<[u8]>) {
        let secret = secret.as_ref();
        assert!(secret.len() >= BYTES_MIN, "{name} is too short to be looked for");
        let number = self.names.len();
        self.names.push(name.to_owned());
        let spellings = spellings(secret).into_iter();
        self.spellings.extend(spellings.map(|(form, bytes)| Spelling {
            secret: number,
            form,
            bytes,
        }));
        self.search = OnceLock::new();
    }

    /// Complaints about each secret in `text`: as it is, in Base64, also in the middle of it, in hexadecimal digits, and with
    /// any of its bytes percent-encoded. They name `place` and tell what comes before; never the secret.
    pub fn find(&self, place: &str, text: &[u8]) -> Vec<String> {
        let plain = self.positions(text);
        let mut complaints: Vec<String> = plain
            .iter()
            .map(|((secret, form), at)| self.complaint(place, *secret, *form, &text[..*at]))
            .collect();
        if text.contains(&b'%') {
            let decoded: Vec<u8> = percent_decode(text).collect();
            for ((secret, form), at) in self.positions(&decoded) {
                if !plain.contains_key(&(secret, form)) {
                    let before = &decoded[..at];
                    complaints.push(self.complaint(place, secret, Form::Percent, before));
                }
            }
        }
        complaints
    }

    /// The same about all files below a folder.
    pub fn find_in_folder(&self, folder: &Path) -> Vec<String> {
        let mut complaints = Vec::new();
        for entry in fs::read_dir(folder).expect("the folder can be read") {
            let path = entry.expect("the folder can be read").path();
            if path.is_dir() {
                complaints.extend(self.find_in_folder(&path));
            } else {
                let text = fs::read(&path).expect("the file can be read");
                complaints.extend(self.find(&path.display().to_string(), &text));
            }
        }
        complaints
    }

    /// Where each secret begins for the first time, in each of its forms.
    fn positions(&self, text: &[u8]) -> BTreeMap<(usize, Form), usize> {
        let search = self.search.get_or_init(|| {
            let spellings = self.spellings.iter().map(|spelling| &spelling.bytes);
            AhoCorasick::new(spellings).expect("secrets are few and short")
        });
        let mut positions = BTreeMap::new();
        for found in search.find_overlapping_iter(text) {
            let spelling = &self.spellings[found.pattern().as_usize()];
            positions.entry((spelling.secret, spelling.form)).or_insert(found.start());
        }
        positions
    }

    fn complaint(&self, place: &str, secret: usize, form: Form, before: &[u8]) -> String {
        let near = &before[before.len().saturating_sub(NEAR_BYTES)..];
        let near = String::from_utf8_lossy(near);
        format!("{place} has {} {form} after {near:?}", self.names[secret])
    }
}

/// All ways to write a secret but percent-encoding, which leaves the writer too many.
fn spellings(secret: &[u8]) -> Vec<(Form, Vec<u8>)> {
    let hex: String = secret.iter().map(|byte| format!("{byte:02x}")).collect();
    let mut spellings = vec![
        (Form::Raw, secret.to_vec()),
        (Form::Hex, hex.to_uppercase().into_bytes()),
        (Form::Hex, hex.into_bytes()),
    ];
    if secret.contains(&b' ') {
        let plus = |byte: &u8| if *byte == b' ' { b'+' } else { *byte };
        spellings.push((Form::Percent, secret.iter().map(plus).collect()));
    }
    // Three bytes make four letters, so what precedes the secret shifts its letters in one of three ways.
    for (shift, shared) in [(0, 0), (1, 2), (2, 3)] {
        let shifted = [&[0; 2][..shift], secret].concat();
        let own = shifted.len() * 8 / 6;
        for alphabet in [BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE_NO_PAD] {
            // Letters that hold bits of a neighbour's are not looked for.
            let letters = &alphabet.encode(&shifted)[shared..own];
            spellings.push((Form::Base64, letters.as_bytes().to_vec()));
        }
    }
    spellings
}

impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Raw => "as it is",
            Self::Base64 => "in Base64",
            Self::Hex => "in hexadecimal digits",
            Self::Percent => "percent-encoded",
        })
    }
}

/// Names only.
impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Secrets").field(&self.names).finish()
    }
}
