//! What fails, how often it is tried, and what is said about it.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use hansard_domain::job::JobState;
use hansard_domain::problem::ProblemCode;
use hansard_speech::fake::Fake;
use hansard_testkit::speech;

use crate::desk::{Desk, Place};
use crate::engines::{Mood, Moody, pool};
use crate::on_both_databases;

on_both_databases! {
    what_passes_is_tried_again,
    what_does_not_pass_ends_after_its_last_attempt,
    a_panic_counts_as_an_attempt,
    what_is_refused_is_not_tried_again,
    what_the_operator_has_to_mend_is_tried_again,
    what_is_no_recording_is_refused,
}

/// Hands in a recording to an engine that fails so many times; returns how the job ended, its error, and the engine's calls.
async fn endured(
    desk: &Desk,
    mood: Mood,
    failures: u32,
) -> (JobState, Option<(ProblemCode, String)>, u32) {
    let engine = Moody::new(mood, failures);
    let calls = Arc::clone(&engine.calls);
    let worker = desk.worker(pool(engine), 1);
    let accepted = desk.hand_in(speech::mono(2.0, 1)).await;
    let job = desk.job_when(&accepted, |job| job.state.is_final()).await;
    drop(worker);
    let error = job.error.map(|error| (error.code, error.detail));
    (job.state, error, calls.load(Ordering::SeqCst))
}

async fn what_passes_is_tried_again(place: Place) {
    let desk = place.open().await;

    assert_eq!(endured(&desk, Mood::IsBusy, 2).await, (JobState::Succeeded, None, 3));
}

async fn what_does_not_pass_ends_after_its_last_attempt(place: Place) {
    let desk = place.open().await;

    let (state, error, calls) = endured(&desk, Mood::IsBusy, u32::MAX).await;

    let detail = "the speech service failed: it is busy".to_owned();
    assert_eq!((state, calls), (JobState::Failed, 3));
    assert_eq!(error, Some((ProblemCode::EngineFailed, detail)));
}

async fn a_panic_counts_as_an_attempt(place: Place) {
    let desk = place.open().await;

    assert_eq!(endured(&desk, Mood::Panics, 1).await, (JobState::Succeeded, None, 2));
    let again = place.open().await;
    let engine = Moody::new(Mood::Panics, u32::MAX);
    let worker = again.worker(pool(engine), 1);
    let accepted = again.hand_in(speech::mono(2.0, 2)).await;
    let job = again.ended(&accepted, JobState::Failed).await;
    drop(worker);
    assert_eq!(job.error.unwrap().detail, "the engine panicked");
}

async fn what_is_refused_is_not_tried_again(place: Place) {
    let desk = place.open().await;

    let (state, error, calls) = endured(&desk, Mood::Refuses, u32::MAX).await;

    let detail = "no engine can do that".to_owned();
    assert_eq!((state, calls), (JobState::Failed, 1));
    assert_eq!(error, Some((ProblemCode::EngineRefused, detail)));
}

async fn what_the_operator_has_to_mend_is_tried_again(place: Place) {
    let desk = place.open().await;

    assert_eq!(endured(&desk, Mood::KnowsNoKey, 2).await, (JobState::Succeeded, None, 3));
    let again = place.open().await;
    let worker = again.worker(pool(Moody::new(Mood::KnowsNoKey, u32::MAX)), 1);
    let accepted = again.hand_in(speech::mono(2.0, 2)).await;
    let job = again.ended(&accepted, JobState::Failed).await;
    drop(worker);
    assert_eq!(job.error.unwrap().code, ProblemCode::EngineUnavailable);
}

async fn what_is_no_recording_is_refused(place: Place) {
    let desk = place.open().await;
    let _worker = desk.worker(pool(Fake::new()), 1);
    let page = desk.hand_in(b"<html>this is not a talk</html>".repeat(100)).await;
    let cut = desk.hand_in(speech::mono(1.0, 1)[..44].to_vec()).await;

    let page = desk.ended(&page, JobState::Failed).await.error.unwrap();
    let cut = desk.ended(&cut, JobState::Failed).await.error.unwrap();

    assert_eq!(page.code, ProblemCode::UnsupportedMedia);
    assert!(page.detail.ends_with("is not audio or video of a known kind"), "{}", page.detail);
    assert_eq!(cut.code, ProblemCode::UnreadableMedia);
}
