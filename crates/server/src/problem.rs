//! Problems: every answer that is not the wanted one, in one format (RFC 9457).
//!
//! A handler returns a [`Problem`]. It travels as an extension of an empty response, so that an adapter can put it into its
//! original's words; what is left of it at the outermost layer becomes `application/problem+json`. The cause of a
//! problem stays on this side: it is logged with the request, once, and never sent.

use std::error::Error;
use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use hansard_domain::id::RequestId;
use hansard_domain::problem::ProblemCode;
use hansard_store::{Error as StoreError, WriteError};
use http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, StatusCode};
use serde::Serialize;
use utoipa::ToSchema;

use crate::body::BodyError;
use crate::limits::Room;

/// The content type of problems.
pub(crate) const CONTENT_TYPE_PROBLEM: &str = "application/problem+json";

/// When to come back after a failure that passes by itself.
pub(crate) const RETRY_SOON: Duration = Duration::from_secs(1);

/// What is wrong with a request, or with this server.
#[derive(Debug, Clone)]
pub(crate) struct Problem {
    code: ProblemCode,
    detail: Option<String>,
    fields: Vec<FieldProblem>,
    retry_after: Option<Duration>,
    /// Apart, since few have it and all are moved about.
    room: Option<Box<Room>>,
    cause: Option<Arc<dyn Error + Send + Sync>>,
}

/// What is wrong with one field of a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct FieldProblem {
    /// Where it stands: a JSON pointer (RFC 6901) into the body; a form's or query's field is called like a key.
    pub(crate) pointer: String,
    /// What is wrong with it.
    pub(crate) detail: String,
}

/// The cause of a problem, for the request's log line.
#[derive(Debug, Clone)]
pub(crate) struct Cause(Arc<dyn Error + Send + Sync>);

/// A problem on the wire (RFC 9457).
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Problem)]
pub(crate) struct ProblemView<'a> {
    /// Address of the page about this code.
    r#type: String,
    /// What the code means; the same for every occurrence.
    title: &'a str,
    /// The HTTP status.
    status: u16,
    /// What is wrong here, for people; its words may change.
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<&'a str>,
    /// The stable name of what is wrong.
    code: &'a str,
    /// The same name as CultoTranscript's clients know it, for problems with the token against forged requests.
    #[serde(skip_serializing_if = "Option::is_none")]
    error_code: Option<&'static str>,
    /// The id of the request, as in the log; `null` for an error that a job has kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<&'a str>,
    /// What is wrong with single fields.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    errors: &'a [FieldProblem],
}

impl<'a> ProblemView<'a> {
    /// The problem of something that failed earlier, as a job.
    pub(crate) fn of_code(code: ProblemCode, detail: &'a str) -> Self {
        let detail = Some(detail).filter(|detail| !detail.is_empty());
        Self::new(code, detail, None, &[])
    }

    fn new(
        code: ProblemCode,
        detail: Option<&'a str>,
        request_id: Option<&'a str>,
        errors: &'a [FieldProblem],
    ) -> Self {
        Self {
            r#type: format!("/docs/errors/{}", code.name()),
            title: code.title(),
            status: code.status(),
            detail,
            code: code.name(),
            error_code: error_code(code),
            request_id,
            errors,
        }
    }
}

impl Problem {
    /// A problem that needs no more words than its code's.
    pub(crate) fn new(code: ProblemCode) -> Self {
        Self { code, detail: None, fields: Vec::new(), retry_after: None, room: None, cause: None }
    }

    /// A request with a field that cannot be as it is.
    pub(crate) fn field(pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::fields(vec![FieldProblem { pointer: pointer.into(), detail: detail.into() }])
    }

    /// A request with fields that cannot be as they are.
    pub(crate) fn fields(fields: Vec<FieldProblem>) -> Self {
        let detail = fields.first().map(|field| match field.pointer.as_str() {
            "" => field.detail.clone(),
            pointer => format!("{}: {}", pointer.trim_start_matches('/'), field.detail),
        });
        Self { detail, fields, ..Self::new(ProblemCode::InvalidRequest) }
    }

    /// Says what is wrong here. Not for codes of 500 and above: their callers learn no more than the code.
    pub(crate) fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    /// Says when to try again.
    pub(crate) fn retry_after(mut self, wait: Duration) -> Self {
        self.retry_after = Some(wait);
        self
    }

    /// The same, telling what is left of what there was not enough of.
    pub(crate) fn with_room(mut self, room: Room) -> Self {
        self.room = Some(Box::new(room));
        self
    }

    /// Keeps what led to the problem for the log.
    pub(crate) fn caused_by(mut self, cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.cause = Some(Arc::from(cause.into()));
        self
    }

    /// The stable name of what is wrong.
    pub(crate) fn code(&self) -> ProblemCode {
        self.code
    }

    /// What is wrong with single fields.
    pub(crate) fn field_problems(&self) -> &[FieldProblem] {
        &self.fields
    }

    /// A sentence for people: what is wrong here, or else what the code means.
    pub(crate) fn message(&self) -> &str {
        self.detail.as_deref().unwrap_or(self.code.title())
    }

