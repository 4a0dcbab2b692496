//! Topics: the vocabulary of the installation, a tree that all workspaces share.
//!
//! There are at most [`TOPICS_MAX`](hansard_store::topics::TOPICS_MAX), and a tree cannot be cut into pages: a list has all.

pub(crate) mod assigned;

use std::collections::HashMap;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use hansard_domain::access::{Kind, Permission};
use hansard_domain::id::{Id, TopicId};
use hansard_domain::problem::ProblemCode;
use hansard_store::topics::{NewTopic, Topic, TopicDeleted, TopicEdit, TopicWritten};
use http::StatusCode;
use http::header::{CONTENT_TYPE, LOCATION};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use crate::App;
use crate::audit::note_deleted;
use crate::caller::Caller;
use crate::extract::{ApiJson, ApiPath, ApiQuery};
use crate::fields::Fields;
use crate::openapi::{NewTopicBody, TopicPatch};
use crate::problem::Problem;
use crate::routes::{Access, Route};

/// Where topics are.
const PATH: &str = "/api/v1/topics";

/// Characters of a topic's name.
pub(crate) const NAME_MAX: usize = 100;

/// Characters of the description of a topic or a collection.
pub(crate) const DESCRIPTION_MAX: usize = 2_000;

/// The routes of topics, and of those that recordings have.
pub(crate) fn routes() -> Vec<Route> {
    let reads = Access::needs(Permission::ReadTopics);
    let sees = Access::of(Permission::ReadTopics, Kind::Topic);
    let changes = Access::of(Permission::WriteTopics, Kind::Topic);
    let one = format!("{PATH}/{{id}}");
    let mut routes = vec![
        Route::get(PATH, reads, list_topics),
        Route::post(PATH, Access::needs(Permission::WriteTopics), create_topic),
        Route::get(&one, sees, get_topic),
        Route::patch(&one, changes, update_topic),
        Route::delete(&one, changes, delete_topic),
    ];
    routes.extend(assigned::routes());
    routes
}

/// A topic.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Topic)]
pub(crate) struct TopicView {
    /// Its name among stored things.
    id: String,
    /// Its number, by which MxWhisper's clients know it.
    serial: i64,
    /// What people call it; unique, whatever the case of its letters.
    name: String,
    /// What it is about.
    description: Option<String>,
    /// The topic right above it; `null` for a root.
    parent_id: Option<String>,
    /// When it was made.
    #[schema(format = DateTime)]
    created_at: String,
    /// When something about it changed last.
    #[schema(format = DateTime)]
    updated_at: String,
}

impl TopicView {
    fn of(topic: &Topic) -> Self {
        Self {
            id: topic.id.to_string(),
            serial: topic.serial,
            name: topic.name.clone(),
            description: topic.description.clone(),
            parent_id: topic.parent.as_ref().map(TopicId::to_string),
            created_at: topic.created_at.to_string(),
            updated_at: topic.updated_at.to_string(),
        }
    }
}

/// A topic with those below it.
#[derive(ToSchema)]
#[schema(as = TopicInTree)]
#[expect(dead_code, reason = "described here; written topic by topic")]
pub(crate) struct TreeView {
    #[serde(flatten)]
    topic: TopicView,
    /// The topics right below it, by name; a flat list is without.
    #[schema(no_recursion, required = false)]
    children: Vec<TreeView>,
}

/// All topics.
#[derive(ToSchema)]
#[schema(as = Topics)]
#[expect(dead_code, reason = "described here; written topic by topic")]
pub(crate) struct TopicsView {
    /// The roots by name, each with those below it; or all of them by name.
    items: Vec<TreeView>,
}

/// How to list topics.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListTopics {
    /// Whether all topics stand beside each other, instead of below their parents.
    #[serde(default)]
    flat: bool,
}

