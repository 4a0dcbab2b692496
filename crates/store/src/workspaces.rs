//! Workspaces, and who belongs to them.
//!
//! A personal workspace comes with its user and goes with it; nobody else belongs to it. On PostgreSQL memberships of a
//! workspace change under a lock on its row, so that of two admins who leave at once one stays. Whoever locks a user as well
//! does so first.

use hansard_domain::access::Role;
use hansard_domain::audit::AuditKind;
use hansard_domain::id::{Id, UserId, WorkspaceId};
use hansard_domain::time::Timestamp;
use serde_json::json;
use sqlx::FromRow;

use crate::audit::{self, By, NewAudit};
use crate::backend::{Conn, run, statements};
use crate::jobs::Page;
use crate::{Clock, Error, Store, text, users};

/// Users who may belong to one workspace.
pub const MEMBERS_MAX: u32 = 1000;

/// Workspaces that one user may belong to.
pub const MEMBERSHIPS_MAX: u32 = 1000;

/// What stands in `kind`.
const PERSONAL: &str = "personal";
const SHARED: &str = "shared";

macro_rules! workspace_columns {
    () => {
        "workspaces.id, workspaces.name, workspaces.kind, workspaces.created_at_us"
    };
}

statements! {
    INSERT = "INSERT INTO workspaces (id, name, kind, created_at_us) VALUES ($1, $2, $3, $4)";
    FIND = "SELECT " (workspace_columns) " FROM workspaces WHERE id = $1";
    LOCK = sqlite "SELECT " (workspace_columns) " FROM workspaces WHERE id = $1",
        postgres "SELECT " (workspace_columns) " FROM workspaces WHERE id = $1 FOR NO KEY UPDATE";
    RENAME = "UPDATE workspaces SET name = $2 WHERE id = $1";
    OF_USER = "SELECT memberships.role, " (workspace_columns) " FROM memberships \
        JOIN workspaces ON workspaces.id = memberships.workspace_id WHERE memberships.user_id = $1 \
        ORDER BY workspaces.serial LIMIT $2";
    /// Of the kind `$1`, or of either where that is null.
    PAGE = "SELECT workspaces.serial, " (workspace_columns) " FROM workspaces \
        WHERE serial < $2 AND (CAST($1 AS TEXT) IS NULL OR kind = $1) ORDER BY serial DESC LIMIT $3";
    MEMBERS = "SELECT users.id, users.name, users.email, memberships.role, memberships.created_at_us FROM memberships \
        JOIN users ON users.id = memberships.user_id WHERE memberships.workspace_id = $1 ORDER BY users.serial LIMIT $2";
    ROLE = "SELECT role FROM memberships WHERE workspace_id = $1 AND user_id = $2";
    /// How many belong to a workspace, and how many workspaces a user belongs to.
    COUNTS = "SELECT (SELECT COUNT(*) FROM memberships WHERE workspace_id = $1), \
        (SELECT COUNT(*) FROM memberships WHERE user_id = $2)";
    /// An admin who may not come in is none.
    OTHER_ADMINS = "SELECT COUNT(*) FROM memberships JOIN users ON users.id = memberships.user_id \
        WHERE memberships.workspace_id = $1 AND memberships.user_id <> $2 AND memberships.role = 'admin' \
        AND users.disabled_at_us IS NULL";
    JOIN = "INSERT INTO memberships (workspace_id, user_id, role, created_at_us) VALUES ($1, $2, $3, $4) \
        ON CONFLICT (workspace_id, user_id) DO UPDATE SET role = excluded.role";
    LEAVE = "DELETE FROM memberships WHERE workspace_id = $1 AND user_id = $2";
    HAS_ADMIN = "SELECT COUNT(*) FROM memberships WHERE workspace_id = $1 AND role = 'admin'";
}

/// A workspace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Workspace {
    /// Its name in the store.
    pub id: WorkspaceId,
    /// Its name for people.
    pub name: String,
    /// Whether it is one user's own, and takes no further members.
    pub is_personal: bool,
    /// When it was made.
    pub created_at: Timestamp,
}

/// Somebody who belongs to a workspace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Who.
    pub user: UserId,
    /// The user's name, for people.
    pub name: Option<String>,
    /// The user's e-mail address.
    pub email: Option<String>,
    /// What the user is there.
    pub role: Role,
    /// Since when.
    pub created_at: Timestamp,
}

/// What came of an attempt to change who belongs to a workspace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MemberSet {
    /// It is as was wished.
    Done,
    /// There is no such workspace, user or member.
    Missing,
    /// Nobody else is an admin of the workspace.
    LastAdmin,
    /// The workspace is somebody else's own.
    Personal,
}

