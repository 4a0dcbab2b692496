//! A hub that wants to be believed.

use hansard_speech::hub::Error;
use hansard_testkit::hub_server::{Repository, fixture_model};

use crate::desk::Desk;

fn model() -> Repository {
    Repository::of_folder(&fixture_model())
}

fn index(shards: &[&str]) -> String {
    let map: Vec<String> =
        shards.iter().enumerate().map(|(n, shard)| format!(r#""tensor{n}": "{shard}""#)).collect();
    format!(r#"{{"metadata": {{}}, "weight_map": {{{}}}}}"#, map.join(", "))
}

#[test]
fn shards_are_fetched_as_the_index_names_them() {
    let desk = Desk::new();
    let weights = std::fs::read(fixture_model().join("model.safetensors")).unwrap();
    let sharded = model()
        .without("model.safetensors")
        .with(
            "model.safetensors.index.json",
            index(&["model-1.safetensors", "model-2.safetensors"]),
        )
        .with("model-1.safetensors", &weights[..1000])
        .with("model-2.safetensors", &weights[1000..]);
    desk.server.publish("ana/sharded", sharded);

    let pulled = desk.pull("ana/sharded").unwrap();

    assert!(pulled.folder.join("model-1.safetensors").is_file());
    assert!(pulled.folder.join("model-2.safetensors").is_file());
    assert_eq!(desk.hub().resolve("ana/sharded").unwrap(), pulled.folder);
}

#[test]
fn a_shard_that_leads_out_of_the_folder_is_refused() {
    for shard in ["../../../evil.safetensors", "/tmp/evil.safetensors", "a/../evil.safetensors"] {
        let desk = Desk::new();
        let evil = model()
            .without("model.safetensors")
            .with("model.safetensors.index.json", index(&[shard]))
            .with(shard, "evil");
        desk.server.publish("ana/evil", evil);

        let error = desk.pull("ana/evil").unwrap_err();

        assert!(matches!(error, Error::Answer { .. }), "{shard}: {error:?}");
        assert!(desk.server.downloads().iter().all(|seen| !seen.target.contains("evil.safe")));
    }
}

#[test]
fn only_the_files_of_a_model_are_fetched() {
    let desk = Desk::new();
    let cluttered = model()
        .with("../../../../.profile", "evil")
        .with("/etc/cron.d/evil", "evil")
        .with("pytorch_model.bin", "pickled")
        .with("onnx/model.onnx", "large");
    desk.server.publish("ana/cluttered", cluttered);

    let pulled = desk.pull("ana/cluttered").unwrap();

    let files = std::fs::read_dir(pulled.folder).unwrap().count();
    assert_eq!(files, 5);
}

#[test]
fn what_is_no_whisper_is_refused_before_anything_is_fetched() {
    let desk = Desk::new();
    desk.server.publish("ana/old", model().without("tokenizer.json"));
    desk.server.publish("ana/pickled", model().without("model.safetensors"));

    let old = desk.pull("ana/old").unwrap_err().to_string();
    let pickled = desk.pull("ana/pickled").unwrap_err().to_string();

    assert!(old.contains("tokenizer.json"), "{old}");
    assert!(pickled.contains("model.safetensors"), "{pickled}");
    assert!(desk.server.downloads().is_empty());
}

#[test]
fn a_model_that_the_hub_does_not_know_is_told_from_a_bad_name() {
    let desk = Desk::new();

    let unknown = desk.pull("openai/whisper-smal").unwrap_err();
    let revision = desk.pull("tiny@v9").unwrap_err();
    let bad = desk.pull("../../etc").unwrap_err();

    assert!(matches!(unknown, Error::UnknownModel { .. }));
    assert!(matches!(revision, Error::UnknownModel { .. }));
    assert!(matches!(bad, Error::Name { .. }));
}
