//! The layer of `.env`.

use super::{Entry, problem_of_file, text_of_file, variable};
use crate::problems::{Origin, Problem};
use crate::sources::FileSource;

/// What the file says. The environment of the process is left as it is.
pub(super) fn entries(source: &FileSource, problems: &mut Vec<Problem>) -> Vec<Entry> {
    let Some(text) = text_of_file(source, problems) else { return Vec::new() };
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    if let Some((line, message)) = dollar(text) {
        problems.push(problem_of_file(&source.path, Some(line), message.to_owned()));
        return Vec::new();
    }
    // The parser wants the last line to end like the others.
    let text = format!("{text}\n");
    let mut entries = Vec::new();
    for pair in dotenvy::Iter::new(text.as_bytes()) {
        match pair {
            Ok((name, value)) => {
                let origin = Origin::EnvFile { path: source.path.clone(), name: name.clone() };
                entries.extend(variable(&name, &value, origin, problems));
            }
            Err(error) => {
                let message = "expected NAME=value, with quotes around a value with spaces";
                let line = line_of(&text, &error);
                problems.push(problem_of_file(&source.path, line, message.to_owned()));
            }
        }
    }
    entries
}

/// The line, from 1, of a value in which something would quietly be replaced by something else than Python does, and why.
///
/// Python leaves `$name` as it is, and a password with a dollar sign would become another one; it knows `${name:-default}`,
/// which would become nothing here. `${name}` is replaced by both.
fn dollar(text: &str) -> Option<(usize, &'static str)> {
    let wrong = |line: &str| {
        let (name, value) = line.split_once('=')?;
        if name.trim_start().starts_with('#') || value.trim_start().starts_with('\'') {
            return None;
        }
        let value = value.split_once(" #").map_or(value, |(value, _comment)| value);
        value.match_indices('$').find_map(|(at, _)| {
            let braced = value[at + 1..].strip_prefix('{');
            match braced.map(|rest| rest.split_once('}').map_or(rest, |(name, _)| name)) {
                _ if value[..at].ends_with('\\') => None,
                None => Some("a value with a dollar sign belongs in single quotes"),
                Some(name)
                    if name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') =>
                {
                    None
                }
                Some(_) => {
                    Some("only a name may stand in ${}: write the value in place of a default")
                }
            }
        })
    };
    let mut lines = text.lines().enumerate();
    lines.find_map(|(index, line)| Some((index + 1, wrong(line)?)))
}

/// The line, from 1, that the parser could not take. The error quotes it or its value, which must not be shown.
fn line_of(text: &str, error: &dotenvy::Error) -> Option<usize> {
    let dotenvy::Error::LineParse(quoted, _) = error else { return None };
    let first = quoted.lines().next().filter(|line| !line.is_empty())?;
    text.lines().position(|line| line.ends_with(first)).map(|index| index + 1)
}
