//! Webhook endpoints: addresses that callers want events sent to, and the secrets that sign them.

use std::fmt;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hansard_domain::event::EventKind;
use hansard_domain::id::{EndpointId, Id, WorkspaceId};
use hansard_domain::time::Timestamp;
use sqlx::FromRow;

use crate::backend::{Conn, run, statements};
use crate::idempotency::{self, Earlier, RequestKey};
use crate::jobs::Page;
use crate::{Error, Store, deliveries, text};

/// Endpoints of one workspace. Every event is written once for each that subscribes to it.
pub const ENDPOINTS_MAX: u32 = 50;

/// How long the secret before the last one signs as well.
pub const PREVIOUS_SECRET_FOR: Duration = Duration::from_secs(24 * 60 * 60);

/// What a secret begins with, after Standard Webhooks.
const SECRET_PREFIX: &str = "whsec_";

/// Random bytes of a secret. Standard Webhooks asks for 24 to 64.
const SECRET_BYTES: usize = 32;

/// What stands in `disabled_reason`.
const BY_REQUEST: &str = "request";
const BY_RECEIVER: &str = "gone";

statements! {
    COUNT = "SELECT COUNT(*) FROM endpoints WHERE workspace_id = $1";
    INSERT = "INSERT INTO endpoints (id, workspace_id, url, description, kinds, secret, created_at_us, updated_at_us) \
        VALUES ($1, $2, $3, $4, $5, $6, $7, $7)";
    FIND = "SELECT serial, id, workspace_id, url, description, kinds, previous_until_us, disabled_at_us, disabled_reason, \
        created_at_us, updated_at_us FROM endpoints WHERE workspace_id = $1 AND id = $2";
    PAGE = "SELECT serial, id, workspace_id, url, description, kinds, previous_until_us, disabled_at_us, disabled_reason, \
        created_at_us, updated_at_us FROM endpoints WHERE workspace_id = $1 AND serial < $2 ORDER BY serial DESC LIMIT $3";
    /// Deliveries are written under a shared lock on their endpoint, and so are not while this one is held.
    LOCK = sqlite "SELECT id FROM endpoints WHERE workspace_id = $1 AND id = $2",
        postgres "SELECT id FROM endpoints WHERE workspace_id = $1 AND id = $2 FOR UPDATE";
    UPDATE = "UPDATE endpoints SET url = COALESCE($3, url), description = CASE WHEN $4 THEN $5 ELSE description END, \
        kinds = COALESCE($6, kinds), updated_at_us = $7 WHERE workspace_id = $1 AND id = $2";
    ROTATE = "UPDATE endpoints SET previous_secret = secret, previous_until_us = $4, secret = $3, updated_at_us = $5 \
        WHERE workspace_id = $1 AND id = $2";
    DISABLE = "UPDATE endpoints SET disabled_at_us = $2, disabled_reason = $3, updated_at_us = $2 \
        WHERE id = $1 AND disabled_at_us IS NULL";
    ENABLE = "UPDATE endpoints SET disabled_at_us = NULL, disabled_reason = NULL, updated_at_us = $2 \
        WHERE id = $1 AND disabled_at_us IS NOT NULL";
    /// Of the endpoint and of its test events.
    DELETE_KEYS = "DELETE FROM idempotency_keys \
        WHERE subject_id = $1 OR subject_id IN (SELECT id FROM deliveries WHERE endpoint_id = $1)";
    SECRET = "SELECT secret, previous_until_us, created_at_us FROM endpoints WHERE id = $1";
    DELETE = "DELETE FROM endpoints WHERE id = $1";
    TARGET = "SELECT url, secret, previous_secret, previous_until_us FROM endpoints WHERE id = $1";
}

/// A webhook endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// Its number, unique among endpoints.
    pub serial: i64,
    /// Its name.
    pub id: EndpointId,
    /// Whose it is.
    pub workspace: WorkspaceId,
    /// Where events are sent to.
    pub url: String,
    /// What it is for, for people.
    pub description: Option<String>,
    /// What it subscribes to; everything deliverable if this is empty.
    pub kinds: Vec<EventKind>,
    /// Until when the secret before the last one signs as well.
    pub previous_secret_until: Option<Timestamp>,
    /// Since when nothing is sent to it.
    pub disabled: Option<Disabled>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When something about it changed last.
    pub updated_at: Timestamp,
}

/// That an endpoint is disabled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Disabled {
    /// Since when.
    pub at: Timestamp,
    /// Whether the receiver asked for it, with `410 Gone`, and not its owner.
    pub by_receiver: bool,
}

