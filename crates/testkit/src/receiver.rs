//! Somebody to whom webhooks and callbacks are sent: keeps what arrives and answers as told.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::Response;
use bytes::Bytes;
use futures_util::{StreamExt, stream};

use crate::background::Background;

/// No request of a test is longer.
const BODY_BYTES_MAX: usize = 64 * 1024 * 1024;

/// What an answer that is cut promises beyond what it sends.
const CUT_BYTES: usize = 1000;

/// How a request is answered.
#[derive(Debug, Clone)]
pub struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    end: End,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Whole,
    Cut,
    Never,
}

impl Answer {
    /// An answer without a body.
    pub fn status(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Vec::new(), end: End::Whole }
    }

    /// `307` to another address.
    pub fn redirect(url: &str) -> Self {
        Self::status(307).header("location", url)
    }

    /// The head and the beginning of a body, then the connection ends.
    pub fn cut() -> Self {
        Self { end: End::Cut, ..Self::status(200).body("the beginning") }
    }

    /// None, however long the client waits.
    pub fn hang() -> Self {
        Self { end: End::Never, ..Self::status(200) }
    }

    /// With one more header.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// With a body.
    pub fn body(self, body: impl Into<Vec<u8>>) -> Self {
        Self { body: body.into(), ..self }
    }
}

/// A request as it arrived.
#[derive(Debug, Clone)]
pub struct Received {
    /// `POST`, usually.
    pub method: String,
    /// The path with its query.
    pub target: String,
    /// Header values by lower-case name; of a name that came twice, the last.
    pub headers: BTreeMap<String, String>,
    /// The whole body.
    pub body: Vec<u8>,
}

impl Received {
    /// The body as JSON.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error} in {self:?}"))
    }
}

/// The receiver. It ends when it is dropped.
#[derive(Debug)]
pub struct Receiver {
    server: Background,
    desk: Arc<Desk>,
}

#[derive(Debug)]
struct Desk {
    received: Mutex<Vec<Received>>,
    arrival: Condvar,
    answers: Mutex<VecDeque<Answer>>,
    otherwise: Mutex<Answer>,
}

impl Receiver {
    /// Starts on a free local port and answers `200` until told otherwise.
    pub fn start() -> Self {
        let desk = Arc::new(Desk {
            received: Mutex::default(),
            arrival: Condvar::new(),
            answers: Mutex::default(),
            otherwise: Mutex::new(Answer::status(200)),
        });
        let router = Router::new().fallback(receive).with_state(Arc::clone(&desk));
        Self { server: Background::serve(router), desk }
    }

    /// The address of a path, which begins with a slash.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.server.address())
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// Answers the next request so, after those whose answer is told already.
    pub fn answer_next(&self, answer: Answer) {
        locked(&self.desk.answers).push_back(answer);
    }

    /// Answers so from now on where nothing else is told.
    pub fn answer_always(&self, answer: Answer) {
        *locked(&self.desk.otherwise) = answer;
    }

    /// The requests so far, in order.
    pub fn received(&self) -> Vec<Received> {
        locked(&self.desk.received).clone()
    }

    /// Blocks until `count` requests are there, and returns all.
    ///
    /// # Panics
    ///
    /// When they do not come within `bound`.
    pub fn wait_for(&self, count: usize, bound: Duration) -> Vec<Received> {
        self.desk.wait_for(count, bound)
    }

    /// [`Receiver::wait_for`] for tests whose own runtime must go on meanwhile.
    ///
    /// # Panics
    ///
    /// As that does.
    pub async fn arrived(&self, count: usize, bound: Duration) -> Vec<Received> {
        let desk = Arc::clone(&self.desk);
        let waiting = tokio::task::spawn_blocking(move || desk.wait_for(count, bound));
        waiting.await.unwrap_or_else(|error| panic!("the requests did not come: {error}"))
    }
}

impl Desk {
    fn wait_for(&self, count: usize, bound: Duration) -> Vec<Received> {
        let received = locked(&self.received);
        let too_few = |received: &mut Vec<Received>| received.len() < count;
        let (received, _) = self
            .arrival
            .wait_timeout_while(received, bound, too_few)
            .unwrap_or_else(PoisonError::into_inner);
        let came = received.len();
        assert!(came >= count, "{came} of {count} requests came within {bound:?}: {received:?}");
        received.clone()
    }
}

async fn receive(State(desk): State<Arc<Desk>>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    // A client that goes away before its request is whole has sent none.
    let Ok(body) = axum::body::to_bytes(body, BODY_BYTES_MAX).await else {
        return respond(&Answer::status(400));
    };
    let headers = head.headers.iter().map(|(name, value)| {
        (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned())
    });
    let received = Received {
        method: head.method.to_string(),
        target: head.uri.to_string(),
        headers: headers.collect(),
        body: body.into(),
    };
    let told = locked(&desk.answers).pop_front();
    let answer = told.unwrap_or_else(|| locked(&desk.otherwise).clone());
    locked(&desk.received).push(received);
    desk.arrival.notify_all();
    if answer.end == End::Never {
        std::future::pending::<()>().await;
    }
    respond(&answer)
}

fn respond(answer: &Answer) -> Response {
    let body = Bytes::from(answer.body.clone());
    let mut response = Response::new(match answer.end {
        End::Cut => {
            // The server sends what it has when the body makes it wait, and drops it when the body fails at once.
            let cut = stream::once(async {
                tokio::task::yield_now().await;
                Err(std::io::Error::other("the answer is cut"))
            });
            Body::from_stream(stream::iter([Ok(body)]).chain(cut))
        }
        End::Whole | End::Never => Body::from(body),
    });
    *response.status_mut() = StatusCode::from_u16(answer.status).expect("it is a status");
    let headers = response.headers_mut();
    if answer.end == End::Cut {
        headers.insert("content-length", HeaderValue::from(answer.body.len() + CUT_BYTES));
    }
    for (name, value) in &answer.headers {
        let name = HeaderName::from_bytes(name.as_bytes()).expect("it is a header's name");
        headers.append(name, HeaderValue::from_str(value).expect("it is a header's value"));
    }
    response
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
