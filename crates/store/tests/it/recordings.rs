//! Recordings: finding, changing and deleting them.

use std::time::Duration;

use hansard_domain::id::{RecordingId, WorkspaceId};
use hansard_domain::job::Visibility;
use hansard_domain::source::{Callback, CallbackFormat};
use hansard_store::leases::Held;
use hansard_store::recordings::{Edit, Edited, Recording, RecordingFilter};
use hansard_store::{Error, NewJob, NewRecording, Store};

use crate::db::{
    MODEL, TestDb, accepted, begun, claimed, job, key, progress, remote, sent, transcribed, window,
    workspace,
};
use crate::people::{by, log};

on_both! {
    a_list_is_filtered_and_read_in_pages,
    what_is_known_is_changed,
    a_change_to_an_old_version_is_refused,
    a_change_that_no_row_can_hold_is_refused,
    all_that_belongs_to_it_is_deleted,
    a_running_job_ends_with_its_recording,
    what_is_missing_or_anothers_is_not_deleted,
    deletion_beside_workers_leaves_nothing_half,
}

async fn listed(store: &Store, of: &WorkspaceId, filter: RecordingFilter) -> Vec<RecordingId> {
    let page = store.page_recordings(of, &filter, None, 100).await.unwrap();
    page.items.into_iter().map(|recording| recording.id).collect()
}

async fn a_list_is_filtered_and_read_in_pages(db: TestDb) {
    let store = db.open().await;
    let workspace = workspace(&store).await;
    let mut ids = Vec::new();
    for number in 0..3 {
        let new = NewRecording { external_id: Some(format!("wp-{number}")), ..remote() };
        ids.insert(0, store.accept(&workspace, new, job(), None).await.unwrap().recording.id);
        db.clock.advance(Duration::from_secs(1));
    }
    let near = accepted(&store, &workspace, "sound").await.recording;
    ids.insert(0, near.id.clone());
    let all = RecordingFilter::default();

    let first = store.page_recordings(&workspace, &all, None, 3).await.unwrap();
    let rest = store.page_recordings(&workspace, &all, first.next, 3).await.unwrap();
    let both: Vec<_> = first.items.iter().chain(&rest.items).map(|one| one.id.clone()).collect();
    assert_eq!((both, first.items.len(), rest.next), (ids.clone(), 3, None));

    let filter = RecordingFilter { source: Some("s3".to_owned()), ..all.clone() };
    assert_eq!(listed(&store, &workspace, filter).await, ids[1..]);
    let filter = RecordingFilter { external_id: Some("wp-1".to_owned()), ..all.clone() };
    assert_eq!(listed(&store, &workspace, filter).await, ids[2..3]);
    let sha256 = near.media.map(|media| media.sha256);
    let filter = RecordingFilter { sha256, ..all.clone() };
    assert_eq!(listed(&store, &workspace, filter).await, ids[..1]);
    let from = Some(first.items[2].created_at);
    let filter = RecordingFilter {
        created_from: from,
        created_before: Some(near.created_at),
        ..all.clone()
    };
    assert_eq!(listed(&store, &workspace, filter).await, ids[1..3]);
    assert!(listed(&store, &db.clock.id(), all.clone()).await.is_empty());
    let nul = RecordingFilter { external_id: Some("\0".to_owned()), ..all };
    let refused = store.page_recordings(&workspace, &nul, None, 1).await;
    assert!(matches!(refused, Err(Error::Invalid(_))), "{refused:?}");
}

fn changed(edited: Edited) -> Recording {
    match edited {
        Edited::Done(recording) => *recording,
        other => panic!("it is not changed: {other:?}"),
    }
}

async fn what_is_known_is_changed(db: TestDb) {
    let store = db.open().await;
    let workspace = workspace(&store).await;
    let new = NewRecording { title: Some("old".to_owned()), ..remote() };
    let old = store.accept(&workspace, new, job(), None).await.unwrap().recording;
    let edit = Edit {
        external_id: Some(Some("wp-1".to_owned())),
        visibility: Some(Visibility::Link),
        title: Some(None),
        metadata: Some("{\"room\":7}".to_owned()),
    };

    let new = store.update_recording(&workspace, &old.id, edit, None, &by()).await.unwrap();
    let new = changed(new);
    let same =
        store.update_recording(&workspace, &old.id, Edit::default(), None, &by()).await.unwrap();

    assert_eq!((new.external_id.as_deref(), new.title.as_deref()), (Some("wp-1"), None));
    assert_eq!((new.visibility, new.metadata.as_str()), (Visibility::Link, "{\"room\":7}"));
    assert!(new.updated_at > old.updated_at, "even while the clock stands");
    let found = store.find_recording(&workspace, &old.id).await.unwrap();
    assert_eq!(found, Some(changed(same)));
    assert_eq!(db.count("SELECT COUNT(*) FROM events WHERE kind = 'recording.updated'").await, 2);
    let noted = log(&store, Some(&workspace)).await;
    let noted: Vec<_> =
        noted.iter().map(|entry| (entry.kind.name(), entry.data.as_str())).collect();
    let data = r#"{"from":"workspace","to":"link"}"#;
    assert_eq!(noted, [("object.visibility_changed", data)], "once, since it changed once");
    let missing =
        store.update_recording(&workspace, &db.clock.id(), Edit::default(), None, &by()).await;
    assert_eq!(missing.unwrap(), Edited::Missing);
}

