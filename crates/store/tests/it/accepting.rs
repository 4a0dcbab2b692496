//! What is accepted is accepted whole, once.

use hansard_domain::id::WorkspaceId;
use hansard_domain::job::{JobState, Stage};
use hansard_store::recordings::RecordingFilter;
use hansard_store::{Error, NewJob, NewRecording};

use crate::db::{TestDb, accepted, job, key, remote, sent, workspace};

on_both! {
    a_recording_and_its_job_are_there_at_once,
    a_workspace_has_one_id,
    what_is_refused_leaves_nothing,
    a_repeated_request_gives_the_first_result,
    of_requests_at_once_with_one_key_one_is_made,
    a_key_is_free_again_when_its_request_was_refused,
    a_full_queue_refuses,
    a_recording_is_transcribed_again,
    an_external_id_names_one_recording,
}

async fn a_recording_and_its_job_are_there_at_once(db: TestDb) {
    let store = db.open().await;
    let workspace = workspace(&store).await;

    let far = store.accept(&workspace, remote(), job(), None).await.unwrap();
    let near = accepted(&store, &workspace, "sound").await;

    assert_eq!((far.job.state, far.job.stage), (JobState::Queued, Stage::Acquire));
    assert_eq!((near.job.state, near.job.stage), (JobState::Queued, Stage::Transcribe));
    assert_eq!(far.recording.source, remote().source);
    let found = store.find_recording(&workspace, &near.recording.id).await.unwrap();
    assert_eq!(found, Some(near.recording));
    assert_eq!(store.find_job(&workspace, &near.job.id).await.unwrap(), Some(near.job));
    assert_eq!(store.find_job(&db.clock.id::<WorkspaceId>(), &far.job.id).await.unwrap(), None);
    assert_eq!(db.count("SELECT COUNT(*) FROM events").await, 4);
    store.close().await;
}

async fn a_workspace_has_one_id(db: TestDb) {
    let store = db.open().await;

    let (one, two) = tokio::join!(store.ensure_workspace("a"), store.ensure_workspace("a"));
    let other = store.ensure_workspace("b").await.unwrap();

    assert_eq!(one.unwrap(), two.unwrap());
    assert_eq!(store.ensure_workspace("b").await.unwrap(), other);
    assert!(matches!(store.ensure_workspace("a\0").await, Err(Error::Invalid(_))));
}

async fn what_is_refused_leaves_nothing(db: TestDb) {
    let store = db.open().await;
    let workspace = workspace(&store).await;
    let nul = || Some("a\0b".to_owned());
    let mut media = sent(&store, &workspace, "sound").await;
    media.media.as_mut().unwrap().key = "media/never-announced".to_owned();
    let recordings = [
        NewRecording { title: nul(), ..remote() },
        NewRecording { external_id: nul(), ..remote() },
        NewRecording { metadata: "[]".to_owned(), ..remote() },
    ];

    for recording in recordings {
        let refused = store.accept(&workspace, recording, job(), None).await;
        assert!(matches!(refused, Err(Error::Invalid(_))), "{refused:?}");
    }
    let named = NewJob { external_id: nul(), ..job() };
    let refused = store.accept(&workspace, remote(), named, None).await;
    assert!(matches!(refused, Err(Error::Invalid(_))), "{refused:?}");
    let refused = store.accept(&workspace, remote(), job(), key("a\0", "h")).await;
    assert!(matches!(refused, Err(Error::Invalid(_))), "{refused:?}");
    let refused = store.accept(&workspace, media, job(), key("k", "h")).await;
    assert!(matches!(refused, Err(Error::MediaSwept { .. })), "{refused:?}");

    for counted in [
        "SELECT COUNT(*) FROM recordings",
        "SELECT COUNT(*) FROM jobs",
        "SELECT COUNT(*) FROM events",
        "SELECT COUNT(*) FROM idempotency_keys",
    ] {
        assert_eq!(db.count(counted).await, 0, "{counted}");
    }
}

async fn a_repeated_request_gives_the_first_result(db: TestDb) {
    let store = db.open().await;
    let workspace = workspace(&store).await;
    let other = store.ensure_workspace("other").await.unwrap();

    let first = store.accept(&workspace, remote(), job(), key("k", "h")).await.unwrap();
    let again = store.accept(&workspace, remote(), job(), key("k", "h")).await.unwrap();
    let found = store.find_repeated(&workspace, &key("k", "h").unwrap()).await.unwrap();
    let elsewhere = store.accept(&other, remote(), job(), key("k", "h")).await.unwrap();

    assert!(!first.is_repeated && again.is_repeated && !elsewhere.is_repeated);
    assert_eq!(first.job.id, again.job.id);
    assert_eq!(found.map(|found| found.job.id), Some(first.job.id));
    let unknown = store.find_repeated(&workspace, &key("l", "h").unwrap()).await.unwrap();
    assert_eq!(unknown, None);
    let refused = store.accept(&workspace, remote(), job(), key("k", "other")).await;
    assert!(matches!(refused, Err(Error::KeyReused)), "{refused:?}");
    let refused = store.find_repeated(&workspace, &key("k", "other").unwrap()).await;
    assert!(matches!(refused, Err(Error::KeyReused)), "{refused:?}");
}

