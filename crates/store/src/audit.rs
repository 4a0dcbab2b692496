//! The audit log: who did what, and what was refused.
//!
//! A change of who may do what writes its entry in its own transaction. Entries hold ids only, never a name, an e-mail, a path
//! or a secret.

use std::net::IpAddr;

use hansard_domain::access::Actor;
use hansard_domain::audit::{AuditKind, Outcome};
use hansard_domain::id::{AuditId, Id, RequestId, TokenId, UserId, WorkspaceId};
use hansard_domain::job::Visibility;
use hansard_domain::time::Timestamp;
use serde_json::json;
use sqlx::FromRow;

use crate::backend::{Conn, run, statements};
use crate::jobs::Page;
use crate::{Clock, Error, Store, text};

macro_rules! audit_columns {
    () => {
        "serial, id, workspace_id, kind, outcome, actor_kind, actor_id, subject_id, code, address, request_id, data, \
         created_at_us"
    };
}

statements! {
    INSERT = "INSERT INTO audit_log (id, workspace_id, kind, outcome, actor_kind, actor_id, subject_id, code, address, \
        request_id, data, created_at_us) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)";
    PAGE = "SELECT " (audit_columns) " FROM audit_log WHERE serial < $2 \
        AND (CAST($1 AS TEXT) IS NULL OR workspace_id = $1) AND (CAST($3 AS TEXT) IS NULL OR kind = $3) \
        AND (CAST($4 AS TEXT) IS NULL OR actor_id = $4) AND (CAST($5 AS TEXT) IS NULL OR subject_id = $5) \
        AND created_at_us >= $6 AND created_at_us < $7 ORDER BY serial DESC LIMIT $8";
    /// The same where one of these is named: SQLite looks for an index before it knows what is bound.
    PAGE_OF_WORKSPACE = "SELECT " (audit_columns) " FROM audit_log WHERE serial < $2 \
        AND workspace_id = $1 AND (CAST($3 AS TEXT) IS NULL OR kind = $3) \
        AND (CAST($4 AS TEXT) IS NULL OR actor_id = $4) AND (CAST($5 AS TEXT) IS NULL OR subject_id = $5) \
        AND created_at_us >= $6 AND created_at_us < $7 ORDER BY serial DESC LIMIT $8";
    PAGE_OF_ACTOR = "SELECT " (audit_columns) " FROM audit_log WHERE serial < $2 \
        AND (CAST($1 AS TEXT) IS NULL OR workspace_id = $1) AND (CAST($3 AS TEXT) IS NULL OR kind = $3) \
        AND actor_id = $4 AND (CAST($5 AS TEXT) IS NULL OR subject_id = $5) \
        AND created_at_us >= $6 AND created_at_us < $7 ORDER BY serial DESC LIMIT $8";
    PAGE_ABOUT = "SELECT " (audit_columns) " FROM audit_log WHERE serial < $2 \
        AND (CAST($1 AS TEXT) IS NULL OR workspace_id = $1) AND (CAST($3 AS TEXT) IS NULL OR kind = $3) \
        AND (CAST($4 AS TEXT) IS NULL OR actor_id = $4) AND subject_id = $5 \
        AND created_at_us >= $6 AND created_at_us < $7 ORDER BY serial DESC LIMIT $8";
}

/// On whose behalf something is done, and where the wish came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct By {
    /// Who.
    pub actor: ActorRef,
    /// The client's address.
    pub address: Option<IpAddr>,
    /// The request.
    pub request: Option<RequestId>,
}

/// An actor, as the audit log keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActorRef {
    /// What it is: `user`, `token`, `static_key`, `secret`, `local`, `command_line`, `anonymous` or `system`.
    pub kind: &'static str,
    /// The id of the user or token; the name of the setting or system whose key or secret it is; `None` for the others.
    pub id: Option<String>,
}

impl ActorRef {
    /// Whoever uses the command line of the server's machine.
    pub const COMMAND_LINE: Self = Self { kind: "command_line", id: None };
    /// Whoever asks without valid credentials.
    pub const ANONYMOUS: Self = Self { kind: "anonymous", id: None };
    /// Hansard itself.
    pub const SYSTEM: Self = Self { kind: "system", id: None };