async fn a_change_to_an_old_version_is_refused(db: TestDb) {
    let store = db.open().await;
    let workspace = workspace(&store).await;
    let old = store.accept(&workspace, remote(), job(), None).await.unwrap().recording;
    let titled = |title: &str| Edit { title: Some(Some(title.to_owned())), ..Edit::default() };
    let at = Some(old.updated_at);

    let first =
        store.update_recording(&workspace, &old.id, titled("one"), at, &by()).await.unwrap();
    let second =
        store.update_recording(&workspace, &old.id, titled("two"), at, &by()).await.unwrap();

    let first = changed(first);
    assert_eq!(second, Edited::Outdated(Box::new(first.clone())));
    let at = Some(first.updated_at);
    let third =
        store.update_recording(&workspace, &old.id, titled("three"), at, &by()).await.unwrap();
    assert_eq!(changed(third).title.as_deref(), Some("three"));
}

async fn a_change_that_no_row_can_hold_is_refused(db: TestDb) {
    let store = db.open().await;
    let workspace = workspace(&store).await;
    let named = NewRecording { external_id: Some("taken".to_owned()), ..remote() };
    store.accept(&workspace, named, job(), None).await.unwrap();
    let made = store.accept(&workspace, remote(), job(), None).await.unwrap().recording;
    let edits = [
        Edit { title: Some(Some("\0".to_owned())), ..Edit::default() },
        Edit { external_id: Some(Some("\0".to_owned())), ..Edit::default() },
        Edit { metadata: Some("7".to_owned()), ..Edit::default() },
    ];

    for edit in edits {
        let refused = store.update_recording(&workspace, &made.id, edit, None, &by()).await;
        assert!(matches!(refused, Err(Error::Invalid(_))), "{refused:?}");
    }
    let taken = Edit { external_id: Some(Some("taken".to_owned())), ..Edit::default() };
    let refused = store.update_recording(&workspace, &made.id, taken, None, &by()).await;
    assert!(matches!(refused, Err(Error::ExternalIdTaken)), "{refused:?}");

    assert_eq!(store.find_recording(&workspace, &made.id).await.unwrap(), Some(made));
}

async fn all_that_belongs_to_it_is_deleted(db: TestDb) {
    let store = db.open().await;
    let workspace = workspace(&store).await;
    let recording = sent(&store, &workspace, "sound").await;
    let file = store.media().file(&recording.media.as_ref().unwrap().key).unwrap();
    let callback = Callback {
        url: "https://example.org/".to_owned(),
        is_configured: false,
        on_failure: true,
        format: CallbackFormat::Event,
    };
    let new = NewJob { callback: Some(callback), ..job() };
    let made = store.accept(&workspace, recording, new, key("k", "h")).await.unwrap();
    transcribed(&store, &["a", "b"]).await;
    assert_eq!(db.count("SELECT COUNT(*) FROM deliveries").await, 1);

    assert!(store.delete_recording(&workspace, &made.recording.id).await.unwrap());

    for counted in [
        "SELECT COUNT(*) FROM recordings",
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
    assert_eq!(db.count("SELECT COUNT(*) FROM events WHERE kind = 'recording.deleted'").await, 1);
    assert!(file.exists(), "files go with the sweep, not within the transaction");
    assert_eq!(store.sweep_media().await.unwrap(), 1);
    assert!(!file.exists());
    assert_eq!(db.count("SELECT COUNT(*) FROM media_objects").await, 0);
}

async fn a_running_job_ends_with_its_recording(db: TestDb) {
    let store = db.open().await;
    let workspace = workspace(&store).await;
    accepted(&store, &workspace, "sound").await;
    let held = claimed(&store).await;
    let transcript = begun(&store, &held, MODEL).await;

    assert!(store.delete_recording(&workspace, &held.job.recording).await.unwrap());

    let late = store.commit_window(&held.lease, &transcript, 0, window("late"), progress(1.0));
    assert_eq!(late.await.unwrap(), Held::Lost);
}

async fn what_is_missing_or_anothers_is_not_deleted(db: TestDb) {
    let store = db.open().await;
    let workspace = workspace(&store).await;
    let made = accepted(&store, &workspace, "sound").await;

    assert!(!store.delete_recording(&workspace, &db.clock.id()).await.unwrap());
    assert!(
        !store.delete_recording(&db.clock.id::<WorkspaceId>(), &made.recording.id).await.unwrap()
    );

    assert!(store.find_job(&workspace, &made.job.id).await.unwrap().is_some());
    assert_eq!(store.sweep_media().await.unwrap(), 0);
}

async fn deletion_beside_workers_leaves_nothing_half(db: TestDb) {
    let store = db.open().await;
    let workspace = workspace(&store).await;
    // All begin before any deleter does: the job that a deleter accepts would be there to be claimed, and wait for its twin.
    let mut begins = Vec::new();
    for number in 0..4 {
        let made = accepted(&store, &workspace, &format!("sound {number}")).await;
        let held = claimed(&store).await;
        let transcript = begun(&store, &held, MODEL).await;
        begins.push((made, held, transcript));
    }
    let mut work = tokio::task::JoinSet::new();
    for (made, held, transcript) in begins {
        let (worker, deleter) = (store.clone(), store.clone());
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
        let workspace = workspace.clone();
        work.spawn(async move {
            let id = &made.recording.id;
            let again = deleter.accept_job(&workspace, id, job(), None).await.unwrap();
            assert!(again.is_some());
            assert!(deleter.delete_recording(&workspace, id).await.unwrap());
        });
    }

    work.join_all().await;

    assert_eq!(db.count("SELECT COUNT(*) FROM jobs").await, 0);
    assert_eq!(db.count("SELECT COUNT(*) FROM transcript_windows").await, 0);
}
