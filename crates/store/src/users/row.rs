//! Users as they stand in their rows.

use hansard_domain::access::Role;
use hansard_domain::id::{Id, UserId, WorkspaceId};
use hansard_domain::time::Timestamp;
use sqlx::FromRow;

use super::User;
use crate::Error;

/// The columns of [`UserRow`]: of the table `users`, under their own names.
macro_rules! user_columns {
    () => {
        "users.serial, users.id, users.external_id, users.email, users.username, users.name, users.role, \
         users.role_is_local, users.workspace_id, users.password_hash IS NOT NULL AS has_password, users.revocations, \
         users.disabled_at_us, users.erasing_at_us, users.last_seen_us, users.created_at_us, users.updated_at_us"
    };
}
pub(crate) use user_columns;

#[derive(FromRow)]
pub(crate) struct UserRow {
    serial: i64,
    id: String,
    external_id: Option<String>,
    email: Option<String>,
    username: Option<String>,
    name: Option<String>,
    role: String,
    role_is_local: bool,
    workspace_id: String,
    has_password: bool,
    revocations: i64,
    disabled_at_us: Option<i64>,
    erasing_at_us: Option<i64>,
    last_seen_us: Option<i64>,
    created_at_us: i64,
    updated_at_us: i64,
}

impl UserRow {
    pub(crate) fn read(self) -> Result<User, Error> {
        let id = self.id;
        let corrupt = |what: &str| Error::Corrupt {
            table: "users",
            id: id.clone(),
            reason: format!("its {what} cannot be read"),
        };
        Ok(User {
            serial: self.serial,
            external_id: self.external_id,
            email: self.email,
            username: self.username,
            name: self.name,
            role: Role::from_name(&self.role).ok_or_else(|| corrupt("role"))?,
            role_is_local: self.role_is_local,
            workspace: WorkspaceId::parse(&self.workspace_id).map_err(|_| corrupt("workspace"))?,
            has_password: self.has_password,
            revocations: self.revocations,
            disabled_at: self.disabled_at_us.map(Timestamp::from_micros),
            erasing_at: self.erasing_at_us.map(Timestamp::from_micros),
            last_seen_at: self.last_seen_us.map(Timestamp::from_micros),
            created_at: Timestamp::from_micros(self.created_at_us),
            updated_at: Timestamp::from_micros(self.updated_at_us),
            id: UserId::parse(&id).map_err(|_| corrupt("id"))?,
        })
    }
}
