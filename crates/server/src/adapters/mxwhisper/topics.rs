//! The tree of topics, which everybody reads and administrators change.

use axum::Json;
use axum::extract::{Request, State};
use axum::response::Response;
use hansard_domain::access::{Kind, Permission};
use hansard_domain::id::TopicId;
use hansard_domain::problem::ProblemCode;
use hansard_store::Error as StoreError;
use hansard_store::topics::{NewTopic, Topic, TopicDeleted, TopicEdit, TopicWritten};
use http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use super::{refusal, refused};
use crate::App;
use crate::adapters::fastapi::{self, ErrorBody, Number, characters, integer, kept_text};
use crate::api::topics::{DESCRIPTION_MAX, NAME_MAX, forest, json};
use crate::audit::note_deleted;
use crate::caller::Caller;
use crate::problem::Problem;
use crate::routes::{Access, Answers, NamedBy, Object, Route, Told};

/// What is said of a topic that is not there; where one is changed, with another status.
const NO_TOPIC: Told = Told::saying(ProblemCode::TopicNotFound, NOT_FOUND);
const NONE_TO_CHANGE: Told = refused(NOT_FOUND);
const NOT_FOUND: &str = "Topic {topic_id} not found";

pub(super) fn routes() -> Vec<Route> {
    let writes = Access::needs(Permission::WriteTopics);
    let topic = |told: Told| Object {
        kind: Kind::Topic,
        by: NamedBy::Serial,
        parameter: "topic_id",
        answers: Answers::Hidden(told),
        is_shareable: false,
        is_overseen: false,
    };
    let deletes = writes.object(topic(NO_TOPIC));
    let one = "/topics/{topic_id}";
    vec![
        Route::get("/topics", Access::Public, list_topics),
        Route::post("/topics", writes, create_topic),
        Route::get(one, Access::Public, get_topic),
        Route::put(one, writes.object(topic(NONE_TO_CHANGE)), update_topic),
        Route::delete(one, deletes, delete_topic),
    ]
}

/// A topic.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = MxWhisperTopic)]
pub(super) struct TopicView {
    name: String,
    description: Option<String>,
    /// The topic right above it.
    parent_id: Option<i64>,
    id: i64,
    #[schema(format = DateTime)]
    created_at: String,
    #[schema(format = DateTime)]
    updated_at: String,
}

impl TopicView {
    fn of(topic: &Topic) -> Self {
        Self {
            name: topic.name.clone(),
            description: topic.description.clone(),
            parent_id: topic.parent_serial,
            id: topic.serial,
            created_at: topic.created_at.to_string(),
            updated_at: topic.updated_at.to_string(),
        }
    }
}

/// A topic with those below it, for the document.
#[derive(ToSchema)]
#[schema(as = MxWhisperTopicInTree)]
#[expect(dead_code, reason = "described here; written topic by topic")]
pub(super) struct TreeView {
    #[serde(flatten)]
    topic: TopicView,
    /// The topics right below it, by name.
    #[schema(no_recursion)]
    children: Vec<TreeView>,
}

/// All topics, for the document.
#[derive(ToSchema)]
#[schema(as = MxWhisperTopics)]
#[expect(dead_code, reason = "described here; written topic by topic")]
pub(super) struct TopicsView {
    /// The roots, by name.
    topics: Vec<TreeView>,
}

/// A topic that is to be made or changed, for the document.
#[derive(ToSchema)]
#[schema(as = MxWhisperTopicBody)]
#[expect(dead_code, reason = "described, never built")]
pub(super) struct TopicBody {
    /// Needed for a new one.
    #[schema(max_length = 100)]
    name: Option<String>,
    #[schema(max_length = 2000)]
    description: Option<String>,
    /// The topic right above it; `null` makes it a root.
    parent_id: Option<i64>,
}

/// All topics as a tree, to any depth.
#[utoipa::path(
    get, path = "/topics", tag = "mxwhisper", operation_id = "mxwhisper_topics",
    responses(
        (status = 200, description = "The topics", body = TopicsView),
        (status = "default", description = "FastAPI's error, with a code", body = ErrorBody),
    ),
)]
pub(super) async fn list_topics(State(app): State<App>) -> Result<Response, Problem> {
    let topics = app.store().topics().await?;
    Ok(json(format!("{{\"topics\":{}}}", forest(&topics, TopicView::of))))
}

/// One topic.
#[utoipa::path(
    get, path = "/topics/{topic_id}", tag = "mxwhisper", operation_id = "mxwhisper_topic",
    params(("topic_id" = i64, Path, description = "Its number")),
    responses(
        (status = 200, description = "The topic", body = TopicView),
        (status = "default", description = "FastAPI's error, with a code", body = ErrorBody),
    ),
)]
pub(super) async fn get_topic(
    State(app): State<App>,
    Number(number): Number,
) -> Result<Json<TopicView>, Problem> {
    Ok(Json(TopicView::of(&find(&app, number).await?)))
}

