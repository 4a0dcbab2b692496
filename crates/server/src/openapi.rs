//! What can be called, as an OpenAPI 3.1 document made from the code, and a page to read it on.
//!
//! Each handler says what it takes and answers; who may call it, and what it answers in place of a result, is added here from
//! the table of routes, so that neither can be forgotten. `docs/openapi.json` is the document as it stands in the repository.

mod accounts;
mod bodies;
pub(crate) mod names;
mod page;

use utoipa::openapi::path::{Operation, PathItem};
use utoipa::openapi::security::{ApiKey, ApiKeyValue, Http, HttpAuthScheme, SecurityScheme};
use utoipa::openapi::{ContentBuilder, OpenApi as Document, RefOr, Response, ResponseBuilder};
use utoipa::openapi::{Ref, SecurityRequirement};
use utoipa::{Modify, OpenApi};

use crate::problem::{CONTENT_TYPE_PROBLEM, ProblemView};
use crate::routes::{Access, Declaration, declarations};
use crate::{adapters, api, cookies, login, probes};

pub(crate) use accounts::{
    MePatch, MemberBody, NewTokenBody, NewUserBody, RotateBody, UserPatch, WorkspaceBody,
};
pub(crate) use bodies::{
    AssignmentBody, CollectionPatch, EndpointPatch, NewCollectionBody, NewEndpointBody, NewJobBody,
    NewTopicBody, PositionBody, RecordingForm, RecordingJson, RecordingPatch, RetryBody,
    TopicPatch,
};
pub(crate) use page::{document_json, index, reference, reference_start, without_slash};

/// The ways to show who one is.
const BEARER: &str = "bearer";
const API_KEY: &str = "api_key";
const SESSION: &str = "session";
const SIDECAR_SECRET: &str = "sidecar_secret";

/// The native API and the probes.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Hansard",
        description = "The record of what was said: recordings in, transcripts out.\n\nA recording is accepted with a job \
that transcribes it; the transcript can be read while it grows. Lists come newest first, page by page: pass `next_cursor` as \
`cursor`. Times are RFC 3339 in UTC, durations are seconds. What goes wrong is `application/problem+json` (RFC 9457) with a \
stable `code`, and `type` leads to a page that says what to do. A request that takes an `Idempotency-Key` can be repeated with it \
without harm.\n\nWithout a configured key, programs on the same machine may call without credentials.",
    ),
    paths(
        api::recordings::create::create_recording,
        api::recordings::list_recordings,
        api::recordings::get_recording,
        api::recordings::update::update_recording,
        api::recordings::delete_recording,
        api::media::get_media,
        api::jobs::create_job,
        api::jobs::list_jobs,
        api::jobs::get_job,
        api::jobs::cancel_job,
        api::jobs::retry_job,
        api::transcripts::list_transcripts,
        api::transcripts::get_transcript,
        api::endpoints::create_endpoint,
        api::endpoints::list_endpoints,
        api::endpoints::get_endpoint,
        api::endpoints::update_endpoint,
        api::endpoints::delete_endpoint,
        api::endpoints::rotate_endpoint_secret,
        api::endpoints::test_endpoint,
        api::deliveries::list_deliveries,
        api::deliveries::get_delivery,
        api::deliveries::replay_delivery,
        api::uploads::describe_protocol,
        api::uploads::create_upload,
        api::uploads::get_upload,
        api::uploads::append_piece,
        api::uploads::terminate_upload,
        api::uploads::override_method,
        api::topics::list_topics,
        api::topics::create_topic,
        api::topics::get_topic,
        api::topics::update_topic,
        api::topics::delete_topic,
        api::topics::assigned::list_recording_topics,
        api::topics::assigned::put_recording_topic,
        api::topics::assigned::delete_recording_topic,
        api::collections::list_collections,
        api::collections::create_collection,
        api::collections::get_collection,
        api::collections::update_collection,
        api::collections::delete_collection,
        api::collections::items::list_collection_items,
        api::collections::items::put_collection_item,
        api::collections::items::delete_collection_item,
        probes::health,
        probes::ready,
        probes::version,
        probes::metrics,
        crate::documents::error_page,
        page::document_json,
        api::me::get_me,
        api::me::update_me,
        api::sessions::list_sessions,
        api::sessions::end_other_sessions,
        api::sessions::end_session,
        api::tokens::list_tokens,
        api::tokens::create_token,
        api::tokens::get_token,
        api::tokens::revoke_token,
        api::tokens::rotate_token,
        api::tokens::service::list_service_tokens,
        api::tokens::service::create_service_token,
        api::tokens::service::get_service_token,
        api::tokens::service::revoke_service_token,
        api::tokens::service::rotate_service_token,
        api::workspaces::list_all_workspaces,
        api::workspaces::list_workspaces,
        api::workspaces::create_workspace,
        api::workspaces::get_workspace,
        api::workspaces::rename_workspace,
        api::workspaces::list_members,
        api::workspaces::set_member,
        api::workspaces::remove_member,
        api::users::list_users,
        api::users::create_user,
        api::users::get_user,
        api::users::update_user,
        api::users::erase_user,
        api::audit::list_audit,
        api::audit::export_audit,
        login::begin::begin_login,
        login::begin::list_providers,
        login::begin::link_identity,
        login::finish::finish_login,
        login::password::show_form,
        login::password::log_in,
        login::session::log_out,
        login::session::log_out_simply,
        login::session::current_user,
    ),
    components(schemas(ProblemView)),
    tags(
        (name = "recordings", description = "Audio and video that was handed in, or is fetched."),
        (name = "jobs", description = "How far what was accepted is, and what can be done about it."),
        (name = "transcripts", description = "What was said."),
        (name = "webhooks", description = "Who is told of what happens, and what came of it."),
        (name = "uploads", description = "Resumable uploads by tus 1.0 (<https://tus.io/protocols/resumable-upload>)."),
        (name = "account", description = "Who one is, and where one is logged in."),
        (name = "tokens", description = "Credentials of programs: one's own keys, and the service tokens of a workspace."),
        (name = "workspaces", description = "What everything belongs to, and who belongs to it."),
        (name = "users", description = "The users of the installation, for who governs it."),
        (name = "audit", description = "Who did what, and what was refused."),
        (name = "login", description = "Login, logout, and who is logged in; what is below `/auth` is below `/sidecar/auth` as well."),
        (name = "topics", description = "What recordings are about: a tree that all workspaces share."),
        (name = "collections", description = "Recordings that belong together, in an order of their own."),
        (name = "probes", description = "How the service is."),
        (name = "documents", description = "What the program says about itself."),
        (name = "openai", description = "OpenAI's audio API; also below `/openai/v1`."),
        (name = "salestrainer", description = "The sidecar of SalesTrainer's WordPress plugin; also below `/salestrainer`."),
        (name = "mxwhisper", description = "MxWhisper's API; also below `/mxwhisper`."),
    ),
    modifiers(&Schemes),
)]
struct Native;

