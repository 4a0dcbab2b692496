//! How deliveries are taken from the outbox and settled: leases like those on jobs, and receivers in turn.
//!
//! A worker takes a delivery for a time. Each claim raises the delivery's fence, which proves the outcome, so that a worker
//! that was too slow cannot overwrite what the next one did. A delivery that nobody settled is due again when its lease ends.

use std::collections::HashMap;
use std::time::Duration;

use hansard_domain::event::DeliveryState;
use hansard_domain::id::{DeliveryId, EndpointId, Id, WorkerId};
use hansard_domain::source::Callback;
use hansard_domain::time::Timestamp;

use crate::backend::{Conn, run, statements};
use crate::deliveries::{Attempt, Delivery, DeliveryRow, Recipient, delivery_columns};
use crate::endpoints::{self, Target};
use crate::leases::Held;
use crate::{Error, Store};

statements! {
    NEXT = "SELECT MIN(next_attempt_us) FROM deliveries WHERE state = 'pending'";
    /// The receivers that something is due for, from the one after `$1` on. Each step is one look into an index.
    RECEIVERS = "WITH RECURSIVE waiting (receiver) AS (\
        SELECT MIN(receiver) FROM deliveries WHERE state = 'pending' AND receiver > $1 \
        UNION ALL SELECT (SELECT MIN(deliveries.receiver) FROM deliveries WHERE deliveries.state = 'pending' \
            AND deliveries.receiver > waiting.receiver) FROM waiting WHERE waiting.receiver IS NOT NULL) \
        SELECT receiver FROM waiting WHERE receiver IS NOT NULL AND EXISTS (SELECT 1 FROM deliveries \
            WHERE deliveries.state = 'pending' AND deliveries.receiver = waiting.receiver \
            AND deliveries.next_attempt_us <= $2) LIMIT $3";
    CLAIM = sqlite "UPDATE deliveries SET lease_owner = $1, next_attempt_us = $2, fence = fence + 1 \
        WHERE id IN (SELECT id FROM deliveries WHERE state = 'pending' AND receiver = $3 AND next_attempt_us <= $4 \
            ORDER BY next_attempt_us, serial LIMIT $5) \
        RETURNING " (delivery_columns),
        postgres "UPDATE deliveries SET lease_owner = $1, next_attempt_us = $2, fence = fence + 1 \
        WHERE id = ANY (ARRAY(SELECT id FROM deliveries WHERE state = 'pending' AND receiver = $3 AND next_attempt_us <= $4 \
            ORDER BY next_attempt_us, serial LIMIT $5 FOR UPDATE SKIP LOCKED)) \
        RETURNING " (delivery_columns);
    LOCK_RECEIVER = sqlite "SELECT id FROM endpoints WHERE id = (SELECT endpoint_id FROM deliveries WHERE id = $1)",
        postgres "SELECT id FROM endpoints WHERE id = (SELECT endpoint_id FROM deliveries WHERE id = $1) FOR UPDATE";
    LOCK = sqlite "SELECT endpoint_id FROM deliveries WHERE id = $1 AND fence = $2 AND state = 'pending'",
        postgres "SELECT endpoint_id FROM deliveries WHERE id = $1 AND fence = $2 AND state = 'pending' FOR UPDATE";
    ATTEMPTED = "INSERT INTO delivery_attempts (delivery_id, number, started_at_us, duration_us, status, error) \
        VALUES ($1, (SELECT COALESCE(MAX(number), 0) + 1 FROM delivery_attempts WHERE delivery_id = $1), $2, $3, $4, $5)";
    GIVE_UP = "UPDATE deliveries SET state = 'failed', finished_at_us = $2, lease_owner = NULL, fence = fence + 1 \
        WHERE serial = $1";
    SETTLE = "UPDATE deliveries SET state = $2, attempts = attempts + 1, next_attempt_us = $3, finished_at_us = $4, \
        lease_owner = NULL, fence = fence + 1 WHERE id = $1";
}

/// How much a worker can take.
#[derive(Debug, Clone)]
pub struct Room {
    /// Deliveries in all.
    pub count: u32,
    /// Deliveries to one receiver at once.
    pub per_receiver: u32,
    /// What the worker is sending already, by receiver.
    pub in_flight: HashMap<String, u32>,
    /// The receiver that was served last: those after it go first.
    pub after: String,
}

/// A delivery that a worker has taken.
#[derive(Debug, Clone, PartialEq)]
pub struct ClaimedDelivery {
    /// The delivery.
    pub delivery: Delivery,
    /// Where it goes.
    pub destination: Destination,
    /// Whom a slow answer holds up.
    pub receiver: String,
    /// What its worker proves itself with.
    pub lease: DeliveryLease,
}

/// Where a delivery goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Destination {
    /// To an endpoint.
    Endpoint(Target),
    /// To a callback.
    Callback(Callback),
}

/// The proof that a worker has a delivery.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct DeliveryLease {
    /// The delivery.
    pub delivery: DeliveryId,
    /// Its fence at the time of the claim.
    pub fence: i64,
}

/// What becomes of a delivery after an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settled {
    /// The receiver took it.
    Delivered,
    /// It is tried again at this time.
    Retry(Timestamp),
    /// It is given up.
    Failed,
    /// It is given up, and so is its endpoint, whose receiver is gone.
    Gone,
}

impl Store {
    /// When the next delivery is due or the next lease on one ends; `None` if there are none. Cheap.
    ///
    /// # Errors
    /// Where the database cannot be read.
    pub async fn next_delivery(&self) -> Result<Option<Timestamp>, Error> {
        let mut reader = self.reader().await?;
        let (next,) = run!(&mut reader.conn(), fetch_one::<(Option<i64>,)>, NEXT)?;
        Ok(next.map(Timestamp::from_micros))
    }

