//! A model folder as one file in whisper.cpp's format, as its `models/convert-pt-to-ggml.py` writes it: eleven sizes,
//! mel filters, vocabulary, then tensors with their extents reversed; matrices in f16, the rest in f32.

mod filters;
mod vocabulary;

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::Path;

use anyhow::{Context, bail, ensure};
use half::f16;
use safetensors::{Dtype, SafeTensors};
use serde_json::Value;

/// First bytes of a file.
const MAGIC: u32 = 0x6767_6d6c;

/// "ggml", as types are numbered there.
const F32: u32 = 0;
const F16: u32 = 1;

/// From Hugging Face's names to openai-whisper's, applied in this order.
const RENAMES: [(&str, &str); 18] = [
    ("model.", ""),
    ("encoder.layers.", "encoder.blocks."),
    ("decoder.layers.", "decoder.blocks."),
    (".encoder_attn_layer_norm.", ".cross_attn_ln."),
    (".self_attn_layer_norm.", ".attn_ln."),
    (".final_layer_norm.", ".mlp_ln."),
    (".encoder_attn.", ".cross_attn."),
    (".self_attn.", ".attn."),
    (".q_proj.", ".query."),
    (".k_proj.", ".key."),
    (".v_proj.", ".value."),
    (".out_proj.", ".out."),
    (".fc1.", ".mlp.0."),
    (".fc2.", ".mlp.2."),
    ("embed_positions.weight", "positional_embedding"),
    ("decoder.embed_tokens.", "decoder.token_embedding."),
    ("encoder.layer_norm.", "encoder.ln_post."),
    ("decoder.layer_norm.", "decoder.ln."),
];

/// Writes the model in `folder` (Hugging Face layout, one f16 `model.safetensors`) to `file`.
pub(crate) fn convert(folder: &Path, file: &Path) -> anyhow::Result<()> {
    let config: Value = read_json(folder, "config.json")?;
    let weights = fs::read(folder.join("model.safetensors"))?;
    let weights = SafeTensors::deserialize(&weights)?;
    let mut out = BufWriter::new(File::create(file)?);

    out.write_all(&MAGIC.to_le_bytes())?;
    for key in [
        "vocab_size",
        "max_source_positions",
        "d_model",
        "encoder_attention_heads",
        "encoder_layers",
        "max_target_positions",
        "d_model",
        "decoder_attention_heads",
        "decoder_layers",
        "num_mel_bins",
    ] {
        put(&mut out, number(&config, key)?)?;
    }
    put(&mut out, F16 as usize)?;

    filters::write(&mut out, number(&config, "num_mel_bins")?)?;
    vocabulary::write(&mut out, &read_json(folder, "tokenizer.json")?)?;
    for (name, tensor) in weights.iter() {
        ensure!(tensor.dtype() == Dtype::F16, "{name} is not f16");
        write_tensor(&mut out, name, tensor.shape(), tensor.data())?;
    }
    Ok(out.flush()?)
}

fn write_tensor(
    out: &mut impl Write,
    name: &str,
    extents: &[usize],
    halves: &[u8],
) -> anyhow::Result<()> {
    let name = RENAMES.iter().fold(name.to_owned(), |name, (old, new)| name.replacen(old, new, 1));
    let mut extents = extents.to_vec();
    if name.contains(".conv") && name.ends_with(".bias") {
        extents.push(1);
    }
    let wide = extents.len() == 1 || name.ends_with("bias") || name.ends_with("_embedding");
    put(out, extents.len())?;
    put(out, name.len())?;
    put(out, if wide { F32 } else { F16 } as usize)?;
    for extent in extents.iter().rev() {
        put(out, *extent)?;
    }
    out.write_all(name.as_bytes())?;
    if !wide {
        return Ok(out.write_all(halves)?);
    }
    for pair in halves.chunks_exact(2) {
        out.write_all(&f16::from_le_bytes([pair[0], pair[1]]).to_f32().to_le_bytes())?;
    }
    Ok(())
}

/// Writes a count, an extent or a size.
fn put(out: &mut impl Write, number: usize) -> anyhow::Result<()> {
    Ok(out.write_all(&u32::try_from(number)?.to_le_bytes())?)
}

fn number(config: &Value, key: &str) -> anyhow::Result<usize> {
    let Some(number) = config[key].as_u64() else { bail!("config.json has no {key}") };
    Ok(usize::try_from(number)?)
}

fn read_json(folder: &Path, name: &str) -> anyhow::Result<Value> {
    let bytes = fs::read(folder.join(name)).with_context(|| format!("cannot read {name}"))?;
    Ok(serde_json::from_slice(&bytes)?)
}

#[cfg(test)]
mod tests {
    use hansard_media::{Channels, MediaFile, Recording};
    use whisper_rs::{WhisperContext, WhisperContextParameters};

    use super::*;

    /// whisper.cpp rounds activations to f16 before it multiplies, so it is further off than float32 is.
    const TOLERANCE: f64 = 0.1;

    #[test]
    fn whisper_cpp_hears_in_the_converted_model_what_the_reference_hears() {
        let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures");
        let golden: Value = read_json(&fixtures, "golden.json").unwrap();
        let expected = &golden[0]["teacher_forced"];
        let clip = format!("clips/{}.flac", golden[0]["name"].as_str().unwrap());
        let clip = MediaFile::open(fixtures.join(clip), Channels::Mix).unwrap();
        let mut samples = vec![0.0; 480_000];
        let mut stream = Recording::open(&clip).unwrap();
        let mut count = 0;
        while let read @ 1.. = stream.read(&mut samples[count..]).unwrap() {
            count += read;
        }

        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("ggml.bin");
        convert(&fixtures.join("model"), &file).unwrap();
        let parameters = WhisperContextParameters::new();
        let context = WhisperContext::new_with_params(&file, parameters).unwrap();
        let mut state = context.create_state().unwrap();
        state.pcm_to_mel(&samples[..count], 2).unwrap();
        state.encode(0, 2).unwrap();
        let tokens = expected["tokens"].as_array().unwrap();
        for (past, token) in tokens.iter().enumerate() {
            let token = i32::try_from(token.as_i64().unwrap()).unwrap();
            state.decode(&[token], past, 2).unwrap();
            let logits = state.get_logits().unwrap();
            let sum: f64 = logits.iter().map(|logit| f64::from(*logit).exp()).sum();
            let ids = expected["top5_ids"][past].as_array().unwrap();
            let best = usize::try_from(ids[0].as_u64().unwrap()).unwrap();
            let found = f64::from(logits[best]) - sum.ln();
            let wanted = expected["top5_logprobs"][past][0].as_f64().unwrap();
            assert!((found - wanted).abs() < TOLERANCE, "{past}: {found} for {wanted}");
        }
    }
}
