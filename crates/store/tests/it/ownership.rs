//! To whom an object belongs that a request names.

use hansard_domain::access::{Kind, Named, Ownership, Role};
use hansard_domain::id::WorkspaceId;
use hansard_domain::job::Visibility;
use hansard_store::Store;
use hansard_store::endpoints::NewEndpoint;
use hansard_store::sessions::NewSession;
use hansard_store::tokens::{NewToken, secret_hash};
use hansard_store::users::NewUser;

use crate::db::{TestDb, accepted, transcribed, workspace};
use crate::people::{by, editor, named};

on_both! {
    each_kind_is_named_by_id,
    what_other_systems_number_is_named_by_number,
    what_is_not_there_is_nobodys,
}

async fn owner(store: &Store, kind: Kind, id: &impl ToString) -> Ownership {
    store.ownership(kind, &Named::Id(id.to_string())).await.unwrap().unwrap()
}

fn of(workspace: &WorkspaceId) -> Ownership {
    Ownership { workspace: Some(workspace.clone()), ..Ownership::default() }
}

async fn each_kind_is_named_by_id(db: TestDb) {
    let store = db.open().await;
    let home = workspace(&store).await;
    let ana = editor(&store, "ana").await;
    let made = accepted(&store, &home, "sound").await;
    let transcript = transcribed(&store, &["a"]).await.job.id;
    let transcript = store.find_job(&home, &transcript).await.unwrap().unwrap().transcript.unwrap();
    db.sql("UPDATE recordings SET created_by = 'usr_x', visibility = 'private'").await;
    let recorded = Ownership {
        creator: Some("usr_x".to_owned()),
        visibility: Some(Visibility::Private),
        ..of(&home)
    };

    assert_eq!(owner(&store, Kind::Recording, &made.recording.id).await, recorded);
    assert_eq!(owner(&store, Kind::Job, &made.job.id).await, recorded);
    assert_eq!(owner(&store, Kind::Transcript, &transcript).await, recorded);
    let (keep, creator) = (std::time::Duration::from_secs(60), Some("usr_x".to_owned()));
    let upload = store.create_upload(&home, None, "", creator, keep).await.unwrap();
    assert_eq!(owner(&store, Kind::Upload, &upload.id).await, recorded);
    let url = "https://a.example/".to_owned();
    let endpoint = NewEndpoint { url, description: None, kinds: Vec::new() };
    let endpoint = store.create_endpoint(&home, endpoint, None).await.unwrap().endpoint.id;
    assert_eq!(owner(&store, Kind::Endpoint, &endpoint).await, of(&home));
    let delivery = store.test_endpoint(&home, &endpoint, None).await.unwrap().unwrap();
    assert_eq!(owner(&store, Kind::Delivery, &delivery.delivery.id).await, of(&home));
    assert_eq!(owner(&store, Kind::Workspace, &home).await, of(&home));
    assert_eq!(owner(&store, Kind::User, &ana.id).await, Ownership::default());

    let session = NewSession {
        hash: secret_hash("one"),
        user: ana.id.clone(),
        method: "simple".to_owned(),
        user_agent: None,
        address: None,
        idle: std::time::Duration::from_secs(60),
        lifetime: std::time::Duration::from_secs(60),
    };
    let session = store.open_session(session, None, &by()).await.unwrap().unwrap();
    let own = Ownership { user: Some(ana.id.clone()), ..Ownership::default() };
    assert_eq!(owner(&store, Kind::Session, &session.id).await, own);
    let key = NewToken {
        workspace: ana.workspace.clone(),
        user: Some(ana.id.clone()),
        name: "k".to_owned(),
        role: Role::Viewer,
        governs: false,
        scopes: Vec::new(),
        expires_at: None,
    };
    let (key, _) = store.create_token(key, &by()).await.unwrap().unwrap();
    let opens = Ownership { user: Some(ana.id), ..of(&ana.workspace) };
    assert_eq!(owner(&store, Kind::Token, &key.id).await, opens);
    assert_eq!(
        owner(&store, Kind::Topic, &"top_00000000000000000000000001").await,
        Ownership::default()
    );
}

const COLLECT: &str = "INSERT INTO collections (id, workspace_id, created_by, name, visibility, created_at_us, updated_at_us) \
    SELECT 'col_1', id, 'usr_x', 'c', 'public', 1, 1 FROM workspaces WHERE name = 'default'";

async fn what_other_systems_number_is_named_by_number(db: TestDb) {
    let store = db.open().await;
    let home = workspace(&store).await;
    let made = accepted(&store, &home, "sound").await;
    db.sql(COLLECT).await;
    let (recording, job) = (made.recording.serial, made.job.serial);
    let visible = Ownership { visibility: Some(made.recording.visibility), ..of(&home) };
    let collected = Ownership {
        creator: Some("usr_x".to_owned()),
        visibility: Some(Visibility::Public),
        ..of(&home)
    };
    let new = NewUser { external_id: Some("mx-7".to_owned()), ..named("ana", Role::Editor) };
    let ana = store.create_user(new, &home, &by()).await.unwrap();

    for (kind, serial, expected) in [
        (Kind::Recording, recording, Some(visible.clone())),
        (Kind::Job, job, Some(visible)),
        (Kind::Topic, 21, Some(Ownership::default())),
        (Kind::Topic, 22, None),
        (Kind::Collection, 1, Some(collected.clone())),
        (Kind::User, 1, None),
    ] {
        let found = store.ownership(kind, &Named::Serial(serial)).await.unwrap();
        assert_eq!(found, expected, "{kind:?} {serial}");
    }
    assert_eq!(owner(&store, Kind::Collection, &"col_1").await, collected);
    for name in ["mx-7".to_owned(), ana.id.to_string()] {
        let found = store.ownership(Kind::User, &Named::UserName(name)).await.unwrap();
        assert_eq!(found, Some(Ownership::default()));
    }
}

async fn what_is_not_there_is_nobodys(db: TestDb) {
    let store = db.open().await;
    let names = ["", "rec_1", "a\0"].map(|name| Named::Id(name.to_owned()));
    let others = [Named::Serial(-1), Named::UserName("nobody".to_owned())];

    for kind in Kind::ALL {
        for name in names.iter().chain(&others) {
            assert_eq!(store.ownership(*kind, name).await.unwrap(), None, "{kind:?} {name:?}");
        }
    }
}
