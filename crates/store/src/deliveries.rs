//! The outbox: events on their way to webhook endpoints and callbacks.

use hansard_domain::event::EventKind;
use hansard_domain::id::{DeliveryId, EventId, Id, WorkspaceId};
use hansard_domain::time::Timestamp;

use crate::backend::{Conn, run, statements};
use crate::{Clock, Error};

statements! {
    SUBSCRIBED = "SELECT id, kinds FROM endpoints WHERE workspace_id = $1 AND disabled_at_us IS NULL ORDER BY serial";
    ENQUEUE = "INSERT INTO deliveries (id, workspace_id, event_id, kind, subject_id, data, endpoint_id, callback, state, \
        attempts, next_attempt_us, fence, created_at_us) \
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 'pending', 0, $9, 0, $9)";
}

/// An event that was just appended, to be handed to whoever asked for it.
pub(crate) struct Outgoing<'a> {
    pub(crate) workspace: &'a WorkspaceId,
    pub(crate) event: &'a EventId,
    pub(crate) kind: EventKind,
    pub(crate) subject: &'a str,
    pub(crate) data: &'a str,
    /// The callback of the job that the event ends, as stored with the job.
    pub(crate) callback: Option<&'a str>,
}

/// Puts a delivery into the outbox for every endpoint that subscribes to the event, and for the callback.
pub(crate) async fn enqueue(
    conn: &mut Conn<'_>,
    clock: &Clock,
    now: Timestamp,
    outgoing: &Outgoing<'_>,
) -> Result<(), Error> {
    if outgoing.kind.is_deliverable() {
        let workspace = outgoing.workspace.as_str();
        let endpoints = run!(conn, fetch_all::<(String, String)>, SUBSCRIBED, workspace)?;
        for (endpoint, kinds) in &endpoints {
            if subscribes(kinds, outgoing.kind) {
                insert(conn, clock, now, outgoing, Some(endpoint), None).await?;
            }
        }
    }
    if outgoing.callback.is_some() {
        insert(conn, clock, now, outgoing, None, outgoing.callback).await?;
    }
    Ok(())
}

/// Whether a list of kinds, parted by spaces, has `kind`; an empty list has all of them.
fn subscribes(kinds: &str, kind: EventKind) -> bool {
    kinds.is_empty() || kinds.split(' ').any(|name| name == kind.name())
}

async fn insert(
    conn: &mut Conn<'_>,
    clock: &Clock,
    now: Timestamp,
    outgoing: &Outgoing<'_>,
    endpoint: Option<&str>,
    callback: Option<&str>,
) -> Result<(), Error> {
    let id: DeliveryId = clock.id();
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
        callback,
        now.as_micros()
    )?;
    Ok(())
}
