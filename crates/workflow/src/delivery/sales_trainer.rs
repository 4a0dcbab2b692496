//! The callback that the WordPress plugin of SalesTrainer expects.

use std::fmt;

use bytes::Bytes;
use hansard_domain::event::EventKind;
use hansard_domain::id::{Id, JobId, TranscriptId};
use hansard_domain::problem::ProblemCode;
use hansard_domain::source::{Callback, CallbackFormat};
use hansard_domain::transcript::{Segment, Word};
use hansard_net::Url;
use hansard_store::deliveries::Delivery;
use hansard_store::jobs::Job;
use hansard_store::{Error as StoreError, Store};
use http::{HeaderName, HeaderValue};
use serde::Serialize;

use super::Deliverer;
use super::attempt::Unsendable;

const TOKEN_HEADER: HeaderName = HeaderName::from_static("x-server-token");

/// Bytes of text that a callback carries: some two hundred hours of speech.
const TEXT_BYTES_MAX: usize = 8 << 20;

/// Windows that are read at once.
const WINDOWS_PER_READ: u32 = 200;

/// What a job that somebody ended is called; no problem of ours has this name.
const CANCELLED: &str = "job_cancelled";

/// How the plugin is called back.
#[derive(Debug, Clone)]
pub struct SalesTrainer {
    /// Where results go unless a request says otherwise.
    pub callback_url: Option<Url>,
    /// Further addresses whose origins may see the token.
    pub allowed: Vec<Url>,
    /// What WordPress recognises a callback by.
    pub server_token: Option<ServerToken>,
    /// Whether the token is sent as `X-Server-Token` too.
    pub sends_header: bool,
}

impl Default for SalesTrainer {
    fn default() -> Self {
        Self { callback_url: None, allowed: Vec::new(), server_token: None, sends_header: true }
    }
}

/// What WordPress recognises a callback by. Never shown, not even by `Debug`.
#[derive(Clone)]
pub struct ServerToken(String);

impl ServerToken {
    /// This token.
    pub fn new(token: impl Into<String>) -> Self {
        Self(token.into())
    }
}

impl fmt::Debug for ServerToken {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("ServerToken(hidden)")
    }
}

impl SalesTrainer {
    /// The token, if `url` may see it: the configured callback's origin and the allowed ones may. Where none is configured, any
    /// address may that a caller named, since callers prove the shared secret first.
    fn token_for(&self, url: &Url) -> Option<&ServerToken> {
        let token = self.server_token.as_ref()?;
        let is_known = match &self.callback_url {
            Some(configured) => configured.origin() == url.origin(),
            None => true,
        };
        let is_allowed = || self.allowed.iter().any(|allowed| allowed.origin() == url.origin());
        (is_known || is_allowed()).then_some(token)
    }
}

/// The fields in the order of the original.
#[derive(Serialize)]
struct Success<'a> {
    ok: bool,
    object_key: &'a str,
    session_id: Option<&'a str>,
    scenario_id: Option<i64>,
    size_bytes: u64,
    transcript: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    duration: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    server_token: Option<&'a str>,
}

#[derive(Serialize)]
struct Failure<'a> {
    ok: bool,
    object_key: &'a str,
    session_id: Option<&'a str>,
    scenario_id: Option<i64>,
    error: Reason<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    server_token: Option<&'a str>,
}

#[derive(Serialize)]
struct Reason<'a> {
    code: &'a str,
    message: &'a str,
}

/// What the event of a job's end names.
#[derive(serde::Deserialize)]
struct Named {
    transcript_id: Option<String>,
    error_code: Option<String>,
}

/// What the plugin is told of `job`, which has succeeded, when it waited for the answer: the body of the callback without the
/// token. `None` if the transcript is gone, or too long to be told.
///
/// # Errors
/// Where the database cannot be read.
pub async fn sales_trainer_answer(
    store: &Store,
    job: &Job,
    format: &CallbackFormat,
) -> Result<Option<Bytes>, StoreError> {
    let Some(transcript) = &job.transcript else { return Ok(None) };
    match success(store, job, transcript, format, None).await {
        Ok(body) => Ok(Some(body.into())),
        Err(Unsendable::Never(_)) => Ok(None),
        Err(Unsendable::Store(error)) => Err(error),
    }
}