/// Makes a topic.
#[utoipa::path(
    post, path = "/topics", tag = "mxwhisper", operation_id = "mxwhisper_create_topic",
    request_body = TopicBody,
    responses(
        (status = 201, description = "The topic", body = TopicView),
        (status = "default", description = "FastAPI's error, with a code", body = ErrorBody),
    ),
)]
pub(super) async fn create_topic(
    State(app): State<App>,
    request: Request,
) -> Result<(StatusCode, Json<TopicView>), Problem> {
    let mut body = fastapi::body(&app, request).await?;
    let name = body.required("name", characters(NAME_MAX)).unwrap_or_default();
    let description = body.optional("description", kept_text(DESCRIPTION_MAX)).flatten();
    let above = body.optional("parent_id", integer);
    body.finish()?;
    let parent = match above {
        Some(number) => Some(parent(&app, number).await?),
        None => None,
    };
    let new = NewTopic { name: name.clone(), description, parent };
    let topic = written(app.store().create_topic(new).await, Some(&name), 0, above)?;
    Ok((StatusCode::CREATED, Json(TopicView::of(&topic))))
}

/// Changes a topic. What is left out stays; `null` clears the description, and makes the topic a root.
#[utoipa::path(
    put, path = "/topics/{topic_id}", tag = "mxwhisper", operation_id = "mxwhisper_update_topic",
    params(("topic_id" = i64, Path, description = "Its number")),
    request_body = TopicBody,
    responses(
        (status = 200, description = "The topic as it is now", body = TopicView),
        (status = "default", description = "FastAPI's error, with a code", body = ErrorBody),
    ),
)]
pub(super) async fn update_topic(
    State(app): State<App>,
    Number(number): Number,
    request: Request,
) -> Result<Json<TopicView>, Problem> {
    let mut body = fastapi::body(&app, request).await?;
    let name = body.optional("name", characters(NAME_MAX));
    let description = body.change("description", kept_text(DESCRIPTION_MAX)).map(Option::flatten);
    let above = body.change("parent_id", integer);
    body.finish()?;
    let parent = match above {
        Some(Some(number)) => Some(Some(parent(&app, number).await?)),
        Some(None) => Some(None),
        None => None,
    };
    let gone = || NONE_TO_CHANGE.filled([("topic_id", number)]);
    let topic = app.store().find_topic_number(number).await?.ok_or_else(gone)?;
    let edit = TopicEdit { name: name.clone(), description, parent };
    let edited = app.store().update_topic(&topic.id, edit).await;
    let topic = written(edited, name.as_deref(), number, above.flatten())?;
    Ok(Json(TopicView::of(&topic)))
}

/// Deletes a topic that has none below it. Recordings lose it.
#[utoipa::path(
    delete, path = "/topics/{topic_id}", tag = "mxwhisper", operation_id = "mxwhisper_delete_topic",
    params(("topic_id" = i64, Path, description = "Its number")),
    responses(
        (status = 204, description = "It is gone"),
        (status = "default", description = "FastAPI's error, with a code", body = ErrorBody),
    ),
)]
pub(super) async fn delete_topic(
    State(app): State<App>,
    caller: Caller,
    Number(number): Number,
) -> Result<StatusCode, Problem> {
    let topic = find(&app, number).await?;
    match app.store().delete_topic(&topic.id).await? {
        TopicDeleted::Done => {
            note_deleted(&app, &caller, &topic.id).await;
            Ok(StatusCode::NO_CONTENT)
        }
        TopicDeleted::Missing => Err(missing(number)),
        TopicDeleted::HasChildren(count) => {
            let detail = format!(
                "Cannot delete topic - it has {count} child topics. Delete or reassign children first."
            );
            Err(Problem::new(ProblemCode::TopicHasChildren).detail(detail))
        }
    }
}

async fn find(app: &App, number: i64) -> Result<Topic, Problem> {
    let topic = app.store().find_topic_number(number).await?;
    topic.ok_or_else(|| missing(number))
}

fn missing(number: i64) -> Problem {
    NO_TOPIC.filled([("topic_id", number)])
}

/// The id of the topic that is to be above another one.
async fn parent(app: &App, number: i64) -> Result<TopicId, Problem> {
    let topic = app.store().find_topic_number(number).await?;
    topic.map(|topic| topic.id).ok_or_else(|| no_parent(number))
}

fn no_parent(number: i64) -> Problem {
    refusal(format!("Parent topic {number} not found"))
}

/// The topic `number` that was written with this name and below this one, or why it was not.
fn written(
    written: Result<TopicWritten, StoreError>,
    name: Option<&str>,
    number: i64,
    above: Option<i64>,
) -> Result<Topic, Problem> {
    match written {
        Ok(TopicWritten::Done(topic)) => Ok(*topic),
        Ok(TopicWritten::Missing) => Err(NONE_TO_CHANGE.filled([("topic_id", number)])),
        Ok(TopicWritten::ParentMissing) => Err(no_parent(above.unwrap_or_default())),
        Ok(TopicWritten::OwnParent) => Err(refusal("Topic cannot be its own parent")),
        Ok(TopicWritten::Cycle) => {
            Err(refusal("Cannot set parent - would create circular reference"))
        }
        Err(StoreError::TopicNameTaken) => {
            let name = name.unwrap_or_default();
            Err(refusal(format!("Topic with name '{name}' already exists")))
        }
        Err(error) => Err(error.into()),
    }
}
