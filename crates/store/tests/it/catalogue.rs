//! Lists by offset and by number.

use hansard_domain::access::Role;
use hansard_domain::id::{Id, RecordingId, UserId, WorkspaceId};
use hansard_domain::job::{JobState, Visibility};
use hansard_domain::source::Source;
use hansard_store::catalogue::{EntryFilter, JobEntry, Listed};
use hansard_store::collections::NewCollection;
use hansard_store::topics::NewAssignment;
use hansard_store::transcripts::WINDOWS_PER_PAGE_MAX;
use hansard_store::users::NewUser;
use hansard_store::{Accepted, Error, Eyes, NewJob, NewRecording, Reach, Store};

use crate::db::{MODEL, TestDb, accepted, job, remote, sent, transcribed, window, workspace};
use crate::people::{by, editor, named};

on_both! {
    jobs_are_listed_with_what_else_there_is_to_tell,
    jobs_are_listed_by_state_and_recording,
    recordings_are_listed_with_their_jobs_counted,
    things_are_found_by_number,
    jobs_of_all_workspaces_are_listed,
    users_are_listed,
    jobs_follow_the_order_of_their_collection,
    topics_and_collections_of_many_are_read_at_once,
    texts_of_many_are_read_at_once,
    nothing_listed_shows_what_is_anothers,
}

fn creator(number: u128) -> Option<String> {
    Some(UserId::from_parts(0, number).to_string())
}

/// What an editor sees of a workspace.
fn of(number: u128, workspace: &WorkspaceId) -> Reach {
    Reach { workspace: workspace.clone(), eyes: Eyes::Actor(creator(number).unwrap()) }
}

async fn made(store: &Store, workspace: &WorkspaceId, by: Option<String>) -> Accepted {
    made_for(store, workspace, by, Visibility::Workspace).await
}

async fn made_for(
    store: &Store,
    workspace: &WorkspaceId,
    by: Option<String>,
    visibility: Visibility,
) -> Accepted {
    let recording = NewRecording { visibility, created_by: by.clone(), ..remote() };
    let new = NewJob { created_by: by, ..job() };
    store.accept(workspace, recording, new, None).await.unwrap()
}

async fn listed(store: &Store, workspace: &WorkspaceId, filter: EntryFilter) -> Vec<i64> {
    let list = store.list_jobs(workspace, &filter, 0, 9).await.unwrap();
    assert_eq!(list.total, list.items.len() as u64);
    list.items.into_iter().map(|entry| entry.job.serial).collect()
}

async fn jobs_are_listed_with_what_else_there_is_to_tell(db: TestDb) {
    let store = db.open().await;
    let workspace = workspace(&store).await;
    let new = NewUser { external_id: Some("mx-7".to_owned()), ..named("ana", Role::Editor) };
    let ana = store.create_user(new, &workspace, &by()).await.unwrap();
    let recording = NewRecording {
        title: Some("Sunday".to_owned()),
        source: Source::Upload { file_name: Some("a.webm".to_owned()) },
        ..sent(&store, &workspace, "sound").await
    };
    let new = NewJob { created_by: Some(ana.id.to_string()), ..job() };
    let done = store.accept(&workspace, recording, new, None).await.unwrap();
    transcribed(&store, &["a"]).await;
    let by_other = made(&store, &workspace, creator(2)).await;
    let by_nobody = made(&store, &workspace, None).await;
    let job = store.find_job(&workspace, &done.job.id).await.unwrap().unwrap();

    let list = store.list_jobs(&workspace, &EntryFilter::default(), 0, 9).await.unwrap();

    let expected = JobEntry {
        job,
        recording: done.recording.serial,
        title: Some("Sunday".to_owned()),
        source: done.recording.source,
        duration: Some(60.0),
        model: Some(MODEL.to_owned()),
        language: Some("en".to_owned()),
        confidence: Some((-0.25_f64).exp()),
        owner: "mx-7".to_owned(),
    };
    assert_eq!((list.total, &list.items[2]), (3, &expected));
    assert_eq!((&list.items[0].job, &list.items[1].job), (&by_nobody.job, &by_other.job));
    let owners: Vec<_> = list.items[..2].iter().map(|entry| entry.owner.clone()).collect();
    assert_eq!(owners, ["default".to_owned(), creator(2).unwrap()]);
    assert_eq!((&list.items[0].model, list.items[0].duration), (&None, None));
    let part = store.list_jobs(&workspace, &EntryFilter::default(), 1, 1).await.unwrap();
    assert_eq!(part, Listed { items: list.items[1..2].to_vec(), total: 3 });
    let beyond = store.list_jobs(&workspace, &EntryFilter::default(), 3, 9).await.unwrap();
    assert_eq!(beyond, Listed { items: Vec::new(), total: 3 });
}

