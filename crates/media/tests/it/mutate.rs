//! Damage to fixture files, the same in every run.

use std::path::PathBuf;

use crate::reading::fixture;

/// A fixture file, or the part of it that is worth damaging.
pub(crate) struct Source {
    bytes: Vec<u8>,
    is_ogg: bool,
}

/// More than this of a file is only more of the same; files that begin with their index are cut here.
const PART: usize = 48 * 1024;

/// Every fixture and every Opus clip, the long ones cut.
pub(crate) fn sources() -> Vec<Source> {
    let own = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data");
    let mut paths: Vec<PathBuf> = [fixture("formats"), own]
        .into_iter()
        .flat_map(|folder| std::fs::read_dir(folder).expect("the folder is there"))
        .map(|entry| entry.expect("the folder can be listed").path())
        .filter(|path| {
            let extension = path.extension().and_then(|extension| extension.to_str());
            !matches!(extension, Some("json" | "py"))
        })
        .collect();
    paths.sort();
    let read = |path: &PathBuf| {
        let mut bytes = std::fs::read(path).expect("the fixture is there");
        let has_index_at_the_end = bytes.get(4..8) == Some(b"ftyp");
        if !has_index_at_the_end {
            bytes.truncate(PART);
        }
        Source { is_ogg: bytes.starts_with(b"OggS"), bytes }
    };
    paths.iter().map(read).collect()
}

/// Makes mutation after mutation of a set of files.
pub(crate) struct Mutator {
    sources: Vec<Source>,
}

impl Mutator {
    pub(crate) fn new(sources: Vec<Source>) -> Self {
        assert!(sources.len() > 40, "only {} files", sources.len());
        Self { sources }
    }

    /// The mutated file of this index.
    pub(crate) fn mutation(&self, index: u64) -> Vec<u8> {
        let mut random = Random(index);
        let source = &self.sources[index as usize % self.sources.len()];
        let mut bytes = source.bytes.clone();
        for _ in 0..=random.below(3) {
            self.damage(&mut bytes, &mut random);
        }
        // Ogg drops pages whose checksum is wrong: without repair, damage would never reach a decoder.
        if source.is_ogg && random.below(4) > 0 {
            repair_ogg(&mut bytes);
        }
        bytes
    }

    fn damage(&self, bytes: &mut Vec<u8>, random: &mut Random) {
        if bytes.is_empty() {
            return;
        }
        let at = random.position(bytes.len());
        let end = (at + 1 + random.below(4_000)).min(bytes.len());
        match random.below(9) {
            0 => bytes.truncate(at),
            1 => bytes[at..end].fill(if random.below(2) == 0 { 0 } else { 0xff }),
            2 => {
                let copy = bytes[at..end].to_vec();
                bytes.splice(at..at, copy);
            }
            3 => drop(bytes.drain(at..end)),
            4 => {
                let other = &self.sources[random.below(self.sources.len())].bytes;
                let from = random.position(other.len());
                let piece = &other[from..(from + end - at).min(other.len())];
                bytes.splice(at..end, piece.iter().copied());
            }
            5 | 6 => {
                // Sizes and counts are 1 to 8 bytes long, in either order.
                const VALUES: [u64; 6] = [0, 1, 0x7f, 0x7fff_ffff, 0xffff_fff0, u64::MAX];
                let value = VALUES[random.below(VALUES.len())];
                let width = 1 << random.below(4);
                let field =
                    if random.below(2) == 0 { value.to_be_bytes() } else { value.to_le_bytes() };
                let last = (at + width).min(bytes.len());
                bytes[at..last].copy_from_slice(&field[..last - at]);
            }
            _ => {
                for _ in 0..=random.below(16) {
                    let place = random.position(bytes.len());
                    bytes[place] ^= 1 << random.below(8);
                }
            }
        }
    }
}

/// splitmix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit as u64) as usize
    }

    /// A place in a file; half of the time in its first 600 bytes, where the headers are.
    fn position(&mut self, length: usize) -> usize {
        let range = if self.below(2) == 0 { length } else { length.min(600) };
        self.below(range)
    }
}

/// Writes the right checksum into every whole page.
fn repair_ogg(bytes: &mut [u8]) {
    let mut at = 0;
    while let Some(found) = bytes[at..].windows(4).position(|window| window == b"OggS") {
        at += found;
        let Some(&segments) = bytes.get(at + 26) else { return };
        let table = at + 27..at + 27 + usize::from(segments);
        let Some(sizes) = bytes.get(table.clone()) else { return };
        let end = table.end + sizes.iter().map(|size| usize::from(*size)).sum::<usize>();
        let Some(page) = bytes.get_mut(at..end) else { return };
        page[22..26].fill(0);
        let checksum = ogg_checksum(page);
        page[22..26].copy_from_slice(&checksum.to_le_bytes());
        at = end;
    }
}

/// CRC-32 of polynomial 0x04c11db7, neither reflected nor inverted (RFC 3533 section 6).
fn ogg_checksum(page: &[u8]) -> u32 {
    page.iter().fold(0, |sum, byte| {
        (0..8).fold(sum ^ (u32::from(*byte) << 24), |sum: u32, _| {
            (sum << 1) ^ if sum >> 31 == 1 { 0x04c1_1db7 } else { 0 }
        })
    })
}
