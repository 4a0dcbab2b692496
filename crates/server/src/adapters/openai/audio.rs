//! Audio to text, in one call.

use axum::extract::{Request, State};
use axum::response::Response;
use hansard_domain::problem::ProblemCode;
use hansard_domain::transcript::Task;
use hansard_store::jobs::Job;
use hansard_store::{NewJob, NewRecording};

use super::asks::{self as openai_asks, Asked};
use super::{answers, errors, live, models};
use crate::App;
use crate::adapters::waiting::{Waited, Watch, failure_of, transcript_of};
use crate::api::asks;
use crate::api::recordings::{Form, Upload};
use crate::caller::Caller;
use crate::problem::Problem;

/// Transcribes the file of a form in the language that is spoken.
pub(super) async fn create_transcription(
    State(app): State<App>,
    caller: Caller,
    request: Request,
) -> Result<Response, Problem> {
    create(app, caller, Task::Transcribe, request).await
}

/// Transcribes the file of a form into English.
pub(super) async fn create_translation(
    State(app): State<App>,
    caller: Caller,
    request: Request,
) -> Result<Response, Problem> {
    create(app, caller, Task::Translate, request).await
}

async fn create(
    app: App,
    caller: Caller,
    task: Task,
    request: Request,
) -> Result<Response, Problem> {
    let own = app.clone();
    let (asked, job) = app.to_the_end(accept(own, caller, task, request)).await?;
    if asked.stream {
        return Ok(live::stream(&app, job));
    }
    match Watch::new(&app, &job, app.settings().openai_wait).end().await? {
        Waited::Ended(job) => match failure_of(&job) {
            None => Ok(answers::answer(&transcript_of(&app, &job).await?, asked.format)),
            Some(problem) => Ok(errors::final_answer(problem)),
        },
        Waited::Pending => Err(pending(&job)),
        Waited::Stopping => Err(Problem::new(ProblemCode::ShuttingDown)),
    }
}

/// Takes the form's file in and queues its transcription.
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
        let parts = [&format!("{:?}", asked.options), upload.sha256()];
        let key = asks::request_key(&headers, "openai.audio", &parts)?;
        Ok((asked, key))
    };
    let (asked, key) = match asked.await {
        Ok(asked) => asked,
        Err(problem) => return Err(give_up(&app, upload, problem).await),
    };
    let recording = NewRecording::of(upload.source()).with(upload.media());
    let job = NewJob::of(asked.options.clone());
    let accepted = match app.store().accept(caller.workspace(), recording, job, key).await {
        Ok(accepted) => accepted,
        Err(error) => return Err(give_up(&app, upload, error.into()).await),
    };
    if accepted.is_repeated {
        upload.abandon(&app).await;
    } else {
        app.wake_workers();
    }
    Ok((asked, accepted.job))
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
