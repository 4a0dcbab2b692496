"""What openai-whisper makes of random weights in the shapes of published models.

Writes fixtures/shapes/{base,narrow-turbo}.json. The weights come from the generator of
crates/testkit/src/shapes.rs, written here a second time in numpy: the same bits, so nothing large is stored.
It runs once, by hand, and never in a test:

    python3.11 -m venv .venv
    .venv/bin/pip install openai-whisper==20250625 torch==2.15.0 numpy==2.4.6 soundfile==0.14.0
    .venv/bin/python crates/testkit/reference/shapes.py

Everything is computed in float32 on the CPU.
"""

import json
import math
import pathlib

import numpy as np
import soundfile
import torch
import whisper
from whisper.model import ModelDimensions, Whisper

ROOT = pathlib.Path(__file__).resolve().parents[3]
CLIP = "clips/en-00.flac"
SEED = 2
GREEDY_STEPS = 20
U64 = np.uint64
GOLDEN_GAMMA = 0x9E3779B97F4A7C15
MASK = (1 << 64) - 1

# name -> mel bins, width, heads, feed-forward width, encoder layers, decoder layers, vocabulary
SHAPES = {
    "base": (80, 512, 8, 2048, 6, 6, 51865),
    "narrow-turbo": (128, 256, 4, 1024, 6, 4, 51866),
}
AUDIO_POSITIONS = 1500
TEXT_POSITIONS = 448


# The generator: see crates/testkit/src/shapes/random.rs for what each part is for.


def fnv1a(name):
    value = 0xCBF29CE484222325
    for byte in name.encode():
        value = ((value ^ byte) * 0x100000001B3) & MASK
    return value


def mix(z):
    z = (z ^ (z >> U64(30))) * U64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> U64(27))) * U64(0x94D049BB133111EB)
    return z ^ (z >> U64(31))


def integers(name, seed, count, levels):
    """Uniform integers in [-levels, levels)."""
    key = mix(np.array([fnv1a(name) ^ (seed * GOLDEN_GAMMA & MASK)], dtype=U64))
    counter = np.arange(1, count + 1, dtype=U64)
    high = mix(key + counter * U64(GOLDEN_GAMMA)) >> U64(32)
    return ((high * U64(2 * levels)) >> U64(32)).astype(np.int64) - levels


def uniform(name, seed, count, limit):
    scaled, shift = limit, 0
    while scaled < 128.0:
        scaled, shift = scaled * 2.0, shift + 1
    return integers(name, seed, count, int(scaled)).astype(np.float64) * 2.0**-shift


def gamma(name, seed, count):
    return 1.0 + integers(name, seed, count, 16).astype(np.float64) / 128.0


def sinusoids(length, width):
    half = width // 2
    increment = math.log(10000.0) / (half - 1)
    angle = np.arange(length)[:, None] * np.exp(-increment * np.arange(half))[None, :]
    waves = np.concatenate([np.sin(angle), np.cos(angle)], axis=1)
    return np.floor(waves * 256.0 + 0.5) / 256.0


def linear_limit(gain, inputs):
    return gain * math.sqrt(3.0 / inputs)


def weights(shape, seed):
    """Hugging Face name -> float32 array."""
    mels, width, _, ffn, encoder_layers, decoder_layers, vocabulary = shape
    out = {}

    def put(name, dims, limit):
        out[name] = uniform(name, seed, math.prod(dims), limit).reshape(dims)

    def norm(name):
        out[name + ".weight"] = gamma(name + ".weight", seed, width)
        put(name + ".bias", (width,), 0.1)

    def linear(name, outputs, inputs, gain, bias=True):
        put(name + ".weight", (outputs, inputs), linear_limit(gain, inputs))
        if bias:
            put(name + ".bias", (outputs,), 0.1)

    def attention(name):
        linear(name + ".q_proj", width, width, 1.5)
        linear(name + ".k_proj", width, width, 1.5, bias=False)
        linear(name + ".v_proj", width, width, 1.0)
        linear(name + ".out_proj", width, width, 1.5)

    def feed_forward(name):
        linear(name + ".fc1", ffn, width, 1.0)
        linear(name + ".fc2", width, ffn, 2.0)
        norm(name + ".final_layer_norm")

    for conv, inputs in (("conv1", mels), ("conv2", width)):
        put(f"model.encoder.{conv}.weight", (width, inputs, 3), linear_limit(1.5, 3 * inputs))
        put(f"model.encoder.{conv}.bias", (width,), 0.1)
    out["model.encoder.embed_positions.weight"] = sinusoids(AUDIO_POSITIONS, width)
    for layer in range(encoder_layers):
        name = f"model.encoder.layers.{layer}"
        attention(name + ".self_attn")
        norm(name + ".self_attn_layer_norm")
        feed_forward(name)
    norm("model.encoder.layer_norm")

    put("model.decoder.embed_tokens.weight", (vocabulary, width), linear_limit(2.5, width))
    put("model.decoder.embed_positions.weight", (TEXT_POSITIONS, width), 0.5)
    for layer in range(decoder_layers):
        name = f"model.decoder.layers.{layer}"
        attention(name + ".self_attn")
        norm(name + ".self_attn_layer_norm")
        attention(name + ".encoder_attn")
        norm(name + ".encoder_attn_layer_norm")
        feed_forward(name)
    norm("model.decoder.layer_norm")
    return {name: array.astype(np.float32) for name, array in out.items()}


