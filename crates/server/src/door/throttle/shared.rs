//! Counting together with other nodes, in the database that they share.
//!
//! A request must not cost a write, so a node takes many from the shared bucket at once and spends them by itself; what it has
//! not spent is what all nodes together can be over by.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use hansard_domain::time::Timestamp;
use hansard_store::Store;
use hansard_store::limits::Rate as Shared;

use crate::limits::{Exhausted, Key, Rate, Room};

/// The part of a burst that a node takes at once: one in so many.
const LOT_PART: u32 = 20;

/// Keys of which something is left at a time. When there are more, all of it is let go.
const KEYS_MAX: usize = 100_000;

/// What was taken from a shared bucket and not spent.
#[derive(Debug, Clone, Copy)]
struct Lot {
    left: u32,
    /// When the shared bucket will be full again.
    full_at: Timestamp,
}

/// What this node has taken from shared buckets in advance.
#[derive(Debug, Default)]
pub(super) struct Lots(Mutex<HashMap<Key, Lot>>);

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
        if let Some(lot) = self.spend(key) {
            return Ok(Some(rate.room(lot.full_at, now).with(lot.left)));
        }
        for count in [rate.part(LOT_PART), 1] {
            match store.take_rate(&key.text(), rate.costs(count), rate.costs(rate.burst())).await {
                Ok(Shared::Left { arrival }) => {
                    let lot = Lot { left: count - 1, full_at: arrival };
                    self.keep(key, lot);
                    return Ok(Some(rate.room(arrival, now).with(lot.left)));
                }
                // Near its end a bucket has less than a lot.
                Ok(Shared::Wait { .. }) if count > 1 => {}
                Ok(Shared::Wait { until }) => {
                    let full_at = until.after(rate.costs(rate.burst() - 1));
                    return Err(Exhausted {
                        wait: until.since(now),
                        room: rate.room(full_at, now),
                    });
                }
                Err(error) => {
                    tracing::warn!(error = %error, "requests could not be counted together with other nodes");
                    return Ok(None);
                }
            }
        }
        Ok(None)
    }

    fn spend(&self, key: Key) -> Option<Lot> {
        let mut lots = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let lot = lots.get_mut(&key)?;
        lot.left = lot.left.checked_sub(1)?;
        Some(*lot)
    }

    fn keep(&self, key: Key, lot: Lot) {
        let mut lots = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if lots.len() >= KEYS_MAX {
            lots.clear();
        }
        lots.insert(key, lot);
    }
}
