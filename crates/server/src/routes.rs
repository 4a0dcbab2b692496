//! Everything that can be called, by whom, and what answers: one table.

use std::collections::BTreeMap;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::handler::Handler;
use axum::middleware::{Next, from_fn_with_state, map_response};
use axum::response::Response;
use axum::routing::{MethodFilter, MethodRouter, on};
use hansard_domain::problem::ProblemCode;
use http::Method;
use tower_http::catch_panic::CatchPanicLayer;

use crate::caller::Caller;
use crate::middleware;
use crate::problem::Problem;
use crate::shield::shield;
use crate::{App, adapters, api, documents, openapi, probes};

/// Who may call a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Everybody.
    Public,
    /// Whoever the door admits; everybody else is refused before the body is read.
    Caller,
    /// Whoever shows a shared secret in the body, as an adapter's original has it. The handler checks it.
    BodySecret,
}

/// What a route answers when the server has as many requests as it takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Load {
    /// That it is busy.
    Counted,
    /// What it always answers: a probe.
    Free,
}

/// One line of the table.
#[derive(Clone)]
pub(crate) struct Route {
    method: Method,
    path: String,
    access: Access,
    load: Load,
    is_listed: bool,
    handler: MethodRouter<App>,
    /// Puts every answer, whoever made it, into the words of a protocol.
    words: Option<fn(Response) -> Response>,
}

/// A line of the table as others see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Declaration {
    /// The method. `GET` answers `HEAD` too.
    pub method: Method,
    /// The path, with its parameters in braces.
    pub path: String,
    /// Who may call.
    pub access: Access,
    /// Whether the route is in the API's document.
    pub is_listed: bool,
}

/// The table.
fn table() -> Vec<Route> {
    use Access::{Caller, Public};
    let mut table = vec![
        Route::get("/healthz", Public, probes::health).always(),
        Route::get("/readyz", Public, probes::ready).always(),
        Route::get("/version", Public, probes::version).always(),
        Route::get("/metrics", Caller, probes::metrics).always(),
        Route::get("/", Public, openapi::index).unlisted(),
        Route::get("/docs/api", Public, openapi::without_slash).unlisted(),
        Route::get("/docs/api/", Public, openapi::reference_start).unlisted(),
        Route::get("/docs/api/{file}", Public, openapi::reference).unlisted(),
        Route::get("/docs/errors/{code}", Public, documents::error_page),
        Route::get("/api/v1/openapi.json", Public, openapi::document_json),
        Route::post("/api/v1/recordings", Caller, api::recordings::create_recording),
        Route::get("/api/v1/recordings", Caller, api::recordings::list_recordings),
        Route::get("/api/v1/recordings/{id}", Caller, api::recordings::get_recording),
        Route::patch("/api/v1/recordings/{id}", Caller, api::recordings::update_recording),
        Route::delete("/api/v1/recordings/{id}", Caller, api::recordings::delete_recording),
        Route::get("/api/v1/recordings/{id}/media", Caller, api::media::get_media),
        Route::post("/api/v1/recordings/{id}/jobs", Caller, api::jobs::create_job),
        Route::get("/api/v1/jobs", Caller, api::jobs::list_jobs),
        Route::get("/api/v1/jobs/{id}", Caller, api::jobs::get_job),
        Route::post("/api/v1/jobs/{id}/cancel", Caller, api::jobs::cancel_job),
        Route::post("/api/v1/jobs/{id}/retry", Caller, api::jobs::retry_job),
        Route::get("/api/v1/transcripts", Caller, api::transcripts::list_transcripts),
        Route::get("/api/v1/transcripts/{id}", Caller, api::transcripts::get_transcript),
    ];
    table.extend(api::endpoints::routes());
    table.extend(api::deliveries::routes());
    table.extend(api::uploads::routes());
    table.extend(adapters::routes());
    table
}

