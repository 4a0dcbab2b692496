//! Users, whom people make or a provider shows.

use std::time::Duration;

use hansard_domain::access::Role;
use hansard_domain::id::{UserId, WorkspaceId};
use hansard_store::users::{
    Claimed, NewIdentity, NewUser, Provisioned, User, UserEdit, UserEdited, UserName,
};
use hansard_store::{Error, Store};
use tokio::task::JoinSet;

use crate::db::{TestDb, workspace};
use crate::people::{PHC, by, claimed, editor, log, named, told_about, user};

const MINUTE: Duration = Duration::from_secs(60);

on_both! {
    a_user_comes_with_a_workspace_of_its_own,
    the_first_administrator_gets_what_was_there_before,
    names_are_nobody_elses,
    names_that_look_like_others_are_refused,
    a_password_goes_by_email_in_any_case,
    a_user_is_changed_and_the_log_tells,
    a_disabled_user_is_out_and_comes_back,
    the_last_administrator_stays,
    of_administrators_who_lower_each_other_one_stays,
    users_are_listed_newest_first,
    tokens_of_mxwhisper_end_by_a_count,
    credentials_end_the_open_mode,
    passwords_are_there_while_somebody_may_use_one,
    a_provider_shows_a_user_for_the_first_time,
    nobody_is_made_who_was_not_invited,
    groups_raise_and_lower,
    groups_leave_the_last_administrator,
    an_account_is_known_by_its_subject_alone,
    an_account_keeps_nobody_out_whose_names_are_taken,
    what_a_provider_says_now_is_kept,
    one_person_on_two_nodes_at_once_is_one_user,
    another_account_leads_to_the_same_user,
}

async fn edit(store: &Store, user: &User, edit: UserEdit) -> UserEdited {
    let home = workspace(store).await;
    store.update_user(&user.id, edit, &home, &by()).await.unwrap()
}

async fn find(store: &Store, id: &UserId) -> User {
    store.find_user(&UserName::Id(id.clone())).await.unwrap().unwrap()
}

fn role(role: Role) -> UserEdit {
    UserEdit { role: Some(role), ..UserEdit::default() }
}

fn disabled(is_disabled: bool) -> UserEdit {
    UserEdit { is_disabled: Some(is_disabled), ..UserEdit::default() }
}

async fn provision(store: &Store, home: &WorkspaceId, claimed: &Claimed) -> User {
    match store.provision(claimed, home, true, &by()).await.unwrap() {
        Provisioned::User(user) => *user,
        other => panic!("nobody comes in: {other:?}"),
    }
}

async fn a_user_comes_with_a_workspace_of_its_own(db: TestDb) {
    let store = db.open().await;

    let ana = editor(&store, "ana").await;

    assert_eq!(find(&store, &ana.id).await, ana);
    assert_eq!((ana.role, ana.has_password, ana.revocations), (Role::Editor, false, 0));
    let workspaces = store.workspaces_of(&ana.id).await.unwrap();
    assert_eq!(workspaces.len(), 1, "{workspaces:?}");
    let (own, role) = &workspaces[0];
    assert_eq!((&own.id, own.is_personal, *role), (&ana.workspace, true, Role::Admin));
    assert_eq!(own.name, "ana");
    assert_eq!(told_about(&store, &ana.id).await, ["user.created"]);
    for name in [
        UserName::Email(" ANA@example.org".to_owned()),
        UserName::Username("ana".to_owned()),
        UserName::Id(ana.id.clone()),
    ] {
        assert_eq!(store.find_user(&name).await.unwrap().unwrap().id, ana.id, "{name:?}");
    }
    let nobody = UserName::External("ana".to_owned());
    assert_eq!(store.find_user(&nobody).await.unwrap(), None);
}

async fn the_first_administrator_gets_what_was_there_before(db: TestDb) {
    let store = db.open().await;
    let home = workspace(&store).await;
    editor(&store, "eve").await;

    let first = user(&store, "first", Role::Admin).await;
    let second = user(&store, "second", Role::Admin).await;

    assert_eq!(store.role_in(&home, &first.id).await.unwrap(), Some(Role::Admin));
    assert_eq!(store.role_in(&home, &second.id).await.unwrap(), None);
    assert_eq!(store.members(&home).await.unwrap().len(), 1);
    assert_eq!(told_about(&store, &first.id).await, ["user.created", "member.added"]);
}

