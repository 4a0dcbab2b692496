//! Resumable uploads, as the specification of tus 1.0 has them.

use std::convert::Infallible;
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use futures_util::{future, stream};
use hansard_domain::access::Role;
use hansard_domain::audit::AuditKind;
use hansard_server::Keys;
use hansard_store::audit::AuditFilter;
use http::{Request, StatusCode};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::people::{somebody, town};
use crate::service::{Answer, Service, json_request};

const UPLOADS: &str = "/api/v1/uploads";
const RECORDINGS: &str = "/api/v1/recordings";
const PIECE: (&str, &str) = ("content-type", "application/offset+octet-stream");

/// SHA-1 and SHA-256 of `abc`, by the examples of FIPS 180, in base64.
const SHA1_OF_ABC: &str = "sha1 qZk+NkcGgWq6PiVxeFDCbJzQ2J0=";
const SHA256_OF_ABC: &str = "sha256 ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=";

/// The answer to a request of the protocol.
async fn call(
    service: &Service,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: impl Into<Body>,
) -> Answer {
    let mut request = Request::builder().method(method).uri(path);
    request = request.header("tus-resumable", "1.0.0");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let answer = service.send(request.body(body.into()).unwrap()).await;
    assert_eq!(answer.header("tus-resumable"), "1.0.0", "{method} {path}");
    answer
}

/// The address of a new upload of this length.
async fn begin(service: &Service, length: &str, metadata: &str) -> String {
    let headers = [("upload-length", length), ("upload-metadata", metadata)];
    let answer = call(service, "POST", UPLOADS, &headers, "").await;
    assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text());
    answer.header("location").to_owned()
}

async fn append(service: &Service, path: &str, offset: &str, body: impl Into<Body>) -> Answer {
    call(service, "PATCH", path, &[PIECE, ("upload-offset", offset)], body).await
}

/// Where an upload goes on.
async fn offset(service: &Service, path: &str) -> String {
    let answer = call(service, "HEAD", path, &[], "").await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.header("cache-control"), "no-store");
    answer.header("upload-offset").to_owned()
}

/// A request for a recording from the upload at `path`, with a name if there is one.
async fn create(service: &Service, path: &str, key: Option<&str>) -> Answer {
    let id = path.rsplit('/').next().unwrap();
    let json = json!({"source": {"upload": id}, "title": "Talk"});
    let mut request = json_request(http::Method::POST, RECORDINGS, &json);
    if let Some(key) = key {
        request.headers_mut().insert("idempotency-key", key.parse().unwrap());
    }
    service.send(request).await
}

#[tokio::test]
async fn pieces_become_an_upload_and_the_upload_a_recording() {
    let service = Service::start().await;
    // The file is called `../talk.wav`.
    let path = begin(&service, "6", "filename Li4vdGFsay53YXY=,secret").await;

    let begun = call(&service, "HEAD", &path, &[], "").await;
    assert_eq!((begun.header("upload-offset"), begun.header("upload-length")), ("0", "6"));
    assert_eq!(begun.header("upload-metadata"), "filename Li4vdGFsay53YXY=,secret");
    let first = append(&service, &path, "0", "abc").await;
    assert_eq!((first.status, first.header("upload-offset")), (StatusCode::NO_CONTENT, "3"));
    assert_eq!(first.header("upload-expires"), begun.header("upload-expires"));
    let early = create(&service, &path, None).await;
    assert_eq!((early.status, early.problem()), (StatusCode::CONFLICT, "upload_incomplete".into()));
    append(&service, &path, "3", "def").await;
    assert_eq!(offset(&service, &path).await, "6");

    let accepted = create(&service, &path, Some("k")).await;

    assert_eq!(accepted.status, StatusCode::ACCEPTED, "{}", accepted.text());
    let recording = &accepted.json()["recording"];
    assert_eq!(recording["source"], json!({"upload": {"file_name": "talk.wav"}}));
    assert_eq!(recording["media"]["size_bytes"], 6);
    assert_eq!(accepted.json()["job"]["stage"], "transcribe");
    // The upload is the recording's now, and a repeated request knows it.
    assert_eq!(call(&service, "HEAD", &path, &[], "").await.status, StatusCode::NOT_FOUND);
    let again = create(&service, &path, Some("k")).await;
    assert_eq!(again.header("idempotency-replayed"), "true");
    assert_eq!(again.json(), accepted.json());
    assert_eq!(create(&service, &path, None).await.problem(), "upload_not_found");
    assert_eq!(service.media_files().await.len(), 1);
}

