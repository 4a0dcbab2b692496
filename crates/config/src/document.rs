//! What people read about the settings, made from the table: the example file and a page of documentation.

use crate::setting::{FILE_SUFFIX, Section, Setting};
use crate::table::SECTIONS;
use crate::value::{Shape, entries};

/// The text of `hansard.example.toml`: every setting, commented out, with its default or an example.
pub fn example() -> String {
    let mut text = String::from(
        "# Every setting of Hansard. Copy what you change to hansard.toml; hansard config check tells what is wrong.\n\
         # A value is the default unless the text says otherwise. This file is generated: hansard config example.\n",
    );
    for section in SECTIONS {
        text.push_str(&format!("\n{}[{}]\n", comment(section.doc), section.name));
        for setting in section.settings {
            text.push('\n');
            text.push_str(&comment(setting.doc));
            if setting.rule.default.is_none() {
                text.push_str("# Not set by default.\n");
            }
            text.push_str(&format!("# {} = {}\n", setting.name, in_toml(setting)));
        }
    }
    text
}

/// The page `docs/config.md`.
pub fn page() -> String {
    let mut text = String::from(INTRODUCTION);
    for section in SECTIONS {
        text.push_str(&section_of_page(section));
    }
    text
}

const INTRODUCTION: &str = "\
# Configuration

<!-- Generated from crates/config/src/sections; CONTRIBUTING.md says how. -->

Hansard starts without any configuration.
What you do set can stand in five places, from the weakest to the strongest:

1. the defaults below;
2. `hansard.toml` in the current folder, or the file that `--config` names;
3. `.env` in the current folder, or the file that `--env-file` names;
4. environment variables;
5. flags of the command line.

Every setting has a variable of its own, `HANSARD__SECTION__KEY`, and some have names that other programs use too.
Two names in one place that set the same thing to different values are an error.
A variable that is set to nothing counts as not set, but a secret must not be blank.

`hansard config check` says everything that is wrong at once, `hansard config show` prints what is in force and where it comes from, and `hansard config example` prints a commented file with every setting.

Relative paths are relative to the current folder.
Durations are written as `250ms`, `30s`, `5m`, `1h 30m` or `30d`, sizes as `1GiB`, `512MB` or a number of bytes.
A list is an array in the file, and has commas in a variable.

A secret can be read from a file: give the path in the setting with `_file` at the end of its name, as in `api_key_file` or `HANSARD__SERVER__API_KEY_FILE`.
White space around a secret does not count.
A secret that everybody knows, such as `change-me`, is refused; one that is not set switches its feature off.

In `.env`, a value with a dollar sign or a space belongs in single quotes; `${NAME}` is replaced by the variable of that name.
Lines of other programs are left alone.
";

fn section_of_page(section: &Section) -> String {
    let mut text = format!("\n## {}\n\n{}", section.name, sentences(section.doc));
    for setting in section.settings {
        text.push_str(&format!("\n### {}\n\n{}\n", setting.key, sentences(setting.doc)));
        text.push_str(&match setting.rule.default {
            Some(default) => format!("- Default: `{default}`\n"),
            None if setting.is_secret() => "- Not set by default\n".to_owned(),
            None => format!("- Not set by default; for example `{}`\n", setting.rule.example),
        });
        text.push_str(&format!(
            "- Value: {}\n",
            setting.expectation().trim_start_matches("expected ")
        ));
        text.push_str(&format!("- Environment: {}\n", variables(setting)));
        if setting.is_secret() {
            text.push_str(&format!("- From a file: `{}{FILE_SUFFIX}`\n", setting.key));
        }
    }
    text
}

fn variables(setting: &Setting) -> String {
    let names = setting.rule.names.iter().map(|name| format!("`{name}`"));
    let own = std::iter::once(format!("`{}`", setting.variable()));
    own.chain(names).collect::<Vec<_>>().join(", ")
}

/// The value as the configuration file has it.
fn in_toml(setting: &Setting) -> String {
    let value = setting.rule.example;
    match setting.shape {
        Shape::Bare => value.to_owned(),
        Shape::List => {
            let quoted: Vec<_> = entries(value).map(|entry| format!("\"{entry}\"")).collect();
            format!("[{}]", quoted.join(", "))
        }
        Shape::Text | Shape::Secret => format!("\"{value}\""),
    }
}

fn comment(doc: &str) -> String {
    doc.lines().map(|line| format!("# {}\n", line.trim())).collect()
}

/// Markdown has one sentence a line, and doc comments break lines where they get long.
fn sentences(doc: &str) -> String {
    let joined = doc.lines().map(str::trim).collect::<Vec<_>>().join(" ");
    joined.replace(". ", ".\n").trim_end().to_owned() + "\n"
}