async fn names_are_nobody_elses(db: TestDb) {
    let store = db.open().await;
    let home = workspace(&store).await;
    let login = |name: &str| NewUser {
        password_hash: Some(PHC.to_owned()),
        email: Some("Ana@Example.org".to_owned()),
        ..named(name, Role::Editor)
    };
    store.create_user(login("ana"), &home, &by()).await.unwrap();
    let before = log(&store, None).await.len();

    let username = store.create_user(named("ana", Role::Editor), &home, &by()).await;
    let email = store.create_user(login("other"), &home, &by()).await;
    // Without a password an address may be several people's.
    let other = NewUser { password_hash: None, ..login("third") };
    let other = store.create_user(other, &home, &by()).await.unwrap();
    let edit = UserEdit { password_hash: Some(Some(PHC.to_owned())), ..UserEdit::default() };
    let password = store.update_user(&other.id, edit, &home, &by()).await;
    let edit = UserEdit { username: Some(Some("ana".to_owned())), ..UserEdit::default() };
    let renamed = store.update_user(&other.id, edit, &home, &by()).await;
    let ambiguous = store.find_user(&UserName::Email("ana@example.org".to_owned())).await;

    assert!(matches!(username, Err(Error::UsernameTaken)), "{username:?}");
    assert!(matches!(email, Err(Error::EmailTaken)), "{email:?}");
    assert!(matches!(password, Err(Error::EmailTaken)), "{password:?}");
    assert!(matches!(renamed, Err(Error::UsernameTaken)), "{renamed:?}");
    assert!(matches!(ambiguous, Err(Error::Invalid(_))), "{ambiguous:?}");
    assert_eq!(log(&store, None).await.len(), before + 1, "what was refused left nothing");
    assert_eq!(db.count("SELECT COUNT(*) FROM workspaces WHERE kind = 'personal'").await, 2);
}

async fn names_that_look_like_others_are_refused(db: TestDb) {
    let store = db.open().await;
    let home = workspace(&store).await;
    let ana = editor(&store, "ana").await;
    let of = |email: Option<&str>, username: Option<&str>| NewUser {
        email: email.map(str::to_owned),
        username: username.map(str::to_owned),
        ..NewUser::of(Role::Editor)
    };

    for new in [
        of(Some("nobody"), None),
        of(None, Some("ana@example.org")),
        of(None, Some(ana.id.to_string().as_str())),
        of(None, Some(" ")),
        of(Some("a\0@example.org"), None),
        of(Some(&format!("{}@example.org", "a".repeat(320))), None),
        NewUser { password_hash: Some(PHC.to_owned()), ..of(None, Some("bo")) },
    ] {
        let refused = store.create_user(new, &home, &by()).await;
        assert!(matches!(refused, Err(Error::Invalid(_))), "{refused:?}");
    }
}

async fn a_password_goes_by_email_in_any_case(db: TestDb) {
    let store = db.open().await;
    let home = workspace(&store).await;
    let new = NewUser { password_hash: Some(PHC.to_owned()), ..named("ana", Role::Editor) };
    let ana = store.create_user(new, &home, &by()).await.unwrap();
    editor(&store, "bo").await;

    let found = store.find_login("ANA@example.org").await.unwrap();

    assert_eq!(found, Some((ana, PHC.to_owned())));
    assert_eq!(store.find_login("bo@example.org").await.unwrap(), None);
    assert_eq!(store.find_login("nobody@example.org").await.unwrap(), None);
}

async fn a_user_is_changed_and_the_log_tells(db: TestDb) {
    let store = db.open().await;
    user(&store, "root", Role::Admin).await;
    let ana = editor(&store, "ana").await;
    db.clock.advance(MINUTE);

    let changed = UserEdit {
        name: Some(Some("Ana".to_owned())),
        role: Some(Role::Viewer),
        password_hash: Some(Some(PHC.to_owned())),
        ..UserEdit::default()
    };
    let UserEdited::Done(changed) = edit(&store, &ana, changed).await else { panic!("no user") };

    assert_eq!(find(&store, &ana.id).await, *changed);
    assert_eq!((changed.name.as_deref(), changed.role), (Some("Ana"), Role::Viewer));
    assert!(changed.has_password && changed.role_is_local && changed.updated_at > ana.updated_at);
    let expected = ["user.created", "user.role_changed", "user.updated", "user.password_changed"];
    assert_eq!(told_about(&store, &ana.id).await, expected);
    let unknown = User { id: store.clock().id(), ..ana };
    assert_eq!(edit(&store, &unknown, role(Role::Admin)).await, UserEdited::Missing);
    for entry in log(&store, None).await {
        assert!(!entry.data.contains("ana") && !entry.data.contains("argon"), "{entry:?}");
    }
}