/// An endpoint to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewEndpoint {
    /// Where events are to be sent to.
    pub url: String,
    /// What it is for, for people.
    pub description: Option<String>,
    /// What it subscribes to; everything deliverable if this is empty.
    pub kinds: Vec<EventKind>,
}

/// What is to change about an endpoint; `None` leaves a thing as it is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct EndpointChange {
    /// Where events are sent to.
    pub url: Option<String>,
    /// What it is for; `Some(None)` removes the text.
    pub description: Option<Option<String>>,
    /// What it subscribes to.
    pub kinds: Option<Vec<EventKind>>,
    /// Whether nothing is to be sent to it. Disabling cancels what waits for it.
    pub is_disabled: Option<bool>,
}

/// What signs the webhooks of an endpoint: `whsec_` and the base64 of its key. Never shown, not even by `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct EndpointSecret(String);

impl EndpointSecret {
    /// A new one.
    fn random() -> Self {
        let mut key = [0; SECRET_BYTES];
        getrandom::fill(&mut key).expect("the system has random numbers");
        Self(format!("{SECRET_PREFIX}{}", STANDARD.encode(key)))
    }

    /// The secret itself: for its owner, once, and for signing.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for EndpointSecret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("EndpointSecret(hidden)")
    }
}

/// What came of the wish for a secret: for a new endpoint, or in place of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Secured {
    /// The endpoint.
    pub endpoint: Endpoint,
    /// Its secret, to be shown now; `None` where the request is repeated and the endpoint has got another secret since.
    pub secret: Option<EndpointSecret>,
    /// Whether the request had been made before, and this is what came of it then.
    pub is_repeated: bool,
}

/// What is needed to send something to an endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Where to.
    pub url: String,
    /// What signs: the secret, and for a day the one before it.
    pub secrets: Vec<EndpointSecret>,
}

#[derive(FromRow)]
struct EndpointRow {
    serial: i64,
    id: String,
    workspace_id: String,
    url: String,
    description: Option<String>,
    kinds: String,
    previous_until_us: Option<i64>,
    disabled_at_us: Option<i64>,
    disabled_reason: Option<String>,
    created_at_us: i64,
    updated_at_us: i64,
}

impl EndpointRow {
    fn read(self) -> Result<Endpoint, Error> {
        let id = self.id;
        let corrupt = |what: &str| Error::Corrupt {
            table: "endpoints",
            id: id.clone(),
            reason: format!("its {what} cannot be read"),
        };
        let kinds = self.kinds.split_ascii_whitespace().map(EventKind::from_name);
        let by_receiver = self.disabled_reason.as_deref() == Some(BY_RECEIVER);
        let disabled = self.disabled_at_us.map(Timestamp::from_micros);
        Ok(Endpoint {
            serial: self.serial,
            workspace: WorkspaceId::parse(&self.workspace_id).map_err(|_| corrupt("workspace"))?,
            url: self.url,
            description: self.description,
            kinds: kinds.collect::<Option<_>>().ok_or_else(|| corrupt("kinds"))?,
            previous_secret_until: self.previous_until_us.map(Timestamp::from_micros),
            disabled: disabled.map(|at| Disabled { at, by_receiver }),
            created_at: Timestamp::from_micros(self.created_at_us),
            updated_at: Timestamp::from_micros(self.updated_at_us),
            id: EndpointId::parse(&id).map_err(|_| corrupt("id"))?,
        })
    }
}

/// As they stand in the row.
fn names(kinds: &[EventKind]) -> String {
    kinds.iter().map(|kind| kind.name()).collect::<Vec<_>>().join(" ")
}

/// The endpoint `id` of `workspace`.
pub(crate) async fn find(
    conn: &mut Conn<'_>,
    workspace: &WorkspaceId,
    id: &EndpointId,
) -> Result<Option<Endpoint>, Error> {
    let row = run!(conn, fetch_optional::<EndpointRow>, FIND, workspace.as_str(), id.as_str())?;
    row.map(EndpointRow::read).transpose()
}

/// Holds endpoint `id` as it is until the transaction ends; `false` if there is none.
pub(crate) async fn lock(
    conn: &mut Conn<'_>,
    workspace: &WorkspaceId,
    id: &EndpointId,
) -> Result<bool, Error> {
    let row = run!(conn, fetch_optional::<(String,)>, LOCK, workspace.as_str(), id.as_str())?;
    Ok(row.is_some())
}

