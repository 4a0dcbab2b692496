//! Recordings that are kept without a job.

use hansard_domain::id::{Id, UserId, WorkspaceId};
use hansard_domain::job::Visibility;
use hansard_store::{Error, Eyes, Kept, NewRecording, Reach, Store};

use crate::db::{TestDb, remote, sent, workspace};

on_both! {
    a_recording_is_kept_once,
    of_equal_ones_at_once_one_is_kept,
    what_a_colleague_keeps_private_is_not_given_away,
    another_workspace_keeps_its_own,
    what_has_no_media_is_not_kept,
}

async fn kept(store: &Store, workspace: &WorkspaceId, content: &str) -> Kept {
    let recording = sent(store, workspace, content).await;
    store.keep_recording(workspace, recording).await.unwrap()
}

async fn a_recording_is_kept_once(db: TestDb) {
    let store = db.open().await;
    let workspace = workspace(&store).await;
    let first = kept(&store, &workspace, "sound").await;
    let other = kept(&store, &workspace, "other sound").await;

    let second = kept(&store, &workspace, "sound").await;

    assert!(!first.is_duplicate && !other.is_duplicate && second.is_duplicate);
    assert_eq!(second.recording, first.recording);
    assert_ne!(other.recording.id, first.recording.id);
    let found = store.find_recording(&workspace, &first.recording.id).await.unwrap();
    assert_eq!(found, Some(first.recording));
    assert_eq!(db.count("SELECT COUNT(*) FROM jobs").await, 0);
    assert_eq!(db.count("SELECT COUNT(*) FROM events WHERE kind = 'recording.created'").await, 2);
    assert_eq!(store.sweep_media().await.unwrap(), 1, "what came twice is given up");
    assert_eq!(db.count("SELECT COUNT(*) FROM media_objects WHERE state = 'kept'").await, 2);
}

async fn of_equal_ones_at_once_one_is_kept(db: TestDb) {
    let nodes = [db.open().await, db.open().await];
    let workspace = workspace(&nodes[0]).await;
    let mut keeping = tokio::task::JoinSet::new();
    for index in 0..6 {
        let (node, workspace) = (nodes[index % 2].clone(), workspace.clone());
        let recording = sent(&node, &workspace, "sound").await;
        keeping.spawn(async move { node.keep_recording(&workspace, recording).await.unwrap() });
    }

    let kept = keeping.join_all().await;

    assert_eq!(kept.iter().filter(|one| !one.is_duplicate).count(), 1, "{kept:?}");
    assert!(kept.iter().all(|one| one.recording == kept[0].recording));
    assert_eq!(db.count("SELECT COUNT(*) FROM recordings").await, 1);
}

async fn what_a_colleague_keeps_private_is_not_given_away(db: TestDb) {
    let store = db.open().await;
    let workspace = workspace(&store).await;
    let user = |number| UserId::from_parts(0, number).to_string();
    let of = |number| Reach { eyes: Eyes::Actor(user(number)), ..Reach::from(&workspace) };
    let private = async |number| NewRecording {
        visibility: Visibility::Private,
        created_by: Some(user(number)),
        ..sent(&store, &workspace, "sound").await
    };

    let adas = store.keep_recording(of(1), private(1).await).await.unwrap();
    let bobs = store.keep_recording(of(2), private(2).await).await.unwrap();
    let again = store.keep_recording(of(2), private(2).await).await.unwrap();

    assert!(!adas.is_duplicate && !bobs.is_duplicate && again.is_duplicate);
    assert_ne!(bobs.recording.id, adas.recording.id);
    assert_eq!(again.recording, bobs.recording);
}

async fn another_workspace_keeps_its_own(db: TestDb) {
    let store = db.open().await;
    let home = workspace(&store).await;
    let elsewhere = store.ensure_workspace("elsewhere").await.unwrap();
    kept(&store, &home, "sound").await;

    let there = kept(&store, &elsewhere, "sound").await;

    assert!(!there.is_duplicate);
    assert_eq!(there.recording.workspace, elsewhere);
}

async fn what_has_no_media_is_not_kept(db: TestDb) {
    let store = db.open().await;
    let workspace = workspace(&store).await;
    let titled =
        NewRecording { title: Some("a\0".to_owned()), ..sent(&store, &workspace, "sound").await };

    for recording in [remote(), titled] {
        let refused = store.keep_recording(&workspace, recording).await;
        assert!(matches!(refused, Err(Error::Invalid(_))), "{refused:?}");
    }
    let swept = sent(&store, &workspace, "sound").await;
    store.abandon_media(&swept.media.as_ref().unwrap().key).await.unwrap();
    let refused = store.keep_recording(&workspace, swept).await;
    assert!(matches!(refused, Err(Error::MediaSwept { .. })), "{refused:?}");
    assert_eq!(db.count("SELECT COUNT(*) FROM recordings").await, 0);
}
