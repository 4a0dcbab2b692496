//! Connections: accepting them, bounding them, ending them.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hansard_domain::problem::ProblemCode;
use http::Request;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use crate::App;
use crate::peer::Peer;
use crate::problem::{CONTENT_TYPE_PROBLEM, ProblemView};
use crate::routes::{probes, router};
use crate::wire::Wire;

/// Bytes of a request's head, and of what is read ahead of its body.
const HEAD_BYTES_MAX: usize = 64 << 10;

/// Headers of a request.
const HEADERS_MAX: usize = 100;

/// How long to wait when the system has no socket to give, as when all file descriptors are in use.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Connections beyond the limit that are told so at a time; more of them are closed without a word.
const REFUSALS_MAX: usize = 64;

/// Answers what comes in at `listener` until the application's token for shutdown is cancelled.
///
/// From then on nothing is accepted and what is under way goes on to its end, for at most the grace of the settings, or
/// until `hard` is cancelled; then the rest is cut off. What was accepted into the store by then is there.
pub async fn serve(app: App, listener: TcpListener, hard: CancellationToken) {
    let routes = router(app.clone());
    answer(app, routes, listener, hard).await;
}

/// Answers probes and metrics alone, for a process that does something else; the rest is as with [`serve`].
pub async fn serve_probes(app: App, listener: TcpListener, hard: CancellationToken) {
    let routes = probes(app.clone());
    answer(app, routes, listener, hard).await;
}

async fn answer(app: App, routes: Router, listener: TcpListener, hard: CancellationToken) {
    let settings = app.settings();
    let places = Arc::new(Semaphore::new(settings.connections_max.min(Semaphore::MAX_PERMITS)));
    let refusals = Arc::new(Semaphore::new(REFUSALS_MAX));
    loop {
        let accepted = tokio::select! {
            () = app.shutdown().cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                pause_after(&error).await;
                continue;
            }
        };
        // Answers are written whole; waiting for more bytes to fill a packet would only add delay.
        let _ = stream.set_nodelay(true);
        let wire = Wire::new(stream, settings.body_timeout);
        match Arc::clone(&places).try_acquire_owned() {
            Ok(place) => {
                app.tasks().spawn(connection(
                    app.clone(),
                    routes.clone(),
                    Peer(peer),
                    wire,
                    place,
                    hard.clone(),
                ));
            }
            Err(_) => {
                if let Ok(place) = Arc::clone(&refusals).try_acquire_owned() {
                    app.tasks().spawn(refuse(wire, place));
                }
            }
        }
    }
    drop(listener);
    app.tasks().close();
    tokio::select! {
        () = app.tasks().wait() => {}
        () = hard.cancelled() => {}
        () = tokio::time::sleep(settings.shutdown_grace) => {
            tracing::warn!("requests did not end within the grace of the shutdown and are cut off");
            hard.cancel();
        }
    }
}

/// Answers the requests of one connection, which comes from `peer`, one after the other.
async fn connection(
    app: App,
    routes: Router,
    peer: Peer,
    wire: Wire,
    place: OwnedSemaphorePermit,
    hard: CancellationToken,
) {
    let service = TowerToHyperService::new(routes.map_request(move |mut request: Request<_>| {
        request.extensions_mut().insert(peer);
        request
    }));
    let mut builder = Builder::new(TokioExecutor::new()).http1_only();
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(app.settings().header_timeout)
        .max_buf_size(HEAD_BYTES_MAX)
        .max_headers(HEADERS_MAX);
    let connection = builder.serve_connection(TokioIo::new(wire), service);
    tokio::pin!(connection);
    let mut is_stopping = false;
    let ended = loop {
        tokio::select! {
            ended = connection.as_mut() => break ended,
            () = hard.cancelled() => break Ok(()),
            () = app.shutdown().cancelled(), if !is_stopping => {
                is_stopping = true;
                connection.as_mut().graceful_shutdown();
            }
        }
    };
    if let Err(error) = ended {
        // Clients go away whenever they like; only whoever looks into it wants to know.
        tracing::debug!(error, "a connection broke off");
    }
    drop(place);
}

/// Says that there are too many connections, and ends this one.
async fn refuse(mut wire: Wire, place: OwnedSemaphorePermit) {
    let problem = ProblemView::of_code(ProblemCode::Overloaded, "too many connections");
    let body = serde_json::to_string(&problem).expect("a problem has text keys");
    let answer = format!(
        "HTTP/1.1 503 Service Unavailable\r\ncontent-type: {CONTENT_TYPE_PROBLEM}\r\n\
         content-length: {}\r\nretry-after: 1\r\nconnection: close\r\n\r\n{body}",
        body.len()
    );
    // A new connection has room for so few bytes; a client that is gone does not need them.
    let _ = wire.write_all(answer.as_bytes()).await;
    let _ = wire.shutdown().await;
    drop(place);
}

async fn pause_after(error: &io::Error) {
    let is_of_one_connection = matches!(
        error.kind(),
        io::ErrorKind::ConnectionRefused
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
    );
    if !is_of_one_connection {
        tracing::error!(error = %error, "no connection can be accepted");
        tokio::time::sleep(ACCEPT_PAUSE).await;
    }
}
