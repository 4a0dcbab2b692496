//! The settings, section by section, and the relations between them.

mod audit;
mod auth;
mod delivery;
mod engine;
mod jobs;
mod limits;
mod log;
mod media;
mod mxwhisper;
mod net;
mod providers;
mod s3;
mod salestrainer;
mod server;
mod store;

pub use audit::AuditConfig;
pub use auth::{AuthConfig, DefaultRole};
pub use delivery::DeliveryConfig;
pub use engine::{EngineConfig, EngineKind};
pub use jobs::JobsConfig;
pub use limits::LimitsConfig;
pub use log::{LogConfig, LogFormat, LogRotation, LogTarget};
pub use media::{MediaConfig, MediaPlace};
pub use mxwhisper::{MxwhisperConfig, ServiceAlgorithm};
pub use net::NetConfig;
pub(crate) use providers::Sections;
pub use providers::{AuthentikConfig, GoogleConfig, KeycloakConfig, Login, OidcConfig, Provider};
pub use s3::S3Config;
pub use salestrainer::SalestrainerConfig;
pub use server::ServerConfig;
pub use store::StoreConfig;
