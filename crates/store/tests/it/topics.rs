//! Topics: the tree, and the topics of recordings.

use hansard_domain::id::{Id, RecordingId, TopicId, UserId};
use hansard_domain::job::Visibility;
use hansard_store::topics::{
    NewAssignment, NewTopic, Topic, TopicDeleted, TopicEdit, TopicWritten, TopicsAssigned,
};
use hansard_store::{Error, Eyes, NewRecording, Reach, Store};

use crate::db::{TestDb, job, remote, workspace};

on_both! {
    the_tree_begins_with_its_seeds,
    a_topic_is_made_changed_moved_and_deleted,
    a_name_is_used_once,
    a_topic_never_is_below_itself,
    two_moves_at_once_make_no_circle,
    a_topic_with_others_below_it_stays,
    recordings_have_topics,
    topics_of_what_is_private_are_private,
    what_is_deleted_takes_its_assignments_with_it,
}

fn named(name: &str, parent: Option<&TopicId>) -> NewTopic {
    NewTopic { name: name.to_owned(), description: None, parent: parent.cloned() }
}

fn done(written: TopicWritten) -> Topic {
    match written {
        TopicWritten::Done(topic) => *topic,
        other => panic!("it is not written: {other:?}"),
    }
}

async fn made(store: &Store, name: &str, parent: Option<&TopicId>) -> Topic {
    done(store.create_topic(named(name, parent)).await.unwrap())
}

fn below(parent: &TopicId) -> TopicEdit {
    TopicEdit { parent: Some(Some(parent.clone())), ..TopicEdit::default() }
}

fn by_hand(topic: &TopicId) -> NewAssignment {
    NewAssignment {
        topic: topic.clone(),
        confidence: None,
        reasoning: None,
        assigned_by: Some(UserId::from_parts(0, 1).to_string()),
        is_reviewed: true,
    }
}

async fn the_tree_begins_with_its_seeds(db: TestDb) {
    let store = db.open().await;

    let topics = store.topics().await.unwrap();

    assert_eq!(topics.len(), 21);
    let names: Vec<_> = topics.iter().map(|topic| topic.name.to_lowercase()).collect();
    assert!(names.is_sorted(), "{names:?}");
    let sermons = store.find_topic_number(7).await.unwrap().unwrap();
    assert_eq!((sermons.name.as_str(), sermons.parent_serial), ("Sermons", Some(2)));
    let religious = store.find_topic(&sermons.parent.clone().unwrap()).await.unwrap().unwrap();
    assert_eq!((religious.name.as_str(), religious.parent), ("Religious", None));
    assert_eq!(made(&store, "Radio", None).await.serial, 22);
    assert_eq!(store.find_topic_number(99).await.unwrap(), None);
    let some = store.find_topic_numbers(&[22, 99, 7, 7, -1]).await.unwrap();
    assert_eq!(some.iter().map(|topic| topic.serial).collect::<Vec<_>>(), [7, 22]);
    assert_eq!((&some[0], store.find_topic_numbers(&[]).await.unwrap()), (&sermons, Vec::new()));
    assert_eq!(store.find_topic(&db.clock.id()).await.unwrap(), None);
}

async fn a_topic_is_made_changed_moved_and_deleted(db: TestDb) {
    let store = db.open().await;
    let parent = made(&store, "Radio", None).await;
    let topic = made(&store, "Plays", Some(&parent.id)).await;
    assert_eq!((&topic.parent, topic.parent_serial), (&Some(parent.id), Some(parent.serial)));

    let edit = TopicEdit {
        name: Some("Radio plays".to_owned()),
        description: Some(Some("for the ear".to_owned())),
        parent: Some(None),
    };
    let changed = done(store.update_topic(&topic.id, edit).await.unwrap());
    assert_eq!((changed.name.as_str(), &changed.parent), ("Radio plays", &None));
    assert_eq!(changed.description.as_deref(), Some("for the ear"));
    let same = done(store.update_topic(&topic.id, TopicEdit::default()).await.unwrap());
    assert_eq!(same, changed);
    let edit = TopicEdit { description: Some(None), ..TopicEdit::default() };
    assert_eq!(done(store.update_topic(&topic.id, edit).await.unwrap()).description, None);

    assert_eq!(store.delete_topic(&topic.id).await.unwrap(), TopicDeleted::Done);
    assert_eq!(store.delete_topic(&topic.id).await.unwrap(), TopicDeleted::Missing);
    let gone = store.update_topic(&topic.id, TopicEdit::default()).await.unwrap();
    assert_eq!(gone, TopicWritten::Missing);
    let orphan = store.create_topic(named("Orphan", Some(&topic.id))).await.unwrap();
    assert_eq!(orphan, TopicWritten::ParentMissing);
}

