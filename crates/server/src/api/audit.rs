//! The audit log: who did what, and what was refused; page by page, or all of it to take away.

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use futures_util::stream::{self, Stream};
use hansard_domain::access::Permission;
use hansard_domain::audit::AuditKind;
use hansard_domain::id::WorkspaceId;
use hansard_store::Error as StoreError;
use hansard_store::audit::{AuditEntry, AuditFilter, NewAudit};
use http::Method;
use http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use crate::App;
use crate::api::me::ActorView;
use crate::api::pages::{PageView, Parameters};
use crate::caller::Caller;
use crate::extract::ApiQuery;
use crate::openapi::names;
use crate::problem::Problem;
use crate::routes::{Access, Route};

/// Where the log is.
const PATH: &str = "/api/v1/audit";

/// Entries that an export reads at a time.
const ENTRIES_AT_A_TIME: u32 = 200;

/// The routes of the log.
pub(crate) fn routes() -> Vec<Route> {
    let access = Access::needs(Permission::ReadAudit);
    vec![
        Route::get(PATH, access, list_audit),
        Route::get(&format!("{PATH}/export"), access, export_audit),
    ]
}

/// An entry of the audit log. It holds ids, and never a name, an e-mail address or what was said.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AuditEntry)]
pub(crate) struct AuditView {
    /// Its name.
    id: String,
    /// What was done, as `token.created`.
    #[schema(schema_with = names::audit_kind)]
    kind: &'static str,
    /// `done` or `refused`.
    #[schema(schema_with = names::outcome)]
    outcome: &'static str,
    /// Who did it.
    actor: ActorView,
    /// Whose admins may read it; `null` for those of the installation alone.
    workspace_id: Option<String>,
    /// The id of what it was done to.
    subject_id: Option<String>,
    /// The code of why it was refused.
    code: Option<String>,
    /// The client's address; `null` where none is known, and once the user was erased.
    address: Option<String>,
    /// The request.
    request_id: Option<String>,
    /// What else there is to know.
    #[schema(value_type = Object)]
    data: Value,
    /// When it was done.
    #[schema(format = DateTime)]
    created_at: String,
}

impl AuditView {
    fn of(entry: AuditEntry) -> Self {
        Self {
            id: entry.id.to_string(),
            kind: entry.kind.name(),
            outcome: entry.outcome.name(),
            actor: ActorView { kind: entry.actor_kind, id: entry.actor },
            workspace_id: entry.workspace.map(|id| id.to_string()),
            subject_id: entry.subject,
            code: entry.code,
            address: entry.address,
            request_id: entry.request,
            // The store keeps objects only.
            data: serde_json::from_str(&entry.data).unwrap_or_default(),
            created_at: entry.created_at.to_string(),
        }
    }
}

/// Which entries to list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListAudit {
    /// Only those of this kind, as `token.created`.
    kind: Option<String>,
    /// Only those of this actor: the id of a user or token, or the name of a key's setting.
    actor_id: Option<String>,
    /// Only those about what has this id.
    subject_id: Option<String>,
    /// Only those of this time or later.
    #[param(format = DateTime)]
    from: Option<String>,
    /// Only those before this time.
    #[param(format = DateTime)]
    before: Option<String>,
    /// The `next_cursor` of the page before.
    cursor: Option<String>,
    /// Items of the page: 1 to 200, and 50 unless it is given.
    limit: Option<u32>,
}

/// Which entries to take away.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ExportAudit {
    /// Only those of this kind, as `token.created`.
    kind: Option<String>,
    /// Only those of this actor: the id of a user or token, or the name of a key's setting.
    actor_id: Option<String>,
    /// Only those about what has this id.
    subject_id: Option<String>,
    /// Only those of this time or later.
    #[param(format = DateTime)]
    from: Option<String>,
    /// Only those before this time.
    #[param(format = DateTime)]
    before: Option<String>,
}

