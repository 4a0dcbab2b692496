//! Documents that the program carries: the pages that problems point at.

use axum::response::{IntoResponse, Response};
use hansard_domain::problem::ProblemCode;
use http::header::CONTENT_TYPE;

use crate::extract::ApiText;
use crate::problem::Problem;

/// Declares the pages by the names of their codes.
macro_rules! pages {
    ($($code:ident,)+) => {
        /// The name of each code, with its page.
        const PAGES: &[(&str, &str)] = &[
            $((stringify!($code), include_str!(concat!("../../../docs/errors/", stringify!($code), ".md"))),)+
        ];
    };
}

pages! {
    invalid_request,
    malformed_body,
    invalid_header,
    unsupported_content_type,
    not_acceptable,
    unauthorized,
    forbidden,
    csrf_session_missing,
    csrf_token_missing,
    csrf_token_invalid,
    refused,
    route_not_found,
    method_not_allowed,
    model_not_found,
    workspace_not_found,
    user_not_found,
    session_not_found,
    token_not_found,
    recording_not_found,
    job_not_found,
    transcript_not_found,
    upload_not_found,
    endpoint_not_found,
    delivery_not_found,
    media_not_found,
    topic_not_found,
    collection_not_found,
    job_state_conflict,
    delivery_state_conflict,
    too_many_endpoints,
    external_id_taken,
    email_taken,
    username_taken,
    identity_taken,
    last_admin,
    too_many_tokens,
    topic_name_taken,
    topic_has_children,
    topic_cycle,
    already_in_collection,
    idempotency_key_reused,
    upload_offset_conflict,
    upload_incomplete,
    upload_locked,
    checksum_mismatch,
    unsupported_version,
    range_not_satisfiable,
    payload_too_large,
    request_timeout,
    result_pending,
    rate_limited,
    queue_full,
    overloaded,
    shutting_down,
    database_unavailable,
    media_store_unavailable,
    not_configured,
    login_not_configured,
    login_state_invalid,
    login_failed,
    login_refused,
    email_not_verified,
    not_invited,
    identity_provider_unavailable,
    internal,
    unsupported_media,
    unreadable_media,
    source_not_found,
    source_bucket_not_found,
    source_denied,
    source_forbidden,
    source_too_large,
    source_unavailable,
    engine_unavailable,
    engine_refused,
    engine_failed,
    workers_lost,
}

/// What a problem means, why it happens and what to do, in Markdown.
#[utoipa::path(
    get, path = "/docs/errors/{code}", tag = "documents",
    params(("code" = String, Path, description = "A problem's `code`")),
    responses((status = 200, description = "The page", body = String, content_type = "text/markdown")),
)]
pub(crate) async fn error_page(ApiText(code): ApiText) -> Result<Response, Problem> {
    let page = PAGES.iter().find(|(known, _)| Some(*known) == code.as_deref());
    let (_, text) = page.ok_or(Problem::new(ProblemCode::RouteNotFound))?;
    Ok(([(CONTENT_TYPE, "text/markdown; charset=utf-8")], *text).into_response())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_code_has_its_page_and_every_page_its_code() {
        let codes: Vec<_> = ProblemCode::ALL.iter().map(|code| code.name()).collect();
        let pages: Vec<_> = PAGES.iter().map(|(code, _)| *code).collect();
        assert_eq!(pages, codes);

        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/errors");
        let files = std::fs::read_dir(folder).unwrap();
        let files: BTreeSet<_> =
            files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
        assert_eq!(files, codes.iter().map(|code| format!("{code}.md")).collect());
    }

    #[test]
    fn a_page_agrees_with_the_table_and_says_what_to_do() {
        for (code, (_, page)) in ProblemCode::ALL.iter().zip(PAGES) {
            let head = format!(
                "# {}\n\nCode `{}`, status {}.\n\n## What it means\n",
                code.title(),
                code.name(),
                code.status()
            );
            assert!(page.starts_with(&head), "{page}");
            assert!(
                page.contains("\n## Why it happens\n") && page.contains("\n## What to do\n"),
                "{page}"
            );
        }
    }
}
