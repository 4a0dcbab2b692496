//! Deleting a job, whose recording stays.

use hansard_domain::id::{Id, UserId, WorkspaceId};
use hansard_domain::job::{JobState, Visibility};
use hansard_domain::source::{Callback, CallbackFormat};
use hansard_store::endpoints::NewEndpoint;
use hansard_store::leases::Held;
use hansard_store::{Eyes, NewJob, NewRecording, Reach, Store};

use crate::db::{
    LEASE, MODEL, TestDb, Twins, accepted, begun, claimed, finished, job, key, progress, remote,
    sent, transcribed, twins, window, workspace,
};

on_both! {
    all_that_belongs_to_it_goes_and_the_recording_stays,
    the_transcript_of_another_job_is_shown_again,
    one_that_was_tried_again_takes_its_old_transcript_along,
    a_running_job_loses_its_lease,
    whoever_waits_for_its_end_is_told,
    a_twin_that_waits_for_it_goes_on,
    what_is_anothers_is_not_deleted,
    deletion_beside_workers_leaves_nothing_half,
}

async fn delete(store: &Store, workspace: &WorkspaceId, made: &hansard_store::Accepted) {
    assert!(store.delete_job(workspace, &made.job.id).await.unwrap());
}

async fn all_that_belongs_to_it_goes_and_the_recording_stays(db: TestDb) {
    let store = db.open().await;
    let workspace = workspace(&store).await;
    let callback = Callback {
        url: "https://example.org/".to_owned(),
        is_configured: false,
        on_failure: true,
        format: CallbackFormat::Event,
    };
    let recording = sent(&store, &workspace, "sound").await;
    let new = NewJob { callback: Some(callback), kept: true, ..job() };
    let made = store.accept(&workspace, recording, new, key("k", "h")).await.unwrap();
    transcribed(&store, &["a", "b"]).await;
    assert_eq!(db.count("SELECT COUNT(*) FROM deliveries").await, 1);
    let before = store.find_recording(&workspace, &made.recording.id).await.unwrap().unwrap();

    delete(&store, &workspace, &made).await;

    for counted in [
        "SELECT COUNT(*) FROM jobs",
        "SELECT COUNT(*) FROM job_stages",
        "SELECT COUNT(*) FROM transcripts",
        "SELECT COUNT(*) FROM transcript_windows",
        "SELECT COUNT(*) FROM deliveries",
        "SELECT COUNT(*) FROM delivery_attempts",
        "SELECT COUNT(*) FROM idempotency_keys",
    ] {
        assert_eq!(db.count(counted).await, 0, "{counted}");
    }
    let left = store.find_recording(&workspace, &made.recording.id).await.unwrap().unwrap();
    assert!(left.media.is_some() && left.current_transcript.is_none());
    assert!(left.updated_at > before.updated_at, "even while the clock stands");
    assert_eq!(db.count("SELECT COUNT(*) FROM events WHERE kind = 'recording.updated'").await, 1);
    assert_eq!(db.count("SELECT COUNT(*) FROM events WHERE kind = 'job.cancelled'").await, 0);
    assert!(!store.delete_job(&workspace, &made.job.id).await.unwrap());
    assert_eq!(store.check_rows().await.unwrap(), Vec::<String>::new());
}

async fn the_transcript_of_another_job_is_shown_again(db: TestDb) {
    let store = db.open().await;
    let workspace = workspace(&store).await;
    let first = accepted(&store, &workspace, "sound").await;
    transcribed(&store, &["a"]).await;
    db.clock.advance(LEASE);
    let again = NewJob { again: true, ..job() };
    let again = store.accept_job(&workspace, &first.recording.id, again, None).await.unwrap();
    transcribed(&store, &["b"]).await;
    let older = store.find_job(&workspace, &first.job.id).await.unwrap().unwrap().transcript;
    let current = async || {
        let found = store.find_recording(&workspace, &first.recording.id).await.unwrap();
        found.unwrap().current_transcript
    };
    assert_ne!(current().await, older);

    delete(&store, &workspace, &again.unwrap()).await;

    assert_eq!(current().await, older);
    let waiting = store.accept_job(&workspace, &first.recording.id, job(), None).await.unwrap();
    delete(&store, &workspace, &waiting.unwrap()).await;
    assert_eq!(current().await, older);
    assert_eq!(db.count("SELECT COUNT(*) FROM events WHERE kind = 'recording.updated'").await, 1);
}

async fn one_that_was_tried_again_takes_its_old_transcript_along(db: TestDb) {
    let store = db.open().await;
    let workspace = workspace(&store).await;
    let made = accepted(&store, &workspace, "sound").await;
    transcribed(&store, &["a"]).await;
    store.retry_job(&workspace, &made.job.id, None).await.unwrap();
    let held = claimed(&store).await;
    let transcript = begun(&store, &held, MODEL).await;
    let commit = store.commit_window(&held.lease, &transcript, 0, window("b"), progress(1.0));
    assert_eq!(commit.await.unwrap(), Held::Yes(()));
    assert_eq!(db.count("SELECT COUNT(*) FROM transcripts").await, 2);

    delete(&store, &workspace, &made).await;

    assert_eq!(db.count("SELECT COUNT(*) FROM transcripts").await, 0);
    assert_eq!(db.count("SELECT COUNT(*) FROM transcript_windows").await, 0);
}

