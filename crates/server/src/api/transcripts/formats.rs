//! The forms of a transcript, written window by window.

use hansard_domain::subtitles::{self, Cue, Limits, VTT_HEADER, milliseconds};
use hansard_domain::transcript::{Segment, Word};
use hansard_store::transcripts::Window;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa::openapi::schema::Object;

use super::TranscriptView;
use crate::openapi::names;

/// A form of a transcript.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Json,
    Txt,
    Srt,
    Vtt,
    Tsv,
    Md,
}

impl Format {
    const ALL: [Self; 6] = [Self::Json, Self::Txt, Self::Srt, Self::Vtt, Self::Tsv, Self::Md];

    /// The name, which is a file's ending too.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Txt => "txt",
            Self::Srt => "srt",
            Self::Vtt => "vtt",
            Self::Tsv => "tsv",
            Self::Md => "md",
        }
    }

    /// All names, for people.
    pub(super) fn names() -> String {
        Self::ALL.map(Self::name).join(", ")
    }

    pub(super) fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.name() == name)
    }

    /// The first format within a media range such as `text/*` whose own media type is not among those `refused`.
    pub(super) fn of_media_range(range: &str, refused: &[&str]) -> Option<Self> {
        let range = range.to_ascii_lowercase();
        let is_refused =
            |media_type: &str| refused.iter().any(|one| one.eq_ignore_ascii_case(media_type));
        Self::ALL.into_iter().filter(|format| !is_refused(format.media_type())).find(|format| {
            let media_type = format.media_type();
            let kind = media_type.split('/').next().unwrap_or_default();
            range == "*/*" || range == media_type || range.strip_suffix("/*") == Some(kind)
        })
    }

    fn media_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Txt => "text/plain",
            Self::Srt => "application/x-subrip",
            Self::Vtt => "text/vtt",
            Self::Tsv => "text/tab-separated-values",
            Self::Md => "text/markdown",
        }
    }

    pub(super) fn content_type(self) -> String {
        match self {
            Self::Json => self.media_type().to_owned(),
            _ => format!("{}; charset=utf-8", self.media_type()),
        }
    }
}

/// A transcript as JSON: what is known about it, and its segments.
#[derive(ToSchema)]
#[schema(as = Transcript)]
#[expect(dead_code, reason = "described here; written window by window")]
pub(crate) struct TranscriptJson<'a> {
    #[serde(flatten)]
    head: TranscriptView,
    /// What was said, in order.
    segments: Vec<SegmentView<'a>>,
}

/// The names of the formats.
pub(super) fn names_schema() -> Object {
    names::one_of(Format::ALL.into_iter().map(Format::name))
}

/// A stretch of speech with its text.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Segment)]
pub(crate) struct SegmentView<'a> {
    /// Start in seconds from the start of the recording.
    start: f64,
    /// End in seconds.
    end: f64,
    /// The channel that it comes from, from 0, where channels are kept apart.
    #[serde(skip_serializing_if = "Option::is_none")]
    channel: Option<u16>,
    /// The text.
    text: &'a str,
    /// Its words, if they were asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    words: Vec<WordView<'a>>,
    /// Mean log-probability of the window's tokens.
    average_log_probability: f32,
    /// The model's own probability that there is no speech.
    no_speech_probability: f32,
    /// Above 2.4 the text loops.
    compression_ratio: f32,
    /// The sampling temperature that gave the text.
    temperature: f32,
    /// Why the text may be invented.
    #[schema(schema_with = names::suspicions)]
    suspicions: Vec<&'static str>,
    /// Whether the guard against invented text took the segment out of all other formats.
    dropped: bool,
}

/// A word with its times.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Word)]
pub(crate) struct WordView<'a> {
    /// Start in seconds.
    start: f64,
    /// End in seconds.
    end: f64,
    /// The word with the punctuation that belongs to it.
    text: &'a str,
    /// Mean probability of its tokens.
    probability: f64,
}

/// Writes a transcript in one format, from window to window.
pub(super) struct Writer {
    format: Format,
    limits: Limits,
    head: TranscriptView,
    /// Whether the beginning of the document is written.
    has_begun: bool,
    /// Cues or segments so far.
    count: usize,
    /// The last cue: how long it may stay is known when the next one is.
    held: Option<Cue>,
    /// Markdown: the minute of the last heading.
    paragraph_ms: Option<u64>,
}

/// A paragraph of Markdown begins after so much time.
const PARAGRAPH_MS: u64 = 60_000;

impl Writer {
    pub(super) fn new(format: Format, limits: Limits, head: TranscriptView) -> Self {
        Self { format, limits, head, has_begun: false, count: 0, held: None, paragraph_ms: None }
    }

    /// Writes the next window.
    pub(super) fn window(&mut self, text: &mut String, window: &Window) {
        self.begin(text);
        match self.format {
            Format::Json => self.json(text, window),
            Format::Txt => lines(text, &window.segments),
            Format::Srt | Format::Vtt => self.cues(text, &window.segments),
            Format::Tsv => rows(text, &window.segments),
            Format::Md => self.paragraphs(text, &window.segments),
        }
    }

