//! Workspaces do not see each other: many of them, and thousands of requests at random over everything that can be called.

#![expect(clippy::unwrap_used, reason = "in a test that is how a failure is told")]

mod draw;
#[path = "../support/service.rs"]
#[expect(dead_code, reason = "other tests need more of it")]
mod service;
#[path = "../support/things.rs"]
mod things;
mod town;

use std::io::Write;

use axum::body::Body;
use hansard_server::{Declaration, Keys, Settings, declarations};
use http::{Method, Request};

use draw::Draw;
use service::{Answer, Service};
use town::Town;

/// Workspaces, and recordings in each.
const WORKSPACES: usize = 50;
const RECORDINGS: usize = 200;

/// Requests on each database.
const REQUESTS: usize = 10_000;

/// Requests that are under way at a time.
const AT_A_TIME: usize = 8;

/// Another seed makes other requests; a failure tells its own.
const SEED: u64 = 0x0048_616e_7361_7264;

fn strict(settings: &mut Settings) {
    settings.admission.required = true;
    settings.salestrainer.secrets = Keys::new(["zebra-shared-9"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_sees_another_workspace_on_sqlite() {
    wander("sqlite", Service::start_full(100_000, strict).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_sees_another_workspace_on_postgres() {
    wander("postgres", Service::start_full_on_postgres(100_000, strict).await).await;
}

async fn wander(database: &str, service: Service) {
    let town = Town::build(&service.store, WORKSPACES, RECORDINGS).await;
    let routes: Vec<_> = declarations().into_iter().filter(is_worth_it).collect();
    let seed = std::env::args().find_map(|given| given.strip_prefix("seed=")?.parse().ok());
    let seed = seed.unwrap_or(SEED);
    let (mut answered, mut refused) = (0, 0);
    let mut draw = Draw::new(seed);
    for _ in 0..REQUESTS / AT_A_TIME {
        let asked: Vec<_> = (0..AT_A_TIME).map(|_| ask(&town, &routes, &mut draw)).collect();
        let answers = asked.iter().map(|asked| service.send(asked.request()));
        for (asked, answer) in asked.iter().zip(futures_util::future::join_all(answers).await) {
            assert!(answer.status.as_u16() != 500, "seed {seed}: {asked:?}: {}", answer.text());
            check(&town, asked, &answer, seed);
            if answer.status.is_success() { answered += 1 } else { refused += 1 }
        }
    }
    town.check_rows(&service.store).await;
    let line = format!(
        "isolation {database}: {WORKSPACES} workspaces, {RECORDINGS} recordings each, {answered} requests answered, \
         {refused} refused, no foreign row\n"
    );
    std::io::stderr().lock().write_all(line.as_bytes()).unwrap();
    assert!(answered > REQUESTS / 10, "most requests were refused: that proves little");
}

/// Routes that know their callers, but for those that end the callers' own credentials, and with them the walk, and those that
/// wait for a transcript that nobody here makes. What is open to everybody names nothing that is anybody's.
fn is_worth_it(route: &Declaration) -> bool {
    let ends_sessions = route.method == Method::DELETE && route.path.contains("sessions");
    let changes_tokens = route.method != Method::GET && route.path.contains("tokens");
    let waits = route.path.contains("/audio/trans");
    !route.access.is_open() && !ends_sessions && !changes_tokens && !waits
}

/// A request, and whose.
#[derive(Debug)]
struct Asked<'a> {
    /// The number of the caller's workspace.
    caller: usize,
    key: &'a str,
    /// Whether the path names what is another workspace's.
    names_foreign: bool,
    method: Method,
    path: String,
    body: Option<String>,
}

impl Asked<'_> {
    fn request(&self) -> Request<Body> {
        let request = Request::builder().method(self.method.clone()).uri(&self.path);
        let request = request.header("authorization", format!("Bearer {}", self.key));
        let request = request.header("tus-resumable", "1.0.0");
        match &self.body {
            None => request.body(Body::empty()).unwrap(),
            Some(json) => {
                let request = request.header("content-type", "application/json");
                request.body(Body::from(json.clone())).unwrap()
            }
        }
    }
}

fn ask<'a>(town: &'a Town, routes: &[Declaration], draw: &mut Draw) -> Asked<'a> {
    let route = draw.one_of(routes);
    let caller = draw.below(WORKSPACES);
    let mut names_foreign = false;
    let segments = route.path.split('/').map(|segment| {
        if !segment.starts_with('{') {
            return segment.to_owned();
        }
        let named = town.name_for(route, segment, caller, draw);
        names_foreign |= named.is_foreign;
        named.text
    });
    let path = segments.collect::<Vec<_>>().join("/");
    let query = town.query(caller, draw);
    let has_body = [Method::POST, Method::PUT, Method::PATCH].contains(&route.method);
    Asked {
        caller,
        names_foreign,
        key: town.key(caller, draw),
        method: route.method.clone(),
        path: if route.method == Method::GET { format!("{path}{query}") } else { path },
        body: has_body.then(|| town.body(caller, draw)),
    }
}

/// Whoever names what is another workspace's is refused, and nothing in any answer is: no text, and no id that the caller has
/// not named itself.
fn check(town: &Town, asked: &Asked<'_>, answer: &Answer, seed: u64) {
    let is_refused = answer.status.is_client_error();
    assert!(!asked.names_foreign || is_refused, "seed {seed}: {asked:?}: {}", answer.status);
    let text = String::from_utf8_lossy(&answer.body);
    let headers = answer.headers.values().filter_map(|value| value.to_str().ok());
    let all = headers.fold(text.into_owned(), |text, value| text + "\n" + value);
    let other = town.markers_in(&all).find(|other| *other != asked.caller);
    assert_eq!(other, None, "seed {seed}: {asked:?} shows another's text: {all}");
    let sent = format!("{} {}", asked.path, asked.body.as_deref().unwrap_or_default());
    for (id, owner) in town.ids_in(&all) {
        let is_known = owner == asked.caller || sent.contains(id);
        assert!(is_known, "seed {seed}: {asked:?} shows {id} of workspace {owner}: {all}");
    }
}
