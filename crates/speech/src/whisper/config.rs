//! The files that describe a checkpoint: `config.json`, `generation_config.json` and `preprocessor_config.json`, as the
//! Hugging Face layout of `openai/whisper-*` has them.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::tokens::TIMESTAMPS;
use crate::Error;

/// A JSON description larger than this is not one.
const JSON_BYTES_MAX: u64 = 64 << 20;
/// Bounds that no published checkpoint comes near; they keep absurd files from asking for absurd memory.
const WIDTH_MAX: usize = 8192;
const LAYERS_MAX: usize = 128;
const VOCABULARY_MAX: usize = 1 << 20;
/// A decoder that sees fewer tokens at once has no room for a prompt and an answer.
const TARGET_POSITIONS_MIN: usize = 16;

/// The shape of a checkpoint, from `config.json`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Config {
    /// Width of every layer.
    pub d_model: usize,
    /// Token ids that the decoder knows.
    pub vocab_size: usize,
    /// Mel bins of the front end: 80 or 128.
    pub num_mel_bins: usize,
    /// Layers of the encoder.
    pub encoder_layers: usize,
    /// Attention heads in each of them.
    pub encoder_attention_heads: usize,
    /// Width of their feed-forward part.
    pub encoder_ffn_dim: usize,
    /// Layers of the decoder.
    pub decoder_layers: usize,
    /// Attention heads in each of them.
    pub decoder_attention_heads: usize,
    /// Width of their feed-forward part.
    pub decoder_ffn_dim: usize,
    /// Positions of the encoder output: 1500, half the mel frames of a window.
    pub max_source_positions: usize,
    /// Tokens that the decoder can see at once: 448.
    pub max_target_positions: usize,
    #[serde(default = "gelu")]
    activation_function: String,
    #[serde(default)]
    scale_embedding: bool,
    #[serde(default)]
    suppress_tokens: Option<Vec<u32>>,
    #[serde(default)]
    begin_suppress_tokens: Option<Vec<u32>>,
    #[serde(default = "median_filter_width")]
    median_filter_width: usize,
}

fn gelu() -> String {
    "gelu".to_owned()
}

/// openai-whisper's `medfilt_width`.
fn median_filter_width() -> usize {
    7
}

/// How to decode, from `generation_config.json`; a checkpoint without one is decoded by `config.json` alone.
#[derive(Debug, Clone, Default, Deserialize)]
struct GenerationFile {
    suppress_tokens: Option<Vec<u32>>,
    begin_suppress_tokens: Option<Vec<u32>>,
    max_initial_timestamp_index: Option<usize>,
    alignment_heads: Option<Vec<(usize, usize)>>,
}

#[derive(Debug, Deserialize)]
struct PreprocessorFile {
    feature_size: Option<usize>,
    hop_length: Option<usize>,
    n_fft: Option<usize>,
    sampling_rate: Option<usize>,
}

/// Rules of decoding that belong to the checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Generation {
    /// Tokens that are never sampled.
    pub suppress: Vec<u32>,
    /// Tokens that are not sampled first.
    pub suppress_at_begin: Vec<u32>,
    /// The latest first timestamp, in steps of 20 ms.
    pub initial_timestamp_max: usize,
    /// (layer, head) of the decoder's cross attention that follow the words in time.
    pub alignment_heads: Vec<(usize, usize)>,
    /// Width of the median filter over their weights.
    pub median_filter_width: usize,
}

/// Reads and checks the descriptions in `folder`.
pub fn read(folder: &Path) -> Result<(Config, Generation), Error> {
    let config: Config = read_json(&folder.join("config.json"))?.ok_or_else(|| {
        wrong(folder, "config.json is missing: this is not a Whisper model folder")
    })?;
    config.check().map_err(|reason| wrong(folder, &reason))?;
    let file: GenerationFile =
        read_json(&folder.join("generation_config.json"))?.unwrap_or_default();
    if let Some(preprocessor) =
        read_json::<PreprocessorFile>(&folder.join("preprocessor_config.json"))?
    {
        preprocessor.check(&config).map_err(|reason| wrong(folder, &reason))?;
    }
    let alignment_heads = match file.alignment_heads {
        Some(mut heads) if !heads.is_empty() => {
            heads.sort_unstable();
            heads.dedup();
            heads
        }
        _ => upper_half(&config),
    };
    if alignment_heads.iter().any(|&(layer, head)| {
        layer >= config.decoder_layers || head >= config.decoder_attention_heads
    }) {
        return Err(wrong(folder, "alignment_heads names a head that the model does not have"));
    }
    let generation = Generation {
        suppress: file.suppress_tokens.or(config.suppress_tokens.clone()).unwrap_or_default(),
        suppress_at_begin: file
            .begin_suppress_tokens
            .or(config.begin_suppress_tokens.clone())
            .unwrap_or_default(),
        initial_timestamp_max: file
            .max_initial_timestamp_index
            .unwrap_or(50)
            .min(TIMESTAMPS as usize - 1),
        alignment_heads,
        median_filter_width: config.median_filter_width,
    };
    Ok((config, generation))
}

