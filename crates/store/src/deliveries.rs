//! The outbox: events on their way to webhook endpoints and callbacks.
//!
//! A delivery is written with its event, in one transaction, and keeps its id until it is deleted: a receiver that gets it
//! twice can tell. How it is taken, sent and settled is in [`crate::sending`].

use std::time::Duration;

use hansard_domain::event::{DeliveryState, EventKind};
use hansard_domain::id::{DeliveryId, EndpointId, EventId, Id, WorkspaceId};
use hansard_domain::source::Callback;
use hansard_domain::time::Timestamp;
use hansard_net::Url;
use sqlx::FromRow;

use crate::backend::{Conn, run, statements};
use crate::events::{self, EventData, NewEvent};
use crate::idempotency::{self, Earlier, RequestKey};
use crate::jobs::Page;
use crate::{Clock, Error, Store, documents, endpoints};

/// Attempts that are shown of one delivery, the last ones.
const ATTEMPTS_SHOWN_MAX: i64 = 100;

/// The columns of [`DeliveryRow`], for the statements that read deliveries.
macro_rules! delivery_columns {
    () => {
        "serial, id, workspace_id, event_id, kind, subject_id, data, endpoint_id, callback, receiver, state, attempts, \
         next_attempt_us, lease_owner, fence, created_at_us, finished_at_us"
    };
}

pub(crate) use delivery_columns;

statements! {
    /// Locked, so that an endpoint is not disabled or deleted between this and the delivery to it.
    SUBSCRIBED = sqlite "SELECT id, kinds FROM endpoints WHERE workspace_id = $1 AND disabled_at_us IS NULL ORDER BY serial",
        postgres "SELECT id, kinds FROM endpoints WHERE workspace_id = $1 AND disabled_at_us IS NULL ORDER BY serial FOR SHARE";
    ENQUEUE = "INSERT INTO deliveries (id, workspace_id, event_id, kind, subject_id, data, endpoint_id, callback, receiver, \
        state, attempts, next_attempt_us, fence, created_at_us) \
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 'pending', 0, 0, 0, $10)";
    FIND = "SELECT " (delivery_columns) " FROM deliveries WHERE workspace_id = $1 AND id = $2";
    PAGE = "SELECT " (delivery_columns) " FROM deliveries WHERE workspace_id = $1 AND serial < $2 AND ($3 = '' OR state = $3) \
        AND ($4 = '' OR endpoint_id = $4) AND ($5 = '' OR subject_id = $5) ORDER BY serial DESC LIMIT $6";
    /// The same where one of these is named: SQLite looks for an index before it knows what is bound.
    PAGE_TO = "SELECT " (delivery_columns) " FROM deliveries WHERE workspace_id = $1 AND serial < $2 \
        AND ($3 = '' OR state = $3) AND endpoint_id = $4 AND $5 = '' ORDER BY serial DESC LIMIT $6";
    PAGE_ABOUT = "SELECT " (delivery_columns) " FROM deliveries WHERE workspace_id = $1 AND serial < $2 \
        AND ($3 = '' OR state = $3) AND ($4 = '' OR endpoint_id = $4) AND subject_id = $5 ORDER BY serial DESC LIMIT $6";
    ATTEMPTS = "SELECT number, started_at_us, duration_us, status, error FROM delivery_attempts WHERE delivery_id = $1 \
        ORDER BY number DESC LIMIT $2";
    REPLAY = "UPDATE deliveries SET state = 'pending', attempts = 0, next_attempt_us = 0, finished_at_us = NULL, \
        fence = fence + 1 WHERE workspace_id = $1 AND id = $2 AND state <> 'pending'";
    CANCEL_OF_ENDPOINT = "UPDATE deliveries SET state = 'cancelled', finished_at_us = $2, lease_owner = NULL, \
        fence = fence + 1 WHERE endpoint_id = $1 AND state = 'pending'";
    /// Before their attempts go, so that no attempt is added meanwhile.
    LOCK_OF_ENDPOINT = sqlite "SELECT id FROM deliveries WHERE endpoint_id = $1",
        postgres "SELECT id FROM deliveries WHERE endpoint_id = $1 ORDER BY serial FOR UPDATE";
    LOCK_ABOUT = sqlite "SELECT id FROM deliveries WHERE subject_id = $1",
        postgres "SELECT id FROM deliveries WHERE subject_id = $1 ORDER BY serial FOR UPDATE";
    DELETE_ATTEMPTS = "DELETE FROM delivery_attempts WHERE delivery_id = $1";
    DELETE_KEYS = "DELETE FROM idempotency_keys WHERE subject_id = $1";
    DELETE = "DELETE FROM deliveries WHERE id = $1";
    DELETE_ATTEMPTS_OF_ENDPOINT = "DELETE FROM delivery_attempts WHERE delivery_id IN \
        (SELECT id FROM deliveries WHERE endpoint_id = $1)";
    DELETE_OF_ENDPOINT = "DELETE FROM deliveries WHERE endpoint_id = $1";
}

