//! What every request passes: its id, its place among the requests, its log line and its metrics.

use std::any::Any;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use hansard_domain::id::RequestId;
use hansard_domain::problem::ProblemCode;
use http::{HeaderName, HeaderValue, Method};
use http_body::{Body as HttpBody, Frame, SizeHint};
use tracing::Instrument;

use crate::App;
use crate::body::Hurried;
use crate::cors;
use crate::problem::{Cause, Problem};
use crate::routes::Access;

/// Carries the request's id in every answer.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// What the log and the metrics call a path that no route has.
const NO_ROUTE: &str = "none";

/// When to come back to a busy server.
const RETRY_BUSY: Duration = Duration::from_secs(1);

/// Gives the request an id, renders problems, and writes its line and its metrics when the last byte has left.
pub(crate) async fn answer(State(app): State<App>, mut request: Request, next: Next) -> Response {
    let id: RequestId = app.clock().id();
    let route = request.extensions().get::<MatchedPath>();
    let mut line = Line {
        app,
        id: id.clone(),
        method: request.method().clone(),
        route: route.map_or(NO_ROUTE, MatchedPath::as_str).to_owned(),
        started: Instant::now(),
        status: None,
        bytes: 0,
        cause: None,
    };
    let span = tracing::info_span!(
        "http.request",
        request.id = %id,
        http.method = %line.method,
        http.route = %line.route,
    );
    request.extensions_mut().insert(id.clone());
    let response = next.run(request).instrument(span).await;
    line.status = Some(response.status().as_u16());
    line.cause = Problem::cause_of(&response);
    let mut response = Problem::render(response, &id);
    if let Ok(value) = HeaderValue::from_str(&id.to_string()) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    response.map(|body| Body::new(Logged { body, line }))
}

/// Answers browsers that ask whether a page of another origin may call, and lets such pages read answers.
pub(crate) async fn cross_origin(State(app): State<App>, request: Request, next: Next) -> Response {
    let listed = &app.door().csrf.listed;
    if let Some(answer) = cors::preflight(request.method(), request.headers(), listed) {
        return answer;
    }
    let headers = request.headers().clone();
    let mut response = next.run(request).await;
    cors::admit(&headers, response.headers_mut(), listed);
    response
}

/// Lets the body of the request take its time, but not sleep.
pub(crate) async fn hurry(State(app): State<App>, request: Request, next: Next) -> Response {
    let idle_max = app.settings().body_timeout;
    next.run(request.map(|body| Body::new(Hurried::new(body, idle_max)))).await
}

/// Works on the request if it is not one too many.
pub(crate) async fn count_in(
    State((app, access)): State<(App, Access)>,
    mut request: Request,
    next: Next,
) -> Result<Response, Problem> {
    let Some(place) = app.places().take(access) else {
        return Err(Problem::new(ProblemCode::Overloaded).retry_after(RETRY_BUSY));
    };
    request.extensions_mut().insert(place.clone());
    let answer = next.run(request).await;
    place.leave();
    Ok(answer)
}

/// The answer of a handler that panicked.
pub(crate) fn panicked(panic: Box<dyn Any + Send>) -> Response {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no message");
    Problem::new(ProblemCode::Internal)
        .caused_by(format!("the handler panicked: {text}"))
        .into_response()
}

/// The log line of a request, written when it is dropped.
struct Line {
    app: App,
    id: RequestId,
    method: Method,
    route: String,
    started: Instant,
    /// `None` as long as there is no answer.
    status: Option<u16>,
    bytes: u64,
    cause: Option<Cause>,
}

impl Drop for Line {
    fn drop(&mut self) {
        let Self { app, id, method, route, started, status, bytes, cause } = self;
        let took = started.elapsed();
        let duration_ms = took.as_millis() as u64;
        let Some(status) = *status else {
            tracing::info!(request.id = %id, http.method = %method, http.route = %route, duration_ms,
                "request {id} was given up by its client");
            return;
        };
        app.metrics().request(method, route, status, took);
        match cause.as_ref().map(Cause::chain) {
            None => {
                tracing::info!(request.id = %id, http.method = %method, http.route = %route, http.status = status,
                duration_ms, size_bytes = *bytes, "request {id} answered")
            }
            Some(error) => {
                tracing::error!(request.id = %id, http.method = %method, http.route = %route,
                http.status = status, duration_ms, size_bytes = *bytes, error, "request {id} failed")
            }
        }
    }
}

/// The body of an answer, counted as it leaves.
struct Logged {
    body: Body,
    line: Line,
}

impl HttpBody for Logged {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        match &polled {
            Poll::Ready(Some(Ok(frame))) => {
                self.line.bytes += frame.data_ref().map_or(0, |data| data.len() as u64);
            }
            Poll::Ready(Some(Err(error))) => {
                // The head has said that all is well: the log is the only place left to say that it is not.
                self.line.cause = Some(Cause::of(format!("the answer broke off: {error}")));
            }
            Poll::Ready(None) | Poll::Pending => {}
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
