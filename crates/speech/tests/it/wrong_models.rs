//! A model folder that is damaged, mismatched or hostile is refused with its path and the reason.

use std::fs;
use std::path::Path;

use hansard_speech::Error;
use hansard_speech::whisper::Whisper;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::fixture;

/// A copy of the bundled model, to be broken.
fn copy() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(fixture("model")).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, folder.path().join(path.file_name().unwrap())).unwrap();
    }
    folder
}

fn edit(folder: &Path, file: &str, change: impl FnOnce(&mut Value)) {
    let path = folder.join(file);
    let mut document: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    change(&mut document);
    fs::write(path, serde_json::to_vec(&document).unwrap()).unwrap();
}

#[track_caller]
fn refusal(folder: &Path) -> String {
    match Whisper::load(folder, 1) {
        Err(Error::Model { path, reason }) => format!("{path}: {reason}"),
        Err(other) => panic!("{other:?}"),
        Ok(_) => panic!("the model was loaded"),
    }
}

#[test]
fn numbers_that_no_model_has_are_refused() {
    for (key, value, said) in [
        ("d_model", json!(0), "d_model is 0"),
        ("d_model", json!(1_000_000), "d_model is 1000000"),
        ("num_mel_bins", json!(81), "num_mel_bins is 81"),
        ("encoder_attention_heads", json!(3), "do not split into 3 heads"),
        ("decoder_layers", json!(1_000_000_000), "decoder_layers is"),
        ("max_target_positions", json!(2), "max_target_positions is 2"),
        ("vocab_size", json!(50_000), "do not fit the model's vocabulary"),
        ("activation_function", json!("relu"), "activation relu"),
        ("encoder_ffn_dim", json!(768), "has shape [512], expected [768]"),
        ("encoder_layers", json!(5), "is missing"),
    ] {
        let folder = copy();
        edit(folder.path(), "config.json", |config| config[key] = value.clone());
        let refusal = refusal(folder.path());
        assert!(refusal.contains(said), "{key} = {value}: {refusal}");
    }
}

#[test]
fn rules_that_do_not_fit_the_model_are_refused_or_bounded() {
    let folder = copy();
    edit(folder.path(), "generation_config.json", |rules| {
        rules["alignment_heads"] = json!([[9, 0]])
    });
    assert!(refusal(folder.path()).contains("alignment_heads"));

    let folder = copy();
    edit(folder.path(), "generation_config.json", |rules| {
        rules["max_initial_timestamp_index"] = json!(u64::MAX);
        rules["suppress_tokens"] = json!([u32::MAX]);
        rules["alignment_heads"] = json!(vec![[1, 0]; 100_000]);
    });
    assert!(Whisper::load(folder.path(), 1).is_ok());
}

#[test]
fn a_vocabulary_without_its_special_tokens_is_refused() {
    for name in ["<|endoftext|>", "<|startofprev|>", "<|notimestamps|>"] {
        let folder = copy();
        edit(folder.path(), "tokenizer.json", |tokenizer| {
            let added = tokenizer["added_tokens"].as_array_mut().unwrap();
            added.retain(|token| token["content"] != name);
        });
        assert!(refusal(folder.path()).contains(name));
    }
}

#[test]
fn weights_that_are_cut_off_or_elsewhere_are_refused() {
    let folder = copy();
    let weights = folder.path().join("model.safetensors");
    let bytes = fs::read(&weights).unwrap();
    for length in [0, 7, 100, bytes.len() / 2, bytes.len() - 1] {
        fs::write(&weights, &bytes[..length]).unwrap();
        refusal(folder.path());
    }
    fs::write(&weights, [&u64::MAX.to_le_bytes(), &bytes[8..1000]].concat()).unwrap();
    assert!(refusal(folder.path()).contains("header is too long"));

    fs::remove_file(&weights).unwrap();
    assert!(refusal(folder.path()).contains("neither model.safetensors nor"));
    let index = json!({"weight_map": {"model.encoder.conv1.weight": "../elsewhere.safetensors"}});
    fs::write(folder.path().join("model.safetensors.index.json"), index.to_string()).unwrap();
    assert!(refusal(folder.path()).contains("outside the folder"));
}

#[test]
fn a_folder_without_a_model_says_so() {
    let folder = tempfile::tempdir().unwrap();
    assert!(refusal(folder.path()).contains("config.json is missing"));
}
