//! The layers over one another: what each says, which names disagree, and which value wins.

mod env_file;
mod file;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use crate::problems::{Origin, Place, Problem};
use crate::setting::PREFIX;
use crate::sources::{FileSource, Sources};
use crate::table::{self, Meaning};
use crate::value::Shape;

/// The longest configuration file that is read, in bytes. The example with every setting has a hundredth of it.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// The longest secret that is read from a file, in bytes.
const SECRET_BYTES_MAX: u64 = 1 << 16;

/// The values that won, by key.
pub(crate) type Values = BTreeMap<&'static str, Given>;

/// A value as it was written. It may be a secret, so it cannot be printed.
pub(crate) struct Given {
    /// The text of the value; for a secret in a file, of the file.
    pub(crate) text: String,
    /// Where it was written.
    pub(crate) origin: Origin,
    /// How strong its layer is.
    pub(crate) layer: Layer,
}

/// The layers, from the weakest to the strongest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Layer {
    File,
    EnvFile,
    Environment,
    Flags,
}

/// One setting in one layer: which it is, what was written, and where.
struct Entry {
    meaning: Meaning,
    text: String,
    origin: Origin,
}

/// Reads all sources. What cannot be used is a problem and otherwise left out.
pub(crate) fn gather(sources: &Sources) -> (Values, Vec<Problem>) {
    let mut problems = Vec::new();
    let mut winners = BTreeMap::new();
    for (layer, entries) in [
        (Layer::File, file::entries(&sources.file, &mut problems)),
        (Layer::EnvFile, env_file::entries(&sources.env_file, &mut problems)),
        (Layer::Environment, environment(sources, &mut problems)),
        (Layer::Flags, flags(sources, &mut problems)),
    ] {
        for entry in agreed(entries, &mut problems) {
            winners.insert(entry.meaning.setting.key, (layer, entry));
        }
    }
    let mut values = Values::new();
    for (key, (layer, entry)) in winners {
        if let Some(text) = text_of(&entry, &mut problems) {
            values.insert(key, Given { text, origin: entry.origin, layer });
        }
    }
    (values, problems)
}

/// The entries of one layer, each setting once. Names that say different things about one setting are a problem.
fn agreed(entries: Vec<Entry>, problems: &mut Vec<Problem>) -> Vec<Entry> {
    let mut agreed: Vec<Entry> = Vec::new();
    for entry in entries {
        let key = entry.meaning.setting.key;
        match agreed.iter().find(|before| before.meaning.setting.key == key) {
            None => agreed.push(entry),
            Some(before) if before.meaning.is_file != entry.meaning.is_file => {
                let message = format!("{} has the same secret; keep one of them", before.origin);
                problems.push(problem_of(&entry, message));
            }
            Some(before) if before.text.trim() == entry.text.trim() => {}
            Some(before) => {
                let message = format!("{} sets it to another value", before.origin);
                problems.push(problem_of(&entry, message));
            }
        }
    }
    agreed
}

fn environment(sources: &Sources, problems: &mut Vec<Problem>) -> Vec<Entry> {
    let mut entries = Vec::new();
    for (name, value) in &sources.environment {
        // A name that is not text is none of ours.
        let Some(name) = name.to_str() else { continue };
        let origin = Origin::Variable(name.to_owned());
        match value.to_str() {
            Some(value) => entries.extend(variable(name, value, origin, problems)),
            None if table::meaning_of_variable(name).is_some() => problems.push(Problem {
                key: Some(name.to_owned()),
                value: None,
                origin: Place::Value(origin),
                message: "the value is not UTF-8".to_owned(),
            }),
            None => {}
        }
    }
    // The environment has no order; problems should.
    entries.sort_by_key(|entry| entry.origin.to_string());
    entries
}

