//! Erasing a user with all that is theirs.

use std::net::Ipv4Addr;
use std::time::Duration;

use hansard_domain::access::Role;
use hansard_store::audit::{ActorRef, AuditFilter, By};
use hansard_store::endpoints::NewEndpoint;
use hansard_store::sessions::NewSession;
use hansard_store::tokens::{NewJwt, NewToken, secret_hash};
use hansard_store::users::{Provisioned, User, UserEdit, UserEdited, UserName};
use hansard_store::{Erased, Erasure, Store};

use crate::db::{TestDb, accepted, transcribed, workspace};
use crate::people::{by, claimed, editor, log, user};

const HOUR: Duration = Duration::from_secs(60 * 60);

on_both! {
    all_that_is_a_users_goes_and_is_reported,
    what_is_others_stays_without_the_users_name,
    the_last_administrator_is_not_erased,
    an_erasure_that_broke_off_goes_on,
}

fn key(user: &User) -> NewToken {
    NewToken {
        workspace: user.workspace.clone(),
        user: Some(user.id.clone()),
        name: "k".to_owned(),
        role: Role::Admin,
        governs: false,
        scopes: Vec::new(),
        expires_at: None,
    }
}

/// Puts something of everything into the personal workspace of a user whom a provider knows.
async fn full(store: &Store) -> User {
    let home = workspace(store).await;
    let at_the_door =
        By { address: Some(Ipv4Addr::LOCALHOST.into()), ..By::actor(ActorRef::SYSTEM) };
    let provisioned = store.provision(&claimed("ana", None), &home, true, &at_the_door).await;
    let ana = match provisioned.unwrap() {
        Provisioned::User(user) => *user,
        other => panic!("nobody comes in: {other:?}"),
    };
    let own = &ana.workspace;
    for content in ["sound", "more sound"] {
        accepted(store, own, content).await;
        transcribed(store, &["a", "b"]).await;
    }
    store.create_upload(own, Some(9), "", None, HOUR).await.unwrap();
    let url = "https://a.example/".to_owned();
    let endpoint = NewEndpoint { url, description: None, kinds: Vec::new() };
    let endpoint = store.create_endpoint(own, endpoint, None).await.unwrap().endpoint.id;
    store.test_endpoint(own, &endpoint, None).await.unwrap().unwrap();
    store.create_token(key(&ana), &by()).await.unwrap().unwrap();
    let service = NewToken { user: None, ..key(&ana) };
    store.create_token(service, &by()).await.unwrap().unwrap();
    let jwt = NewJwt {
        jti: "j1".to_owned(),
        workspace: own.clone(),
        user: ana.id.clone(),
        name: "service".to_owned(),
        role: Role::Editor,
        expires_at: store.clock().now().after(HOUR),
    };
    store.note_jwt(jwt, &at_the_door).await.unwrap();
    let session = NewSession {
        hash: secret_hash("one"),
        user: ana.id.clone(),
        method: "oidc".to_owned(),
        user_agent: None,
        address: Some(Ipv4Addr::LOCALHOST.into()),
        idle: HOUR,
        lifetime: HOUR,
    };
    store.open_session(session, None, &by()).await.unwrap().unwrap();
    ana
}

async fn find(store: &Store, user: &User) -> Option<User> {
    store.find_user(&UserName::Id(user.id.clone())).await.unwrap()
}

async fn all_that_is_a_users_goes_and_is_reported(db: TestDb) {
    let store = db.open().await;
    user(&store, "root", Role::Admin).await;
    let ana = full(&store).await;
    let events = db.count("SELECT COUNT(*) FROM events").await.unsigned_abs();
    assert!(db.count("SELECT COUNT(*) FROM audit_log WHERE address IS NOT NULL").await >= 2);

    let Erasure::Done(erased) = store.erase_user(&ana.id, &by()).await.unwrap() else {
        panic!("it is not done")
    };

    let expected = Erased {
        recordings: 2,
        media_objects: 2,
        media_bytes: ("sound".len() + "more sound".len()) as u64,
        jobs: 2,
        transcripts: 2,
        uploads: 1,
        endpoints: 1,
        deliveries: 1,
        events,
        collections: 0,
        tokens: 3,
        sessions: 1,
        identities: 1,
        memberships: 1,
    };
    assert_eq!(erased, expected);
    for (table, left) in [
        ("SELECT COUNT(*) FROM recordings", 0),
        ("SELECT COUNT(*) FROM media_objects", 0),
        ("SELECT COUNT(*) FROM jobs", 0),
        ("SELECT COUNT(*) FROM transcript_windows", 0),
        ("SELECT COUNT(*) FROM uploads", 0),
        ("SELECT COUNT(*) FROM endpoints", 0),
        ("SELECT COUNT(*) FROM deliveries", 0),
        ("SELECT COUNT(*) FROM events", 0),
        ("SELECT COUNT(*) FROM sessions", 0),
        ("SELECT COUNT(*) FROM identities", 0),
        ("SELECT COUNT(*) FROM users", 1),
        ("SELECT COUNT(*) FROM workspaces", 2),
        ("SELECT COUNT(*) FROM audit_log WHERE address IS NOT NULL", 0),
        // What is written when a token ends: its last use, which nothing else tells any more.
        ("SELECT COUNT(*) FROM audit_log WHERE kind = 'token.revoked'", 3),
    ] {
        assert_eq!(db.count(table).await, left, "{table}");
    }
    let objects = std::fs::read_dir(db.folder.path().join("objects/media")).unwrap().count();
    assert_eq!(objects, 0, "the media are gone from the disk");
    assert_eq!(find(&store, &ana).await, None);
    assert!(!store.find_jti("j1").await.unwrap().unwrap().is_live(db.clock.now()));
    let filter = AuditFilter { subject: Some(ana.id.to_string()), ..AuditFilter::default() };
    let last = store.page_audit(None, &filter, None, 1).await.unwrap().items.remove(0);
    assert_eq!(last.kind.name(), "user.erased");
    assert!(last.data.contains("\"recordings\":2"), "{last:?}");
    assert_eq!(store.erase_user(&ana.id, &by()).await.unwrap(), Erasure::Missing);
    assert_eq!(store.check_rows().await.unwrap(), Vec::<String>::new());
}

