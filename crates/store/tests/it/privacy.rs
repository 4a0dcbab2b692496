//! Who sees what: private recordings, with their jobs and transcripts, within a workspace.

use hansard_domain::id::{Id, RecordingId, UserId, WorkspaceId};
use hansard_domain::job::Visibility;
use hansard_store::jobs::{Change, JobFilter};
use hansard_store::recordings::{Edit, Edited, RecordingFilter};
use hansard_store::{Accepted, Eyes, NewJob, NewRecording, Reach, Store};

use crate::db::{TestDb, job, remote, sent, transcribed, workspace};
use crate::people::by;

on_both! {
    who_made_it_is_kept,
    what_is_private_is_found_by_its_creator_and_by_admins,
    lists_leave_out_what_others_keep_private,
    what_a_filter_names_stays_private,
    nobody_else_changes_or_deletes_what_is_private,
    what_nobody_made_is_private_to_admins,
    what_is_not_private_is_seen_by_the_whole_workspace,
    a_guest_sees_what_is_shared_and_nothing_else,
    eyes_see_into_no_other_workspace,
}

const ADA: u128 = 1;
const BOB: u128 = 2;

fn user(number: u128) -> String {
    UserId::from_parts(0, number).to_string()
}

/// What an editor sees of a workspace.
fn of(number: u128, workspace: &WorkspaceId) -> Reach {
    Reach { workspace: workspace.clone(), eyes: Eyes::Actor(user(number)) }
}

/// What a configured key that is no admin's sees of it.
fn of_nobody(workspace: &WorkspaceId) -> Reach {
    Reach { workspace: workspace.clone(), eyes: Eyes::Nobody }
}

/// A transcribed recording that `creator` handed in.
async fn made(
    store: &Store,
    workspace: &WorkspaceId,
    visibility: Visibility,
    creator: Option<String>,
) -> Accepted {
    // The same content twice would be transcribed once.
    let content: RecordingId = store.clock().id();
    let recording = NewRecording {
        visibility,
        created_by: creator.clone(),
        ..sent(store, workspace, content.as_str()).await
    };
    let wanted = NewJob { created_by: creator, ..job() };
    let accepted = store.accept(workspace, recording, wanted, None).await.unwrap();
    transcribed(store, &["a"]).await;
    let job = store.find_job(workspace, &accepted.job.id).await.unwrap().unwrap();
    Accepted { job, ..accepted }
}

/// Whether the recording, its job and its transcript are found; all of them or none.
async fn is_found(store: &Store, made: &Accepted, reach: &Reach) -> bool {
    let transcript = made.job.transcript.as_ref().unwrap();
    let recording = store.find_recording(reach.clone(), &made.recording.id).await.unwrap();
    let job = store.find_job(reach.clone(), &made.job.id).await.unwrap();
    let head = store.find_transcript(reach.clone(), transcript).await.unwrap();
    assert_eq!((job.is_some(), head.is_some()), (recording.is_some(), recording.is_some()));
    recording.is_some()
}

async fn who_made_it_is_kept(db: TestDb) {
    let store = db.open().await;
    let workspace = workspace(&store).await;
    let made = made(&store, &workspace, Visibility::Workspace, Some(user(ADA))).await;
    let again = NewJob { created_by: Some(user(BOB)), ..job() };
    let again = store.accept_job(&workspace, &made.recording.id, again, None).await.unwrap();
    let plain = store.accept(&workspace, remote(), job(), None).await.unwrap();

    let recording = store.find_recording(&workspace, &made.recording.id).await.unwrap().unwrap();
    assert_eq!(
        (recording.created_by, made.recording.created_by),
        (Some(user(ADA)), Some(user(ADA)))
    );
    let job = store.find_job(&workspace, &again.unwrap().job.id).await.unwrap().unwrap();
    assert_eq!((job.created_by, made.job.created_by), (Some(user(BOB)), Some(user(ADA))));
    assert_eq!((plain.recording.created_by, plain.job.created_by), (None, None));
}

