//! The layer of `hansard.toml`.

use toml::{Table, Value};

use super::{Entry, problem_of_file, text_of_file, unknown};
use crate::problems::{Origin, Place, Problem};
use crate::sources::FileSource;
use crate::table::{self, Meaning, SECTIONS};
use crate::value::Shape;

/// What the file says.
pub(super) fn entries(source: &FileSource, problems: &mut Vec<Problem>) -> Vec<Entry> {
    let Some(text) = text_of_file(source, problems) else { return Vec::new() };
    let table: Table = match text.parse() {
        Ok(table) => table,
        Err(error) => {
            // The whole message would quote the line, which may hold a secret.
            let line = line_of(&text, &error);
            problems.push(problem_of_file(&source.path, line, error.message().to_owned()));
            return Vec::new();
        }
    };
    let origin = Origin::File(source.path.clone());
    let mut entries = Vec::new();
    for (section, value) in table {
        let place = Place::Value(origin.clone());
        let Value::Table(settings) = value else {
            problems.push(unknown(&section, place, str::to_owned));
            continue;
        };
        if !SECTIONS.iter().any(|known| known.name == section) {
            let sections: Vec<_> = SECTIONS.iter().map(|known| known.name).collect();
            let message = format!("there is no such section; there are {}", sections.join(", "));
            problems.push(Problem { key: Some(section), value: None, origin: place, message });
            continue;
        }
        for (name, value) in settings {
            let key = format!("{section}.{name}");
            let Some(meaning) = table::meaning_of_key(&key) else {
                problems.push(unknown(&key, Place::Value(origin.clone()), str::to_owned));
                continue;
            };
            match text_of(&meaning, &value) {
                Some(text) => entries.push(Entry { meaning, text, origin: origin.clone() }),
                None => problems.push(Problem {
                    key: Some(key),
                    value: None,
                    origin: Place::Value(origin.clone()),
                    message: meaning.setting.expectation(),
                }),
            }
        }
    }
    entries
}

/// A value as an environment variable would have it; nothing if it is of a kind that no variable could have.
fn text_of(meaning: &Meaning, value: &Value) -> Option<String> {
    match value {
        Value::Array(items) if meaning.setting.shape == Shape::List => {
            let items: Option<Vec<&str>> = items.iter().map(Value::as_str).collect();
            Some(items?.join(","))
        }
        value => scalar(value),
    }
}

fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Integer(number) => Some(number.to_string()),
        Value::Float(number) => Some(number.to_string()),
        Value::Boolean(switch) => Some(switch.to_string()),
        Value::Array(_) | Value::Table(_) | Value::Datetime(_) => None,
    }
}

/// The line at which the parser gave up, from 1.
fn line_of(text: &str, error: &toml::de::Error) -> Option<usize> {
    let before = text.get(..error.span()?.start)?;
    Some(before.matches('\n').count() + 1)
}
