//! What both engines can do, each step by itself so that it can be timed.

use std::fmt;
use std::path::Path;

use crate::ours::Ours;
use crate::theirs::Theirs;

/// Tokens that one measurement of the decoder puts through: about what half a minute of speech has.
pub(crate) const TOKENS: usize = 64;

/// Rows of a beam search with the default width.
pub(crate) const BEAM: usize = 5;

/// Samples of one window: 30 s at 16 kHz.
const WINDOW_SAMPLES: usize = 480_000;

/// The token of every row. With random weights one is as good as another.
pub(crate) const TOKEN: u32 = 1000;

/// An engine with a loaded model and 30 s to work on. Each step builds on the one before it.
pub(crate) trait Engine {
    /// Samples to log-mel frames.
    fn front_end(&mut self) -> anyhow::Result<()>;
    /// Frames to features, and these to the keys and values that the decoder looks at.
    fn encode(&mut self) -> anyhow::Result<()>;
    /// From an empty context, [`TOKENS`] steps of `rows` tokens each, with logits for every row.
    fn decode(&mut self, rows: usize) -> anyhow::Result<()>;
}

/// One of the two that are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Ours,
    Theirs,
}

impl Kind {
    /// The engine with the model at `path`: a folder for ours, a file for theirs.
    pub(crate) fn load(self, path: &Path, threads: usize) -> anyhow::Result<Box<dyn Engine>> {
        Ok(match self {
            Self::Ours => Box::new(Ours::load(path, threads)?),
            Self::Theirs => Box::new(Theirs::load(path, threads)?),
        })
    }

    /// The engine of this name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        [Self::Ours, Self::Theirs].into_iter().find(|kind| kind.to_string() == name)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Ours => "hansard",
            Self::Theirs => "whisper.cpp",
        })
    }
}

/// Half a minute of sound with some energy in every band. The work does not depend on what is said.
pub(crate) fn window() -> Vec<f32> {
    let mut state = 1u32;
    let mut noise = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        f32::from((state >> 16) as u16) / 32_768.0 - 1.0
    };
    let tone = |n: usize| (n as f32 * 0.1).sin() * (n as f32 * 0.0007).sin();
    (0..WINDOW_SAMPLES).map(|n| 0.3 * tone(n) + 0.05 * noise()).collect()
}
