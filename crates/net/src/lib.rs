//! The one outbound HTTP client of Hansard.
//!
//! Everything that leaves this machine leaves through here, so that it is bounded in one place: who may be called, connect
//! and idle timeouts, answer sizes, redirects, retries. No error shows a token or a query string.
//!
//! Start at [`Client`]. Whoever calls says who chose the destination ([`Trust`]): what a caller supplied is checked at the
//! address that is connected to, on every hop ([`Guard`]). It is asynchronous; a caller without a runtime uses [`wait`].

mod answer;
mod body;
mod checksum;
mod client;
mod download;
mod error;
mod fetch;
mod form;
mod guard;
mod names;
mod partial;
mod request;
mod retry;
mod tls;
mod wait;

pub use answer::{Answer, AnswerBody};
pub use body::Body;
pub use checksum::{Checksum, Hasher};
pub use client::{Client, Proxies, Settings};
pub use download::{Download, Downloaded, Promise};
pub use error::Error;
pub use fetch::Head;
pub use form::Form;
pub use guard::Guard;
pub use names::{Resolve, SystemNames};
pub use request::{Call, Redirects, Request, Token, Trust};
/// Addresses, parsed.
pub use reqwest::Url;
pub use retry::{Retries, is_passing_status};
pub use wait::wait;
