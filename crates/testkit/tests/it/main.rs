//! What tests rely upon works: servers start, go wrong as asked, and leave nothing behind.

mod postgres;
mod tools;