async fn jobs_are_listed_by_state_and_recording(db: TestDb) {
    let store = db.open().await;
    let workspace = workspace(&store).await;
    let waiting = made(&store, &workspace, None).await;
    let cancelled = made(&store, &workspace, None).await;
    store.cancel_job(&workspace, &cancelled.job.id).await.unwrap();
    let again = store.accept_job(&workspace, &waiting.recording.id, job(), None).await;
    let again = again.unwrap().unwrap().job.serial;
    let (waiting, cancelled) = ((waiting.job.serial, waiting.recording.serial), cancelled.job);
    let states = |states: &[JobState]| EntryFilter { recording: None, states: states.to_vec() };

    let queued = listed(&store, &workspace, states(&[JobState::Queued])).await;
    assert_eq!(queued, [again, waiting.0]);
    let ended = listed(&store, &workspace, states(&[JobState::Failed, JobState::Cancelled])).await;
    assert_eq!(ended, [cancelled.serial]);
    assert!(listed(&store, &workspace, states(&[JobState::Running])).await.is_empty());
    let recording = Some(waiting.1);
    let of_one = EntryFilter { recording, states: Vec::new() };
    assert_eq!(listed(&store, &workspace, of_one).await, [again, waiting.0]);
    let none = EntryFilter { recording, states: vec![JobState::Cancelled] };
    assert!(listed(&store, &workspace, none).await.is_empty());
    let unknown = EntryFilter { recording: Some(-1), states: Vec::new() };
    assert!(listed(&store, &workspace, unknown).await.is_empty());
}

async fn recordings_are_listed_with_their_jobs_counted(db: TestDb) {
    let store = db.open().await;
    let workspace = workspace(&store).await;
    let remote = made(&store, &workspace, creator(1)).await.recording;
    store.accept_job(&workspace, &remote.id, job(), None).await.unwrap();
    let near = sent(&store, &workspace, "sound").await;
    let near = store.keep_recording(&workspace, near).await.unwrap().recording;

    let list = store.list_recordings(&workspace, None, 0, 9).await.unwrap();

    assert_eq!(list.total, 2);
    let counts: Vec<_> =
        list.items.iter().map(|entry| (&entry.recording, entry.jobs, &*entry.owner)).collect();
    let maker = creator(1).unwrap();
    assert_eq!(counts, [(&near, 0, "default"), (&remote, 2, maker.as_str())]);
    let uploads = store.list_recordings(&workspace, Some("upload"), 0, 9).await.unwrap();
    assert_eq!((uploads.total, &uploads.items[0].recording), (1, &near));
    let second = store.list_recordings(&workspace, None, 1, 1).await.unwrap();
    assert_eq!((second.total, &second.items[..]), (2, &list.items[1..]));
    let refused = store.list_recordings(&workspace, Some("\0"), 0, 1).await;
    assert!(matches!(refused, Err(Error::Invalid(_))), "{refused:?}");
}

async fn things_are_found_by_number(db: TestDb) {
    let store = db.open().await;
    let workspace = workspace(&store).await;
    let made = made(&store, &workspace, None).await;

    let job = store.find_job_number(&workspace, made.job.serial).await.unwrap().unwrap();
    let recording = store.find_recording_number(&workspace, made.recording.serial).await;

    assert_eq!((job.job, job.recording), (made.job, made.recording.serial));
    let recording = recording.unwrap().unwrap();
    assert_eq!((recording.recording, recording.jobs), (made.recording, 1));
    assert_eq!(store.find_job_number(&workspace, -1).await.unwrap(), None);
    assert_eq!(store.find_recording_number(&workspace, 99).await.unwrap(), None);
}

