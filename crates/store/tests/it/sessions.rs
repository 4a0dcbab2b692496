//! Sessions, and logins on their way.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use hansard_domain::access::Role;
use hansard_domain::id::UserId;
use hansard_store::audit::{ActorRef, By};
use hansard_store::sessions::{NewSession, SESSIONS_MAX, Session};
use hansard_store::tokens::secret_hash;
use hansard_store::users::{UserEdit, UserName};
use hansard_store::{Error, LoginState, Store, TOUCH_EVERY};

use crate::db::{TestDb, workspace};
use crate::people::{PHC, by, editor, log, user};

const HOUR: Duration = Duration::from_secs(60 * 60);

on_both! {
    a_session_is_found_by_its_hash_and_ends,
    a_session_that_is_used_lives_on_up_to_its_end,
    a_login_replaces_the_session_before,
    a_disabled_user_has_no_sessions,
    a_new_password_ends_all_sessions,
    sessions_are_listed_and_ended_one_by_one_and_all,
    the_oldest_session_goes_where_there_are_too_many,
    what_a_browser_says_is_cut,
    a_login_is_taken_once,
    a_login_that_took_too_long_is_none,
}

fn new(user: &UserId, secret: &str) -> NewSession {
    NewSession {
        hash: secret_hash(secret),
        user: user.clone(),
        method: "simple".to_owned(),
        user_agent: Some("Firefox".to_owned()),
        address: Some(IpAddr::V4(Ipv4Addr::LOCALHOST)),
        idle: HOUR,
        lifetime: 3 * HOUR,
    }
}

async fn opened(store: &Store, user: &UserId, secret: &str) -> Session {
    let by = By::actor(ActorRef::ANONYMOUS);
    store.open_session(new(user, secret), None, &by).await.unwrap().unwrap()
}

async fn is_open(store: &Store, secret: &str) -> bool {
    store.find_session(&secret_hash(secret)).await.unwrap().is_some()
}

async fn a_session_is_found_by_its_hash_and_ends(db: TestDb) {
    let store = db.open().await;
    let ana = editor(&store, "ana").await;

    let session = opened(&store, &ana.id, "one").await;

    let found = store.find_session(&secret_hash("one")).await.unwrap();
    assert_eq!(found, Some((session, ana.clone())));
    assert_eq!(store.find_session(&secret_hash("other")).await.unwrap(), None);
    assert_eq!(store.find_session("one").await.unwrap(), None, "the secret is not what is kept");
    let login = log(&store, Some(&ana.workspace)).await.remove(0);
    assert_eq!((login.kind.name(), login.actor_kind.as_str()), ("login.succeeded", "user"));
    assert_eq!(login.actor, Some(ana.id.to_string()));
    db.clock.advance(HOUR);
    assert!(!is_open(&store, "one").await);
}

async fn a_session_that_is_used_lives_on_up_to_its_end(db: TestDb) {
    let store = db.open().await;
    let ana = editor(&store, "ana").await;
    let session = opened(&store, &ana.id, "one").await;

    // Within the minute nothing is written.
    store.touch_session(&session.id, HOUR).await.unwrap();
    let (unchanged, _) = store.find_session(&secret_hash("one")).await.unwrap().unwrap();
    assert_eq!(unchanged, session);
    for _ in 0..3 {
        db.clock.advance(HOUR - TOUCH_EVERY);
        store.touch_session(&session.id, HOUR).await.unwrap();
    }
    let (touched, user) = store.find_session(&secret_hash("one")).await.unwrap().unwrap();
    assert_eq!((touched.last_seen_at, user.last_seen_at), (db.clock.now(), Some(db.clock.now())));
    assert_eq!((touched.idle_until, touched.expires_at), (session.expires_at, session.expires_at));
    db.clock.advance(3 * TOUCH_EVERY);

    assert!(!is_open(&store, "one").await);
    store.touch_session(&session.id, HOUR).await.unwrap();
    assert!(!is_open(&store, "one").await, "it does not come back to life");
}

async fn a_login_replaces_the_session_before(db: TestDb) {
    let store = db.open().await;
    let ana = editor(&store, "ana").await;
    opened(&store, &ana.id, "one").await;

    let by = By::actor(ActorRef::ANONYMOUS);
    let replaced = secret_hash("one");
    store.open_session(new(&ana.id, "two"), Some(&replaced), &by).await.unwrap().unwrap();

    assert!(!is_open(&store, "one").await && is_open(&store, "two").await);
}

async fn a_disabled_user_has_no_sessions(db: TestDb) {
    let store = db.open().await;
    let home = workspace(&store).await;
    let ana = editor(&store, "ana").await;
    opened(&store, &ana.id, "one").await;
    let set = |is_disabled| UserEdit { is_disabled: Some(is_disabled), ..UserEdit::default() };

    store.update_user(&ana.id, set(true), &home, &by()).await.unwrap();
    let refused = store.open_session(new(&ana.id, "two"), None, &by()).await.unwrap();
    store.update_user(&ana.id, set(false), &home, &by()).await.unwrap();

    assert_eq!(refused, None);
    assert!(!is_open(&store, "one").await && !is_open(&store, "two").await);
    let nobody = store.clock().id();
    assert_eq!(store.open_session(new(&nobody, "two"), None, &by()).await.unwrap(), None);
}

