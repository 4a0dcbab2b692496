//! Models of published shapes with random weights: real sizes without a download.
//!
//! [`Shape::write_model`] writes a model in the Hugging Face layout. Its weights come from a seeded generator
//! (`random`) which `reference/shapes.py` repeats in numpy bit for bit, so what the reference makes of them is stored
//! in `fixtures/shapes/{base,narrow-turbo}.json` while the weights themselves are not. Each of those files holds:
//!
//! - `clip`, `seed`: the input below `fixtures/` and the seed for [`Shape::write_model`];
//! - `weights`: first and last values and sums of some tensors;
//! - `encoder`: `values[i][j]` of the encoder output at `rows[i]`, `columns[j]`, and its mean and root mean square;
//! - `teacher_forced`: `tokens`, and for each position the log-probabilities of some `ids` after it (the five best
//!   first), a softmax over the whole vocabulary with nothing suppressed;
//! - `greedy`: from `prefix`, the best id **that is not yet in the sequence**, twenty times, and by how much each led.
//!
//! All values are exact in f16 and in bf16 alike, so one expectation serves every storage type and layout. Between
//! two float32 implementations log-probabilities differ by about 1e-5.
//!
//! ```no_run
//! use hansard_testkit::shapes::{Dtype, Layout, Shape};
//!
//! let folder = std::env::temp_dir();
//! Shape::base().write_model(2, &folder, Layout::Sharded, Dtype::F16)?;
//! # Ok::<(), std::io::Error>(())
//! ```

mod files;
mod random;
mod tensors;

use std::io;
use std::path::Path;

pub use tensors::{Tensor, Values};

/// Positions of the encoder's output: 30 s at 50 a second.
pub const AUDIO_POSITIONS: usize = 1500;

/// Positions of the decoder.
pub const TEXT_POSITIONS: usize = 448;

/// Vocabulary of the multilingual models before large-v3.
const VOCABULARY: usize = 51_865;

/// Vocabulary of large-v3 and turbo, which know Cantonese too.
const VOCABULARY_V3: usize = 51_866;

/// The sizes that set one Whisper apart from another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// What people call it.
    pub name: &'static str,
    /// Mel bins of the front end: 80 or 128.
    pub mels: usize,
    /// Width of the residual stream (`d_model`).
    pub width: usize,
    /// Attention heads, in encoder and decoder.
    pub heads: usize,
    /// Width of the feed-forward layers.
    pub ffn: usize,
    /// Blocks of the encoder.
    pub encoder_layers: usize,
    /// Blocks of the decoder.
    pub decoder_layers: usize,
    /// Tokens, special ones included: 51,865 or 51,866.
    pub vocabulary: usize,
}

impl Shape {
    /// `openai/whisper-tiny`: 39 million weights.
    pub fn tiny() -> Self {
        Self::published("tiny", 384, 6, 4)
    }

    /// `openai/whisper-base`: 74 million weights.
    pub fn base() -> Self {
        Self::published("base", 512, 8, 6)
    }

    /// `openai/whisper-small`: 244 million weights.
    pub fn small() -> Self {
        Self::published("small", 768, 12, 12)
    }

    /// A large-v3-turbo that was slimmed for tests: its 128 mel bins, vocabulary and 4 decoder layers, but a width of
    /// 256 rather than 1280, 4 heads rather than 20 and 6 encoder layers rather than 32.
    pub fn narrow_turbo() -> Self {
        Self {
            mels: 128,
            decoder_layers: 4,
            vocabulary: VOCABULARY_V3,
            ..Self::published("narrow-turbo", 256, 4, 6)
        }
    }

    fn published(name: &'static str, width: usize, heads: usize, layers: usize) -> Self {
        Self {
            name,
            mels: 80,
            width,
            heads,
            ffn: 4 * width,
            encoder_layers: layers,
            decoder_layers: layers,
            vocabulary: VOCABULARY,
        }
    }

    /// The tensors of a model of this shape, in no particular order.
    pub fn tensors(&self) -> Vec<Tensor> {
        tensors::of(self)
    }

    /// Writes a model with random weights into `folder`, which must exist: configuration, tokenizer and weights.
    ///
    /// # Errors
    /// When a file cannot be written, or the fixture model that the tokenizer is taken from cannot be read.
    pub fn write_model(
        &self,
        seed: u64,
        folder: &Path,
        layout: Layout,
        dtype: Dtype,
    ) -> io::Result<()> {
        files::write_configuration(self, folder)?;
        files::write_weights(&self.tensors(), seed, folder, layout, dtype)
    }
}

