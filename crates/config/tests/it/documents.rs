//! The generated files are those of today's table, and what they say is true.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use hansard_config::{document, settings};

use crate::setup::Setup;

/// Set this variable to write the files anew.
const WRITE: &str = "HANSARD_WRITE_DOCS";

#[track_caller]
fn is_fresh(path: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path);
    if std::env::var_os(WRITE).is_some() {
        fs::write(&path, text).expect("the file can be written");
    }
    let written = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        written == text,
        "{} is stale; {WRITE}=1 cargo test -p hansard-config writes it",
        path.display()
    );
}

#[test]
fn the_example_file_is_fresh() {
    is_fresh("hansard.example.toml", &document::example());
}

#[test]
fn the_page_of_settings_is_fresh() {
    is_fresh("docs/config.md", &document::page());
}

/// The example with every setting in force.
fn uncommented() -> String {
    let is_setting = |line: &str| {
        let name = line.strip_prefix("# ").and_then(|line| line.split_once(" = "));
        name.is_some_and(|(name, _)| settings().any(|setting| setting.name == name))
    };
    let example = document::example();
    let lines = example.lines().map(|line| if is_setting(line) { &line[2..] } else { line });
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn the_example_can_be_used_but_for_its_secrets() {
    let problems =
        Setup::new().toml(&uncommented()).load().expect_err("its secrets are examples").0;
    let keys: BTreeSet<_> = problems.iter().filter_map(|problem| problem.key.as_deref()).collect();
    let secrets = settings().filter(|setting| setting.rule.example == "change-me");
    assert_eq!(keys, secrets.map(|setting| setting.key).collect(), "{problems:?}");
}

#[test]
fn the_example_shows_the_defaults() {
    let shown: toml::Table = uncommented().parse().expect("TOML");
    for setting in settings().filter(|setting| setting.rule.default.is_some()) {
        let value = &shown[setting.section][setting.name];
        let text = match value {
            toml::Value::Integer(number) => number.to_string(),
            toml::Value::Boolean(switch) => switch.to_string(),
            toml::Value::Array(texts) => {
                let texts = texts.iter().map(|text| text.as_str().expect("a list of texts"));
                texts.collect::<Vec<_>>().join(", ")
            }
            value => value.as_str().expect("a text").to_owned(),
        };
        assert_eq!(Some(text.as_str()), setting.rule.default, "{}", setting.key);
    }
}

#[test]
fn no_name_stands_for_two_settings() {
    let mut names = BTreeSet::new();
    for setting in settings() {
        let well_known = setting.rule.names.iter().map(|name| (*name).to_owned());
        for name in well_known.chain([setting.variable(), setting.key.to_owned()]) {
            assert!(names.insert(name), "{}", setting.key);
        }
    }
}