    /// Writes what comes after the last window.
    pub(super) fn end(&mut self, text: &mut String) {
        self.begin(text);
        match self.format {
            Format::Json => text.push_str("]}\n"),
            Format::Srt | Format::Vtt => {
                if let Some(cue) = self.held.take() {
                    self.cue(text, &cue);
                }
            }
            Format::Md => text.push('\n'),
            Format::Txt | Format::Tsv => {}
        }
    }

    fn begin(&mut self, text: &mut String) {
        if std::mem::replace(&mut self.has_begun, true) {
            return;
        }
        match self.format {
            Format::Json => {
                // The object stays open for the segments, and is closed at the end.
                let head = serde_json::to_string(&self.head).expect("a view has text keys");
                text.push_str(head.strip_suffix('}').expect("an object ends so"));
                text.push_str(",\"segments\":[");
            }
            Format::Vtt => text.push_str(VTT_HEADER),
            Format::Tsv => text.push_str("start\tend\ttext\n"),
            Format::Md => text.push_str("# Transcript\n"),
            Format::Txt | Format::Srt => {}
        }
    }

    fn json(&mut self, text: &mut String, window: &Window) {
        let kept = window.segments.iter().map(|segment| (segment, false));
        let mut all: Vec<_> = kept.chain(window.dropped.iter().map(|one| (one, true))).collect();
        all.sort_by(|one, other| one.0.start.total_cmp(&other.0.start));
        for (segment, dropped) in all {
            if self.count > 0 {
                text.push(',');
            }
            self.count += 1;
            let view = segment_view(segment, window.channel, dropped);
            let json = serde_json::to_string(&view);
            text.push_str(&json.expect("times and probabilities are numbers"));
        }
    }

    fn cues(&mut self, text: &mut String, segments: &[Segment]) {
        for mut cue in subtitles::cues(segments, &self.limits) {
            if let Some(mut last) = self.held.take() {
                cue.start_ms = cue.start_ms.max(last.start_ms + 1);
                cue.end_ms = cue.end_ms.max(cue.start_ms + 1);
                last.end_ms = last.end_ms.min(cue.start_ms);
                self.cue(text, &last);
            }
            self.held = Some(cue);
        }
    }

    fn cue(&mut self, text: &mut String, cue: &Cue) {
        self.count += 1;
        text.push_str(&match self.format {
            Format::Vtt => subtitles::vtt_cue(cue),
            _ => subtitles::srt_cue(self.count, cue),
        });
    }

    fn paragraphs(&mut self, text: &mut String, segments: &[Segment]) {
        for segment in segments {
            let (line, start) = (segment.line(), milliseconds(segment.start));
            if line.is_empty() {
                continue;
            }
            if self.paragraph_ms.is_none_or(|begun| start >= begun.saturating_add(PARAGRAPH_MS)) {
                self.paragraph_ms = Some(start);
                let seconds = start / 1000;
                let (hours, minutes) = (seconds / 3600, seconds / 60 % 60);
                text.push_str(&format!("\n**{hours:02}:{minutes:02}:{:02}**", seconds % 60));
            }
            text.push(' ');
            text.push_str(&escaped(&line));
        }
    }
}

fn segment_view(segment: &Segment, channel: Option<u16>, dropped: bool) -> SegmentView<'_> {
    SegmentView {
        start: whole_milliseconds(segment.start),
        end: whole_milliseconds(segment.end),
        channel,
        text: segment.text.trim(),
        words: segment.words.iter().map(word_view).collect(),
        average_log_probability: segment.average_log_probability,
        no_speech_probability: segment.no_speech_probability,
        compression_ratio: segment.compression_ratio,
        temperature: segment.temperature,
        suspicions: segment.suspicions.iter().map(|suspicion| suspicion.name()).collect(),
        dropped,
    }
}

fn word_view(word: &Word) -> WordView<'_> {
    WordView {
        start: whole_milliseconds(word.start),
        end: whole_milliseconds(word.end),
        text: word.text.trim(),
        probability: word.probability,
    }
}

fn lines(text: &mut String, segments: &[Segment]) {
    for line in segments.iter().map(Segment::line).filter(|line| !line.is_empty()) {
        text.push_str(&line);
        text.push('\n');
    }
}

fn rows(text: &mut String, segments: &[Segment]) {
    for segment in segments {
        let [start, end] = [segment.start, segment.end].map(milliseconds);
        text.push_str(&format!("{start}\t{end}\t{}\n", segment.line()));
    }
}

/// The line with what Markdown would take for its own escaped.
fn escaped(line: &str) -> String {
    let mut text = String::with_capacity(line.len());
    for character in line.chars() {
        if matches!(character, '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '#' | '|') {
            text.push('\\');
        }
        text.push(character);
    }
    text
}

/// Spares readers the digits that only say how binary numbers work.
fn whole_milliseconds(seconds: f64) -> f64 {
    (seconds * 1000.0).round() / 1000.0
}
