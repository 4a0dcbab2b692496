//! An object of the bucket: transcribed, answered and called back.

use std::time::Duration;

use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use hansard_domain::problem::ProblemCode;
use hansard_domain::source::{Callback, CallbackFormat, Source};
use hansard_store::NewRecording;
use hansard_workflow::delivery::sales_trainer_answer;
use http::header::CONTENT_TYPE;
use serde_json::{Value, json};
use url::Url;

use super::asks::{self as trainer_asks, Asked, ProcessBody, TranscribeBody};
use super::{Processing, Waiting, admit, known_by_head, new_job, refused, settings, wait_for};
use crate::App;
use crate::adapters::fastapi::{ErrorBody, JSON_INVALID};
use crate::api::asks;
use crate::extract::{JSON_BYTES_MAX, parse_json, read_body};
use crate::place::Place;
use crate::problem::Problem;
use crate::settings::SalesTrainer;

/// Transcribes the object that `object_key` names.
#[utoipa::path(
    post, path = "/process-s3", tag = "salestrainer",
    request_body = ProcessBody,
    responses(
        (status = 200, description = "What the callback brings, without its token", body = Object),
        (status = 202, description = "The job goes on; the callback brings its result", body = Processing),
        (status = "default", description = "FastAPI's error, with a code", body = ErrorBody),
    ),
)]
pub(super) async fn process_s3(
    State(app): State<App>,
    place: Place,
    request: Request,
) -> Result<Response, Problem> {
    process(app, place, request, "object_key").await
}

/// The same, for those who call the key `s3_key`.
#[utoipa::path(
    post, path = "/transcribe", tag = "salestrainer",
    request_body = TranscribeBody,
    responses(
        (status = 200, description = "What the callback brings, without its token", body = Object),
        (status = 202, description = "The job goes on; the callback brings its result", body = Processing),
        (status = "default", description = "FastAPI's error, with a code", body = ErrorBody),
    ),
)]
pub(super) async fn transcribe(
    State(app): State<App>,
    place: Place,
    request: Request,
) -> Result<Response, Problem> {
    process(app, place, request, "s3_key").await
}

async fn process(
    app: App,
    place: Place,
    request: Request,
    key_name: &str,
) -> Result<Response, Problem> {
    let trainer = settings(&app)?;
    let (head, body) = request.into_parts();
    let body = read_body(body, JSON_BYTES_MAX).await?;
    // The type that the request states is not looked at, since the original did not either.
    let body = parse_json::<Value>(&body, app.settings().json_depth_max);
    let secret = body.as_ref().ok().and_then(|body| body.get("secret")?.as_str());
    let known = known_by_head(&app, &head).await?;
    let caller = match admit(&app, &head, known, secret) {
        Ok(caller) => caller,
        Err(problem) => return Err(refused(&app, &head, problem).await),
    };
    let body = body.map_err(|_| Problem::field("", JSON_INVALID))?;
    let asked = trainer_asks::read(body, key_name)?;
    let bucket = app.settings().s3_bucket.clone().ok_or_else(no_bucket)?;
    let key = asks::request_key(
        caller.id(),
        &head.headers,
        "salestrainer.process",
        &[&asked.canonical()],
    )?;
    let Asked { object_key, session_id, scenario_id, .. } = &asked;
    let metadata = json!({ "session_id": session_id, "scenario_id": scenario_id }).to_string();
    let source = Source::S3 { bucket, key: object_key.clone() };
    let recording =
        NewRecording { metadata, created_by: caller.creator(), ..NewRecording::of(source) };
    let job = new_job(&caller, callback(trainer, &asked));
    let accepted = app.store().accept(caller.workspace(), recording, job, key).await?;
    if !accepted.is_repeated {
        app.wake_workers();
    }
    let wait = if asked.waits { trainer.wait } else { Duration::ZERO };
    let job = match wait_for(&app, &accepted.job, wait, &place).await? {
        Waiting::Over(job) => job,
        Waiting::Pending(answer) => return Ok(answer),
    };
    let format = callback_format(&asked);
    let answer = sales_trainer_answer(app.store(), &job, &format).await?;
    let answer = answer.ok_or(Problem::new(ProblemCode::TranscriptNotFound))?;
    Ok(([(CONTENT_TYPE, "application/json")], answer).into_response())
}

/// Who is told of the result: the address in the request, or the configured one.
fn callback(trainer: &SalesTrainer, asked: &Asked) -> Option<Callback> {
    let configured = trainer.callback_url.as_deref();
    let url = asked.callback_url.as_deref().or(configured)?;
    // A plugin that names the address that the operator has configured says nothing new.
    let is_configured =
        configured.is_some_and(|configured| Url::parse(configured).ok() == Url::parse(url).ok());
    Some(Callback {
        url: url.to_owned(),
        is_configured,
        on_failure: trainer.calls_back_failures,
        format: callback_format(asked),
    })
}

fn callback_format(asked: &Asked) -> CallbackFormat {
    CallbackFormat::SalesTrainer {
        session_id: asked.session_id.clone(),
        scenario_id: asked.scenario_id,
        object_key: asked.object_key.clone(),
    }
}

fn no_bucket() -> Problem {
    let detail = "no s3.bucket (S3_BUCKET) is configured";
    Problem::new(ProblemCode::NotConfigured).detail(detail)
}