async fn a_disabled_user_is_out_and_comes_back(db: TestDb) {
    let store = db.open().await;
    let home = workspace(&store).await;
    let ana = provision(&store, &home, &claimed("ana", None)).await;

    let UserEdited::Done(out) = edit(&store, &ana, disabled(true)).await else { panic!("no user") };
    assert_eq!(out.disabled_at, Some(db.clock.now()));
    let refused = store.provision(&claimed("ana", None), &home, true, &by()).await.unwrap();
    assert_eq!(refused, Provisioned::Disabled);
    edit(&store, &ana, disabled(false)).await;

    assert_eq!(provision(&store, &home, &claimed("ana", None)).await.id, ana.id);
    let told = told_about(&store, &ana.id).await;
    assert_eq!(told, ["user.created", "user.disabled", "user.enabled"]);
}

async fn the_last_administrator_stays(db: TestDb) {
    let store = db.open().await;
    let root = user(&store, "root", Role::Admin).await;

    assert_eq!(edit(&store, &root, role(Role::Editor)).await, UserEdited::LastAdmin);
    assert_eq!(edit(&store, &root, disabled(true)).await, UserEdited::LastAdmin);
    let other = user(&store, "other", Role::Admin).await;
    assert!(matches!(edit(&store, &other, disabled(true)).await, UserEdited::Done(_)));
    assert_eq!(edit(&store, &root, role(Role::Editor)).await, UserEdited::LastAdmin);
    edit(&store, &other, disabled(false)).await;

    assert!(matches!(edit(&store, &root, role(Role::Editor)).await, UserEdited::Done(_)));
    assert_eq!(edit(&store, &other, role(Role::Viewer)).await, UserEdited::LastAdmin);
}

async fn of_administrators_who_lower_each_other_one_stays(db: TestDb) {
    let nodes = [db.open().await, db.open().await];
    let mut lowering = JoinSet::new();
    for index in 0..6 {
        let admin = user(&nodes[0], &format!("admin{index}"), Role::Admin).await;
        let node = nodes[index % 2].clone();
        lowering.spawn(async move { edit(&node, &admin, role(Role::Viewer)).await });
    }

    let ends = lowering.join_all().await;

    let refused = ends.iter().filter(|end| **end == UserEdited::LastAdmin).count();
    assert!(refused >= 1, "{ends:?}");
    let admins = db.count("SELECT COUNT(*) FROM users WHERE role = 'admin'").await;
    assert_eq!(usize::try_from(admins).unwrap(), refused);
}

async fn users_are_listed_newest_first(db: TestDb) {
    let store = db.open().await;
    for name in ["ana", "bo", "cy"] {
        editor(&store, name).await;
    }

    let first = store.page_users(None, 2).await.unwrap();
    let second = store.page_users(first.next, 2).await.unwrap();

    let names = |users: &[User]| users.iter().map(|u| u.username.clone()).collect::<Vec<_>>();
    assert_eq!(names(&first.items), [Some("cy".to_owned()), Some("bo".to_owned())]);
    assert_eq!(names(&second.items), [Some("ana".to_owned())]);
    assert_eq!(second.next, None);
}

async fn tokens_of_mxwhisper_end_by_a_count(db: TestDb) {
    let store = db.open().await;
    let ana = editor(&store, "ana").await;

    assert_eq!(store.bump_revocations(&ana.id, &by()).await.unwrap(), Some(1));
    assert_eq!(store.bump_revocations(&ana.id, &by()).await.unwrap(), Some(2));

    assert_eq!(find(&store, &ana.id).await.revocations, 2);
    assert_eq!(store.bump_revocations(&store.clock().id(), &by()).await.unwrap(), None);
    let told = told_about(&store, &ana.id).await;
    assert_eq!(told, ["user.created", "user.tokens_revoked", "user.tokens_revoked"]);
}

async fn credentials_end_the_open_mode(db: TestDb) {
    let store = db.open().await;
    assert!(!store.has_credentials().await.unwrap());

    let ana = editor(&store, "ana").await;
    assert!(store.has_credentials().await.unwrap());
    edit(&store, &ana, disabled(true)).await;

    assert!(store.has_credentials().await.unwrap(), "who lost them must not find the door open");
}

async fn passwords_are_there_while_somebody_may_use_one(db: TestDb) {
    let store = db.open().await;
    let ana = editor(&store, "ana").await;
    assert!(!store.has_passwords().await.unwrap());

    let password = UserEdit {
        email: Some(Some("ana@example.org".to_owned())),
        password_hash: Some(Some(PHC.to_owned())),
        ..UserEdit::default()
    };
    edit(&store, &ana, password).await;
    assert!(store.has_passwords().await.unwrap());
    edit(&store, &ana, disabled(true)).await;

    assert!(!store.has_passwords().await.unwrap());
}

