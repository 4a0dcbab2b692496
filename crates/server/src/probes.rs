//! How the service is: alive, ready, and in numbers.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use hansard_domain::problem::ProblemCode;
use hansard_domain::time::Timestamp;
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

/// How long a look at the parts is good for: however many ask, the database and the bucket are asked once.
const LOOK_KEPT: Duration = Duration::from_secs(1);

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
#[derive(Debug, Clone, Serialize, ToSchema)]
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
    /// `loaded`, `not_loaded` (until the first job), `elsewhere` (workers are other processes), `missing` (it is to be pulled) or
    /// `failed`.
    model: &'static str,
}

/// Whether the process is alive.
#[utoipa::path(
    get, path = "/healthz", tag = "probes",
    responses((status = 200, description = "It is", body = Health)),
)]
pub(crate) async fn health() -> Json<Health> {
    Json(Health { status: "ok" })
}

/// Which program answers.
#[utoipa::path(
    get, path = "/version", tag = "probes",
    responses((status = 200, description = "The program", body = Version)),
)]
pub(crate) async fn version() -> Json<Version> {
    Json(Version { name: "hansard", version: env!("CARGO_PKG_VERSION") })
}

/// Whether the service can do its work: `200` if it should be sent requests, else `503`, with each part's state.
#[utoipa::path(
    get, path = "/readyz", tag = "probes",
    responses(
        (status = 200, description = "It should be sent requests", body = Readiness),
        (status = 503, description = "It should not", body = Readiness),
    ),
)]
pub(crate) async fn ready(State(app): State<App>) -> Response {
    // Whoever asks meanwhile waits for this look, and has its result.
    let mut last = app.readiness().lock().await;
    let now = app.clock().now();
    let is_fresh = |at: Timestamp| at <= now && now.since(at) < LOOK_KEPT;
    let mut readiness = match &*last {
        Some((at, readiness)) if is_fresh(*at) => readiness.clone(),
        _ => last.insert((now, look(&app).await)).1.clone(),
    };
    drop(last);
    if app.shutdown().is_cancelled() {
        (readiness.ready, readiness.stopping) = (false, true);
    }
    let status = if readiness.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(readiness)).into_response()
}

/// Looks at each part.
async fn look(app: &App) -> Readiness {
    let (queue, media, engine) = tokio::join!(
        timeout(CHECK_MAX, app.store().queue_stats()),
        timeout(CHECK_MAX, app.store().media().check()),
        app.engine(),
    );
    let queue = queue.ok().and_then(Result::ok);
    let state = |well: bool| if well { "ok" } else { "unavailable" };
    let (has_database, has_media) = (queue.is_some(), matches!(media, Ok(Ok(()))));
    let has_model = !matches!(engine, EngineState::Missing | EngineState::Failed);
    Readiness {
        ready: has_database && has_media && has_model,
        stopping: false,
        database: state(has_database),
        media_store: state(has_media),
        // A full queue is no reason to send requests elsewhere: what is read and cancelled still works, and 429 tells the rest.
        queue: match queue {
            None => "unknown",
            Some(stats) if stats.queued >= u64::from(app.store().queue_max()) => "full",
            Some(_) => "ok",
        },
        model: match engine {
            EngineState::Elsewhere => "elsewhere",
            EngineState::NotLoaded => "not_loaded",
            EngineState::Loaded => "loaded",
            EngineState::Missing => "missing",
            EngineState::Failed => "failed",
        },
    }
}

/// The numbers of this process and of the queue, for Prometheus.
#[utoipa::path(
    get, path = "/metrics", tag = "probes",
    responses((status = 200, description = "OpenMetrics", body = String, content_type = "application/openmetrics-text")),
)]
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
