//! The files of a model folder.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use safetensors::tensor::Metadata;
use serde_json::Value;

use super::{Error, names};

/// What makes a folder a model.
pub(super) const CONFIG: &str = "config.json";
/// All weights in one file.
pub(super) const WEIGHTS: &str = "model.safetensors";
/// Which shard has which weights, where there is no single file.
pub(super) const INDEX: &str = "model.safetensors.index.json";

/// Files without which nothing works, the weights aside.
pub(super) const NEEDED: [&str; 2] = [CONFIG, "tokenizer.json"];
/// Files that are used where they exist.
pub(super) const OPTIONAL: [&str; 2] = ["generation_config.json", "preprocessor_config.json"];

/// The largest file of JSON; vocabularies have some 4 MB.
pub(super) const JSON_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// The largest file of weights; `large-v3` in f32 has 6.2 GB.
pub(super) const WEIGHTS_BYTES_MAX: u64 = 32 * 1024 * 1024 * 1024;
/// More shards than any published Whisper has.
const SHARDS_MAX: usize = 100;
/// A header larger than this is not one (the reference implementation's bound).
const HEADER_BYTES_MAX: u64 = 100_000_000;

/// The names of files that `folder` would need to be a model.
pub(super) fn missing(folder: &Path) -> Vec<String> {
    let absent = |name: &str| !folder.join(name).is_file();
    let needed = NEEDED.into_iter().filter(|name| absent(name));
    let mut missing: Vec<String> = needed.map(str::to_owned).collect();
    if folder.join(WEIGHTS).is_file() {
        return missing;
    }
    match shards_in(folder) {
        Some(shards) => missing.extend(shards.into_iter().filter(|name| absent(name))),
        None => missing.push(WEIGHTS.to_owned()),
    }
    missing
}

/// Refuses a folder that is no whole model.
pub(super) fn check_presence(folder: &Path) -> Result<(), Error> {
    let missing = missing(folder);
    if missing.is_empty() {
        return Ok(());
    }
    Err(Error::Incomplete { folder: folder.to_owned(), missing })
}

/// The names of all files of the whole model in `folder`, which must be what their names say.
pub(super) fn checked(folder: &Path) -> Result<Vec<String>, Error> {
    check_presence(folder)?;
    let optional = OPTIONAL.iter().filter(|name| folder.join(name).is_file());
    let mut names: Vec<String> = NEEDED.iter().chain(optional).map(|&name| name.into()).collect();
    for name in &names {
        read_json(&folder.join(name))?;
    }
    if !is_whisper(folder) {
        return Err(unusable(&folder.join(CONFIG), "its model_type is not whisper"));
    }
    let weights = match folder.join(WEIGHTS).is_file() {
        true => vec![WEIGHTS.to_owned()],
        false => {
            names.push(INDEX.to_owned());
            shards_in(folder).unwrap_or_default()
        }
    };
    for name in &weights {
        check_safetensors(&folder.join(name))?;
    }
    names.extend(weights);
    Ok(names)
}

/// Whether `folder` has the settings of a Whisper.
pub(super) fn is_whisper(folder: &Path) -> bool {
    let config = read_json(&folder.join(CONFIG));
    config.is_ok_and(|config| config.get("model_type").and_then(Value::as_str) == Some("whisper"))
}

/// The shards that an index names, or what is wrong with it. The names come from outside.
pub(super) fn shards(index: &[u8]) -> Result<Vec<String>, &'static str> {
    let index: Value = serde_json::from_slice(index).map_err(|_| "the index is not JSON")?;
    let map = index.get("weight_map").and_then(Value::as_object);
    let map = map.ok_or("the index has no weight_map")?;
    let mut shards = BTreeSet::new();
    for name in map.values() {
        let name = name.as_str().ok_or("the index names a shard that is no text")?;
        if !names::is_part(name) || !name.ends_with(".safetensors") {
            return Err("the index names a shard that is not a plain file name");
        }
        shards.insert(name.to_owned());
        if shards.len() > SHARDS_MAX {
            return Err("the index names too many shards");
        }
    }
    if shards.is_empty() {
        return Err("the index names no shards");
    }
    Ok(shards.into_iter().collect())
}

