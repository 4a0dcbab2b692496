//! The event log: every change of state, written in the transaction that made it, and read in one order.
//!
//! An event is known by its [`EventCursor`], and a reader goes on after the last one that it saw. No event ever appears
//! before one that was read already. On SQLite transactions follow each other, so a number per event is enough. On PostgreSQL
//! a number is taken when an event is written and seen when its transaction commits; there the number of the transaction,
//! the epoch, comes first, and only epochs below the oldest transaction that is still open are read. An open transaction,
//! whichever it is in that server, thus holds back what was committed after it began, and loses nothing.

use std::fmt;
use std::str::FromStr;

use hansard_domain::event::EventKind;
use hansard_domain::id::{EventId, Id, WorkspaceId};
use hansard_domain::source::Callback;
use hansard_domain::time::Timestamp;
use serde::Serialize;
use sqlx::{Connection as _, FromRow, PgConnection};
use tokio::sync::watch;

use crate::backend::{Conn, run, statements};
use crate::deliveries::{self, Outgoing};
use crate::{Clock, Error, Store};

/// Events that are read at once.
pub const EVENTS_PER_READ_MAX: u32 = 1000;

/// The number of the transaction that writes an event, on PostgreSQL.
macro_rules! epoch {
    () => {
        "CAST(CAST(pg_current_xact_id() AS TEXT) AS BIGINT) + (SELECT shift FROM event_epochs)"
    };
}

pub(crate) use epoch;

statements! {
    APPEND = sqlite "INSERT INTO events (id, workspace_id, kind, subject_id, data, created_at_us) \
        VALUES ($1, $2, $3, $4, $5, $6)",
        postgres "INSERT INTO events (epoch, id, workspace_id, kind, subject_id, data, created_at_us) \
        VALUES (" (epoch) ", \
        $1, $2, $3, $4, $5, $6)";
    /// One event for each object of the JSON array `$1`, in its order.
    APPEND_ALL = sqlite "INSERT INTO events (id, workspace_id, kind, subject_id, data, created_at_us) \
        SELECT value ->> 'id', value ->> 'workspace_id', value ->> 'kind', value ->> 'subject_id', value ->> 'data', $2 \
        FROM json_each($1) ORDER BY key",
        postgres "INSERT INTO events (epoch, id, workspace_id, kind, subject_id, data, created_at_us) \
        SELECT " (epoch) ", \
        id, workspace_id, kind, subject_id, data, $2 FROM ROWS FROM (json_to_recordset(CAST($1 AS JSON)) \
        AS (id TEXT, workspace_id TEXT, kind TEXT, subject_id TEXT, data TEXT)) WITH ORDINALITY AS new \
        ORDER BY ordinality";
    /// On SQLite all epochs are 0, and `seq` is the number of the row.
    READ = sqlite "SELECT epoch, seq, id, workspace_id, kind, subject_id, data, created_at_us \
        FROM events WHERE epoch >= $1 AND seq > $2 ORDER BY seq LIMIT $3",
        postgres "SELECT epoch, seq, id, workspace_id, kind, subject_id, data, created_at_us \
        FROM events WHERE (epoch, seq) > ($1, $2) \
        AND epoch < CAST(CAST(pg_snapshot_xmin(pg_current_snapshot()) AS TEXT) AS BIGINT) \
            + (SELECT shift FROM event_epochs) \
        ORDER BY epoch, seq LIMIT $3";
    READ_OF_WORKSPACE = sqlite "SELECT epoch, seq, id, workspace_id, kind, subject_id, data, created_at_us \
        FROM events WHERE workspace_id = $4 AND epoch >= $1 AND seq > $2 ORDER BY seq LIMIT $3",
        postgres "SELECT epoch, seq, id, workspace_id, kind, subject_id, data, created_at_us \
        FROM events WHERE workspace_id = $4 AND (epoch, seq) > ($1, $2) \
        AND epoch < CAST(CAST(pg_snapshot_xmin(pg_current_snapshot()) AS TEXT) AS BIGINT) \
            + (SELECT shift FROM event_epochs) \
        ORDER BY epoch, seq LIMIT $3";
    LAST = sqlite "SELECT epoch, seq FROM events WHERE seq = (SELECT MAX(seq) FROM events)",
        postgres "SELECT epoch, seq FROM events \
        WHERE epoch < CAST(CAST(pg_snapshot_xmin(pg_current_snapshot()) AS TEXT) AS BIGINT) \
            + (SELECT shift FROM event_epochs) \
        ORDER BY epoch DESC, seq DESC LIMIT 1";
}

/// Makes the epochs of new events follow those that are there.
const FOLLOW: &str = "UPDATE event_epochs SET shift = last.epoch + 1 - next.epoch \
    FROM (SELECT MAX(epoch) AS epoch FROM events) AS last, \
    (SELECT CAST(CAST(pg_snapshot_xmax(pg_current_snapshot()) AS TEXT) AS BIGINT) AS epoch) AS next \
    WHERE last.epoch >= next.epoch + shift";

