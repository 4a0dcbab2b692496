//! The topics of a job, which are those of its recording.

use std::collections::{BTreeSet, HashMap};

use axum::Json;
use axum::extract::{Request, State};
use hansard_domain::access::{Kind, Permission};
use hansard_domain::id::TopicId;
use hansard_domain::problem::ProblemCode;
use hansard_store::topics::{AssignedTopic, NewAssignment, TopicsAssigned};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::jobs::{NO_JOB, NONE_TO_CHANGE, NOT_CHANGED, NOT_READ, find, job};
use super::refusal;
use super::views::Makers;
use crate::App;
use crate::adapters::fastapi::{
    self, ErrorBody, ITEMS_AT_LEAST, ITEMS_AT_MOST, NO_LIST, Number, Numbers, Wrong, boolean,
    integer,
};
use crate::caller::Caller;
use crate::problem::Problem;
use crate::routes::{Access, Object, Route, Told};

/// Topics that one request assigns.
const TOPICS_MAX: usize = 100;

/// What is said of a topic that a job does not have.
const NOT_ASSIGNED: Told =
    Told::saying(ProblemCode::TopicNotFound, "Topic {topic_id} is not assigned to job {job_id}");

pub(super) fn routes() -> Vec<Route> {
    let sees = Access::needs(Permission::ReadRecordings).object(job(NO_JOB, NOT_READ).overseen());
    let writes = Access::needs(Permission::WriteRecordings);
    let assigns = writes.object(job(NONE_TO_CHANGE, NOT_CHANGED));
    let topic = Object::numbered(Kind::Topic, "topic_id", NOT_ASSIGNED, NOT_ASSIGNED);
    let changes = writes.object(job(NOT_ASSIGNED, NOT_CHANGED)).object(topic);
    let all = "/jobs/{job_id}/topics";
    let one = "/jobs/{job_id}/topics/{topic_id}";
    vec![
        Route::get(all, sees, list_job_topics),
        Route::post(all, assigns, assign_job_topics),
        Route::patch(one, changes, review_job_topic),
        Route::delete(one, changes, remove_job_topic),
    ]
}

/// A topic that a job has.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = MxWhisperJobTopic)]
pub(super) struct JobTopicView {
    topic_id: i64,
    name: String,
    /// How sure a model is of it, from 0 to 1; `null` where a person assigned it.
    ai_confidence: Option<f64>,
    ai_reasoning: Option<String>,
    /// `null` for a model.
    assigned_by: Option<String>,
    user_reviewed: bool,
    #[schema(format = DateTime)]
    assigned_at: String,
}

impl JobTopicView {
    fn of(assigned: AssignedTopic, makers: &Makers) -> Self {
        let is_a_models = assigned.assigned_by.is_none() && assigned.confidence.is_some();
        Self {
            assigned_by: (!is_a_models).then(|| makers.name(assigned.assigned_by.as_deref())),
            topic_id: assigned.serial,
            name: assigned.name,
            ai_confidence: assigned.confidence,
            ai_reasoning: assigned.reasoning,
            user_reviewed: assigned.is_reviewed,
            assigned_at: assigned.assigned_at.to_string(),
        }
    }

    /// All of `topics`, in their order.
    async fn all(
        app: &App,
        caller: &Caller,
        topics: Vec<AssignedTopic>,
    ) -> Result<Vec<Self>, Problem> {
        let makers = topics.iter().map(|assigned| assigned.assigned_by.as_deref());
        let makers = Makers::of(app, caller.workspace(), makers).await?;
        Ok(topics.into_iter().map(|assigned| Self::of(assigned, &makers)).collect())
    }
}

/// The topics of a job.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = MxWhisperJobTopics)]
pub(super) struct JobTopicsView {
    job_id: i64,
    topics: Vec<JobTopicView>,
}