async fn a_name_is_used_once(db: TestDb) {
    let store = db.open().await;
    let topic = made(&store, "Ética", None).await;

    let taken = store.create_topic(named("éTICA", None)).await;
    assert!(matches!(taken, Err(Error::TopicNameTaken)), "{taken:?}");
    let edit = |name: &str| TopicEdit { name: Some(name.to_owned()), ..TopicEdit::default() };
    let taken = store.update_topic(&topic.id, edit("sermons")).await;
    assert!(matches!(taken, Err(Error::TopicNameTaken)), "{taken:?}");
    let kept = done(store.update_topic(&topic.id, edit("ÉTICA")).await.unwrap());
    assert_eq!(kept.name, "ÉTICA");
    let refused = store.create_topic(named("a\0b", None)).await;
    assert!(matches!(refused, Err(Error::Invalid(_))), "{refused:?}");
}

async fn a_topic_never_is_below_itself(db: TestDb) {
    let store = db.open().await;
    let top = made(&store, "A", None).await.id;
    let middle = made(&store, "B", Some(&top)).await.id;
    let bottom = made(&store, "C", Some(&middle)).await.id;

    let refused = store.update_topic(&top, below(&top)).await.unwrap();
    assert_eq!(refused, TopicWritten::OwnParent);
    for parent in [&middle, &bottom] {
        let refused = store.update_topic(&top, below(parent)).await.unwrap();
        assert_eq!(refused, TopicWritten::Cycle);
    }
    let missing = store.update_topic(&top, below(&db.clock.id())).await.unwrap();
    assert_eq!(missing, TopicWritten::ParentMissing);
    let moved = done(store.update_topic(&bottom, below(&top)).await.unwrap());
    assert_eq!(moved.parent, Some(top));
}

async fn two_moves_at_once_make_no_circle(db: TestDb) {
    let store = db.open().await;
    let one = made(&store, "A", None).await.id;
    let two = made(&store, "B", None).await.id;

    let (first, second) =
        tokio::join!(store.update_topic(&one, below(&two)), store.update_topic(&two, below(&one)));

    let results = [first.unwrap(), second.unwrap()];
    let refused = results.iter().filter(|one| **one == TopicWritten::Cycle).count();
    assert_eq!(refused, 1, "{results:?}");
}

async fn a_topic_with_others_below_it_stays(db: TestDb) {
    let store = db.open().await;
    let religious = store.find_topic_number(2).await.unwrap().unwrap();

    assert_eq!(store.delete_topic(&religious.id).await.unwrap(), TopicDeleted::HasChildren(5));
    assert_eq!(store.topics().await.unwrap().len(), 21);
}

/// A recording that user 1 keeps private.
async fn private(store: &Store) -> RecordingId {
    let new = NewRecording {
        visibility: Visibility::Private,
        created_by: Some(UserId::from_parts(0, 1).to_string()),
        ..remote()
    };
    store.accept(&workspace(store).await, new, job(), None).await.unwrap().recording.id
}

