//! What tests rely upon works: servers start, go wrong as asked, and leave nothing behind.

mod client;
mod postgres;
mod proxy;
mod receiver;
mod s3;
mod tools;
