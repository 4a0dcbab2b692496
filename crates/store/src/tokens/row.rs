//! Tokens as they stand in their rows.

use hansard_domain::access::{Permission, Role};
use hansard_domain::id::{Id, TokenId, UserId, WorkspaceId};
use hansard_domain::time::Timestamp;
use sqlx::FromRow;

use super::{Token, TokenKind};
use crate::Error;

/// The columns of [`TokenRow`]. Those that a user has as well have other names.
macro_rules! token_columns {
    () => {
        "tokens.serial AS token_serial, tokens.id AS token_id, tokens.kind, tokens.jti, \
         tokens.workspace_id AS token_workspace_id, tokens.user_id, tokens.name AS token_name, tokens.role AS token_role, \
         tokens.governs, tokens.scopes, tokens.previous_until_us, tokens.expires_at_us, tokens.revoked_at_us, \
         tokens.first_used_us, tokens.last_used_us, tokens.created_by, tokens.created_at_us AS token_created_us"
    };
}
pub(crate) use token_columns;

#[derive(FromRow)]
pub(crate) struct TokenRow {
    token_serial: i64,
    token_id: String,
    kind: String,
    jti: Option<String>,
    token_workspace_id: Option<String>,
    user_id: Option<String>,
    token_name: String,
    token_role: String,
    governs: bool,
    scopes: String,
    previous_until_us: Option<i64>,
    expires_at_us: Option<i64>,
    revoked_at_us: Option<i64>,
    first_used_us: Option<i64>,
    last_used_us: Option<i64>,
    created_by: Option<String>,
    token_created_us: i64,
}

impl TokenRow {
    pub(crate) fn read(self) -> Result<Token, Error> {
        let id = self.token_id;
        let corrupt = |what: &str| Error::Corrupt {
            table: "tokens",
            id: id.clone(),
            reason: format!("its {what} cannot be read"),
        };
        let workspace = self.token_workspace_id.as_deref().map(WorkspaceId::parse).transpose();
        let user = self.user_id.as_deref().map(UserId::parse).transpose();
        Ok(Token {
            serial: self.token_serial,
            kind: TokenKind::from_name(&self.kind).ok_or_else(|| corrupt("kind"))?,
            jti: self.jti,
            workspace: workspace.map_err(|_| corrupt("workspace"))?,
            user: user.map_err(|_| corrupt("user"))?,
            name: self.token_name,
            role: Role::from_name(&self.token_role).ok_or_else(|| corrupt("role"))?,
            governs: self.governs,
            scopes: read_scopes(&self.scopes).ok_or_else(|| corrupt("scopes"))?,
            previous_until: self.previous_until_us.map(Timestamp::from_micros),
            expires_at: self.expires_at_us.map(Timestamp::from_micros),
            revoked_at: self.revoked_at_us.map(Timestamp::from_micros),
            first_used_at: self.first_used_us.map(Timestamp::from_micros),
            last_used_at: self.last_used_us.map(Timestamp::from_micros),
            created_by: self.created_by,
            created_at: Timestamp::from_micros(self.token_created_us),
            id: TokenId::parse(&id).map_err(|_| corrupt("id"))?,
        })
    }
}

/// As they stand in the row.
pub(super) fn write_scopes(scopes: &[Permission]) -> String {
    let names: Vec<_> = scopes.iter().map(|scope| scope.name()).collect();
    serde_json::json!(names).to_string()
}

/// One that is unknown makes the token unreadable: to leave it out could leave none, which means all.
fn read_scopes(text: &str) -> Option<Vec<Permission>> {
    let names: Vec<String> = serde_json::from_str(text).ok()?;
    names.iter().map(|name| Permission::from_name(name)).collect()
}
