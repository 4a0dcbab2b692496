//! Keys, service tokens, and those of MxWhisper.

use std::time::Duration;

use hansard_domain::access::{Permission, Role};
use hansard_domain::id::{Id, TokenId, UserId, WorkspaceId};
use hansard_store::audit::AuditFilter;
use hansard_store::tokens::{
    NewJwt, NewToken, OVERLAP_MAX, TOKENS_MAX, Token, TokenFilter, TokenKind, TokenSecret,
    secret_hash,
};
use hansard_store::users::UserEdit;
use hansard_store::{Error, NAME_BYTES_MAX, Store, TOUCH_EVERY};

use crate::db::{TestDb, workspace};
use crate::people::{by, editor, user};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

on_both! {
    a_key_is_shown_once_and_kept_as_a_hash,
    a_key_is_no_more_than_its_user,
    a_service_token_is_nobodys,
    the_first_use_is_told_and_the_last_kept,
    a_revoked_token_is_revoked_once,
    a_token_is_rotated_with_overlap,
    an_old_secret_does_not_outlive_its_end,
    there_are_only_so_many_keys,
    tokens_are_listed_by_owner,
    no_secret_is_in_the_database,
    a_token_of_mxwhisper_is_known_once,
    a_token_of_mxwhisper_ends_before_it_was_seen,
    a_token_of_mxwhisper_is_replaced_with_overlap,
}

fn key(workspace: &WorkspaceId, user: Option<&UserId>) -> NewToken {
    NewToken {
        workspace: workspace.clone(),
        user: user.cloned(),
        name: "backup".to_owned(),
        role: Role::Editor,
        governs: false,
        scopes: vec![Permission::ReadRecordings, Permission::ReadTopics],
        expires_at: None,
    }
}

async fn made(store: &Store, new: NewToken) -> (Token, TokenSecret) {
    store.create_token(new, &by()).await.unwrap().unwrap()
}

async fn told(store: &Store, token: &TokenId) -> Vec<&'static str> {
    let filter = AuditFilter { subject: Some(token.to_string()), ..AuditFilter::default() };
    let mut entries = store.page_audit(None, &filter, None, 100).await.unwrap().items;
    entries.reverse();
    entries.iter().map(|entry| entry.kind.name()).collect()
}

async fn found(store: &Store, id: &TokenId) -> Token {
    store.find_token(id).await.unwrap().unwrap().token
}

async fn a_key_is_shown_once_and_kept_as_a_hash(db: TestDb) {
    let store = db.open().await;
    let ana = editor(&store, "ana").await;

    let (token, secret) = made(&store, key(&ana.workspace, Some(&ana.id))).await;

    let text = secret.reveal();
    let letters = token.id.as_str().trim_start_matches("tok_");
    assert!(text.starts_with(&format!("hsk_{letters}_")) && text.len() == 4 + 26 + 1 + 43);
    assert_eq!(format!("{secret:?}"), "TokenSecret(hidden)");
    let check = store.find_token(&token.id).await.unwrap().unwrap();
    assert_eq!(check.hash, Some(secret_hash(text)));
    assert_eq!((check.previous_hash, check.member), (None, Some(Role::Admin)));
    assert_eq!((check.user, check.token), (Some(ana), token.clone()));
    assert_eq!(token.scopes, [Permission::ReadRecordings, Permission::ReadTopics]);
    assert!(token.is_live(db.clock.now()));
    assert_eq!(store.find_token(&store.clock().id()).await.unwrap(), None);
    assert_eq!(told(&store, &token.id).await, ["token.created"]);
}

async fn a_key_is_no_more_than_its_user(db: TestDb) {
    let store = db.open().await;
    let (home, ana) = (workspace(&store).await, editor(&store, "ana").await);
    assert_eq!(store.create_token(key(&home, Some(&ana.id)), &by()).await.unwrap(), None);
    let bo = editor(&store, "bo").await;
    let calls = store.create_workspace("Calls", &bo.id, &by()).await.unwrap().unwrap().id;
    store.set_member(&calls, &ana.id, Role::Viewer, &by()).await.unwrap();
    let (token, _) = made(&store, key(&calls, Some(&ana.id))).await;

    assert_eq!(store.find_token(&token.id).await.unwrap().unwrap().member, Some(Role::Viewer));
    store.remove_member(&calls, &ana.id, &by()).await.unwrap();
    assert_eq!(store.find_token(&token.id).await.unwrap().unwrap().member, None);
    let edit = UserEdit { is_disabled: Some(true), ..UserEdit::default() };
    store.update_user(&ana.id, edit, &home, &by()).await.unwrap();

    let check = store.find_token(&token.id).await.unwrap().unwrap();
    assert!(check.user.unwrap().disabled_at.is_some());
    let refused = store.create_token(key(&ana.workspace, Some(&ana.id)), &by()).await.unwrap();
    assert_eq!(refused, None);
}