async fn jobs_of_all_workspaces_are_listed(db: TestDb) {
    let store = db.open().await;
    let home = workspace(&store).await;
    let elsewhere = store.ensure_workspace("elsewhere").await.unwrap();
    let mut serials = Vec::new();
    for workspace in [&home, &elsewhere, &home] {
        serials.insert(0, made(&store, workspace, None).await.job.serial);
    }

    let all = store.list_all_jobs(0, 9).await.unwrap();

    let found: Vec<_> = all.iter().map(|entry| (entry.job.serial, entry.owner.as_str())).collect();
    let expected = [(serials[0], "default"), (serials[1], "elsewhere"), (serials[2], "default")];
    assert_eq!(found, expected);
    assert_eq!(store.list_all_jobs(1, 1).await.unwrap(), all[1..2]);
}

async fn users_are_listed(db: TestDb) {
    let store = db.open().await;
    let home = workspace(&store).await;
    let ana = editor(&store, "ana").await;
    let new = NewUser { external_id: Some("mx-7".to_owned()), ..named("bo", Role::Editor) };
    let bo = store.create_user(new, &home, &by()).await.unwrap();
    let ids = [ana.id.as_str(), bo.id.as_str(), "tok_x"];

    let names = store.external_names(&ids).await.unwrap();

    assert_eq!(names.into_iter().collect::<Vec<_>>(), [(bo.id.to_string(), "mx-7".to_owned())]);
    assert!(store.external_names(&[]).await.unwrap().is_empty());
    assert!(matches!(store.external_names(&["\0"]).await, Err(Error::Invalid(_))));
    let second = store.list_users(1, 9).await.unwrap();
    assert_eq!(second, Listed { items: vec![ana], total: 2 });
    assert_eq!(store.list_users(0, 1).await.unwrap().items, [bo]);
}

/// A collection of `recordings`, in this order.
async fn collected(
    store: &Store,
    workspace: &WorkspaceId,
    visibility: Visibility,
    recordings: &[&RecordingId],
) -> hansard_domain::id::CollectionId {
    let new = NewCollection {
        name: "a book".to_owned(),
        description: None,
        kind: None,
        visibility,
        created_by: creator(1),
    };
    let collection = store.create_collection(workspace, new).await.unwrap().id;
    for recording in recordings {
        let added = store.add_to_collection(workspace, &collection, recording, None, None);
        added.await.unwrap();
    }
    collection
}

async fn jobs_follow_the_order_of_their_collection(db: TestDb) {
    let store = db.open().await;
    let workspace = workspace(&store).await;
    let (one, two) = (made(&store, &workspace, None).await, made(&store, &workspace, None).await);
    let again = store.accept_job(&workspace, &two.recording.id, job(), None).await.unwrap();
    let private = made_for(&store, &workspace, creator(1), Visibility::Private).await;
    let kept = sent(&store, &workspace, "sound").await;
    let kept = store.keep_recording(&workspace, kept).await.unwrap().recording;
    let ids = [&two.recording.id, &kept.id, &one.recording.id, &private.recording.id];
    let collection = collected(&store, &workspace, Visibility::Workspace, &ids).await;

    let list = store.list_collected_jobs(of(2, &workspace), &collection, 0, 9).await.unwrap();

    let list = list.unwrap();
    let found: Vec<_> = list.iter().map(|one| (&one.entry.job, one.position)).collect();
    assert_eq!(found, [(&two.job, 1), (&again.unwrap().job, 1), (&one.job, 3)]);
    assert_eq!(list[0].added_at, db.clock.now());
    let part = store.list_collected_jobs(&workspace, &collection, 2, 1).await.unwrap();
    assert_eq!(part.unwrap(), list[2..]);
    let missing = store.list_collected_jobs(&workspace, &db.clock.id(), 0, 9).await.unwrap();
    assert_eq!(missing, None);
}