/// The topics that a job has after some were assigned.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = MxWhisperTopicsAssigned)]
pub(super) struct AssignedView {
    job_id: i64,
    /// All of them, old and new.
    assigned_topics: Vec<JobTopicView>,
}

/// That a topic was taken from a job.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = MxWhisperTopicRemoved)]
pub(super) struct RemovedView {
    message: &'static str,
    job_id: i64,
    topic_id: i64,
}

/// Topics that are to be assigned, for the document.
#[derive(ToSchema)]
#[schema(as = MxWhisperTopicIds)]
#[expect(dead_code, reason = "described, never built")]
pub(super) struct TopicIdsBody {
    #[schema(min_items = 1, max_items = 100)]
    topic_ids: Vec<i64>,
}

/// Whether a person agrees with a topic, for the document.
#[derive(ToSchema)]
#[schema(as = MxWhisperReview)]
#[expect(dead_code, reason = "described, never built")]
pub(super) struct ReviewBody {
    user_reviewed: bool,
}

/// The topics of a job, by name.
#[utoipa::path(
    get, path = "/jobs/{job_id}/topics", tag = "mxwhisper", operation_id = "mxwhisper_job_topics",
    params(("job_id" = i64, Path, description = "The job's number")),
    responses(
        (status = 200, description = "The topics", body = JobTopicsView),
        (status = "default", description = "FastAPI's error, with a code", body = ErrorBody),
    ),
)]
pub(super) async fn list_job_topics(
    State(app): State<App>,
    caller: Caller,
    Number(job_id): Number,
) -> Result<Json<JobTopicsView>, Problem> {
    let entry = find(&app, &caller, job_id, NO_JOB).await?;
    let topics = app.store().topics_of(caller.reach(), &entry.job.recording).await?;
    let topics = JobTopicView::all(&app, &caller, topics.unwrap_or_default()).await?;
    Ok(Json(JobTopicsView { job_id, topics }))
}

/// Gives a job topics. Those that it has already stay as they are.
#[utoipa::path(
    post, path = "/jobs/{job_id}/topics", tag = "mxwhisper", operation_id = "mxwhisper_assign_job_topics",
    params(("job_id" = i64, Path, description = "The job's number")),
    request_body = TopicIdsBody,
    responses(
        (status = 200, description = "All topics of the job", body = AssignedView),
        (status = "default", description = "FastAPI's error, with a code", body = ErrorBody),
    ),
)]
pub(super) async fn assign_job_topics(
    State(app): State<App>,
    caller: Caller,
    Number(job_id): Number,
    request: Request,
) -> Result<Json<AssignedView>, Problem> {
    let mut body = fastapi::body(&app, request).await?;
    let numbers = body.required("topic_ids", numbers).unwrap_or_default();
    body.finish()?;
    let entry = find(&app, &caller, job_id, NO_JOB).await?;
    let topics = app.store().find_topic_numbers(&numbers).await?;
    let known: HashMap<i64, TopicId> =
        topics.into_iter().map(|topic| (topic.serial, topic.id)).collect();
    let unknown: BTreeSet<i64> =
        numbers.iter().filter(|number| !known.contains_key(number)).copied().collect();
    if !unknown.is_empty() {
        return Err(not_found(&unknown));
    }
    let assignment = |number: &i64| {
        Some(NewAssignment {
            topic: known.get(number)?.clone(),
            confidence: None,
            reasoning: None,
            assigned_by: caller.creator(),
            is_reviewed: true,
        })
    };
    let new = numbers.iter().filter_map(assignment).collect();
    match app.store().assign_topics(caller.reach(), &entry.job.recording, new).await? {
        TopicsAssigned::Done(topics) => {
            let assigned_topics = JobTopicView::all(&app, &caller, topics).await?;
            Ok(Json(AssignedView { job_id, assigned_topics }))
        }
        TopicsAssigned::Missing => Err(NONE_TO_CHANGE.filled([("job_id", job_id)])),
        TopicsAssigned::TopicsMissing(gone) => {
            let gone = known.iter().filter(|(_, id)| gone.contains(id));
            Err(not_found(&gone.map(|(number, _)| *number).collect()))
        }
    }
}

