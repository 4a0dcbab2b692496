//! Changing what is known about a recording, by a JSON merge patch (RFC 7396).

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use hansard_domain::id::RecordingId;
use hansard_domain::job::Visibility;
use hansard_domain::problem::ProblemCode;
use hansard_store::recordings::{Edit, Edited, Recording};
use serde_json::{Map, Value};

use crate::App;
use crate::api::asks::{EXTERNAL_ID_MAX, METADATA_BYTES_MAX, TITLE_MAX, VISIBILITY_DEFAULT};
use crate::api::views::RecordingView;
use crate::caller::Caller;
use crate::extract::{ApiJson, ApiPath};
use crate::fields::Fields;
use crate::openapi::RecordingPatch;
use crate::problem::Problem;

/// How often a change is tried that others get ahead of. Each time one of them has succeeded.
const TRIES_MAX: u32 = 8;

/// When to come back after others were ahead each time.
const RETRY_SOON: Duration = Duration::from_secs(1);

/// What is to change; `None` leaves a thing as it is, `Some(None)` removes it.
#[derive(Debug)]
struct Patch {
    title: Option<Option<String>>,
    external_id: Option<Option<String>>,
    visibility: Option<Option<Visibility>>,
    metadata: Option<Option<Map<String, Value>>>,
}

/// Changes title, external id, visibility and metadata of a recording. `null` removes a value; metadata are merged member by
/// member.
#[utoipa::path(
    patch, path = "/api/v1/recordings/{id}", tag = "recordings",
    params(("id" = String, Path, description = "Its id")),
    request_body(content(
        (RecordingPatch = "application/merge-patch+json"),
        (RecordingPatch = "application/json"),
    )),
    responses((status = 200, description = "The recording as it is now", body = RecordingView)),
)]
pub(crate) async fn update_recording(
    State(app): State<App>,
    caller: Caller,
    ApiPath(id): ApiPath<RecordingId>,
    ApiJson(json): ApiJson<Value>,
) -> Result<Json<RecordingView>, Problem> {
    let patch = Patch::read(json)?;
    let (store, reach) = (app.store(), caller.reach());
    let missing = || Problem::new(ProblemCode::RecordingNotFound);
    let mut recording = store.find_recording(reach, &id).await?.ok_or_else(missing)?;
    if patch.is_empty() {
        return Ok(Json(RecordingView::of(recording)));
    }
    let by = caller.by();
    for _ in 0..TRIES_MAX {
        let edit = patch.edit(&recording)?;
        match store.update_recording(reach, &id, edit, Some(recording.updated_at), &by).await? {
            Edited::Done(recording) => return Ok(Json(RecordingView::of(*recording))),
            // Merged metadata are those of one version, and must not undo what another caller did to the next.
            Edited::Outdated(newer) => recording = *newer,
            Edited::Missing => return Err(missing()),
        }
    }
    Err(Problem::new(ProblemCode::Overloaded).retry_after(RETRY_SOON))
}

impl Patch {
    fn read(json: Value) -> Result<Self, Problem> {
        let mut fields = Fields::of_patch(json)?;
        let patch = Self {
            title: fields.change("title", |fields, name| fields.text(name, TITLE_MAX)),
            external_id: fields
                .change("external_id", |fields, name| fields.text(name, EXTERNAL_ID_MAX)),
            visibility: fields.change("visibility", |fields, name| {
                fields.choice(name, Visibility::ALL, Visibility::name)
            }),
            metadata: fields.change("metadata", |fields, name| {
                let text = fields.object(name, METADATA_BYTES_MAX)?;
                Some(serde_json::from_str(&text).expect("it was written from an object"))
            }),
        };
        fields.finish().map(|()| patch)
    }

    fn is_empty(&self) -> bool {
        let Self { title, external_id, visibility, metadata } = self;
        title.is_none() && external_id.is_none() && visibility.is_none() && metadata.is_none()
    }

    /// What the patch makes of `recording`.
    fn edit(&self, recording: &Recording) -> Result<Edit, Problem> {
        let metadata = match &self.metadata {
            None => None,
            Some(None) => Some(Map::new()),
            Some(Some(patch)) => {
                let mut metadata = serde_json::from_str(&recording.metadata).unwrap_or_default();
                merge(&mut metadata, patch);
                Some(metadata)
            }
        };
        let metadata = metadata.map(|metadata| Value::Object(metadata).to_string());
        if metadata.as_ref().is_some_and(|text| text.len() > METADATA_BYTES_MAX) {
            let detail = format!("would be more than {METADATA_BYTES_MAX} bytes");
            return Err(Problem::field("/metadata", detail));
        }
        Ok(Edit {
            external_id: self.external_id.clone(),
            visibility: self.visibility.map(|given| given.unwrap_or(VISIBILITY_DEFAULT)),
            title: self.title.clone(),
            metadata,
        })
    }
}

/// Applies a merge patch. It is as deep as the JSON of a request may be.
fn merge(target: &mut Map<String, Value>, patch: &Map<String, Value>) {
    for (name, value) in patch {
        match value {
            Value::Null => {
                target.remove(name);
            }
            Value::Object(patch) => {
                let mut inner = match target.remove(name) {
                    Some(Value::Object(inner)) => inner,
                    _ => Map::new(),
                };
                merge(&mut inner, patch);
                target.insert(name.clone(), Value::Object(inner));
            }
            value => {
                target.insert(name.clone(), value.clone());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn merged(target: Value, patch: Value) -> Value {
        let (Value::Object(mut target), Value::Object(patch)) = (target, patch) else { panic!() };
        merge(&mut target, &patch);
        Value::Object(target)
    }

    #[test]
    fn metadata_are_merged_as_rfc_7396_has_it() {
        for (target, patch, expected) in [
            (json!({"a": "b"}), json!({"a": "c"}), json!({"a": "c"})),
            (json!({"a": "b"}), json!({"b": "c"}), json!({"a": "b", "b": "c"})),
            (json!({"a": "b", "b": "c"}), json!({"a": null}), json!({"b": "c"})),
            (json!({"a": ["b"]}), json!({"a": "c"}), json!({"a": "c"})),
            (json!({"a": "c"}), json!({"a": ["b"]}), json!({"a": ["b"]})),
            (
                json!({"a": {"b": "c"}}),
                json!({"a": {"b": "d", "c": null}}),
                json!({"a": {"b": "d"}}),
            ),
            (json!({"a": [1]}), json!({"a": {"b": null, "c": 1}}), json!({"a": {"c": 1}})),
            (json!({"e": null}), json!({"a": 1}), json!({"e": null, "a": 1})),
            (json!({}), json!({"a": {"bb": {"ccc": null}}}), json!({"a": {"bb": {}}})),
        ] {
            assert_eq!(merged(target.clone(), patch.clone()), expected, "{target} and {patch}");
        }
    }
}