#[tokio::test]
async fn a_crash_on_the_way_from_upload_to_recording_loses_nothing() {
    for key in [Some("k"), None] {
        crash_on_the_way(key).await;
    }
}

async fn crash_on_the_way(key: Option<&str>) {
    let service = Service::start().await;
    let path = begin(&service, "3", "").await;
    append(&service, &path, "0", "abc").await;
    let id = hansard_domain::id::Id::parse(path.rsplit('/').next().unwrap()).unwrap();
    let workspace = service.store.ensure_workspace("default").await.unwrap();
    // A process has copied the bytes, and died before the recording was accepted.
    service.store.take_upload(&workspace, &id).await.unwrap();

    // Two impatient clients at once, or one that did not wait for its first answer.
    let (one, other) =
        future::join(create(&service, &path, key), create(&service, &path, key)).await;

    assert_eq!((one.status, other.status), (StatusCode::ACCEPTED, StatusCode::ACCEPTED));
    assert_eq!(one.json(), other.json());
    assert_eq!(create(&service, &path, key).await.json(), one.json(), "the upload is gone by now");
    service.clock.advance(Duration::from_secs(25 * 60 * 60));
    assert_eq!(service.media_files().await.len(), 1);
}

#[tokio::test]
async fn the_server_says_what_it_can_do() {
    let service = Service::start().await;
    let request = Request::options(UPLOADS).header("tus-resumable", "0.2.2");

    let answer = service.send(request.body(Body::empty()).unwrap()).await;

    assert_eq!(answer.status, StatusCode::NO_CONTENT);
    assert_eq!(answer.header("tus-version"), "1.0.0");
    assert_eq!(answer.header("tus-max-size"), "1048576");
    assert_eq!(answer.header("tus-checksum-algorithm"), "sha1,sha256");
    assert_eq!(
        answer.header("tus-extension"),
        "creation,creation-with-upload,creation-defer-length,termination,expiration,checksum"
    );
}

#[tokio::test]
async fn other_versions_and_strangers_are_told_which_version_is_spoken() {
    let service = Service::start_with(|settings| settings.keys = Keys::new(["zebra"])).await;
    let create = Request::post(UPLOADS).header("upload-length", "1");
    let create = create.header("tus-resumable", "2.0.0");

    let stranger = call(&service, "POST", UPLOADS, &[("upload-length", "1")], "").await;
    let other = create.header("x-api-key", "zebra").body(Body::empty()).unwrap();
    let other = service.send(other).await;

    assert_eq!(stranger.problem(), "unauthorized");
    assert_eq!(other.status, StatusCode::PRECONDITION_FAILED);
    assert_eq!(other.problem(), "unsupported_version");
    assert_eq!((other.header("tus-version"), other.header("tus-resumable")), ("1.0.0", "1.0.0"));
}

