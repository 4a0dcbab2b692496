//! The models that callers may name.

use axum::Json;
use axum::extract::State;
use hansard_speech::hub::ModelId;
use serde::Serialize;
use utoipa::ToSchema;

use super::errors::{ErrorBody, no_such_model};
use crate::App;
use crate::caller::Caller;
use crate::extract::ApiText;
use crate::problem::Problem;

/// OpenAI's name for the model of this kind, here the configured one.
const ALIAS: &str = "whisper-1";

/// Who owns every model, as far as callers are concerned.
const OWNER: &str = "hansard";

/// A model in OpenAI's words.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OpenAiModel)]
pub(super) struct ModelView {
    id: String,
    object: &'static str,
    /// When the model was made, in seconds since 1970; nobody here knows.
    created: u64,
    owned_by: &'static str,
}

/// A list in OpenAI's words.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OpenAiModels)]
pub(super) struct ListView {
    object: &'static str,
    data: Vec<ModelView>,
}

impl ModelView {
    fn of(id: String) -> Self {
        Self { id, object: "model", created: 0, owned_by: OWNER }
    }
}

/// The models on this machine, and the name for the configured one.
#[utoipa::path(
    get, path = "/v1/models", tag = "openai",
    responses((status = 200, description = "The models", body = ListView), (status = "default", description = "OpenAI's error", body = ErrorBody)),
)]
pub(super) async fn list_models(State(app): State<App>, _caller: Caller) -> Json<ListView> {
    // The OpenAI-shaped engine has a model of that name itself.
    let others = app.models().await.into_iter().filter(|name| name != ALIAS);
    let names = std::iter::once(ALIAS.to_owned()).chain(others);
    Json(ListView { object: "list", data: names.map(ModelView::of).collect() })
}

/// One of those models.
#[utoipa::path(
    get, path = "/v1/models/{id}", tag = "openai",
    params(("id" = String, Path, description = "Its name, slashes and all")),
    responses((status = 200, description = "The model", body = ModelView), (status = "default", description = "OpenAI's error", body = ErrorBody)),
)]
pub(super) async fn get_model(
    State(app): State<App>,
    _caller: Caller,
    ApiText(id): ApiText,
) -> Result<Json<ModelView>, Problem> {
    let id = id.unwrap_or_default();
    let names = app.models().await;
    if id == ALIAS || names.iter().any(|name| is_same(name, &id)) {
        Ok(Json(ModelView::of(id)))
    } else {
        Err(no_such_model(&id))
    }
}

/// The model that a job is to use for a caller's name; `None` for the configured one.
///
/// # Errors
/// [`ProblemCode::ModelNotFound`](hansard_domain::problem::ProblemCode::ModelNotFound) for a model that is not here.
pub(super) async fn resolve(app: &App, asked: &str) -> Result<Option<String>, Problem> {
    if asked == ALIAS {
        return Ok(None);
    }
    let names = app.models().await;
    if names.is_empty() {
        // The workers are elsewhere and know what they have.
        return Ok(Some(asked.to_owned()));
    }
    let name = names.into_iter().find(|name| is_same(name, asked));
    name.map(Some).ok_or_else(|| no_such_model(asked))
}

/// Whether two names mean the same model: short names and hub ids do, whichever is given.
fn is_same(name: &str, asked: &str) -> bool {
    let model = |name| ModelId::parse(name).map(|model| (model.id(), model.revision().to_owned()));
    name == asked || model(name).is_some_and(|known| Some(known) == model(asked))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_has_a_short_and_a_long_name() {
        assert!(is_same("small", "openai/whisper-small"));
        assert!(is_same("large-v3-turbo", "turbo"));
        assert!(is_same("our own", "our own"));
        assert!(!is_same("small", "small.en"));
        assert!(!is_same("small", "small@0123456789012345678901234567890123456789"));
        assert!(!is_same("our own", "../our own"));
    }
}
