//! Which atoms share a cue, and which of them a line.

use std::ops::Range;

use super::atoms::Break;
use super::{Atom, Limits, milliseconds, width};

/// Words this far apart are never on screen together: 1.5 s.
const PAUSE_MS: u64 = 1500;

/// What one more cue costs. All costs are relative to each other; only their order means something.
const CUE: f64 = 10.0;

/// Takes back what the cue costs, so that cues join segments only to escape [`TOO_SHORT`].
const SEGMENT_END: f64 = -CUE - EMPTY;
const SENTENCE_END: f64 = 0.0;
const CLAUSE_END: f64 = 3.0;
const WORD_END: f64 = 8.0;

/// A cue that is gone before it can be read.
const TOO_SHORT: f64 = 16.0;

/// A cue that is almost empty costs this much more than a full one, which evens out neighbours.
const EMPTY: f64 = 4.0;

/// How much shorter, in squared characters, the lines would have to be to prefer a break between mere words to one at
/// the end of a clause.
const LINE_CLAUSE: usize = 150;

/// The cheapest way to part all atoms into cues: ranges of atoms in order.
pub(super) fn groups(atoms: &[Atom], limits: &Limits) -> Vec<Range<usize>> {
    // best[i] is the cost of the atoms before i, and where the last cue of that solution begins.
    let mut best = vec![(f64::INFINITY, 0); atoms.len() + 1];
    best[0].0 = 0.0;
    let capacity = limits.line_width.saturating_mul(limits.lines) as f64;
    for first in 0..atoms.len() {
        let mut page = Page::default();
        for last in first..atoms.len() {
            page.add(&atoms[last], limits.line_width);
            if last > first && !together(atoms, first, last, &page, limits) {
                break;
            }
            let cost =
                best[first].0 + cost(atoms, first, last, page.characters as f64 / capacity, limits);
            if cost < best[last + 1].0 {
                best[last + 1] = (cost, first);
            }
        }
    }
    let mut groups = Vec::new();
    let mut end = atoms.len();
    while end > 0 {
        let first = best[end].1;
        groups.push(first..end);
        end = first;
    }
    groups.reverse();
    groups
}

/// Whether atom `last` can still be in the cue that begins with atom `first`.
fn together(atoms: &[Atom], first: usize, last: usize, page: &Page, limits: &Limits) -> bool {
    let start = milliseconds(atoms[first].start);
    let pause = milliseconds(atoms[last].start).saturating_sub(milliseconds(atoms[last - 1].end));
    page.lines <= limits.lines
        && pause <= PAUSE_MS
        && milliseconds(atoms[last].end).saturating_sub(start) <= limits.max_ms
}

fn cost(atoms: &[Atom], first: usize, last: usize, fill: f64, limits: &Limits) -> f64 {
    let start = milliseconds(atoms[first].start);
    let next = atoms.get(last + 1).map_or(u64::MAX, |atom| milliseconds(atom.start));
    let short = next.saturating_sub(start) < limits.min_ms;
    let end = match atoms[last].after {
        Break::Segment => SEGMENT_END,
        Break::Sentence => SENTENCE_END,
        Break::Clause => CLAUSE_END,
        Break::Word => WORD_END,
    };
    CUE + end + if short { TOO_SHORT } else { 0.0 } + EMPTY * (1.0 - fill).powi(2)
}

/// Lines filled one after the other, as far as counting goes.
#[derive(Default)]
struct Page {
    lines: usize,
    in_line: usize,
    characters: usize,
}

impl Page {
    fn add(&mut self, atom: &Atom, line_width: usize) {
        let own = width(&atom.text);
        let joined = self.in_line + usize::from(!atom.glued) + own;
        self.characters += own;
        if self.lines > 0 && joined <= line_width {
            self.in_line = joined;
        } else {
            self.lines += 1;
            self.in_line = own;
        }
    }
}

/// The text of one cue in as few lines as it takes, of lengths as even as words and clauses allow.
pub(super) fn lines(atoms: &[Atom], line_width: usize) -> Vec<String> {
    let mut page = Page::default();
    for atom in atoms {
        page.add(atom, line_width);
    }
    // cheapest[end] is the cost of the first `end` atoms in the lines so far; `cuts` keeps where each last line begins.
    let mut cheapest: Vec<Option<usize>> = vec![None; atoms.len() + 1];
    cheapest[0] = Some(0);
    let mut cuts: Vec<Vec<usize>> = Vec::with_capacity(page.lines);
    for _ in 0..page.lines {
        let mut next = vec![None; atoms.len() + 1];
        let mut cut = vec![0; atoms.len() + 1];
        for (first, cost) in cheapest.iter().enumerate().filter_map(|(i, c)| c.map(|c| (i, c))) {
            let mut line = 0;
            for (last, atom) in atoms.iter().enumerate().skip(first) {
                line += width(&atom.text) + usize::from(last > first && !atom.glued);
                if line > line_width {
                    break;
                }
                let poor = last + 1 < atoms.len() && atom.after == Break::Word;
                let cost = cost + line * line + if poor { LINE_CLAUSE } else { 0 };
                if next[last + 1].is_none_or(|known| cost < known) {
                    next[last + 1] = Some(cost);
                    cut[last + 1] = first;
                }
            }
        }
        cuts.push(cut);
        cheapest = next;
    }
    let mut lines = Vec::with_capacity(page.lines);
    let mut end = atoms.len();
    for cut in cuts.iter().rev() {
        lines.push(join(&atoms[cut[end]..end]));
        end = cut[end];
    }
    lines.reverse();
    lines
}

fn join(atoms: &[Atom]) -> String {
    let mut line = String::new();
    for atom in atoms {
        if !line.is_empty() && !atom.glued {
            line.push(' ');
        }
        line.push_str(&atom.text);
    }
    line
}
