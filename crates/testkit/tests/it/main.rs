//! What tests rely upon works: servers start, go wrong as asked, and leave nothing behind.

mod browser;
mod client;
mod jwks;
mod oidc;
mod postgres;
mod process;
mod proxy;
mod receiver;
mod s3;
mod secrets;
mod speech;
mod tools;