/// One event on its way to one receiver.
#[derive(Debug, Clone, PartialEq)]
pub struct Delivery {
    /// Its number, unique among deliveries.
    pub serial: i64,
    /// Its name, the same over all attempts.
    pub id: DeliveryId,
    /// Whose it is.
    pub workspace: WorkspaceId,
    /// The event.
    pub event: EventId,
    /// What happened.
    pub kind: EventKind,
    /// The id of what it happened to.
    pub subject: String,
    /// What else the event says: a JSON object, as text.
    pub data: String,
    /// Who gets it.
    pub recipient: Recipient,
    /// Where it stands.
    pub state: DeliveryState,
    /// Attempts since it was written or last replayed.
    pub attempts: u32,
    /// When it is tried next; `None` while it is being sent and when it has ended.
    pub next_attempt: Option<Timestamp>,
    /// When its event happened.
    pub created_at: Timestamp,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
}

/// Who gets a delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Recipient {
    /// A webhook endpoint.
    Endpoint(EndpointId),
    /// Whoever the job's caller named, or the operator.
    Callback(Callback),
}

/// One try to send a delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// When it began.
    pub started_at: Timestamp,
    /// How long it took.
    pub duration: Duration,
    /// The status that the receiver answered with, if it answered.
    pub status: Option<u16>,
    /// What went wrong, without secrets.
    pub error: Option<String>,
}

/// Which deliveries to list.
#[derive(Debug, Clone, Default)]
pub struct DeliveryFilter {
    /// Only those in this state.
    pub state: Option<DeliveryState>,
    /// Only those to this endpoint.
    pub endpoint: Option<EndpointId>,
    /// Only those about this: the id of a job or a recording.
    pub subject: Option<String>,
}

/// A test event that was asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct Tested {
    /// Its delivery.
    pub delivery: Delivery,
    /// Whether the request had been made before, and this is what came of it then.
    pub is_repeated: bool,
}

/// What came of the wish to send a delivery again.
#[derive(Debug, Clone, PartialEq)]
pub enum Replay {
    /// It is due now.
    Done(Box<Delivery>),
    /// It is on its way still.
    Pending(Box<Delivery>),
    /// There is no such delivery.
    Missing,
}

#[derive(FromRow)]
pub(crate) struct DeliveryRow {
    pub(crate) serial: i64,
    id: String,
    workspace_id: String,
    event_id: String,
    kind: String,
    subject_id: String,
    data: String,
    endpoint_id: Option<String>,
    callback: Option<String>,
    pub(crate) receiver: String,
    state: String,
    attempts: i64,
    next_attempt_us: i64,
    lease_owner: Option<String>,
    pub(crate) fence: i64,
    created_at_us: i64,
    finished_at_us: Option<i64>,
}

