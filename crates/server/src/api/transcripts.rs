//! Transcripts: what was said, in the form that the caller wants.
//!
//! A transcript is read and sent window by window, so that one of ten hours needs no more memory than one of a minute. One
//! that still grows is sent as far as it is.

mod formats;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use hansard_domain::id::{Id, RecordingId, TranscriptId};
use hansard_domain::problem::ProblemCode;
use hansard_domain::subtitles::Limits;
use hansard_store::Error as StoreError;
use hansard_store::transcripts::TranscriptHead;
use http::header::{ACCEPT, CONTENT_TYPE, VARY};
use http::{HeaderMap, Method};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::App;
use crate::api::pages::{PageView, Place};
use crate::api::views::OptionsView;
use crate::audit::note_exported;
use crate::caller::Caller;
use crate::extract::{ApiPath, ApiQuery};
use crate::problem::Problem;
pub(crate) use formats::Format;
use formats::{TranscriptJson, Writer};

/// Windows that are read at a time: some minutes of speech.
const WINDOWS_AT_A_TIME: u32 = 16;

/// What is known about a transcript besides its text.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = TranscriptHead)]
pub(crate) struct TranscriptView {
    /// Its name.
    id: String,
    /// What it is the text of.
    recording_id: String,
    /// The job that made it.
    job_id: String,
    /// Whether the recording was heard to its end; while it is not, there may be more text later.
    complete: bool,
    /// Engine and model, as `whisper/base`.
    model: String,
    /// ISO 639 code of the language; `null` while it is unknown, and where nothing was said.
    language: Option<String>,
    /// Probability of that language when it was detected.
    language_probability: Option<f64>,
    /// Length of the recording in seconds, once it was read to its end.
    duration_s: Option<f64>,
    /// What was asked for.
    options: OptionsView,
    /// When its first window could be written.
    #[schema(format = DateTime)]
    created_at: String,
    /// When its last one was.
    #[schema(format = DateTime)]
    completed_at: Option<String>,
}

impl TranscriptView {
    fn of(head: TranscriptHead) -> Self {
        Self {
            id: head.id.to_string(),
            recording_id: head.recording.to_string(),
            job_id: head.job.to_string(),
            complete: head.completed_at.is_some(),
            model: head.model,
            language: head.language,
            language_probability: head.language_probability,
            duration_s: head.duration,
            options: OptionsView::of(head.options),
            created_at: head.created_at.to_string(),
            completed_at: head.completed_at.map(|time| time.to_string()),
        }
    }
}

/// Which transcripts to list.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct ListTranscripts {
    /// Only transcripts of this recording.
    recording_id: Option<String>,
    /// Where the page begins: `next_cursor` of the page before.
    cursor: Option<String>,
    /// Items of the page; 50 if it is left out.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u32>,
}

/// How to write a transcript.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct GetTranscript {
    /// The form; what `Accept` prefers if it is left out.
    #[param(schema_with = formats::names_schema, required = false)]
    format: Option<String>,
}

/// The transcripts of the caller's workspace, newest first, without their text.
#[utoipa::path(
    get, path = "/api/v1/transcripts", tag = "transcripts",
    params(ListTranscripts),
    responses((status = 200, description = "A page of transcripts", body = PageView<TranscriptView>)),
)]
pub(crate) async fn list_transcripts(
    State(app): State<App>,
    caller: Caller,
    ApiQuery(list): ApiQuery<ListTranscripts>,
) -> Result<Json<PageView<TranscriptView>>, Problem> {
    let place = Place::read(list.cursor.as_deref(), list.limit)?;
    let recording = list.recording_id.as_deref().map(|id| {
        RecordingId::parse(id).map_err(|error| Problem::field("/recording_id", error.to_string()))
    });
    let recording = recording.transpose()?;
    let page = app
        .store()
        .page_transcripts(caller.reach(), recording.as_ref(), place.before, place.limit)
        .await?;
    Ok(Json(PageView::of(page, TranscriptView::of)))
}

/// One transcript, as `?format=` or the `Accept` header says.
#[utoipa::path(
    get, path = "/api/v1/transcripts/{id}", tag = "transcripts",
    params(("id" = String, Path, description = "Its id"), GetTranscript),
    responses((status = 200, description = "The transcript, as far as it is", content(
        (TranscriptJson = "application/json"),
        (String = "text/plain"),
        (String = "application/x-subrip"),
        (String = "text/vtt"),
        (String = "text/tab-separated-values"),
        (String = "text/markdown"),
    ))),
)]
pub(crate) async fn get_transcript(
    State(app): State<App>,
    caller: Caller,
    ApiPath(id): ApiPath<TranscriptId>,
    ApiQuery(query): ApiQuery<GetTranscript>,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let format = match &query.format {
        Some(name) => Format::of_name(name).ok_or_else(|| {
            Problem::field("/format", format!("expected one of {}", Format::names()))
        })?,
        None => accepted(&headers)?,
    };
    let head = app.store().find_transcript(caller.reach(), &id).await?;
    let head = head.ok_or(Problem::new(ProblemCode::TranscriptNotFound))?;
    // Whoever asks for no format reads; whoever names one takes it away.
    let is_export = query.format.is_some() || format != Format::Json;
    if is_export && method == Method::GET {
        note_exported(&app, &caller, &id, format.name()).await?;
    }
    Ok(answer(&app, head, format))
}