#[tokio::test]
async fn uploads_that_cannot_be_are_refused() {
    let service = Service::start().await;
    let long = "k".repeat(5000);
    for (headers, problem) in [
        (&[][..], "invalid_header"),
        (&[("upload-length", "-1")], "invalid_header"),
        (&[("upload-length", "1"), ("upload-defer-length", "1")], "invalid_header"),
        (&[("upload-length", "1"), ("upload-metadata", &long)], "invalid_header"),
        (&[("upload-length", "1"), ("upload-metadata", "name ~")], "invalid_header"),
        (&[("upload-length", "1048577")], "payload_too_large"),
    ] {
        let answer = call(&service, "POST", UPLOADS, headers, "").await;
        assert_eq!(answer.problem(), problem, "{headers:?}");
    }
    let workspace = service.store.ensure_workspace("other").await.unwrap();
    let keep = Duration::from_secs(60);
    let foreign = service.store.create_upload(&workspace, Some(1), "", None, keep).await.unwrap();
    for id in [foreign.id.to_string().as_str(), "upl_01KAJ2Z1GQ8C3T0V7M5N9XQ4RS", "%00"] {
        let path = format!("{UPLOADS}/{id}");
        assert_eq!(append(&service, &path, "0", "x").await.problem(), "upload_not_found");
        assert_eq!(call(&service, "HEAD", &path, &[], "").await.header("upload-offset"), "");
    }
}

#[tokio::test]
async fn an_upload_is_for_whoever_began_it_and_for_admins() {
    let service = town().await;
    let (_, ana) = somebody(&service, "ana", Role::Editor).await;
    let (ben_user, ben) = somebody(&service, "ben", Role::Editor).await;
    let (cara_user, cara) = somebody(&service, "cara", Role::Editor).await;
    let radio = ana.post("/api/v1/workspaces", json!({"name": "Radio"})).await.json();
    let radio = radio["id"].as_str().unwrap();
    for user in [&ben_user, &cara_user] {
        let member = format!("/api/v1/workspaces/{radio}/members/{}", user.id);
        assert!(ana.put(&member, json!({"role": "editor"})).await.status.is_success());
    }
    let (ana, ben, cara) = (ana.inside(radio), ben.inside(radio), cara.inside(radio));
    let request = |method: &str, path: &str, headers: &[(&str, &str)], body: &'static str| {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in [&[("tus-resumable", "1.0.0")], headers].concat() {
            request = request.header(name, value);
        }
        request.body(Body::from(body)).unwrap()
    };
    let begun = ben.send(request("POST", UPLOADS, &[("upload-length", "3")], "")).await;
    let path = begun.header("location").to_owned();
    let source = json!({"source": {"upload": path.rsplit('/').next().unwrap()}});
    let piece = [PIECE, ("upload-offset", "0")];

    let looked = cara.send(request("HEAD", &path, &[], "")).await;
    let appended = cara.send(request("PATCH", &path, &piece, "abc")).await;
    let taken = cara.post(RECORDINGS, source.clone()).await;
    let ended = cara.send(request("DELETE", &path, &[], "")).await;

    assert_eq!(looked.status, StatusCode::NOT_FOUND);
    for answer in [appended, taken, ended] {
        assert_eq!(answer.problem(), "upload_not_found");
    }
    assert_eq!(ana.send(request("HEAD", &path, &[], "")).await.header("upload-offset"), "0");
    let appended = ben.send(request("PATCH", &path, &piece, "abc")).await;
    assert_eq!(appended.header("upload-offset"), "3", "{}", appended.text());
    assert_eq!(cara.post(RECORDINGS, source.clone()).await.problem(), "upload_not_found");
    assert_eq!(ben.post(RECORDINGS, source).await.status, StatusCode::ACCEPTED);
}

#[tokio::test]
async fn a_piece_that_does_not_fit_changes_nothing() {
    let service = Service::start().await;
    let path = begin(&service, "6", "").await;
    append(&service, &path, "0", "abc").await;
    let send = async |headers: &[(&str, &str)], body: &'static str| {
        call(&service, "PATCH", &path, headers, body).await
    };

    for wrong in ["0", "2", "4", "6"] {
        let answer = append(&service, &path, wrong, "x").await;
        assert_eq!((answer.status, answer.problem()), conflict(), "{wrong}");
        assert_eq!(answer.json()["detail"], "the next piece begins at 3");
    }
    assert_eq!(send(&[PIECE], "x").await.problem(), "invalid_header");
    let text = [("content-type", "text/plain"), ("upload-offset", "3")];
    assert_eq!(send(&text, "x").await.problem(), "unsupported_content_type");
    assert_eq!(append(&service, &path, "3", "defg").await.problem(), "payload_too_large");
    let other_length = [PIECE, ("upload-offset", "3"), ("upload-length", "7")];
    assert_eq!(send(&other_length, "x").await.problem(), "invalid_header");
    assert_eq!(offset(&service, &path).await, "3");
}