impl DeliveryRow {
    pub(crate) fn read(self) -> Result<Delivery, Error> {
        let id = self.id;
        let corrupt = |what: &str| Error::Corrupt {
            table: "deliveries",
            id: id.clone(),
            reason: format!("its {what} cannot be read"),
        };
        let recipient = match (&self.endpoint_id, &self.callback) {
            (Some(endpoint), _) => {
                Recipient::Endpoint(EndpointId::parse(endpoint).map_err(|_| corrupt("endpoint"))?)
            }
            (None, Some(text)) => Recipient::Callback(documents::read("deliveries", &id, text)?),
            (None, None) => return Err(corrupt("recipient")),
        };
        let state = DeliveryState::from_name(&self.state).ok_or_else(|| corrupt("state"))?;
        let waits = state == DeliveryState::Pending && self.lease_owner.is_none();
        Ok(Delivery {
            serial: self.serial,
            workspace: WorkspaceId::parse(&self.workspace_id).map_err(|_| corrupt("workspace"))?,
            event: EventId::parse(&self.event_id).map_err(|_| corrupt("event"))?,
            kind: EventKind::from_name(&self.kind).ok_or_else(|| corrupt("kind"))?,
            subject: self.subject_id,
            data: self.data,
            recipient,
            state,
            attempts: u32::try_from(self.attempts).map_err(|_| corrupt("number of attempts"))?,
            next_attempt: waits
                .then(|| Timestamp::from_micros(self.next_attempt_us.max(self.created_at_us))),
            created_at: Timestamp::from_micros(self.created_at_us),
            finished_at: self.finished_at_us.map(Timestamp::from_micros),
            id: DeliveryId::parse(&id).map_err(|_| corrupt("id"))?,
        })
    }
}

/// An event that was just appended, to be handed to whoever asked for it.
pub(crate) struct Outgoing<'a> {
    pub(crate) workspace: &'a WorkspaceId,
    pub(crate) event: &'a EventId,
    pub(crate) kind: EventKind,
    pub(crate) subject: &'a str,
    pub(crate) data: &'a str,
    /// The callback of the job that the event ends.
    pub(crate) callback: Option<&'a Callback>,
}

/// The endpoints of `workspace` that are enabled, and the kinds each subscribes to. They stay as they are until the
/// transaction ends.
///
/// Whoever locks endpoints and deliveries locks the endpoints first, or two of them would wait for each other.
pub(crate) async fn hold_subscribed(
    conn: &mut Conn<'_>,
    workspace: &WorkspaceId,
) -> Result<Vec<(String, String)>, Error> {
    run!(conn, fetch_all::<(String, String)>, SUBSCRIBED, workspace.as_str())
}

/// Puts a delivery into the outbox for every endpoint that subscribes to the event, and for the callback.
pub(crate) async fn enqueue(
    conn: &mut Conn<'_>,
    clock: &Clock,
    now: Timestamp,
    outgoing: &Outgoing<'_>,
) -> Result<(), Error> {
    if outgoing.kind.is_deliverable() {
        for (endpoint, kinds) in &hold_subscribed(conn, outgoing.workspace).await? {
            if subscribes(kinds, outgoing.kind) {
                insert(conn, &clock.id(), now, outgoing, Some(endpoint), endpoint).await?;
            }
        }
    }
    if let Some(callback) = outgoing.callback {
        let origin = Url::parse(&callback.url).map(|url| url.origin().ascii_serialization());
        let receiver = origin.unwrap_or_else(|_| callback.url.clone());
        insert(conn, &clock.id(), now, outgoing, None, &receiver).await?;
    }
    Ok(())
}

/// Whether a list of kinds, parted by spaces, has `kind`; an empty list has all of them.
fn subscribes(kinds: &str, kind: EventKind) -> bool {
    kinds.is_empty() || kinds.split(' ').any(|name| name == kind.name())
}

/// Writes delivery `id` to `endpoint`, or to the callback without one. One `receiver` never holds up another.
async fn insert(
    conn: &mut Conn<'_>,
    id: &DeliveryId,
    now: Timestamp,
    outgoing: &Outgoing<'_>,
    endpoint: Option<&str>,
    receiver: &str,
) -> Result<(), Error> {
    run!(
        conn,
        execute,
        ENQUEUE,
        id.as_str(),
        outgoing.workspace.as_str(),
        outgoing.event.as_str(),
        outgoing.kind.name(),
        outgoing.subject,
        outgoing.data,
        endpoint,
        outgoing.callback.filter(|_| endpoint.is_none()).map(documents::write),
        receiver,
        now.as_micros()
    )
    .map(drop)
}

