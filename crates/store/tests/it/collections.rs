//! Collections, and the recordings in them.

use hansard_domain::id::{CollectionId, Id, RecordingId, UserId, WorkspaceId};
use hansard_domain::job::Visibility;
use hansard_store::collections::{
    Collection, CollectionEdit, CollectionFilter, Item, ItemAdded, NewCollection,
};
use hansard_store::{Error, Eyes, NewRecording, Reach, Store};

use crate::db::{TestDb, job, remote, workspace};
use crate::people::{by, log};

on_both! {
    a_collection_is_made_changed_and_deleted,
    a_list_is_filtered_and_read_in_pages,
    recordings_have_places_in_it,
    many_add_at_once_at_different_places,
    what_is_private_is_its_makers_and_the_admins,
    recordings_keep_their_privacy_in_it,
    a_guest_finds_the_public_recordings_of_a_shared_collection,
    a_deleted_recording_leaves_it,
    another_workspaces_recording_cannot_be_in_it,
}

fn user(number: u128) -> String {
    UserId::from_parts(0, number).to_string()
}

/// What an editor sees of a workspace.
fn of(number: u128, workspace: &WorkspaceId) -> Reach {
    Reach { workspace: workspace.clone(), eyes: Eyes::Actor(user(number)) }
}

fn named(name: &str) -> NewCollection {
    NewCollection {
        name: name.to_owned(),
        description: None,
        kind: None,
        visibility: Visibility::Workspace,
        created_by: Some(user(1)),
    }
}

async fn made(store: &Store, workspace: &WorkspaceId, visibility: Visibility) -> Collection {
    let new = NewCollection { visibility, ..named("a book") };
    store.create_collection(workspace, new).await.unwrap()
}

/// A recording of user 1.
async fn recording(store: &Store, workspace: &WorkspaceId, visibility: Visibility) -> RecordingId {
    let new = NewRecording { visibility, created_by: Some(user(1)), ..remote() };
    store.accept(workspace, new, job(), None).await.unwrap().recording.id
}

async fn added(
    store: &Store,
    workspace: &WorkspaceId,
    collection: &CollectionId,
    recording: &RecordingId,
    position: Option<i64>,
) -> Item {
    let by = user(1);
    let added = store.add_to_collection(workspace, collection, recording, position, Some(&by));
    match added.await.unwrap() {
        ItemAdded::Done(item) => item,
        other => panic!("it is not added: {other:?}"),
    }
}

async fn listed(store: &Store, reach: Reach, collection: &CollectionId) -> Vec<RecordingId> {
    let items = store.collection_items(reach, collection, 0, 100).await.unwrap().unwrap();
    items.into_iter().map(|item| item.recording).collect()
}

async fn a_collection_is_made_changed_and_deleted(db: TestDb) {
    let store = db.open().await;
    let workspace = workspace(&store).await;
    let new = NewCollection {
        description: Some("in twelve parts".to_owned()),
        kind: Some("book".to_owned()),
        ..named("Paradise Lost")
    };
    let made = store.create_collection(&workspace, new).await.unwrap();
    assert_eq!((made.items, made.created_by.clone()), (0, Some(user(1))));
    assert_eq!(store.find_collection(&workspace, &made.id).await.unwrap(), Some(made.clone()));
    let by_number = store.find_collection_number(&workspace, made.serial).await.unwrap();
    assert_eq!(by_number, Some(made.clone()));

    let edit = CollectionEdit {
        name: Some("Paradise Regained".to_owned()),
        description: Some(None),
        kind: None,
        visibility: Some(Visibility::Public),
    };
    let changed =
        store.update_collection(&workspace, &made.id, edit, &by()).await.unwrap().unwrap();
    let expected = Collection {
        name: "Paradise Regained".to_owned(),
        description: None,
        visibility: Visibility::Public,
        ..made.clone()
    };
    assert_eq!(changed, expected);
    let noted = log(&store, Some(&workspace)).await.pop().unwrap();
    assert_eq!(noted.kind.name(), "object.visibility_changed");
    assert_eq!(noted.subject.as_deref(), Some(made.id.as_str()));
    assert_eq!(store.find_collection(&workspace, &made.id).await.unwrap(), Some(expected));

    assert!(store.delete_collection(&workspace, &made.id).await.unwrap());
    assert!(!store.delete_collection(&workspace, &made.id).await.unwrap());
    let gone =
        store.update_collection(&workspace, &made.id, CollectionEdit::default(), &by()).await;
    assert_eq!(gone.unwrap(), None);
    let refused = store.create_collection(&workspace, named("a\0b")).await;
    assert!(matches!(refused, Err(Error::Invalid(_))), "{refused:?}");
}

