//! The one outbound HTTP client of Hansard.
//!
//! Everything that leaves this machine leaves through here, so that it is bounded in one place: connect and idle
//! timeouts, answer sizes, redirects, retries. No error shows a token or a query string.
//!
//! Start at [`Client`]. It is asynchronous; a caller without a runtime uses [`wait`].

mod checksum;
mod client;
mod download;
mod error;
mod request;
mod retry;
mod tls;
mod wait;

pub use checksum::{Checksum, Hasher};
pub use client::{Client, Head, Proxies, Settings};
pub use download::Download;
pub use error::Error;
pub use request::{Request, Token};
/// Addresses, parsed.
pub use reqwest::Url;
pub use retry::Retries;
pub use wait::wait;
