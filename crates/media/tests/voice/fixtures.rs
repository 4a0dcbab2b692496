//! The fixture recordings and what is truly said in them.

use std::path::PathBuf;

use hansard_media::{SAMPLE_RATE, Span};

/// A fixture clip and the times of its sentences.
pub(crate) struct Clip {
    pub(crate) name: String,
    pub(crate) samples: Vec<f32>,
    pub(crate) sentences: Vec<Span>,
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fixtures")
}

/// Reads a 16 kHz FLAC file below the fixtures, mixed to mono.
pub(crate) fn read(file: &str) -> Vec<f32> {
    let mut flac = claxon::FlacReader::open(folder().join(file)).expect("the fixture opens");
    let info = flac.streaminfo();
    assert_eq!(info.sample_rate as usize, SAMPLE_RATE, "{file}");
    let full_scale = (1_i64 << (info.bits_per_sample - 1)) as f32 * info.channels as f32;
    let samples: Vec<i32> =
        flac.samples().map(|sample| sample.expect("the fixture decodes")).collect();
    samples
        .chunks(info.channels as usize)
        .map(|frame| frame.iter().sum::<i32>() as f32 / full_scale)
        .collect()
}

/// All clips with true sentence times.
pub(crate) fn clips() -> Vec<Clip> {
    let golden =
        std::fs::read_to_string(folder().join("golden.json")).expect("golden.json is there");
    let golden: serde_json::Value = serde_json::from_str(&golden).expect("golden.json is JSON");
    let clips = golden.as_array().expect("golden.json lists clips");
    clips
        .iter()
        .map(|clip| {
            let name = clip["name"].as_str().expect("a clip has a name").to_owned();
            let sentences = clip["truth_segments"].as_array().expect("a clip has sentences");
            Clip {
                samples: read(&format!("clips/{name}.flac")),
                sentences: sentences.iter().map(sentence).collect(),
                name,
            }
        })
        .collect()
}

/// The clip of this name.
pub(crate) fn clip(name: &str) -> Clip {
    clips().into_iter().find(|clip| clip.name == name).expect("a known clip")
}

fn sentence(times: &serde_json::Value) -> Span {
    let sample = |key: &str| {
        let seconds = times[key].as_f64().expect("a sentence has times");
        (seconds * SAMPLE_RATE as f64) as u64
    };
    Span { start: sample("start"), end: sample("end") }
}

/// Pseudo-random numbers that are the same in every run (xorshift).
pub(crate) struct Random(pub(crate) u64);

impl Random {
    /// 0 to `below` - 1.
    pub(crate) fn below(&mut self, below: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % below as u64) as usize
    }

    /// -1 to 1.
    pub(crate) fn sample(&mut self) -> f32 {
        self.below(1 << 20) as f32 / (1 << 19) as f32 - 1.0
    }
}