async fn a_list_is_filtered_and_read_in_pages(db: TestDb) {
    let store = db.open().await;
    let workspace = workspace(&store).await;
    let mut ids = Vec::new();
    for (kind, visibility) in [
        (Some("book"), Visibility::Workspace),
        (None, Visibility::Public),
        (Some("book"), Visibility::Public),
    ] {
        let new = NewCollection { kind: kind.map(str::to_owned), visibility, ..named("one") };
        ids.insert(0, store.create_collection(&workspace, new).await.unwrap().id);
    }

    let all = CollectionFilter::default();
    let first = store.page_collections(&workspace, &all, None, 2).await.unwrap();
    let rest = store.page_collections(&workspace, &all, first.next, 2).await.unwrap();
    let found: Vec<_> = first.items.iter().chain(&rest.items).map(|one| one.id.clone()).collect();
    assert_eq!((found, rest.next), (ids.clone(), None));
    let book = || Some("book".to_owned());
    let public = || vec![Visibility::Public];
    let others = vec![Visibility::Private, Visibility::Workspace, Visibility::Link];
    for (filter, expected) in [
        (CollectionFilter { kind: book(), visibilities: Vec::new() }, [0, 2].as_slice()),
        (CollectionFilter { kind: None, visibilities: public() }, &[0, 1]),
        (CollectionFilter { kind: None, visibilities: others }, &[2]),
        (CollectionFilter { kind: book(), visibilities: public() }, &[0]),
    ] {
        let page = store.page_collections(&workspace, &filter, None, 9).await.unwrap();
        let found: Vec<_> = page.items.into_iter().map(|one| one.id).collect();
        let expected: Vec<_> = expected.iter().map(|index| ids[*index].clone()).collect();
        assert_eq!(found, expected, "{filter:?}");
    }
}

async fn recordings_have_places_in_it(db: TestDb) {
    let store = db.open().await;
    let workspace = workspace(&store).await;
    let collection = made(&store, &workspace, Visibility::Workspace).await.id;
    let mut ids = Vec::new();
    for position in [None, Some(7), None] {
        let id = recording(&store, &workspace, Visibility::Workspace).await;
        let item = added(&store, &workspace, &collection, &id, position).await;
        ids.push((id, item.position));
    }
    let places: Vec<_> = ids.iter().map(|(_, position)| *position).collect();
    assert_eq!(places, [1, 7, 8]);
    let again = store.add_to_collection(&workspace, &collection, &ids[0].0, Some(9), None).await;
    assert!(matches!(again, Ok(ItemAdded::Present(Item { position: 1, .. }))), "{again:?}");

    let moved = store.move_in_collection(&workspace, &collection, &ids[0].0, 8).await.unwrap();
    assert_eq!(moved.map(|item| item.position), Some(8));
    let order = [&ids[1].0, &ids[0].0, &ids[2].0].map(Clone::clone);
    assert_eq!(listed(&store, (&workspace).into(), &collection).await, order);
    let second = store.collection_items(&workspace, &collection, 1, 1).await.unwrap().unwrap();
    assert_eq!((second.len(), &second[0].recording), (1, &order[1]));
    let found = store.find_collection(&workspace, &collection).await.unwrap().unwrap();
    assert_eq!(found.items, 3);
    let placed = store.collections_of(&workspace, &order[0]).await.unwrap().unwrap();
    assert_eq!((placed.len(), &placed[0].collection, placed[0].position), (1, &collection, 7));

    assert!(store.remove_from_collection(&workspace, &collection, &order[0]).await.unwrap());
    assert!(!store.remove_from_collection(&workspace, &collection, &order[0]).await.unwrap());
    let gone = store.move_in_collection(&workspace, &collection, &order[0], 1).await.unwrap();
    assert_eq!(gone, None);
    assert_eq!(store.collections_of(&workspace, &order[0]).await.unwrap(), Some(Vec::new()));
    assert!(store.delete_collection(&workspace, &collection).await.unwrap());
    assert_eq!(store.collection_items(&workspace, &collection, 0, 9).await.unwrap(), None);
    assert!(store.find_recording(&workspace, &order[1]).await.unwrap().is_some());
}

