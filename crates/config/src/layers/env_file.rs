//! The layer of `.env`.

use super::{Entry, problem_of_file, text_of_file, variable};
use crate::problems::{Origin, Problem};
use crate::setting::PREFIX;
use crate::sources::FileSource;
use crate::table;

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
    let (mut entries, mut next_line) = (Vec::new(), 0);
    for pair in dotenvy::Iter::new(text.as_bytes()) {
        match pair {
            Ok((name, value)) => {
                let is_it = |line: &str| name_of(line) == Some(&name);
                next_line = line_where(&text, next_line, is_it).map_or(next_line, |line| line + 1);
                let origin = Origin::EnvFile { path: source.path.clone(), name: name.clone() };
                entries.extend(variable(&name, &value, origin, problems));
            }
            Err(error) => {
                let line = line_of(&text, next_line, &error);
                next_line = line.map_or(next_line, |line| line + 1);
                let harms_none = |line| is_of_another_program(&text, line) && !is_left_open(&error);
                if line.is_some_and(harms_none) {
                    continue;
                }
                let message = "expected NAME=value, with quotes around a value with spaces";
                let line = line.map(|line| line + 1);
                problems.push(problem_of_file(&source.path, line, message.to_owned()));
            }
        }
    }
    entries
}

/// The name that `line` gives a value to.
fn name_of(line: &str) -> Option<&str> {
    let (name, _) = line.split_once('=')?;
    let name = name.trim();
    let name = name.strip_prefix("export ").map_or(name, str::trim_start);
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'.';
    (!name.is_empty() && name.bytes().all(is_name)).then_some(name)
}

/// Whether nothing of ours depends on what stands in this line. Other programs share the file, and read what we do not.
fn is_of_another_program(text: &str, line: usize) -> bool {
    let name = text.lines().nth(line).and_then(name_of);
    name.is_some_and(|name| {
        let is_ours = name.starts_with(PREFIX) || table::meaning_of_variable(name).is_some();
        !is_ours && !text.contains(&format!("${{{name}}}"))
    })
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
    lines.find_map(|(index, line)| {
        let message = wrong(line)?;
        (!is_of_another_program(text, index)).then_some((index + 1, message))
    })
}

/// The line, from 0, that the parser could not take, which is not before `from`. The error quotes it or its value, which must
/// not be shown.
fn line_of(text: &str, from: usize, error: &dotenvy::Error) -> Option<usize> {
    let dotenvy::Error::LineParse(quoted, _) = error else { return None };
    let first = quoted.lines().next().filter(|line| !line.is_empty())?;
    line_where(text, from, |line| line.ends_with(first))
}

/// Whether a quote was opened and not closed in its line, so that lines after it are lost too.
fn is_left_open(error: &dotenvy::Error) -> bool {
    match error {
        dotenvy::Error::LineParse(quoted, _) => quoted.trim_end().contains('\n'),
        _ => true,
    }
}

/// The first line, from 0 and not before `from`, that is as asked.
fn line_where(text: &str, from: usize, is_it: impl Fn(&str) -> bool) -> Option<usize> {
    text.lines().skip(from).position(is_it).map(|index| from + index)
}
