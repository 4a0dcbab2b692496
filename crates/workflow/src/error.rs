//! Why an activity did not end with its result, and what to do about it.

use std::error::Error as StdError;
use std::time::Duration;

use hansard_domain::problem::ProblemCode;
use hansard_media::Error as MediaError;
use hansard_speech::Error as SpeechError;
use hansard_store::Error as StoreError;

use crate::engines::LoadError;

/// How long a job rests that was given back because the database or the media store is away.
const UNAVAILABLE_PAUSE: Duration = Duration::from_secs(5);

/// Whatever was said by those who failed.
type Source = Box<dyn StdError + Send + Sync>;

/// Why an activity did not end with its result. What to do about it is decided where the cause is known.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ActivityError {
    /// The attempt failed, and another one may succeed.
    #[error("{detail}")]
    Retry {
        /// What people and programs are told, should no attempt succeed.
        code: ProblemCode,
        /// A sentence for people, without secrets and internals.
        detail: String,
        /// The least time to wait, where the other side asked for one.
        after: Option<Duration>,
        /// The cause, for the log.
        #[source]
        source: Option<Source>,
    },
    /// Trying again cannot help.
    #[error("{detail}")]
    Permanent {
        /// What people and programs are told.
        code: ProblemCode,
        /// A sentence for people, without secrets and internals.
        detail: String,
        /// The cause, for the log.
        #[source]
        source: Option<Source>,
    },
    /// Nothing failed, but now is not the time: the worker stops, or the store is away. The attempt does not count.
    #[error("postponed")]
    Postponed {
        /// The least time to wait.
        by: Duration,
        /// The cause, for the log.
        #[source]
        source: Option<Source>,
    },
    /// Another job transcribes the same audio with the same options. Its text can be copied when it is complete.
    #[error("another job does the same work")]
    Twin,
    /// The job was cancelled, deleted, or given to another worker. Nothing may be written any more.
    #[error("the job is no longer ours")]
    Lost,
}

impl ActivityError {
    /// Trying again cannot help.
    pub(crate) fn permanent(code: ProblemCode, detail: impl Into<String>) -> Self {
        Self::Permanent { code, detail: detail.into(), source: None }
    }

    /// Another attempt may succeed.
    pub(crate) fn retry(
        code: ProblemCode,
        detail: impl Into<String>,
        source: impl Into<Source>,
    ) -> Self {
        Self::Retry { code, detail: detail.into(), after: None, source: Some(source.into()) }
    }

    /// The job goes on at another time, as if it had not been tried.
    pub(crate) fn postponed(by: Duration) -> Self {
        Self::Postponed { by, source: None }
    }

    /// A panic, shown like any other failure.
    pub(crate) fn panicked(what: &str) -> Self {
        let detail = format!("{what} panicked");
        Self::Retry { code: ProblemCode::Internal, detail, after: None, source: None }
    }
}

impl From<StoreError> for ActivityError {
    fn from(error: StoreError) -> Self {
        if error.is_unavailable() {
            return Self::Postponed { by: UNAVAILABLE_PAUSE, source: Some(error.into()) };
        }
        match error {
            StoreError::Media(_) if error.is_missing() => {
                Self::retry(ProblemCode::MediaNotFound, "the recording's media are missing", error)
            }
            StoreError::Media(_) => {
                Self::Postponed { by: UNAVAILABLE_PAUSE, source: Some(error.into()) }
            }
            StoreError::MediaSwept { .. } => {
                Self::retry(ProblemCode::Internal, "the media were removed too early", error)
            }
            StoreError::Invalid(detail) => Self::permanent(ProblemCode::Internal, detail),
            StoreError::Corrupt { .. } => Self::Permanent {
                code: ProblemCode::Internal,
                detail: "a stored value cannot be read".to_owned(),
                source: Some(error.into()),
            },
            _ => Self::retry(ProblemCode::Internal, "the database refused an operation", error),
        }
    }
}

impl From<LoadError> for ActivityError {
    fn from(error: LoadError) -> Self {
        let (code, detail) = (ProblemCode::EngineUnavailable, error.to_string());
        match error {
            LoadError::NotInstalled { .. } => Self::Permanent { code, detail, source: None },
            LoadError::Failed { source, .. } => {
                Self::Retry { code, detail, after: None, source: Some(source) }
            }
        }
    }
}

impl From<MediaError> for ActivityError {
    fn from(error: MediaError) -> Self {
        let detail = error.to_string();
        let code = match error {
            // Reading what was stored fails when a disk or a network file system does.
            MediaError::Io { .. } => {
                return Self::retry(ProblemCode::MediaStoreUnavailable, detail, error);
            }
            MediaError::NotMedia { .. }
            | MediaError::UnsupportedCodec { .. }
            | MediaError::Unsupported { .. }
            | MediaError::Encrypted { .. } => ProblemCode::UnsupportedMedia,
            MediaError::NotAFile { .. }
            | MediaError::Empty { .. }
            | MediaError::NoAudioTrack { .. }
            | MediaError::NoSamples { .. }
            | MediaError::Corrupt { .. }
            | MediaError::Absurd { .. }
            | MediaError::NoSuchChannel { .. }
            | MediaError::DecoderPanicked { .. } => ProblemCode::UnreadableMedia,
        };
        Self::Permanent { code, detail, source: Some(error.into()) }
    }
}

impl From<SpeechError> for ActivityError {
    fn from(error: SpeechError) -> Self {
        match error {
            SpeechError::Media(error) => error.into(),
            SpeechError::Cancelled => Self::postponed(Duration::ZERO),
            SpeechError::Options(detail) => Self::permanent(ProblemCode::EngineRefused, detail),
            SpeechError::Model { .. } => {
                Self::retry(ProblemCode::EngineFailed, "the model cannot be used", error)
            }
            SpeechError::Remote { passing, retry_after, ref reason, .. } => {
                let detail = format!("the speech service failed: {reason}");
                // What does not pass by itself, as a key that is refused, is the operator's to mend and no fault of the job.
                let code = match passing {
                    true => ProblemCode::EngineFailed,
                    false => ProblemCode::EngineUnavailable,
                };
                Self::Retry { code, detail, after: retry_after, source: Some(error.into()) }
            }
            // The observer is ours and says why it stopped the engine.
            SpeechError::Observer(source) => match source.downcast::<Self>() {
                Ok(error) => *error,
                Err(source) => {
                    Self::retry(ProblemCode::Internal, "a window could not be kept", source)
                }
            },
        }
    }
}

/// The message of `error` and of everything that caused it.
pub(crate) fn chain(error: &dyn StdError) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_observer_said_is_not_lost_in_the_engine() {
        let error = SpeechError::Observer(Box::new(ActivityError::Lost));

        assert!(matches!(ActivityError::from(error), ActivityError::Lost));
    }

    #[test]
    fn a_database_that_is_away_costs_no_attempt() {
        assert!(matches!(ActivityError::from(StoreError::Busy), ActivityError::Postponed { .. }));
        assert!(matches!(ActivityError::from(StoreError::Panicked), ActivityError::Retry { .. }));
    }

    #[test]
    fn broken_media_stay_broken() {
        let empty = MediaError::Empty { file: "rec_1".to_owned() };

        let error = ActivityError::from(SpeechError::Media(empty));

        assert!(matches!(
            error,
            ActivityError::Permanent { code: ProblemCode::UnreadableMedia, .. }
        ));
        assert_eq!(error.to_string(), "rec_1: is empty");
    }
}
