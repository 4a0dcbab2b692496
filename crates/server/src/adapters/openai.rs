//! OpenAI's audio API: `/v1/audio/transcriptions`, `/v1/audio/translations` and `/v1/models`.
//!
//! Clients of OpenAI work after a change of their base URL. The call is synchronous, as theirs is, and backed by a durable
//! job: a client that goes away and repeats itself gets the same transcript at once.

mod answers;
mod asks;
mod audio;
mod errors;
mod live;
mod models;

use hansard_domain::access::Permission;
use utoipa::OpenApi;

use crate::routes::{Access, Route};

/// The adapter's part of the document.
#[derive(OpenApi)]
#[openapi(paths(
    audio::create_transcription,
    audio::create_translation,
    models::list_models,
    models::get_model,
))]
pub(super) struct Documented;

pub(super) fn routes() -> Vec<Route> {
    let reads = Access::needs(Permission::ReadRecordings);
    let writes = Access::needs(Permission::WriteRecordings);
    let routes = [
        Route::post("/audio/transcriptions", writes, audio::create_transcription),
        Route::post("/audio/translations", writes, audio::create_translation),
        Route::get("/models", reads, models::list_models),
        // Ids of models may have slashes.
        Route::get("/models/{*id}", reads, models::get_model),
    ];
    routes.into_iter().map(|route| route.in_words_of(errors::in_openai_words)).collect()
}
