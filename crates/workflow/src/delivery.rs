//! Delivery: what is due in the outbox is sent to webhook endpoints and callbacks.
//!
//! Any number of processes may deliver from one store: each delivery is leased to one of them at a time. An outcome is kept
//! after its answer has come, so a process that dies in between leads to a second delivery with the same id, and never to none.
//! Receivers have their turns, and each only a share of what is under way, so one that hangs holds up itself.

mod attempt;
mod sales_trainer;
mod schedule;
mod signature;
mod webhook;

use std::collections::HashMap;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use hansard_domain::id::WorkerId;
use hansard_net::{Client, Url};
use hansard_store::sending::Room;
use hansard_store::{Error as StoreError, Store};
use tokio_util::sync::CancellationToken;

pub use sales_trainer::{SalesTrainer, ServerToken, sales_trainer_answer};
pub use signature::{InvalidKey, SigningKey};

use crate::Metrics;
use crate::error::chain;

/// How much longer than its timeout an attempt keeps its delivery: for reading what is sent, and for writing the outcome.
const LEASE_MARGIN: Duration = Duration::from_secs(60);

/// A rest after something was written, so that many writes in a row lead to one look.
const LOOK_PAUSE: Duration = Duration::from_millis(20);

/// How deliveries are sent.
#[derive(Debug, Clone)]
pub struct Settings {
    /// How long a receiver may take to answer.
    pub timeout: Duration,
    /// How often a delivery is tried, 1 to 10.
    pub attempts_max: u32,
    /// The longest wait that a receiver may ask for.
    pub retry_after_max: Duration,
    /// Deliveries under way at once; at least 1.
    pub concurrency: u32,
    /// Deliveries under way to one receiver at once; at least 1.
    pub per_receiver: u32,
    /// How often to look for what other processes have put into the outbox.
    pub poll_interval: Duration,
    /// Where this service is reached, for links.
    pub public_url: Option<Url>,
    /// What signs callbacks that have the form of a webhook; without it they are not signed.
    pub callback_key: Option<SigningKey>,
    /// Callbacks to the SalesTrainer plugin.
    pub sales_trainer: SalesTrainer,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(30),
            attempts_max: 10,
            retry_after_max: Duration::from_secs(24 * 60 * 60),
            concurrency: 32,
            per_receiver: 4,
            poll_interval: Duration::from_secs(1),
            public_url: None,
            callback_key: None,
            sales_trainer: SalesTrainer::default(),
        }
    }
}

/// Sends what is due.
#[derive(Debug)]
pub struct Deliverer {
    store: Store,
    client: Client,
    worker: WorkerId,
    metrics: Metrics,
    settings: Settings,
}

/// What is under way.
#[derive(Default)]
struct Flight<'a> {
    /// Each gives the receiver that has room again.
    attempts: FuturesUnordered<BoxFuture<'a, String>>,
    /// How many there are, by receiver.
    by_receiver: HashMap<String, u32>,
    /// The receiver that was served last.
    after: String,
}

impl Flight<'_> {
    fn room(&self, settings: &Settings) -> Room {
        let under_way = u32::try_from(self.attempts.len()).unwrap_or(u32::MAX);
        Room {
            count: settings.concurrency.max(1).saturating_sub(under_way),
            per_receiver: settings.per_receiver.max(1),
            in_flight: self.by_receiver.clone(),
            after: self.after.clone(),
        }
    }

    /// Waits until an attempt ends; `false` if there is none.
    async fn land(&mut self) -> bool {
        let Some(receiver) = self.attempts.next().await else { return false };
        if let Some(count) = self.by_receiver.get_mut(&receiver) {
            *count -= 1;
            if *count == 0 {
                self.by_receiver.remove(&receiver);
            }
        }
        true
    }
}

/// What a look into the outbox led to.
enum Look {
    /// Deliveries have started.
    Started,
    /// Something is due, and has to wait until something else has ended.
    NoRoom,
    /// Nothing is due for so long, as far as it is known.
    Idle(Duration),
}

impl Deliverer {
    /// Delivers from `store` with `client`, whose guard decides where callers may have things sent. What comes of it is counted
    /// in `metrics`.
    pub fn new(store: Store, client: Client, metrics: Metrics, settings: Settings) -> Self {
        let worker = store.clock().id();
        Self { store, client, worker, metrics, settings }
    }

    /// Sends what is due until nothing is, or `stopping` asks for an end. Then no more is begun, and what is under way ends,
    /// within the timeout of a receiver.
    ///
    /// Dropping the future ends it at once; what was under way is sent again when its leases end.
    pub async fn run(&self, stopping: CancellationToken) {
        let mut writes = self.store.writes();
        let mut flight = Flight::default();
        while !stopping.is_cancelled() {
            writes.borrow_and_update();
            let look = match self.fill(&mut flight).await {
                Ok(look) => look,
                Err(error) => {
                    tracing::warn!(error = %chain(&error), "the outbox cannot be read");
                    Look::NoRoom
                }
            };
            let (is_listening, wait) = match look {
                Look::Started => continue,
                // What is written cannot change that, and a look is a write itself.
                Look::NoRoom => (false, self.settings.poll_interval),
                Look::Idle(wait) => (true, wait.min(self.settings.poll_interval)),
            };
            tokio::select! {
                true = flight.land() => {}
                Ok(()) = writes.changed(), if is_listening => tokio::time::sleep(LOOK_PAUSE).await,
                () = tokio::time::sleep(wait) => {}
                () = stopping.cancelled() => {}
            }
        }
        while flight.land().await {}
    }

    /// Sends what is due now, and returns how many attempts that took.
    ///
    /// # Errors
    /// Where the outbox cannot be read.
    pub async fn deliver_due(&self) -> Result<u64, StoreError> {
        let mut flight = Flight::default();
        let mut landed = 0;
        loop {
            while matches!(self.fill(&mut flight).await?, Look::Started) {}
            if !flight.land().await {
                return Ok(landed);
            }
            landed += 1;
        }
    }

    /// Begins what is due, as far as there is room.
    async fn fill<'a>(&'a self, flight: &mut Flight<'a>) -> Result<Look, StoreError> {
        let Some(next) = self.store.next_delivery().await? else {
            return Ok(Look::Idle(Duration::MAX));
        };
        let now = self.store.clock().now();
        if next > now {
            return Ok(Look::Idle(next.since(now)));
        }
        let room = flight.room(&self.settings);
        if room.count == 0 {
            return Ok(Look::NoRoom);
        }
        let lease = self.settings.timeout + LEASE_MARGIN;
        let claimed = self.store.claim_deliveries(&self.worker, room, lease).await?;
        if claimed.is_empty() {
            return Ok(Look::NoRoom);
        }
        for one in claimed {
            *flight.by_receiver.entry(one.receiver.clone()).or_default() += 1;
            flight.after.clone_from(&one.receiver);
            flight.attempts.push(Box::pin(attempt::attempt(self, one)));
        }
        Ok(Look::Started)
    }
}