async fn a_provider_shows_a_user_for_the_first_time(db: TestDb) {
    let store = db.open().await;
    let home = workspace(&store).await;

    let ana = provision(&store, &home, &claimed("ana", Some(Role::Admin))).await;

    assert_eq!((ana.role, ana.role_is_local), (Role::Admin, false));
    assert_eq!(ana.external_id.as_deref(), Some("ana"));
    assert_eq!(store.role_in(&home, &ana.id).await.unwrap(), Some(Role::Admin));
    let identities = store.identities_of(&ana.id).await.unwrap();
    assert_eq!(identities.len(), 1);
    assert_eq!(identities[0].subject, "ana");
    let again = provision(&store, &home, &claimed("ana", Some(Role::Admin))).await;
    assert_eq!(again, ana);
    assert_eq!(told_about(&store, &ana.id).await, ["user.created", "member.added"]);
}

async fn nobody_is_made_who_was_not_invited(db: TestDb) {
    let store = db.open().await;
    let home = workspace(&store).await;

    let refused = store.provision(&claimed("ana", None), &home, false, &by()).await.unwrap();
    assert_eq!(refused, Provisioned::Unknown);
    assert_eq!(db.count("SELECT COUNT(*) FROM users").await, 0);

    provision(&store, &home, &claimed("ana", None)).await;
    let found = store.provision(&claimed("ana", None), &home, false, &by()).await.unwrap();
    assert!(matches!(found, Provisioned::User(_)), "{found:?}");
    for subject in [String::new(), "a".repeat(256), "a\0".to_owned()] {
        let wrong = Claimed { subject, ..claimed("ana", None) };
        let refused = store.provision(&wrong, &home, true, &by()).await;
        assert!(matches!(refused, Err(Error::Invalid(_))), "{refused:?}");
    }
}

async fn groups_raise_and_lower(db: TestDb) {
    let store = db.open().await;
    let home = workspace(&store).await;
    user(&store, "root", Role::Admin).await;
    let ana = provision(&store, &home, &claimed("ana", None)).await;
    assert_eq!(ana.role, Role::Editor);

    for role in [Role::Admin, Role::Viewer, Role::Editor] {
        let now = provision(&store, &home, &claimed("ana", Some(role))).await;
        assert_eq!((now.role, now.id == ana.id), (role, true));
        // Nothing said of groups is not the same as no groups.
        assert_eq!(provision(&store, &home, &claimed("ana", None)).await.role, role);
    }
    edit(&store, &ana, role(Role::Viewer)).await;

    let local = provision(&store, &home, &claimed("ana", Some(Role::Admin))).await;
    assert_eq!(local.role, Role::Viewer, "what a person has set stays");
    let changes = told_about(&store, &ana.id).await;
    assert_eq!(changes.iter().filter(|kind| **kind == "user.role_changed").count(), 4);
}

async fn groups_leave_the_last_administrator(db: TestDb) {
    let store = db.open().await;
    let home = workspace(&store).await;
    provision(&store, &home, &claimed("ana", Some(Role::Admin))).await;

    let ana = provision(&store, &home, &claimed("ana", Some(Role::Viewer))).await;
    assert_eq!(ana.role, Role::Admin);
    user(&store, "root", Role::Admin).await;

    let ana = provision(&store, &home, &claimed("ana", Some(Role::Viewer))).await;
    assert_eq!(ana.role, Role::Viewer);
}

async fn an_account_is_known_by_its_subject_alone(db: TestDb) {
    let store = db.open().await;
    let home = workspace(&store).await;
    let new = NewUser { password_hash: Some(PHC.to_owned()), ..named("ana", Role::Admin) };
    let local = store.create_user(new, &home, &by()).await.unwrap();

    let ana = provision(&store, &home, &claimed("ana", None)).await;
    let elsewhere = Claimed {
        issuer: "https://other.example/".to_owned(),
        ..claimed("ana", Some(Role::Viewer))
    };
    let elsewhere = provision(&store, &home, &elsewhere).await;

    assert_eq!(ana.email, local.email);
    assert!(ana.id != local.id && elsewhere.id != ana.id && elsewhere.id != local.id);
    assert_eq!(find(&store, &local.id).await, local);
}