/// The document of everything that can be called.
///
/// # Panics
/// If a line of the table has no description, which a test excludes.
pub fn document() -> Document {
    let mut document = Native::openapi();
    for adapter in adapters::documents() {
        document.merge(adapter);
    }
    for declaration in declarations().iter().filter(|declaration| declaration.is_listed) {
        let operation = operation(&mut document, declaration);
        complete(operation.expect("a test looks at every line"), declaration);
    }
    document
}

struct Schemes;

impl Modify for Schemes {
    fn modify(&self, document: &mut Document) {
        let components = document.components.get_or_insert_default();
        let header = |name: &str| SecurityScheme::ApiKey(ApiKey::Header(ApiKeyValue::new(name)));
        let bearer = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
        components.add_security_scheme(BEARER, bearer);
        components.add_security_scheme(API_KEY, header("X-API-Key"));
        let cookie = ApiKey::Cookie(ApiKeyValue::new(cookies::SESSION));
        components.add_security_scheme(SESSION, SecurityScheme::ApiKey(cookie));
        components.add_security_scheme(SIDECAR_SECRET, header("X-Sidecar-Secret"));
    }
}

/// What `declaration` is called in a document; `{*id}` has no other form there.
fn path_of(declaration: &Declaration) -> String {
    declaration.path.replace("{*", "{")
}

/// What the document says about a route.
fn operation<'a>(
    document: &'a mut Document,
    declaration: &Declaration,
) -> Option<&'a mut Operation> {
    let item = document.paths.paths.get_mut(&path_of(declaration))?;
    operation_of(item, declaration.method.as_str()).as_mut()
}

fn operation_of<'a>(item: &'a mut PathItem, method: &str) -> &'a mut Option<Operation> {
    match method {
        "GET" => &mut item.get,
        "HEAD" => &mut item.head,
        "POST" => &mut item.post,
        "PATCH" => &mut item.patch,
        "DELETE" => &mut item.delete,
        "PUT" => &mut item.put,
        "OPTIONS" => &mut item.options,
        other => unreachable!("no line of the table has {other}"),
    }
}

/// Adds what follows from the declaration of a route.
fn complete(operation: &mut Operation, declaration: &Declaration) {
    let scheme = |name| SecurityRequirement::new(name, Vec::<String>::new());
    let schemes = match declaration.access {
        Access::Public => Vec::new(),
        Access::Known | Access::Owner(_) | Access::Role(_) => {
            vec![scheme(BEARER), scheme(API_KEY), scheme(SESSION)]
        }
        Access::BodySecret => vec![scheme(SIDECAR_SECRET), scheme(BEARER), scheme(API_KEY)],
    };
    operation.security = Some(schemes);
    // An adapter has errors of its own, and describes them.
    let default = RefOr::T(problem());
    operation.responses.responses.entry("default".to_owned()).or_insert(default);
}

/// What any route may answer in place of its result.
fn problem() -> Response {
    let content = ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).build();
    ResponseBuilder::new()
        .description("A problem: what is wrong, and what to do about it")
        .content(CONTENT_TYPE_PROBLEM, content)
        .build()
}

#[cfg(test)]
mod tests;
