//! The queue: turns, places and how long they last.

use std::time::Duration;

use hansard_domain::id::Id;
use hansard_domain::job::JobState;
use hansard_domain::time::Timestamp;

use super::Job;
use crate::backend::{run, statements};
use crate::{Error, Store};

/// The turn of a job of workspace `$1` and priority `$2` that joins the queue at `$3`: after the last one of its own workspace,
/// beside the first of the others that may run. One that rests until it is tried again keeps its turn, which is long past.
///
/// Serving turns in order is a round robin over the workspaces that have work, at the cost of two look-ups in an index.
macro_rules! next_turn {
    () => {
        "COALESCE((SELECT MAX(turn) + 1 FROM jobs WHERE state = 'queued' AND workspace_id = $1 AND priority = $2), \
         (SELECT turn FROM jobs WHERE state = 'queued' AND priority = $2 AND run_at_us <= $3 ORDER BY turn LIMIT 1), 0)"
    };
}

pub(crate) use next_turn;

statements! {
    /// By state, of which each has an index of its own.
    AHEAD = "SELECT 'queued', COUNT(*), COALESCE(SUM(duration_s - done_s), 0.0), COALESCE(SUM(CASE WHEN duration_s IS NULL THEN 1 ELSE 0 END), 0) \
        FROM jobs WHERE state = 'queued' AND (priority > $1 OR (priority = $1 AND (turn < $2 OR (turn = $2 AND serial < $3)))) \
        UNION ALL \
        SELECT 'running', COUNT(*), COALESCE(SUM(duration_s - done_s), 0.0), COALESCE(SUM(CASE WHEN duration_s IS NULL THEN 1 ELSE 0 END), 0) \
        FROM jobs WHERE state = 'running' AND serial <> $3";
    QUEUE_KEY = "SELECT priority, turn FROM jobs WHERE id = $1 AND state = 'queued'";
    SPEED = "SELECT COALESCE(SUM(audio_s), 0.0), COALESCE(SUM(wall_s), 0.0), CAST(COALESCE(SUM(jobs), 0) AS BIGINT) FROM engine_speeds";
    STATES = "SELECT 'queued', COUNT(*), MIN(created_at_us) FROM jobs WHERE state = 'queued' \
        UNION ALL SELECT 'running', COUNT(*), NULL FROM jobs WHERE state = 'running'";
}

/// Where a waiting job stands in the queue.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Position {
    /// Jobs that wait before it or run now.
    pub ahead: u64,
    /// How long they will take, from the measured speed of the engine; `None` while nothing was measured.
    pub wait: Option<Duration>,
}

/// How full the queue is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct QueueStats {
    /// Jobs that wait.
    pub queued: u64,
    /// Jobs that run.
    pub running: u64,
    /// When the oldest waiting job was accepted.
    pub oldest_queued: Option<Timestamp>,
}

impl Store {
    /// Where waiting job `id` stands; `None` for one that does not wait.
    ///
    /// # Errors
    /// Where the database cannot be read.
    pub async fn queue_position(&self, job: &Job) -> Result<Option<Position>, Error> {
        let mut reader = self.reader().await?;
        let mut conn = reader.conn();
        let key = run!(&mut conn, fetch_optional::<(i64, i64)>, QUEUE_KEY, job.id.as_str())?;
        let Some((priority, turn)) = key else { return Ok(None) };
        type Row = (String, i64, f64, i64);
        let rows = run!(&mut conn, fetch_all::<Row>, AHEAD, priority, turn, job.serial)?;
        let (mut ahead, mut running, mut known_s, mut unknown) = (0, 0, 0.0, 0);
        for (state, count, length_s, without_length) in rows {
            if state == JobState::Running.name() {
                running = count;
            }
            ahead += count;
            known_s += length_s;
            unknown += without_length;
        }
        let (audio_s, wall_s, jobs) = run!(&mut conn, fetch_one::<(f64, f64, i64)>, SPEED)?;
        let wait = (audio_s > 0.0 && jobs > 0).then(|| {
            // A job of unknown length is taken to be as long as the others were on average.
            let audio_ahead = known_s + unknown as f64 * audio_s / jobs as f64;
            // As many as run now run side by side.
            let wait = audio_ahead * wall_s / audio_s / running.max(1) as f64;
            Duration::try_from_secs_f64(wait).unwrap_or(Duration::MAX)
        });
        Ok(Some(Position { ahead: u64::try_from(ahead).unwrap_or_default(), wait }))
    }

    /// How full the queue is, over all workspaces.
    ///
    /// # Errors
    /// Where the database cannot be read.
    pub async fn queue_stats(&self) -> Result<QueueStats, Error> {
        let mut reader = self.reader().await?;
        let rows = run!(&mut reader.conn(), fetch_all::<(String, i64, Option<i64>)>, STATES)?;
        let mut stats = QueueStats::default();
        for (state, count, oldest) in rows {
            let count = u64::try_from(count).unwrap_or_default();
            if state == JobState::Queued.name() {
                stats.queued = count;
                stats.oldest_queued = oldest.map(Timestamp::from_micros);
            } else {
                stats.running = count;
            }
        }
        Ok(stats)
    }
}
