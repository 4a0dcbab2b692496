//! Cues as SubRip and WebVTT files.

use std::fmt::Write;

use super::Cue;

/// What a WebVTT file begins with, even without cues.
pub const VTT_HEADER: &str = "WEBVTT\n\n";

/// The cues as a SubRip (`.srt`) file: numbered from 1, `HH:MM:SS,mmm`, a blank line after each.
pub fn srt(cues: &[Cue]) -> String {
    cues.iter().enumerate().map(|(index, cue)| srt_cue(index + 1, cue)).collect()
}

/// One cue of a SubRip file, for those who write it piece by piece.
pub fn srt_cue(number: usize, cue: &Cue) -> String {
    let mut text = format!("{number}\n");
    push_cue(&mut text, cue, ',', without_arrow);
    text
}

/// The cues as a WebVTT (`.vtt`) file: its header even without cues, `HH:MM:SS.mmm`, markup characters escaped.
pub fn vtt(cues: &[Cue]) -> String {
    let mut file = VTT_HEADER.to_owned();
    file.extend(cues.iter().map(vtt_cue));
    file
}

/// One cue of a WebVTT file, for those who write it piece by piece.
pub fn vtt_cue(cue: &Cue) -> String {
    let mut text = String::new();
    push_cue(&mut text, cue, '.', |line| {
        without_arrow(line).replace('&', "&amp;").replace('<', "&lt;")
    });
    text
}

fn push_cue(file: &mut String, cue: &Cue, point: char, text: fn(&str) -> String) {
    push_time(file, cue.start_ms, point);
    file.push_str(" --> ");
    push_time(file, cue.end_ms, point);
    file.push('\n');
    for line in &cue.lines {
        file.push_str(&text(line));
        file.push('\n');
    }
    file.push('\n');
}

fn push_time(file: &mut String, ms: u64, point: char) {
    let (hours, minutes, seconds) = (ms / 3_600_000, ms / 60_000 % 60, ms / 1000 % 60);
    write!(file, "{hours:02}:{minutes:02}:{seconds:02}{point}{:03}", ms % 1000)
        .expect("writing into a string cannot fail");
}

/// `-->` would end the text of a cue in the eyes of a parser.
fn without_arrow(line: &str) -> String {
    let mut text = line.to_owned();
    // Each pass makes the text shorter; `--->` needs a second one.
    while text.contains("-->") {
        text = text.replace("-->", "->");
    }
    text
}