/// What the admins of the caller's workspace may read of the audit log, newest first. Who governs the installation reads all.
#[utoipa::path(
    get, path = "/api/v1/audit", tag = "audit",
    params(ListAudit),
    responses((status = 200, description = "A page of entries", body = PageView<AuditView>)),
)]
pub(crate) async fn list_audit(
    State(app): State<App>,
    caller: Caller,
    ApiQuery(list): ApiQuery<ListAudit>,
) -> Result<Json<PageView<AuditView>>, Problem> {
    let ListAudit { kind, actor_id, subject_id, from, before, cursor, limit } = list;
    let mut parameters = Parameters::default();
    let wanted = ExportAudit { kind, actor_id, subject_id, from, before };
    let filter = filter(&mut parameters, wanted);
    let place = parameters.place(cursor.as_deref(), limit)?;
    let workspace = readable(&caller);
    let page = app.store().page_audit(workspace, &filter, place.before, place.limit).await?;
    Ok(Json(PageView::of(page, AuditView::of)))
}

/// The same entries, all of them, as lines of JSON (NDJSON). That they were taken away is an entry as well.
#[utoipa::path(
    get, path = "/api/v1/audit/export", tag = "audit",
    params(ExportAudit),
    responses((status = 200, description = "An entry a line, newest first", body = AuditView, content_type = "application/x-ndjson")),
)]
pub(crate) async fn export_audit(
    State(app): State<App>,
    caller: Caller,
    ApiQuery(wanted): ApiQuery<ExportAudit>,
    method: Method,
) -> Result<Response, Problem> {
    let mut parameters = Parameters::default();
    let filter = filter(&mut parameters, wanted);
    parameters.place(None, None)?;
    let workspace = readable(&caller).cloned();
    if method == Method::GET {
        let entry = NewAudit::done(AuditKind::AuditExported);
        let entry = NewAudit { workspace: workspace.clone(), ..entry };
        app.store().audit(entry, &caller.by()).await?;
    }
    let head = [
        (CONTENT_TYPE, "application/x-ndjson"),
        (CONTENT_DISPOSITION, "attachment; filename=\"audit.ndjson\""),
    ];
    let exporting = Exporting { app, workspace, filter, before: None, is_done: false };
    Ok((head, Body::from_stream(exporting.lines())).into_response())
}

/// The workspace whose entries `caller` may read; `None` for all that there are.
fn readable(caller: &Caller) -> Option<&WorkspaceId> {
    if caller.principal().governs { None } else { Some(caller.workspace()) }
}

fn filter(parameters: &mut Parameters, wanted: ExportAudit) -> AuditFilter {
    let ExportAudit { kind, actor_id, subject_id, from, before } = wanted;
    let no_kind = "expected a kind of entry, as token.created";
    AuditFilter {
        kind: parameters
            .read("kind", kind.as_deref(), |name| AuditKind::from_name(name).ok_or(no_kind)),
        actor: actor_id,
        subject: subject_id,
        from: parameters.read("from", from.as_deref(), str::parse),
        before: parameters.read("before", before.as_deref(), str::parse),
    }
}

/// Where an export is. It holds a page at a time, however long the log is.
struct Exporting {
    app: App,
    workspace: Option<WorkspaceId>,
    filter: AuditFilter,
    before: Option<i64>,
    is_done: bool,
}

impl Exporting {
    /// The log piece by piece, each of some lines.
    fn lines(self) -> impl Stream<Item = Result<String, StoreError>> + Send {
        stream::try_unfold(self, |mut exporting| async move {
            if exporting.is_done {
                return Ok(None);
            }
            let Self { app, workspace, filter, before, .. } = &exporting;
            let page = app
                .store()
                .page_audit(workspace.as_ref(), filter, *before, ENTRIES_AT_A_TIME)
                .await?;
            exporting.before = page.next;
            exporting.is_done = page.next.is_none();
            let lines =
                page.items.into_iter().map(AuditView::of).map(|view| {
                    serde_json::to_string(&view).expect("an entry has text keys") + "\n"
                });
            Ok(Some((lines.collect(), exporting)))
        })
    }
}