/// Says whether a person agrees that a job has a topic.
#[utoipa::path(
    patch, path = "/jobs/{job_id}/topics/{topic_id}", tag = "mxwhisper", operation_id = "mxwhisper_review_job_topic",
    params(
        ("job_id" = i64, Path, description = "The job's number"),
        ("topic_id" = i64, Path, description = "The topic's number"),
    ),
    request_body = ReviewBody,
    responses(
        (status = 200, description = "The topic as the job has it now", body = JobTopicView),
        (status = "default", description = "FastAPI's error, with a code", body = ErrorBody),
    ),
)]
pub(super) async fn review_job_topic(
    State(app): State<App>,
    caller: Caller,
    Numbers(job_id, topic_id): Numbers,
    request: Request,
) -> Result<Json<JobTopicView>, Problem> {
    let mut body = fastapi::body(&app, request).await?;
    let is_reviewed = body.required("user_reviewed", boolean).unwrap_or_default();
    body.finish()?;
    let missing = || not_assigned(job_id, topic_id);
    let entry = find(&app, &caller, job_id, NO_JOB).await?;
    let topic = app.store().find_topic_number(topic_id).await?.ok_or_else(missing)?;
    let (reach, recording) = (caller.reach(), &entry.job.recording);
    let assigned = app.store().review_topic(reach, recording, &topic.id, is_reviewed).await?;
    let assigned = assigned.ok_or_else(missing)?;
    let makers = Makers::of(&app, caller.workspace(), [assigned.assigned_by.as_deref()]).await?;
    Ok(Json(JobTopicView::of(assigned, &makers)))
}

/// Takes a topic from a job.
#[utoipa::path(
    delete, path = "/jobs/{job_id}/topics/{topic_id}", tag = "mxwhisper", operation_id = "mxwhisper_remove_job_topic",
    params(
        ("job_id" = i64, Path, description = "The job's number"),
        ("topic_id" = i64, Path, description = "The topic's number"),
    ),
    responses(
        (status = 200, description = "It is taken", body = RemovedView),
        (status = "default", description = "FastAPI's error, with a code", body = ErrorBody),
    ),
)]
pub(super) async fn remove_job_topic(
    State(app): State<App>,
    caller: Caller,
    Numbers(job_id, topic_id): Numbers,
) -> Result<Json<RemovedView>, Problem> {
    let missing = || not_assigned(job_id, topic_id);
    let entry = find(&app, &caller, job_id, NO_JOB).await?;
    let topic = app.store().find_topic_number(topic_id).await?.ok_or_else(missing)?;
    if !app.store().remove_topic(caller.reach(), &entry.job.recording, &topic.id).await? {
        return Err(missing());
    }
    Ok(Json(RemovedView { message: "Topic removed from job", job_id, topic_id }))
}

/// The numbers of one or more topics.
fn numbers(value: Value) -> Result<Vec<i64>, Wrong> {
    let Value::Array(items) = value else { return Err(NO_LIST.into()) };
    match items.len() {
        0 => Err(format!("{ITEMS_AT_LEAST}1 item").into()),
        count if count > TOPICS_MAX => Err(format!("{ITEMS_AT_MOST}{TOPICS_MAX} items").into()),
        _ => items.into_iter().map(|item| Ok(integer(item)?)).collect(),
    }
}

/// Topics that are not there, as Python writes a set of them.
fn not_found(numbers: &BTreeSet<i64>) -> Problem {
    let numbers: Vec<_> = numbers.iter().map(i64::to_string).collect();
    refusal(format!("Topics not found: {{{}}}", numbers.join(", ")))
}

fn not_assigned(job: i64, topic: i64) -> Problem {
    NOT_ASSIGNED.filled([("job_id", job), ("topic_id", topic)])
}
