//! What the tests of several crates share.
//!
//! | Module | What it gives |
//! |---|---|
//! | [`browser`] | a browser, and people who use it |
//! | [`hub_server`] | a model hub |
//! | [`jwks`] | keys of an issuer of tokens, and what they sign |
//! | [`oidc`] | an OpenID provider |
//! | [`port`] | a port for a program that is started again and again |
//! | [`postgres`] | a database server, and fresh databases |
//! | [`process`] | the built program, running |
//! | [`proxy`] | connections that break, in front of any server |
//! | [`receiver`] | a receiver of webhooks that answers as told |
//! | [`s3`] | an S3 server |
//! | [`secrets`] | a search for secrets where none should be |
//! | [`shapes`] | models of published sizes with random weights |
//! | [`speech`] | recordings |
//! | [`tls`] | TLS in front of any of them, by a private authority |
//! | [`tools`] | programs of others that `make test` installs |
//!
//! Used by tests and benchmarks only: nothing that ships depends on it, and it depends on nothing of ours. The rules of
//! the house that the compiler cannot keep are tests of this crate, in `tests/tidy`.

mod background;
pub mod browser;
pub mod hub_server;
pub mod jwks;
pub mod oidc;
pub mod port;
pub mod postgres;
pub mod process;
pub mod proxy;
pub mod receiver;
pub mod s3;
mod script;
pub mod secrets;
pub mod shapes;
pub mod speech;
pub mod tls;
pub mod tools;
