//! What is forgotten after a while, and what is not.

use std::time::Duration;

use hansard_domain::source::{Callback, CallbackFormat};
use hansard_store::leases::Held;
use hansard_store::sessions::NewSession;
use hansard_store::tokens::secret_hash;
use hansard_store::{KEYS_KEPT, NewJob, Pruned};

use crate::db::{
    MODEL, TestDb, accepted, begun, claimed, job, key, progress, remote, sent, transcribed, window,
    workspace,
};
use crate::people::{by, editor, log};

const WEEK: Duration = Duration::from_secs(7 * 24 * 60 * 60);

on_both! {
    old_jobs_are_forgotten_and_their_transcripts_kept,
    what_a_given_up_job_left_goes_with_it,
    a_job_with_a_delivery_under_way_is_kept,
    a_job_that_another_system_knows_by_its_number_is_kept,
    keys_last_a_day,
    sessions_logins_and_counts_go_when_they_are_over,
    the_audit_log_is_kept_for_a_while,
    several_prune_at_once,
}

async fn old_jobs_are_forgotten_and_their_transcripts_kept(db: TestDb) {
    let store = db.open().await;
    let workspace = workspace(&store).await;
    let recording = sent(&store, &workspace, "sound").await;
    let old = store.accept(&workspace, recording, job(), key("k", "h")).await.unwrap();
    transcribed(&store, &["a"]).await;
    db.clock.advance(WEEK);
    let waiting = store.accept(&workspace, remote(), job(), None).await.unwrap();
    assert_eq!(store.prune(WEEK).await.unwrap(), Pruned { keys: 1, ..Pruned::default() });

    db.clock.advance(Duration::from_secs(1));
    let pruned = store.prune(WEEK).await.unwrap();

    assert_eq!((pruned.jobs, pruned.deliveries, pruned.keys), (1, 0, 0));
    assert!(pruned.events >= 5, "{pruned:?}");
    assert_eq!(store.find_job(&workspace, &old.job.id).await.unwrap(), None);
    assert_eq!(store.finished_stages(&old.job.id).await.unwrap(), []);
    assert!(store.find_job(&workspace, &waiting.job.id).await.unwrap().is_some());
    let recording = store.find_recording(&workspace, &old.recording.id).await.unwrap().unwrap();
    let transcript = recording.current_transcript.unwrap();
    assert_eq!(store.windows(&transcript, 0, 9).await.unwrap(), [window("a")]);
    assert_eq!(store.prune(WEEK).await.unwrap(), Pruned::default());
}

async fn what_a_given_up_job_left_goes_with_it(db: TestDb) {
    let store = db.open().await;
    let workspace = workspace(&store).await;
    accepted(&store, &workspace, "sound").await;
    let held = claimed(&store).await;
    let transcript = begun(&store, &held, MODEL).await;
    let commit = store.commit_window(&held.lease, &transcript, 0, window("a"), progress(1.0));
    assert_eq!(commit.await.unwrap(), Held::Yes(()));
    store.cancel_job(&workspace, &held.job.id).await.unwrap();

    db.clock.advance(WEEK * 2);
    assert_eq!(store.prune(WEEK).await.unwrap().jobs, 1);

    assert_eq!(db.count("SELECT COUNT(*) FROM transcripts").await, 0);
    assert_eq!(db.count("SELECT COUNT(*) FROM transcript_windows").await, 0);
}

async fn a_job_with_a_delivery_under_way_is_kept(db: TestDb) {
    let store = db.open().await;
    let workspace = workspace(&store).await;
    let callback = Callback {
        url: "https://example.org/".to_owned(),
        is_configured: false,
        on_failure: false,
        format: CallbackFormat::Event,
    };
    let recording = sent(&store, &workspace, "sound").await;
    let new = NewJob { callback: Some(callback), ..job() };
    store.accept(&workspace, recording, new, None).await.unwrap();
    transcribed(&store, &["a"]).await;
    db.clock.advance(WEEK * 2);

    assert_eq!(store.prune(WEEK).await.unwrap().jobs, 0);
    db.sql("UPDATE deliveries SET state = 'delivered', finished_at_us = 0").await;
    let pruned = store.prune(WEEK).await.unwrap();

    assert_eq!((pruned.jobs, pruned.deliveries), (1, 1));
}

