//! `golden.json`: what openai-whisper made of each clip.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::BufReader;
use std::sync::OnceLock;

use serde::Deserialize;

use crate::support::fixture;

#[derive(Deserialize)]
pub(crate) struct Clip {
    pub(crate) name: String,
    pub(crate) language: String,
    pub(crate) truth: String,
    #[serde(default)]
    pub(crate) language_probs: BTreeMap<String, f32>,
    pub(crate) greedy: Reading,
    pub(crate) beam5: Reading,
    pub(crate) teacher_forced: Option<TeacherForced>,
}

#[derive(Deserialize)]
pub(crate) struct Reading {
    pub(crate) text: String,
    pub(crate) segments: Vec<GoldenSegment>,
    pub(crate) word_errors: usize,
}

#[derive(Deserialize)]
pub(crate) struct GoldenSegment {
    pub(crate) start: f64,
    pub(crate) end: f64,
    pub(crate) tokens: Vec<u32>,
    pub(crate) avg_logprob: f32,
    pub(crate) words: Vec<GoldenWord>,
}

#[derive(Deserialize)]
pub(crate) struct GoldenWord {
    pub(crate) word: String,
    pub(crate) start: f64,
    pub(crate) end: f64,
    pub(crate) probability: f64,
}

#[derive(Deserialize)]
pub(crate) struct TeacherForced {
    pub(crate) tokens: Vec<u32>,
    pub(crate) top5_ids: Vec<Vec<u32>>,
    pub(crate) top5_logprobs: Vec<Vec<f32>>,
}

/// Every clip.
pub(crate) fn clips() -> &'static [Clip] {
    static CLIPS: OnceLock<Vec<Clip>> = OnceLock::new();
    CLIPS.get_or_init(|| {
        let file = File::open(fixture("golden.json")).expect("golden.json is there");
        serde_json::from_reader(BufReader::new(file)).expect("golden.json is as this file says")
    })
}

/// One clip.
pub(crate) fn golden(name: &str) -> &'static Clip {
    clips().iter().find(|clip| clip.name == name).expect("the clip is in golden.json")
}
