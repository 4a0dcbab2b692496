//! From media to a transcript, whatever happens on the way.

use hansard_domain::id::{TranscriptId, WorkspaceId};
use hansard_domain::job::{JobState, Stage};
use hansard_store::leases::Held;
use hansard_store::transcripts::WINDOWS_PER_PAGE_MAX;
use hansard_store::{Begin, Database, NewJob};
use sqlx::Connection;

use crate::db::{
    LEASE, MODEL, TestDb, Twins, accepted, begin, begun, claimed, claimed_sha256, finished, job,
    progress, sent, transcribed, twins, window, workspace,
};

on_both! {
    a_transcript_grows_window_by_window,
    a_window_is_committed_once_and_in_order,
    another_worker_goes_on_from_the_checkpoint,
    another_model_starts_over,
    other_media_start_over,
    the_same_audio_is_transcribed_once,
    a_copy_outlives_what_it_was_copied_from,
    a_busy_twin_is_waited_for,
    a_twin_that_waits_is_due_when_the_other_ends,
    a_twin_that_begins_to_wait_too_late_is_due_at_once,
    of_twins_that_begin_at_once_one_goes,
    asked_again_it_is_transcribed_again,
    transcripts_are_listed,
    measured_speeds_follow_the_last_jobs,
}

async fn a_transcript_grows_window_by_window(db: TestDb) {
    let store = db.open().await;
    let workspace = workspace(&store).await;
    let made = accepted(&store, &workspace, "sound").await;
    let held = claimed(&store).await;
    let transcript = begun(&store, &held, MODEL).await;

    let one = store.commit_window(&held.lease, &transcript, 0, window("a"), progress(20.0));
    assert_eq!(one.await.unwrap(), Held::Yes(()));
    let head = store.find_transcript(&workspace, &transcript).await.unwrap().unwrap();
    assert_eq!((head.windows, head.completed_at, head.model.as_str()), (1, None, MODEL));
    let running = store.find_job(&workspace, &made.job.id).await.unwrap().unwrap();
    assert_eq!((running.done, running.duration), (20.0, Some(60.0)));
    assert_eq!(running.transcript.as_ref(), Some(&transcript));
    let two = store.commit_window(&held.lease, &transcript, 1, window("b"), progress(40.0));
    assert_eq!(two.await.unwrap(), Held::Yes(()));
    let end = store.finish_transcript(&held.lease, &transcript, MODEL, finished(&store));
    assert_eq!(end.await.unwrap(), Held::Yes(()));

    let job = store.find_job(&workspace, &made.job.id).await.unwrap().unwrap();
    assert_eq!((job.state, job.done, job.duration), (JobState::Succeeded, 60.0, Some(60.0)));
    assert_eq!(job.finished_at, Some(db.clock.now()));
    let recording = store.find_recording(&workspace, &made.recording.id).await.unwrap().unwrap();
    assert_eq!(recording.current_transcript.as_ref(), Some(&transcript));
    assert_eq!(recording.duration, Some(60.0));
    let head = store.find_transcript(&workspace, &transcript).await.unwrap().unwrap();
    assert_eq!((head.windows, head.completed_at), (2, Some(db.clock.now())));
    assert_eq!((head.language.as_deref(), head.language_probability), (Some("en"), Some(0.5)));
    let windows = store.windows(&transcript, 0, WINDOWS_PER_PAGE_MAX).await.unwrap();
    assert_eq!(windows, [window("a"), window("b")]);
    assert_eq!(store.windows(&transcript, 1, 1).await.unwrap(), [window("b")]);
    let stages = store.finished_stages(&made.job.id).await.unwrap();
    assert_eq!(stages.iter().map(|stage| stage.stage).collect::<Vec<_>>(), [Stage::Transcribe]);
    assert_eq!(
        store.find_transcript(&db.clock.id::<WorkspaceId>(), &transcript).await.unwrap(),
        None
    );
}

