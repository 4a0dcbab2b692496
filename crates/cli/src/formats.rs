//! A transcript as the files that Whisper's users know.

mod json;

use clap::ValueEnum;
use hansard_domain::subtitles::{self, Limits};
use hansard_domain::transcript::{Segment, Transcript};

/// A kind of output file; its name is also its extension.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Txt,
    Json,
    Srt,
    Vtt,
    Tsv,
}

impl Format {
    /// All of them, in the order in which they are written.
    pub(crate) const ALL: [Format; 5] =
        [Format::Txt, Format::Json, Format::Srt, Format::Vtt, Format::Tsv];

    /// What comes after the dot in the file's name.
    pub(crate) fn extension(self) -> &'static str {
        match self {
            Format::Txt => "txt",
            Format::Json => "json",
            Format::Srt => "srt",
            Format::Vtt => "vtt",
            Format::Tsv => "tsv",
        }
    }
}

/// What `--output-format` can say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum FormatChoice {
    /// One line of text per segment
    Txt,
    /// One document with everything that is known
    Json,
    /// SubRip subtitles
    Srt,
    /// WebVTT subtitles
    Vtt,
    /// Start and end in milliseconds, and the text, parted by tabs
    Tsv,
    /// A file of each of these
    All,
}

impl FormatChoice {
    /// The formats that it stands for.
    pub(crate) fn formats(self) -> Vec<Format> {
        match self {
            FormatChoice::Txt => vec![Format::Txt],
            FormatChoice::Json => vec![Format::Json],
            FormatChoice::Srt => vec![Format::Srt],
            FormatChoice::Vtt => vec![Format::Vtt],
            FormatChoice::Tsv => vec![Format::Tsv],
            FormatChoice::All => Format::ALL.to_vec(),
        }
    }
}

/// How a transcript is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Style {
    /// Characters in a subtitle line; `None` takes what suits the language.
    pub(crate) line_width: Option<usize>,
    /// Lines in a subtitle; `None` is two.
    pub(crate) lines: Option<usize>,
    /// Whether words were asked for, so that the document has a list of them even where it is empty.
    pub(crate) words: bool,
}

/// Whether the recording was heard to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Extent {
    Whole,
    /// Stopped before the end.
    Partial,
}

/// The whole file, ending with a line feed.
pub(crate) fn render(
    transcript: &Transcript,
    extent: Extent,
    format: Format,
    style: &Style,
) -> anyhow::Result<String> {
    let cues = || {
        let limits = Limits::for_language(transcript.language.as_deref());
        let limits = Limits {
            line_width: style.line_width.unwrap_or(limits.line_width),
            lines: style.lines.unwrap_or(limits.lines),
            ..limits
        };
        subtitles::cues(&transcript.segments, &limits)
    };
    Ok(match format {
        Format::Txt => txt(&transcript.segments),
        Format::Json => json::document(transcript, extent, style.words)?,
        Format::Srt => subtitles::srt(&cues()),
        Format::Vtt => subtitles::vtt(&cues()),
        Format::Tsv => tsv(&transcript.segments),
    })
}

fn txt(segments: &[Segment]) -> String {
    let mut file = String::new();
    for line in segments.iter().map(Segment::line).filter(|line| !line.is_empty()) {
        file.push_str(&line);
        file.push('\n');
    }
    file
}

fn tsv(segments: &[Segment]) -> String {
    let mut file = "start\tend\ttext\n".to_owned();
    for segment in segments {
        let [start, end] = [segment.start, segment.end].map(subtitles::milliseconds);
        file.push_str(&format!("{start}\t{end}\t{}\n", segment.line()));
    }
    file
}

#[cfg(test)]
mod tests;