/// Ends what waits for an endpoint that was disabled.
pub(crate) async fn cancel_of_endpoint(
    conn: &mut Conn<'_>,
    endpoint: &EndpointId,
    now: Timestamp,
) -> Result<(), Error> {
    run!(conn, execute, CANCEL_OF_ENDPOINT, endpoint.as_str(), now.as_micros()).map(drop)
}

/// Removes everything that was ever sent to an endpoint, or waits for it.
pub(crate) async fn delete_of_endpoint(
    conn: &mut Conn<'_>,
    endpoint: &EndpointId,
) -> Result<(), Error> {
    run!(conn, fetch_all::<(String,)>, LOCK_OF_ENDPOINT, endpoint.as_str())?;
    run!(conn, execute, DELETE_ATTEMPTS_OF_ENDPOINT, endpoint.as_str())?;
    run!(conn, execute, DELETE_OF_ENDPOINT, endpoint.as_str()).map(drop)
}

/// Removes a delivery, which is locked, with its attempts and the key that it was asked for under.
pub(crate) async fn delete(conn: &mut Conn<'_>, id: &str) -> Result<(), Error> {
    for statement in [DELETE_ATTEMPTS, DELETE_KEYS, DELETE] {
        run!(conn, execute, statement, id)?;
    }
    Ok(())
}

/// Removes what was ever to be delivered about `subject`, in `workspace`. Nothing is added until the transaction ends.
pub(crate) async fn delete_about(
    conn: &mut Conn<'_>,
    workspace: &WorkspaceId,
    subject: &str,
) -> Result<(), Error> {
    hold_subscribed(conn, workspace).await?;
    for (id,) in run!(conn, fetch_all::<(String,)>, LOCK_ABOUT, subject)? {
        delete(conn, &id).await?;
    }
    Ok(())
}

async fn find(
    conn: &mut Conn<'_>,
    workspace: &WorkspaceId,
    id: &DeliveryId,
) -> Result<Option<Delivery>, Error> {
    let row = run!(conn, fetch_optional::<DeliveryRow>, FIND, workspace.as_str(), id.as_str())?;
    row.map(DeliveryRow::read).transpose()
}

impl Store {
    /// The delivery `id` of `workspace`, if there is one.
    ///
    /// # Errors
    /// Where the database cannot be read.
    pub async fn find_delivery(
        &self,
        workspace: &WorkspaceId,
        id: &DeliveryId,
    ) -> Result<Option<Delivery>, Error> {
        find(&mut self.reader().await?.conn(), workspace, id).await
    }

    /// The attempts of delivery `id`, oldest first; of more than a hundred, the last hundred.
    ///
    /// # Errors
    /// Where the database cannot be read.
    pub async fn delivery_attempts(&self, id: &DeliveryId) -> Result<Vec<Attempt>, Error> {
        type Row = (i64, i64, i64, Option<i64>, Option<String>);
        let mut reader = self.reader().await?;
        let id = id.as_str();
        let rows = run!(&mut reader.conn(), fetch_all::<Row>, ATTEMPTS, id, ATTEMPTS_SHOWN_MAX)?;
        let attempts =
            rows.into_iter().rev().map(|(_, started, duration, status, error)| Attempt {
                started_at: Timestamp::from_micros(started),
                duration: Duration::from_micros(u64::try_from(duration).unwrap_or_default()),
                status: status.and_then(|status| u16::try_from(status).ok()),
                error,
            });
        Ok(attempts.collect())
    }

