//! The HTTP edge: the native API, the adapters and the probes.
//!
//! Handlers translate: a request into one operation of [`hansard_store`], its result into an answer. They own no work that
//! outlives the request; what takes time is a job, and the workers do it.
//!
//! Start at [`App`], then `routes`, the one table of everything that can be called and by whom. A request passes
//! `middleware` (its id, its log line, its limits), the `door`, the extractors of `extract`, its handler, and
//! comes back as an answer or as a `problem`.

mod adapters;
mod api;
mod app;
mod audit;
mod body;
mod caller;
mod cookies;
mod cors;
mod csrf;
mod documents;
mod door;
mod extract;
mod fields;
mod limits;
mod login;
mod metrics;
mod middleware;
pub mod openapi;
mod passwords;
mod peer;
mod place;
mod probes;
mod problem;
mod routes;
mod serve;
mod settings;
mod shield;
mod ticket;
mod wire;

pub use app::{App, Engine, EngineState, Error, Models, Parts};
pub use door::keys::{KeyLevel, Keys};
pub use door::profile::GroupRoles;
pub use door::service::{ServiceClaims, ServiceSecret};
pub use passwords::{PASSWORD_CHARS_MIN, PasswordError, hash_password};
pub use routes::{
    Access, Answers, Declaration, NamedBy, Needs, Object, Told, declarations, router,
};
pub use serve::{serve, serve_probes};
pub use settings::{
    Administrator, Admission, LoginSettings, ProviderSettings, RateSettings, SalesTrainer, Settings,
};
