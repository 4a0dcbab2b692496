//! Workspaces, and who belongs to them.

use hansard_domain::access::Role;
use hansard_store::users::UserEdit;
use hansard_store::workspaces::MemberSet;
use hansard_store::{Error, NAME_BYTES_MAX};
use tokio::task::JoinSet;

use crate::db::{TestDb, workspace};
use crate::people::{by, editor, log, user};

on_both! {
    whoever_makes_a_workspace_is_its_admin,
    members_come_change_and_go,
    the_last_admin_of_a_workspace_stays,
    of_admins_who_leave_at_once_one_stays,
    a_personal_workspace_takes_nobody_else,
    who_does_not_exist_is_no_member,
    all_workspaces_are_listed_newest_first,
}

async fn whoever_makes_a_workspace_is_its_admin(db: TestDb) {
    let store = db.open().await;
    let ana = editor(&store, "ana").await;

    let made = store.create_workspace("Calls", &ana.id, &by()).await.unwrap().unwrap();

    assert_eq!(store.find_workspace(&made.id).await.unwrap(), Some(made.clone()));
    assert_eq!(store.role_in(&made.id, &ana.id).await.unwrap(), Some(Role::Admin));
    let all = store.workspaces_of(&ana.id).await.unwrap();
    assert_eq!(all[1], (made.clone(), Role::Admin));
    assert!(store.rename_workspace(&made.id, "Talks", &by()).await.unwrap());
    assert_eq!(store.find_workspace(&made.id).await.unwrap().unwrap().name, "Talks");
    let told: Vec<_> =
        log(&store, Some(&made.id)).await.iter().map(|entry| entry.kind.name()).collect();
    assert_eq!(told, ["workspace.created", "member.added", "workspace.renamed"]);
    let missing = store.clock().id();
    assert!(!store.rename_workspace(&missing, "No", &by()).await.unwrap());
    assert_eq!(store.find_workspace(&missing).await.unwrap(), None);
    assert_eq!(store.create_workspace("No", &store.clock().id(), &by()).await.unwrap(), None);
    for name in ["a\0", " ", &"a".repeat(NAME_BYTES_MAX + 1)] {
        let refused = store.create_workspace(name, &ana.id, &by()).await;
        assert!(matches!(refused, Err(Error::Invalid(_))), "{refused:?}");
        let refused = store.rename_workspace(&made.id, name, &by()).await;
        assert!(matches!(refused, Err(Error::Invalid(_))), "{refused:?}");
        let refused = store.ensure_workspace(name).await;
        assert!(matches!(refused, Err(Error::Invalid(_))), "{refused:?}");
    }
}

async fn members_come_change_and_go(db: TestDb) {
    let store = db.open().await;
    let (ana, bo) = (editor(&store, "ana").await, editor(&store, "bo").await);
    let calls = store.create_workspace("Calls", &ana.id, &by()).await.unwrap().unwrap().id;

    for role in [Role::Viewer, Role::Editor, Role::Editor] {
        assert_eq!(store.set_member(&calls, &bo.id, role, &by()).await.unwrap(), MemberSet::Done);
    }
    let members = store.members(&calls).await.unwrap();
    let members: Vec<_> =
        members.iter().map(|member| (member.email.as_deref(), member.role)).collect();
    let expected = [(Some("ana@example.org"), Role::Admin), (Some("bo@example.org"), Role::Editor)];
    assert_eq!(members, expected);
    assert_eq!(store.remove_member(&calls, &bo.id, &by()).await.unwrap(), MemberSet::Done);

    assert_eq!(store.remove_member(&calls, &bo.id, &by()).await.unwrap(), MemberSet::Missing);
    assert_eq!(store.role_in(&calls, &bo.id).await.unwrap(), None);
    let told: Vec<_> = log(&store, Some(&calls)).await.iter().map(|e| e.kind.name()).collect();
    assert_eq!(told[2..], ["member.added", "member.changed", "member.removed"]);
}

