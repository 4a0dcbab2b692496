//! Everything that can be called, by whom, and what answers: one table.

use std::collections::BTreeMap;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request};
use axum::handler::Handler;
use axum::middleware::{Next, from_fn, from_fn_with_state, map_response};
use axum::response::Response;
use axum::routing::{MethodFilter, MethodRouter, on};
use hansard_domain::access::{Kind, Permission};
use hansard_domain::problem::ProblemCode;
use http::{HeaderMap, Method, Uri};
use tower_http::catch_panic::CatchPanicLayer;

use crate::door::{self, Line};
use crate::middleware;
use crate::problem::Problem;
use crate::shield::shield;
use crate::{App, adapters, api, documents, login, openapi, probes};

mod access;

pub(crate) use access::not_found;
pub use access::{Access, Answers, NamedBy, Needs, Object, Told};

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
    words: Option<Words>,
}

/// How answers are put into the words of a protocol.
#[derive(Clone, Copy)]
enum Words {
    /// In the same words for everybody.
    Fixed(fn(Response) -> Response),
    /// In those that a request with this address and these headers asks for.
    Asked(fn(&Uri, &HeaderMap, Response) -> Response),
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
    use Access::Public;
    use Permission::{ReadMetrics, ReadRecordings, WriteRecordings};
    let (reads, writes) = (Access::needs(ReadRecordings), Access::needs(WriteRecordings));
    let (sees, changes) = (of_kind(ReadRecordings), of_kind(WriteRecordings));
    let (recording, job) = (Kind::Recording, Kind::Job);
    let mut table = vec![
        Route::get("/healthz", Public, probes::health).always(),
        Route::get("/readyz", Public, probes::ready).always(),
        Route::get("/version", Public, probes::version).always(),
        Route::get("/metrics", Access::needs(ReadMetrics), probes::metrics).always(),
        Route::get("/", Public, openapi::index).unlisted(),
        Route::get("/docs/api", Public, openapi::without_slash).unlisted(),
        Route::get("/docs/api/", Public, openapi::reference_start).unlisted(),
        Route::get("/docs/api/{file}", Public, openapi::reference).unlisted(),
        Route::get("/docs/errors/{code}", Public, documents::error_page),
        Route::get("/api/v1/openapi.json", Public, openapi::document_json),
        Route::post("/api/v1/recordings", writes, api::recordings::create_recording),
        Route::get("/api/v1/recordings", reads, api::recordings::list_recordings),
        Route::get(
            "/api/v1/recordings/{id}",
            sees(recording).shared(),
            api::recordings::get_recording,
        ),
        Route::patch(
            "/api/v1/recordings/{id}",
            changes(recording),
            api::recordings::update_recording,
        ),
        Route::delete(
            "/api/v1/recordings/{id}",
            changes(recording),
            api::recordings::delete_recording,
        ),
        Route::get(
            "/api/v1/recordings/{id}/media",
            sees(recording).shared(),
            api::media::get_media,
        ),
        Route::post("/api/v1/recordings/{id}/jobs", changes(recording), api::jobs::create_job),
        Route::get("/api/v1/jobs", reads, api::jobs::list_jobs),
        Route::get("/api/v1/jobs/{id}", sees(job), api::jobs::get_job),
        Route::post("/api/v1/jobs/{id}/cancel", changes(job), api::jobs::cancel_job),
        Route::post("/api/v1/jobs/{id}/retry", changes(job), api::jobs::retry_job),
        Route::get("/api/v1/transcripts", reads, api::transcripts::list_transcripts),
        Route::get(
            "/api/v1/transcripts/{id}",
            sees(Kind::Transcript).shared(),
            api::transcripts::get_transcript,
        ),
    ];
    table.extend(api::endpoints::routes());
    table.extend(api::deliveries::routes());
    table.extend(api::uploads::routes());
    table.extend(api::account_routes());
    table.extend(login::routes());
    table.extend(api::topics::routes());
    table.extend(api::collections::routes());
    table.extend(adapters::routes());
    table
}

/// Access for whoever has `permission` and the `{id}` of the path within reach, which is of a kind.
fn of_kind(permission: Permission) -> impl Fn(Kind) -> Access {
    move |kind| Access::of(permission, kind)
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
        put PUT
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

    /// The line of the same method at the path with a slash at its end, which `handler` answers, whoever asks.
    ///
    /// # Panics
    /// For a method that has no constructor here.
    pub(crate) fn slashed<H, T>(&self, handler: H) -> Self
    where
        H: Handler<T, App>,
        T: 'static,
    {
        let filter = MethodFilter::try_from(self.method.clone());
        let handler = on(filter.expect("a line has a method that is known"), handler);
        let (method, path) = (self.method.clone(), format!("{}/", self.path));
        let access = Access::Public;
        Self { method, path, access, load: Load::Counted, is_listed: false, handler, words: None }
    }

    /// The same route below a prefix.
    pub(crate) fn under(self, prefix: &str) -> Self {
        Self { path: format!("{prefix}{}", self.path), ..self }
    }

    /// The route with its answers, whoever made them, put into other words.
    pub(crate) fn in_words_of(self, words: fn(Response) -> Response) -> Self {
        Self { words: Some(Words::Fixed(words)), ..self }
    }

    /// The same, in words that depend on what the request asks for.
    pub(crate) fn in_words_for(self, words: fn(&Uri, &HeaderMap, Response) -> Response) -> Self {
        Self { words: Some(Words::Asked(words)), ..self }
    }

    /// What answers, behind what the declaration asks for.
    fn service(self, app: &App) -> MethodRouter<App> {
        let is_counted = self.load == Load::Counted;
        let line = Line { app: app.clone(), access: self.access, is_counted };
        let handler = self.handler.route_layer(from_fn_with_state(line, door::admit));
        let handler = match self.load {
            Load::Free => handler,
            Load::Counted => {
                let state = (app.clone(), self.access);
                handler.route_layer(from_fn_with_state(state, middleware::count_in))
            }
        };
        match self.words {
            None => handler,
            Some(Words::Fixed(words)) => handler
                .route_layer(map_response(move |answer: Response| async move { words(answer) })),
            Some(Words::Asked(words)) => {
                handler.route_layer(from_fn(move |request: Request, next: Next| async move {
                    let (uri, headers) = (request.uri().clone(), request.headers().clone());
                    words(&uri, &headers, next.run(request).await)
                }))
            }
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
        .layer(from_fn_with_state(app.clone(), middleware::cross_origin))
        .layer(from_fn_with_state(app.clone(), shield))
        .layer(from_fn_with_state(app.clone(), middleware::answer))
        .with_state(app)
}