/// Where a reader of the log stands: after one event. As text `<epoch>-<seq>`, for `Last-Event-ID`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventCursor {
    epoch: i64,
    seq: i64,
}

impl fmt::Display for EventCursor {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}-{}", self.epoch, self.seq)
    }
}

/// Text that is not a cursor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a place in the event log")]
pub struct InvalidCursor;

impl FromStr for EventCursor {
    type Err = InvalidCursor;

    fn from_str(text: &str) -> Result<Self, InvalidCursor> {
        let number = |digits: &str| {
            let is_plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
            if is_plain { digits.parse().map_err(|_| InvalidCursor) } else { Err(InvalidCursor) }
        };
        let (epoch, seq) = text.split_once('-').ok_or(InvalidCursor)?;
        Ok(Self { epoch: number(epoch)?, seq: number(seq)? })
    }
}

/// A fact of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Its place in the log.
    pub cursor: EventCursor,
    /// Its name.
    pub id: EventId,
    /// Whose it is.
    pub workspace: WorkspaceId,
    /// What happened.
    pub kind: EventKind,
    /// The id of what it happened to.
    pub subject: String,
    /// What else there is to say: a JSON object of ids and states, as text. Never content.
    pub data: String,
    /// When it happened.
    pub created_at: Timestamp,
}

#[derive(FromRow)]
struct EventRow {
    epoch: i64,
    seq: i64,
    id: String,
    workspace_id: String,
    kind: String,
    subject_id: String,
    data: String,
    created_at_us: i64,
}

impl EventRow {
    fn read(self) -> Result<Event, Error> {
        let id = self.id;
        let corrupt = |what: &str| Error::Corrupt {
            table: "events",
            id: id.clone(),
            reason: format!("its {what} cannot be read"),
        };
        Ok(Event {
            cursor: EventCursor { epoch: self.epoch, seq: self.seq },
            workspace: WorkspaceId::parse(&self.workspace_id).map_err(|_| corrupt("workspace"))?,
            kind: EventKind::from_name(&self.kind).ok_or_else(|| corrupt("kind"))?,
            subject: self.subject_id,
            data: self.data,
            created_at: Timestamp::from_micros(self.created_at_us),
            id: EventId::parse(&id).map_err(|_| corrupt("id"))?,
        })
    }
}

/// The event in `row`, unless it cannot be read.
fn readable(row: EventRow) -> Option<Event> {
    row.read().map_err(|error| tracing::warn!(error = %error, "an event is skipped")).ok()
}

impl Store {
    /// Up to `limit` events after `after`, or from the first one on, of one workspace or of all; never more than
    /// [`EVENTS_PER_READ_MAX`].
    ///
    /// Whoever goes on after the last event that it got sees every event exactly once, in one order, except those that only a
    /// newer Hansard can read. Fewer than `limit` may come while more are on their way.
    ///
    /// # Errors
    /// Where the database cannot be read.
    pub async fn read_events(
        &self,
        after: Option<EventCursor>,
        workspace: Option<&WorkspaceId>,
        limit: u32,
    ) -> Result<Vec<Event>, Error> {
        let (mut epoch, mut seq) = after.map_or((0, 0), |cursor| (cursor.epoch, cursor.seq));
        let limit = i64::from(limit.min(EVENTS_PER_READ_MAX));
        let mut reader = self.reader().await?;
        let mut conn = reader.conn();
        loop {
            let rows = match workspace.map(WorkspaceId::as_str) {
                None => run!(&mut conn, fetch_all::<EventRow>, READ, epoch, seq, limit)?,
                Some(id) => run!(
                    &mut conn,
                    fetch_all::<EventRow>,
                    READ_OF_WORKSPACE,
                    epoch,
                    seq,
                    limit,
                    id
                )?,
            };
            let Some(last) = rows.last() else { return Ok(Vec::new()) };
            (epoch, seq) = (last.epoch, last.seq);
            // One event that only a newer Hansard can read must not end the log for everybody.
            let events: Vec<_> = rows.into_iter().filter_map(readable).collect();
            if !events.is_empty() {
                return Ok(events);
            }
        }
    }

    /// The end of the log as it can be read now, `None` if it is empty: for a reader who wants what comes from here on.
    ///
    /// A cursor beyond it does not come from this log as it is: the database was replaced by an older one.
    ///
    /// # Errors
    /// Where the database cannot be read.
    pub async fn end_of_events(&self) -> Result<Option<EventCursor>, Error> {
        let mut reader = self.reader().await?;
        let last = run!(&mut reader.conn(), fetch_optional::<(i64, i64)>, LAST)?;
        Ok(last.map(|(epoch, seq)| EventCursor { epoch, seq }))
    }