async fn a_window_is_committed_once_and_in_order(db: TestDb) {
    let store = db.open().await;
    let workspace = workspace(&store).await;
    accepted(&store, &workspace, "sound").await;
    let held = claimed(&store).await;
    let transcript = begun(&store, &held, MODEL).await;
    let commit = async |transcript: &TranscriptId, ordinal| {
        let (window, progress) = (window("a"), progress(1.0));
        store.commit_window(&held.lease, transcript, ordinal, window, progress).await.unwrap()
    };

    assert_eq!(commit(&transcript, 1).await, Held::Lost);
    assert_eq!(commit(&transcript, 0).await, Held::Yes(()));
    assert_eq!(commit(&transcript, 0).await, Held::Lost);
    assert_eq!(commit(&transcript, 2).await, Held::Lost);
    assert_eq!(commit(&db.clock.id(), 1).await, Held::Lost);

    assert_eq!(store.windows(&transcript, 0, 10).await.unwrap().len(), 1);
    assert_eq!(db.count("SELECT COUNT(*) FROM events WHERE kind = 'transcript.window'").await, 1);
}

async fn another_worker_goes_on_from_the_checkpoint(db: TestDb) {
    let store = db.open().await;
    let workspace = workspace(&store).await;
    accepted(&store, &workspace, "sound").await;
    let first = claimed(&store).await;
    let transcript = begun(&store, &first, MODEL).await;
    let held = store.commit_window(&first.lease, &transcript, 0, window("a"), progress(20.0));
    held.await.unwrap();
    db.clock.advance(LEASE * 2);

    let second = claimed(&store).await;
    let sha256 = claimed_sha256(&store, &second).await;
    let begin = begin(&store, &second.lease, &sha256, MODEL).await;

    let checkpoint = Some(progress(20.0).checkpoint);
    assert_eq!(begin, Begin::Go { transcript: transcript.clone(), ordinal: 1, checkpoint });
    let held = store.commit_window(&second.lease, &transcript, 1, window("b"), progress(40.0));
    held.await.unwrap();
    let job = store.find_job(&workspace, &second.job.id).await.unwrap().unwrap();
    assert_eq!(job.attempts, 1, "progress starts the count of attempts anew");
}

async fn other_media_start_over(db: TestDb) {
    let store = db.open().await;
    let workspace = workspace(&store).await;
    accepted(&store, &workspace, "sound").await;
    let held = claimed(&store).await;
    let old = begun(&store, &held, MODEL).await;
    let commit = store.commit_window(&held.lease, &old, 0, window("a"), progress(20.0));
    commit.await.unwrap();

    let begin = begin(&store, &held.lease, "another checksum", MODEL).await;

    let Begin::Go { transcript, ordinal: 0, checkpoint: None } = begin else { panic!("{begin:?}") };
    assert_ne!(transcript, old);
    assert_eq!(db.count("SELECT COUNT(*) FROM transcript_windows").await, 0);
}

async fn a_twin_that_begins_to_wait_too_late_is_due_at_once(db: TestDb) {
    let store = db.open().await;
    let workspace = workspace(&store).await;
    let Twins { busy, transcript, waiting, .. } = twins(&store, &workspace).await;
    let end = store.finish_transcript(&busy.lease, &transcript, MODEL, finished(&store));
    assert_eq!(end.await.unwrap(), Held::Yes(()));

    let waits = store.wait_for_twin(&waiting.lease, db.clock.now().after(LEASE)).await;

    assert_eq!(waits.unwrap(), Held::Yes(()));
    assert_eq!(claimed(&store).await.job.id, waiting.job.id);
}

async fn a_twin_that_waits_is_due_when_the_other_ends(db: TestDb) {
    let store = db.open().await;
    let workspace = workspace(&store).await;
    let Twins { busy, transcript, waiting, sha256 } = twins(&store, &workspace).await;
    let waits = store.wait_for_twin(&waiting.lease, db.clock.now().after(LEASE)).await;
    assert_eq!(waits.unwrap(), Held::Yes(()));
    assert!(store.claim_jobs(&db.clock.id(), 1, LEASE).await.unwrap().is_empty());

    let end = store.finish_transcript(&busy.lease, &transcript, MODEL, finished(&store));
    assert_eq!(end.await.unwrap(), Held::Yes(()));

    let woken = claimed(&store).await;
    assert_eq!(woken.job.id, waiting.job.id);
    assert_eq!(begin(&store, &woken.lease, &sha256, MODEL).await, Begin::Copied);
}