fn conflict() -> (StatusCode, String) {
    (StatusCode::CONFLICT, "upload_offset_conflict".to_owned())
}

#[tokio::test]
async fn what_arrived_of_a_piece_that_breaks_off_is_kept() {
    let service = Service::start().await;
    let path = begin(&service, "6", "").await;
    let pieces = [Ok(Bytes::from("ab")), Ok(Bytes::from("cd")), Err(std::io::Error::other("cut"))];

    let answer = append(&service, &path, "0", Body::from_stream(stream::iter(pieces))).await;

    assert_eq!(answer.problem(), "malformed_body");
    assert_eq!(offset(&service, &path).await, "4");
}

#[tokio::test]
async fn a_piece_with_another_checksum_is_not_kept() {
    let service = Service::start().await;
    let path = begin(&service, "6", "").await;
    let send = async |offset: &str, checksum: &str, body: &'static str| {
        let headers = [PIECE, ("upload-offset", offset), ("upload-checksum", checksum)];
        call(&service, "PATCH", &path, &headers, body).await
    };

    let wrong = send("0", SHA1_OF_ABC, "abd").await;
    assert_eq!((wrong.status.as_u16(), wrong.problem()), (460, "checksum_mismatch".into()));
    assert_eq!(send("0", "md5 kAFQmDzST7DWlj99KOF/cg==", "abc").await.problem(), "invalid_header");
    assert_eq!(offset(&service, &path).await, "0");
    assert_eq!(send("0", SHA1_OF_ABC, "abc").await.header("upload-offset"), "3");
    assert_eq!(send("3", SHA256_OF_ABC, "abc").await.header("upload-offset"), "6");
}

#[tokio::test]
async fn a_client_that_comes_back_goes_on_behind_what_its_lost_connection_brought() {
    for comes_back_with in ["HEAD", "PATCH", "DELETE"] {
        let service = Service::start().await;
        let path = begin(&service, "6", "").await;
        let (body, mut arriving) = mpsc::channel::<Result<Bytes, Infallible>>(1);
        let arriving =
            Body::from_stream(stream::poll_fn(move |context| arriving.poll_recv(context)));
        let lost = append(&service, &path, "0", arriving);
        let back = async {
            // The last of these is let in when the first was taken: by then the upload is locked. The connection stays open.
            for piece in ["a", "b", "c"] {
                body.send(Ok(Bytes::from(piece))).await.unwrap();
            }
            let headers = [PIECE, ("upload-offset", "0")];
            call(&service, comes_back_with, &path, &headers, "x").await
        };

        let (lost, back) = future::join(lost, back).await;

        let kept: u64 = lost.header("upload-offset").parse().unwrap_or_default();
        assert!(kept >= 1 || comes_back_with == "DELETE", "{comes_back_with}: {lost:?}");
        match comes_back_with {
            "HEAD" => assert_eq!(back.header("upload-offset"), kept.to_string()),
            "PATCH" => assert_eq!(back.problem(), "upload_offset_conflict"),
            _ => assert_eq!(back.status, StatusCode::NO_CONTENT),
        }
        drop(body);
    }
}

