//! Clients that are slow, many, large, or gone.

use std::net::SocketAddr;
use std::time::Duration;

use hansard_server::{Settings, serve};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::service::{BOUNDARY, Service, WAV, form};

/// Longer than anything here takes on a slow machine.
const SOON: Duration = Duration::from_secs(20);

/// How long clients may be silent in these tests.
const PATIENCE: Duration = Duration::from_millis(200);

struct Server {
    service: Service,
    address: SocketAddr,
    hard: CancellationToken,
    serving: JoinHandle<()>,
}

impl Server {
    async fn start(change: impl FnOnce(&mut Settings)) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let service = Service::start_with(|settings| {
            settings.bind = address;
            change(settings);
        })
        .await;
        let hard = CancellationToken::new();
        let serving = tokio::spawn(serve(service.app.clone(), listener, hard.clone()));
        Self { service, address, hard, serving }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// A connection on which this was sent.
    async fn send(&self, bytes: &[u8]) -> TcpStream {
        let mut stream = self.connect().await;
        stream.write_all(bytes).await.unwrap();
        stream
    }

    /// The head of an upload of so many bytes.
    fn upload_head(&self, framing: &str) -> String {
        format!(
            "POST /api/v1/recordings HTTP/1.1\r\nhost: {}\r\n\
             content-type: multipart/form-data; boundary={BOUNDARY}\r\n{framing}\r\n\r\n",
            self.address
        )
    }
}

/// Everything that comes until the server closes the connection.
async fn rest(stream: &mut TcpStream) -> String {
    let mut text = Vec::new();
    timeout(SOON, stream.read_to_end(&mut text)).await.expect("the connection ends").unwrap();
    String::from_utf8(text).unwrap()
}

#[tokio::test]
async fn a_head_that_does_not_end_is_not_waited_for() {
    let server = Server::start(|settings| settings.header_timeout = PATIENCE).await;
    let mut stream = server.send(b"GET /healthz HTTP/1.1\r\nhost: ").await;

    let answer = rest(&mut stream).await;

    assert!(!answer.contains("200"), "{answer}");
}

#[tokio::test]
async fn a_body_that_stops_is_a_timeout_and_leaves_nothing() {
    let server = Server::start(|settings| settings.body_timeout = PATIENCE).await;
    let body = form(&[("file", WAV)]);
    let head = server.upload_head(&format!("content-length: {}", body.len()));
    let mut stream = server.send(&[head.as_bytes(), &body[..body.len() / 2]].concat()).await;

    let answer = rest(&mut stream).await;

    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    assert!(answer.contains("\"code\":\"request_timeout\""), "{answer}");
    assert!(server.service.media_files().await.is_empty());
}

#[tokio::test]
async fn an_upload_that_is_broken_off_leaves_nothing() {
    let server = Server::start(|_| {}).await;
    let body = form(&[("file", WAV)]);
    let head = server.upload_head(&format!("content-length: {}", body.len()));
    let stream = server.send(&[head.as_bytes(), &body[..body.len() / 2]].concat()).await;
    drop(stream);

    // The server has ended when the upload has.
    server.service.shutdown.cancel();
    timeout(SOON, server.serving).await.expect("it ends").unwrap();

    assert!(server.service.media_files().await.is_empty());
}

#[tokio::test]
async fn an_upload_without_a_length_is_cut_off_at_the_limit() {
    let server = Server::start(|settings| settings.file_bytes_max = 10_000).await;
    let mut stream = server.send(server.upload_head("transfer-encoding: chunked").as_bytes()).await;
    let start = &form(&[("file", &[])])[..];
    let start = &start[..start.len() - BOUNDARY.len() - 8];
    stream.write_all(&chunk(start)).await.unwrap();
    for _ in 0..200 {
        // The server may stop listening at any of these.
        if stream.write_all(&chunk(&[7; 1000])).await.is_err() {
            break;
        }
    }

    let answer = rest(&mut stream).await;

    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    assert!(answer.contains("\"code\":\"payload_too_large\""), "{answer}");
    assert!(server.service.media_files().await.is_empty());
}

fn chunk(bytes: &[u8]) -> Vec<u8> {
    [format!("{:x}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat()
}

#[tokio::test]
async fn heads_that_are_too_large_are_refused() {
    let server = Server::start(|_| {}).await;
    let long = format!("GET / HTTP/1.1\r\nhost: x\r\nx-long: {}\r\n\r\n", "x".repeat(1 << 20));
    let many = format!("GET / HTTP/1.1\r\nhost: x\r\n{}\r\n", "x-one: 1\r\n".repeat(150));

    for head in [long, many] {
        let mut stream = server.connect().await;
        let _ = stream.write_all(head.as_bytes()).await;
        let answer = rest(&mut stream).await;
        assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
    }
}

#[tokio::test]
async fn one_connection_too_many_is_told_so() {
    let server = Server::start(|settings| settings.connections_max = 1).await;
    let get = format!("GET /healthz HTTP/1.1\r\nhost: {}\r\n\r\n", server.address);
    let mut first = server.send(get.as_bytes()).await;
    let mut bytes = [0; 12];
    timeout(SOON, first.read_exact(&mut bytes)).await.expect("an answer").unwrap();

    let mut second = server.send(get.as_bytes()).await;
    second.shutdown().await.unwrap();
    let refused = rest(&mut second).await;

    assert_eq!(&bytes, b"HTTP/1.1 200");
    assert!(refused.starts_with("HTTP/1.1 503 "), "{refused}");
    assert!(refused.contains("\"code\":\"overloaded\""), "{refused}");
}

#[tokio::test]
async fn a_request_under_way_is_finished_before_the_server_stops() {
    let server = Server::start(|_| {}).await;
    let body = form(&[("file", WAV)]);
    let head =
        server.upload_head(&format!("content-length: {}\r\nexpect: 100-continue", body.len()));
    let mut stream = server.send(head.as_bytes()).await;
    // The handler reads: it is under way.
    let mut go_on = [0; 25];
    timeout(SOON, stream.read_exact(&mut go_on)).await.expect("an answer").unwrap();
    server.service.shutdown.cancel();
    while TcpStream::connect(server.address).await.is_ok() {
        tokio::task::yield_now().await;
    }

    stream.write_all(&body).await.unwrap();
    let answer = rest(&mut stream).await;
    timeout(SOON, server.serving).await.expect("it ends").unwrap();

    assert!(answer.starts_with("HTTP/1.1 202 "), "{answer}");
    assert_eq!(server.service.media_files().await.len(), 1);
}

#[tokio::test]
async fn the_second_signal_does_not_wait() {
    let server = Server::start(|_| {}).await;
    let body = form(&[("file", WAV)]);
    let head =
        server.upload_head(&format!("content-length: {}\r\nexpect: 100-continue", body.len()));
    let mut stream = server.send(head.as_bytes()).await;
    let mut go_on = [0; 25];
    timeout(SOON, stream.read_exact(&mut go_on)).await.expect("an answer").unwrap();

    server.service.shutdown.cancel();
    server.hard.cancel();

    timeout(SOON, server.serving).await.expect("it ends").unwrap();
}