/// All topics of the installation, as a tree.
#[utoipa::path(
    get, path = "/api/v1/topics", tag = "topics",
    params(ListTopics),
    responses((status = 200, description = "The topics", body = TopicsView)),
)]
pub(crate) async fn list_topics(
    State(app): State<App>,
    ApiQuery(list): ApiQuery<ListTopics>,
) -> Result<Response, Problem> {
    let topics = app.store().topics().await?;
    let items = if list.flat {
        let all: Vec<_> = topics.iter().map(TopicView::of).collect();
        serde_json::to_string(&all).expect("views have text keys")
    } else {
        forest(&topics, TopicView::of)
    };
    Ok(json(format!("{{\"items\":{items}}}")))
}

/// The answer with JSON that is written already.
pub(crate) fn json(text: String) -> Response {
    ([(CONTENT_TYPE, "application/json")], text).into_response()
}

/// The roots of `topics` as a JSON array, each as `view` shows it, and below it, as `children`, the topics that it is the parent
/// of; in the order that they come in.
pub(crate) fn forest<V: Serialize>(topics: &[Topic], view: impl Fn(&Topic) -> V) -> String {
    let mut below: HashMap<Option<&TopicId>, Vec<&Topic>> = HashMap::new();
    for topic in topics {
        below.entry(topic.parent.as_ref()).or_default().push(topic);
    }
    let mut children = |of| below.remove(&of).unwrap_or_default().into_iter();
    let mut text = "[".to_owned();
    // What is still to be written on each level. A tree may be deeper than the stack of a thread.
    let mut levels = vec![children(None)];
    while let Some(level) = levels.last_mut() {
        let Some(topic) = level.next() else {
            levels.pop();
            text.push_str(if levels.is_empty() { "]" } else { "]}" });
            continue;
        };
        if text.ends_with('}') {
            text.push(',');
        }
        let own = serde_json::to_string(&view(topic)).expect("a view has text keys");
        text.push_str(own.strip_suffix('}').expect("an object ends so"));
        text.push_str(",\"children\":[");
        levels.push(children(Some(&topic.id)));
    }
    text
}

/// Makes a topic.
#[utoipa::path(
    post, path = "/api/v1/topics", tag = "topics",
    request_body = NewTopicBody,
    responses((status = 201, description = "The topic", body = TopicView)),
)]
pub(crate) async fn create_topic(
    State(app): State<App>,
    ApiJson(json): ApiJson<Value>,
) -> Result<Response, Problem> {
    let mut fields = Fields::of_json(json)?;
    if !fields.has("name") {
        fields.refuse("name", "needed");
    }
    let new = NewTopic {
        name: fields.text("name", NAME_MAX).unwrap_or_default(),
        description: fields.text("description", DESCRIPTION_MAX),
        parent: parent(&mut fields, "parent_id"),
    };
    fields.finish()?;
    let topic = written(app.store().create_topic(new).await?)?;
    let location = format!("{PATH}/{}", topic.id);
    Ok((StatusCode::CREATED, [(LOCATION, location)], Json(TopicView::of(&topic))).into_response())
}

/// One topic.
#[utoipa::path(
    get, path = "/api/v1/topics/{id}", tag = "topics",
    params(("id" = String, Path, description = "Its id")),
    responses((status = 200, description = "The topic", body = TopicView)),
)]
pub(crate) async fn get_topic(
    State(app): State<App>,
    ApiPath(id): ApiPath<TopicId>,
) -> Result<Json<TopicView>, Problem> {
    let topic = app.store().find_topic(&id).await?;
    Ok(Json(TopicView::of(&topic.ok_or_else(missing)?)))
}

/// Changes a topic, by a JSON merge patch (RFC 7396). Without a parent, it becomes a root.
#[utoipa::path(
    patch, path = "/api/v1/topics/{id}", tag = "topics",
    params(("id" = String, Path, description = "Its id")),
    request_body(content(
        (TopicPatch = "application/merge-patch+json"),
        (TopicPatch = "application/json"),
    )),
    responses((status = 200, description = "The topic as it is now", body = TopicView)),
)]
pub(crate) async fn update_topic(
    State(app): State<App>,
    ApiPath(id): ApiPath<TopicId>,
    ApiJson(json): ApiJson<Value>,
) -> Result<Json<TopicView>, Problem> {
    let mut fields = Fields::of_patch(json)?;
    let name = fields.change("name", |fields, name| fields.text(name, NAME_MAX));
    if name == Some(None) {
        fields.refuse("name", "needed: a topic cannot be without it");
    }
    let edit = TopicEdit {
        name: name.flatten(),
        description: fields
            .change("description", |fields, name| fields.text(name, DESCRIPTION_MAX)),
        parent: fields.change("parent_id", parent),
    };
    fields.finish()?;
    let topic = written(app.store().update_topic(&id, edit).await?)?;
    Ok(Json(TopicView::of(&topic)))
}