#[tokio::test]
async fn a_length_may_be_told_later_and_once() {
    let service = Service::start().await;
    let begun = call(&service, "POST", UPLOADS, &[("upload-defer-length", "1")], "").await;
    let path = begun.header("location");
    append(&service, path, "0", "abc").await;
    let head = call(&service, "HEAD", path, &[], "").await;
    assert_eq!((head.header("upload-defer-length"), head.header("upload-length")), ("1", ""));
    let tell = async |offset: &str, length: &str, body: &'static str| {
        let headers = [PIECE, ("upload-offset", offset), ("upload-length", length)];
        call(&service, "PATCH", path, &headers, body).await
    };

    assert_eq!(tell("0", "6", "def").await.problem(), "upload_offset_conflict");
    assert_eq!(tell("3", "2", "").await.problem(), "invalid_header");
    assert_eq!(tell("3", "1048577", "").await.problem(), "payload_too_large");
    assert_eq!(tell("3", "6", "def").await.status, StatusCode::NO_CONTENT);
    assert_eq!(tell("6", "7", "g").await.problem(), "invalid_header");
    assert_eq!(call(&service, "HEAD", path, &[], "").await.header("upload-length"), "6");
    assert_eq!(create(&service, path, None).await.status, StatusCode::ACCEPTED);
}

#[tokio::test]
async fn the_first_piece_may_come_with_the_creation() {
    let service = Service::start().await;
    let headers = [PIECE, ("upload-length", "3"), ("upload-checksum", SHA1_OF_ABC)];

    let whole = call(&service, "POST", UPLOADS, &headers, "abc").await;
    let wrong = call(&service, "POST", UPLOADS, &headers, "abd").await;

    assert_eq!((whole.status, whole.header("upload-offset")), (StatusCode::CREATED, "3"));
    assert_eq!(offset(&service, whole.header("location")).await, "3");
    assert_eq!(wrong.problem(), "checksum_mismatch");
    assert_eq!(service.upload_files(), 1, "nobody knows where the other one is");
}

#[tokio::test]
async fn an_upload_ends_when_it_is_ended_or_forgotten() {
    let service = Service::start().await;
    let ended = begin(&service, "3", "").await;
    let forgotten = begin(&service, "3", "").await;

    let deleted = call(&service, "DELETE", &ended, &[], "").await;
    service.clock.advance(Duration::from_secs(24 * 60 * 60));

    assert_eq!(deleted.status, StatusCode::NO_CONTENT);
    let filter = AuditFilter { kind: Some(AuditKind::ObjectDeleted), ..AuditFilter::default() };
    let noted = service.store.page_audit(None, &filter, None, 10).await.unwrap().items;
    assert_eq!(noted.len(), 1, "the one that somebody ended is in the audit log");
    for path in [ended, forgotten] {
        assert_eq!(call(&service, "HEAD", &path, &[], "").await.status, StatusCode::NOT_FOUND);
        assert_eq!(call(&service, "DELETE", &path, &[], "").await.problem(), "upload_not_found");
        assert_eq!(create(&service, &path, None).await.problem(), "upload_not_found");
    }
    service.store.sweep_uploads().await.unwrap();
    assert_eq!(service.upload_files(), 0);
}

#[tokio::test]
async fn clients_that_can_only_post_name_the_method_in_a_header() {
    let service = Service::start().await;
    let path = begin(&service, "3", "").await;
    let post = async |method: &str| {
        let headers = [PIECE, ("upload-offset", "0"), ("x-http-method-override", method)];
        call(&service, "POST", &path, &headers, "abc").await
    };

    assert_eq!(post("PATCH").await.header("upload-offset"), "3");
    assert_eq!(post("GET").await.problem(), "method_not_allowed");
    assert_eq!(post("DELETE").await.status, StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn an_empty_upload_is_no_recording() {
    let service = Service::start().await;
    let path = begin(&service, "0", "").await;

    let answer = create(&service, &path, None).await;

    let Value::Array(errors) = &answer.json()["errors"] else { panic!("{}", answer.text()) };
    assert_eq!(errors[0]["pointer"], "/source/upload");
    assert!(service.media_files().await.is_empty());
}
