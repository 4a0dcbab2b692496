//! The tokens as a table and as JSON.

use hansard_domain::access::Permission;
use hansard_domain::id::Id;
use hansard_domain::time::Timestamp;
use hansard_store::tokens::{Token, TokenFilter};
use serde_json::{Value, json};

use super::all;
use crate::columns;
use crate::exit::Failure;
use crate::output;
use crate::people::People;

/// Prints all tokens, or those of one user, newest first.
pub(super) async fn print(
    people: &People,
    user: Option<&str>,
    as_json: bool,
) -> Result<(), Failure> {
    let mut filter = TokenFilter::default();
    if let Some(user) = user {
        filter.user = Some(people.user(user).await?.id);
    }
    let tokens = all(people, &filter).await?;
    if as_json {
        let document = json!({ "tokens": tokens.iter().map(view).collect::<Vec<_>>() });
        output::data(&format!("{document:#}\n"))?;
    } else if tokens.is_empty() {
        output::note("no tokens; to make one: hansard token create NAME --user USER");
    } else {
        let now = people.store.clock().now();
        let titles = ["ID", "NAME", "KIND", "ROLE", "OF", "ENDS", "LAST USED", "STATE"];
        let rows = tokens.iter().map(|token| row(token, now));
        output::data(&columns::table(titles, rows))?;
    }
    Ok(())
}

fn row(token: &Token, now: Timestamp) -> [String; 8] {
    let owner = token.user.as_ref().map(ToString::to_string);
    let owner = owner.or_else(|| token.workspace.as_ref().map(ToString::to_string));
    let time = |at: Option<Timestamp>| at.map(columns::minute).unwrap_or_default();
    let is_revoked = token.revoked_at.is_some_and(|at| at <= now);
    let state = match token.is_live(now) {
        true => "good",
        false if is_revoked => "revoked",
        false => "over",
    };
    [
        token.id.to_string(),
        token.name.clone(),
        token.kind.name().to_owned(),
        token.role.name().to_owned(),
        owner.unwrap_or_default(),
        // One that is rotated with overlap is revoked at a time that has not come yet.
        time([token.expires_at, token.revoked_at].into_iter().flatten().min()),
        time(token.last_used_at),
        state.to_owned(),
    ]
}

fn view(token: &Token) -> Value {
    let time = |at: Option<Timestamp>| at.map(|at| at.to_string());
    let scopes = token.scopes.iter().map(|scope: &Permission| scope.name());
    json!({
        "id": token.id.as_str(),
        "kind": token.kind.name(),
        "jti": token.jti,
        "name": token.name,
        "workspace_id": token.workspace.as_ref().map(Id::as_str),
        "user_id": token.user.as_ref().map(Id::as_str),
        "role": token.role.name(),
        "governs": token.governs,
        "scopes": scopes.collect::<Vec<_>>(),
        "expires_at": time(token.expires_at),
        "previous_until": time(token.previous_until),
        "revoked_at": time(token.revoked_at),
        "first_used_at": time(token.first_used_at),
        "last_used_at": time(token.last_used_at),
        "created_at": time(Some(token.created_at)),
    })
}