async fn a_service_token_is_nobodys(db: TestDb) {
    let store = db.open().await;
    let home = workspace(&store).await;

    let (token, secret) = made(&store, key(&home, None)).await;

    assert!(secret.reveal().starts_with("hst_"));
    assert_eq!((token.kind, token.user), (TokenKind::Service, None));
    let check = store.find_token(&token.id).await.unwrap().unwrap();
    assert_eq!((check.user, check.member), (None, None));
    assert!(store.has_credentials().await.unwrap());
    store.revoke_token(&token.id, &by()).await.unwrap();
    assert!(store.has_credentials().await.unwrap(), "whoever lost it must not find the door open");
    let nowhere = key(&store.clock().id(), None);
    assert_eq!(store.create_token(nowhere, &by()).await.unwrap(), None);
    for name in ["a\0".to_owned(), String::new(), "a".repeat(NAME_BYTES_MAX + 1)] {
        let refused = store.create_token(NewToken { name, ..key(&home, None) }, &by()).await;
        assert!(matches!(refused, Err(Error::Invalid(_))), "{refused:?}");
    }
}

async fn the_first_use_is_told_and_the_last_kept(db: TestDb) {
    let store = db.open().await;
    let ana = editor(&store, "ana").await;
    let (token, _) = made(&store, key(&ana.workspace, Some(&ana.id))).await;

    let by = by();
    let (one, two) = tokio::join!(store.use_token(&token.id, &by), store.use_token(&token.id, &by));
    assert!(one.is_ok() && two.is_ok());
    let first = db.clock.now();
    db.clock.advance(TOUCH_EVERY / 2);
    store.use_token(&token.id, &by).await.unwrap();
    assert_eq!(found(&store, &token.id).await.last_used_at, Some(first));
    db.clock.advance(TOUCH_EVERY / 2);
    store.use_token(&token.id, &by).await.unwrap();

    let check = store.find_token(&token.id).await.unwrap().unwrap();
    assert_eq!(check.token.first_used_at, Some(first));
    assert_eq!(check.token.last_used_at, Some(db.clock.now()));
    assert_eq!(check.user.unwrap().last_seen_at, Some(db.clock.now()));
    assert_eq!(told(&store, &token.id).await, ["token.created", "token.first_used"]);
}

async fn a_revoked_token_is_revoked_once(db: TestDb) {
    let (store, by) = (db.open().await, by());
    let home = workspace(&store).await;
    let (token, _) = made(&store, key(&home, None)).await;
    store.use_token(&token.id, &by).await.unwrap();

    let nodes = (db.open().await, db.open().await);
    let ends =
        tokio::join!(nodes.0.revoke_token(&token.id, &by), nodes.1.revoke_token(&token.id, &by));

    assert!(ends.0.unwrap() != ends.1.unwrap());
    let revoked = found(&store, &token.id).await;
    assert_eq!(revoked.revoked_at, Some(db.clock.now()));
    assert!(!revoked.is_live(db.clock.now()));
    assert!(!store.revoke_token(&store.clock().id(), &by).await.unwrap());
    assert_eq!(store.rotate_token(&token.id, DAY, None, &by).await.unwrap(), None);
    assert_eq!(told(&store, &token.id).await[1..], ["token.first_used", "token.revoked"]);
    let filter = AuditFilter { subject: Some(token.id.to_string()), ..AuditFilter::default() };
    let last = store.page_audit(Some(&home), &filter, None, 1).await.unwrap().items.remove(0);
    assert!(last.data.contains(&format!("\"last_used_at\":\"{}\"", db.clock.now())), "{last:?}");
}