async fn a_running_job_loses_its_lease(db: TestDb) {
    let store = db.open().await;
    let workspace = workspace(&store).await;
    let made = accepted(&store, &workspace, "sound").await;
    let held = claimed(&store).await;
    let transcript = begun(&store, &held, MODEL).await;

    delete(&store, &workspace, &made).await;

    let late = store.commit_window(&held.lease, &transcript, 0, window("late"), progress(1.0));
    assert_eq!(late.await.unwrap(), Held::Lost);
    let end = store.finish_transcript(&held.lease, &transcript, MODEL, finished(&store));
    assert_eq!(end.await.unwrap(), Held::Lost);
    let again = store.accept_job(&workspace, &made.recording.id, job(), None).await.unwrap();
    transcribed(&store, &["a"]).await;
    let again = store.find_job(&workspace, &again.unwrap().job.id).await.unwrap().unwrap();
    assert_eq!(again.state, JobState::Succeeded);
}

async fn whoever_waits_for_its_end_is_told(db: TestDb) {
    let store = db.open().await;
    let workspace = workspace(&store).await;
    let url = "https://a.example/".to_owned();
    let endpoint = NewEndpoint { url, description: None, kinds: Vec::new() };
    store.create_endpoint(&workspace, endpoint, None).await.unwrap();
    let made = store.accept(&workspace, remote(), job(), None).await.unwrap();

    delete(&store, &workspace, &made).await;

    assert_eq!(db.count("SELECT COUNT(*) FROM events WHERE kind = 'job.cancelled'").await, 1);
    let told = "SELECT COUNT(*) FROM deliveries WHERE kind = 'job.cancelled' AND state = 'pending'";
    assert_eq!(db.count(told).await, 1);
    assert!(store.claim_jobs(&db.clock.id(), 1, LEASE).await.unwrap().is_empty());
}

async fn a_twin_that_waits_for_it_goes_on(db: TestDb) {
    let store = db.open().await;
    let workspace = workspace(&store).await;
    let Twins { busy, waiting, .. } = twins(&store, &workspace).await;
    let waits = store.wait_for_twin(&waiting.lease, db.clock.now().after(LEASE)).await;
    assert_eq!(waits.unwrap(), Held::Yes(()));

    assert!(store.delete_job(&workspace, &busy.job.id).await.unwrap());

    assert_eq!(claimed(&store).await.job.id, waiting.job.id);
}

async fn what_is_anothers_is_not_deleted(db: TestDb) {
    let store = db.open().await;
    let workspace = workspace(&store).await;
    let elsewhere = store.ensure_workspace("elsewhere").await.unwrap();
    let user = |number| UserId::from_parts(0, number).to_string();
    let of = |number| Reach { eyes: Eyes::Actor(user(number)), ..Reach::from(&workspace) };
    let private =
        NewRecording { visibility: Visibility::Private, created_by: Some(user(1)), ..remote() };
    let made = store.accept(&workspace, private, job(), None).await.unwrap();

    for reach in [of(2), Reach::guest(&workspace), Reach::from(&elsewhere)] {
        assert!(!store.delete_job(reach, &made.job.id).await.unwrap());
    }
    assert!(store.find_job(&workspace, &made.job.id).await.unwrap().is_some());
    assert!(store.delete_job(of(1), &made.job.id).await.unwrap());
}

async fn deletion_beside_workers_leaves_nothing_half(db: TestDb) {
    let store = db.open().await;
    let workspace = workspace(&store).await;
    let mut begins = Vec::new();
    for number in 0..4 {
        let made = accepted(&store, &workspace, &format!("sound {number}")).await;
        let held = claimed(&store).await;
        let transcript = begun(&store, &held, MODEL).await;
        begins.push((made, held, transcript));
    }
    let mut work = tokio::task::JoinSet::new();
    for (made, held, transcript) in begins {
        let (worker, deleter, other) = (store.clone(), store.clone(), store.clone());
        work.spawn(async move {
            for ordinal in 0.. {
                let (window, progress) = (window("a"), progress(1.0));
                let commit =
                    worker.commit_window(&held.lease, &transcript, ordinal, window, progress);
                if commit.await.unwrap() == Held::Lost {
                    break;
                }
            }
        });
        let (home, job) = (workspace.clone(), made.job.id.clone());
        work.spawn(async move {
            deleter.delete_job(&home, &job).await.unwrap();
        });
        let (home, recording) = (workspace.clone(), made.recording.id);
        work.spawn(async move {
            assert!(other.delete_recording(&home, &recording).await.unwrap());
        });
    }

    work.join_all().await;

    assert_eq!(db.count("SELECT COUNT(*) FROM jobs").await, 0);
    assert_eq!(db.count("SELECT COUNT(*) FROM transcripts").await, 0);
    assert_eq!(db.count("SELECT COUNT(*) FROM transcript_windows").await, 0);
}