/// How the weights are spread over files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// One `model.safetensors`.
    Single,
    /// Three `model-0000N-of-00003.safetensors` and their `model.safetensors.index.json`.
    Sharded,
}

/// How a weight is stored. The values are the same in all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dtype {
    /// IEEE half precision.
    F16,
    /// IEEE single precision.
    F32,
    /// The upper half of a single precision number.
    Bf16,
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn expectation(shape: &Shape) -> Value {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/shapes");
        let text = std::fs::read(folder.join(format!("{}.json", shape.name))).expect("readable");
        serde_json::from_slice(&text).expect("JSON")
    }

    fn floats(value: &Value) -> Vec<f32> {
        let number = |value: &Value| value.as_f64().expect("a number") as f32;
        value.as_array().expect("a list").iter().map(number).collect()
    }

    #[test]
    fn the_reference_had_the_same_weights() {
        for shape in [Shape::base(), Shape::narrow_turbo()] {
            let expected = expectation(&shape);
            let seed = expected["seed"].as_u64().unwrap();
            let tensors = shape.tensors();
            for sample in expected["weights"].as_array().unwrap() {
                let tensor = tensors.iter().find(|tensor| sample["name"] == tensor.name).unwrap();
                let values = tensor.values(seed);
                assert_eq!(sample["count"], values.len(), "{}", tensor.name);
                assert_eq!(values[..4], floats(&sample["first"]), "{}", tensor.name);
                assert_eq!(values[values.len() - 4..], floats(&sample["last"]), "{}", tensor.name);
                let sum: f64 = values.iter().map(|value| f64::from(*value)).sum();
                // The sum of multiples of 2^-15 is exact, in whatever order numpy added them.
                assert_eq!(sample["sum"].as_f64().unwrap(), sum, "{}", tensor.name);
            }
        }
    }

    #[test]
    fn published_shapes_have_their_published_number_of_weights() {
        // The f32 checkpoints hold the fixed positions too, as ours do.
        let count = |shape: Shape| shape.tensors().iter().map(Tensor::count).sum::<usize>();
        assert_eq!(count(Shape::tiny()), 37_760_640);
        assert_eq!(count(Shape::base()), 72_593_920);
        assert_eq!(count(Shape::small()), 241_734_912);
    }

    #[test]
    fn every_layout_and_type_holds_the_same_weights() {
        let shape =
            Shape { width: 16, heads: 2, ffn: 32, encoder_layers: 1, ..Shape::narrow_turbo() };
        let read = |layout, dtype| {
            let folder = tempfile::tempdir().expect("a folder");
            shape.write_model(5, folder.path(), layout, dtype).expect("written");
            files::read_weights(folder.path())
        };
        let expected = read(Layout::Single, Dtype::F32);
        assert_eq!(expected.len(), shape.tensors().len());
        for (layout, dtype) in [(Layout::Single, Dtype::F16), (Layout::Sharded, Dtype::Bf16)] {
            assert!(read(layout, dtype) == expected, "{layout:?} {dtype:?}");
        }
    }

    #[test]
    fn the_larger_vocabulary_has_one_more_language() {
        let folder = tempfile::tempdir().unwrap();
        let shape = Shape { width: 16, heads: 2, ffn: 32, ..Shape::narrow_turbo() };
        shape.write_model(5, folder.path(), Layout::Single, Dtype::F16).unwrap();
        let read = |name: &str| -> Value {
            serde_json::from_slice(&std::fs::read(folder.path().join(name)).unwrap()).unwrap()
        };
        let tokens = read("tokenizer.json")["added_tokens"].clone();
        let tokens = tokens.as_array().unwrap();
        let at = |id: u64| &tokens[id as usize - 50_257]["content"];
        for (index, token) in tokens.iter().enumerate() {
            assert_eq!(token["id"], index as u64 + 50_257);
        }
        assert_eq!(at(50_358), "<|yue|>");
        assert_eq!(at(50_359), "<|translate|>");
        assert_eq!(at(51_865), "<|30.00|>");
        let generation = read("generation_config.json");
        assert_eq!(generation["lang_to_id"]["<|yue|>"], 50_358);
        assert_eq!(generation["task_to_id"]["transcribe"], 50_360);
        assert_eq!(generation["no_timestamps_token_id"], 50_364);
        assert_eq!(read("preprocessor_config.json")["feature_size"], 128);
        assert_eq!(read("config.json")["num_mel_bins"], 128);
    }
}