    /// Takes due deliveries for `worker` until `lease` from now, receiver by receiver, the longest due of each first.
    ///
    /// # Errors
    /// Where the database cannot be written.
    pub async fn claim_deliveries(
        &self,
        worker: &WorkerId,
        room: Room,
        lease: Duration,
    ) -> Result<Vec<ClaimedDelivery>, Error> {
        let (clock, worker) = (self.clock().clone(), worker.clone());
        self.write(move |conn| {
            Box::pin(async move {
                let now = clock.now();
                let mut claimed = Vec::new();
                for receiver in due_receivers(conn, &room, now).await? {
                    let left = room.count.saturating_sub(len(&claimed));
                    let busy = room.in_flight.get(&receiver).copied().unwrap_or_default();
                    let count = room.per_receiver.saturating_sub(busy).min(left);
                    if count > 0 {
                        let until = now.after(lease);
                        take(conn, &worker, &receiver, count, now, until, &mut claimed).await?;
                    }
                }
                Ok(claimed)
            })
        })
        .await
    }

    /// Keeps an attempt to send a delivery, and what became of the delivery.
    ///
    /// # Errors
    /// Where the database cannot be written.
    pub async fn settle_delivery(
        &self,
        lease: &DeliveryLease,
        attempt: Attempt,
        settled: Settled,
    ) -> Result<Held<()>, Error> {
        let (clock, lease) = (self.clock().clone(), lease.clone());
        self.write(move |conn| {
            Box::pin(async move {
                let id = lease.delivery.as_str();
                if settled == Settled::Gone {
                    // Its other deliveries will be cancelled: whoever does that begins with the endpoint.
                    run!(conn, fetch_optional::<(String,)>, LOCK_RECEIVER, id)?;
                }
                let row = run!(conn, fetch_optional::<(Option<String>,)>, LOCK, id, lease.fence)?;
                let Some((endpoint,)) = row else { return Ok(Held::Lost) };
                run!(
                    conn,
                    execute,
                    ATTEMPTED,
                    id,
                    attempt.started_at.as_micros(),
                    i64::try_from(attempt.duration.as_micros()).unwrap_or(i64::MAX),
                    attempt.status.map(i64::from),
                    attempt.error.as_deref()
                )?;
                let now = clock.now();
                let (state, next) = match settled {
                    Settled::Delivered => (DeliveryState::Delivered, None),
                    Settled::Retry(at) => (DeliveryState::Pending, Some(at)),
                    Settled::Failed | Settled::Gone => (DeliveryState::Failed, None),
                };
                run!(
                    conn,
                    execute,
                    SETTLE,
                    id,
                    state.name(),
                    next.unwrap_or(now).as_micros(),
                    next.is_none().then(|| now.as_micros())
                )?;
                let endpoint = endpoint.and_then(|endpoint| EndpointId::parse(&endpoint).ok());
                if let (Settled::Gone, Some(endpoint)) = (settled, endpoint) {
                    endpoints::disable_gone(conn, &endpoint, now).await?;
                }
                Ok(Held::Yes(()))
            })
        })
        .await
    }
}

/// Receivers that something is due for, in turn: those after the last one served, then the others.
async fn due_receivers(
    conn: &mut Conn<'_>,
    room: &Room,
    now: Timestamp,
) -> Result<Vec<String>, Error> {
    // Those that have their share already are found too and must not crowd out the others.
    let limit = room.count as usize + room.in_flight.len();
    let micros = now.as_micros();
    let mut receivers = Vec::new();
    for after in [room.after.as_str(), ""] {
        let left = i64::try_from(limit - receivers.len()).unwrap_or(i64::MAX);
        let rows = run!(conn, fetch_all::<(String,)>, RECEIVERS, after, micros, left)?;
        for (receiver,) in rows {
            if !receivers.contains(&receiver) {
                receivers.push(receiver);
            }
        }
        if after.is_empty() {
            break;
        }
    }
    Ok(receivers)
}

/// Takes up to `count` deliveries to `receiver`.
async fn take(
    conn: &mut Conn<'_>,
    worker: &WorkerId,
    receiver: &str,
    count: u32,
    now: Timestamp,
    until: Timestamp,
    claimed: &mut Vec<ClaimedDelivery>,
) -> Result<(), Error> {
    let mut rows = run!(
        conn,
        fetch_all::<DeliveryRow>,
        CLAIM,
        worker.as_str(),
        until.as_micros(),
        receiver,
        now.as_micros(),
        i64::from(count)
    )?;
    rows.sort_by_key(|row| row.serial);
    for row in rows {
        let (serial, fence, receiver) = (row.serial, row.fence, row.receiver.clone());
        let delivery = match row.read() {
            Ok(delivery) => delivery,
            // It must not hold up the rest of the outbox, nor its job for ever. It can be sent again once it can be read.
            Err(error) => {
                tracing::error!(error = %error, "a delivery is given up");
                run!(conn, execute, GIVE_UP, serial, now.as_micros())?;
                continue;
            }
        };
        let destination = match &delivery.recipient {
            Recipient::Callback(callback) => Destination::Callback(callback.clone()),
            Recipient::Endpoint(id) => match endpoints::target(conn, id, now).await? {
                Some(target) => Destination::Endpoint(target),
                // Deleted in this very moment, and its deliveries with it.
                None => continue,
            },
        };
        let lease = DeliveryLease { delivery: delivery.id.clone(), fence };
        claimed.push(ClaimedDelivery { delivery, destination, receiver, lease });
    }
    Ok(())
}

fn len(claimed: &[ClaimedDelivery]) -> u32 {
    u32::try_from(claimed.len()).unwrap_or(u32::MAX)
}
