//! Endpoints are kept by their owners, and what goes to them is delivered, retried, given up or sent again.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use hansard_domain::event::{DeliveryState, EventKind};
use hansard_domain::id::{WorkerId, WorkspaceId};
use hansard_domain::source::{Callback, CallbackFormat};
use hansard_store::deliveries::{Attempt, Delivery, DeliveryFilter, Recipient, Replay, Tested};
use hansard_store::endpoints::{ENDPOINTS_MAX, Endpoint, EndpointChange, NewEndpoint};
use hansard_store::leases::Held;
use hansard_store::sending::{ClaimedDelivery, Destination, Room, Settled};
use hansard_store::{Error, NewJob, Store};

use crate::db::{LEASE, TestDb, accepted, job, key, remote, sent, transcribed, workspace};

on_both! {
    an_endpoint_is_made_changed_and_deleted,
    a_workspace_has_so_many_endpoints_and_sees_no_others,
    a_secret_is_never_shown_and_the_one_before_it_signs_for_a_day,
    a_request_that_is_repeated_has_the_first_answer,
    a_key_goes_with_what_it_made,
    an_event_goes_to_those_who_subscribe,
    a_callback_is_told_of_the_end,
    a_delivery_is_tried_until_it_arrives,
    a_delivery_that_has_ended_is_sent_again_with_its_id,
    a_delivery_whose_worker_is_gone_goes_to_the_next_one,
    a_receiver_that_is_gone_is_left_alone,
    a_delivery_that_cannot_be_read_is_given_up,
    what_waits_for_a_disabled_endpoint_is_cancelled,
    receivers_take_turns_and_none_has_more_than_its_share,
}

async fn endpoint(store: &Store, workspace: &WorkspaceId, kinds: &[EventKind]) -> Endpoint {
    let new = NewEndpoint {
        url: "https://a.example/hook".to_owned(),
        description: None,
        kinds: kinds.to_vec(),
    };
    store.create_endpoint(workspace, new, None).await.unwrap().endpoint
}

fn room(count: u32, per_receiver: u32) -> Room {
    Room { count, per_receiver, in_flight: HashMap::new(), after: String::new() }
}

async fn claim(store: &Store, room: Room) -> Vec<ClaimedDelivery> {
    let worker: WorkerId = store.clock().id();
    store.claim_deliveries(&worker, room, LEASE).await.unwrap()
}

/// The only delivery that is due.
async fn due(store: &Store) -> ClaimedDelivery {
    let mut claimed = claim(store, room(10, 10)).await;
    assert_eq!(claimed.len(), 1);
    claimed.remove(0)
}

async fn settle(store: &Store, claimed: &ClaimedDelivery, settled: Settled) -> Held<()> {
    let attempt = Attempt {
        started_at: store.clock().now(),
        duration: Duration::from_millis(20),
        status: matches!(settled, Settled::Delivered).then_some(200),
        error: (!matches!(settled, Settled::Delivered)).then(|| "no answer".to_owned()),
    };
    store.settle_delivery(&claimed.lease, attempt, settled).await.unwrap()
}

async fn found(store: &Store, delivery: &Delivery) -> Delivery {
    store.find_delivery(&delivery.workspace, &delivery.id).await.unwrap().unwrap()
}

async fn listed(store: &Store, workspace: &WorkspaceId, filter: DeliveryFilter) -> Vec<Delivery> {
    store.page_deliveries(workspace, &filter, None, 100).await.unwrap().items
}

async fn an_endpoint_is_made_changed_and_deleted(db: TestDb) {
    let store = db.open().await;
    let workspace = workspace(&store).await;
    let made = endpoint(&store, &workspace, &[EventKind::JobSucceeded]).await;
    assert_eq!(store.find_endpoint(&workspace, &made.id).await.unwrap().as_ref(), Some(&made));

    let described =
        EndpointChange { description: Some(Some("shop".to_owned())), ..EndpointChange::default() };
    let described = store.update_endpoint(&workspace, &made.id, described).await.unwrap().unwrap();
    assert_eq!(described, Endpoint { description: Some("shop".to_owned()), ..made.clone() });
    let change = EndpointChange {
        url: Some("https://b.example/".to_owned()),
        description: Some(None),
        kinds: Some(Vec::new()),
        is_disabled: Some(true),
    };
    let changed = store.update_endpoint(&workspace, &made.id, change).await.unwrap().unwrap();
    assert_eq!((changed.url.as_str(), changed.kinds.len()), ("https://b.example/", 0));
    assert_eq!(changed.description, None);
    assert!(!changed.disabled.unwrap().by_receiver);
    let enable = EndpointChange { is_disabled: Some(false), ..EndpointChange::default() };
    let enabled = store.update_endpoint(&workspace, &made.id, enable).await.unwrap().unwrap();
    assert_eq!(enabled.disabled, None);

    store.test_endpoint(&workspace, &made.id, None).await.unwrap().unwrap();
    settle(&store, &due(&store).await, Settled::Failed).await;
    assert!(store.delete_endpoint(&workspace, &made.id).await.unwrap());
    assert!(!store.delete_endpoint(&workspace, &made.id).await.unwrap());
    assert_eq!(store.find_endpoint(&workspace, &made.id).await.unwrap(), None);
    assert_eq!(db.count("SELECT COUNT(*) FROM deliveries").await, 0);
    assert_eq!(db.count("SELECT COUNT(*) FROM delivery_attempts").await, 0);
}