async fn a_token_is_rotated_with_overlap(db: TestDb) {
    let store = db.open().await;
    let (token, old) = made(&store, key(&workspace(&store).await, None)).await;

    let (rotated, new) = store.rotate_token(&token.id, DAY, None, &by()).await.unwrap().unwrap();

    assert_eq!((&rotated.id, rotated.previous_until), (&token.id, Some(db.clock.now().after(DAY))));
    let check = store.find_token(&token.id).await.unwrap().unwrap();
    let hash = |secret: &TokenSecret| Some(secret_hash(secret.reveal()));
    assert_eq!((check.hash, check.previous_hash), (hash(&new), hash(&old)));
    let (rotated, newest) =
        store.rotate_token(&token.id, Duration::ZERO, None, &by()).await.unwrap().unwrap();
    assert_eq!(rotated.previous_until, None);
    let check = store.find_token(&token.id).await.unwrap().unwrap();
    assert_eq!((check.hash, check.previous_hash), (hash(&newest), None));
    let missing = store.clock().id();
    assert_eq!(store.rotate_token(&missing, DAY, None, &by()).await.unwrap(), None);
    assert_eq!(told(&store, &token.id).await[1..], ["token.rotated", "token.rotated"]);
}

async fn an_old_secret_does_not_outlive_its_end(db: TestDb) {
    let store = db.open().await;
    let home = workspace(&store).await;
    let end = db.clock.now().after(DAY);
    let (token, _) = made(&store, NewToken { expires_at: Some(end), ..key(&home, None) }).await;

    let later = db.clock.now().after(100 * DAY);
    let rotated = store.rotate_token(&token.id, 10 * DAY, Some(later), &by()).await.unwrap();
    let (rotated, _) = rotated.unwrap();
    assert_eq!((rotated.previous_until, rotated.expires_at), (Some(end), Some(later)));
    let rotated = store.rotate_token(&token.id, 99 * DAY, None, &by()).await.unwrap();
    assert_eq!(rotated.unwrap().0.previous_until, Some(db.clock.now().after(OVERLAP_MAX)));
    let (over, _) = made(&store, NewToken { expires_at: Some(end), ..key(&home, None) }).await;
    db.clock.advance(2 * DAY);

    assert!(!over.is_live(db.clock.now()));
    let (renewed, _) = store.rotate_token(&over.id, DAY, None, &by()).await.unwrap().unwrap();
    assert_eq!(renewed.previous_until, None);
    assert!(renewed.is_live(db.clock.now()));
}

async fn there_are_only_so_many_keys(db: TestDb) {
    let nodes = [db.open().await, db.open().await];
    let ana = editor(&nodes[0], "ana").await;
    let mut making = tokio::task::JoinSet::new();
    for index in 0..TOKENS_MAX + 4 {
        let (node, new) = (nodes[index as usize % 2].clone(), key(&ana.workspace, Some(&ana.id)));
        making.spawn(async move { node.create_token(new, &by()).await });
    }

    let made = making.join_all().await;

    let refused = made.iter().filter(|made| matches!(made, Err(Error::TooManyTokens))).count();
    assert_eq!((refused, made.len() - refused), (4, TOKENS_MAX as usize), "{made:?}");
    let one = made.into_iter().find_map(Result::ok).flatten().unwrap().0;
    nodes[0].revoke_token(&one.id, &by()).await.unwrap();
    assert!(nodes[1].create_token(key(&ana.workspace, Some(&ana.id)), &by()).await.is_ok());
    assert!(nodes[1].create_token(key(&ana.workspace, None), &by()).await.is_ok());
}

async fn tokens_are_listed_by_owner(db: TestDb) {
    let store = db.open().await;
    let (home, ana) = (workspace(&store).await, editor(&store, "ana").await);
    let (first, _) = made(&store, key(&ana.workspace, Some(&ana.id))).await;
    let (service, _) = made(&store, key(&ana.workspace, None)).await;
    let (other, _) = made(&store, key(&home, None)).await;
    let (second, _) = made(&store, key(&ana.workspace, Some(&ana.id))).await;

    let user = TokenFilter { user: Some(ana.id), ..TokenFilter::default() };
    let workspace =
        TokenFilter { workspace: Some(ana.workspace.clone()), ..TokenFilter::default() };
    let services = TokenFilter { kind: Some(TokenKind::Service), ..workspace.clone() };

    for (filter, expected) in [
        (user, vec![second.clone(), first.clone()]),
        (workspace, vec![second.clone(), service.clone(), first.clone()]),
        (services, vec![service.clone()]),
        (TokenFilter::default(), vec![second, other, service, first]),
    ] {
        let page = store.page_tokens(&filter, None, 10).await.unwrap();
        assert_eq!((page.items, page.next), (expected.clone(), None));
        let page = store.page_tokens(&filter, None, 1).await.unwrap();
        assert_eq!(page.items, expected[..1]);
    }
}

