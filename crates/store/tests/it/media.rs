//! Media objects come and go with what they belong to.

use std::time::Duration;

use bytes::Bytes;
use futures_util::{TryStreamExt, stream};
use hansard_store::{Error, HEAD_BYTES, WriteError};

use crate::db::{TestDb, claimed, job, pieces, remote, sent, stored, workspace};

on_both! {
    an_object_is_read_back,
    what_is_too_large_or_breaks_off_does_not_stay,
    what_was_never_accepted_is_swept,
    what_was_accepted_stays,
    media_that_are_acquired_anew_replace_the_old,
    an_object_that_cannot_be_removed_holds_up_no_other,
    what_is_given_up_in_the_middle_is_swept,
}

async fn an_object_is_read_back(db: TestDb) {
    let store = db.open().await;
    let workspace = workspace(&store).await;
    let long = "x".repeat(HEAD_BYTES);

    let written = store.write_media(&workspace, pieces(&["ab", "", &long]), 10_000).await.unwrap();

    assert_eq!((written.size, written.head.len()), (2 + HEAD_BYTES as u64, HEAD_BYTES));
    let range = store.media().read(&written.key, 1..4).await.unwrap();
    let range: Vec<Bytes> = range.try_collect().await.unwrap();
    assert_eq!(range.concat(), b"bxx");
    store.media().check().await.unwrap();
}

async fn what_is_too_large_or_breaks_off_does_not_stay(db: TestDb) {
    let store = db.open().await;
    let workspace = workspace(&store).await;

    let large = store.write_media(&workspace, pieces(&["abc", "d"]), 3).await;
    let broken = stream::iter([Ok(Bytes::from("a")), Err(std::io::Error::other("cut"))]);
    let broken = store.write_media(&workspace, broken, 3).await;

    assert!(matches!(large, Err(WriteError::TooLarge { limit: 3 })), "{large:?}");
    assert!(matches!(broken, Err(WriteError::Source(_))), "{broken:?}");
    assert_eq!(store.sweep_media().await.unwrap(), 2);
    assert_eq!(db.count("SELECT COUNT(*) FROM media_objects").await, 0);
}

async fn what_was_never_accepted_is_swept(db: TestDb) {
    let store = db.open().await;
    let workspace = workspace(&store).await;
    let left = stored(&store, &workspace, "sound").await;
    let given_up = stored(&store, &workspace, "noise").await;
    store.abandon_media(&given_up.key).await.unwrap();

    assert_eq!(store.sweep_media().await.unwrap(), 1);
    assert!(store.media().file(&left.key).unwrap().exists());
    assert!(!store.media().file(&given_up.key).unwrap().exists());
    db.clock.advance(Duration::from_secs(24 * 60 * 60));
    assert_eq!(store.sweep_media().await.unwrap(), 1);
    assert!(!store.media().file(&left.key).unwrap().exists());
}

async fn what_was_accepted_stays(db: TestDb) {
    let store = db.open().await;
    let workspace = workspace(&store).await;
    let recording = sent(&store, &workspace, "sound").await;
    let media = recording.media.clone().unwrap();
    store.accept(&workspace, recording, job(), None).await.unwrap();
    store.abandon_media(&media.key).await.unwrap();

    db.clock.advance(Duration::from_secs(48 * 60 * 60));

    assert_eq!(store.sweep_media().await.unwrap(), 0);
    assert!(store.media().file(&media.key).unwrap().exists());
}

async fn media_that_are_acquired_anew_replace_the_old(db: TestDb) {
    let store = db.open().await;
    let workspace = workspace(&store).await;
    let made = store.accept(&workspace, remote(), job(), None).await.unwrap();
    let held = claimed(&store).await;
    let old = stored(&store, &workspace, "old").await;
    let new = stored(&store, &workspace, "new").await;

    for media in [&old, &new] {
        store.finish_acquire(&held.lease, db.clock.now(), media.clone()).await.unwrap();
    }

    assert_eq!(store.sweep_media().await.unwrap(), 1);
    assert!(!store.media().file(&old.key).unwrap().exists());
    let recording = store.find_recording(&workspace, &made.recording.id).await.unwrap().unwrap();
    assert_eq!(recording.media, Some(new));
}

async fn an_object_that_cannot_be_removed_holds_up_no_other(db: TestDb) {
    let store = db.open().await;
    let workspace = workspace(&store).await;
    let stuck = stored(&store, &workspace, "stuck").await;
    let mut beside = store.media().file(&stuck.key).unwrap().into_os_string();
    beside.push("#1");
    std::fs::create_dir(&beside).unwrap();
    store.abandon_media(&stuck.key).await.unwrap();
    db.clock.advance(Duration::from_secs(1));
    let other = stored(&store, &workspace, "other").await;
    store.abandon_media(&other.key).await.unwrap();

    let failed = store.sweep_media().await;

    assert!(matches!(failed, Err(Error::File { .. })), "{failed:?}");
    assert!(!store.media().file(&other.key).unwrap().exists());
    assert_eq!(store.sweep_media().await.unwrap(), 0, "it rests");
    std::fs::remove_dir(&beside).unwrap();
    db.clock.advance(Duration::from_secs(60 * 60));
    assert_eq!(store.sweep_media().await.unwrap(), 1);
}

async fn what_is_given_up_in_the_middle_is_swept(db: TestDb) {
    let store = db.open().await;
    let workspace = workspace(&store).await;
    let endless = stream::pending::<Result<Bytes, std::io::Error>>();
    let mut writing = Box::pin(store.write_media(&workspace, endless, 3));
    let announced = async {
        while db.count("SELECT COUNT(*) FROM media_objects").await == 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        _ = &mut writing => panic!("it has no end"),
        () = announced => {}
    }

    drop(writing);

    let swept = async {
        while store.sweep_media().await.unwrap() == 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), swept).await.unwrap();
}