async fn what_is_others_stays_without_the_users_name(db: TestDb) {
    let store = db.open().await;
    let root = user(&store, "root", Role::Admin).await;
    let (home, ana) = (workspace(&store).await, editor(&store, "ana").await);
    store.set_member(&home, &ana.id, Role::Editor, &by()).await.unwrap();
    let made = accepted(&store, &home, "sound").await;
    db.sql("UPDATE recordings SET created_by = (SELECT id FROM users WHERE username = 'ana')")
        .await;
    db.sql("UPDATE jobs SET created_by = (SELECT id FROM users WHERE username = 'ana')").await;

    let erased = store.erase_user(&ana.id, &by()).await.unwrap();

    assert!(
        matches!(erased, Erasure::Done(Erased { recordings: 0, memberships: 2, .. })),
        "{erased:?}"
    );
    assert!(store.find_recording(&home, &made.recording.id).await.unwrap().is_some());
    let named = "SELECT (SELECT COUNT(*) FROM recordings WHERE created_by IS NOT NULL) + \
        (SELECT COUNT(*) FROM jobs WHERE created_by IS NOT NULL)";
    assert_eq!(db.count(named).await, 0);
    let members = store.members(&home).await.unwrap();
    assert_eq!(members.iter().map(|member| &member.user).collect::<Vec<_>>(), [&root.id]);
}

async fn the_last_administrator_is_not_erased(db: TestDb) {
    let store = db.open().await;
    let root = user(&store, "root", Role::Admin).await;

    assert_eq!(store.erase_user(&root.id, &by()).await.unwrap(), Erasure::LastAdmin);

    assert_eq!(find(&store, &root).await, Some(root.clone()));
    let other = user(&store, "other", Role::Admin).await;
    assert!(matches!(store.erase_user(&root.id, &by()).await.unwrap(), Erasure::Done(_)));
    assert_eq!(store.erase_user(&other.id, &by()).await.unwrap(), Erasure::LastAdmin);
}

async fn an_erasure_that_broke_off_goes_on(db: TestDb) {
    let store = db.open().await;
    user(&store, "root", Role::Admin).await;
    let ana = full(&store).await;
    // A folder in place of an object, so that it cannot be removed.
    let objects = db.folder.path().join("objects/media");
    let blocked = std::fs::read_dir(&objects).unwrap().next().unwrap().unwrap().path();
    let aside = db.folder.path().join("aside");
    std::fs::rename(&blocked, &aside).unwrap();
    std::fs::create_dir_all(blocked.join("in the way")).unwrap();

    assert!(store.erase_user(&ana.id, &by()).await.is_err());

    let left = find(&store, &ana).await.unwrap();
    assert!(left.erasing_at.is_some() && left.disabled_at.is_some() && left.email.is_none());
    assert!(store.find_session(&secret_hash("one")).await.unwrap().is_none());
    let home = workspace(&store).await;
    let back = UserEdit { is_disabled: Some(false), ..UserEdit::default() };
    let back = store.update_user(&ana.id, back, &home, &by()).await.unwrap();
    assert_eq!(back, UserEdited::Missing, "there is no way back");
    std::fs::remove_dir_all(&blocked).unwrap();
    std::fs::rename(&aside, &blocked).unwrap();

    let Erasure::Done(erased) = store.erase_user(&ana.id, &by()).await.unwrap() else {
        panic!("it is not done")
    };
    assert_eq!((erased.recordings, erased.media_objects), (0, 1));
    assert_eq!(find(&store, &ana).await, None);
    assert!(!blocked.exists());
    assert_eq!(log(&store, None).await.pop().unwrap().kind.name(), "user.erased");
}