/// A transcript in a format, as far as it is.
pub(crate) fn answer(app: &App, head: TranscriptHead, format: Format) -> Response {
    let content_type = format.content_type();
    let body = Body::from_stream(written(app.clone(), head, format));
    ([(CONTENT_TYPE, content_type), (VARY, "accept".to_owned())], body).into_response()
}

/// The format that the client would like most; JSON if it does not say.
fn accepted(headers: &HeaderMap) -> Result<Format, Problem> {
    let values = headers.get_all(ACCEPT).into_iter().filter_map(|value| value.to_str().ok());
    let mut ranges: Vec<(f32, &str)> =
        values.flat_map(|value| value.split(',')).map(weighed).collect();
    if ranges.is_empty() {
        return Ok(Format::Json);
    }
    // Stable: among equals, what stands first.
    ranges.sort_by(|one, other| other.0.total_cmp(&one.0));
    let refused: Vec<_> =
        ranges.iter().filter(|range| range.0 <= 0.0).map(|range| range.1).collect();
    let wanted = ranges.iter().filter(|range| range.0 > 0.0);
    wanted.filter_map(|range| Format::of_media_range(range.1, &refused)).next().ok_or_else(|| {
        Problem::new(ProblemCode::NotAcceptable).detail(format!("there is {}", Format::names()))
    })
}

/// A media range of an `Accept` header with its weight.
fn weighed(range: &str) -> (f32, &str) {
    let mut parts = range.split(';').map(str::trim);
    let media_range = parts.next().unwrap_or_default();
    let weight = parts.find_map(|part| part.strip_prefix("q=")?.parse().ok());
    (weight.unwrap_or(1.0), media_range)
}

/// Where the writing of a transcript is.
struct Writing {
    app: App,
    id: TranscriptId,
    /// The next window, and the one to stop at: a transcript that grows is sent as it was when it was asked for.
    next: i64,
    end: i64,
    writer: Writer,
    is_done: bool,
}

/// The transcript piece by piece.
fn written(
    app: App,
    head: TranscriptHead,
    format: Format,
) -> impl futures_util::Stream<Item = Result<String, StoreError>> + Send {
    let (id, end) = (head.id.clone(), head.windows);
    let language = head.options.task.text_language(head.language.as_deref());
    let limits = Limits::for_language(language);
    let writer = Writer::new(format, limits, TranscriptView::of(head));
    let writing = Writing { app, id, next: 0, end, writer, is_done: false };
    stream::try_unfold(writing, |mut writing| async move {
        if writing.is_done {
            return Ok(None);
        }
        let left = u32::try_from(writing.end - writing.next).unwrap_or_default();
        let windows = match left.min(WINDOWS_AT_A_TIME) {
            0 => Vec::new(),
            limit => writing.app.store().windows(&writing.id, writing.next, limit).await?,
        };
        writing.next += windows.len() as i64;
        // Deleted in the meantime: what is there ends as a whole document would.
        writing.is_done = windows.is_empty() || writing.next >= writing.end;
        let mut text = String::new();
        for window in &windows {
            writing.writer.window(&mut text, window);
        }
        if writing.is_done {
            writing.writer.end(&mut text);
        }
        Ok(Some((text, writing)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn format_for(accept: &str) -> Option<Format> {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, accept.parse().unwrap());
        accepted(&headers).ok()
    }

    #[test]
    fn the_best_format_that_is_accepted_is_taken() {
        assert_eq!(format_for("text/vtt"), Some(Format::Vtt));
        assert_eq!(format_for("*/*"), Some(Format::Json));
        assert_eq!(format_for("text/*"), Some(Format::Txt));
        assert_eq!(
            format_for("image/png, application/x-subrip;q=0.5, */*;q=0.1"),
            Some(Format::Srt)
        );
        assert_eq!(format_for("text/vtt;q=0, text/markdown"), Some(Format::Md));
        assert_eq!(format_for("application/json;q=0, */*"), Some(Format::Txt));
        assert_eq!(format_for("image/png"), None);
        assert_eq!(accepted(&HeaderMap::new()).ok(), Some(Format::Json));
    }
}
