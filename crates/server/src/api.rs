//! The native API, `/api/v1`.

use crate::routes::Route;

pub(crate) mod asks;
pub(crate) mod audit;
pub(crate) mod collections;
pub(crate) mod deliveries;
pub(crate) mod endpoints;
pub(crate) mod jobs;
pub(crate) mod me;
pub(crate) mod media;
pub(crate) mod pages;
pub(crate) mod recordings;
pub(crate) mod sessions;
pub(crate) mod tokens;
pub(crate) mod topics;
pub(crate) mod transcripts;
pub(crate) mod uploads;
pub(crate) mod users;
pub(crate) mod views;
pub(crate) mod workspaces;

/// The routes about who may do what: oneself, sessions, tokens, workspaces, users, and the log of it all.
pub(crate) fn account_routes() -> Vec<Route> {
    [
        me::routes(),
        sessions::routes(),
        tokens::routes(),
        tokens::service::routes(),
        workspaces::routes(),
        users::routes(),
        audit::routes(),
    ]
    .concat()
}
