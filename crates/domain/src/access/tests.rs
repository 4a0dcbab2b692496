use super::*;

fn user(number: u128) -> UserId {
    UserId::from_parts(0, number)
}

fn workspace(number: u128) -> WorkspaceId {
    WorkspaceId::from_parts(0, number)
}

/// User 1 in workspace 1.
fn member(role: Role) -> Principal {
    Principal {
        actor: Actor::User(user(1)),
        workspace: workspace(1),
        role,
        governs: false,
        scopes: None,
    }
}

fn acting(actor: Actor, role: Role) -> Principal {
    Principal { actor, ..member(role) }
}

fn service_token(role: Role) -> Principal {
    acting(Actor::Token { id: TokenId::from_parts(0, 1), user: None }, role)
}

fn permitted(principal: &Principal) -> Vec<&'static str> {
    let all = Permission::ALL.iter().filter(|one| decide(principal, **one).is_ok());
    all.map(|one| one.name()).collect()
}

const READS: [&str; 4] = ["recordings:read", "collections:read", "topics:read", "metrics:read"];
const WRITES: [&str; 2] = ["recordings:write", "collections:write"];
const MANAGES: [&str; 4] = ["webhooks:manage", "members:manage", "tokens:manage", "audit:read"];
const GOVERNS: [&str; 2] = ["topics:write", "installation:manage"];
const OWNS: [&str; 1] = ["account:own"];

#[test]
fn roles_users_and_governors_have_these_permissions_and_no_others() {
    let (viewer, editor, admin) = (Role::Viewer, Role::Editor, Role::Admin);
    let governor = Principal { governs: true, ..member(viewer) };
    let key = Actor::Token { id: TokenId::from_parts(0, 1), user: Some(user(1)) };
    let table: [(Principal, &[&[&str]]); 9] = [
        (member(viewer), &[&READS, &OWNS]),
        (member(editor), &[&READS, &WRITES, &OWNS]),
        (member(admin), &[&READS, &WRITES, &MANAGES, &OWNS]),
        (governor, &[&READS, &GOVERNS, &OWNS]),
        (acting(key, editor), &[&READS, &WRITES, &OWNS]),
        (service_token(editor), &[&READS, &WRITES]),
        (acting(Actor::StaticKey("server.read_key"), viewer), &[&READS]),
        (acting(Actor::Secret("salestrainer"), editor), &[&READS, &WRITES]),
        (acting(Actor::Local, admin), &[&READS, &WRITES, &MANAGES]),
    ];

    for (principal, expected) in table {
        let (mut found, mut expected) = (permitted(&principal), expected.concat());
        found.sort_unstable();
        expected.sort_unstable();
        assert_eq!(found, expected, "{principal:?}");
    }
}

#[test]
fn a_scope_narrows_a_role_and_never_widens_it() {
    let scopes = vec![Permission::ReadRecordings, Permission::ManageTokens];
    let principal = Principal { scopes: Some(scopes), ..service_token(Role::Editor) };

    assert_eq!(permitted(&principal), ["recordings:read"]);
    let refused = decide(&principal, Permission::WriteRecordings);
    assert_eq!(refused, Err(Refusal::Scope(Permission::WriteRecordings)));
    let refused = decide(&principal, Permission::ManageTokens);
    assert_eq!(refused, Err(Refusal::Role(Role::Admin)));
    let none = Principal { scopes: Some(Vec::new()), ..member(Role::Admin) };
    assert!(permitted(&none).is_empty());
}

#[test]
fn a_refusal_says_what_is_missing() {
    let (editor, token) = (member(Role::Editor), service_token(Role::Viewer));
    let text = |principal, needs| decide(principal, needs).unwrap_err().to_string();

    assert_eq!(
        text(&token, Permission::WriteRecordings),
        "it takes the role editor in the workspace"
    );
    assert_eq!(text(&token, Permission::OwnAccount), "it takes a user");
    assert_eq!(
        text(&editor, Permission::WriteTopics),
        "it takes an administrator of the installation"
    );
}

fn made_by(creator: Option<String>, visibility: Visibility) -> Ownership {
    Ownership {
        workspace: Some(workspace(1)),
        creator,
        visibility: Some(visibility),
        ..Ownership::default()
    }
}

