//! MxWhisper: uploads and their jobs, audio files and their transcriptions, topics, collections, and what its administrators do.
//!
//! MxWhisper knows things by number. Its job and the transcription that it makes are our job, its audio file is our recording, and
//! the topics and collections of a job are those of its recording. What the original got wrong is put right: nobody reads what is
//! another's, topics are a tree of any depth, and what was promised is there.

mod admin;
mod audio;
mod collections;
mod job_collections;
mod job_topics;
mod jobs;
mod spoken;
mod topics;
mod transcriptions;
mod views;

use hansard_domain::problem::ProblemCode;
use utoipa::OpenApi;

use crate::adapters::fastapi::served;
use crate::problem::Problem;
use crate::routes::{Route, Told};

/// The adapter's part of the document.
#[derive(OpenApi)]
#[openapi(paths(
    jobs::upload,
    jobs::get_job,
    jobs::get_old_job,
    jobs::download_job,
    jobs::list_own_jobs,
    admin::list_jobs,
    admin::list_users,
    admin::create_user,
    admin::update_user,
    admin::delete_user,
    topics::list_topics,
    topics::create_topic,
    topics::get_topic,
    topics::update_topic,
    topics::delete_topic,
    collections::list_collections,
    collections::create_collection,
    collections::get_collection,
    collections::update_collection,
    collections::delete_collection,
    job_topics::list_job_topics,
    job_topics::assign_job_topics,
    job_topics::review_job_topic,
    job_topics::remove_job_topic,
    job_collections::list_job_collections,
    job_collections::add_job,
    job_collections::move_job,
    job_collections::remove_job,
    audio::upload_audio,
    audio::list_audio,
    audio::get_audio,
    audio::delete_audio,
    transcriptions::start_transcription,
    transcriptions::transcribe_audio,
    transcriptions::list_transcriptions,
    transcriptions::get_transcription,
    transcriptions::delete_transcription,
    transcriptions::download_transcription,
))]
pub(super) struct Documented;

pub(super) fn routes() -> Vec<Route> {
    let parts = [
        jobs::routes(),
        admin::routes(),
        topics::routes(),
        collections::routes(),
        job_topics::routes(),
        job_collections::routes(),
        audio::routes(),
        transcriptions::routes(),
    ];
    served(parts.into_iter().flatten())
}

/// What the original answers with 400 where others say 404.
const fn refused(detail: &'static str) -> Told {
    Told::saying(ProblemCode::Refused, detail)
}

/// What it answers about what is another's.
const fn forbidden(detail: &'static str) -> Told {
    Told::saying(ProblemCode::Forbidden, detail)
}

/// A request that the original answers with 400 and a sentence.
fn refusal(detail: impl Into<String>) -> Problem {
    Problem::new(ProblemCode::Refused).detail(detail)
}
