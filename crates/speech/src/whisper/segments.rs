//! From a window's tokens to segments, by the timestamps among them.

use std::ops::Range;

use super::tokens::Tokens;

/// A segment within a window.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Piece {
    /// Seconds from the start of the window.
    pub(super) start: f64,
    /// Seconds from the start of the window.
    pub(super) end: f64,
    /// Which of the window's tokens it holds, its timestamps included.
    pub(super) tokens: Range<usize>,
}

/// A window's tokens, cut.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Split {
    /// Segments whose end was decoded.
    pub(super) closed: Vec<Piece>,
    /// Text after the last of them, whose end was not.
    pub(super) open: Option<Piece>,
    /// The tokens end with one timestamp: nothing is said after it.
    pub(super) ends_in_silence: bool,
    /// Seconds to the last timestamp that closed a segment, if one did.
    pub(super) last_closed: Option<f64>,
}

/// Cuts between two timestamps that stand side by side, as openai-whisper does. `duration` is the window's, in seconds.
pub(super) fn split(tokens: &Tokens, ids: &[u32], duration: f64) -> Split {
    let is_timestamp = |n: usize| tokens.is_timestamp(ids[n]);
    let ends_in_silence = match ids.len() {
        0 => false,
        1 => is_timestamp(0),
        n => !is_timestamp(n - 2) && is_timestamp(n - 1),
    };
    let mut cuts: Vec<usize> =
        (1..ids.len()).filter(|&n| is_timestamp(n - 1) && is_timestamp(n)).collect();
    if cuts.is_empty() {
        return Split {
            closed: vec![Piece {
                start: 0.0,
                end: whole_end(tokens, ids, duration),
                tokens: 0..ids.len(),
            }],
            open: None,
            ends_in_silence,
            last_closed: None,
        };
    }
    if ends_in_silence {
        cuts.push(ids.len());
    }
    let mut closed = Vec::with_capacity(cuts.len());
    let mut start = 0;
    for cut in cuts {
        closed.push(Piece {
            start: tokens.seconds(ids[start]),
            end: tokens.seconds(ids[cut - 1]),
            tokens: start..cut,
        });
        start = cut;
    }
    let open = (start < ids.len()).then(|| {
        let begin = tokens.seconds(ids[start]);
        Piece { start: begin, end: duration.max(begin), tokens: start..ids.len() }
    });
    Split { closed, open, ends_in_silence, last_closed: Some(tokens.seconds(ids[start - 1])) }
}

/// The end of a window that is one segment: its last timestamp, or the window's end if there is none.
fn whole_end(tokens: &Tokens, ids: &[u32], duration: f64) -> f64 {
    match ids.iter().rev().find(|&&id| tokens.is_timestamp(id)) {
        Some(&last) if last != tokens.timestamps => tokens.seconds(last),
        _ => duration,
    }
}