/// Deletes a topic that has none below it. Recordings lose it.
#[utoipa::path(
    delete, path = "/api/v1/topics/{id}", tag = "topics",
    params(("id" = String, Path, description = "Its id")),
    responses((status = 204, description = "It is gone")),
)]
pub(crate) async fn delete_topic(
    State(app): State<App>,
    caller: Caller,
    ApiPath(id): ApiPath<TopicId>,
) -> Result<StatusCode, Problem> {
    match app.store().delete_topic(&id).await? {
        TopicDeleted::Done => {
            note_deleted(&app, &caller, &id).await;
            Ok(StatusCode::NO_CONTENT)
        }
        TopicDeleted::Missing => Err(missing()),
        TopicDeleted::HasChildren(count) => {
            let detail = format!("{count} topics are right below it");
            Err(Problem::new(ProblemCode::TopicHasChildren).detail(detail))
        }
    }
}

/// Reads the id of a topic's parent.
fn parent(fields: &mut Fields, name: &str) -> Option<TopicId> {
    let value = fields.take(name)?;
    let id = value.as_str().and_then(|text| TopicId::parse(text).ok());
    if id.is_none() {
        fields.refuse(name, "expected the id of a topic");
    }
    id
}

/// The topic that was written.
fn written(written: TopicWritten) -> Result<Topic, Problem> {
    match written {
        TopicWritten::Done(topic) => Ok(*topic),
        TopicWritten::Missing => Err(missing()),
        TopicWritten::ParentMissing => Err(Problem::field("/parent_id", "there is no such topic")),
        TopicWritten::OwnParent | TopicWritten::Cycle => Err(Problem::new(ProblemCode::TopicCycle)),
    }
}

fn missing() -> Problem {
    Problem::new(ProblemCode::TopicNotFound)
}

#[cfg(test)]
mod tests {
    use hansard_domain::time::Timestamp;
    use serde_json::json;

    use super::*;

    fn topic(serial: u128, parent: Option<u128>) -> Topic {
        Topic {
            serial: serial as i64,
            id: TopicId::from_parts(0, serial),
            name: format!("{{{serial}}}"),
            description: None,
            parent: parent.map(|parent| TopicId::from_parts(0, parent)),
            parent_serial: parent.map(|parent| parent as i64),
            created_at: Timestamp::from_micros(0),
            updated_at: Timestamp::from_micros(0),
        }
    }

    #[test]
    fn every_topic_is_below_its_parent_however_deep() {
        let topics = [
            topic(4, Some(3)),
            topic(1, None),
            topic(3, Some(2)),
            topic(2, Some(1)),
            topic(5, None),
        ];
        let view = |topic: &Topic| json!({ "n": topic.serial, "name": topic.name });
        let leaf = |n: i64, children: Value| json!({ "n": n, "name": format!("{{{n}}}"), "children": children });

        let tree: Value = serde_json::from_str(&forest(&topics, view)).unwrap();

        let four = leaf(4, json!([]));
        let one = leaf(1, json!([leaf(2, json!([leaf(3, json!([four]))]))]));
        assert_eq!(tree, json!([one, leaf(5, json!([]))]));
        assert_eq!(forest(&[], view), "[]");
    }

    #[test]
    fn a_tree_may_be_as_deep_as_it_likes() {
        let chain: Vec<_> = (1..=10_000).map(|n| topic(n, (n > 1).then(|| n - 1))).collect();

        let text = forest(&chain, |topic| json!({ "n": topic.serial }));

        assert!(text.ends_with(&format!("{}]", "]}".repeat(10_000))));
        assert_eq!(text.matches("children").count(), 10_000);
    }
}