async fn another_model_starts_over(db: TestDb) {
    let store = db.open().await;
    let workspace = workspace(&store).await;
    accepted(&store, &workspace, "sound").await;
    let first = claimed(&store).await;
    let old = begun(&store, &first, MODEL).await;
    let held = store.commit_window(&first.lease, &old, 0, window("a"), progress(20.0));
    held.await.unwrap();
    db.clock.advance(LEASE * 2);

    let second = claimed(&store).await;
    let new = begun(&store, &second, "fake/two").await;

    assert_ne!(new, old);
    assert_eq!(store.find_transcript(&workspace, &old).await.unwrap(), None);
    assert_eq!(store.windows(&old, 0, 10).await.unwrap(), []);
    let job = store.find_job(&workspace, &second.job.id).await.unwrap().unwrap();
    assert_eq!((job.transcript, job.done), (Some(new), 0.0));
}

async fn the_same_audio_is_transcribed_once(db: TestDb) {
    let store = db.open().await;
    let workspace = workspace(&store).await;
    let other = store.ensure_workspace("other").await.unwrap();
    accepted(&store, &workspace, "sound").await;
    transcribed(&store, &["a", "b"]).await;
    let twin = accepted(&store, &workspace, "sound").await;

    let held = claimed(&store).await;
    let sha256 = claimed_sha256(&store, &held).await;
    assert_eq!(begin(&store, &held.lease, &sha256, MODEL).await, Begin::Copied);

    let job = store.find_job(&workspace, &twin.job.id).await.unwrap().unwrap();
    assert_eq!((job.state, job.duration), (JobState::Succeeded, Some(60.0)));
    let recording = store.find_recording(&workspace, &twin.recording.id).await.unwrap().unwrap();
    assert_eq!(recording.current_transcript, job.transcript);
    let copy = store.windows(&job.transcript.unwrap(), 0, 10).await.unwrap();
    assert_eq!(copy, [window("a"), window("b")]);
    // What is another workspace's is not taken.
    accepted(&store, &other, "sound").await;
    begun(&store, &claimed(&store).await, MODEL).await;
}

async fn a_copy_outlives_what_it_was_copied_from(db: TestDb) {
    let store = db.open().await;
    let workspace = workspace(&store).await;
    let first = accepted(&store, &workspace, "sound").await;
    transcribed(&store, &["a"]).await;
    let twin = accepted(&store, &workspace, "sound").await;
    let held = claimed(&store).await;
    let sha256 = claimed_sha256(&store, &held).await;
    begin(&store, &held.lease, &sha256, MODEL).await;

    assert!(store.delete_recording(&workspace, &first.recording.id).await.unwrap());

    let entry = store.find_job_number(&workspace, twin.job.serial).await.unwrap().unwrap();
    assert_eq!(entry.confidence, Some((-0.25_f64).exp()));
    let copy = store.windows(&entry.job.transcript.unwrap(), 0, 10).await.unwrap();
    assert_eq!(copy, [window("a")]);
}

async fn a_busy_twin_is_waited_for(db: TestDb) {
    let store = db.open().await;
    let workspace = workspace(&store).await;
    accepted(&store, &workspace, "sound").await;
    accepted(&store, &workspace, "sound").await;
    let first = claimed(&store).await;
    let second = claimed(&store).await;
    let sha256 = claimed_sha256(&store, &second).await;
    let transcript = begun(&store, &first, MODEL).await;

    assert_eq!(begin(&store, &second.lease, &sha256, MODEL).await, Begin::Wait);
    store.return_job(&second.lease, db.clock.now(), None).await.unwrap();
    let end = store.finish_transcript(&first.lease, &transcript, MODEL, finished(&store));
    end.await.unwrap();

    let second = claimed(&store).await;
    assert_eq!(begin(&store, &second.lease, &sha256, MODEL).await, Begin::Copied);
}

