//! One run of a workflow: its states and stages, and what was asked of it.

use crate::names::names;
use crate::transcript::Task;

names! {
    /// Where a job stands.
    JobState {
        /// Waits for a worker, or for the time of its next attempt.
        Queued = "queued",
        /// A worker holds its lease.
        Running = "running",
        /// Ended with a result.
        Succeeded = "succeeded",
        /// Ended with an error; its finished stages are kept, and it can be retried.
        Failed = "failed",
        /// Was ended by somebody.
        Cancelled = "cancelled",
    }
}

impl JobState {
    /// Whether nothing more happens to the job by itself.
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Cancelled)
    }
}

names! {
    /// The stages of the `transcribe` workflow, in order. Each one's result is committed before the next begins.
    ///
    /// Telling those who asked is no stage: deliveries are written with the result and live in the outbox.
    Stage {
        /// Bring the media into the media store.
        Acquire = "acquire",
        /// Write down what is said, window by window.
        Transcribe = "transcribe",
    }
}

names! {
    /// Which of the waiting jobs goes first. Among equals, workspaces take turns.
    Priority {
        /// When nothing else waits.
        Low = "low",
        /// The usual one.
        Normal = "normal",
        /// Before all others.
        High = "high",
    }
}

names! {
    /// Who may see an object besides its owner.
    Visibility {
        /// Nobody.
        Private = "private",
        /// The members of its workspace.
        Workspace = "workspace",
        /// Whoever has the link.
        Link = "link",
        /// Everybody.
        Public = "public",
    }
}

/// What was asked of a `transcribe` job: what changes its text, and nothing else.
///
/// Two jobs with the same audio and equal options have the same result.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct TranscribeOptions {
    /// ISO 639 code of the language; `None` detects it.
    pub language: Option<String>,
    /// Transcribe, or translate into English.
    pub task: Task,
    /// Name of the model; `None` takes the configured one.
    pub model: Option<String>,
    /// Text that primes the model's vocabulary and style.
    pub prompt: Option<String>,
    /// Times for each word.
    pub words: bool,
    /// Transcribe each channel by itself and say which one a segment comes from.
    pub channels_apart: bool,
    /// The only sampling temperature, 0 to 1; `None` for the engine's own ladder.
    pub temperature: Option<f32>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_read_back() {
        for state in JobState::ALL {
            assert_eq!(JobState::from_name(state.name()), Some(*state));
        }
        for stage in Stage::ALL {
            assert_eq!(Stage::from_name(stage.name()), Some(*stage));
        }
        assert_eq!(Priority::from_name("urgent"), None);
    }
}