async fn topics_and_collections_of_many_are_read_at_once(db: TestDb) {
    let store = db.open().await;
    let workspace = workspace(&store).await;
    let open = made(&store, &workspace, creator(1)).await.recording.id;
    let private = made_for(&store, &workspace, creator(1), Visibility::Private).await.recording.id;
    let bare = made(&store, &workspace, creator(1)).await.recording.id;
    let sermons = store.find_topic_number(7).await.unwrap().unwrap().id;
    for recording in [&open, &private] {
        let new = NewAssignment {
            topic: sermons.clone(),
            confidence: None,
            reasoning: None,
            assigned_by: None,
            is_reviewed: true,
        };
        store.assign_topics(&workspace, recording, vec![new]).await.unwrap();
    }
    let shown = collected(&store, &workspace, Visibility::Workspace, &[&open, &private]).await;
    collected(&store, &workspace, Visibility::Private, &[&open]).await;
    let all = [open.clone(), private.clone(), bare];

    let topics = store.topics_of_all(&workspace, &all).await.unwrap();
    let placements = store.collections_of_all(&workspace, &all).await.unwrap();
    assert_eq!((topics.len(), placements.len()), (2, 2));
    assert_eq!(Some(&topics[&open]), store.topics_of(&workspace, &open).await.unwrap().as_ref());
    let of_open = store.collections_of(&workspace, &open).await.unwrap().unwrap();
    assert_eq!((of_open.len(), &placements[&open]), (2, &of_open));

    let bob = of(2, &workspace);
    let topics = store.topics_of_all(bob.clone(), &all).await.unwrap();
    assert!(topics.len() == 1 && topics.contains_key(&open), "{topics:?}");
    let placements = store.collections_of_all(bob, &all).await.unwrap();
    let found: Vec<_> = placements[&open].iter().map(|one| &one.collection).collect();
    assert_eq!((placements.len(), found), (1, vec![&shown]));
    let elsewhere = store.ensure_workspace("elsewhere").await.unwrap();
    assert!(store.topics_of_all(&elsewhere, &all).await.unwrap().is_empty());
    assert!(store.collections_of_all(&elsewhere, &all).await.unwrap().is_empty());
}

async fn texts_of_many_are_read_at_once(db: TestDb) {
    let store = db.open().await;
    let workspace = workspace(&store).await;
    let mut ids = Vec::new();
    for (content, texts) in [("one", ["a", "b"].as_slice()), ("two", &["c"]), ("three", &["d"])] {
        let made = accepted(&store, &workspace, content).await;
        transcribed(&store, texts).await;
        let job = store.find_job(&workspace, &made.job.id).await.unwrap().unwrap();
        ids.push(job.transcript.unwrap());
    }
    ids.pop();
    ids.sort();
    let found = store.windows_of_all(&ids, None).await.unwrap();
    assert!(found.is_sorted_by_key(|one| (one.transcript.clone(), one.ordinal)), "{found:?}");
    for id in &ids {
        let windows = found.iter().filter(|one| one.transcript == *id);
        let windows: Vec<_> = windows.map(|one| one.window.clone()).collect();
        assert_eq!(store.windows(id, 0, WINDOWS_PER_PAGE_MAX).await.unwrap(), windows);
    }
    let rest = store.windows_of_all(&ids, Some(&found[0])).await.unwrap();
    assert_eq!(rest, found[1..]);
    assert_eq!(store.windows_of_all(&ids, found.last()).await.unwrap(), []);
    assert!(!found.iter().any(|one| one.window == window("d")));
}

async fn nothing_listed_shows_what_is_anothers(db: TestDb) {
    let store = db.open().await;
    let workspace = workspace(&store).await;
    let elsewhere = store.ensure_workspace("elsewhere").await.unwrap();
    let private = made_for(&store, &workspace, creator(1), Visibility::Private).await;
    let (job, recording) = (private.job.serial, private.recording.serial);
    let filters = [
        EntryFilter::default(),
        EntryFilter { recording: Some(recording), states: vec![JobState::Queued] },
    ];

    for (reach, is_seen) in [
        (of(1, &workspace), true),
        (Reach::from(&workspace), true),
        (of(2, &workspace), false),
        (Reach::guest(&workspace), false),
        (of(1, &elsewhere), false),
        (Reach::from(&elsewhere), false),
    ] {
        let expected = usize::from(is_seen);
        for filter in &filters {
            let list = store.list_jobs(reach.clone(), filter, 0, 9).await.unwrap();
            assert_eq!((list.items.len(), list.total), (expected, expected as u64), "{reach:?}");
        }
        let list = store.list_recordings(reach.clone(), None, 0, 9).await.unwrap();
        assert_eq!((list.items.len(), list.total), (expected, expected as u64), "{reach:?}");
        let found = store.find_job_number(reach.clone(), job).await.unwrap();
        assert_eq!(found.is_some(), is_seen, "{reach:?}");
        let found = store.find_recording_number(reach.clone(), recording).await.unwrap();
        assert_eq!(found.is_some(), is_seen, "{reach:?}");
    }
}