    /// What objects keep as their creator.
    pub(crate) fn creator(&self) -> Option<&str> {
        let id = self.id.as_deref();
        id.filter(|id| UserId::parse(id).is_ok() || TokenId::parse(id).is_ok())
    }
}

impl From<&Actor> for ActorRef {
    fn from(actor: &Actor) -> Self {
        let (kind, id) = match actor {
            Actor::Local => ("local", None),
            Actor::StaticKey(name) => ("static_key", Some(*name)),
            Actor::Secret(name) => ("secret", Some(*name)),
            Actor::User(user) => ("user", Some(user.as_str())),
            Actor::Token { id, .. } => ("token", Some(id.as_str())),
        };
        Self { kind, id: id.map(str::to_owned) }
    }
}

impl By {
    /// An actor of whom neither address nor request is known.
    pub const fn actor(actor: ActorRef) -> Self {
        Self { actor, address: None, request: None }
    }
}

/// Something to be written into the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewAudit {
    /// What was done.
    pub kind: AuditKind,
    /// How it ended.
    pub outcome: Outcome,
    /// Whose admins may read it; `None` for the installation's alone.
    pub workspace: Option<WorkspaceId>,
    /// The id of what it was done to.
    pub subject: Option<String>,
    /// Why it was refused, in a word that stays the same.
    pub code: Option<String>,
    /// What else there is to know: a JSON object, as text. Ids, names of kinds and numbers only.
    pub data: String,
}

impl NewAudit {
    /// Something that was done.
    pub fn done(kind: AuditKind) -> Self {
        let data = "{}".to_owned();
        Self { kind, outcome: Outcome::Done, workspace: None, subject: None, code: None, data }
    }

    /// Something that was refused, and why.
    pub fn refused(kind: AuditKind, code: &str) -> Self {
        Self { outcome: Outcome::Refused, code: Some(code.to_owned()), ..Self::done(kind) }
    }

    /// The same, about `subject`.
    pub fn about(self, subject: &impl Id) -> Self {
        Self { subject: Some(subject.as_str().to_owned()), ..self }
    }

    /// The same, for the admins of `workspace` to read.
    pub fn within(self, workspace: &WorkspaceId) -> Self {
        Self { workspace: Some(workspace.clone()), ..self }
    }

    /// The same, with this JSON object.
    pub fn with(self, data: &serde_json::Value) -> Self {
        Self { data: data.to_string(), ..self }
    }
}

/// That `subject`, which `was` visible and is `now`, is visible to others; `None` if it is not.
pub(crate) fn visibility_changed(
    subject: &impl Id,
    workspace: &WorkspaceId,
    was: Visibility,
    now: Visibility,
) -> Option<NewAudit> {
    let entry = NewAudit::done(AuditKind::VisibilityChanged).about(subject).within(workspace);
    (was != now).then(|| entry.with(&json!({ "from": was.name(), "to": now.name() })))
}

/// An entry of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditEntry {
    /// Its number, unique among entries.
    pub serial: i64,
    /// Its name.
    pub id: AuditId,
    /// Whose admins may read it; `None` for the installation's alone.
    pub workspace: Option<WorkspaceId>,
    /// What was done.
    pub kind: AuditKind,
    /// How it ended.
    pub outcome: Outcome,
    /// What did it, as in [`ActorRef::kind`].
    pub actor_kind: String,
    /// Who did it, as in [`ActorRef::id`].
    pub actor: Option<String>,
    /// The id of what it was done to.
    pub subject: Option<String>,
    /// Why it was refused.
    pub code: Option<String>,
    /// The client's address; `None` once the user was erased.
    pub address: Option<String>,
    /// The request.
    pub request: Option<String>,
    /// What else there is to know: a JSON object, as text.
    pub data: String,
    /// When it was done.
    pub created_at: Timestamp,
}

/// Which entries to list.
#[derive(Debug, Clone, Default)]
pub struct AuditFilter {
    /// Only those of this kind.
    pub kind: Option<AuditKind>,
    /// Only those of this actor: the id of a user or token, or the name of a key.
    pub actor: Option<String>,
    /// Only those about what has this id.
    pub subject: Option<String>,
    /// Only those of this time or later.
    pub from: Option<Timestamp>,
    /// Only those before this time.
    pub before: Option<Timestamp>,
}

