//! Other systems' wire formats on our own operations.
//!
//! An adapter translates: a request of its original into an operation of the store, the result into the original's answer,
//! and a [`Problem`](crate::problem::Problem) into the original's error. It owns no logic. Each is mounted under its own
//! prefix, since a base URL may hold a path, and once more where clients of the original look for it.

mod fastapi;
mod mxwhisper;
mod openai;
mod salestrainer;
mod waiting;

use utoipa::OpenApi;
use utoipa::openapi::OpenApi as Document;

use crate::routes::Route;

/// The routes of all adapters, wherever they are mounted.
pub(crate) fn routes() -> Vec<Route> {
    let mut routes = mounted(openai::routes, ["/v1", "/openai/v1"]);
    routes.extend(mounted(salestrainer::routes, ["", "/salestrainer"]));
    routes.extend(mounted(mxwhisper::routes, ["", "/mxwhisper"]));
    routes
}

/// What the adapters say about themselves, each under its first prefix.
pub(crate) fn documents() -> [Document; 3] {
    [
        openai::Documented::openapi(),
        salestrainer::Documented::openapi(),
        mxwhisper::Documented::openapi(),
    ]
}

/// The routes under each of the prefixes; they are listed under the first one.
fn mounted(routes: fn() -> Vec<Route>, [first, other]: [&str; 2]) -> Vec<Route> {
    let listed = routes().into_iter().map(|route| route.under(first));
    let others = routes().into_iter().map(|route| route.under(other).unlisted());
    listed.chain(others).collect()
}