/// The body for a job that has succeeded with `transcript`.
async fn success(
    store: &Store,
    job: &Job,
    transcript: &TranscriptId,
    format: &CallbackFormat,
    server_token: Option<&str>,
) -> Result<Vec<u8>, Unsendable> {
    let CallbackFormat::SalesTrainer { session_id, scenario_id, object_key } = format else {
        return Err(Unsendable::Never("the callback has another form"));
    };
    let spoken = read(store, transcript).await?;
    // Asked for after the text: a recording that is deleted takes its transcripts along, and an empty text would be a lie.
    let recording = store.find_recording(&job.workspace, &job.recording).await?;
    let head = store.find_transcript(&job.workspace, transcript).await?;
    let (Some(recording), Some(_)) = (recording, head) else {
        return Err(Unsendable::Never("the recording was deleted"));
    };
    let size_bytes = recording.media.map_or(0, |media| media.size);
    let body = serde_json::to_vec(&Success {
        ok: true,
        object_key,
        session_id: session_id.as_deref(),
        scenario_id: *scenario_id,
        size_bytes,
        transcript: spoken.text.trim(),
        duration: spoken.duration(),
        server_token,
    });
    Ok(body.expect("text and whole numbers"))
}

/// The body for `callback`, and the header with the token if it is to be sent to `url`.
pub(super) async fn compose(
    deliverer: &Deliverer,
    delivery: &Delivery,
    callback: &Callback,
    url: &Url,
) -> Result<(Bytes, Option<(HeaderName, HeaderValue)>), Unsendable> {
    let (store, settings) = (&deliverer.store, &deliverer.settings.sales_trainer);
    let CallbackFormat::SalesTrainer { session_id, scenario_id, object_key } = &callback.format
    else {
        return Err(Unsendable::Never("the callback has another form"));
    };
    let (session_id, scenario_id) = (session_id.as_deref(), *scenario_id);
    let token = settings.token_for(url);
    let server_token = token.map(|ServerToken(token)| token.as_str());
    let gone = || Unsendable::Never("the job was deleted");
    let job = JobId::parse(&delivery.subject).map_err(|_| gone())?;
    let job = store.find_job(&delivery.workspace, &job).await?.ok_or_else(gone)?;
    let named: Named = serde_json::from_str(&delivery.data)
        .map_err(|_| Unsendable::Never("the event cannot be read"))?;
    let body = if delivery.kind == EventKind::JobSucceeded {
        let transcript = named.transcript_id.as_deref().map(TranscriptId::parse);
        let Some(Ok(transcript)) = transcript else {
            return Err(Unsendable::Never("the event names no transcript"));
        };
        success(store, &job, &transcript, &callback.format, server_token).await?
    } else {
        let code = named.error_code.as_deref().unwrap_or(CANCELLED);
        // The job may have been tried again since, with another error.
        let detail = job.error.as_ref().filter(|error| error.code.name() == code);
        let message = match detail {
            Some(error) => error.detail.as_str(),
            None => {
                ProblemCode::from_name(code).map_or("The job was cancelled", ProblemCode::title)
            }
        };
        let error = Reason { code, message };
        let body = serde_json::to_vec(&Failure {
            ok: false,
            object_key,
            session_id,
            scenario_id,
            error,
            server_token,
        });
        body.expect("text and whole numbers")
    };
    Ok((body.into(), server_token.filter(|_| settings.sends_header).and_then(header)))
}

/// A token that no header can carry is left to the body.
fn header(token: &str) -> Option<(HeaderName, HeaderValue)> {
    let mut value = HeaderValue::from_str(token).ok()?;
    value.set_sensitive(true);
    Some((TOKEN_HEADER, value))
}

