//! Audio to text, in one call.

use axum::extract::{Request, State};
use axum::response::Response;
use hansard_domain::job::JobState;
use hansard_domain::problem::ProblemCode;
use hansard_domain::transcript::Task;
use hansard_store::jobs::{Change, Job};
use hansard_store::{NewJob, NewRecording};

use super::answers::PlainOrVerbose;
use super::asks::{self as openai_asks, Asked};
use super::asks::{TranscriptionForm, TranslationForm};
use super::errors::ErrorBody;
use super::{answers, errors, live, models};
use crate::App;
use crate::adapters::waiting::{Waited, Watch, failure_of, transcript_of};
use crate::api::asks;
use crate::api::recordings::{Form, Upload};
use crate::caller::Caller;
use crate::place::Place;
use crate::problem::Problem;

/// What requests to this adapter are called among those that have a name.
const ROUTE: &str = "openai.audio";

/// Transcribes the file of a form in the language that is spoken.
#[utoipa::path(
    post, path = "/v1/audio/transcriptions", tag = "openai",
    request_body(content = TranscriptionForm, content_type = "multipart/form-data"),
    responses(
        (status = 200, description = "The text, in the form that was asked for", content(
            (PlainOrVerbose = "application/json"),
            (String = "text/plain"),
            (String = "application/x-subrip"),
            (String = "text/vtt"),
            (String = "text/event-stream"),
        )),
        (status = "default", description = "OpenAI's error", body = ErrorBody),
    ),
)]
pub(super) async fn create_transcription(
    State(app): State<App>,
    caller: Caller,
    place: Place,
    request: Request,
) -> Result<Response, Problem> {
    create(app, caller, place, Task::Transcribe, request).await
}

/// Transcribes the file of a form into English.
#[utoipa::path(
    post, path = "/v1/audio/translations", tag = "openai",
    request_body(content = TranslationForm, content_type = "multipart/form-data"),
    responses(
        (status = 200, description = "The text, in the form that was asked for", content(
            (PlainOrVerbose = "application/json"),
            (String = "text/plain"),
            (String = "application/x-subrip"),
            (String = "text/vtt"),
            (String = "text/event-stream"),
        )),
        (status = "default", description = "OpenAI's error", body = ErrorBody),
    ),
)]
pub(super) async fn create_translation(
    State(app): State<App>,
    caller: Caller,
    place: Place,
    request: Request,
) -> Result<Response, Problem> {
    create(app, caller, place, Task::Translate, request).await
}

async fn create(
    app: App,
    caller: Caller,
    place: Place,
    task: Task,
    request: Request,
) -> Result<Response, Problem> {
    let own = app.clone();
    let (asked, job) = app.to_the_end(accept(own, caller, task, request)).await?;
    if asked.stream {
        return Ok(live::stream(&app, job, &place));
    }
    match Watch::new(&app, &job, app.settings().openai_wait, &place).end().await? {
        Waited::Ended(job) => match failure_of(&job) {
            None => Ok(answers::answer(&transcript_of(&app, &job).await?, asked.format)),
            Some(problem) => Ok(errors::final_answer(problem)),
        },
        Waited::Pending => Err(pending(&job)),
        Waited::Stopping => Err(Problem::new(ProblemCode::ShuttingDown)),
    }
}

/// Takes the form's file in and queues its transcription.
///
/// OpenAI's clients repeat themselves without a name for the request, and mean the same job: the same file with the same
/// options is the same request.
async fn accept(
    app: App,
    caller: Caller,
    task: Task,
    request: Request,
) -> Result<(Asked, Job), Problem> {
    let headers = request.headers().clone();
    let Form { fields, upload } = Form::read(&app, caller.workspace(), request).await?;
    let asked = async {
        let mut asked = openai_asks::read(&fields, task)?;
        asked.options.model = models::resolve(&app, &asked.model).await?;
        let parts = [&asked.canonical(), upload.sha256()];
        let given = asks::request_key(caller.id(), &headers, ROUTE, &parts)?;
        Ok((asked, given.unwrap_or_else(|| asks::unnamed_request(caller.id(), ROUTE, &parts))))
    };
    let (asked, key) = match asked.await {
        Ok(asked) => asked,
        Err(problem) => return Err(give_up(&app, upload, problem).await),
    };
    let recording = NewRecording {
        created_by: caller.creator(),
        ..NewRecording::of(upload.source()).with(upload.media())
    };
    let job = NewJob { created_by: caller.creator(), ..NewJob::of(asked.options.clone()) };
    let accepted = match app.store().accept(caller.workspace(), recording, job, Some(key)).await {
        Ok(accepted) => accepted,
        Err(error) => return Err(give_up(&app, upload, error.into()).await),
    };
    let mut job = accepted.job;
    if accepted.is_repeated {
        upload.abandon(&app).await;
        job = again(&app, job).await?;
    }
    app.wake_workers();
    Ok((asked, job))
}

/// The job of a request that was sent before: as it is, or with new attempts if it has failed.
async fn again(app: &App, job: Job) -> Result<Job, Problem> {
    if !matches!(job.state, JobState::Failed | JobState::Cancelled) {
        return Ok(job);
    }
    match app.store().retry_job(&job.workspace, &job.id, None).await? {
        Change::Done(job) | Change::Refused(job) => Ok(*job),
        Change::Missing => Err(Problem::new(ProblemCode::JobNotFound)),
    }
}

/// The problem, once nothing is left of what it refuses.
async fn give_up(app: &App, upload: Upload, problem: Problem) -> Problem {
    upload.abandon(app).await;
    problem
}

/// The answer to a caller who has waited long enough.
pub(super) fn pending(job: &Job) -> Problem {
    let id = &job.id;
    Problem::new(ProblemCode::ResultPending).detail(format!(
        "job {id} goes on; send the same request again to wait for it, or see /api/v1/jobs/{id}"
    ))
}