async fn a_workspace_has_so_many_endpoints_and_sees_no_others(db: TestDb) {
    let store = db.open().await;
    let (mine, other) = (workspace(&store).await, store.ensure_workspace("other").await.unwrap());
    for _ in 0..ENDPOINTS_MAX {
        endpoint(&store, &mine, &[]).await;
    }
    let one_more =
        NewEndpoint { url: "https://a.example".to_owned(), description: None, kinds: vec![] };

    let refused = store.create_endpoint(&mine, one_more.clone(), None).await;
    assert!(matches!(refused, Err(Error::TooManyEndpoints)), "{refused:?}");
    let nul = NewEndpoint { description: Some("a\0b".to_owned()), ..one_more };
    let refused = store.create_endpoint(&mine, nul, None).await;
    assert!(matches!(refused, Err(Error::Invalid(_))), "{refused:?}");
    let first = store.page_endpoints(&mine, None, 30).await.unwrap();
    let second = store.page_endpoints(&mine, first.next, 30).await.unwrap();
    assert_eq!((first.items.len(), second.items.len(), second.next), (30, 20, None));
    assert!(store.page_endpoints(&other, None, 30).await.unwrap().items.is_empty());
    let id = &first.items[0].id;
    assert_eq!(store.find_endpoint(&other, id).await.unwrap(), None);
    assert_eq!(store.update_endpoint(&other, id, EndpointChange::default()).await.unwrap(), None);
    assert_eq!(store.rotate_endpoint_secret(&other, id, None).await.unwrap(), None);
    assert_eq!(store.test_endpoint(&other, id, None).await.unwrap(), None);
    assert!(!store.delete_endpoint(&other, id).await.unwrap());
}

async fn a_secret_is_never_shown_and_the_one_before_it_signs_for_a_day(db: TestDb) {
    let store = db.open().await;
    let workspace = workspace(&store).await;
    let new = NewEndpoint { url: "https://a.example".to_owned(), description: None, kinds: vec![] };
    let created = store.create_endpoint(&workspace, new, None).await.unwrap();
    let (made, first) = (created.endpoint, created.secret.unwrap());
    assert!(first.reveal().starts_with("whsec_") && first.reveal().len() == 6 + 44);

    let rotated = store.rotate_endpoint_secret(&workspace, &made.id, None).await.unwrap().unwrap();
    let second = rotated.secret.clone().unwrap();
    let secrets = |claimed: &ClaimedDelivery| match &claimed.destination {
        Destination::Endpoint(target) => target.secrets.clone(),
        Destination::Callback(_) => panic!("it goes to an endpoint"),
    };
    store.test_endpoint(&workspace, &made.id, None).await.unwrap();
    let claimed = due(&store).await;
    assert_eq!(secrets(&claimed), [second.clone(), first.clone()]);
    let shown = format!("{claimed:?} {rotated:?} {second:?}");
    assert!(!shown.contains(&second.reveal()[6..]) && !shown.contains(&first.reveal()[6..]));
    settle(&store, &claimed, Settled::Delivered).await;

    db.clock.advance(Duration::from_secs(24 * 60 * 60));
    store.test_endpoint(&workspace, &made.id, None).await.unwrap();
    assert_eq!(secrets(&due(&store).await), [second]);
}

