//! Subtitles that can be read: what is on screen, for how long, and on which line.
//!
//! [`cues`] turns a transcript's segments into cues; [`srt`] and [`vtt`] write them. The limits are those that
//! broadcasters use: two lines of 42 characters, 1 to 6 s on screen, at most 20 characters a second.

mod atoms;
mod layout;
mod write;

pub use write::{VTT_HEADER, srt, srt_cue, vtt, vtt_cue};

use crate::transcript::Segment;
use atoms::Atom;

/// Characters in a line of most scripts.
pub const LINE_WIDTH: usize = 42;

/// Characters in a line of a script whose characters are wide, or dense with meaning.
pub const COMPLEX_LINE_WIDTH: usize = 30;

/// ISO 639 codes of the languages that take [`COMPLEX_LINE_WIDTH`].
const COMPLEX: [&str; 25] = [
    "am", "ar", "bn", "fa", "gu", "hi", "ja", "ka", "km", "kn", "ko", "lo", "ml", "mr", "my", "ne",
    "pa", "si", "ta", "te", "th", "ti", "ur", "yue", "zh",
];

/// What a viewer can take in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Characters (Unicode scalar values) in a line; 0 is taken for 1.
    pub line_width: usize,
    /// Lines in a cue; 0 is taken for 1.
    pub lines: usize,
    /// A cue stays at least so long, unless the next one begins before; in milliseconds.
    pub min_ms: u64,
    /// A cue stays at most so long; in milliseconds.
    pub max_ms: u64,
    /// Characters a second that can be read. A cue that would be faster stays on into the silence after it.
    pub characters_per_second: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            line_width: LINE_WIDTH,
            lines: 2,
            min_ms: 1000,
            max_ms: 6000,
            characters_per_second: 20,
        }
    }
}

impl Limits {
    /// The limits for a language by its ISO 639 code; the default ones when it is not known.
    pub fn for_language(language: Option<&str>) -> Self {
        let complex = language.is_some_and(|code| COMPLEX.contains(&code));
        let line_width = if complex { COMPLEX_LINE_WIDTH } else { LINE_WIDTH };
        Self { line_width, ..Self::default() }
    }
}

/// What is on screen at one time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cue {
    /// When it appears, in milliseconds from the start of the recording.
    pub start_ms: u64,
    /// When it goes, after [`start_ms`](Self::start_ms) and not after the next cue's.
    pub end_ms: u64,
    /// Its lines, none of them empty, none wider than the limit.
    pub lines: Vec<String>,
}

/// Cuts the text of `segments` into cues in order of time.
///
/// Cues end where segments do, then at the ends of sentences, then of clauses, then between words. Every word is in
/// exactly one cue. Words without times get theirs by their place in the segment's text.
pub fn cues(segments: &[Segment], limits: &Limits) -> Vec<Cue> {
    let limits =
        Limits { line_width: limits.line_width.max(1), lines: limits.lines.max(1), ..*limits };
    let atoms = atoms::atoms(segments, limits.line_width);
    let mut cues: Vec<Cue> = layout::groups(&atoms, &limits)
        .into_iter()
        .map(|group| {
            let atoms = &atoms[group];
            Cue {
                start_ms: atoms.first().map_or(0, |atom| milliseconds(atom.start)),
                end_ms: atoms.last().map_or(0, |atom| milliseconds(atom.end)),
                lines: layout::lines(atoms, limits.line_width),
            }
        })
        .collect();
    set_times(&mut cues, &limits);
    cues
}

/// Makes cues follow each other, and stay on screen as long as they can be read.
fn set_times(cues: &mut [Cue], limits: &Limits) {
    let mut earliest = 0;
    for cue in cues.iter_mut() {
        cue.start_ms = cue.start_ms.max(earliest);
        earliest = cue.start_ms + 1;
    }
    let mut next_start = u64::MAX;
    for cue in cues.iter_mut().rev() {
        let characters: usize = cue.lines.iter().map(|line| width(line)).sum();
        let reading = (characters as u64 * 1000).div_ceil(limits.characters_per_second.max(1));
        let wanted = cue.end_ms.max(cue.start_ms.saturating_add(reading.max(limits.min_ms)));
        let longest = cue.start_ms.saturating_add(limits.max_ms);
        cue.end_ms = wanted.min(longest).min(next_start).max(cue.start_ms + 1);
        next_start = cue.start_ms;
    }
}

/// Characters as subtitle limits count them.
fn width(text: &str) -> usize {
    text.chars().count()
}

/// Seconds as whole milliseconds: the only place where a time is rounded. What is no time becomes 0.
pub fn milliseconds(seconds: f64) -> u64 {
    // `as` saturates, and takes NaN and negative numbers to 0. A cap of some thousand years keeps sums from overflowing.
    ((seconds * 1000.0).round() as u64).min(u64::from(u32::MAX) * 1000)
}

#[cfg(test)]
mod tests;
