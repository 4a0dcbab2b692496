//! Everything that lasts: the database, the event log and the media objects.
//!
//! All SQL is here, once, for SQLite and PostgreSQL. Each public method of [`Store`] is one transaction (or one read) that
//! leaves the rows consistent, whatever happens to the process between two of them. Start at [`Store`]; the table of
//! [`jobs`] and the leases on them ([`leases`]) are the heart.

mod accept;
pub mod audit;
mod backend;
pub mod catalogue;
mod check;
mod clock;
pub mod collections;
pub mod deliveries;
mod documents;
pub mod endpoints;
mod erase;
mod error;
pub mod events;
mod idempotency;
pub mod jobs;
mod keep;
pub mod leases;
pub mod limits;
mod login_states;
mod media;
mod migrations;
mod ownership;
mod reach;
pub mod recordings;
mod retention;
pub mod s3;
mod schema;
pub mod sending;
pub mod sessions;
mod store;
mod text;
pub mod tokens;
pub mod topics;
mod transcribing;
pub mod transcripts;
mod twins;
pub mod uploads;
pub mod users;
pub mod workspaces;
mod writer;

pub use accept::{Accepted, NewJob, NewRecording};
pub use clock::Clock;
pub use erase::{Erased, Erasure};
pub use error::Error;
pub use idempotency::RequestKey;
pub use keep::Kept;
pub use login_states::LoginState;
pub use media::{HEAD_BYTES, Media, WriteError, Written};
pub use reach::{Eyes, Reach};
pub use retention::{KEYS_KEPT, Pruned};
pub use schema::SchemaVersion;
pub use store::{Database, Settings, Store};
pub use text::NAME_BYTES_MAX;
pub use transcribing::{Begin, Finished};
pub use users::TOUCH_EVERY;