#[test]
fn what_is_private_is_seen_by_its_creator_and_by_admins() {
    let mine = made_by(Some(user(1).to_string()), Visibility::Private);
    let theirs = made_by(Some(user(2).to_string()), Visibility::Private);
    let nobodys = made_by(None, Visibility::Private);
    let read_key = acting(Actor::StaticKey("server.read_key"), Role::Viewer);
    let table = [
        (member(Role::Viewer), &mine, Standing::Own),
        (member(Role::Editor), &theirs, Standing::Foreign),
        (member(Role::Editor), &nobodys, Standing::Foreign),
        (member(Role::Admin), &theirs, Standing::Own),
        (member(Role::Admin), &nobodys, Standing::Own),
        (service_token(Role::Editor), &theirs, Standing::Foreign),
        // Neither has an id, which does not make one the creator of the other.
        (read_key, &nobodys, Standing::Foreign),
    ];

    for (principal, object, expected) in table {
        for deed in [Deed::Read, Deed::Write] {
            assert_eq!(standing(&principal, object, deed), expected, "{principal:?} {object:?}");
        }
    }
    let id = Some(TokenId::from_parts(0, 1).to_string());
    let of_the_token = made_by(id, Visibility::Private);
    let token = service_token(Role::Editor);
    assert_eq!(standing(&token, &of_the_token, Deed::Read), Standing::Own);
}

#[test]
fn another_workspace_is_foreign_but_for_a_look_at_what_it_shares() {
    let elsewhere = Principal { workspace: workspace(2), governs: true, ..member(Role::Admin) };
    let creator = Some(user(1).to_string());

    for visibility in Visibility::ALL {
        let object = made_by(creator.clone(), *visibility);
        let look = match visibility {
            Visibility::Private | Visibility::Workspace => Standing::Foreign,
            Visibility::Link | Visibility::Public => Standing::Shared,
        };
        assert_eq!(standing(&elsewhere, &object, Deed::Read), look, "{visibility:?}");
        assert_eq!(standing(&elsewhere, &object, Deed::Write), Standing::Foreign);
    }
    let plain = Ownership { workspace: Some(workspace(1)), ..Ownership::default() };
    assert_eq!(standing(&elsewhere, &plain, Deed::Read), Standing::Foreign);
}

#[test]
fn sessions_are_their_users_and_keys_their_workspaces_admins_as_well() {
    let session = Ownership { user: Some(user(1)), ..Ownership::default() };
    let key = Ownership { workspace: Some(workspace(1)), ..session.clone() };
    let stranger = |role| acting(Actor::User(user(2)), role);
    let travelled = Principal { workspace: workspace(2), ..member(Role::Viewer) };
    let abroad = Principal { workspace: workspace(2), ..stranger(Role::Admin) };
    let table = [
        (&session, member(Role::Viewer), Standing::Own),
        (&session, travelled.clone(), Standing::Own),
        (&session, stranger(Role::Admin), Standing::Foreign),
        (&key, travelled, Standing::Own),
        (&key, stranger(Role::Admin), Standing::Own),
        (&key, stranger(Role::Editor), Standing::Foreign),
        (&key, abroad, Standing::Foreign),
        (&key, service_token(Role::Editor), Standing::Foreign),
    ];

    for (object, principal, expected) in table {
        for deed in [Deed::Read, Deed::Write] {
            assert_eq!(standing(&principal, object, deed), expected, "{principal:?} {object:?}");
        }
    }
}

#[test]
fn what_belongs_to_the_installation_is_left_to_the_permission() {
    let topic = Ownership::default();

    assert_eq!(standing(&member(Role::Viewer), &topic, Deed::Write), Standing::Own);
}

#[test]
fn names_are_unique_and_read_back() {
    for one in Permission::ALL {
        assert_eq!(Permission::from_name(one.name()), Some(*one));
    }
    for kind in Kind::ALL {
        assert_eq!(Kind::from_name(kind.name()), Some(*kind));
    }
    assert_eq!(Role::ALL.iter().max(), Some(&Role::Admin));
}
