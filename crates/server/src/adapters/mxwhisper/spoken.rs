//! What was said, as MxWhisper writes it down: one text without line breaks, or subtitles with a cue for each segment.

use std::collections::HashMap;

use axum::response::{IntoResponse, Response};
use hansard_domain::id::TranscriptId;
use hansard_domain::job::JobState;
use hansard_domain::problem::ProblemCode;
use hansard_domain::subtitles::{Cue, milliseconds, srt_cue};
use hansard_domain::transcript::Segment;
use hansard_store::catalogue::JobEntry;
use http::header::CONTENT_TYPE;

use crate::App;
use crate::adapters::waiting::transcript_of;
use crate::api::transcripts::{self, Format};
use crate::audit::note_exported;
use crate::caller::Caller;
use crate::problem::Problem;

/// The content type of texts and SubRip.
const TEXT: &str = "text/plain; charset=utf-8";

/// What is said where there is nothing to download.
pub(super) const NOT_AVAILABLE: &str = "Transcript not available";

/// What was said in a recording, and how sure of it the model was.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Spoken {
    /// The whole text.
    pub(super) text: String,
    /// The mean probability of its tokens, from 0 to 1; `None` where nothing was said.
    pub(super) confidence: Option<f64>,
}

/// What is known of a text while its windows come.
#[derive(Debug, Default)]
struct Heard {
    text: String,
    log_probability: f64,
    segments: u32,
}

impl Heard {
    fn hear(&mut self, segments: &[Segment]) {
        for segment in segments {
            self.text.push_str(&segment.text);
            self.log_probability += f64::from(segment.average_log_probability);
            self.segments += 1;
        }
    }

    fn end(self) -> Spoken {
        let mean = self.log_probability / f64::from(self.segments.max(1));
        let confidence = (self.segments > 0).then(|| mean.exp().clamp(0.0, 1.0));
        Spoken { text: self.text.trim().to_owned(), confidence }
    }
}

/// What was said in the recordings of those `jobs` that are completed, by their transcripts.
pub(super) async fn spoken(
    app: &App,
    jobs: impl IntoIterator<Item = &JobEntry>,
) -> Result<HashMap<TranscriptId, Spoken>, Problem> {
    let completed = jobs.into_iter().filter(|entry| entry.job.state == JobState::Succeeded);
    let ids: Vec<_> = completed.filter_map(|entry| entry.job.transcript.clone()).collect();
    let mut heard: HashMap<TranscriptId, Heard> =
        ids.iter().map(|id| (id.clone(), Heard::default())).collect();
    let mut last = None;
    while !ids.is_empty() {
        let windows = app.store().windows_of_all(&ids, last.as_ref()).await?;
        for placed in &windows {
            let transcript = heard.entry(placed.transcript.clone()).or_default();
            transcript.hear(&placed.window.segments);
        }
        match windows.into_iter().next_back() {
            None => break,
            window => last = window,
        }
    }
    Ok(heard.into_iter().map(|(id, heard)| (id, heard.end())).collect())
}

/// The transcript of a completed job in the format that is called `name`; the text for a name that is none.
///
/// # Errors
/// [`ProblemCode::TranscriptNotFound`] where the job is not completed.
pub(super) async fn download(
    app: &App,
    caller: &Caller,
    entry: &JobEntry,
    name: &str,
) -> Result<Response, Problem> {
    let missing = || Problem::new(ProblemCode::TranscriptNotFound).detail(NOT_AVAILABLE);
    let job = &entry.job;
    let id = job.transcript.as_ref().filter(|_| job.state == JobState::Succeeded);
    let id = id.ok_or_else(missing)?;
    let name = name.to_ascii_lowercase();
    let known = ["json", "vtt", "srt"].into_iter().find(|known| *known == name);
    let name = known.unwrap_or("txt");
    note_exported(app, caller, id, name).await?;
    let format = match name {
        "json" => Format::Json,
        "vtt" => Format::Vtt,
        _ => {
            let transcript = transcript_of(app, job).await?;
            let text = if name == "srt" { srt(&transcript.segments) } else { transcript.text() };
            return Ok(([(CONTENT_TYPE, TEXT)], text).into_response());
        }
    };
    let head = app.store().find_transcript(caller.reach(), id).await?.ok_or_else(missing)?;
    Ok(transcripts::answer(app, head, format))
}

/// A SubRip file with a cue for each of `segments`. It ends with one line break.
fn srt(segments: &[Segment]) -> String {
    let mut file = String::new();
    let spoken = segments.iter().filter(|segment| !segment.line().is_empty());
    for (index, segment) in spoken.enumerate() {
        let [start_ms, end_ms] = [segment.start, segment.end].map(milliseconds);
        file.push_str(&srt_cue(index + 1, &Cue { start_ms, end_ms, lines: vec![segment.line()] }));
    }
    if file.ends_with("\n\n") {
        file.pop();
    }
    file
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segment(start: f64, end: f64, text: &str, average_log_probability: f32) -> Segment {
        Segment {
            start,
            end,
            text: text.to_owned(),
            tokens: Vec::new(),
            temperature: 0.0,
            average_log_probability,
            compression_ratio: 1.0,
            no_speech_probability: 0.0,
            words: Vec::new(),
            suspicions: Vec::new(),
        }
    }

    #[test]
    fn subtitles_have_a_cue_for_each_segment_and_end_once() {
        let segments =
            [segment(0.0, 5.76, " Hello", 0.0), segment(360_005.76, 360_009.0, " you ", 0.0)];

        let expected = "1\n00:00:00,000 --> 00:00:05,760\nHello\n\n\
                        2\n100:00:05,760 --> 100:00:09,000\nyou\n";
        assert_eq!(srt(&segments), expected);
        assert_eq!(srt(&[]), "");
    }

    #[test]
    fn the_text_is_one_and_its_confidence_the_mean() {
        let mut heard = Heard::default();
        heard.hear(&[segment(0.0, 1.0, " Hello", -0.5), segment(1.0, 2.0, " you.", -1.5)]);

        let spoken = heard.end();
        assert_eq!(spoken.text, "Hello you.");
        assert!((spoken.confidence.unwrap() - (-1.0_f64).exp()).abs() < 1e-9);
        assert_eq!(Heard::default().end(), Spoken::default());
    }
}
