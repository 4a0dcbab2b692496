//! How often somebody may ask, where several nodes have to count together.
//!
//! The count is one number, after the generic cell rate algorithm: when the requests so far would be over at the steady rate.
//! Each costs a stretch of time, and the number may lie ahead of the clock by the burst.

use std::time::Duration;

use hansard_domain::time::Timestamp;

use crate::backend::{run, statements};
use crate::{Error, Store, text};

statements! {
    /// No row comes back where the burst does not allow it.
    TAKE = "INSERT INTO rate_limits (key, arrival_us) VALUES ($1, CAST($2 AS BIGINT) + CAST($3 AS BIGINT)) \
        ON CONFLICT (key) DO UPDATE SET arrival_us = \
        CASE WHEN rate_limits.arrival_us > $2 THEN rate_limits.arrival_us ELSE $2 END + $3 \
        WHERE CASE WHEN rate_limits.arrival_us > $2 THEN rate_limits.arrival_us ELSE $2 END + $3 - $2 <= $4 \
        RETURNING arrival_us";
    GIVE_BACK = "UPDATE rate_limits SET arrival_us = arrival_us - $2 WHERE key = $1";
    FIND = "SELECT arrival_us FROM rate_limits WHERE key = $1";
}

/// Whether somebody may ask now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rate {
    /// It is counted.
    Left {
        /// When what was counted so far is over: as far ahead of the clock as much of the burst is used up.
        arrival: Timestamp,
    },
    /// It is not counted.
    Wait {
        /// When it may be tried again.
        until: Timestamp,
    },
}

/// A stretch of time, as rows have it.
fn micros(duration: Duration) -> i64 {
    Timestamp::from_micros(0).after(duration).as_micros()
}

impl Store {
    /// Counts something that costs `cost`, under a `key`, where at most `burst` may be counted ahead of the clock.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a cost above the burst, which there would never be room for, and a key that no row can hold; or
    /// where the database cannot be written.
    pub async fn take_rate(
        &self,
        key: &str,
        cost: Duration,
        burst: Duration,
    ) -> Result<Rate, Error> {
        text::check("key", Some(key))?;
        if cost > burst {
            return Err(Error::Invalid("it costs more than the whole burst".to_owned()));
        }
        let (key, now) = (key.to_owned(), self.clock().now());
        self.write_apart(move |conn| {
            Box::pin(async move {
                let (at, cost_us, burst_us) = (now.as_micros(), micros(cost), micros(burst));
                let taken =
                    run!(&mut *conn, fetch_optional::<(i64,)>, TAKE, &key, at, cost_us, burst_us)?;
                if let Some((arrival,)) = taken {
                    return Ok(Rate::Left { arrival: Timestamp::from_micros(arrival) });
                }
                let arrival = run!(conn, fetch_optional::<(i64,)>, FIND, &key)?;
                let arrival = arrival.map_or(now, |(at,)| Timestamp::from_micros(at));
                Ok(Rate::Wait { until: arrival.after(cost).before(burst).max(now) })
            })
        })
        .await
    }

    /// Gives back what was [taken](Self::take_rate) under `key` for something that turned out not to count, as for a login that
    /// succeeds. What is taken first and given back lets no more through at once than there may be.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a key that no row can hold, or where the database cannot be written.
    pub async fn give_back_rate(&self, key: &str, cost: Duration) -> Result<(), Error> {
        text::check("key", Some(key))?;
        let key = key.to_owned();
        self.write_apart(move |conn| {
            Box::pin(async move { run!(conn, execute, GIVE_BACK, &key, micros(cost)).map(drop) })
        })
        .await
    }
}