async fn a_request_that_is_repeated_has_the_first_answer(db: TestDb) {
    let store = db.open().await;
    let workspace = workspace(&store).await;
    let new = || NewEndpoint {
        url: "https://a.example".to_owned(),
        description: None,
        kinds: Vec::new(),
    };
    let create = async |name| store.create_endpoint(&workspace, new(), key(name, "create")).await;
    let made = create("one").await.unwrap();
    let id = &made.endpoint.id;
    db.clock.advance(Duration::from_secs(1));
    let rotate = async |name| {
        let key = key(name, "rotate");
        store.rotate_endpoint_secret(&workspace, id, key).await.unwrap().unwrap()
    };
    let test = async || {
        let key = key("test", "test");
        store.test_endpoint(&workspace, id, key).await.unwrap().unwrap()
    };

    let before = create("one").await.unwrap();
    let rotated = rotate("two").await;
    db.clock.advance(Duration::from_secs(1));
    let (after, again) = (create("one").await.unwrap(), rotate("two").await);
    let (tested, tested_again) = (test().await, test().await);
    let reused = store.create_endpoint(&workspace, new(), key("two", "create")).await;

    assert_eq!((before.is_repeated, &before.secret), (true, &made.secret));
    assert_eq!((after.is_repeated, &after.secret), (true, &None), "it is another one now");
    assert_eq!((again.is_repeated, &again.secret), (true, &rotated.secret));
    assert_ne!(rotated.secret, made.secret);
    assert_eq!(tested_again, Tested { is_repeated: true, ..tested });
    assert!(matches!(reused, Err(Error::KeyReused)), "{reused:?}");
    assert_eq!(db.count("SELECT COUNT(*) FROM endpoints").await, 1);
    assert_eq!(db.count("SELECT COUNT(*) FROM deliveries").await, 1);
}

async fn a_key_goes_with_what_it_made(db: TestDb) {
    let store = db.open().await;
    let workspace = workspace(&store).await;
    let endpoint = endpoint(&store, &workspace, &[]).await;
    let test = async || store.test_endpoint(&workspace, &endpoint.id, key("a", "test")).await;
    let first = test().await.unwrap().unwrap();
    settle(&store, &due(&store).await, Settled::Delivered).await;

    db.clock.advance(Duration::from_secs(60));
    assert_eq!(store.prune(Duration::from_secs(30)).await.unwrap().deliveries, 1);
    let second = test().await.unwrap().unwrap();
    assert!(store.delete_endpoint(&workspace, &endpoint.id).await.unwrap());

    assert!(!second.is_repeated && second.delivery.id != first.delivery.id);
    assert_eq!(db.count("SELECT COUNT(*) FROM idempotency_keys").await, 0);
    assert_eq!(test().await.unwrap(), None);
}

async fn an_event_goes_to_those_who_subscribe(db: TestDb) {
    let store = db.open().await;
    let workspace = workspace(&store).await;
    let everything = endpoint(&store, &workspace, &[]).await;
    let ends = endpoint(&store, &workspace, &[EventKind::JobSucceeded, EventKind::JobFailed]).await;
    endpoint(&store, &store.ensure_workspace("other").await.unwrap(), &[]).await;

    let accepted = accepted(&store, &workspace, "sound").await;
    transcribed(&store, &["hello"]).await;

    let to = |endpoint: &Endpoint| DeliveryFilter {
        endpoint: Some(endpoint.id.clone()),
        ..DeliveryFilter::default()
    };
    let kinds =
        |deliveries: Vec<Delivery>| deliveries.iter().map(|one| one.kind).collect::<Vec<_>>();
    let all = listed(&store, &workspace, to(&everything)).await;
    assert_eq!(kinds(all), [EventKind::JobSucceeded, EventKind::RecordingCreated]);
    assert_eq!(kinds(listed(&store, &workspace, to(&ends)).await), [EventKind::JobSucceeded]);
    let about =
        DeliveryFilter { subject: Some(accepted.job.id.to_string()), ..DeliveryFilter::default() };
    assert_eq!(listed(&store, &workspace, about).await.len(), 2);
    assert!(store.next_delivery().await.unwrap().unwrap() <= db.clock.now());
}

async fn a_callback_is_told_of_the_end(db: TestDb) {
    let store = db.open().await;
    let workspace = workspace(&store).await;
    let callback = Callback {
        url: "https://shop.example/hook?key=1".to_owned(),
        is_configured: false,
        on_failure: false,
        format: CallbackFormat::Event,
    };
    let wanted = NewJob { callback: Some(callback.clone()), ..job() };
    let recording = sent(&store, &workspace, "sound").await;
    store.accept(&workspace, recording, wanted, None).await.unwrap();
    assert_eq!(store.next_delivery().await.unwrap(), None);

    transcribed(&store, &["hello"]).await;

    let claimed = due(&store).await;
    assert_eq!(claimed.delivery.kind, EventKind::JobSucceeded);
    assert_eq!(claimed.delivery.recipient, Recipient::Callback(callback.clone()));
    assert_eq!(claimed.destination, Destination::Callback(callback));
    assert_eq!(claimed.receiver, "https://shop.example");
}