    /// Changes whenever this process has written something: a reason to look at the log or the outbox at once.
    ///
    /// Other processes that share a PostgreSQL are not heard, so a reader looks every now and then as well. Its `NOTIFY` would
    /// make every commit wait for every other.
    pub fn writes(&self) -> watch::Receiver<()> {
        self.written().subscribe()
    }
}

/// Lets the log go on in a server whose transaction numbers are lower than those that the events come from, as after a dump
/// was restored: every new event comes after every old one, and cursors of readers stay good.
pub(crate) async fn follow_epochs(conn: &mut PgConnection) -> Result<(), Error> {
    let failed = |error| Error::of("store::events::FOLLOW", error);
    let mut transaction = conn.begin().await.map_err(failed)?;
    // One process at a time, each with the transaction numbers of its own moment.
    let alone = sqlx::query("LOCK TABLE event_epochs IN EXCLUSIVE MODE");
    alone.execute(&mut *transaction).await.map_err(failed)?;
    sqlx::query(FOLLOW).execute(&mut *transaction).await.map_err(failed)?;
    transaction.commit().await.map_err(failed)
}

/// An event that is about to be written.
pub(crate) struct NewEvent<'a> {
    pub(crate) workspace: &'a WorkspaceId,
    pub(crate) kind: EventKind,
    /// The id of what it is about.
    pub(crate) subject: &'a str,
    pub(crate) data: EventData<'a>,
}

/// What an event says: ids and states, never content.
#[derive(Debug, Default, Serialize)]
pub(crate) struct EventData<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) recording_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) job_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) transcript_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) stage: Option<&'a str>,
    /// Of a window: its place in the transcript, from 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) ordinal: Option<i64>,
    /// Of a window: how far the transcript has come, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) done_s: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) error_code: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) endpoint_id: Option<&'a str>,
}

impl EventData<'_> {
    /// As it is stored.
    pub(crate) fn text(&self) -> String {
        serde_json::to_string(self).expect("ids, names and finite numbers")
    }
}

/// Writes `event`, and puts it into the outbox for the endpoints that subscribe to it.
pub(crate) async fn publish(
    conn: &mut Conn<'_>,
    clock: &Clock,
    now: Timestamp,
    event: &NewEvent<'_>,
) -> Result<(), Error> {
    publish_to(conn, clock, now, event, None).await
}

/// The same, with one more receiver: the callback of the job that the event ends.
pub(crate) async fn publish_to(
    conn: &mut Conn<'_>,
    clock: &Clock,
    now: Timestamp,
    event: &NewEvent<'_>,
    callback: Option<&Callback>,
) -> Result<(), Error> {
    let (id, data) = append(conn, clock, now, event).await?;
    let NewEvent { workspace, kind, subject, .. } = *event;
    let outgoing = Outgoing { workspace, event: &id, kind, subject, data: &data, callback };
    deliveries::enqueue(conn, clock, now, &outgoing).await
}

/// Writes `event`, and returns its id and its data as stored.
pub(crate) async fn append(
    conn: &mut Conn<'_>,
    clock: &Clock,
    now: Timestamp,
    event: &NewEvent<'_>,
) -> Result<(EventId, String), Error> {
    let id: EventId = clock.id();
    let data = event.data.text();
    run!(
        conn,
        execute,
        APPEND,
        id.as_str(),
        event.workspace.as_str(),
        event.kind.name(),
        event.subject,
        &data,
        now.as_micros()
    )?;
    Ok((id, data))
}

/// Writes `events` in their order, in one statement. None of them goes to webhook endpoints.
pub(crate) async fn append_all(
    conn: &mut Conn<'_>,
    clock: &Clock,
    now: Timestamp,
    events: &[NewEvent<'_>],
) -> Result<(), Error> {
    debug_assert!(!events.iter().any(|event| event.kind.is_deliverable()), "they would be lost");
    if events.is_empty() {
        return Ok(());
    }
    let rows: Vec<_> = events
        .iter()
        .map(|event| Row {
            id: clock.id::<EventId>().to_string(),
            workspace_id: event.workspace.as_str(),
            kind: event.kind.name(),
            subject_id: event.subject,
            data: event.data.text(),
        })
        .collect();
    let rows = serde_json::to_string(&rows).expect("texts");
    run!(conn, execute, APPEND_ALL, rows, now.as_micros()).map(drop)
}

/// An object of [`APPEND_ALL`].
#[derive(Serialize)]
struct Row<'a> {
    id: String,
    workspace_id: &'a str,
    kind: &'static str,
    subject_id: &'a str,
    data: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_read_back_and_nothing_else_is_read() {
        let cursor = EventCursor { epoch: 731, seq: 12 };

        assert_eq!(cursor.to_string(), "731-12");
        assert_eq!("731-12".parse(), Ok(cursor));
        for wrong in
            ["", "-", "731", "731-", "-12", "+7-1", "7-1-1", "7-x", "99999999999999999999-1"]
        {
            assert_eq!(wrong.parse::<EventCursor>(), Err(InvalidCursor), "{wrong}");
        }
    }
}