#[derive(FromRow)]
struct AuditRow {
    serial: i64,
    id: String,
    workspace_id: Option<String>,
    kind: String,
    outcome: String,
    actor_kind: String,
    actor_id: Option<String>,
    subject_id: Option<String>,
    code: Option<String>,
    address: Option<String>,
    request_id: Option<String>,
    data: String,
    created_at_us: i64,
}

impl AuditRow {
    fn read(self) -> Result<AuditEntry, Error> {
        let id = self.id;
        let corrupt = |what: &str| Error::Corrupt {
            table: "audit_log",
            id: id.clone(),
            reason: format!("its {what} cannot be read"),
        };
        let workspace = self.workspace_id.as_deref().map(WorkspaceId::parse).transpose();
        Ok(AuditEntry {
            serial: self.serial,
            workspace: workspace.map_err(|_| corrupt("workspace"))?,
            kind: AuditKind::from_name(&self.kind).ok_or_else(|| corrupt("kind"))?,
            outcome: Outcome::from_name(&self.outcome).ok_or_else(|| corrupt("outcome"))?,
            actor_kind: self.actor_kind,
            actor: self.actor_id,
            subject: self.subject_id,
            code: self.code,
            address: self.address,
            request: self.request_id,
            data: self.data,
            created_at: Timestamp::from_micros(self.created_at_us),
            id: AuditId::parse(&id).map_err(|_| corrupt("id"))?,
        })
    }
}

/// Writes `entry` in the transaction of what it tells of.
pub(crate) async fn write(
    conn: &mut Conn<'_>,
    clock: &Clock,
    by: &By,
    entry: NewAudit,
) -> Result<(), Error> {
    let id: AuditId = clock.id();
    run!(
        conn,
        execute,
        INSERT,
        id.as_str(),
        entry.workspace.as_ref().map(WorkspaceId::as_str),
        entry.kind.name(),
        entry.outcome.name(),
        by.actor.kind,
        by.actor.id.as_deref(),
        entry.subject.as_deref(),
        entry.code.as_deref(),
        by.address.map(|address| address.to_string()),
        by.request.as_ref().map(RequestId::as_str),
        &entry.data,
        clock.now().as_micros()
    )
    .map(drop)
}

impl Store {
    /// Writes into the log what no other method of the store has written with its change.
    ///
    /// # Errors
    /// [`Error::Invalid`] for text that no row can hold and data that are no JSON object, or where the database cannot be
    /// written.
    pub async fn audit(&self, entry: NewAudit, by: &By) -> Result<(), Error> {
        text::check("subject", entry.subject.as_deref())?;
        text::check("code", entry.code.as_deref())?;
        text::check_object("data", &entry.data)?;
        let (clock, by) = (self.clock().clone(), by.clone());
        self.write_apart(move |conn| Box::pin(async move { write(conn, &clock, &by, entry).await }))
            .await
    }

    /// Entries of the log that the admins of `workspace` may read, or all there are, newest first, from below the serial
    /// `before` on.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a filter that no row can match, or where the database cannot be read.
    pub async fn page_audit(
        &self,
        workspace: Option<&WorkspaceId>,
        filter: &AuditFilter,
        before: Option<i64>,
        limit: u32,
    ) -> Result<Page<AuditEntry>, Error> {
        text::check("actor", filter.actor.as_deref())?;
        text::check("subject", filter.subject.as_deref())?;
        let statement = match (&filter.subject, &filter.actor, workspace) {
            (Some(_), ..) => PAGE_ABOUT,
            (None, Some(_), _) => PAGE_OF_ACTOR,
            (None, None, Some(_)) => PAGE_OF_WORKSPACE,
            (None, None, None) => PAGE,
        };
        let mut reader = self.reader().await?;
        let rows = run!(
            &mut reader.conn(),
            fetch_all::<AuditRow>,
            statement,
            workspace.map(WorkspaceId::as_str),
            before.unwrap_or(i64::MAX),
            filter.kind.map(AuditKind::name),
            filter.actor.as_deref(),
            filter.subject.as_deref(),
            filter.from.map_or(i64::MIN, Timestamp::as_micros),
            filter.before.map_or(i64::MAX, Timestamp::as_micros),
            i64::from(limit) + 1
        )?;
        let found = rows.into_iter().map(AuditRow::read).collect::<Result<Vec<_>, _>>()?;
        Ok(Page::cut(found, limit, |entry| entry.serial))
    }
}