/// Declares a constructor for each method. `GET` answers `HEAD` too; `HEAD` is for where there is no `GET`.
macro_rules! constructors {
    ($($name:ident $method:ident)+) => {
        $(
            #[doc = concat!("The line of `", stringify!($method), "` at `path`.")]
            pub(crate) fn $name<H, T>(path: &str, access: Access, handler: H) -> Self
            where
                H: Handler<T, App>,
                T: 'static,
            {
                let handler = on(MethodFilter::$method, handler);
                let (method, path) = (Method::$method, path.to_owned());
                Self { method, path, access, load: Load::Counted, is_listed: true, handler, words: None }
            }
        )+
    };
}

impl Route {
    constructors! {
        get GET
        head HEAD
        post POST
        patch PATCH
        delete DELETE
        options OPTIONS
    }

    /// The route answers however busy the server is.
    pub(crate) fn always(self) -> Self {
        Self { load: Load::Free, ..self }
    }

    /// The route is not in the API's document: a page, a second name, a redirect.
    pub(crate) fn unlisted(self) -> Self {
        Self { is_listed: false, ..self }
    }

    /// The same route below a prefix.
    pub(crate) fn under(self, prefix: &str) -> Self {
        Self { path: format!("{prefix}{}", self.path), ..self }
    }

    /// The route with its answers, whoever made them, put into other words.
    pub(crate) fn in_words_of(self, words: fn(Response) -> Response) -> Self {
        Self { words: Some(words), ..self }
    }

    /// What answers, behind what the declaration asks for.
    fn service(self, app: &App) -> MethodRouter<App> {
        let handler = match self.access {
            Access::Public | Access::BodySecret => self.handler,
            Access::Caller => {
                self.handler.route_layer(from_fn_with_state(app.clone(), admit_caller))
            }
        };
        let handler = match self.load {
            Load::Free => handler,
            Load::Counted => {
                let state = (app.clone(), self.access);
                handler.route_layer(from_fn_with_state(state, middleware::count_in))
            }
        };
        match self.words {
            None => handler,
            Some(words) => handler
                .route_layer(map_response(move |answer: Response| async move { words(answer) })),
        }
    }
}

/// Every route with its declaration, for tests that walk them.
pub fn declarations() -> Vec<Declaration> {
    let declaration = |Route { method, path, access, is_listed, .. }| Declaration {
        method,
        path,
        access,
        is_listed,
    };
    table().into_iter().map(declaration).collect()
}

/// The service: everything that can be called, as a [`tower`] service.
///
/// # Panics
/// If two lines of the table have the same method and path: a mistake that no start survives.
pub fn router(app: App) -> Router {
    routed(app, table())
}

/// What is answered however busy the server is, and nothing else.
pub(crate) fn probes(app: App) -> Router {
    routed(app, table().into_iter().filter(|route| route.load == Load::Free))
}

fn routed(app: App, routes: impl IntoIterator<Item = Route>) -> Router {
    let mut paths: BTreeMap<String, MethodRouter<App>> = BTreeMap::new();
    for route in routes {
        let path = route.path.clone();
        let handler = route.service(&app);
        let merged = match paths.remove(&path) {
            None => handler,
            Some(others) => others.merge(handler),
        };
        paths.insert(path, merged);
    }
    let router = paths
        .into_iter()
        .fold(Router::new(), |router, (path, handler)| router.route(&path, handler));
    router
        // Clients of an adapter look for a `detail` wherever they have gone wrong.
        .fallback(async || Problem::new(ProblemCode::RouteNotFound).detail("Not Found"))
        .method_not_allowed_fallback(async || {
            Problem::new(ProblemCode::MethodNotAllowed).detail("Method Not Allowed")
        })
        // Bodies have a limit each, where they are read; this one would apply to recordings as well.
        .layer(DefaultBodyLimit::disable())
        .layer(CatchPanicLayer::custom(middleware::panicked))
        .layer(from_fn_with_state(app.clone(), middleware::hurry))
        .layer(from_fn_with_state(app.clone(), shield))
        .layer(from_fn_with_state(app.clone(), middleware::answer))
        .with_state(app)
}

/// Lets admitted callers in.
async fn admit_caller(
    State(app): State<App>,
    request: Request,
    next: Next,
) -> Result<Response, Problem> {
    let (mut parts, body) = request.into_parts();
    let caller = Caller::of(&app, &parts)?;
    parts.extensions.insert(caller);
    Ok(next.run(Request::from_parts(parts, body)).await)
}
