use std::time::Duration;

use crate::reader::Reader;
use crate::setting::{default, section};

section! {
    /// How jobs are run.
    pub struct JobsConfig: "jobs" {
        /// Jobs that this process runs at a time.
        workers: u32 = default("1").within("1", "256"),

        /// Jobs that may wait; further ones are answered 429.
        queue_max: u32 = default("10000").within("1", "10000000"),

        /// How long a worker may hold a job without a heartbeat before another may take it.
        /// It has to exceed three heartbeats, or a slow disk looks like a dead worker.
        lease: Duration = default("30s").within("1s", "1h"),

        /// How often a worker says that it still has its job.
        heartbeat: Duration = default("5s").within("100ms", "10m"),

        /// How often a worker looks for jobs that another process has accepted.
        poll_interval: Duration = default("1s").within("10ms", "1m"),

        /// How often a job is tried when what failed may pass.
        attempts_max: u32 = default("12").within("1", "100"),

        /// The wait before the second attempt; it doubles with each further one.
        backoff_first: Duration = default("2s").within("10ms", "1h"),

        /// The longest wait between two attempts.
        backoff_max: Duration = default("5m").within("10ms", "1d"),

        /// How long finished jobs and their events are kept; transcripts are kept until they are deleted.
        keep_finished: Duration = default("30d").within("1h", "3650d"),
    }
}

impl JobsConfig {
    pub(crate) fn check(&self, reader: &mut Reader) {
        if self.lease <= self.heartbeat * 3 {
            reader.refuse_together(
                &["jobs.lease", "jobs.heartbeat"],
                "expected more than three times jobs.heartbeat",
            );
        }
        if self.backoff_first > self.backoff_max {
            reader.refuse_together(
                &["jobs.backoff_first", "jobs.backoff_max"],
                "expected no more than jobs.backoff_max",
            );
        }
    }
}
