//! Facts that the event log keeps, and how they are handed on.

use crate::names::names;

names! {
    /// What happened.
    EventKind {
        /// A recording was accepted.
        RecordingCreated = "recording.created",
        /// A recording's metadata changed.
        RecordingUpdated = "recording.updated",
        /// A recording, with all that belongs to it, was deleted.
        RecordingDeleted = "recording.deleted",
        /// A job waits in the queue: it is new, was retried, or its next attempt is due later.
        JobQueued = "job.queued",
        /// A worker took the job.
        JobStarted = "job.started",
        /// A stage of the job ended with its result.
        JobStageFinished = "job.stage_finished",
        /// A window of the transcript is final.
        TranscriptWindow = "transcript.window",
        /// The job ended with a transcript.
        JobSucceeded = "job.succeeded",
        /// The job ended with an error.
        JobFailed = "job.failed",
        /// The job was cancelled.
        JobCancelled = "job.cancelled",
        /// Somebody wants to see whether a webhook endpoint works.
        EndpointTest = "endpoint.test",
    }
}

impl EventKind {
    /// Whether webhook endpoints can subscribe to it. The others are steps on the way, for those who watch live.
    pub const fn is_deliverable(self) -> bool {
        match self {
            Self::RecordingCreated
            | Self::RecordingDeleted
            | Self::JobSucceeded
            | Self::JobFailed
            | Self::JobCancelled => true,
            Self::RecordingUpdated
            | Self::JobQueued
            | Self::JobStarted
            | Self::JobStageFinished
            | Self::TranscriptWindow
            | Self::EndpointTest => false,
        }
    }
}

names! {
    /// Where a delivery stands.
    DeliveryState {
        /// Waits for its first or next attempt, or is being sent.
        Pending = "pending",
        /// The receiver took it.
        Delivered = "delivered",
        /// The receiver refused it for good, or did not take it in all attempts.
        Failed = "failed",
        /// Its endpoint was disabled before it was delivered.
        Cancelled = "cancelled",
    }
}
