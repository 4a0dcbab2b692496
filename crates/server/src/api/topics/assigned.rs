//! The topics of a recording.

use axum::Json;
use axum::extract::{Request, State};
use hansard_domain::access::{Kind, Permission};
use hansard_domain::id::{RecordingId, TopicId};
use hansard_domain::problem::ProblemCode;
use hansard_store::topics::{AssignedTopic, NewAssignment, TopicsAssigned};
use http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use super::missing;
use crate::App;
use crate::api::asks::optional_fields;
use crate::caller::Caller;
use crate::extract::ApiPath;
use crate::openapi::AssignmentBody;
use crate::problem::Problem;
use crate::routes::{Access, Object, Route};

/// The routes of recordings' topics.
pub(super) fn routes() -> Vec<Route> {
    let sees = Access::of(Permission::ReadRecordings, Kind::Recording);
    let changes = Access::of(Permission::WriteRecordings, Kind::Recording)
        .object(Object::named(Kind::Topic, "topic"));
    let all = "/api/v1/recordings/{id}/topics";
    let one = "/api/v1/recordings/{id}/topics/{topic}";
    vec![
        Route::get(all, sees, list_recording_topics),
        Route::put(one, changes, put_recording_topic),
        Route::delete(one, changes, delete_recording_topic),
    ]
}

/// A topic that a recording has.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = RecordingTopic)]
pub(crate) struct AssignedView {
    /// The topic.
    topic_id: String,
    /// What people call it.
    name: String,
    /// How sure a model is of it, from 0 to 1; `null` where a person assigned it.
    confidence: Option<f64>,
    /// Why it was assigned.
    reasoning: Option<String>,
    /// The user or service token that assigned it; `null` where that was nobody in particular, or a model.
    assigned_by: Option<String>,
    /// Whether a person agreed.
    reviewed: bool,
    /// When it was assigned.
    #[schema(format = DateTime)]
    created_at: String,
}

impl AssignedView {
    fn of(assigned: AssignedTopic) -> Self {
        Self {
            topic_id: assigned.topic.to_string(),
            name: assigned.name,
            confidence: assigned.confidence,
            reasoning: assigned.reasoning,
            assigned_by: assigned.assigned_by,
            reviewed: assigned.is_reviewed,
            created_at: assigned.assigned_at.to_string(),
        }
    }
}

/// The topics of a recording.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = RecordingTopics)]
pub(crate) struct AssignedListView {
    /// All of them, by name.
    items: Vec<AssignedView>,
}

/// The topics of a recording, by name.
#[utoipa::path(
    get, path = "/api/v1/recordings/{id}/topics", tag = "topics",
    params(("id" = String, Path, description = "The recording's id")),
    responses((status = 200, description = "The topics", body = AssignedListView)),
)]
pub(crate) async fn list_recording_topics(
    State(app): State<App>,
    caller: Caller,
    ApiPath(id): ApiPath<RecordingId>,
) -> Result<Json<AssignedListView>, Problem> {
    let topics = app.store().topics_of(caller.reach(), &id).await?;
    let topics = topics.ok_or(Problem::new(ProblemCode::RecordingNotFound))?;
    Ok(Json(AssignedListView { items: topics.into_iter().map(AssignedView::of).collect() }))
}

/// Gives a recording a topic, or says of one that it has whether a person agreed. Whoever assigns a topic agrees with it, unless the
/// body says otherwise.
#[utoipa::path(
    put, path = "/api/v1/recordings/{id}/topics/{topic}", tag = "topics",
    params(
        ("id" = String, Path, description = "The recording's id"),
        ("topic" = String, Path, description = "The topic's id"),
    ),
    request_body = Option<AssignmentBody>,
    responses((status = 200, description = "The topic as the recording has it now", body = AssignedView)),
)]
pub(crate) async fn put_recording_topic(
    State(app): State<App>,
    caller: Caller,
    ApiPath((recording, topic)): ApiPath<(RecordingId, TopicId)>,
    request: Request,
) -> Result<Json<AssignedView>, Problem> {
    let mut fields = optional_fields(&app, request).await?;
    let is_reviewed = !fields.has("reviewed") || fields.flag("reviewed");
    fields.finish()?;
    let (store, reach) = (app.store(), caller.reach());
    let new = NewAssignment {
        topic: topic.clone(),
        confidence: None,
        reasoning: None,
        assigned_by: caller.creator(),
        is_reviewed,
    };
    match store.assign_topics(reach, &recording, vec![new]).await? {
        TopicsAssigned::Done(_) => {}
        TopicsAssigned::Missing => return Err(Problem::new(ProblemCode::RecordingNotFound)),
        TopicsAssigned::TopicsMissing(_) => return Err(missing()),
    }
    // One that was there before keeps the rest of what is known about it.
    let assigned = store.review_topic(reach, &recording, &topic, is_reviewed).await?;
    Ok(Json(AssignedView::of(assigned.ok_or_else(missing)?)))
}

/// Takes a topic from a recording, if that has it.
#[utoipa::path(
    delete, path = "/api/v1/recordings/{id}/topics/{topic}", tag = "topics",
    params(
        ("id" = String, Path, description = "The recording's id"),
        ("topic" = String, Path, description = "The topic's id"),
    ),
    responses((status = 204, description = "The recording does not have it any more")),
)]
pub(crate) async fn delete_recording_topic(
    State(app): State<App>,
    caller: Caller,
    ApiPath((recording, topic)): ApiPath<(RecordingId, TopicId)>,
) -> Result<StatusCode, Problem> {
    app.store().remove_topic(caller.reach(), &recording, &topic).await?;
    Ok(StatusCode::NO_CONTENT)
}