async fn recordings_have_topics(db: TestDb) {
    let store = db.open().await;
    let (workspace, recording) = (workspace(&store).await, private(&store).await);
    let (sermons, prayer) = (
        store.find_topic_number(7).await.unwrap().unwrap().id,
        store.find_topic_number(8).await.unwrap().unwrap().id,
    );
    let guessed = NewAssignment {
        confidence: Some(0.75),
        reasoning: Some("it is said so".to_owned()),
        assigned_by: None,
        is_reviewed: false,
        ..by_hand(&sermons)
    };

    let first = store.assign_topics(&workspace, &recording, vec![guessed]).await.unwrap();
    let TopicsAssigned::Done(first) = first else { panic!("it is not assigned: {first:?}") };
    assert_eq!(
        (first[0].serial, first[0].confidence, first[0].is_reviewed),
        (7, Some(0.75), false)
    );
    let both = vec![by_hand(&sermons), by_hand(&prayer)];
    let both = store.assign_topics(&workspace, &recording, both).await.unwrap();
    let TopicsAssigned::Done(both) = both else { panic!("they are not assigned: {both:?}") };
    assert_eq!((both.len(), &both[1]), (2, &first[0]));
    assert_eq!((both[0].name.as_str(), both[0].confidence), ("Prayer", None));
    let unknown: TopicId = db.clock.id();
    let none = vec![by_hand(&sermons), by_hand(&unknown)];
    let none = store.assign_topics(&workspace, &recording, none).await.unwrap();
    assert_eq!(none, TopicsAssigned::TopicsMissing(vec![unknown.clone()]));

    let agreed = store.review_topic(&workspace, &recording, &sermons, true).await.unwrap();
    assert!(agreed.is_some_and(|topic| topic.is_reviewed && topic.confidence == Some(0.75)));
    assert_eq!(store.review_topic(&workspace, &recording, &unknown, true).await.unwrap(), None);
    assert!(store.remove_topic(&workspace, &recording, &sermons).await.unwrap());
    assert!(!store.remove_topic(&workspace, &recording, &sermons).await.unwrap());
    let left = store.topics_of(&workspace, &recording).await.unwrap().unwrap();
    assert_eq!(left, both[..1]);
}

async fn topics_of_what_is_private_are_private(db: TestDb) {
    let store = db.open().await;
    let (workspace, recording) = (workspace(&store).await, private(&store).await);
    let topic = store.find_topic_number(1).await.unwrap().unwrap().id;
    store.assign_topics(&workspace, &recording, vec![by_hand(&topic)]).await.unwrap();
    let stranger = || Reach { eyes: Eyes::Nobody, ..Reach::from(&workspace) };

    assert_eq!(store.topics_of(stranger(), &recording).await.unwrap(), None);
    let assigned = store.assign_topics(stranger(), &recording, vec![by_hand(&topic)]).await;
    assert_eq!(assigned.unwrap(), TopicsAssigned::Missing);
    let reviewed = store.review_topic(stranger(), &recording, &topic, false).await.unwrap();
    assert_eq!(reviewed, None);
    assert!(!store.remove_topic(stranger(), &recording, &topic).await.unwrap());
    let kept = store.topics_of(&workspace, &recording).await.unwrap().unwrap();
    assert!(kept.len() == 1 && kept[0].is_reviewed);
}

async fn what_is_deleted_takes_its_assignments_with_it(db: TestDb) {
    let store = db.open().await;
    let (workspace, recording) = (workspace(&store).await, private(&store).await);
    let (radio, other) = (made(&store, "Radio", None).await.id, made(&store, "TV", None).await.id);
    let both = vec![by_hand(&radio), by_hand(&other)];
    store.assign_topics(&workspace, &recording, both).await.unwrap();

    assert_eq!(store.delete_topic(&radio).await.unwrap(), TopicDeleted::Done);
    let left = store.topics_of(&workspace, &recording).await.unwrap().unwrap();
    assert_eq!((left.len(), &left[0].topic), (1, &other));
    assert!(store.delete_recording(&workspace, &recording).await.unwrap());

    assert_eq!(db.count("SELECT COUNT(*) FROM recording_topics").await, 0);
    assert_eq!(store.topics_of(&workspace, &recording).await.unwrap(), None);
}
