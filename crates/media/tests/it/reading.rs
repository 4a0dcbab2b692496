//! Reading fixtures, and comparing what was read.

use std::path::{Path, PathBuf};

use hansard_media::{Channels, Error, MediaFile, Recording, SAMPLE_RATE};

/// A fixture's path, such as `formats/en-00.8k.wav`.
pub(crate) fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures").join(name)
}

/// All samples of a recording.
pub(crate) fn read_all(recording: &dyn Recording) -> Result<Vec<f32>, Error> {
    let mut samples = recording.open()?;
    let mut all = Vec::new();
    // An odd length, so that no packet or block fits it.
    let mut buffer = [0.0; 3_001];
    loop {
        match samples.read(&mut buffer)? {
            0 => return Ok(all),
            count => all.extend_from_slice(&buffer[..count]),
        }
    }
}

/// All samples of a file, channels mixed.
pub(crate) fn read_file(path: &Path) -> Result<Vec<f32>, Error> {
    read_all(&MediaFile::open(path, Channels::Mix)?)
}

/// All samples of a fixture.
pub(crate) fn read_fixture(name: &str, channels: Channels) -> Vec<f32> {
    let file = MediaFile::open(fixture(name), channels).expect("the fixture opens");
    read_all(&file).expect("the fixture reads")
}

/// A file with `bytes` that is removed when it is dropped.
pub(crate) fn file_of(bytes: &[u8]) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().expect("a temporary file");
    std::fs::write(file.path(), bytes).expect("the temporary file takes the bytes");
    file
}

pub(crate) fn seconds(samples: &[f32]) -> f64 {
    samples.len() as f64 / SAMPLE_RATE as f64
}

/// Most samples that [`likeness`] compares: 8 s.
const COMPARED_MAX: usize = 8 * SAMPLE_RATE;

/// Largest shift in samples that [`likeness`] tries: 100 ms.
const SHIFT_MAX: usize = SAMPLE_RATE / 10;

/// How alike two recordings are.
#[derive(Debug)]
pub(crate) struct Likeness {
    /// Correlation at the best shift, 1 for the same up to loudness.
    pub(crate) correlation: f64,
    /// Samples that `heard` comes late.
    pub(crate) shift: isize,
}

/// Compares the middle of `heard` with `original` at every shift within 100 ms.
pub(crate) fn likeness(heard: &[f32], original: &[f32]) -> Likeness {
    let both = heard.len().min(original.len());
    let length = (both - 2 * SHIFT_MAX).min(COMPARED_MAX);
    let from = (both - length) / 2;
    let middle = &heard[from..from + length];
    let energy = product(middle, middle);
    let correlations = (from - SHIFT_MAX..=from + SHIFT_MAX).map(|start| {
        let other = &original[start..start + length];
        let norm = (energy * product(other, other)).sqrt().max(1e-12);
        (product(middle, other) / norm, start)
    });
    let (correlation, start) =
        correlations.max_by(|a, b| a.0.total_cmp(&b.0)).expect("there is at least one shift");
    Likeness { correlation, shift: from.cast_signed() - start.cast_signed() }
}

/// In lanes, which the compiler turns into vectors.
fn product(a: &[f32], b: &[f32]) -> f64 {
    const LANES: usize = 16;
    let mut sums = [0.0_f32; LANES];
    for (a, b) in a.chunks_exact(LANES).zip(b.chunks_exact(LANES)) {
        for lane in 0..LANES {
            sums[lane] += a[lane] * b[lane];
        }
    }
    sums.iter().map(|sum| f64::from(*sum)).sum()
}
