//! The pieces of text that are never cut: words, or characters where a script has no spaces.

use unicode_segmentation::UnicodeSegmentation;

use super::width;
use crate::transcript::Segment;

/// How good a place the end of an atom is to end a cue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Break {
    /// The segment ends.
    Segment,
    /// A sentence ends.
    Sentence,
    /// A clause ends.
    Clause,
    /// Only a word ends.
    Word,
}

/// Text that stays together, with its times in seconds.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Atom {
    pub(super) text: String,
    pub(super) start: f64,
    pub(super) end: f64,
    /// No space before it when it follows another atom on a line.
    pub(super) glued: bool,
    /// What ends with it.
    pub(super) after: Break,
}

/// Cuts the segments' texts into atoms, none wider than `line_width`.
pub(super) fn atoms(segments: &[Segment], line_width: usize) -> Vec<Atom> {
    let mut atoms: Vec<Atom> = Vec::new();
    for segment in segments {
        let first = atoms.len();
        let timed = has_timed_words(segment);
        let part_within: fn(char) -> bool = if timed { |_| false } else { is_ideograph };
        let runs = Runs { line_width, segment_start: first, part_within };
        if timed {
            for word in &segment.words {
                runs.push(&mut atoms, &word.text, word.start, word.end);
            }
        } else {
            runs.push(&mut atoms, &segment.text, segment.start, segment.end);
        }
        for atom in &mut atoms[first..] {
            atom.after = after(&atom.text);
        }
        if let Some(last) = atoms[first..].last_mut() {
            last.after = Break::Segment;
        }
    }
    atoms
}

/// Whether the words are the segment's text: otherwise times are taken from the segment, and no text is lost.
fn has_timed_words(segment: &Segment) -> bool {
    let letters = |text: &str| text.split_whitespace().collect::<String>();
    !segment.words.is_empty()
        && segment.words.iter().map(|word| letters(&word.text)).collect::<String>()
            == letters(&segment.text)
}

struct Runs {
    line_width: usize,
    /// Index of the segment's first atom.
    segment_start: usize,
    /// Characters around which a word can be cut even where it fits.
    part_within: fn(char) -> bool,
}

impl Runs {
    /// Adds a stretch of text, whose pieces share its time by their number of characters.
    fn push(&self, atoms: &mut Vec<Atom>, text: &str, start: f64, end: f64) {
        let total = text.split_whitespace().map(width).sum::<usize>().max(1) as f64;
        let time = |characters: usize| start + (end - start) * characters as f64 / total;
        let mut spaced = text.starts_with(char::is_whitespace);
        let mut done = 0;
        for word in text.split_whitespace() {
            for piece in self.pieces(word) {
                let count = width(piece);
                let (start, end) = (time(done), time(done + count));
                self.push_piece(atoms, piece, start, end, spaced);
                spaced = false;
                done += count;
            }
            spaced = true;
        }
    }

    /// Cuts a word where a line may end within it: around the characters of [`Runs::part_within`], and wherever the
    /// line is full.
    fn pieces<'a>(&self, word: &'a str) -> Vec<&'a str> {
        let mut pieces = Vec::new();
        let mut start = 0;
        for (at, grapheme) in word.grapheme_indices(true) {
            let piece = &word[start..at];
            let too_wide = width(piece) + width(grapheme) > self.line_width;
            if !piece.is_empty() && (too_wide || can_part(piece, grapheme, self.part_within)) {
                pieces.push(piece);
                start = at;
            }
        }
        pieces.push(&word[start..]);
        // One grapheme alone can still be wider than an absurdly narrow line.
        pieces.into_iter().flat_map(|piece| chunks(piece, self.line_width)).collect()
    }

    fn push_piece(&self, atoms: &mut Vec<Atom>, piece: &str, start: f64, end: f64, spaced: bool) {
        let in_segment = atoms.len() > self.segment_start;
        let line_width = self.line_width;
        if let Some(last) = atoms.last_mut().filter(|_| in_segment && !spaced)
            && !can_part(&last.text, piece, is_unspaced)
            && width(&last.text) + width(piece) <= line_width
        {
            last.text.push_str(piece);
            last.end = end;
            return;
        }
        let glued = !spaced
            && (in_segment || atoms.last().is_some_and(|last| last.text.ends_with(is_ideograph)));
        atoms.push(Atom { text: piece.to_owned(), start, end, glued, after: Break::Word });
    }
}

/// Whether a line may end between two texts that no space parts.
fn can_part(before: &str, after: &str, part_around: fn(char) -> bool) -> bool {
    let unspaced = before.ends_with(part_around) || after.starts_with(part_around);
    let opening = before.ends_with(|c| "「『（《〈【〔“‘([".contains(c));
    let closing = after.starts_with(is_punctuation);
    unspaced && !opening && !closing
}

fn is_punctuation(character: char) -> bool {
    character.is_ascii_punctuation()
        || "、。，．！？；：」』）》〉】〕…・ー”’।؟،؛".contains(character)
}

/// Characters of Chinese and Japanese, between any two of which a line may end.
fn is_ideograph(character: char) -> bool {
    matches!(character, '\u{3005}'..='\u{3007}' | '\u{3041}'..='\u{30ff}' | '\u{3400}'..='\u{4dbf}'
        | '\u{4e00}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{3ffff}')
        || "、。，！？；：」』）".contains(character)
}

/// Characters of scripts that write words without spaces between them, so that only the engine's words tell them apart.
fn is_unspaced(character: char) -> bool {
    is_ideograph(character)
        || matches!(character, '\u{e00}'..='\u{eff}' | '\u{1000}'..='\u{109f}' | '\u{1780}'..='\u{17ff}')
}

/// `text` in pieces of at most `count` characters.
fn chunks(text: &str, count: usize) -> Vec<&str> {
    let mut chunks = Vec::new();
    let mut rest = text;
    while let Some((at, _)) = rest.char_indices().nth(count) {
        let (chunk, later) = rest.split_at(at);
        chunks.push(chunk);
        rest = later;
    }
    chunks.push(rest);
    chunks
}

fn after(text: &str) -> Break {
    let end = text.trim_end_matches(['"', '\'', '”', '’', '»', ')', '」', '』', '）']);
    if end.ends_with(['.', '!', '?', '…', '。', '！', '？', '؟', '।']) {
        Break::Sentence
    } else if end.ends_with([',', ';', ':', '—', '–', '、', '，', '；', '：', '،', '؛']) {
        Break::Clause
    } else {
        Break::Word
    }
}