async fn a_delivery_is_tried_until_it_arrives(db: TestDb) {
    let store = db.open().await;
    let workspace = workspace(&store).await;
    let endpoint = endpoint(&store, &workspace, &[]).await;
    store.test_endpoint(&workspace, &endpoint.id, None).await.unwrap();
    let pause = Duration::from_secs(300);

    let first = due(&store).await;
    assert_eq!(found(&store, &first.delivery).await.next_attempt, None);
    let later = db.clock.now().after(pause);
    assert_eq!(settle(&store, &first, Settled::Retry(later)).await, Held::Yes(()));
    let waiting = found(&store, &first.delivery).await;
    assert_eq!((waiting.state, waiting.attempts), (DeliveryState::Pending, 1));
    assert_eq!(
        (waiting.next_attempt, store.next_delivery().await.unwrap()),
        (Some(later), Some(later))
    );
    assert!(claim(&store, room(10, 10)).await.is_empty());
    db.clock.advance(pause);
    let second = due(&store).await;
    assert_eq!(settle(&store, &second, Settled::Delivered).await, Held::Yes(()));

    let delivered = found(&store, &first.delivery).await;
    assert_eq!((delivered.state, delivered.attempts), (DeliveryState::Delivered, 2));
    assert_eq!(delivered.finished_at, Some(db.clock.now()));
    assert_eq!(store.next_delivery().await.unwrap(), None);
    let attempts = store.delivery_attempts(&delivered.id).await.unwrap();
    let seen: Vec<_> = attempts.iter().map(|one| (one.status, one.error.as_deref())).collect();
    assert_eq!(seen, [(None, Some("no answer")), (Some(200), None)]);
    assert_eq!(attempts[0].duration, Duration::from_millis(20));
    // Neither the old proof nor the new one is worth anything now.
    assert_eq!(settle(&store, &first, Settled::Failed).await, Held::Lost);
    assert_eq!(settle(&store, &second, Settled::Failed).await, Held::Lost);
    assert_eq!(db.count("SELECT COUNT(*) FROM deliveries WHERE lease_owner IS NOT NULL").await, 0);
}

async fn a_delivery_that_has_ended_is_sent_again_with_its_id(db: TestDb) {
    let store = db.open().await;
    let workspace = workspace(&store).await;
    let endpoint = endpoint(&store, &workspace, &[]).await;
    let tested = store.test_endpoint(&workspace, &endpoint.id, None).await.unwrap().unwrap();
    let id = tested.delivery.id;
    let pending = store.replay_delivery(&workspace, &id).await.unwrap();
    assert!(matches!(pending, Replay::Pending(_)), "{pending:?}");
    settle(&store, &due(&store).await, Settled::Failed).await;

    let Replay::Done(replayed) = store.replay_delivery(&workspace, &id).await.unwrap() else {
        panic!("it has ended");
    };

    assert_eq!((replayed.state, replayed.attempts), (DeliveryState::Pending, 0));
    let again = due(&store).await;
    assert_eq!(again.delivery.id, id);
    settle(&store, &again, Settled::Delivered).await;
    assert_eq!(store.delivery_attempts(&id).await.unwrap().len(), 2);
    let missing = store.replay_delivery(&workspace, &db.clock.id()).await.unwrap();
    assert_eq!(missing, Replay::Missing);
}

async fn a_delivery_whose_worker_is_gone_goes_to_the_next_one(db: TestDb) {
    let store = db.open().await;
    let workspace = workspace(&store).await;
    let endpoint = endpoint(&store, &workspace, &[]).await;
    store.test_endpoint(&workspace, &endpoint.id, None).await.unwrap();
    let slow = due(&store).await;
    assert!(claim(&store, room(10, 10)).await.is_empty());

    db.clock.advance(LEASE);
    let next = due(&store).await;

    assert_eq!(next.delivery.id, slow.delivery.id);
    assert_eq!(settle(&store, &slow, Settled::Failed).await, Held::Lost);
    assert_eq!(settle(&store, &next, Settled::Delivered).await, Held::Yes(()));
    assert_eq!(store.delivery_attempts(&next.delivery.id).await.unwrap().len(), 1);
}

