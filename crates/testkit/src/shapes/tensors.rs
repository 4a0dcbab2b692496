//! Which tensors a Whisper has, and how large random weights must be for it to behave like one.
//!
//! Weights of a matrix are scaled by the number of its inputs, so that activations keep their size through the
//! layers; queries and keys are a little larger, so that attention looks somewhere; the token embeddings give logits
//! that spread by 2.5 nats.

use super::random::{Stream, sinusoids};
use super::{AUDIO_POSITIONS, Shape, TEXT_POSITIONS};

/// Limit of biases.
const BIAS: f64 = 0.1;

/// Limit of the decoder's positions.
const TEXT_POSITION: f64 = 0.5;

/// A named tensor, whose values are made on demand.
#[derive(Debug, Clone, PartialEq)]
pub struct Tensor {
    /// Hugging Face's name, as `model.encoder.conv1.weight`.
    pub name: String,
    /// Extents, slowest first.
    pub extents: Vec<usize>,
    /// How its values are made.
    pub fill: Values,
}

/// How the values of a tensor are made.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Values {
    /// Uniform within about this of 0.
    Uniform(f64),
    /// Near 1: the factors of a layer normalisation.
    AroundOne,
    /// The encoder's fixed positions.
    Sinusoids,
}

impl Tensor {
    /// Number of values.
    pub fn count(&self) -> usize {
        self.extents.iter().product()
    }

    /// The values of the model with this `seed`, last extent fastest.
    pub fn values(&self, seed: u64) -> Vec<f32> {
        let stream = Stream::new(&self.name, seed);
        match self.fill {
            Values::Uniform(limit) => stream.uniform(self.count(), limit),
            Values::AroundOne => stream.around_one(self.count()),
            Values::Sinusoids => sinusoids(self.extents[0], self.extents[1]),
        }
    }
}

/// The tensors of a model of this shape. The output layer is the token embedding and has none of its own.
pub(super) fn of(shape: &Shape) -> Vec<Tensor> {
    let mut list = List { width: shape.width, ffn: shape.ffn, tensors: Vec::new() };
    list.encoder(shape);
    list.decoder(shape);
    list.tensors
}

struct List {
    width: usize,
    ffn: usize,
    tensors: Vec<Tensor>,
}

impl List {
    fn encoder(&mut self, shape: &Shape) {
        for (conv, inputs) in [("conv1", shape.mels), ("conv2", self.width)] {
            let name = format!("model.encoder.{conv}");
            let limit = limit(1.5, 3 * inputs);
            self.put(format!("{name}.weight"), &[self.width, inputs, 3], Values::Uniform(limit));
            self.bias(&name, self.width);
        }
        let positions = "model.encoder.embed_positions.weight".to_owned();
        self.put(positions, &[AUDIO_POSITIONS, self.width], Values::Sinusoids);
        for layer in 0..shape.encoder_layers {
            let name = format!("model.encoder.layers.{layer}");
            self.attention(&name, "self_attn");
            self.feed_forward(&name);
        }
        self.norm("model.encoder.layer_norm");
    }

    fn decoder(&mut self, shape: &Shape) {
        let tokens = Values::Uniform(limit(2.5, self.width));
        let embedding = "model.decoder.embed_tokens.weight".to_owned();
        self.put(embedding, &[shape.vocabulary, self.width], tokens);
        let positions = "model.decoder.embed_positions.weight".to_owned();
        self.put(positions, &[TEXT_POSITIONS, self.width], Values::Uniform(TEXT_POSITION));
        for layer in 0..shape.decoder_layers {
            let name = format!("model.decoder.layers.{layer}");
            self.attention(&name, "self_attn");
            self.attention(&name, "encoder_attn");
            self.feed_forward(&name);
        }
        self.norm("model.decoder.layer_norm");
    }

    fn attention(&mut self, block: &str, kind: &str) {
        let name = format!("{block}.{kind}");
        for (part, gain) in [("q_proj", 1.5), ("k_proj", 1.5), ("v_proj", 1.0), ("out_proj", 1.5)] {
            let name = format!("{name}.{part}");
            self.matrix(&name, self.width, self.width, gain);
            // Whisper's keys have no bias: it would not change what the softmax gives.
            if part != "k_proj" {
                self.bias(&name, self.width);
            }
        }
        self.norm(&format!("{name}_layer_norm"));
    }

    fn feed_forward(&mut self, block: &str) {
        self.matrix(&format!("{block}.fc1"), self.ffn, self.width, 1.0);
        self.bias(&format!("{block}.fc1"), self.ffn);
        self.matrix(&format!("{block}.fc2"), self.width, self.ffn, 2.0);
        self.bias(&format!("{block}.fc2"), self.width);
        self.norm(&format!("{block}.final_layer_norm"));
    }

    fn norm(&mut self, name: &str) {
        self.put(format!("{name}.weight"), &[self.width], Values::AroundOne);
        self.bias(name, self.width);
    }

    fn matrix(&mut self, name: &str, outputs: usize, inputs: usize, gain: f64) {
        let values = Values::Uniform(limit(gain, inputs));
        self.put(format!("{name}.weight"), &[outputs, inputs], values);
    }

    fn bias(&mut self, name: &str, count: usize) {
        self.put(format!("{name}.bias"), &[count], Values::Uniform(BIAS));
    }

    fn put(&mut self, name: String, extents: &[usize], fill: Values) {
        self.tensors.push(Tensor { name, extents: extents.to_vec(), fill });
    }
}

/// The limit at which outputs are `gain` times as large as `inputs` independent inputs.
fn limit(gain: f64, inputs: usize) -> f64 {
    gain * (3.0 / inputs as f64).sqrt()
}