async fn an_account_keeps_nobody_out_whose_names_are_taken(db: TestDb) {
    let store = db.open().await;
    let home = workspace(&store).await;
    let first = provision(&store, &home, &claimed("ana", None)).await;
    let elsewhere = Claimed { issuer: "https://other.example/".to_owned(), ..claimed("ana", None) };
    let as_id =
        Claimed { username: Some("a@b".to_owned()), ..claimed(&first.id.to_string(), None) };

    let second = provision(&store, &home, &elsewhere).await;
    let third = provision(&store, &home, &as_id).await;

    assert_eq!(first.external_id.as_deref(), Some("ana"));
    for other in [second, third] {
        assert_eq!((other.external_id, other.username), (None, None));
    }
}

async fn what_a_provider_says_now_is_kept(db: TestDb) {
    let store = db.open().await;
    let home = workspace(&store).await;
    let unnamed = Claimed { name: None, ..claimed("ana", None) };
    let ana = provision(&store, &home, &unnamed).await;
    assert_eq!(provision(&store, &home, &unnamed).await.last_seen_at, None);
    db.clock.advance(MINUTE);

    let pictured = Claimed { picture: Some("https://p.example/1".to_owned()), ..unnamed };
    provision(&store, &home, &pictured).await;
    let moved = Claimed { email: Some("ana@new.example".to_owned()), ..claimed("ana", None) };
    let now = provision(&store, &home, &moved).await;

    assert_eq!((now.email.as_deref(), now.name.as_deref()), (Some("ana@new.example"), Some("ANA")));
    assert_eq!(now.last_seen_at, Some(db.clock.now()));
    assert_eq!(find(&store, &ana.id).await, now);
    let identities = store.identities_of(&ana.id).await.unwrap();
    assert_eq!(identities[0].email.as_deref(), Some("ana@new.example"));
    assert_eq!(
        identities[0].picture.as_deref(),
        Some("https://p.example/1"),
        "nothing else is said"
    );
    assert_eq!(identities[0].last_login_at, db.clock.now());
    let local = UserEdit {
        email: Some(Some("ana@home.example".to_owned())),
        name: Some(Some("Anna".to_owned())),
        ..UserEdit::default()
    };
    edit(&store, &ana, local).await;
    let moved = Claimed { email: Some("ana@newer.example".to_owned()), ..moved };
    let now = provision(&store, &home, &moved).await;
    assert_eq!(
        (now.email.as_deref(), now.name.as_deref()),
        (Some("ana@home.example"), Some("Anna"))
    );
}

async fn one_person_on_two_nodes_at_once_is_one_user(db: TestDb) {
    let nodes = [db.open().await, db.open().await];
    let home = workspace(&nodes[0]).await;
    let mut arriving = JoinSet::new();
    for index in 0..8 {
        let (node, home) = (nodes[index % 2].clone(), home.clone());
        arriving.spawn(async move { provision(&node, &home, &claimed("ana", None)).await.id });
    }

    let users = arriving.join_all().await;

    assert!(users.iter().all(|user| *user == users[0]), "{users:?}");
    assert_eq!(db.count("SELECT COUNT(*) FROM users").await, 1);
    assert_eq!(db.count("SELECT COUNT(*) FROM workspaces WHERE kind = 'personal'").await, 1);
    assert_eq!(told_about(&nodes[0], &users[0]).await, ["user.created"]);
}

async fn another_account_leads_to_the_same_user(db: TestDb) {
    let store = db.open().await;
    let home = workspace(&store).await;
    let ana = editor(&store, "ana").await;
    let bo = editor(&store, "bo").await;
    let account = |subject: &str| NewIdentity {
        issuer: "https://id.example.org/".to_owned(),
        subject: subject.to_owned(),
        email: None,
        picture: None,
    };

    assert!(store.link_identity(&ana.id, account("a1"), &by()).await.unwrap());
    assert!(store.link_identity(&ana.id, account("a1"), &by()).await.unwrap());
    let taken = store.link_identity(&bo.id, account("a1"), &by()).await;

    assert!(matches!(taken, Err(Error::IdentityTaken)), "{taken:?}");
    let nameless = Claimed { name: None, ..claimed("a1", None) };
    assert_eq!(provision(&store, &home, &nameless).await.id, ana.id);
    assert_eq!(told_about(&store, &ana.id).await, ["user.created", "identity.linked"]);
    edit(&store, &bo, disabled(true)).await;
    assert!(!store.link_identity(&bo.id, account("b1"), &by()).await.unwrap());
    let new = NewUser { identity: Some(account("a1")), ..named("cy", Role::Editor) };
    let taken = store.create_user(new, &home, &by()).await;
    assert!(matches!(taken, Err(Error::IdentityTaken)), "{taken:?}");
}
