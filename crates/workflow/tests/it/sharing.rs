//! Several workers on one store.

use std::collections::HashMap;

use hansard_domain::job::JobState;
use hansard_speech::fake::Fake;
use hansard_testkit::speech;

use crate::desk::{Place, noted};
use crate::engines::pool;
use crate::on_both_databases;

on_both_databases! {
    workers_share_jobs_and_inherit_those_of_one_that_died,
    another_worker_goes_on_while_the_first_lives,
}

async fn workers_share_jobs_and_inherit_those_of_one_that_died(place: Place) {
    const JOBS: u64 = 50;
    let (steady_notes, dying_notes) = (place.path("steady"), place.path("dying"));
    let (one, other) = (place.open().await, place.open().await);
    let mut jobs = Vec::new();
    for seed in 0..JOBS {
        jobs.push(one.hand_in(speech::mono(2.0, seed)).await);
    }
    let held = one.hand_in(speech::mono(65.0, JOBS)).await;

    // The dying worker holds a job for as long as it lives: the long recording, or whichever it took first.
    let dying = other.worker(pool(Fake::pausing().noting(&dying_notes)), 2);
    let _steady = one.worker(pool(Fake::new().noting(&steady_notes)), 4);
    crate::desk::until("the dying worker's work", || !noted(&dying_notes).is_empty()).await;
    drop(dying);

    for accepted in jobs.iter().chain([&held]) {
        one.ended(accepted, JobState::Succeeded).await;
    }
    let mut windows: HashMap<String, u32> = HashMap::new();
    for line in noted(&steady_notes).into_iter().chain(noted(&dying_notes)) {
        *windows.entry(line).or_default() += 1;
    }
    assert_eq!(windows.len() as u64, JOBS + 3);
    // Killed between a window and its commit, a worker may have heard one for each of its jobs in vain.
    let repeated = windows.values().filter(|count| **count > 1).count();
    assert!(repeated <= 2, "{repeated} windows were heard again");
}

async fn another_worker_goes_on_while_the_first_lives(place: Place) {
    let (one, other) = (place.open().await, place.open().await);
    let first = one.hand_in(speech::mono(65.0, 1)).await;
    let _slow = one.worker(pool(Fake::pausing()), 1);
    one.job_when(&first, |job| job.done > 0.0).await;

    let second = one.hand_in(speech::mono(2.0, 2)).await;
    let _quick = other.worker(pool(Fake::new()), 1);
    other.ended(&second, JobState::Succeeded).await;

    let claimed = one.job(&first).await;
    assert_eq!((claimed.state, claimed.attempts), (JobState::Running, 1));
    one.store.cancel_job(&one.workspace, &first.job.id).await.unwrap();
}
