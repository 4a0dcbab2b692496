//! The native API, `/api/v1`.

pub(crate) mod asks;
pub(crate) mod jobs;
pub(crate) mod recordings;
pub(crate) mod views;
