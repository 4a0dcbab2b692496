//! What is asked of tokens, and what nobody may ask.

use std::time::Duration;

use axum::extract::Request;
use hansard_domain::access::{Permission, Principal, Role};
use hansard_domain::id::{Id, WorkspaceId};
use hansard_store::tokens::OVERLAP_MAX;
use serde_json::Value;

use crate::App;
use crate::api::asks::optional_fields;
use crate::fields::Fields;
use crate::problem::Problem;

/// Characters of a name.
const NAME_MAX: usize = 200;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// How long a token is good unless its maker says so.
const LIFETIME: Duration = DAY.saturating_mul(90);

/// How long it is good at most, unless it never ends.
const LIFETIME_MAX: Duration = DAY.saturating_mul(3_650);

/// How long the secret before the last one is good unless its replacer says so.
const OVERLAP: Duration = DAY;

/// A token that is to be made.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Asked {
    pub(super) name: String,
    /// As what; `None` for what its maker is.
    pub(super) role: Option<Role>,
    /// For what alone; `None` for everything that its maker may.
    pub(super) scopes: Option<Vec<Permission>>,
    pub(super) governs: bool,
    /// For how long; `None` for ever.
    pub(super) expires_in: Option<Duration>,
    /// Where; `None` for where its maker is.
    pub(super) workspace: Option<WorkspaceId>,
}

impl Asked {
    /// Reads what is asked.
    ///
    /// # Errors
    /// All that is wrong with it.
    pub(super) fn read(json: Value) -> Result<Self, Problem> {
        let never_ends = never_ends(&json);
        let mut fields = Fields::of_json(json)?;
        if !fields.has("name") {
            fields.refuse("name", "needed");
        }
        let name = fields.text("name", NAME_MAX);
        let role = fields.choice("role", Role::ALL, Role::name);
        let scopes = scopes(&mut fields);
        let governs = fields.flag("governs");
        let expires_in = fields.duration("expires_in", LIFETIME_MAX);
        let workspace = workspace(&mut fields);
        fields.finish()?;
        let name = name.ok_or_else(|| Problem::field("/name", "needed"))?;
        let expires_in = if never_ends { None } else { Some(expires_in.unwrap_or(LIFETIME)) };
        Ok(Self { name, role, scopes, governs, expires_in, workspace })
    }
}

/// A new secret that a token is to have.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Rotation {
    /// How long the present one is good beside it.
    pub(super) overlap: Duration,
    /// For how long the token is good from now on, or for ever; `None` leaves its end where it is.
    pub(super) expires_in: Option<Option<Duration>>,
}

impl Rotation {
    /// Reads what is asked; nothing needs to be.
    ///
    /// # Errors
    /// All that is wrong with it.
    pub(super) async fn read(app: &App, request: Request) -> Result<Self, Problem> {
        let mut fields = optional_fields(app, request).await?;
        let overlap =
            match fields.change("overlap", |fields, name| fields.duration(name, OVERLAP_MAX)) {
                None => OVERLAP,
                Some(overlap) => overlap.unwrap_or(OVERLAP),
            };
        let expires_in =
            fields.change("expires_in", |fields, name| fields.duration(name, LIFETIME_MAX));
        fields.finish()?;
        Ok(Self { overlap, expires_in })
    }
}

/// What a token is good for.
#[derive(Debug)]
pub(super) struct Powers<'a> {
    pub(super) role: Role,
    pub(super) governs: bool,
    /// Empty for all that the role gives.
    pub(super) scopes: &'a [Permission],
}

impl Powers<'_> {
    /// In what it goes beyond `maker`, if it does.
    pub(super) fn beyond(&self, maker: &Principal) -> Option<String> {
        if self.role > maker.role {
            return Some(format!("a token is at most what its maker is, {}", maker.role.name()));
        }
        if self.governs && !maker.governs {
            return Some("only who governs the installation makes tokens that do".to_owned());
        }
        let own = maker.scopes.as_deref()?;
        if self.scopes.is_empty() {
            return Some("a token with scopes makes none without".to_owned());
        }
        let more = self.scopes.iter().find(|scope| !own.contains(scope))?;
        Some(format!("its maker lacks the scope {}", more.name()))
    }
}