async fn what_is_private_is_found_by_its_creator_and_by_admins(db: TestDb) {
    let store = db.open().await;
    let workspace = workspace(&store).await;
    let made = made(&store, &workspace, Visibility::Private, Some(user(ADA))).await;

    assert!(is_found(&store, &made, &of(ADA, &workspace)).await);
    assert!(is_found(&store, &made, &Reach::from(&workspace)).await);
    assert!(!is_found(&store, &made, &of(BOB, &workspace)).await);
    assert!(!is_found(&store, &made, &of_nobody(&workspace)).await);
}

async fn lists_leave_out_what_others_keep_private(db: TestDb) {
    let store = db.open().await;
    let workspace = workspace(&store).await;
    let mut all: Vec<RecordingId> = Vec::new();
    for number in 0..4 {
        let made =
            made(&store, &workspace, Visibility::Private, Some(user(ADA + number % 2))).await;
        all.insert(0, made.recording.id);
    }
    let (adas, bobs) = (vec![all[1].clone(), all[3].clone()], vec![all[0].clone(), all[2].clone()]);

    for (reach, expected) in [
        (of(ADA, &workspace), adas),
        (of(BOB, &workspace), bobs.clone()),
        (of_nobody(&workspace), Vec::new()),
        (Reach::from(&workspace), all),
    ] {
        let everything = RecordingFilter::default();
        let page = store.page_recordings(reach.clone(), &everything, None, 9).await.unwrap();
        let found: Vec<_> = page.items.into_iter().map(|recording| recording.id).collect();
        assert_eq!(found, expected);
        let page = store.page_jobs(reach.clone(), &JobFilter::default(), None, 9).await.unwrap();
        let found: Vec<_> = page.items.into_iter().map(|job| job.recording).collect();
        assert_eq!(found, expected);
        let page = store.page_transcripts(reach.clone(), None, None, 9).await.unwrap();
        let found: Vec<_> = page.items.into_iter().map(|head| head.recording).collect();
        assert_eq!(found, expected);
    }
    // A page is as long as was asked for, however much of what lies between is others'.
    let (everything, bob) = (RecordingFilter::default(), of(BOB, &workspace));
    let first = store.page_recordings(bob.clone(), &everything, None, 1).await.unwrap();
    assert_eq!((&first.items[0].id, first.next.is_some()), (&bobs[0], true));
    let last = store.page_recordings(bob, &everything, first.next, 1).await.unwrap();
    assert_eq!((&last.items[0].id, last.next), (&bobs[1], None));
}

async fn what_a_filter_names_stays_private(db: TestDb) {
    let store = db.open().await;
    let workspace = workspace(&store).await;
    let made = made(&store, &workspace, Visibility::Private, Some(user(BOB))).await.recording;
    let edit = Edit { external_id: Some(Some("bobs".to_owned())), ..Edit::default() };
    store.update_recording(&workspace, &made.id, edit, None, &by()).await.unwrap();
    let everything = RecordingFilter::default();
    let sha256 = made.media.map(|media| media.sha256);
    let by_content = RecordingFilter { sha256, ..everything.clone() };
    let by_name = RecordingFilter { external_id: Some("bobs".to_owned()), ..everything };
    let of_recording = JobFilter { recording: Some(made.id.clone()), ..JobFilter::default() };

    for (reach, expected) in [(of(ADA, &workspace), 0), (of(BOB, &workspace), 1)] {
        for filter in [&by_content, &by_name] {
            let page = store.page_recordings(reach.clone(), filter, None, 9).await.unwrap();
            assert_eq!(page.items.len(), expected, "{filter:?}");
        }
        let page = store.page_jobs(reach.clone(), &of_recording, None, 9).await.unwrap();
        assert_eq!(page.items.len(), expected);
        let page = store.page_transcripts(reach, Some(&made.id), None, 9).await.unwrap();
        assert_eq!(page.items.len(), expected);
    }
}