/// What is needed to send something to endpoint `id`.
pub(crate) async fn target(
    conn: &mut Conn<'_>,
    id: &EndpointId,
    now: Timestamp,
) -> Result<Option<Target>, Error> {
    type Row = (String, String, Option<String>, Option<i64>);
    let row = run!(conn, fetch_optional::<Row>, TARGET, id.as_str())?;
    Ok(row.map(|(url, secret, previous, until)| {
        let is_valid = until.is_some_and(|until| now.as_micros() < until);
        let previous = previous.filter(|_| is_valid);
        let secrets = std::iter::once(secret).chain(previous).map(EndpointSecret).collect();
        Target { url, secrets }
    }))
}

/// Disables an endpoint whose receiver is gone, and cancels what waits for it.
pub(crate) async fn disable_gone(
    conn: &mut Conn<'_>,
    id: &EndpointId,
    now: Timestamp,
) -> Result<(), Error> {
    disable(conn, id, now, BY_RECEIVER).await
}

async fn disable(
    conn: &mut Conn<'_>,
    id: &EndpointId,
    now: Timestamp,
    reason: &str,
) -> Result<(), Error> {
    run!(conn, execute, DISABLE, id.as_str(), now.as_micros(), reason)?;
    deliveries::cancel_of_endpoint(conn, id, now).await
}

/// The endpoint `id`, which has just got `secret`.
async fn secured(
    conn: &mut Conn<'_>,
    workspace: &WorkspaceId,
    id: &EndpointId,
    secret: EndpointSecret,
) -> Result<Secured, Error> {
    let endpoint = find(conn, workspace, id).await?.ok_or_else(|| gone(id))?;
    Ok(Secured { endpoint, secret: Some(secret), is_repeated: false })
}

/// What an earlier request made of an endpoint, with the secret that it told if that is still the one.
async fn repeated(
    conn: &mut Conn<'_>,
    workspace: &WorkspaceId,
    earlier: &Earlier<EndpointId>,
) -> Result<Secured, Error> {
    type Row = (String, Option<i64>, i64);
    let id = &earlier.subject;
    let endpoint = find(conn, workspace, id).await?.ok_or_else(|| gone(id))?;
    let (secret, previous_until, created) = run!(conn, fetch_one::<Row>, SECRET, id.as_str())?;
    let rotated =
        previous_until.map(|until| Timestamp::from_micros(until).before(PREVIOUS_SECRET_FOR));
    let made = rotated.unwrap_or(Timestamp::from_micros(created));
    let secret = (made == earlier.at).then_some(EndpointSecret(secret));
    Ok(Secured { endpoint, secret, is_repeated: true })
}

/// Keys go with their endpoint, in one transaction.
fn gone(id: &EndpointId) -> Error {
    let reason = "it is gone, and what refers to it is not".to_owned();
    Error::Corrupt { table: "endpoints", id: id.to_string(), reason }
}

impl Store {
    /// Makes an endpoint, and the only sight of its secret. With a `key` that was used for the same request before, nothing is
    /// made and the first result is returned.
    ///
    /// # Errors
    /// [`Error::TooManyEndpoints`] if the workspace has [`ENDPOINTS_MAX`] already, [`Error::KeyReused`], [`Error::Invalid`], or
    /// where the database cannot be written.
    pub async fn create_endpoint(
        &self,
        workspace: &WorkspaceId,
        endpoint: NewEndpoint,
        key: Option<RequestKey>,
    ) -> Result<Secured, Error> {
        text::check("address", Some(&endpoint.url))?;
        text::check("description", endpoint.description.as_deref())?;
        idempotency::check(key.as_ref())?;
        let (clock, workspace) = (self.clock().clone(), workspace.clone());
        self.write(move |conn| {
            Box::pin(async move {
                let (id, now): (EndpointId, _) = (clock.id(), clock.now());
                if let Some(earlier) =
                    idempotency::claim(conn, &workspace, key.as_ref(), &id, now).await?
                {
                    return repeated(conn, &workspace, &earlier).await;
                }
                let (count,) = run!(conn, fetch_one::<(i64,)>, COUNT, workspace.as_str())?;
                if count >= i64::from(ENDPOINTS_MAX) {
                    return Err(Error::TooManyEndpoints);
                }
                let secret = EndpointSecret::random();
                run!(
                    conn,
                    execute,
                    INSERT,
                    id.as_str(),
                    workspace.as_str(),
                    &endpoint.url,
                    endpoint.description.as_deref(),
                    names(&endpoint.kinds),
                    secret.reveal(),
                    now.as_micros()
                )?;
                secured(conn, &workspace, &id, secret).await
            })
        })
        .await
    }

    /// The endpoint `id` of `workspace`, if there is one.
    ///
    /// # Errors
    /// Where the database cannot be read.
    pub async fn find_endpoint(
        &self,
        workspace: &WorkspaceId,
        id: &EndpointId,
    ) -> Result<Option<Endpoint>, Error> {
        find(&mut self.reader().await?.conn(), workspace, id).await
    }

