//! The users as a table and as JSON.

use hansard_domain::id::Id;
use hansard_domain::time::Timestamp;
use hansard_store::users::User;
use serde_json::{Value, json};

use crate::columns;
use crate::exit::Failure;
use crate::output;
use crate::people::{self, People};

/// Prints all users, newest first.
pub(super) async fn print(people: &People, as_json: bool) -> Result<(), Failure> {
    let store = &people.store;
    let users = people::all(async |before, limit| store.page_users(before, limit).await).await?;
    if as_json {
        let document = json!({ "users": users.iter().map(view).collect::<Vec<_>>() });
        output::data(&format!("{document:#}\n"))?;
    } else if users.is_empty() {
        output::note("no users; to make one: hansard user create EMAIL");
    } else {
        let titles = ["ID", "E-MAIL", "USERNAME", "ROLE", "STATE", "LAST SEEN"];
        output::data(&columns::table(titles, users.iter().map(row)))?;
    }
    Ok(())
}

fn row(user: &User) -> [String; 6] {
    let state = match (user.erasing_at, user.disabled_at) {
        (Some(_), _) => "being erased",
        (None, Some(_)) => "disabled",
        (None, None) => "enabled",
    };
    [
        user.id.to_string(),
        user.email.clone().unwrap_or_default(),
        user.username.clone().unwrap_or_default(),
        user.role.name().to_owned(),
        state.to_owned(),
        user.last_seen_at.map(columns::minute).unwrap_or_default(),
    ]
}

fn view(user: &User) -> Value {
    let time = |at: Option<Timestamp>| at.map(|at| at.to_string());
    json!({
        "id": user.id.as_str(),
        "email": user.email,
        "username": user.username,
        "name": user.name,
        "role": user.role.name(),
        "role_is_local": user.role_is_local,
        "has_password": user.has_password,
        "workspace_id": user.workspace.as_str(),
        "disabled_at": time(user.disabled_at),
        "erasing_at": time(user.erasing_at),
        "last_seen_at": time(user.last_seen_at),
        "created_at": time(Some(user.created_at)),
    })
}