async fn of_twins_that_begin_at_once_one_goes(db: TestDb) {
    let store = db.open().await;
    let workspace = workspace(&store).await;
    let mut beginnings = tokio::task::JoinSet::new();
    for _ in 0..4 {
        accepted(&store, &workspace, "sound").await;
    }
    for _ in 0..4 {
        let (store, held) = (store.clone(), claimed(&store).await);
        let sha256 = claimed_sha256(&store, &held).await;
        beginnings.spawn(async move { begin(&store, &held.lease, &sha256, MODEL).await });
    }

    let beginnings = beginnings.join_all().await;

    let go = beginnings.iter().filter(|begin| matches!(begin, Begin::Go { .. })).count();
    assert_eq!(go, 1, "{beginnings:?}");
}

async fn asked_again_it_is_transcribed_again(db: TestDb) {
    let store = db.open().await;
    let workspace = workspace(&store).await;
    accepted(&store, &workspace, "sound").await;
    transcribed(&store, &["a"]).await;
    let recording = sent(&store, &workspace, "sound").await;
    store.accept(&workspace, recording, NewJob { again: true, ..job() }, None).await.unwrap();

    transcribed(&store, &["b"]).await;

    let list = store.page_transcripts(&workspace, None, None, 10).await.unwrap();
    assert_eq!(list.items.len(), 2);
}

async fn transcripts_are_listed(db: TestDb) {
    let store = db.open().await;
    let workspace = workspace(&store).await;
    let mut recordings = Vec::new();
    for content in ["one", "two", "three"] {
        recordings.push(accepted(&store, &workspace, content).await.recording.id);
        transcribed(&store, &["a"]).await;
    }

    let first = store.page_transcripts(&workspace, None, None, 2).await.unwrap();
    let rest = store.page_transcripts(&workspace, None, first.next, 2).await.unwrap();
    let of_one = store.page_transcripts(&workspace, Some(&recordings[1]), None, 2).await.unwrap();

    let listed = first.items.iter().chain(&rest.items).map(|head| &head.recording);
    assert!(listed.eq(recordings.iter().rev()));
    assert_eq!((of_one.items.len(), &of_one.items[0].recording), (1, &recordings[1]));
}

async fn measured_speeds_follow_the_last_jobs(db: TestDb) {
    let store = db.open().await;
    let workspace = workspace(&store).await;
    for number in 0..51 {
        accepted(&store, &workspace, &format!("sound {number}")).await;
        transcribed(&store, &["a"]).await;
        let jobs = db.count("SELECT jobs FROM engine_speeds").await;
        assert_eq!(jobs, if number < 50 { number + 1 } else { 25 });
    }
    // 60 seconds of audio in 6, whatever they stand for.
    let sums = db.count("SELECT CAST(ROUND(audio_s / wall_s) AS BIGINT) FROM engine_speeds").await;
    assert_eq!(sums, 10);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_job_waits_for_the_measurement_of_another() {
    let db = TestDb::postgres();
    let store = db.open().await;
    let workspace = workspace(&store).await;
    let made = accepted(&store, &workspace, "sound").await;
    let Database::Postgres { url } = &db.database else { unreachable!() };
    let mut other = sqlx::PgConnection::connect(url).await.unwrap();
    let lock = sqlx::query("SELECT pg_advisory_lock(hashtextextended($1, 1))").bind(MODEL);
    lock.execute(&mut other).await.unwrap();

    transcribed(&store, &["a"]).await;

    let ended = store.find_job(&workspace, &made.job.id).await.unwrap().unwrap();
    assert_eq!(ended.state, JobState::Succeeded);
    assert_eq!(db.count("SELECT COUNT(*) FROM engine_speeds").await, 0);
    other.close().await.unwrap();
}