    /// Endpoints of `workspace`, newest first, from below the serial `before` on.
    ///
    /// # Errors
    /// Where the database cannot be read.
    pub async fn page_endpoints(
        &self,
        workspace: &WorkspaceId,
        before: Option<i64>,
        limit: u32,
    ) -> Result<Page<Endpoint>, Error> {
        let mut reader = self.reader().await?;
        let rows = run!(
            &mut reader.conn(),
            fetch_all::<EndpointRow>,
            PAGE,
            workspace.as_str(),
            before.unwrap_or(i64::MAX),
            i64::from(limit) + 1
        )?;
        let endpoints = rows.into_iter().map(EndpointRow::read).collect::<Result<Vec<_>, _>>()?;
        Ok(Page::cut(endpoints, limit, |endpoint| endpoint.serial))
    }

    /// Changes endpoint `id`, and returns it as it is now; `None` if there is none.
    ///
    /// # Errors
    /// [`Error::Invalid`], or where the database cannot be written.
    pub async fn update_endpoint(
        &self,
        workspace: &WorkspaceId,
        id: &EndpointId,
        change: EndpointChange,
    ) -> Result<Option<Endpoint>, Error> {
        text::check("address", change.url.as_deref())?;
        text::check("description", change.description.as_ref().and_then(Option::as_deref))?;
        let (clock, workspace, id) = (self.clock().clone(), workspace.clone(), id.clone());
        self.write(move |conn| {
            Box::pin(async move {
                let now = clock.now();
                let updated = run!(
                    conn,
                    execute,
                    UPDATE,
                    workspace.as_str(),
                    id.as_str(),
                    change.url.as_deref(),
                    change.description.is_some(),
                    change.description.as_ref().and_then(Option::as_deref),
                    change.kinds.as_deref().map(names),
                    now.as_micros()
                )?;
                if updated == 0 {
                    return Ok(None);
                }
                match change.is_disabled {
                    Some(true) => disable(conn, &id, now, BY_REQUEST).await?,
                    Some(false) => {
                        run!(conn, execute, ENABLE, id.as_str(), now.as_micros())?;
                    }
                    None => {}
                }
                find(conn, &workspace, &id).await
            })
        })
        .await
    }

    /// Gives endpoint `id` a new secret, and the only sight of it; `None` if there is no such endpoint. The one that it replaces
    /// signs as well for [`PREVIOUS_SECRET_FOR`]. With a `key` that was used for the same request before, the first result is
    /// returned: to rotate twice would take the secret away that receivers know.
    ///
    /// # Errors
    /// [`Error::KeyReused`], [`Error::Invalid`], or where the database cannot be written.
    pub async fn rotate_endpoint_secret(
        &self,
        workspace: &WorkspaceId,
        id: &EndpointId,
        key: Option<RequestKey>,
    ) -> Result<Option<Secured>, Error> {
        idempotency::check(key.as_ref())?;
        let (clock, workspace, id) = (self.clock().clone(), workspace.clone(), id.clone());
        self.write(move |conn| {
            Box::pin(async move {
                if !lock(conn, &workspace, &id).await? {
                    return Ok(None);
                }
                let now = clock.now();
                if let Some(earlier) =
                    idempotency::claim(conn, &workspace, key.as_ref(), &id, now).await?
                {
                    return repeated(conn, &workspace, &earlier).await.map(Some);
                }
                let secret = EndpointSecret::random();
                run!(
                    conn,
                    execute,
                    ROTATE,
                    workspace.as_str(),
                    id.as_str(),
                    secret.reveal(),
                    now.after(PREVIOUS_SECRET_FOR).as_micros(),
                    now.as_micros()
                )?;
                secured(conn, &workspace, &id, secret).await.map(Some)
            })
        })
        .await
    }

    /// Deletes endpoint `id` with its deliveries; `false` if there is none.
    ///
    /// # Errors
    /// Where the database cannot be written.
    pub async fn delete_endpoint(
        &self,
        workspace: &WorkspaceId,
        id: &EndpointId,
    ) -> Result<bool, Error> {
        let (workspace, id) = (workspace.clone(), id.clone());
        self.write(move |conn| {
            Box::pin(async move {
                if !lock(conn, &workspace, &id).await? {
                    return Ok(false);
                }
                run!(conn, execute, DELETE_KEYS, id.as_str())?;
                deliveries::delete_of_endpoint(conn, &id).await?;
                Ok(run!(conn, execute, DELETE, id.as_str())? > 0)
            })
        })
        .await
    }
}
