//! The sidecar of SalesTrainer's WordPress plugin: `/process-s3`, `/transcribe`, `/transcribe-upload` and `/health`.
//!
//! The plugin names an object of the operator's bucket and gets the transcript twice: as the answer, which waits for it, and
//! as a callback. What the original got wrong is put right: no token in an answer, no route without credentials, work that
//! survives a restart.

mod asks;
mod process;
mod upload;

use std::time::Duration;

use axum::Json;
use axum::response::{IntoResponse, Response};
use hansard_domain::access::{Permission, decide};
use hansard_domain::job::TranscribeOptions;
use hansard_domain::problem::ProblemCode;
use hansard_domain::source::Callback;
use hansard_store::NewJob;
use hansard_store::jobs::Job;
use http::header::HeaderMap;
use http::request::Parts;
use http::{HeaderName, StatusCode};
use serde::Serialize;
use utoipa::{OpenApi, ToSchema};

use crate::adapters::fastapi::served;
use crate::adapters::waiting::{Waited, Watch, failure_of};
use crate::caller::Caller;
use crate::place::Place;
use crate::probes::Health;
use crate::problem::Problem;
use crate::routes::{Access, Route};
use crate::settings::SalesTrainer;
use crate::{App, door, probes};

/// What records call the adapter.
const ADAPTER: &str = "salestrainer";

/// Where the secret stands that is not in the body.
const SECRET_HEADER: HeaderName = HeaderName::from_static("x-sidecar-secret");

/// The adapter's part of the document.
#[derive(OpenApi)]
#[openapi(paths(process::process_s3, process::transcribe, upload::transcribe_upload, health,))]
pub(super) struct Documented;

pub(super) fn routes() -> Vec<Route> {
    use Access::{BodySecret, Public};
    served([
        Route::post("/process-s3", BodySecret, process::process_s3),
        Route::post("/transcribe", BodySecret, process::transcribe),
        Route::post("/transcribe-upload", BodySecret, upload::transcribe_upload),
        Route::get("/health", Public, health).always(),
    ])
}

/// What the answer is while the job goes on.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SalesTrainerProcessing)]
struct Processing {
    ok: bool,
    /// `processing`
    status: &'static str,
    job_id: String,
}

/// Whether the process is alive.
#[utoipa::path(
    get, path = "/health", tag = "salestrainer", operation_id = "salestrainer_health",
    responses((status = 200, description = "It is", body = Health)),
)]
async fn health() -> Json<Health> {
    probes::health().await
}

/// The settings of this adapter, where it is switched on.
fn settings(app: &App) -> Result<&SalesTrainer, Problem> {
    let settings = &app.settings().salestrainer;
    if settings.secrets.is_empty() {
        let detail = "switched off: no salestrainer.secret (SIDE_CAR_SECRET) is configured";
        return Err(Problem::new(ProblemCode::NotConfigured).detail(detail));
    }
    Ok(settings)
}

/// Whoever shows the shared secret in a header, or credentials of the service: known before the body is read.
///
/// # Errors
/// [`ProblemCode::RateLimited`] for whoever has guessed too often.
async fn known_by_head(app: &App, head: &Parts) -> Result<Option<Caller>, Problem> {
    if let Some(secret) = head.headers.get(&SECRET_HEADER).and_then(|value| value.to_str().ok())
        && let Some(caller) = by_secret(app, head, secret)?
    {
        return Ok(Some(caller));
    }
    // Where no credentials are asked for, being on this machine is enough elsewhere; here a secret is wanted.
    if door::is_open(app).await? {
        return Ok(None);
    }
    match door::resolve(app, head).await {
        Ok(caller) => {
            app.door().throttle.count(app, &caller, &mut HeaderMap::new()).await?;
            // What the routes reach, the bucket and the plugin's token, is the configured workspace's.
            let is_at_home = caller.workspace() == app.workspace();
            let is_allowed = decide(caller.principal(), Permission::WriteRecordings).is_ok();
            Ok((is_at_home && is_allowed).then_some(caller))
        }
        Err(problem) if problem.code() == ProblemCode::RateLimited => Err(problem),
        Err(_) => Ok(None),
    }
}

/// Whoever is known by the head of the request, or shows the shared secret in its body.
fn admit(
    app: &App,
    head: &Parts,
    known: Option<Caller>,
    given: Option<&str>,
) -> Result<Caller, Problem> {
    match (known, given) {
        (Some(caller), _) => Ok(caller),
        (None, Some(secret)) => by_secret(app, head, secret)?.ok_or_else(unauthorized),
        (None, None) => Err(unauthorized()),
    }
}

/// The caller, if `secret` is the shared one. Guesses are counted.
fn by_secret(app: &App, head: &Parts, secret: &str) -> Result<Option<Caller>, Problem> {
    let secrets = &settings(app)?.secrets;
    let sender = door::sender(app, head);
    let is_right = || secrets.contains(secret).then_some(());
    let found = app.door().throttle.guess(app, sender.address, is_right)?;
    Ok(found.map(|()| Caller::with_secret(app, ADAPTER, sender)))
}

/// The original's refusal.
fn unauthorized() -> Problem {
    Problem::new(ProblemCode::Unauthorized).detail("Unauthorized")
}

/// The refusal of whoever sent `head`, of which the audit log is told.
async fn refused(app: &App, head: &Parts, problem: Problem) -> Problem {
    door::note_refusal(app, &door::sender(app, head), problem.code()).await;
    problem
}

/// What is to be done with every recording, by whichever route it comes: the same, so that it is done once.
fn new_job(caller: &Caller, callback: Option<Callback>) -> NewJob {
    let options = TranscribeOptions { words: true, ..TranscribeOptions::default() };
    NewJob { callback, created_by: caller.creator(), ..NewJob::of(options) }
}

/// How a wait for a job ended that has not failed.
enum Waiting {
    /// With a result.
    Over(Box<Job>),
    /// With the answer that the job goes on.
    Pending(Response),
}

/// Waits for the result of `job`.
///
/// # Errors
/// Why there is none.
async fn wait_for(app: &App, job: &Job, wait: Duration, place: &Place) -> Result<Waiting, Problem> {
    match Watch::new(app, job, wait, place).end().await? {
        Waited::Ended(job) => match failure_of(&job) {
            None => Ok(Waiting::Over(job)),
            Some(problem) => Err(problem),
        },
        // The callback tells the rest, also after a restart.
        Waited::Pending | Waited::Stopping => {
            let view = Processing { ok: true, status: "processing", job_id: job.id.to_string() };
            Ok(Waiting::Pending((StatusCode::ACCEPTED, Json(view)).into_response()))
        }
    }
}
