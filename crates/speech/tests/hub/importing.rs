//! Models that come on a disk.

use std::fs;
use std::path::Path;

use hansard_speech::hub::{Condition, Error, FileCondition};
use hansard_testkit::hub_server::fixture_model;
use tempfile::TempDir;

use crate::desk::Desk;

/// A copy of the fixture model with one file changed.
fn with_file(name: &str, bytes: &[u8]) -> TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    for entry in fs::read_dir(fixture_model()).expect("the fixtures are there").flatten() {
        fs::copy(entry.path(), folder.path().join(entry.file_name())).expect("it can be copied");
    }
    fs::write(folder.path().join(name), bytes).expect("it can be written");
    folder
}

fn names_in(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().into_string().ok()).collect()
}

#[test]
fn an_imported_model_is_found_without_a_network() {
    let mut desk = Desk::new();
    desk.config.offline = true;

    let folder = desk.hub().import("parish", &fixture_model()).unwrap();

    assert_eq!(desk.hub().resolve("parish").unwrap(), folder);
    assert_eq!(desk.hub().default_model().unwrap().as_deref(), Some("parish"));
    assert!(matches!(desk.hub().import("parish", &fixture_model()), Err(Error::Exists { .. })));
    assert!(desk.hub().remove("parish").unwrap() > 18_000_000);
    assert!(matches!(desk.hub().resolve("ana/parish"), Err(Error::NotInstalled { .. })));
}

#[test]
fn damage_after_the_import_is_found() {
    let desk = Desk::new();
    let folder = desk.hub().import("parish", &fixture_model()).unwrap();
    fs::write(folder.join("generation_config.json"), "{}").unwrap();
    let mut damaged = Vec::new();

    desk.hub()
        .verify("parish", &mut |file: &FileCondition| {
            if file.condition != Condition::Sound {
                damaged.push((file.file.clone(), file.condition));
            }
        })
        .unwrap();

    assert_eq!(damaged, [("generation_config.json".to_owned(), Condition::Damaged)]);
}

#[test]
fn a_folder_that_is_no_model_is_refused_and_leaves_nothing() {
    let desk = Desk::new();
    let weights = fs::read(fixture_model().join("model.safetensors")).unwrap();
    for (name, bytes) in [
        ("config.json", &b"{"[..]),
        ("config.json", br#"{"model_type": "bert"}"#),
        ("tokenizer.json", b"not json"),
        ("model.safetensors", b"short"),
        ("model.safetensors", &[0xff; 64]),
        ("model.safetensors", &weights[..weights.len() - 1]),
    ] {
        let folder = with_file(name, bytes);

        let error = desk.hub().import("parish", folder.path()).unwrap_err();

        assert!(matches!(error, Error::Unusable { .. }), "{name}: {error:?}");
        assert_eq!(names_in(&desk.config.own_models), [""; 0]);
    }
}

#[test]
fn a_name_that_leads_elsewhere_is_refused() {
    let desk = Desk::new();

    for name in ["", "..", ".hidden", "a/b", "-rf", "two words"] {
        let refused = desk.hub().import(name, &fixture_model());
        assert!(matches!(refused, Err(Error::ImportName { .. })), "{name}");
    }
}