    /// The status of the answer.
    pub(crate) fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// Takes the problem out of `response`, for an adapter that says it in other words. Status, headers and what the log
    /// needs stay.
    pub(crate) fn take(response: &mut Response) -> Option<Self> {
        response.extensions_mut().remove()
    }

    /// The cause of the problem that `response` is or was, for the log.
    pub(crate) fn cause_of(response: &Response) -> Option<Cause> {
        response.extensions().get().cloned()
    }

    /// Gives `response` its body if it is a problem that nobody has rendered.
    pub(crate) fn render(mut response: Response, request: &RequestId) -> Response {
        let Some(problem) = Self::take(&mut response) else { return response };
        let id = request.to_string();
        let Self { code, detail, fields, .. } = &problem;
        let view = ProblemView::new(*code, detail.as_deref(), Some(&id), fields);
        let text = serde_json::to_string(&view).expect("a problem has text keys");
        let kind = HeaderValue::from_static(CONTENT_TYPE_PROBLEM);
        response.headers_mut().insert(CONTENT_TYPE, kind);
        *response.body_mut() = Body::from(text);
        response
    }
}

impl Cause {
    /// What an answer broke off for, after it began.
    pub(crate) fn of(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self(Arc::from(error.into()))
    }

    /// The errors that led to the problem, the outermost first.
    pub(crate) fn chain(&self) -> String {
        let mut text = self.0.to_string();
        let mut source = self.0.source();
        while let Some(error) = source {
            write!(text, ": {error}").expect("writing into a string cannot fail");
            source = error.source();
        }
        text
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = self.status().into_response();
        let headers = response.headers_mut();
        if let Some(wait) = self.retry_after {
            // Rounded up: a client that comes back early has come in vain.
            headers.insert(RETRY_AFTER, HeaderValue::from(wait.as_millis().div_ceil(1000) as u64));
        }
        if let Some(room) = &self.room {
            room.tell(headers);
        }
        if self.code.status() == 401 {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        let extensions = response.extensions_mut();
        if let Some(cause) = &self.cause {
            extensions.insert(Cause(Arc::clone(cause)));
        }
        extensions.insert(self);
        response
    }
}

impl From<ProblemCode> for Problem {
    fn from(code: ProblemCode) -> Self {
        Self::new(code)
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::QueueFull { retry_after } => {
                Self::new(ProblemCode::QueueFull).retry_after(retry_after)
            }
            StoreError::KeyReused => Self::new(ProblemCode::IdempotencyKeyReused),
            StoreError::TooManyEndpoints => Self::new(ProblemCode::TooManyEndpoints),
            StoreError::ExternalIdTaken => Self::new(ProblemCode::ExternalIdTaken),
            StoreError::TopicNameTaken => Self::new(ProblemCode::TopicNameTaken),
            StoreError::EmailTaken => Self::new(ProblemCode::EmailTaken),
            StoreError::UsernameTaken => Self::new(ProblemCode::UsernameTaken),
            StoreError::IdentityTaken => Self::new(ProblemCode::IdentityTaken),
            StoreError::TooManyTokens => Self::new(ProblemCode::TooManyTokens),
            StoreError::Invalid(detail) => Self::new(ProblemCode::InvalidRequest).detail(detail),
            StoreError::Media(_) => Self::new(ProblemCode::MediaStoreUnavailable)
                .retry_after(RETRY_SOON)
                .caused_by(error),
            error if error.is_unavailable() => {
                Self::new(ProblemCode::DatabaseUnavailable).retry_after(RETRY_SOON).caused_by(error)
            }
            error => Self::new(ProblemCode::Internal).caused_by(error),
        }
    }
}

impl From<WriteError> for Problem {
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::TooLarge { limit } => too_large(limit),
            WriteError::Source(source) => Self::of_body(source),
            WriteError::Store(error) => Self::from(error),
        }
    }
}

/// What CultoTranscript calls a problem, where its clients look for it.
pub(crate) fn error_code(code: ProblemCode) -> Option<&'static str> {
    match code {
        ProblemCode::CsrfSessionMissing => Some("CSRF_SESSION_MISSING"),
        ProblemCode::CsrfTokenMissing => Some("CSRF_TOKEN_MISSING"),
        ProblemCode::CsrfTokenInvalid => Some("CSRF_TOKEN_INVALID"),
        _ => None,
    }
}

/// A body of more than `limit` bytes.
pub(crate) fn too_large(limit: u64) -> Problem {
    Problem::new(ProblemCode::PayloadTooLarge).detail(format!("at most {limit} bytes are accepted"))
}

impl Problem {
    /// A body that did not arrive: the client stopped sending, or went away.
    pub(crate) fn of_body(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        let error = error.into();
        let mut link: Option<&(dyn Error + 'static)> = Some(&*error);
        while let Some(one) = link {
            if let Some(error) = one.downcast_ref() {
                let code = match error {
                    BodyError::Idle(_) | BodyError::Slow(_) => ProblemCode::RequestTimeout,
                    BodyError::Formless(_) => ProblemCode::MalformedBody,
                };
                return Self::new(code).detail(error.to_string());
            }
            link = one.source();
        }
        Self::new(ProblemCode::MalformedBody).detail("the body could not be read to its end")
    }
}