/// What a transcript says, and from when to when.
#[derive(Default)]
struct Spoken {
    text: String,
    words: Option<(f64, f64)>,
    segments: Option<(f64, f64)>,
}

impl Spoken {
    fn hear(&mut self, segment: &Segment) {
        self.text.push_str(&segment.text);
        widen(&mut self.segments, segment.start, segment.end);
        for Word { start, end, .. } in &segment.words {
            widen(&mut self.words, *start, *end);
        }
    }

    /// Whole seconds from the first word to the last, or from the first segment to the last where words have no times; nothing
    /// for less than a second.
    fn duration(&self) -> Option<u64> {
        let (start, end) = self.words.or(self.segments)?;
        let seconds = (end - start) as u64;
        (seconds > 0).then_some(seconds)
    }
}

fn widen(span: &mut Option<(f64, f64)>, start: f64, end: f64) {
    let (from, to) = span.unwrap_or((start, end));
    *span = Some((from.min(start), to.max(end)));
}

/// Reads a transcript window by window.
async fn read(store: &Store, id: &TranscriptId) -> Result<Spoken, Unsendable> {
    let (mut spoken, mut first) = (Spoken::default(), 0);
    loop {
        let windows = store.windows(id, first, WINDOWS_PER_READ).await?;
        for window in &windows {
            for segment in &window.segments {
                spoken.hear(segment);
            }
        }
        if spoken.text.len() > TEXT_BYTES_MAX {
            return Err(Unsendable::Never("the transcript is too long for a callback"));
        }
        if windows.len() < WINDOWS_PER_READ as usize {
            return Ok(spoken);
        }
        first += i64::from(WINDOWS_PER_READ);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(configured: Option<&str>, allowed: &[&str]) -> SalesTrainer {
        let url = |text: &&str| Url::parse(text).unwrap();
        SalesTrainer {
            callback_url: configured.as_ref().map(url),
            allowed: allowed.iter().map(url).collect(),
            server_token: Some(ServerToken::new("wp-secret")),
            ..SalesTrainer::default()
        }
    }

    fn may_see(settings: &SalesTrainer, url: &str) -> bool {
        settings.token_for(&Url::parse(url).unwrap()).is_some()
    }

    #[test]
    fn the_token_goes_to_the_configured_origin_and_the_allowed_ones_only() {
        let settings =
            settings(Some("https://shop.example/wp-json/x"), &["https://b.example:8443"]);

        assert!(may_see(&settings, "https://shop.example/elsewhere"));
        assert!(may_see(&settings, "https://shop.example:443/"));
        assert!(may_see(&settings, "https://b.example:8443/hook"));
        for other in [
            "http://shop.example/wp-json/x",
            "https://shop.example:8443/",
            "https://shop.example.evil.example/",
            "https://www.shop.example/",
            "https://b.example/hook",
        ] {
            assert!(!may_see(&settings, other), "{other}");
        }
    }

    #[test]
    fn without_a_configured_callback_the_caller_names_who_sees_the_token() {
        assert!(may_see(&settings(None, &[]), "https://anywhere.example/"));
        let silent = SalesTrainer { server_token: None, ..settings(None, &[]) };
        assert!(!may_see(&silent, "https://anywhere.example/"));
    }

    #[test]
    fn the_token_is_never_shown() {
        assert!(!format!("{:?}", settings(None, &[])).contains("wp-secret"));
    }

    #[test]
    fn the_duration_is_that_of_the_words_cut_to_whole_seconds() {
        let spoken = |words, segments| Spoken { text: String::new(), words, segments }.duration();

        assert_eq!(spoken(Some((0.5, 5.9)), Some((0.0, 9.0))), Some(5));
        assert_eq!(spoken(None, Some((1.0, 4.0))), Some(3));
        assert_eq!(spoken(Some((0.0, 0.99)), Some((0.0, 30.0))), None);
        assert_eq!(spoken(None, None), None);
    }
}