/// Where a checkpoint does not say which heads follow time, openai-whisper takes all of the decoder's upper half.
fn upper_half(config: &Config) -> Vec<(usize, usize)> {
    (config.decoder_layers / 2..config.decoder_layers)
        .flat_map(|layer| (0..config.decoder_attention_heads).map(move |head| (layer, head)))
        .collect()
}

impl Config {
    /// Whether the checkpoint can translate. Distilled and turbo checkpoints, whose decoders have a quarter of the
    /// encoder's layers or fewer, were trained to transcribe only.
    pub fn translates(&self) -> bool {
        self.decoder_layers * 4 > self.encoder_layers
    }

    fn check(&self) -> Result<(), String> {
        let bounded = [
            ("d_model", self.d_model, WIDTH_MAX),
            ("vocab_size", self.vocab_size, VOCABULARY_MAX),
            ("encoder_layers", self.encoder_layers, LAYERS_MAX),
            ("encoder_ffn_dim", self.encoder_ffn_dim, 4 * WIDTH_MAX),
            ("decoder_layers", self.decoder_layers, LAYERS_MAX),
            ("decoder_ffn_dim", self.decoder_ffn_dim, 4 * WIDTH_MAX),
            ("max_target_positions", self.max_target_positions, 4096),
            ("median_filter_width", self.median_filter_width, 99),
        ];
        for (name, value, max) in bounded {
            if value == 0 || value > max {
                return Err(format!("{name} is {value}, expected 1 to {max}"));
            }
        }
        if !matches!(self.num_mel_bins, 80 | 128) {
            return Err(format!("num_mel_bins is {}, expected 80 or 128", self.num_mel_bins));
        }
        if self.max_source_positions != 1500 {
            let found = self.max_source_positions;
            return Err(format!("max_source_positions is {found}, expected 1500"));
        }
        if self.max_target_positions < TARGET_POSITIONS_MIN {
            let found = self.max_target_positions;
            return Err(format!(
                "max_target_positions is {found}, expected at least {TARGET_POSITIONS_MIN}"
            ));
        }
        for heads in [self.encoder_attention_heads, self.decoder_attention_heads] {
            if heads == 0 || !self.d_model.is_multiple_of(heads) {
                return Err(format!("{} columns do not split into {heads} heads", self.d_model));
            }
        }
        if self.activation_function != "gelu" {
            return Err(format!("activation {} is not supported", self.activation_function));
        }
        if self.scale_embedding {
            return Err("scale_embedding is not supported".to_owned());
        }
        if self.median_filter_width.is_multiple_of(2) {
            return Err("median_filter_width is even".to_owned());
        }
        Ok(())
    }
}

impl PreprocessorFile {
    fn check(&self, config: &Config) -> Result<(), String> {
        let expected = [
            ("feature_size", self.feature_size, config.num_mel_bins),
            ("hop_length", self.hop_length, super::mel::HOP),
            ("n_fft", self.n_fft, super::mel::FFT),
            ("sampling_rate", self.sampling_rate, hansard_media::SAMPLE_RATE),
        ];
        for (name, found, wanted) in expected {
            if let Some(found) = found.filter(|&found| found != wanted) {
                return Err(format!("{name} is {found}, expected {wanted}"));
            }
        }
        Ok(())
    }
}

/// Reads a JSON file of bounded size; `None` if there is none.
pub(super) fn read_json<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, Error> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(wrong(path, &error.to_string())),
    };
    let mut text = String::new();
    file.take(JSON_BYTES_MAX)
        .read_to_string(&mut text)
        .map_err(|error| wrong(path, &error.to_string()))?;
    serde_json::from_str(&text).map(Some).map_err(|error| wrong(path, &error.to_string()))
}

pub(super) fn wrong(path: &Path, reason: &str) -> Error {
    Error::Model { path: path.display().to_string(), reason: reason.to_owned() }
}