#[derive(FromRow)]
struct WorkspaceRow {
    id: String,
    name: String,
    kind: String,
    created_at_us: i64,
}

impl WorkspaceRow {
    fn read(self) -> Result<Workspace, Error> {
        let id = WorkspaceId::parse(&self.id).map_err(|_| corrupt(&self.id, "id"))?;
        let is_personal = match self.kind.as_str() {
            PERSONAL => true,
            SHARED => false,
            _ => return Err(corrupt(&self.id, "kind")),
        };
        let created_at = Timestamp::from_micros(self.created_at_us);
        Ok(Workspace { id, name: self.name, is_personal, created_at })
    }
}

#[derive(FromRow)]
struct MembershipRow {
    role: String,
    #[sqlx(flatten)]
    workspace: WorkspaceRow,
}

#[derive(FromRow)]
struct ListedRow {
    serial: i64,
    #[sqlx(flatten)]
    workspace: WorkspaceRow,
}

/// What stands in `kind` of a workspace that is or is not one user's own.
const fn kind(is_personal: bool) -> &'static str {
    if is_personal { PERSONAL } else { SHARED }
}

fn corrupt(id: &str, what: &str) -> Error {
    Error::Corrupt {
        table: "workspaces",
        id: id.to_owned(),
        reason: format!("its {what} cannot be read"),
    }
}

/// The role with this name in a row about `workspace`.
pub(crate) fn read_role(workspace: &str, name: &str) -> Result<Role, Error> {
    Role::from_name(name).ok_or_else(|| corrupt(workspace, "member's role"))
}

async fn insert(
    conn: &mut Conn<'_>,
    clock: &Clock,
    name: &str,
    kind: &str,
) -> Result<WorkspaceId, Error> {
    let (id, now): (WorkspaceId, _) = (clock.id(), clock.now().as_micros());
    run!(conn, execute, INSERT, id.as_str(), name, kind, now)?;
    Ok(id)
}

/// Makes the workspace of a new user, who [belongs](join) to it as soon as there is one.
pub(crate) async fn insert_personal(
    conn: &mut Conn<'_>,
    clock: &Clock,
    name: &str,
) -> Result<WorkspaceId, Error> {
    insert(conn, clock, name, PERSONAL).await
}

/// Makes `user` belong to `workspace` as `role`.
pub(crate) async fn join(
    conn: &mut Conn<'_>,
    clock: &Clock,
    workspace: &WorkspaceId,
    user: &UserId,
    role: Role,
) -> Result<(), Error> {
    let now = clock.now().as_micros();
    run!(conn, execute, JOIN, workspace.as_str(), user.as_str(), role.name(), now).map(drop)
}

/// Makes `user`, an administrator of the installation, admin of `home` if that has none: it holds what was made before there
/// was a login.
pub(crate) async fn take_home(
    conn: &mut Conn<'_>,
    clock: &Clock,
    home: &WorkspaceId,
    user: &UserId,
    by: &By,
) -> Result<(), Error> {
    lock(conn, home).await?;
    let (admins,) = run!(&mut *conn, fetch_one::<(i64,)>, HAS_ADMIN, home.as_str())?;
    if admins > 0 {
        return Ok(());
    }
    join(conn, clock, home, user, Role::Admin).await?;
    let added = entry(AuditKind::MemberAdded, home, user, Some(Role::Admin));
    audit::write(conn, clock, by, added).await
}

/// The workspace `id`, locked until the transaction ends. Whoever puts something into it does not wait.
pub(crate) async fn lock(
    conn: &mut Conn<'_>,
    id: &WorkspaceId,
) -> Result<Option<Workspace>, Error> {
    let row = run!(conn, fetch_optional::<WorkspaceRow>, LOCK, id.as_str())?;
    row.map(WorkspaceRow::read).transpose()
}

/// What `user` is in `workspace`.
pub(crate) async fn role(
    conn: &mut Conn<'_>,
    workspace: &WorkspaceId,
    user: &UserId,
) -> Result<Option<Role>, Error> {
    let row = run!(conn, fetch_optional::<(String,)>, ROLE, workspace.as_str(), user.as_str())?;
    row.map(|(role,)| read_role(workspace.as_str(), &role)).transpose()
}

/// Whether `workspace`, which is locked, has an admin besides `user`.
async fn has_other_admin(
    conn: &mut Conn<'_>,
    workspace: &WorkspaceId,
    user: &UserId,
) -> Result<bool, Error> {
    let (workspace, user) = (workspace.as_str(), user.as_str());
    let (admins,) = run!(conn, fetch_one::<(i64,)>, OTHER_ADMINS, workspace, user)?;
    Ok(admins > 0)
}

