//! Cancelling, and going down with and without a goodbye.

use std::time::{Duration, Instant};

use hansard_domain::job::JobState;
use hansard_speech::fake::Fake;
use hansard_store::jobs::Change;
use hansard_testkit::speech;

use crate::desk::{Place, noted, until};
use crate::engines::pool;
use crate::on_both_databases;

on_both_databases! {
    a_cancelled_job_stops_within_a_second,
    a_worker_that_stops_gives_its_jobs_back,
    a_worker_that_stops_claims_nothing_more,
    working_files_go_with_the_worker,
}

async fn a_cancelled_job_stops_within_a_second(place: Place) {
    let notes = place.path("notes");
    let desk = place.open().await;
    let _worker = desk.worker(pool(Fake::pausing().noting(&notes)), 1);
    let paused = desk.hand_in(speech::mono(65.0, 1)).await;
    let next = desk.hand_in(speech::mono(65.0, 2)).await;
    desk.job_when(&paused, |job| job.done > 0.0).await;

    let cancelled_at = Instant::now();
    let change = desk.store.cancel_job(&desk.workspace, &paused.job.id).await.unwrap();

    assert!(matches!(change, Change::Done(job) if job.state == JobState::Cancelled));
    // The only place of the worker is free again once the engine has stopped.
    until("the next job", || noted(&notes).len() == 2).await;
    let took = cancelled_at.elapsed();
    assert!(took < Duration::from_millis(1500), "it took {took:?}, a few of them for the next job");
    let job = desk.job(&paused).await;
    assert_eq!((job.state, job.done), (JobState::Cancelled, 30.0));
    desk.store.cancel_job(&desk.workspace, &next.job.id).await.unwrap();
}

async fn a_worker_that_stops_gives_its_jobs_back(place: Place) {
    let notes = place.path("notes");
    let desk = place.open().await;
    let worker = desk.worker(pool(Fake::pausing().noting(&notes)), 2);
    let one = desk.hand_in(speech::mono(65.0, 1)).await;
    let other = desk.hand_in(speech::mono(65.0, 2)).await;
    desk.job_when(&one, |job| job.done > 0.0).await;
    desk.job_when(&other, |job| job.done > 0.0).await;

    let drained = worker.stop(Duration::from_secs(10)).await;

    assert!(drained);
    for accepted in [&one, &other] {
        let job = desk.job(accepted).await;
        assert_eq!((job.state, job.attempts, job.done), (JobState::Queued, 0, 30.0));
    }
    let _next = desk.worker(pool(Fake::new().noting(&notes)), 2);
    for accepted in [&one, &other] {
        assert_eq!(desk.transcript(accepted).await.1.len(), 3);
    }
    assert_eq!(noted(&notes).len(), 6);
}

async fn a_worker_that_stops_claims_nothing_more(place: Place) {
    let desk = place.open().await;
    let worker = desk.worker(pool(Fake::pausing()), 1);
    let first = desk.hand_in(speech::mono(65.0, 1)).await;
    desk.job_when(&first, |job| job.done > 0.0).await;
    let second = desk.hand_in(speech::mono(65.0, 2)).await;

    assert!(worker.stop(Duration::from_secs(10)).await);

    let job = desk.job(&second).await;
    assert_eq!((job.state, job.started_at), (JobState::Queued, None));
}

async fn working_files_go_with_the_worker(place: Place) {
    let desk = place.open().await;
    let worker = desk.worker(pool(Fake::new()), 1);
    assert!(place.scratch().join(worker.id().to_string()).exists());

    worker.stop(Duration::from_secs(10)).await;

    let left: Vec<_> = std::fs::read_dir(place.scratch()).unwrap().flatten().collect();
    assert_eq!(left.len(), 1, "the gate alone stays: {left:?}");
}