async fn a_job_that_another_system_knows_by_its_number_is_kept(db: TestDb) {
    let store = db.open().await;
    let workspace = workspace(&store).await;
    let recording = sent(&store, &workspace, "sound").await;
    store.accept(&workspace, recording, NewJob { kept: true, ..job() }, None).await.unwrap();
    transcribed(&store, &["a"]).await;
    db.clock.advance(WEEK * 2);

    assert_eq!(store.prune(WEEK).await.unwrap().jobs, 0);
    db.sql("UPDATE jobs SET kept = FALSE").await;
    assert_eq!(store.prune(WEEK).await.unwrap().jobs, 1);
}

async fn keys_last_a_day(db: TestDb) {
    let store = db.open().await;
    let workspace = workspace(&store).await;
    let first = store.accept(&workspace, remote(), job(), key("k", "h")).await.unwrap();

    db.clock.advance(KEYS_KEPT);
    assert_eq!(store.prune(WEEK).await.unwrap().keys, 0);
    db.clock.advance(Duration::from_micros(1));
    assert_eq!(store.prune(WEEK).await.unwrap().keys, 1);

    let second = store.accept(&workspace, remote(), job(), key("k", "h")).await.unwrap();
    assert_ne!(second.job.id, first.job.id);
}

async fn several_prune_at_once(db: TestDb) {
    const JOBS: u64 = 250;
    let store = db.open().await;
    let workspace = workspace(&store).await;
    for number in 0..JOBS {
        let made = store.accept(&workspace, remote(), job(), key(&format!("{number}"), "h")).await;
        store.cancel_job(&workspace, &made.unwrap().job.id).await.unwrap();
    }
    db.clock.advance(WEEK * 2);

    let (one, two) = tokio::join!(store.prune(WEEK), store.prune(WEEK));
    let (one, two) = (one.unwrap(), two.unwrap());
    // Beside another's batch a node may see less than a full one and stop.
    let rest = store.prune(WEEK).await.unwrap();

    assert_eq!(one.jobs + two.jobs + rest.jobs, JOBS);
    assert_eq!(one.events + two.events + rest.events, 3 * JOBS);
    assert_eq!(db.count("SELECT COUNT(*) FROM idempotency_keys").await, 0);
    assert_eq!(db.count("SELECT COUNT(*) FROM events").await, 0);
}

async fn sessions_logins_and_counts_go_when_they_are_over(db: TestDb) {
    let store = db.open().await;
    let ana = editor(&store, "ana").await;
    for (secret, lifetime) in [("short", WEEK), ("long", WEEK * 3)] {
        let session = NewSession {
            hash: secret_hash(secret),
            user: ana.id.clone(),
            method: "simple".to_owned(),
            user_agent: None,
            address: None,
            idle: lifetime,
            lifetime,
        };
        store.open_session(session, None, &by()).await.unwrap().unwrap();
        store.begin_login(secret, "oidc", "/", None, lifetime).await.unwrap();
        store.take_rate(secret, lifetime, lifetime).await.unwrap();
    }
    db.clock.advance(WEEK * 2);

    let expected = Pruned { sessions: 1, logins: 1, rates: 1, ..Pruned::default() };
    assert_eq!(store.prune(WEEK).await.unwrap(), expected);

    assert!(store.find_session(&secret_hash("long")).await.unwrap().is_some());
    assert!(store.take_login("long").await.unwrap().is_some());
}

async fn the_audit_log_is_kept_for_a_while(db: TestDb) {
    let store = db.open().await;
    editor(&store, "old").await;
    db.clock.advance(WEEK * 2);
    editor(&store, "new").await;
    assert_eq!(store.prune(WEEK).await.unwrap(), Pruned::default());

    assert_eq!(store.prune_audit(WEEK).await.unwrap(), 1);

    assert_eq!(log(&store, None).await.len(), 1);
    assert_eq!(store.prune_audit(WEEK).await.unwrap(), 0);
}
