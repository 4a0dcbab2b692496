//! The document itself, and Swagger UI to read it with: everything comes from the program, nothing from elsewhere.

use std::sync::{Arc, LazyLock};

use axum::response::{IntoResponse, Redirect, Response};
use hansard_domain::problem::ProblemCode;
use http::header::{
    CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderValue,
    X_CONTENT_TYPE_OPTIONS,
};
use utoipa_swagger_ui::{Config, SwaggerFile};

use crate::extract::ApiText;
use crate::problem::Problem;

/// Where the document is, from the page: relative, so that it holds behind a proxy that serves both below a prefix.
const DOCUMENT: &str = "../../api/v1/openapi.json";

/// The page may load what this service serves, and nothing else; it sets styles on its elements, and has pictures in its styles.
const POLICY: &str = "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
                      frame-ancestors 'none'; base-uri 'none'; form-action 'none'";

/// The document does not change while the program runs.
static TEXT: LazyLock<String> =
    LazyLock::new(|| super::document().to_pretty_json().expect("the document has text keys"));

/// This document.
#[utoipa::path(
    get, path = "/api/v1/openapi.json", tag = "documents",
    responses((status = 200, description = "The document", body = Object))
)]
pub(crate) async fn document_json() -> Response {
    ([(CONTENT_TYPE, "application/json")], TEXT.as_str()).into_response()
}

/// Leads to the reference page.
pub(crate) async fn index() -> Redirect {
    Redirect::to("docs/api/")
}

/// The same, for those who leave out the slash at the end.
pub(crate) async fn without_slash() -> Redirect {
    Redirect::to("api/")
}

/// The reference page.
pub(crate) async fn reference_start() -> Result<Response, Problem> {
    file("index.html")
}

/// A file of the reference page.
pub(crate) async fn reference(ApiText(name): ApiText) -> Result<Response, Problem> {
    file(&name.ok_or(Problem::new(ProblemCode::RouteNotFound))?)
}

fn file(name: &str) -> Result<Response, Problem> {
    // Swagger UI would have the page's document checked by a server of its makers.
    let config = Config::new([DOCUMENT]).validator_url("none").try_it_out_enabled(true);
    let found = utoipa_swagger_ui::serve(name, Arc::new(config));
    let found =
        found.map_err(|error| Problem::new(ProblemCode::Internal).caused_by(error.to_string()))?;
    let SwaggerFile { bytes, content_type, gzpipped, .. } =
        found.ok_or(Problem::new(ProblemCode::RouteNotFound))?;
    let mut response = (
        [
            (CONTENT_TYPE, content_type.as_str()),
            (CONTENT_SECURITY_POLICY, POLICY),
            (X_CONTENT_TYPE_OPTIONS, "nosniff"),
            (CACHE_CONTROL, "no-cache"),
        ],
        bytes,
    )
        .into_response();
    if gzpipped {
        response.headers_mut().insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    Ok(response)
}