# The reference.

RENAMES = [
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
]


def openai_name(name):
    for old, new in RENAMES:
        name = name.replace(old, new, 1)
    return name


def reference_model(shape, arrays):
    mels, width, heads, _, encoder_layers, decoder_layers, vocabulary = shape
    model = Whisper(
        ModelDimensions(
            mels, AUDIO_POSITIONS, width, heads, encoder_layers,
            vocabulary, TEXT_POSITIONS, width, heads, decoder_layers,
        )
    )  # fmt: skip
    state = {openai_name(name): torch.from_numpy(array) for name, array in arrays.items()}
    missing, unexpected = model.load_state_dict(state, strict=False)
    assert not unexpected and not missing, (missing, unexpected)
    return model.eval()


def forced_tokens(vocabulary):
    """The usual prefix without timestamps, then ids from all over the vocabulary."""
    shift = vocabulary - 51865
    prefix = [50258, 50259, 50359 + shift, 50363 + shift]
    spread = [(7919 * i * i + 104729 * i) % 50257 for i in range(1, 13)]
    return prefix, prefix + spread + [50364 + shift, 50257, vocabulary - 1, 0]


def rounded(values):
    return [float(f"{float(value):.7g}") for value in values]


def greedy(model, audio, prefix):
    """The best id that is not yet in the sequence, again and again: random weights repeat themselves otherwise."""
    tokens, margins = list(prefix), []
    for _ in range(GREEDY_STEPS):
        logits = model.logits(torch.tensor([tokens]), audio)[0, -1].log_softmax(-1)
        logits[tokens] = -torch.inf
        best = torch.topk(logits, 2)
        margins.append(float(best.values[0] - best.values[1]))
        tokens.append(int(best.indices[0]))
    return {"tokens": tokens[len(prefix) :], "margins": rounded(margins)}


def expectation(name, shape):
    mels, width, heads, ffn, encoder_layers, decoder_layers, vocabulary = shape
    arrays = weights(shape, SEED)
    model = reference_model(shape, arrays)
    samples, rate = soundfile.read(ROOT / "fixtures" / CLIP, dtype="float32")
    assert rate == 16000
    mel = whisper.log_mel_spectrogram(whisper.pad_or_trim(samples), n_mels=mels)
    audio = model.embed_audio(mel[None])
    prefix, tokens = forced_tokens(vocabulary)
    log_probs = model.logits(torch.tensor([tokens]), audio)[0].log_softmax(-1)

    fixed = [0, 220, 11, 50257, 50258, vocabulary - 1]
    positions = []
    for row in log_probs:
        best = torch.topk(row, 5)
        positions.append(
            {
                "ids": best.indices.tolist() + fixed,
                "log_probabilities": rounded(best.values.tolist() + row[fixed].tolist()),
            }
        )
    rows = [0, 1, 2, 250, 749, 1000, 1498, 1499]
    columns = [0, 1, width // 2 - 1, width // 2, width - 2, width - 1]
    samples_of = [
        "model.encoder.conv1.weight",
        "model.encoder.embed_positions.weight",
        "model.encoder.layer_norm.weight",
        "model.decoder.embed_tokens.weight",
        "model.decoder.layers.3.encoder_attn.k_proj.weight",
        "model.decoder.layer_norm.bias",
    ]
    spread = log_probs.std(-1)
    print(name, "log-probability spread", spread.min().item(), spread.max().item(), "best", log_probs.max(-1).values)
    print(name, "encoder spread", audio.std().item(), "row to row", audio[0].std(0).mean().item())
    result = {
        "clip": CLIP,
        "seed": SEED,
        "shape": {
            "mels": mels, "width": width, "heads": heads, "ffn": ffn, "encoder_layers": encoder_layers,
            "decoder_layers": decoder_layers, "vocabulary": vocabulary,
        },
        "weights": [
            {
                "name": key,
                "count": int(arrays[key].size),
                "sum": float(arrays[key].astype(np.float64).sum()),
                "first": [float(value) for value in arrays[key].reshape(-1)[:4]],
                "last": [float(value) for value in arrays[key].reshape(-1)[-4:]],
            }
            for key in samples_of
        ],
        "encoder": {
            "rows": rows,
            "columns": columns,
            "values": [rounded(audio[0, row, columns].tolist()) for row in rows],
            "mean": rounded([audio.double().mean()])[0],
            "rms": rounded([audio.double().square().mean().sqrt()])[0],
        },
        "teacher_forced": {"tokens": tokens, "positions": positions},
        "greedy": {"prefix": prefix} | greedy(model, audio, prefix),
    }  # fmt: skip
    print(name, "greedy", result["greedy"])
    with whisper.model.disable_sdpa():
        other = model.logits(torch.tensor([tokens]), model.embed_audio(mel[None]))[0].log_softmax(-1)
    print(name, "float32 noise of the reference", (other - log_probs).abs().max().item())
    return result


def main():
    torch.set_grad_enabled(False)
    folder = ROOT / "fixtures" / "shapes"
    folder.mkdir(exist_ok=True)
    for name, shape in SHAPES.items():
        text = json.dumps(expectation(name, shape), separators=(",", ":"))
        text = text.replace('{"ids"', '\n{"ids"').replace('{"name"', '\n{"name"').replace('],"', '],\n"')
        (folder / f"{name}.json").write_text(text + "\n")


if __name__ == "__main__":
    main()
