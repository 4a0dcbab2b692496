//! The files of a model folder, made from those of the fixture model.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use half::{bf16, f16};
use safetensors::tensor::{View, serialize_to_file};
use serde_json::{Map, Value, json};

use super::{Dtype, Layout, Shape, Tensor, VOCABULARY};

/// Files that a sharded model is spread over.
const SHARDS: usize = 3;

/// The id that large-v3 gave to Cantonese; what followed moved up by one.
const CANTONESE: u64 = 50_358;

/// Cantonese as a token.
const CANTONESE_TOKEN: &str = "<|yue|>";

/// Writes everything but the weights.
pub(super) fn write_configuration(shape: &Shape, folder: &Path) -> io::Result<()> {
    let mut config = read_fixture("config.json")?;
    for (key, value) in [
        ("vocab_size", shape.vocabulary),
        ("num_mel_bins", shape.mels),
        ("d_model", shape.width),
        ("encoder_layers", shape.encoder_layers),
        ("encoder_attention_heads", shape.heads),
        ("encoder_ffn_dim", shape.ffn),
        ("decoder_layers", shape.decoder_layers),
        ("decoder_attention_heads", shape.heads),
        ("decoder_ffn_dim", shape.ffn),
    ] {
        config[key] = json!(value);
    }
    write_json(folder, "config.json", &config)?;

    let mut preprocessor = read_fixture("preprocessor_config.json")?;
    preprocessor["feature_size"] = json!(shape.mels);
    write_json(folder, "preprocessor_config.json", &preprocessor)?;

    if shape.vocabulary == VOCABULARY {
        for name in ["generation_config.json", "tokenizer.json"] {
            fs::copy(fixture(name), folder.join(name))?;
        }
        return Ok(());
    }
    let mut generation = read_fixture("generation_config.json")?;
    add_cantonese_to_generation(&mut generation);
    write_json(folder, "generation_config.json", &generation)?;
    let mut tokenizer = read_fixture("tokenizer.json")?;
    add_cantonese_to_tokenizer(&mut tokenizer);
    write_json(folder, "tokenizer.json", &tokenizer)
}

/// Writes the weights, one tensor in memory at a time.
pub(super) fn write_weights(
    tensors: &[Tensor],
    seed: u64,
    folder: &Path,
    layout: Layout,
    dtype: Dtype,
) -> io::Result<()> {
    let stored = |tensor: &Tensor| Stored { tensor: tensor.clone(), seed, dtype };
    let write = |name: &str, part: &[Tensor]| {
        let views = part.iter().map(|tensor| (tensor.name.as_str(), stored(tensor)));
        // Files from the Hugging Face hub carry this and some readers ask for it.
        let metadata = HashMap::from([("format".to_owned(), "pt".to_owned())]);
        serialize_to_file(views, Some(metadata), &folder.join(name)).map_err(io::Error::other)
    };
    if layout == Layout::Single {
        return write("model.safetensors", tensors);
    }
    let mut weight_map = Map::new();
    for (index, part) in tensors.chunks(tensors.len().div_ceil(SHARDS)).enumerate() {
        let name = format!("model-{:05}-of-{SHARDS:05}.safetensors", index + 1);
        write(&name, part)?;
        weight_map.extend(part.iter().map(|tensor| (tensor.name.clone(), json!(name))));
    }
    let bytes: usize = tensors.iter().map(|tensor| stored(tensor).data_len()).sum();
    let index = json!({ "metadata": { "total_size": bytes }, "weight_map": weight_map });
    write_json(folder, "model.safetensors.index.json", &index)
}

/// A tensor as it lies in a file.
struct Stored {
    tensor: Tensor,
    seed: u64,
    dtype: Dtype,
}

impl View for Stored {
    fn dtype(&self) -> safetensors::Dtype {
        match self.dtype {
            Dtype::F16 => safetensors::Dtype::F16,
            Dtype::F32 => safetensors::Dtype::F32,
            Dtype::Bf16 => safetensors::Dtype::BF16,
        }
    }

    fn shape(&self) -> &[usize] {
        &self.tensor.extents
    }

    fn data(&self) -> Cow<'_, [u8]> {
        let values = self.tensor.values(self.seed).into_iter();
        Cow::Owned(match self.dtype {
            Dtype::F16 => values.flat_map(|value| f16::from_f32(value).to_le_bytes()).collect(),
            Dtype::F32 => values.flat_map(f32::to_le_bytes).collect(),
            Dtype::Bf16 => values.flat_map(|value| bf16::from_f32(value).to_le_bytes()).collect(),
        })
    }

    fn data_len(&self) -> usize {
        let bytes = if self.dtype == Dtype::F32 { 4 } else { 2 };
        self.tensor.count() * bytes
    }
}

fn add_cantonese_to_generation(generation: &mut Value) {
    for key in ["no_timestamps_token_id", "prev_sot_token_id"] {
        move_up(&mut generation[key]);
    }
    for key in ["transcribe", "translate"] {
        move_up(&mut generation["task_to_id"][key]);
    }
    generation["lang_to_id"][CANTONESE_TOKEN] = json!(CANTONESE);
}

fn add_cantonese_to_tokenizer(tokenizer: &mut Value) {
    let Some(added) = tokenizer["added_tokens"].as_array_mut() else { return };
    for token in added.iter_mut() {
        move_up(&mut token["id"]);
    }
    if let Some(at) = added.iter().position(|token| token["id"] == json!(CANTONESE + 1)) {
        let mut token = added[at].clone();
        token["id"] = json!(CANTONESE);
        token["content"] = json!(CANTONESE_TOKEN);
        added.insert(at, token);
    }
}

/// Makes room for one more language.
fn move_up(id: &mut Value) {
    if let Some(number) = id.as_u64().filter(|number| *number >= CANTONESE) {
        *id = json!(number + 1);
    }
}

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/model").join(name)
}

fn read_fixture(name: &str) -> io::Result<Value> {
    Ok(serde_json::from_slice(&fs::read(fixture(name))?)?)
}

fn write_json(folder: &Path, name: &str, value: &Value) -> io::Result<()> {
    fs::write(folder.join(name), serde_json::to_vec(value)?)
}

/// Every tensor of a model folder, widened to f32.
#[cfg(test)]
pub(super) fn read_weights(folder: &Path) -> std::collections::BTreeMap<String, Vec<f32>> {
    let mut weights = std::collections::BTreeMap::new();
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.extension().is_none_or(|extension| extension != "safetensors") {
            continue;
        }
        let bytes = fs::read(&path).expect("readable");
        for (name, view) in safetensors::SafeTensors::deserialize(&bytes).expect("valid").iter() {
            weights.insert(name.to_owned(), widen(view.dtype(), view.data()));
        }
    }
    weights
}

#[cfg(test)]
fn widen(dtype: safetensors::Dtype, bytes: &[u8]) -> Vec<f32> {
    let halves = bytes.chunks_exact(2).map(|pair| [pair[0], pair[1]]);
    match dtype {
        safetensors::Dtype::F16 => halves.map(|pair| f16::from_le_bytes(pair).to_f32()).collect(),
        safetensors::Dtype::BF16 => halves.map(|pair| bf16::from_le_bytes(pair).to_f32()).collect(),
        _ => bytes
            .chunks_exact(4)
            .map(|four| f32::from_le_bytes([four[0], four[1], four[2], four[3]]))
            .collect(),
    }
}