async fn of_requests_at_once_with_one_key_one_is_made(db: TestDb) {
    let store = db.open().await;
    let workspace = workspace(&store).await;
    let mut requests = tokio::task::JoinSet::new();

    for _ in 0..8 {
        let (store, workspace) = (store.clone(), workspace.clone());
        requests.spawn(async move {
            store.accept(&workspace, remote(), job(), key("k", "h")).await.unwrap()
        });
    }
    let answers = requests.join_all().await;

    assert_eq!(answers.iter().filter(|answer| !answer.is_repeated).count(), 1);
    assert!(answers.iter().all(|answer| answer.job.id == answers[0].job.id));
    assert_eq!(db.count("SELECT COUNT(*) FROM recordings").await, 1);
}

async fn a_key_is_free_again_when_its_request_was_refused(db: TestDb) {
    let full = db.open_with_queue(0).await;
    let workspace = workspace(&full).await;

    let refused = full.accept(&workspace, remote(), job(), key("k", "h")).await;
    assert!(matches!(refused, Err(Error::QueueFull { .. })), "{refused:?}");
    full.close().await;
    let store = db.open().await;

    let made = store.accept(&workspace, remote(), job(), key("k", "another")).await.unwrap();
    assert!(!made.is_repeated);
}

async fn a_full_queue_refuses(db: TestDb) {
    let store = db.open_with_queue(2).await;
    let workspace = workspace(&store).await;
    let first = store.accept(&workspace, remote(), job(), key("k", "h")).await.unwrap();
    store.check_queue().await.unwrap();
    store.accept(&workspace, remote(), job(), None).await.unwrap();

    let refused = store.check_queue().await;
    assert!(matches!(refused, Err(Error::QueueFull { .. })), "{refused:?}");
    let refused = store.accept(&workspace, remote(), job(), None).await;
    assert!(matches!(refused, Err(Error::QueueFull { .. })), "{refused:?}");
    let refused = store.accept_job(&workspace, &first.recording.id, job(), None).await;
    assert!(matches!(refused, Err(Error::QueueFull { .. })), "{refused:?}");
    let repeated = store.accept(&workspace, remote(), job(), key("k", "h")).await.unwrap();
    assert!(repeated.is_repeated);
    let deleted = store.delete_recording(&workspace, &first.recording.id).await.unwrap();
    assert!(deleted, "deletion makes room");
    store.accept(&workspace, remote(), job(), None).await.unwrap();

    let all = RecordingFilter::default();
    assert_eq!(store.page_recordings(&workspace, &all, None, 10).await.unwrap().items.len(), 2);
}

async fn a_recording_is_transcribed_again(db: TestDb) {
    let store = db.open().await;
    let workspace = workspace(&store).await;
    let first = accepted(&store, &workspace, "sound").await;
    let id = &first.recording.id;

    let second = store.accept_job(&workspace, id, job(), key("k", "h")).await.unwrap().unwrap();
    let again = store.accept_job(&workspace, id, job(), key("k", "h")).await.unwrap().unwrap();
    let missing = store.accept_job(&workspace, &db.clock.id(), job(), None).await.unwrap();

    assert_eq!((second.recording.id, second.job.stage), (id.clone(), Stage::Transcribe));
    assert_ne!(second.job.id, first.job.id);
    assert_eq!((again.job.id, again.is_repeated), (second.job.id, true));
    assert_eq!(missing, None);
}

async fn an_external_id_names_one_recording(db: TestDb) {
    let store = db.open().await;
    let workspace = workspace(&store).await;
    let other = store.ensure_workspace("other").await.unwrap();
    let named = || NewRecording { external_id: Some("wp-7".to_owned()), ..remote() };

    store.accept(&workspace, named(), job(), None).await.unwrap();
    store.accept(&other, named(), job(), None).await.unwrap();
    let refused = store.accept(&workspace, named(), job(), None).await;

    assert!(matches!(refused, Err(Error::ExternalIdTaken)), "{refused:?}");
}
