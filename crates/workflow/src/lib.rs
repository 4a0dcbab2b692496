//! Durable work: jobs are claimed, run stage by stage, and ended exactly once, whatever happens to the process.
//!
//! Start at [`Worker`]. The stages are plain functions that may be run again at any time, `acquire` and `transcribe`; what
//! went wrong in one, and whether another attempt may help, is an `ActivityError`. [`Engines`] is where speech engines come
//! from. [`delivery`] tells those who asked. All statements are in the store.

mod acquire;
mod attempt;
mod backoff;
pub mod delivery;
mod engines;
mod error;
mod media_type;
mod metrics;
mod scratch;
mod tasks;
mod transcribe;
mod worker;

pub use acquire::Sources;
pub use backoff::Retries;
pub use engines::{EnginePool, Engines, LoadError};
pub use media_type::media_type;
pub use metrics::Metrics;
pub use tasks::Tasks;
pub use worker::{Parts, Settings, Worker};