async fn nobody_else_changes_or_deletes_what_is_private(db: TestDb) {
    let store = db.open().await;
    let workspace = workspace(&store).await;
    let made = made(&store, &workspace, Visibility::Private, Some(user(ADA))).await;
    let (recording, ended) = (&made.recording.id, &made.job.id);
    let edit = || Edit { title: Some(Some("mine".to_owned())), ..Edit::default() };

    for stranger in [of(BOB, &workspace), of_nobody(&workspace)] {
        let edited = store.update_recording(stranger.clone(), recording, edit(), None, &by()).await;
        assert_eq!(edited.unwrap(), Edited::Missing);
        assert!(!store.delete_recording(stranger.clone(), recording).await.unwrap());
        let more = store.accept_job(stranger.clone(), recording, job(), None).await.unwrap();
        assert_eq!(more, None);
        let cancelled = store.cancel_job(stranger.clone(), ended).await.unwrap();
        assert_eq!(cancelled, Change::Missing);
        assert_eq!(store.retry_job(stranger, ended, None).await.unwrap(), Change::Missing);
    }

    let ada = of(ADA, &workspace);
    let edited = store.update_recording(ada.clone(), recording, edit(), None, &by()).await.unwrap();
    assert!(matches!(edited, Edited::Done(_)), "{edited:?}");
    assert!(store.accept_job(ada.clone(), recording, job(), None).await.unwrap().is_some());
    let retried = store.retry_job(ada.clone(), ended, None).await.unwrap();
    assert!(matches!(retried, Change::Done(_)), "{retried:?}");
    let cancelled = store.cancel_job(ada.clone(), ended).await.unwrap();
    assert!(matches!(cancelled, Change::Done(_)), "{cancelled:?}");
    assert!(store.delete_recording(ada, recording).await.unwrap());
}

async fn what_nobody_made_is_private_to_admins(db: TestDb) {
    let store = db.open().await;
    let workspace = workspace(&store).await;
    let made = made(&store, &workspace, Visibility::Private, None).await;

    assert!(is_found(&store, &made, &Reach::from(&workspace)).await);
    assert!(!is_found(&store, &made, &of(ADA, &workspace)).await);
    assert!(!is_found(&store, &made, &of_nobody(&workspace)).await);
}

async fn what_is_not_private_is_seen_by_the_whole_workspace(db: TestDb) {
    let store = db.open().await;
    let workspace = workspace(&store).await;
    for visibility in [Visibility::Workspace, Visibility::Link, Visibility::Public] {
        let made = made(&store, &workspace, visibility, Some(user(ADA))).await;

        assert!(is_found(&store, &made, &of(BOB, &workspace)).await, "{visibility:?}");
        assert!(is_found(&store, &made, &of_nobody(&workspace)).await, "{visibility:?}");
    }
}

async fn eyes_see_into_no_other_workspace(db: TestDb) {
    let store = db.open().await;
    let home = workspace(&store).await;
    let elsewhere = store.ensure_workspace("elsewhere").await.unwrap();
    let made = made(&store, &home, Visibility::Public, Some(user(ADA))).await;

    for reach in [Reach::from(&elsewhere), of(ADA, &elsewhere), of_nobody(&elsewhere)] {
        assert!(!is_found(&store, &made, &reach).await);
        assert!(!store.delete_recording(reach, &made.recording.id).await.unwrap());
    }
}

async fn a_guest_sees_what_is_shared_and_nothing_else(db: TestDb) {
    let store = db.open().await;
    let workspace = workspace(&store).await;
    let guest = Reach::guest(&workspace);
    let mut shared = Vec::new();
    for (visibility, is_shared) in [
        (Visibility::Private, false),
        (Visibility::Workspace, false),
        (Visibility::Link, true),
        (Visibility::Public, true),
    ] {
        for creator in [None, Some(user(ADA))] {
            let made = made(&store, &workspace, visibility, creator).await;
            assert_eq!(is_found(&store, &made, &guest).await, is_shared, "{visibility:?}");
            if is_shared {
                shared.insert(0, made.recording.id);
            }
        }
    }

    let page = store.page_recordings(guest, &RecordingFilter::default(), None, 9).await.unwrap();
    let found: Vec<_> = page.items.into_iter().map(|recording| recording.id).collect();
    assert_eq!(found, shared);
}