async fn a_receiver_that_is_gone_is_left_alone(db: TestDb) {
    let store = db.open().await;
    let workspace = workspace(&store).await;
    let endpoint = endpoint(&store, &workspace, &[]).await;
    let waiting = store.test_endpoint(&workspace, &endpoint.id, None).await.unwrap().unwrap();
    store.test_endpoint(&workspace, &endpoint.id, None).await.unwrap();
    let mut claimed = claim(&store, room(1, 1)).await;
    let gone = claimed.remove(0);

    assert_eq!(settle(&store, &gone, Settled::Gone).await, Held::Yes(()));

    let disabled = store.find_endpoint(&workspace, &endpoint.id).await.unwrap().unwrap().disabled;
    assert!(disabled.unwrap().by_receiver);
    assert_eq!(gone.delivery.id, waiting.delivery.id);
    assert_eq!(found(&store, &gone.delivery).await.state, DeliveryState::Failed);
    let cancelled =
        DeliveryFilter { state: Some(DeliveryState::Cancelled), ..DeliveryFilter::default() };
    assert_eq!(listed(&store, &workspace, cancelled).await.len(), 1);
    store.accept(&workspace, remote(), job(), None).await.unwrap();
    assert_eq!(store.next_delivery().await.unwrap(), None);
}

async fn a_delivery_that_cannot_be_read_is_given_up(db: TestDb) {
    let store = db.open().await;
    let workspace = workspace(&store).await;
    let endpoint = endpoint(&store, &workspace, &[]).await;
    store.test_endpoint(&workspace, &endpoint.id, None).await.unwrap();
    db.sql("UPDATE deliveries SET kind = 'chunk.made'").await;
    store.test_endpoint(&workspace, &endpoint.id, None).await.unwrap();

    let readable = due(&store).await;

    assert_eq!(readable.delivery.kind, EventKind::EndpointTest);
    let given_up = "SELECT COUNT(*) FROM deliveries WHERE state = 'failed' AND kind = 'chunk.made'";
    assert_eq!(db.count(given_up).await, 1);
}

async fn what_waits_for_a_disabled_endpoint_is_cancelled(db: TestDb) {
    let store = db.open().await;
    let workspace = workspace(&store).await;
    let endpoint = endpoint(&store, &workspace, &[]).await;
    store.test_endpoint(&workspace, &endpoint.id, None).await.unwrap();
    let under_way = due(&store).await;

    let disable = EndpointChange { is_disabled: Some(true), ..EndpointChange::default() };
    store.update_endpoint(&workspace, &endpoint.id, disable).await.unwrap();

    assert_eq!(found(&store, &under_way.delivery).await.state, DeliveryState::Cancelled);
    assert_eq!(settle(&store, &under_way, Settled::Delivered).await, Held::Lost);
    assert_eq!(store.next_delivery().await.unwrap(), None);
}

async fn receivers_take_turns_and_none_has_more_than_its_share(db: TestDb) {
    let store = db.open().await;
    let workspace = workspace(&store).await;
    let (busy, quiet) =
        (endpoint(&store, &workspace, &[]).await, endpoint(&store, &workspace, &[]).await);
    for _ in 0..5 {
        store.test_endpoint(&workspace, &busy.id, None).await.unwrap();
    }
    store.test_endpoint(&workspace, &quiet.id, None).await.unwrap();

    let first = claim(&store, room(4, 2)).await;
    let receivers: Vec<_> = first.iter().map(|one| one.receiver.as_str()).collect();
    assert_eq!(receivers.len(), 3);
    assert_eq!(receivers.iter().filter(|one| **one == busy.id.to_string()).count(), 2);
    // Who has its share already gets no more, whatever else there is room for.
    let in_flight = HashMap::from([(busy.id.to_string(), 2)]);
    let full = Room { in_flight, ..room(4, 2) };
    assert!(claim(&store, full).await.is_empty());

    // With room for one at a time, nobody is served twice before the others were served once.
    store.test_endpoint(&workspace, &quiet.id, None).await.unwrap();
    let (mut after, mut served) = (busy.id.to_string().min(quiet.id.to_string()), HashSet::new());
    for _ in 0..2 {
        let claimed = claim(&store, Room { after: after.clone(), ..room(1, 4) }).await;
        after.clone_from(&claimed[0].receiver);
        served.insert(after.clone());
    }
    assert_eq!(served.len(), 2);
}
