//! The settings, section by section, and the relations between them.

mod delivery;
mod engine;
mod jobs;
mod log;
mod media;
mod net;
mod s3;
mod salestrainer;
mod server;
mod store;

pub use delivery::DeliveryConfig;
pub use engine::{EngineConfig, EngineKind};
pub use jobs::JobsConfig;
pub use log::{LogConfig, LogFormat, LogRotation, LogTarget};
pub use media::{MediaConfig, MediaPlace};
pub use net::NetConfig;
pub use s3::S3Config;
pub use salestrainer::SalestrainerConfig;
pub use server::ServerConfig;
pub use store::StoreConfig;