async fn many_add_at_once_at_different_places(db: TestDb) {
    let store = db.open().await;
    let workspace = workspace(&store).await;
    let collection = made(&store, &workspace, Visibility::Workspace).await.id;
    let mut adding = tokio::task::JoinSet::new();
    for _ in 0..4 {
        let id = recording(&store, &workspace, Visibility::Workspace).await;
        let (store, workspace, collection) = (store.clone(), workspace.clone(), collection.clone());
        adding
            .spawn(async move { added(&store, &workspace, &collection, &id, None).await.position });
    }

    let mut places = adding.join_all().await;

    places.sort_unstable();
    assert_eq!(places, [1, 2, 3, 4]);
}

async fn what_is_private_is_its_makers_and_the_admins(db: TestDb) {
    let store = db.open().await;
    let workspace = workspace(&store).await;
    let collection = made(&store, &workspace, Visibility::Private).await;
    let item = recording(&store, &workspace, Visibility::Workspace).await;
    added(&store, &workspace, &collection.id, &item, None).await;
    let (id, all) = (&collection.id, CollectionFilter::default());

    for (reach, is_seen) in
        [(of(1, &workspace), true), (Reach::from(&workspace), true), (of(2, &workspace), false)]
    {
        let found = store.find_collection(reach.clone(), id).await.unwrap();
        assert_eq!(found.is_some(), is_seen);
        let serial = collection.serial;
        let found = store.find_collection_number(reach.clone(), serial).await.unwrap();
        assert_eq!(found.is_some(), is_seen);
        let page = store.page_collections(reach.clone(), &all, None, 9).await.unwrap();
        assert_eq!(page.items.len(), usize::from(is_seen));
        let items = store.collection_items(reach.clone(), id, 0, 9).await.unwrap();
        assert_eq!(items.is_some(), is_seen);
        let placed = store.collections_of(reach, &item).await.unwrap().unwrap();
        assert_eq!(placed.len(), usize::from(is_seen));
    }
    let bob = of(2, &workspace);
    let edited = store.update_collection(bob.clone(), id, CollectionEdit::default(), &by()).await;
    assert_eq!(edited.unwrap(), None);
    assert!(!store.delete_collection(bob.clone(), id).await.unwrap());
    let added = store.add_to_collection(bob.clone(), id, &item, None, None).await.unwrap();
    assert_eq!(added, ItemAdded::CollectionMissing);
    assert_eq!(store.move_in_collection(bob.clone(), id, &item, 3).await.unwrap(), None);
    assert!(!store.remove_from_collection(bob, id, &item).await.unwrap());
}