/// Whether the end is said to be `null`, which is not the same as nothing said.
fn never_ends(json: &Value) -> bool {
    json.get("expires_in").is_some_and(Value::is_null)
}

fn workspace(fields: &mut Fields) -> Option<WorkspaceId> {
    let value = fields.take("workspace_id")?;
    let id = value.as_str().and_then(|text| WorkspaceId::parse(text).ok());
    if id.is_none() {
        fields.refuse("workspace_id", "expected the id of a workspace");
    }
    id
}

/// Reads the only permissions that a token is to have.
fn scopes(fields: &mut Fields) -> Option<Vec<Permission>> {
    let Value::Array(items) = fields.take("scopes")? else {
        fields.refuse("scopes", "expected a list of permissions");
        return None;
    };
    if !(1..=Permission::ALL.len()).contains(&items.len()) {
        let most = Permission::ALL.len();
        let detail =
            format!("expected 1 to {most} permissions; without any, it has all of its role");
        fields.refuse("scopes", detail);
        return None;
    }
    let mut scopes = Vec::new();
    for (index, item) in items.iter().enumerate() {
        match item.as_str().and_then(Permission::from_name) {
            Some(scope) if scopes.contains(&scope) => {}
            Some(scope) => scopes.push(scope),
            None => {
                let names: Vec<_> = Permission::ALL.iter().map(|scope| scope.name()).collect();
                let detail = format!("expected one of {}", names.join(", "));
                fields.refuse_at(&format!("/scopes/{index}"), detail);
            }
        }
    }
    Some(scopes)
}

#[cfg(test)]
mod tests {
    use hansard_domain::access::Actor;
    use serde_json::json;

    use super::*;

    #[test]
    fn a_token_ends_unless_it_is_said_not_to() {
        let ends = |json: Value| Asked::read(json).unwrap().expires_in;

        assert_eq!(ends(json!({"name": "ci"})), Some(DAY * 90));
        assert_eq!(ends(json!({"name": "ci", "expires_in": "36h"})), Some(DAY + DAY / 2));
        assert_eq!(ends(json!({"name": "ci", "expires_in": null})), None);
    }

    #[test]
    fn all_that_is_wrong_is_told_at_once() {
        let wrong = json!({
            "name": "", "role": "owner", "scopes": ["recordings:read", "all"], "governs": "yes",
            "expires_in": 90, "workspace_id": "default", "color": 1,
        });
        let problem = Asked::read(wrong).unwrap_err();

        let pointers: Vec<_> =
            problem.field_problems().iter().map(|field| field.pointer.as_str()).collect();
        assert_eq!(
            pointers,
            ["/name", "/role", "/scopes/1", "/governs", "/expires_in", "/workspace_id", "/color"]
        );
        for wrong in [
            json!({}),
            json!({"name": "a", "scopes": []}),
            json!({"name": "a", "expires_in": "9999999d"}),
        ] {
            assert!(Asked::read(wrong.clone()).is_err(), "{wrong}");
        }
    }

    #[test]
    fn nobody_gives_more_than_they_have() {
        let scopes = [Permission::ReadRecordings, Permission::OwnAccount];
        let maker = |role, governs, scopes: Option<&[Permission]>| Principal {
            actor: Actor::Local,
            workspace: WorkspaceId::from_parts(0, 1),
            role,
            governs,
            scopes: scopes.map(<[_]>::to_vec),
        };
        let is_more = |maker: &Principal, role, governs, scopes: &[Permission]| {
            Powers { role, governs, scopes }.beyond(maker).is_some()
        };
        let editor = maker(Role::Editor, false, None);
        let governor = maker(Role::Admin, true, None);
        let scoped = maker(Role::Editor, false, Some(&scopes));

        assert!(!is_more(&editor, Role::Editor, false, &[]));
        assert!(is_more(&editor, Role::Admin, false, &[]));
        assert!(is_more(&editor, Role::Viewer, true, &scopes));
        assert!(!is_more(&governor, Role::Admin, true, &[]));
        assert!(!is_more(&scoped, Role::Viewer, false, &scopes[..1]));
        assert!(is_more(&scoped, Role::Viewer, false, &[]));
        assert!(is_more(&scoped, Role::Viewer, false, &[Permission::WriteRecordings]));
    }
}