async fn a_new_password_ends_all_sessions(db: TestDb) {
    let store = db.open().await;
    let home = workspace(&store).await;
    let ana = editor(&store, "ana").await;
    opened(&store, &ana.id, "one").await;

    let role = UserEdit { role: Some(Role::Viewer), ..UserEdit::default() };
    store.update_user(&ana.id, role, &home, &by()).await.unwrap();
    let (_, seen) = store.find_session(&secret_hash("one")).await.unwrap().unwrap();
    assert_eq!(seen.role, Role::Viewer, "a session has the role that its user has now");
    let edit = UserEdit { password_hash: Some(Some(PHC.to_owned())), ..UserEdit::default() };
    store.update_user(&ana.id, edit, &home, &by()).await.unwrap();

    assert!(!is_open(&store, "one").await);
}

async fn sessions_are_listed_and_ended_one_by_one_and_all(db: TestDb) {
    let store = db.open().await;
    let (ana, bo) = (editor(&store, "ana").await, user(&store, "bo", Role::Viewer).await);
    let mut sessions = Vec::new();
    for secret in ["one", "two", "three", "four"] {
        sessions.insert(0, opened(&store, &ana.id, secret).await);
    }
    opened(&store, &bo.id, "bo's").await;
    assert_eq!(store.sessions_of(&ana.id).await.unwrap(), sessions);

    assert!(!store.end_session(&bo.id, &sessions[0].id, &by()).await.unwrap());
    assert!(store.end_session(&ana.id, &sessions[0].id, &by()).await.unwrap());
    assert!(!store.end_session(&ana.id, &sessions[0].id, &by()).await.unwrap());
    assert!(store.end_session_of(&secret_hash("three"), &by()).await.unwrap());
    assert!(!store.end_session_of(&secret_hash("three"), &by()).await.unwrap());
    let kept = &sessions[2].id;
    assert_eq!(store.end_other_sessions(&ana.id, Some(kept), &by()).await.unwrap(), 1);

    assert!(is_open(&store, "two").await && is_open(&store, "bo's").await);
    assert!(!is_open(&store, "one").await);
    assert_eq!(store.end_other_sessions(&ana.id, None, &by()).await.unwrap(), 1);
    assert_eq!(store.end_other_sessions(&ana.id, None, &by()).await.unwrap(), 0);
    assert_eq!(store.sessions_of(&ana.id).await.unwrap(), []);
    let told: Vec<_> = log(&store, Some(&ana.workspace)).await;
    let told: Vec<_> = told.iter().map(|entry| entry.kind.name()).skip(4).collect();
    assert_eq!(told, ["session.revoked", "logout", "session.revoked", "session.revoked"]);
}

async fn the_oldest_session_goes_where_there_are_too_many(db: TestDb) {
    let store = db.open().await;
    let ana = editor(&store, "ana").await;

    for index in 0..=SESSIONS_MAX {
        opened(&store, &ana.id, &index.to_string()).await;
    }

    let count = store.sessions_of(&ana.id).await.unwrap().len();
    assert_eq!(count, SESSIONS_MAX as usize);
    assert!(!is_open(&store, "0").await && is_open(&store, "1").await);
}

async fn what_a_browser_says_is_cut(db: TestDb) {
    let store = db.open().await;
    let ana = editor(&store, "ana").await;
    let agent = format!("\0{}", "ä".repeat(1000));
    let new = NewSession { user_agent: Some(agent), ..new(&ana.id, "one") };

    let session = store.open_session(new, None, &by()).await.unwrap().unwrap();

    let agent = session.user_agent.unwrap();
    assert_eq!(agent.chars().count(), 300);
    let name = UserName::Id(ana.id.clone());
    assert_eq!(store.find_user(&name).await.unwrap(), Some(ana));
}

async fn a_login_is_taken_once(db: TestDb) {
    let store = db.open().await;
    let ana = editor(&store, "ana").await;
    let (hash, other) = (secret_hash("state"), secret_hash("other"));
    store.begin_login(&hash, "google", "/a?b", None, HOUR).await.unwrap();
    store.begin_login(&other, "oidc", "/", Some(&ana.id), HOUR).await.unwrap();
    let again = store.begin_login(&hash, "google", "/", None, HOUR).await;
    assert!(again.is_err(), "a state is nobody else's");

    let (first, second) = tokio::join!(store.take_login(&hash), store.take_login(&hash));

    let mut taken: Vec<_> = [first, second].into_iter().filter_map(Result::unwrap).collect();
    let state =
        LoginState { provider: "google".to_owned(), return_to: "/a?b".to_owned(), user: None };
    assert_eq!((taken.pop(), taken.pop()), (Some(state), None));
    let linking = store.take_login(&other).await.unwrap().unwrap();
    assert_eq!(linking.user, Some(ana.id));
    let refused = store.begin_login("a\0", "google", "/", None, HOUR).await;
    assert!(matches!(refused, Err(Error::Invalid(_))), "{refused:?}");
}

async fn a_login_that_took_too_long_is_none(db: TestDb) {
    let store = db.open().await;
    let hash = secret_hash("state");
    store.begin_login(&hash, "google", "/", None, HOUR).await.unwrap();
    db.clock.advance(HOUR);

    assert_eq!(store.take_login(&hash).await.unwrap(), None);
    assert_eq!(db.count("SELECT COUNT(*) FROM login_states").await, 0);
}
