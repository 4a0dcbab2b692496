//! Counting together with other nodes, in the database that they share.
//!
//! A request must not cost a write, so a node takes many from the shared bucket at once and spends them by itself; what it has
//! not spent is what all nodes together can be over by.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use hansard_domain::time::Timestamp;
use hansard_store::limits::Rate as Shared;
use hansard_store::{Error as StoreError, Store};

use crate::limits::{Exhausted, Key, Rate, Room};

/// The part of a burst that a node takes at once: one in so many.
const LOT_PART: u32 = 20;

/// Keys of which something is left at a time. When there are more, all of it is let go.
const KEYS_MAX: usize = 100_000;

/// Lots that are taken at a time, of different keys.
const TURNS: usize = 16;

/// What was taken from a shared bucket and not spent.
#[derive(Debug, Clone, Copy)]
struct Lot {
    left: u32,
    /// When the shared bucket will be full again.
    full_at: Timestamp,
    /// Until when there is nothing to take, where that was the answer.
    nothing_until: Option<Timestamp>,
}

/// What this node has taken from shared buckets in advance.
#[derive(Debug, Default)]
pub(super) struct Lots {
    kept: Mutex<HashMap<Key, Lot>>,
    /// Whoever has a key's takes the next lot of it: requests that come at once must not take one each.
    taking: [TurnLock; TURNS],
}

type TurnLock = tokio::sync::Mutex<()>;

/// Takes `count` from the bucket of `key` that all nodes share, and returns when it will be full again.
///
/// # Errors
/// The store's, where it cannot be asked. The inner one is [`Exhausted`], if there are fewer.
pub(super) async fn take(
    store: &Store,
    key: Key,
    rate: Rate,
    count: u32,
) -> Result<Result<Timestamp, Exhausted>, StoreError> {
    let (now, burst) = (store.clock().now(), rate.burst());
    match store.take_rate(&key.text(), rate.costs(count), rate.costs(burst)).await? {
        Shared::Left { arrival } => Ok(Ok(arrival)),
        Shared::Wait { until } => {
            let full_at = until.after(rate.costs(burst.saturating_sub(count)));
            let room = rate.room(full_at, now);
            Ok(Err(Exhausted { wait: until.since(now), room }))
        }
    }
}

impl Lots {
    /// Takes one from the bucket that all nodes share. A database that cannot be asked keeps nobody out.
    ///
    /// # Errors
    /// [`Exhausted`] if there is none.
    pub(super) async fn take(
        &self,
        store: &Store,
        key: Key,
        rate: Rate,
    ) -> Result<Option<Room>, Exhausted> {
        let now = store.clock().now();
        if let Some(spent) = self.spend(key, rate, now) {
            return spent.map(Some);
        }
        let _turn = self.taking[key.part(TURNS)].lock().await;
        if let Some(spent) = self.spend(key, rate, now) {
            return spent.map(Some);
        }
        let mut count = rate.part(LOT_PART);
        let mut taken = take(store, key, rate, count).await;
        // Near its end a bucket has less than a lot.
        if count > 1 && matches!(taken, Ok(Err(_))) {
            count = 1;
            taken = take(store, key, rate, count).await;
        }
        match taken {
            Ok(Ok(full_at)) => {
                let lot = Lot { left: count - 1, full_at, nothing_until: None };
                self.keep(key, lot);
                Ok(Some(rate.room(full_at, now).with(lot.left)))
            }
            // Until then nobody has to ask again, and to wait for whoever asks.
            Ok(Err(exhausted)) => {
                let until = Some(now.after(exhausted.wait));
                let full_at = exhausted.room.full_at(now);
                self.keep(key, Lot { left: 0, full_at, nothing_until: until });
                Err(exhausted)
            }
            Err(error) => {
                tracing::warn!(error = %error, "requests could not be counted together with other nodes");
                // Those who wait for their turn go on with it, and not each into the same wait.
                self.keep(key, Lot { left: count - 1, full_at: now, nothing_until: None });
                Ok(None)
            }
        }
    }

    /// What is left after one more was spent of what was taken, or that nothing is to be had yet; `None` where the store has
    /// to be asked.
    fn spend(&self, key: Key, rate: Rate, now: Timestamp) -> Option<Result<Room, Exhausted>> {
        let mut lots = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let lot = lots.get_mut(&key)?;
        let room = rate.room(lot.full_at, now);
        if let Some(until) = lot.nothing_until.filter(|until| *until > now) {
            return Some(Err(Exhausted { wait: until.since(now), room }));
        }
        lot.left = lot.left.checked_sub(1)?;
        Some(Ok(room.with(lot.left)))
    }

    fn keep(&self, key: Key, lot: Lot) {
        let mut lots = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if lots.len() >= KEYS_MAX && !lots.contains_key(&key) {
            lots.clear();
        }
        lots.insert(key, lot);
    }
}