/// The shards of the model in `folder`, if it has a usable index.
fn shards_in(folder: &Path) -> Option<Vec<String>> {
    shards(&read_bounded(&folder.join(INDEX)).ok()?).ok()
}

/// All bytes of a file of JSON.
pub(super) fn read_bounded(path: &Path) -> Result<Vec<u8>, Error> {
    let file = File::open(path).map_err(Error::io("read", path))?;
    let mut bytes = Vec::new();
    file.take(JSON_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(Error::io("read", path))?;
    if bytes.len() as u64 > JSON_BYTES_MAX {
        return Err(unusable(path, "it is too large"));
    }
    Ok(bytes)
}

fn read_json(path: &Path) -> Result<Value, Error> {
    serde_json::from_slice(&read_bounded(path)?).map_err(|error| unusable(path, &error.to_string()))
}

/// Checks that the header can be read and that the file has the bytes that it speaks of.
fn check_safetensors(path: &Path) -> Result<(), Error> {
    let mut file = File::open(path).map_err(Error::io("read", path))?;
    let length = file.metadata().map_err(Error::io("read", path))?.len();
    let mut size = [0; 8];
    file.read_exact(&mut size).map_err(|_| unusable(path, "it is too short"))?;
    let header_bytes = u64::from_le_bytes(size);
    if header_bytes > HEADER_BYTES_MAX || header_bytes > length {
        return Err(unusable(path, "its header is too long"));
    }
    let mut header = vec![0; header_bytes as usize];
    file.read_exact(&mut header).map_err(|_| unusable(path, "its header is cut off"))?;
    let metadata: Metadata =
        serde_json::from_slice(&header).map_err(|error| unusable(path, &error.to_string()))?;
    let ends = metadata.tensors().into_values().map(|tensor| tensor.data_offsets.1);
    let data_bytes = ends.max().unwrap_or(0) as u64;
    if (8 + header_bytes).saturating_add(data_bytes) != length {
        return Err(unusable(path, "its length is not what its header says"));
    }
    Ok(())
}

fn unusable(path: &Path, reason: &str) -> Error {
    Error::Unusable { path: path.to_owned(), reason: reason.to_owned() }
}

/// The bytes of all files below `folder`; symbolic links count nothing, so that no file counts twice.
pub(super) fn bytes_below(folder: &Path) -> u64 {
    let mut waiting: Vec<PathBuf> = vec![folder.to_owned()];
    let mut bytes = 0;
    while let Some(folder) = waiting.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            match entry.metadata() {
                Ok(metadata) if metadata.is_dir() => waiting.push(entry.path()),
                Ok(metadata) if metadata.is_file() => bytes += metadata.len(),
                _ => {}
            }
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn index(shards: &[&str]) -> Vec<u8> {
        let map: Vec<_> =
            shards.iter().enumerate().map(|(n, name)| format!(r#""t{n}":"{name}""#)).collect();
        format!(r#"{{"weight_map":{{{}}}}}"#, map.join(",")).into_bytes()
    }

    #[test]
    fn each_shard_is_named_once() {
        let shards = shards(&index(&["b.safetensors", "a.safetensors", "b.safetensors"])).unwrap();

        assert_eq!(shards, ["a.safetensors", "b.safetensors"]);
    }

    #[test]
    fn a_shard_that_leads_elsewhere_is_refused() {
        for name in
            ["../x.safetensors", "/x.safetensors", "a/b.safetensors", ".x.safetensors", "x.sh", ""]
        {
            assert!(shards(&index(&[name])).is_err(), "{name}");
        }
        assert!(shards(&index(&[])).is_err());
        assert!(shards(b"{}").is_err());
    }
}