/// What a change of `user` in `workspace` is written into the log as.
fn entry(kind: AuditKind, workspace: &WorkspaceId, user: &UserId, role: Option<Role>) -> NewAudit {
    let data = json!({ "user_id": user.as_str(), "role": role.map(Role::name) });
    NewAudit::done(kind).about(user).within(workspace).with(&data)
}

/// Makes `user`, who may be held, a member of `workspace` as `role`, and says so in the log.
async fn set(
    conn: &mut Conn<'_>,
    clock: &Clock,
    workspace: &Workspace,
    user: &UserId,
    wanted: Role,
    by: &By,
) -> Result<MemberSet, Error> {
    let id = &workspace.id;
    let kind = match role(conn, id, user).await? {
        Some(role) if role == wanted => return Ok(MemberSet::Done),
        Some(Role::Admin) if !has_other_admin(conn, id, user).await? => {
            return Ok(MemberSet::LastAdmin);
        }
        Some(_) => AuditKind::MemberChanged,
        None if workspace.is_personal => return Ok(MemberSet::Personal),
        None => {
            let counts =
                run!(&mut *conn, fetch_one::<(i64, i64)>, COUNTS, id.as_str(), user.as_str())?;
            if counts.0 >= i64::from(MEMBERS_MAX) || counts.1 >= i64::from(MEMBERSHIPS_MAX) {
                let reason = format!(
                    "a workspace has at most {MEMBERS_MAX} members, and a user {MEMBERSHIPS_MAX} workspaces"
                );
                return Err(Error::Invalid(reason));
            }
            AuditKind::MemberAdded
        }
    };
    join(conn, clock, id, user, wanted).await?;
    audit::write(conn, clock, by, entry(kind, id, user, Some(wanted))).await?;
    Ok(MemberSet::Done)
}

impl Store {
    /// Makes a workspace, of which `owner` is the admin; `None` if there is no such user.
    ///
    /// # Errors
    /// [`Error::Invalid`] for what is no name and an owner who belongs to [`MEMBERSHIPS_MAX`] already, or where
    /// the database cannot be written.
    pub async fn create_workspace(
        &self,
        name: &str,
        owner: &UserId,
        by: &By,
    ) -> Result<Option<Workspace>, Error> {
        text::check_name("name", name)?;
        let (clock, by) = (self.clock().clone(), by.clone());
        let (name, owner) = (name.to_owned(), owner.clone());
        self.write(move |conn| {
            Box::pin(async move {
                if users::hold(conn, &owner).await?.is_none() {
                    return Ok(None);
                }
                let id = insert(conn, &clock, &name, SHARED).await?;
                let created = NewAudit::done(AuditKind::WorkspaceCreated).about(&id).within(&id);
                audit::write(conn, &clock, &by, created).await?;
                let workspace = Workspace { id, name, is_personal: false, created_at: clock.now() };
                set(conn, &clock, &workspace, &owner, Role::Admin, &by).await?;
                Ok(Some(workspace))
            })
        })
        .await
    }

    /// The workspace `id`, if there is one.
    ///
    /// # Errors
    /// Where the database cannot be read.
    pub async fn find_workspace(&self, id: &WorkspaceId) -> Result<Option<Workspace>, Error> {
        let mut reader = self.reader().await?;
        let row = run!(&mut reader.conn(), fetch_optional::<WorkspaceRow>, FIND, id.as_str())?;
        row.map(WorkspaceRow::read).transpose()
    }

    /// The workspaces that `user` belongs to, oldest first, and what the user is there: at most [`MEMBERSHIPS_MAX`].
    ///
    /// # Errors
    /// Where the database cannot be read.
    pub async fn workspaces_of(&self, user: &UserId) -> Result<Vec<(Workspace, Role)>, Error> {
        let mut reader = self.reader().await?;
        let limit = i64::from(MEMBERSHIPS_MAX);
        let rows =
            run!(&mut reader.conn(), fetch_all::<MembershipRow>, OF_USER, user.as_str(), limit)?;
        let read = |row: MembershipRow| {
            let role = read_role(&row.workspace.id, &row.role)?;
            Ok((row.workspace.read()?, role))
        };
        rows.into_iter().map(read).collect()
    }

    /// The workspaces of the installation, newest first, from below the serial `before` on: all, or those that are personal, or
    /// those that are not.
    ///
    /// # Errors
    /// Where the database cannot be read.
    pub async fn page_workspaces(
        &self,
        is_personal: Option<bool>,
        before: Option<i64>,
        limit: u32,
    ) -> Result<Page<Workspace>, Error> {
        let mut reader = self.reader().await?;
        let (kind, before) = (is_personal.map(kind), before.unwrap_or(i64::MAX));
        let count = i64::from(limit) + 1;
        let rows = run!(&mut reader.conn(), fetch_all::<ListedRow>, PAGE, kind, before, count)?;
        let Page { items, next } = Page::cut(rows, limit, |row| row.serial);
        let items = items.into_iter().map(|row| row.workspace.read()).collect::<Result<_, _>>()?;
        Ok(Page { items, next })
    }

