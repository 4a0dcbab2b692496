//! What was said, as MxWhisper writes it down: one text without line breaks, or subtitles with a cue for each segment.

use std::collections::HashMap;

use axum::response::{IntoResponse, Response};
use hansard_domain::id::TranscriptId;
use hansard_domain::job::JobState;
use hansard_domain::problem::ProblemCode;
use hansard_domain::subtitles::{Cue, milliseconds, srt_cue};
use hansard_domain::transcript::Segment;
use hansard_store::catalogue::JobEntry;
use http::Method;
use http::header::CONTENT_TYPE;

use crate::App;
use crate::adapters::fastapi::{Members, text};
use crate::adapters::waiting::transcript_of;
use crate::api::transcripts::{self, Format};
use crate::audit::note_exported;
use crate::caller::Caller;
use crate::problem::Problem;
use crate::routes::Told;

/// The content type of texts and SubRip.
const TEXT: &str = "text/plain; charset=utf-8";

/// What is said where there is nothing to download.
pub(super) const NO_TEXT: Told =
    Told::saying(ProblemCode::TranscriptNotFound, "Transcript not available");

/// The format that a query asks for, or else `usual`.
pub(super) fn format_of(query: Option<&str>, usual: &str) -> Result<String, Problem> {
    let mut query = Members::of_query(query);
    let format = query.optional("format", text);
    query.finish()?;
    Ok(format.unwrap_or_else(|| usual.to_owned()))
}

/// The whole texts of those `jobs` that are completed, by their transcripts.
pub(super) async fn spoken(
    app: &App,
    jobs: impl IntoIterator<Item = &JobEntry>,
) -> Result<HashMap<TranscriptId, String>, Problem> {
    let completed = jobs.into_iter().filter(|entry| entry.job.state == JobState::Succeeded);
    let ids: Vec<_> = completed.filter_map(|entry| entry.job.transcript.clone()).collect();
    let mut texts: HashMap<TranscriptId, String> =
        ids.iter().map(|id| (id.clone(), String::new())).collect();
    let mut last = None;
    while !ids.is_empty() {
        let windows = app.store().windows_of_all(&ids, last.as_ref()).await?;
        for placed in &windows {
            let text = texts.entry(placed.transcript.clone()).or_default();
            text.extend(placed.window.segments.iter().map(|segment| segment.text.as_str()));
        }
        match windows.into_iter().next_back() {
            None => break,
            window => last = window,
        }
    }
    Ok(texts.into_iter().map(|(id, text)| (id, text.trim().to_owned())).collect())
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
    method: &Method,
) -> Result<Response, Problem> {
    let job = &entry.job;
    let id = job.transcript.as_ref().filter(|_| job.state == JobState::Succeeded);
    let id = id.ok_or(NO_TEXT)?;
    let name = name.to_ascii_lowercase();
    let known = ["json", "vtt", "srt"].into_iter().find(|known| *known == name);
    let name = known.unwrap_or("txt");
    // Who asks for the head alone takes nothing away.
    if *method == Method::GET {
        note_exported(app, caller, id, name).await?;
    }
    let format = match name {
        "json" => Format::Json,
        "vtt" => Format::Vtt,
        _ => {
            let transcript = transcript_of(app, job).await?;
            let text = if name == "srt" { srt(&transcript.segments) } else { transcript.text() };
            return Ok(([(CONTENT_TYPE, TEXT)], text).into_response());
        }
    };
    let head = app.store().find_transcript(caller.reach(), id).await?.ok_or(NO_TEXT)?;
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

    fn segment(start: f64, end: f64, text: &str) -> Segment {
        Segment {
            start,
            end,
            text: text.to_owned(),
            tokens: Vec::new(),
            temperature: 0.0,
            average_log_probability: 0.0,
            compression_ratio: 1.0,
            no_speech_probability: 0.0,
            words: Vec::new(),
            suspicions: Vec::new(),
        }
    }

    #[test]
    fn subtitles_have_a_cue_for_each_segment_and_end_once() {
        let segments = [segment(0.0, 5.76, " Hello"), segment(360_005.76, 360_009.0, " you ")];

        let expected = "1\n00:00:00,000 --> 00:00:05,760\nHello\n\n\
                        2\n100:00:05,760 --> 100:00:09,000\nyou\n";
        assert_eq!(srt(&segments), expected);
        assert_eq!(srt(&[]), "");
    }
}