async fn the_last_admin_of_a_workspace_stays(db: TestDb) {
    let store = db.open().await;
    let (ana, bo) = (editor(&store, "ana").await, editor(&store, "bo").await);
    let calls = store.create_workspace("Calls", &ana.id, &by()).await.unwrap().unwrap().id;
    store.set_member(&calls, &bo.id, Role::Editor, &by()).await.unwrap();

    let lowered = store.set_member(&calls, &ana.id, Role::Editor, &by()).await.unwrap();
    let removed = store.remove_member(&calls, &ana.id, &by()).await.unwrap();
    assert_eq!((lowered, removed), (MemberSet::LastAdmin, MemberSet::LastAdmin));
    store.set_member(&calls, &bo.id, Role::Admin, &by()).await.unwrap();
    let home = workspace(&store).await;
    let edit = UserEdit { is_disabled: Some(true), ..UserEdit::default() };
    store.update_user(&bo.id, edit, &home, &by()).await.unwrap();

    // An admin who may not come in is none.
    let removed = store.remove_member(&calls, &ana.id, &by()).await.unwrap();
    assert_eq!(removed, MemberSet::LastAdmin);
}

async fn of_admins_who_leave_at_once_one_stays(db: TestDb) {
    let nodes = [db.open().await, db.open().await];
    let store = &nodes[0];
    let mut users = Vec::new();
    for index in 0..6 {
        users.push(editor(store, &format!("user{index}")).await);
    }
    let calls = store.create_workspace("Calls", &users[0].id, &by()).await.unwrap().unwrap().id;
    for user in &users {
        store.set_member(&calls, &user.id, Role::Admin, &by()).await.unwrap();
    }
    let mut leaving = JoinSet::new();
    for (index, user) in users.into_iter().enumerate() {
        let (node, calls) = (nodes[index % 2].clone(), calls.clone());
        leaving.spawn(async move { node.remove_member(&calls, &user.id, &by()).await.unwrap() });
    }

    let ends = leaving.join_all().await;

    assert_eq!(ends.iter().filter(|end| **end == MemberSet::LastAdmin).count(), 1, "{ends:?}");
    assert_eq!(store.members(&calls).await.unwrap().len(), 1);
}

async fn a_personal_workspace_takes_nobody_else(db: TestDb) {
    let store = db.open().await;
    let (ana, root) = (editor(&store, "ana").await, user(&store, "root", Role::Admin).await);

    let own = &ana.workspace;
    let other = store.set_member(own, &root.id, Role::Viewer, &by()).await.unwrap();
    let left = store.remove_member(own, &ana.id, &by()).await.unwrap();

    assert_eq!((other, left), (MemberSet::Personal, MemberSet::LastAdmin));
}

async fn who_does_not_exist_is_no_member(db: TestDb) {
    let store = db.open().await;
    let (home, ana) = (workspace(&store).await, editor(&store, "ana").await);

    let nobody = store.set_member(&home, &store.clock().id(), Role::Admin, &by()).await.unwrap();
    let nowhere = store.set_member(&store.clock().id(), &ana.id, Role::Admin, &by()).await.unwrap();

    assert_eq!((nobody, nowhere), (MemberSet::Missing, MemberSet::Missing));
}

async fn all_workspaces_are_listed_newest_first(db: TestDb) {
    let store = db.open().await;
    let ana = editor(&store, "ana").await;
    let calls = store.create_workspace("Calls", &ana.id, &by()).await.unwrap().unwrap();
    let bo = editor(&store, "bo").await;
    let names = async |is_personal| {
        let (mut names, mut before) = (Vec::new(), None);
        loop {
            let page = store.page_workspaces(is_personal, before, 1).await.unwrap();
            names.extend(page.items.into_iter().map(|workspace| workspace.id));
            before = page.next;
            if before.is_none() {
                return names;
            }
        }
    };

    let (personal, shared) = (names(Some(true)).await, names(Some(false)).await);

    assert_eq!(personal, [bo.workspace.clone(), ana.workspace.clone()]);
    assert!(shared.contains(&calls.id) && !shared.contains(&ana.workspace), "{shared:?}");
    let all = names(None).await;
    assert_eq!(all.len(), personal.len() + shared.len());
    assert_eq!(all[..3], [bo.workspace, calls.id, ana.workspace]);
}
