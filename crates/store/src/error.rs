//! Why something could not be kept or found.

use std::sync::Arc;
use std::time::Duration;

/// What a caller can act on. Nothing was changed by an operation that failed, unless the variant says otherwise.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The address of the database, or a setting, cannot be used.
    #[error("{0}")]
    Settings(String),
    /// The database could not be opened.
    #[error("the database {address} cannot be opened")]
    Open {
        /// Which database, without credentials.
        address: String,
        /// What it said.
        #[source]
        source: sqlx::Error,
    },
    /// The schema could not be brought up to date, or belongs to a newer version of Hansard.
    #[error("the database schema cannot be used: {reason}")]
    Schema {
        /// What is wrong and what to do.
        reason: String,
        /// What the database said, if it was asked.
        #[source]
        source: Option<sqlx::migrate::MigrateError>,
    },
    /// No connection, or no turn to write, was free in time. Safe to try again.
    #[error("the database is busy")]
    Busy,
    /// A statement failed.
    #[error("statement {statement} failed")]
    Statement {
        /// The statement's name in the source.
        statement: &'static str,
        /// What the database said.
        #[source]
        source: sqlx::Error,
    },
    /// The transaction could not be committed. Where the connection was lost, it may have been.
    #[error("the transaction could not be committed")]
    Commit(#[source] Arc<sqlx::Error>),
    /// A stored value cannot be read: damage, a manual edit, or a newer version of Hansard.
    #[error("{table} row {id} cannot be read: {reason}")]
    Corrupt {
        /// The table.
        table: &'static str,
        /// The row's id.
        id: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A media object was removed before it was accepted, a day after it was written. Writing it again helps.
    #[error("the media object {key} was swept before it was accepted")]
    MediaSwept {
        /// The object's key.
        key: String,
    },
    /// A value that no row can hold, as text with a NUL character.
    #[error("{0}")]
    Invalid(String),
    /// Another recording of the workspace has this external id, maybe one that the caller does not see: it is unique among
    /// all of them.
    #[error("another recording has this external id")]
    ExternalIdTaken,
    /// Another topic has this name.
    #[error("another topic has this name")]
    TopicNameTaken,
    /// The queue holds as many jobs as it may.
    #[error("the queue is full")]
    QueueFull {
        /// When there may be room.
        retry_after: Duration,
    },
    /// The workspace has as many webhook endpoints as it may.
    #[error("there are as many webhook endpoints as may be")]
    TooManyEndpoints,
    /// Another user logs in with this e-mail address.
    #[error("another user has this e-mail address")]
    EmailTaken,
    /// Another user has this username.
    #[error("another user has this username")]
    UsernameTaken,
    /// Another user has this account at a provider, or this name in MxWhisper.
    #[error("another user has this account")]
    IdentityTaken,
    /// The user, or the workspace, has as many tokens as it may.
    #[error("there are as many tokens as may be")]
    TooManyTokens,
    /// The idempotency key was used for another request.
    #[error("the idempotency key belongs to another request")]
    KeyReused,
    /// The media store failed. Trying again may help.
    #[error("the media store failed")]
    Media(#[source] object_store::Error),
    /// A file of the data folder could not be read or written.
    #[error("cannot use {}", path.display())]
    File {
        /// The file.
        path: std::path::PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// Code of an operation panicked; its transaction was rolled back.
    #[error("a database operation panicked")]
    Panicked,
}

impl Error {
    /// The variant for what `source` means about `statement`.
    pub(crate) fn of(statement: &'static str, source: sqlx::Error) -> Self {
        let busy = match &source {
            sqlx::Error::PoolTimedOut => true,
            // On PostgreSQL lock_not_available, deadlock_detected, serialization_failure, too_many_connections, query_canceled.
            sqlx::Error::Database(error) => error.code().is_some_and(|code| {
                is_sqlite_busy(&code)
                    || matches!(&*code, "55P03" | "40P01" | "40001" | "53300" | "57014")
            }),
            _ => false,
        };
        if is_foreign_character(&source) {
            Self::Invalid("the text has a character that the database does not keep".to_owned())
        } else if busy {
            Self::Busy
        } else {
            Self::Statement { statement, source }
        }
    }

    /// Whether another row has this value already, in a column that has `column` in its name: both databases name it, or the
    /// index after it, in their message.
    pub(crate) fn is_taken(&self, column: &str) -> bool {
        match self {
            Self::Statement { source: sqlx::Error::Database(cause), .. } => {
                cause.is_unique_violation() && cause.message().contains(column)
            }
            _ => false,
        }
    }

    /// Whether the media store answers, and does not have the object.
    pub fn is_missing(&self) -> bool {
        matches!(self, Self::Media(object_store::Error::NotFound { .. }))
    }

    /// Whether the database itself is out of reach, and not the operation wrong.
    pub fn is_unavailable(&self) -> bool {
        match self {
            Self::Busy => true,
            Self::Statement { source, .. } | Self::Open { source, .. } => is_connection(source),
            Self::Commit(source) => is_connection(source),
            _ => false,
        }
    }
}

/// SQLITE_BUSY and its kinds, which are told apart in the higher bits.
fn is_sqlite_busy(code: &str) -> bool {
    code.len() < 5 && code.parse::<u32>().is_ok_and(|code| code & 0xff == 5)
}

/// PostgreSQL's character_not_in_repertoire: a NUL that no check at the boundary saw.
fn is_foreign_character(error: &sqlx::Error) -> bool {
    error.as_database_error().and_then(|error| error.code()).is_some_and(|code| code == "22021")
}

fn is_connection(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::Protocol(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed => true,
        // PostgreSQL: connection exceptions (08), operator intervention such as a shutdown (57).
        sqlx::Error::Database(error) => {
            error.code().is_some_and(|code| code.starts_with("08") || code.starts_with("57P"))
        }
        _ => false,
    }
}