async fn recordings_keep_their_privacy_in_it(db: TestDb) {
    let store = db.open().await;
    let workspace = workspace(&store).await;
    let collection = made(&store, &workspace, Visibility::Workspace).await.id;
    let private = recording(&store, &workspace, Visibility::Private).await;
    let open = recording(&store, &workspace, Visibility::Workspace).await;
    added(&store, &workspace, &collection, &private, None).await;
    added(&store, &workspace, &collection, &open, None).await;
    let (ada, bob) = (of(1, &workspace), of(2, &workspace));

    assert_eq!(listed(&store, ada, &collection).await, [private.clone(), open.clone()]);
    assert_eq!(listed(&store, bob.clone(), &collection).await, [open]);
    let found = store.find_collection(bob.clone(), &collection).await.unwrap().unwrap();
    assert_eq!(found.items, 1);
    assert_eq!(store.collections_of(bob.clone(), &private).await.unwrap(), None);
    let again = store.add_to_collection(bob.clone(), &collection, &private, None, None).await;
    assert_eq!(again.unwrap(), ItemAdded::RecordingMissing);
    let moved = store.move_in_collection(bob.clone(), &collection, &private, 9).await.unwrap();
    assert_eq!(moved, None);
    assert!(!store.remove_from_collection(bob, &collection, &private).await.unwrap());
}

async fn a_guest_finds_the_public_recordings_of_a_shared_collection(db: TestDb) {
    let store = db.open().await;
    let workspace = workspace(&store).await;
    let mut recordings = Vec::new();
    for visibility in Visibility::ALL {
        recordings.push((*visibility, recording(&store, &workspace, *visibility).await));
    }
    let guest = Reach::guest(&workspace);

    for visibility in Visibility::ALL {
        let collection = made(&store, &workspace, *visibility).await.id;
        for (_, id) in &recordings {
            added(&store, &workspace, &collection, id, None).await;
        }
        let found = store.find_collection(guest.clone(), &collection).await.unwrap();
        if ![Visibility::Link, Visibility::Public].contains(visibility) {
            assert_eq!(found, None);
            continue;
        }
        let (_, public) = recordings.iter().find(|(one, _)| *one == Visibility::Public).unwrap();
        let public = std::slice::from_ref(public);
        assert_eq!(found.unwrap().items, 1);
        assert_eq!(listed(&store, guest.clone(), &collection).await, public);
        let jobs = store.list_collected_jobs(guest.clone(), &collection, 0, 9).await.unwrap();
        let jobs: Vec<_> = jobs.unwrap().into_iter().map(|one| one.entry.job.recording).collect();
        assert_eq!(jobs, public);
        assert_eq!(listed(&store, of(1, &workspace), &collection).await.len(), recordings.len());
    }
    for (visibility, id) in &recordings {
        let is_shared = [Visibility::Link, Visibility::Public].contains(visibility);
        let found = store.find_recording(guest.clone(), id).await.unwrap();
        assert_eq!(found.is_some(), is_shared, "by its link: {visibility:?}");
    }
}

async fn a_deleted_recording_leaves_it(db: TestDb) {
    let store = db.open().await;
    let workspace = workspace(&store).await;
    let collection = made(&store, &workspace, Visibility::Workspace).await.id;
    let id = recording(&store, &workspace, Visibility::Workspace).await;
    added(&store, &workspace, &collection, &id, None).await;

    assert!(store.delete_recording(&workspace, &id).await.unwrap());

    assert_eq!(listed(&store, (&workspace).into(), &collection).await, []);
    assert_eq!(db.count("SELECT COUNT(*) FROM collection_items").await, 0);
}

async fn another_workspaces_recording_cannot_be_in_it(db: TestDb) {
    let store = db.open().await;
    let workspace = workspace(&store).await;
    let elsewhere = store.ensure_workspace("elsewhere").await.unwrap();
    let collection = made(&store, &workspace, Visibility::Public).await.id;
    let foreign = recording(&store, &elsewhere, Visibility::Public).await;

    let added = store.add_to_collection(&workspace, &collection, &foreign, None, None).await;
    assert_eq!(added.unwrap(), ItemAdded::RecordingMissing);
    assert_eq!(store.find_collection(&elsewhere, &collection).await.unwrap(), None);
    assert!(!store.delete_collection(&elsewhere, &collection).await.unwrap());
}
