//! A client that is not ours uploads through a network that fails.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::Duration;

use hansard_server::{Keys, serve};
use hansard_testkit::proxy::{Fault, FaultyProxy};
use hansard_testkit::{process, tools};
use http::{Method, StatusCode};
use ring::digest::{Context, SHA256};
use serde_json::json;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::service::{Service, json_request};

const KEY: &str = "zebra-7f3a";
const SIZE: u64 = 1 << 30;

/// A connection takes so many bytes before it is cut: one for each of 20 cuts, and some for the last one.
const BYTES_OF_A_CONNECTION: u64 = 50 << 20;
const CUTS: usize = (SIZE / BYTES_OF_A_CONNECTION) as usize;

/// More connections than the client will need.
const CONNECTIONS_MAX: usize = 10 * CUTS;

/// How long the client may take; it takes a few seconds.
const PATIENCE: Duration = Duration::from_secs(300);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_official_client_uploads_a_gibibyte_through_twenty_cuts() {
    let service = Service::start_with(|settings| {
        settings.keys = Keys::new([KEY]);
        settings.file_bytes_max = SIZE;
    })
    .await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let proxy = FaultyProxy::start(listener.local_addr().unwrap());
    proxy.next(CONNECTIONS_MAX, Fault::CutRequest(BYTES_OF_A_CONNECTION));
    let serving = tokio::spawn(serve(service.app.clone(), listener, CancellationToken::new()));
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("talk.wav");
    let sha256 = write_recording(&path);

    let endpoint = format!("http://{}/api/v1/uploads", proxy.address());
    let (url, cuts) = tokio::task::spawn_blocking(move || upload(&endpoint, &path)).await.unwrap();
    let id = url.rsplit('/').next().unwrap();
    let json = json!({"source": {"upload": id}});
    let mut request = json_request(Method::POST, "/api/v1/recordings", &json);
    request.headers_mut().insert("x-api-key", KEY.parse().unwrap());
    let accepted = service.send(request).await;

    assert!(cuts >= CUTS, "there were {cuts} cuts");
    assert_eq!(accepted.status, StatusCode::ACCEPTED, "{}", accepted.text());
    let recording = &accepted.json()["recording"];
    assert_eq!(recording["media"]["size_bytes"], SIZE);
    assert_eq!(recording["media"]["sha256"], sha256);
    assert_eq!(recording["source"], json!({"upload": {"file_name": "talk.wav"}}));
    service.shutdown.cancel();
    serving.await.unwrap();
}

/// Uploads the file at `path`; returns the address of the upload, and how often a connection was cut on the way.
fn upload(endpoint: &str, path: &Path) -> (String, usize) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/tus_client.js");
    let mut client = process::command(tools::node());
    client.arg(script).args([endpoint, KEY]).arg(path).env("NODE_PATH", tools::node_modules());
    let client = process::Process::start(&mut client);
    let status = client.wait(PATIENCE);
    let output = client.output();
    assert!(status.success(), "{output}");
    let (url, cuts) = output.split_once('\n').expect("it prints two lines");
    (url.to_owned(), cuts.parse().expect("it counts"))
}

/// Writes a file of [`SIZE`] that is empty for the most part and yet nowhere the same, and returns its SHA-256.
fn write_recording(path: &Path) -> String {
    const BLOCK: usize = 1 << 16;
    let file = File::create(path).unwrap();
    file.set_len(SIZE).unwrap();
    let (mut block, mut hash) = (vec![0; BLOCK], Context::new(&SHA256));
    for start in (0..SIZE).step_by(BLOCK) {
        let mark = start.to_le_bytes();
        file.write_all_at(&mark, start).unwrap();
        block[..mark.len()].copy_from_slice(&mark);
        hash.update(&block);
    }
    hash.finish().as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}