async fn no_secret_is_in_the_database(db: TestDb) {
    let store = db.open().await;
    let (token, secret) = made(&store, key(&workspace(&store).await, None)).await;
    store.rotate_token(&token.id, DAY, None, &by()).await.unwrap();
    let random = secret.reveal().rsplit_once('_').unwrap().1.to_owned();

    let rows = match &db.database {
        hansard_store::Database::Sqlite { path } => {
            let mut bytes = std::fs::read(path).unwrap();
            bytes.extend(std::fs::read(path.with_extension("db-wal")).unwrap());
            String::from_utf8_lossy(&bytes).into_owned()
        }
        hansard_store::Database::Postgres { url } => {
            let pool = sqlx::PgPool::connect(url).await.unwrap();
            let rows = "SELECT string_agg(CAST(tokens AS TEXT), '') || \
                (SELECT string_agg(CAST(audit_log AS TEXT), '') FROM audit_log) FROM tokens";
            sqlx::query_scalar::<_, String>(rows).fetch_one(&pool).await.unwrap()
        }
    };

    assert!(rows.contains(&secret_hash(secret.reveal())), "it is the right place to look");
    assert!(!rows.contains(&random));
}

fn jwt(user: &hansard_store::users::User, jti: &str, db: &TestDb) -> NewJwt {
    NewJwt {
        jti: jti.to_owned(),
        workspace: user.workspace.clone(),
        user: user.id.clone(),
        name: "service".to_owned(),
        role: Role::Editor,
        expires_at: db.clock.now().after(DAY),
    }
}

async fn a_token_of_mxwhisper_is_known_once(db: TestDb) {
    let store = db.open().await;
    let ana = editor(&store, "ana").await;
    assert_eq!(store.find_jti("j1").await.unwrap(), None);

    let noted = store.note_jwt(jwt(&ana, "j1", &db), &by()).await.unwrap();
    let again = store.note_jwt(jwt(&ana, "j1", &db), &by()).await.unwrap();

    assert_eq!(noted, again);
    assert_eq!((noted.kind, noted.user.as_ref()), (TokenKind::Jwt, Some(&ana.id)));
    assert_eq!(store.find_jti("j1").await.unwrap(), Some(noted.clone()));
    assert_eq!(store.find_token(&noted.id).await.unwrap().unwrap().hash, None);
    assert_eq!(store.rotate_token(&noted.id, DAY, None, &by()).await.unwrap(), None);
    assert_eq!(told(&store, &noted.id).await, ["token.created"]);
    for jti in ["", "a\0", &"a".repeat(256)] {
        let refused = store.find_jti(jti).await;
        assert!(matches!(refused, Err(Error::Invalid(_))), "{refused:?}");
    }
}

async fn a_token_of_mxwhisper_ends_before_it_was_seen(db: TestDb) {
    let store = db.open().await;
    let ana = user(&store, "ana", Role::Admin).await;
    let end = db.clock.now().after(DAY);

    assert!(store.revoke_jti("j1", end, &by()).await.unwrap());
    assert!(!store.revoke_jti("j1", end, &by()).await.unwrap());

    let noted = store.note_jwt(jwt(&ana, "j1", &db), &by()).await.unwrap();
    assert!(!noted.is_live(db.clock.now()), "who comes later does not bring it back");
    assert_eq!((noted.workspace, noted.user), (None, None));
    store.note_jwt(jwt(&ana, "j2", &db), &by()).await.unwrap();
    assert!(store.revoke_jti("j2", end, &by()).await.unwrap());
    let revoked = store.find_jti("j2").await.unwrap().unwrap();
    assert_eq!((revoked.user, revoked.revoked_at), (Some(ana.id), Some(db.clock.now())));
}

async fn a_token_of_mxwhisper_is_replaced_with_overlap(db: TestDb) {
    let store = db.open().await;
    let ana = editor(&store, "ana").await;
    let old = store.note_jwt(jwt(&ana, "j1", &db), &by()).await.unwrap();

    let new = store.replace_jwt(&old.id, jwt(&ana, "j2", &db), DAY / 2, &by()).await.unwrap();

    assert_eq!(new, store.find_jti("j2").await.unwrap());
    let old = found(&store, &old.id).await;
    assert!(old.is_live(db.clock.now()) && !old.is_live(db.clock.now().after(DAY / 2)));
    let again = store.replace_jwt(&old.id, jwt(&ana, "j3", &db), DAY, &by()).await.unwrap();
    assert_eq!(again, None);
    assert!(store.revoke_token(&old.id, &by()).await.unwrap(), "it may end sooner");
    assert!(!found(&store, &old.id).await.is_live(db.clock.now()));
}