    /// Deliveries of `workspace`, newest first, from below the serial `before` on.
    ///
    /// # Errors
    /// Where the database cannot be read.
    pub async fn page_deliveries(
        &self,
        workspace: &WorkspaceId,
        filter: &DeliveryFilter,
        before: Option<i64>,
        limit: u32,
    ) -> Result<Page<Delivery>, Error> {
        let statement = match (&filter.subject, &filter.endpoint) {
            (Some(_), _) => PAGE_ABOUT,
            (None, Some(_)) => PAGE_TO,
            (None, None) => PAGE,
        };
        let mut reader = self.reader().await?;
        let rows = run!(
            &mut reader.conn(),
            fetch_all::<DeliveryRow>,
            statement,
            workspace.as_str(),
            before.unwrap_or(i64::MAX),
            filter.state.map_or("", DeliveryState::name),
            filter.endpoint.as_ref().map_or("", EndpointId::as_str),
            filter.subject.as_deref().unwrap_or_default(),
            i64::from(limit) + 1
        )?;
        let deliveries = rows.into_iter().map(DeliveryRow::read).collect::<Result<Vec<_>, _>>()?;
        Ok(Page::cut(deliveries, limit, |delivery| delivery.serial))
    }

    /// Sends a delivery that has ended once more, with the same id and all attempts again.
    ///
    /// # Errors
    /// Where the database cannot be written.
    pub async fn replay_delivery(
        &self,
        workspace: &WorkspaceId,
        id: &DeliveryId,
    ) -> Result<Replay, Error> {
        let (workspace, id) = (workspace.clone(), id.clone());
        self.write(move |conn| {
            Box::pin(async move {
                let changed = run!(conn, execute, REPLAY, workspace.as_str(), id.as_str())?;
                Ok(match find(conn, &workspace, &id).await?.map(Box::new) {
                    None => Replay::Missing,
                    Some(delivery) if changed > 0 => Replay::Done(delivery),
                    Some(delivery) => Replay::Pending(delivery),
                })
            })
        })
        .await
    }

    /// Sends a test event to endpoint `id`, disabled or not; `None` if there is no such endpoint. With a `key` that was used for
    /// the same request before, nothing is sent and its delivery is returned.
    ///
    /// # Errors
    /// [`Error::KeyReused`], [`Error::Invalid`], or where the database cannot be written.
    pub async fn test_endpoint(
        &self,
        workspace: &WorkspaceId,
        id: &EndpointId,
        key: Option<RequestKey>,
    ) -> Result<Option<Tested>, Error> {
        idempotency::check(key.as_ref())?;
        let (clock, workspace, id) = (self.clock().clone(), workspace.clone(), id.clone());
        self.write(move |conn| {
            Box::pin(async move {
                if !endpoints::lock(conn, &workspace, &id).await? {
                    return Ok(None);
                }
                let (delivery, now): (DeliveryId, _) = (clock.id(), clock.now());
                let key = key.as_ref();
                let earlier = idempotency::claim(conn, &workspace, key, &delivery, now).await?;
                if let Some(Earlier { subject, .. }) = &earlier {
                    return tested(conn, &workspace, subject, true).await.map(Some);
                }
                let subject = id.as_str();
                let kind = EventKind::EndpointTest;
                let data = EventData { endpoint_id: Some(subject), ..EventData::default() };
                let event = NewEvent { workspace: &workspace, kind, subject, data };
                let (event, data) = events::append(conn, &clock, now, &event).await?;
                let (workspace, event, data) = (&workspace, &event, data.as_str());
                let outgoing = Outgoing { workspace, event, kind, subject, data, callback: None };
                insert(conn, &delivery, now, &outgoing, Some(subject), subject).await?;
                tested(conn, workspace, &delivery, false).await.map(Some)
            })
        })
        .await
    }
}

/// The delivery of a test event.
async fn tested(
    conn: &mut Conn<'_>,
    workspace: &WorkspaceId,
    id: &DeliveryId,
    is_repeated: bool,
) -> Result<Tested, Error> {
    // Keys go with their delivery, in one transaction.
    let delivery = find(conn, workspace, id).await?.ok_or_else(|| Error::Corrupt {
        table: "deliveries",
        id: id.to_string(),
        reason: "it is gone, and what refers to it is not".to_owned(),
    })?;
    Ok(Tested { delivery, is_repeated })
}