    /// Gives workspace `id` another name for people; `false` if there is none.
    ///
    /// # Errors
    /// [`Error::Invalid`] for what is no name, or where the database cannot be written.
    pub async fn rename_workspace(
        &self,
        id: &WorkspaceId,
        name: &str,
        by: &By,
    ) -> Result<bool, Error> {
        text::check_name("name", name)?;
        let (clock, by) = (self.clock().clone(), by.clone());
        let (name, id) = (name.to_owned(), id.clone());
        self.write(move |conn| {
            Box::pin(async move {
                if run!(&mut *conn, execute, RENAME, id.as_str(), &name)? == 0 {
                    return Ok(false);
                }
                let entry = NewAudit::done(AuditKind::WorkspaceRenamed).about(&id).within(&id);
                audit::write(conn, &clock, &by, entry).await?;
                Ok(true)
            })
        })
        .await
    }

    /// Who belongs to `workspace`, oldest user first: at most [`MEMBERS_MAX`].
    ///
    /// # Errors
    /// Where the database cannot be read.
    pub async fn members(&self, workspace: &WorkspaceId) -> Result<Vec<Member>, Error> {
        type Row = (String, Option<String>, Option<String>, String, i64);
        let mut reader = self.reader().await?;
        let (id, limit) = (workspace.as_str(), i64::from(MEMBERS_MAX));
        let rows = run!(&mut reader.conn(), fetch_all::<Row>, MEMBERS, id, limit)?;
        let read = |(user, name, email, role, created_at_us): Row| {
            let user = UserId::parse(&user).map_err(|_| corrupt(id, "member"))?;
            let created_at = Timestamp::from_micros(created_at_us);
            Ok(Member { user, name, email, role: read_role(id, &role)?, created_at })
        };
        rows.into_iter().map(read).collect()
    }

    /// Makes `user` belong to `workspace` as `role`, whether or not the user did before.
    ///
    /// # Errors
    /// [`Error::Invalid`] beyond [`MEMBERS_MAX`] and [`MEMBERSHIPS_MAX`], or where the database cannot be written.
    pub async fn set_member(
        &self,
        workspace: &WorkspaceId,
        user: &UserId,
        role: Role,
        by: &By,
    ) -> Result<MemberSet, Error> {
        let (clock, by) = (self.clock().clone(), by.clone());
        let (workspace, user) = (workspace.clone(), user.clone());
        self.write(move |conn| {
            Box::pin(async move {
                if users::hold(conn, &user).await?.is_none() {
                    return Ok(MemberSet::Missing);
                }
                let Some(workspace) = lock(conn, &workspace).await? else {
                    return Ok(MemberSet::Missing);
                };
                set(conn, &clock, &workspace, &user, role, &by).await
            })
        })
        .await
    }

    /// Makes `user` no longer belong to `workspace`.
    ///
    /// # Errors
    /// Where the database cannot be written.
    pub async fn remove_member(
        &self,
        workspace: &WorkspaceId,
        user: &UserId,
        by: &By,
    ) -> Result<MemberSet, Error> {
        let (clock, by) = (self.clock().clone(), by.clone());
        let (workspace, user) = (workspace.clone(), user.clone());
        self.write(move |conn| {
            Box::pin(async move {
                lock(conn, &workspace).await?;
                match role(conn, &workspace, &user).await? {
                    None => return Ok(MemberSet::Missing),
                    Some(Role::Admin) if !has_other_admin(conn, &workspace, &user).await? => {
                        return Ok(MemberSet::LastAdmin);
                    }
                    Some(_) => {}
                }
                run!(&mut *conn, execute, LEAVE, workspace.as_str(), user.as_str())?;
                let removed = entry(AuditKind::MemberRemoved, &workspace, &user, None);
                audit::write(conn, &clock, &by, removed).await?;
                Ok(MemberSet::Done)
            })
        })
        .await
    }

    /// What `user` is in `workspace`; `None` for whoever does not belong to it.
    ///
    /// # Errors
    /// Where the database cannot be read.
    pub async fn role_in(
        &self,
        workspace: &WorkspaceId,
        user: &UserId,
    ) -> Result<Option<Role>, Error> {
        role(&mut self.reader().await?.conn(), workspace, user).await
    }
}
