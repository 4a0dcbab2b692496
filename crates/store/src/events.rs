//! The event log: every change of state, written in the transaction that made it.

use hansard_domain::event::EventKind;
use hansard_domain::id::{EventId, Id, WorkspaceId};
use hansard_domain::time::Timestamp;
use serde::Serialize;

use crate::backend::{Conn, run, statements};
use crate::deliveries::{self, Outgoing};
use crate::{Clock, Error};

statements! {
    APPEND = "INSERT INTO events (id, workspace_id, kind, subject_id, data, created_at_us) \
        VALUES ($1, $2, $3, $4, $5, $6)";
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

/// Writes `event`, and puts it into the outbox for the endpoints that subscribe to it.
pub(crate) async fn publish(
    conn: &mut Conn<'_>,
    clock: &Clock,
    now: Timestamp,
    event: &NewEvent<'_>,
) -> Result<(), Error> {
    publish_to(conn, clock, now, event, None).await
}

/// The same, with one more receiver: the callback of the job that the event ends, as stored with it.
pub(crate) async fn publish_to(
    conn: &mut Conn<'_>,
    clock: &Clock,
    now: Timestamp,
    event: &NewEvent<'_>,
    callback: Option<&str>,
) -> Result<(), Error> {
    let (id, data) = append(conn, clock, now, event).await?;
    let NewEvent { workspace, kind, subject, .. } = *event;
    let outgoing = Outgoing { workspace, event: &id, kind, subject, data: &data, callback };
    deliveries::enqueue(conn, clock, now, &outgoing).await
}

/// Writes `event`, and returns its id and its data as stored.
async fn append(
    conn: &mut Conn<'_>,
    clock: &Clock,
    now: Timestamp,
    event: &NewEvent<'_>,
) -> Result<(EventId, String), Error> {
    let id: EventId = clock.id();
    let data = serde_json::to_string(&event.data).expect("ids, names and finite numbers");
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
