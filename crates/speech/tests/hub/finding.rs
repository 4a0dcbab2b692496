//! What is on this machine: found, listed, checked and removed.

use std::fs;

use hansard_speech::hub::{Condition, Error, FileCondition, Origin};
use hansard_testkit::hub_server::{COMMIT, Repository, fixture_model};

use crate::desk::Desk;

fn conditions(desk: &Desk, model: &str) -> Vec<(String, Condition)> {
    let mut found = Vec::new();
    let mut each = |file: &FileCondition| found.push((file.file.clone(), file.condition));
    desk.hub().verify(model, &mut each).expect("the model can be checked");
    found
}

#[test]
fn a_missing_model_says_what_to_do() {
    let desk = Desk::new();

    let message = desk.hub().resolve("small").unwrap_err().to_string();

    for hint in ["hansard models pull small", "hansard models import", "HF_ENDPOINT"] {
        assert!(message.contains(hint), "{message}");
    }
    assert!(desk.server.seen().is_empty(), "looking for a model must not use the network");
}

#[test]
fn a_folder_or_its_weights_is_a_model() {
    let desk = Desk::new();
    let folder = fixture_model();

    let by_folder = desk.hub().resolve(folder.to_str().unwrap()).unwrap();
    let by_file = desk.hub().resolve(folder.join("model.safetensors").to_str().unwrap()).unwrap();

    assert_eq!(by_folder, folder);
    assert_eq!(by_file, folder);
}

#[test]
fn a_folder_that_is_no_model_says_what_it_lacks() {
    let desk = Desk::new();
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("config.json"), "{}").unwrap();
    let path = folder.path().to_str().unwrap();

    let lacking = desk.hub().resolve(path).unwrap_err().to_string();
    let absent = desk.hub().resolve("./nowhere").unwrap_err();

    assert!(lacking.contains("tokenizer.json, model.safetensors"), "{lacking}");
    assert!(matches!(absent, Error::NoSuchFolder { .. }));
}

#[test]
fn the_list_begins_with_the_model_to_be_preferred() {
    let desk = Desk::new();
    for id in ["openai/whisper-small.en", "openai/whisper-small", "ana/pt"] {
        desk.server.publish(id, Repository::of_folder(&fixture_model()));
    }
    desk.server.publish(
        "ana/bert",
        Repository::of_folder(&fixture_model()).with("config.json", r#"{"model_type": "bert"}"#),
    );
    for model in ["tiny", "ana/pt", "small.en", "small", "ana/bert"] {
        desk.pull(model).unwrap();
    }
    desk.hub().import("zoo", &fixture_model()).unwrap();

    let listed = desk.hub().list().unwrap();

    let names: Vec<&str> = listed.iter().map(|model| model.name.as_str()).collect();
    assert_eq!(names, ["zoo", "small", "tiny", "small.en", "ana/pt"]);
    assert_eq!(listed[0].origin, Origin::Imported);
    let origin = Origin::Hub { id: "openai/whisper-small".into(), commit: COMMIT.into() };
    assert_eq!(listed[1].origin, origin);
    assert!(listed.iter().all(|model| model.missing.is_empty() && model.bytes > 18_000_000));
}

#[test]
fn a_flipped_byte_and_a_lost_file_are_found() {
    let desk = Desk::new();
    let folder = desk.pull("tiny").unwrap().folder;
    assert!(conditions(&desk, "tiny").iter().all(|(_, condition)| *condition == Condition::Sound));

    for name in ["model.safetensors", "config.json"] {
        let blob = fs::canonicalize(folder.join(name)).unwrap();
        let mut bytes = fs::read(&blob).unwrap();
        bytes[300] ^= 1;
        fs::write(&blob, bytes).unwrap();
    }
    fs::remove_file(fs::canonicalize(folder.join("tokenizer.json")).unwrap()).unwrap();

    let found = conditions(&desk, "tiny");
    let of = |name: &str| found.iter().find(|(file, _)| file == name).map(|(_, found)| *found);
    assert_eq!(of("model.safetensors"), Some(Condition::Damaged));
    assert_eq!(of("config.json"), Some(Condition::Damaged));
    assert_eq!(of("generation_config.json"), Some(Condition::Sound));
    assert_eq!(of("tokenizer.json"), Some(Condition::Missing));
}

#[test]
fn a_removed_model_is_gone_and_others_stay() {
    let desk = Desk::new();
    desk.server.publish("openai/whisper-tiny.en", Repository::of_folder(&fixture_model()));
    desk.pull("tiny").unwrap();
    desk.pull("tiny.en").unwrap();

    let freed = desk.hub().remove("tiny").unwrap();

    assert!(freed > 18_000_000);
    assert!(matches!(desk.hub().resolve("tiny"), Err(Error::NotInstalled { .. })));
    assert!(desk.hub().resolve("tiny.en").is_ok());
    assert!(!desk.tiny("").exists());
    assert!(matches!(desk.hub().remove("tiny"), Err(Error::NotInstalled { .. })));
}

#[test]
fn only_whole_models_that_are_ours_are_removed() {
    let desk = Desk::new();
    desk.pull("tiny").unwrap();
    let folder = tempfile::tempdir().unwrap();

    let revision = desk.hub().remove(&format!("tiny@{COMMIT}"));
    let elsewhere = desk.hub().remove(folder.path().to_str().unwrap());
    let upwards = desk.hub().remove("..");

    assert!(matches!(revision, Err(Error::RemoveRevision { .. })));
    assert!(matches!(elsewhere, Err(Error::Name { .. })));
    assert!(matches!(upwards, Err(Error::Name { .. })));
    assert!(folder.path().exists());
    assert!(desk.hub().resolve("tiny").is_ok());
}
