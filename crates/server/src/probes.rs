//! How the service is: alive, ready, and in numbers.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use hansard_domain::problem::ProblemCode;
use http::StatusCode;
use http::header::CONTENT_TYPE;
use serde::Serialize;
use tokio::time::timeout;
use utoipa::ToSchema;

use crate::metrics::resident_bytes;
use crate::problem::Problem;
use crate::{App, EngineState};

/// How long a part may take to say that it is well.
const CHECK_MAX: Duration = Duration::from_secs(2);

/// The content type of the metrics' text format.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The process is alive.
#[derive(Serialize, ToSchema)]
pub(crate) struct Health {
    /// Always `ok`: who answers is alive.
    status: &'static str,
}

/// Which program this is.
#[derive(Serialize, ToSchema)]
pub(crate) struct Version {
    /// `hansard`.
    name: &'static str,
    /// The version of the program.
    version: &'static str,
}

/// Whether work can be accepted, and what each part says.
#[derive(Serialize, ToSchema)]
pub(crate) struct Readiness {
    /// Whether the service should be sent requests.
    ready: bool,
    /// Whether the service is on its way down.
    stopping: bool,
    /// `ok` or `unavailable`.
    database: &'static str,
    /// `ok` or `unavailable`.
    media_store: &'static str,
    /// `ok`, `full` or `unknown`.
    queue: &'static str,
    /// `loaded`, `not_loaded` (until the first job), `elsewhere` (workers are other processes) or `failed`.
    model: &'static str,
}

/// Whether the process is alive.
pub(crate) async fn health() -> Json<Health> {
    Json(Health { status: "ok" })
}

/// Which program answers.
pub(crate) async fn version() -> Json<Version> {
    Json(Version { name: "hansard", version: env!("CARGO_PKG_VERSION") })
}

/// Whether the service can do its work: `200` if it should be sent requests, else `503`, with each part's state.
pub(crate) async fn ready(State(app): State<App>) -> Response {
    let (queue, media) = tokio::join!(
        timeout(CHECK_MAX, app.store().queue_stats()),
        timeout(CHECK_MAX, app.store().media().check()),
    );
    let queue = queue.ok().and_then(Result::ok);
    let state = |well: bool| if well { "ok" } else { "unavailable" };
    let (has_database, has_media) = (queue.is_some(), matches!(media, Ok(Ok(()))));
    let stopping = app.shutdown().is_cancelled();
    let readiness = Readiness {
        ready: has_database && has_media && !stopping && app.engine() != EngineState::Failed,
        stopping,
        database: state(has_database),
        media_store: state(has_media),
        // A full queue is no reason to send requests elsewhere: what is read and cancelled still works, and 429 tells the rest.
        queue: match queue {
            None => "unknown",
            Some(stats) if stats.queued >= u64::from(app.store().queue_max()) => "full",
            Some(_) => "ok",
        },
        model: match app.engine() {
            EngineState::Elsewhere => "elsewhere",
            EngineState::NotLoaded => "not_loaded",
            EngineState::Loaded => "loaded",
            EngineState::Failed => "failed",
        },
    };
    let status = if readiness.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(readiness)).into_response()
}

/// The numbers of this process and of the queue, for Prometheus.
pub(crate) async fn metrics(State(app): State<App>) -> Result<Response, Problem> {
    // The numbers of the process are wanted most when the database is away.
    let stats = timeout(CHECK_MAX, app.store().queue_stats()).await.ok().and_then(Result::ok);
    let stats = stats.unwrap_or_default();
    let now = app.clock().now();
    let age = stats.oldest_queued.map_or(Duration::ZERO, |oldest| now.since(oldest));
    app.metrics().measure(&stats, age, resident_bytes());
    let text = app.metrics().render();
    let text = text.map_err(|error| Problem::new(ProblemCode::Internal).caused_by(error))?;
    Ok(([(CONTENT_TYPE, OPEN_METRICS)], text).into_response())
}