/// What a variable of the environment or of its file says, if it is one of ours and says anything.
fn variable(name: &str, value: &str, origin: Origin, problems: &mut Vec<Problem>) -> Option<Entry> {
    let Some(meaning) = table::meaning_of_variable(name) else {
        if name.starts_with(PREFIX) {
            problems.push(unknown(name, Place::Value(origin), |key| {
                table::by_key(key).map_or_else(|| key.to_owned(), |setting| setting.variable())
            }));
        }
        return None;
    };
    let says_nothing = value.is_empty() && (meaning.is_file || !meaning.setting.blank_counts);
    (!says_nothing).then(|| Entry { meaning, text: value.to_owned(), origin })
}

fn flags(sources: &Sources, problems: &mut Vec<Problem>) -> Vec<Entry> {
    let mut entries = Vec::new();
    for flag in &sources.flags {
        let origin = Origin::Flag(flag.flag);
        match table::meaning_of_key(flag.key) {
            Some(meaning) => entries.push(Entry { meaning, text: flag.value.clone(), origin }),
            None => problems.push(unknown(flag.key, Place::Value(origin), str::to_owned)),
        }
    }
    entries
}

/// A name that means nothing; `named` writes a key in the same manner, for the suggestion.
fn unknown(name: &str, origin: Place, named: impl Fn(&str) -> String) -> Problem {
    let key = name.strip_prefix(PREFIX).unwrap_or(name).replace("__", ".");
    let message = match table::suggestion(&key) {
        Some(key) => format!("there is no such setting; did you mean {}?", named(key)),
        None => "there is no such setting; hansard config example lists all".to_owned(),
    };
    Problem { key: Some(name.to_owned()), value: None, origin, message }
}

/// The value that an entry stands for: its text, or what is in the file that it names.
fn text_of(entry: &Entry, problems: &mut Vec<Problem>) -> Option<String> {
    if !entry.meaning.is_file {
        return Some(entry.text.clone());
    }
    match read_bounded(Path::new(&entry.text), SECRET_BYTES_MAX) {
        Ok(text) => Some(text),
        Err(error) => {
            problems.push(Problem {
                key: Some(format!("{}_file", entry.meaning.setting.key)),
                value: Some(entry.text.clone()),
                origin: Place::Value(entry.origin.clone()),
                message: format!("the file cannot be read: {error}"),
            });
            None
        }
    }
}

fn problem_of(entry: &Entry, message: String) -> Problem {
    let setting = entry.meaning.setting;
    Problem {
        key: Some(setting.key.to_owned()),
        value: Some(if setting.shape == Shape::Secret {
            "(set)".to_owned()
        } else {
            crate::value::without_credentials(&entry.text)
        }),
        origin: Place::Value(entry.origin.clone()),
        message,
    }
}

/// The text of a configuration file; nothing if it may be missing and is.
fn text_of_file(source: &FileSource, problems: &mut Vec<Problem>) -> Option<String> {
    match read_bounded(&source.path, FILE_BYTES_MAX) {
        Ok(text) => Some(text),
        // Some people have a folder of Python's packages under the name `.env`.
        Err(error)
            if !source.is_required
                && matches!(
                    error.kind(),
                    io::ErrorKind::NotFound | io::ErrorKind::IsADirectory
                ) =>
        {
            None
        }
        Err(error) => {
            problems.push(problem_of_file(&source.path, None, format!("cannot be read: {error}")));
            None
        }
    }
}

fn problem_of_file(path: &Path, line: Option<usize>, message: String) -> Problem {
    let origin = Place::File { path: path.to_owned(), line };
    Problem { key: None, value: None, origin, message }
}

fn read_bounded(path: &Path, bytes_max: u64) -> io::Result<String> {
    let mut text = String::new();
    // One byte more tells a file that is too long from one that just fits.
    File::open(path)?.take(bytes_max + 1).read_to_string(&mut text)?;
    if text.len() as u64 > bytes_max {
        return Err(io::Error::new(
            io::ErrorKind::FileTooLarge,
            format!("it has more than {bytes_max} bytes"),
        ));
    }
    Ok(text)
}
