//! Tensors of a checkpoint, read one at a time: one file, or shards with an index.
//!
//! Format: <https://github.com/huggingface/safetensors>. A tensor is read, packed and let go before the next, so that
//! loading needs the packed model and one tensor, not two models.

use std::collections::{BTreeSet, HashMap};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use half::{bf16, f16};
use hansard_nn::{Elements, Matrix};
use safetensors::Dtype;
use safetensors::tensor::{Metadata, TensorInfo};
use serde::Deserialize;

use super::config::{read_json, wrong};
use crate::Error;

/// A header larger than this is not one (the reference implementation's bound).
const HEADER_BYTES_MAX: u64 = 100_000_000;
/// More shards than any published checkpoint has.
const SHARDS_MAX: usize = 1_000;

#[derive(Deserialize)]
struct Index {
    weight_map: HashMap<String, String>,
}

/// The open files of a checkpoint.
pub(super) struct Weights {
    folder: PathBuf,
    shards: Vec<Shard>,
}

struct Shard {
    path: PathBuf,
    file: File,
    metadata: Metadata,
    data_start: u64,
}

enum Numbers {
    F32(Vec<f32>),
    F16(Vec<f16>),
    Bf16(Vec<bf16>),
}

impl Weights {
    /// Opens `model.safetensors`, or the shards that `model.safetensors.index.json` names.
    pub(super) fn open(folder: &Path) -> Result<Self, Error> {
        let single = folder.join("model.safetensors");
        let shards = if single.is_file() {
            vec![Shard::open(single)?]
        } else {
            let index: Index = read_json(&folder.join("model.safetensors.index.json"))?
                .ok_or_else(|| {
                    wrong(folder, "neither model.safetensors nor model.safetensors.index.json")
                })?;
            let names: BTreeSet<&String> = index.weight_map.values().collect();
            if names.len() > SHARDS_MAX {
                return Err(wrong(folder, "the index names too many shards"));
            }
            names
                .into_iter()
                .map(|name| {
                    if Path::new(name).file_name().is_none_or(|file| file != name.as_str()) {
                        return Err(wrong(folder, "the index names a shard outside the folder"));
                    }
                    Shard::open(folder.join(name))
                })
                .collect::<Result<_, _>>()?
        };
        Ok(Self { folder: folder.to_owned(), shards })
    }

    /// Packs tensor `name`, whose shape must be `[outputs][inputs]`.
    pub(super) fn matrix(
        &mut self,
        name: &str,
        outputs: usize,
        inputs: usize,
    ) -> Result<Matrix, Error> {
        Ok(match self.read(name, &[outputs, inputs])? {
            Numbers::F32(values) => Matrix::pack(Elements::F32(&values), outputs, inputs),
            Numbers::F16(values) => Matrix::pack(Elements::F16(&values), outputs, inputs),
            Numbers::Bf16(values) => Matrix::pack(Elements::Bf16(&values), outputs, inputs),
        })
    }

    /// Packs convolution `name` of shape `[outputs][channels][3]` as a matrix over three frames of channels.
    pub(super) fn convolution(
        &mut self,
        name: &str,
        outputs: usize,
        channels: usize,
    ) -> Result<Matrix, Error> {
        let values = self.vector(name, &[outputs, channels, 3])?;
        let mut by_frame = vec![0.0; values.len()];
        for output in 0..outputs {
            for channel in 0..channels {
                for tap in 0..3 {
                    by_frame[(output * 3 + tap) * channels + channel] =
                        values[(output * channels + channel) * 3 + tap];
                }
            }
        }
        Ok(Matrix::pack(Elements::F32(&by_frame), outputs, 3 * channels))
    }

    /// Tensor `name` of the given shape as f32.
    pub(super) fn vector(&mut self, name: &str, shape: &[usize]) -> Result<Vec<f32>, Error> {
        Ok(match self.read(name, shape)? {
            Numbers::F32(values) => values,
            Numbers::F16(values) => values.into_iter().map(f16::to_f32).collect(),
            Numbers::Bf16(values) => values.into_iter().map(bf16::to_f32).collect(),
        })
    }

    /// `model.` begins every name in the published checkpoints, but not where only the inner model was saved.
    fn read(&mut self, name: &str, shape: &[usize]) -> Result<Numbers, Error> {
        let bare = name.strip_prefix("model.").unwrap_or(name);
        for shard in &mut self.shards {
            for candidate in [name, bare] {
                let Some(info) = shard.metadata.info(candidate).cloned() else { continue };
                return shard.read(candidate, &info, shape);
            }
        }
        Err(wrong(&self.folder, &format!("tensor {name} is missing")))
    }
}

impl Shard {
    fn open(path: PathBuf) -> Result<Self, Error> {
        let cannot = |error: std::io::Error| wrong(&path, &error.to_string());
        let mut file = File::open(&path).map_err(cannot)?;
        let length = file.metadata().map_err(cannot)?.len();
        let mut size = [0; 8];
        file.read_exact(&mut size).map_err(cannot)?;
        let header_bytes = u64::from_le_bytes(size);
        if header_bytes > HEADER_BYTES_MAX || header_bytes > length {
            return Err(wrong(&path, "not a safetensors file: its header is too long"));
        }
        let mut header = vec![0; header_bytes as usize];
        file.read_exact(&mut header).map_err(cannot)?;
        let metadata: Metadata = serde_json::from_slice(&header)
            .map_err(|error| wrong(&path, &format!("not a safetensors file: {error}")))?;
        let data_start = 8 + header_bytes;
        let data_bytes =
            metadata.tensors().values().map(|info| info.data_offsets.1).max().unwrap_or(0);
        if data_start.checked_add(data_bytes as u64) != Some(length) {
            return Err(wrong(&path, "the file is cut off or has bytes that no tensor owns"));
        }
        Ok(Self { path, file, metadata, data_start })
    }

    fn read(&mut self, name: &str, info: &TensorInfo, shape: &[usize]) -> Result<Numbers, Error> {
        if info.shape != shape {
            let reason = format!("tensor {name} has shape {:?}, expected {shape:?}", info.shape);
            return Err(wrong(&self.path, &reason));
        }
        let (start, end) = info.data_offsets;
        let mut bytes = vec![0; end - start];
        self.file
            .seek(SeekFrom::Start(self.data_start + start as u64))
            .and_then(|_| self.file.read_exact(&mut bytes))
            .map_err(|error| wrong(&self.path, &error.to_string()))?;
        let (pairs, quads) = (bytes.as_chunks::<2>().0, bytes.as_chunks::<4>().0);
        match info.dtype {
            Dtype::F32 => Ok(Numbers::F32(quads.iter().map(|b| f32::from_le_bytes(*b)).collect())),
            Dtype::F16 => Ok(Numbers::F16(pairs.iter().map(|b| f16::from_le_bytes(*b)).collect())),
            Dtype::BF16 => {
                Ok(Numbers::Bf16(pairs.iter().map(|b| bf16::from_le_bytes(*b)).collect()))
            }
            other => {
                Err(wrong(&self.path, &format!("tensor {name} has unsupported type {other:?}")))
            }
        }
    }
}
