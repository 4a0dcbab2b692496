//! The native API, `/api/v1`.

pub(crate) mod asks;
pub(crate) mod deliveries;
pub(crate) mod endpoints;
pub(crate) mod jobs;
pub(crate) mod media;
pub(crate) mod pages;
pub(crate) mod recordings;
pub(crate) mod transcripts;
pub(crate) mod uploads;
pub(crate) mod views;
