//! The audit log.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use hansard_domain::access::{Actor, Role};
use hansard_domain::audit::{AuditKind, Outcome};
use hansard_domain::id::{Id, TokenId};
use hansard_store::Error;
use hansard_store::audit::{ActorRef, AuditFilter, By, NewAudit};

use crate::db::{TestDb, workspace};
use crate::people::{by, editor, log, user};

on_both! {
    an_entry_says_who_did_what_from_where,
    the_log_is_read_by_workspace_and_by_filter,
    what_no_row_can_hold_is_refused,
}

async fn an_entry_says_who_did_what_from_where(db: TestDb) {
    let store = db.open().await;
    let (home, ana) = (workspace(&store).await, editor(&store, "ana").await);
    let token: TokenId = store.clock().id();
    let by = By {
        actor: ActorRef::from(&Actor::Token { id: token.clone(), user: Some(ana.id.clone()) }),
        address: Some(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7))),
        request: Some(store.clock().id()),
    };

    let refused = NewAudit::refused(AuditKind::AccessRefused, "forbidden").about(&ana.id);
    store.audit(refused.within(&home), &by).await.unwrap();

    let entry = log(&store, Some(&home)).await.pop().unwrap();
    assert_eq!((entry.kind, entry.outcome), (AuditKind::AccessRefused, Outcome::Refused));
    assert_eq!((entry.actor_kind.as_str(), entry.actor), ("token", Some(token.to_string())));
    assert_eq!(
        (entry.subject, entry.code.as_deref()),
        (Some(ana.id.to_string()), Some("forbidden"))
    );
    assert_eq!(entry.address.as_deref(), Some("192.0.2.7"));
    assert_eq!(entry.request, by.request.map(|request| request.to_string()));
    assert_eq!((entry.data.as_str(), entry.created_at), ("{}", db.clock.now()));
    for (actor, kind, id) in [
        (Actor::Local, "local", None),
        (Actor::StaticKey("api_key"), "static_key", Some("api_key")),
        (Actor::Secret("salestrainer"), "secret", Some("salestrainer")),
        (Actor::User(ana.id.clone()), "user", Some(ana.id.as_str())),
    ] {
        let actor = ActorRef::from(&actor);
        assert_eq!((actor.kind, actor.id.as_deref()), (kind, id));
    }
}

async fn the_log_is_read_by_workspace_and_by_filter(db: TestDb) {
    let store = db.open().await;
    let ana = editor(&store, "ana").await;
    db.clock.advance(Duration::from_secs(1));
    let later = db.clock.now();
    let root = user(&store, "root", Role::Admin).await;
    let calls = store.create_workspace("Calls", &ana.id, &by()).await.unwrap().unwrap().id;
    let as_ana = By::actor(ActorRef::from(&Actor::User(ana.id.clone())));
    store.set_member(&calls, &root.id, Role::Viewer, &as_ana).await.unwrap();

    let all = AuditFilter::default();
    let cases = [
        (None, all.clone(), 6),
        (Some(&calls), all.clone(), 3),
        (Some(&ana.workspace), all.clone(), 0),
        (None, AuditFilter { kind: Some(AuditKind::UserCreated), ..all.clone() }, 2),
        (None, AuditFilter { actor: Some(ana.id.to_string()), ..all.clone() }, 1),
        (None, AuditFilter { subject: Some(root.id.to_string()), ..all.clone() }, 3),
        (Some(&calls), AuditFilter { subject: Some(root.id.to_string()), ..all.clone() }, 1),
        (None, AuditFilter { from: Some(later), ..all.clone() }, 5),
        (None, AuditFilter { before: Some(later), ..all.clone() }, 1),
    ];
    for (workspace, filter, expected) in cases {
        let page = store.page_audit(workspace, &filter, None, 100).await.unwrap();
        assert_eq!(page.items.len(), expected, "{workspace:?} {filter:?} {:?}", page.items);
    }

    let first = store.page_audit(None, &all, None, 4).await.unwrap();
    let second = store.page_audit(None, &all, first.next, 4).await.unwrap();
    assert_eq!((first.items.len(), second.items.len(), second.next), (4, 2, None));
    assert!(first.items[3].serial > second.items[0].serial);
}

async fn what_no_row_can_hold_is_refused(db: TestDb) {
    let store = db.open().await;
    let nul = NewAudit::refused(AuditKind::LoginFailed, "a\0");
    let list = NewAudit { data: "[]".to_owned(), ..NewAudit::done(AuditKind::ObjectExported) };

    for entry in [nul, list] {
        let refused = store.audit(entry, &by()).await;
        assert!(matches!(refused, Err(Error::Invalid(_))), "{refused:?}");
    }
    let filter = AuditFilter { actor: Some("\0".to_owned()), ..AuditFilter::default() };
    let refused = store.page_audit(None, &filter, None, 1).await;
    assert!(matches!(refused, Err(Error::Invalid(_))), "{refused:?}");
    assert_eq!(log(&store, None).await, []);
}
