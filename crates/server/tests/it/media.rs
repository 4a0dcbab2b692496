//! The media of a recording, whole and in part.

use axum::body::Body;
use http::{Method, Request, StatusCode};
use serde_json::json;

use crate::service::{Answer, Service, WAV};

async fn call(service: &Service, method: Method, path: &str, headers: &[(&str, &str)]) -> Answer {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    service.send(request.body(Body::empty()).unwrap()).await
}

#[tokio::test]
async fn media_come_whole_in_part_or_not_again() {
    let service = Service::start().await;
    let accepted = service.accept().await;
    let path =
        format!("/api/v1/recordings/{}/media", accepted["recording"]["id"].as_str().unwrap());

    let whole = service.get(&path).await;
    let etag = whole.header("etag").to_owned();
    let head = call(&service, Method::HEAD, &path, &[]).await;
    let part =
        call(&service, Method::GET, &path, &[("range", "bytes=4-7"), ("if-range", &etag)]).await;
    let changed =
        call(&service, Method::GET, &path, &[("range", "bytes=4-7"), ("if-range", "\"x\"")]).await;
    let outside = call(&service, Method::GET, &path, &[("range", "bytes=9000-")]).await;
    let known = call(&service, Method::GET, &path, &[("if-none-match", &etag)]).await;

    assert_eq!((whole.status, &whole.body[..]), (StatusCode::OK, WAV));
    assert_eq!(whole.header("content-type"), "audio/wav");
    assert_eq!(whole.header("accept-ranges"), "bytes");
    assert_eq!(etag, format!("\"{}\"", accepted["recording"]["media"]["sha256"].as_str().unwrap()));
    assert_eq!((head.status, head.body.len()), (StatusCode::OK, 0));
    assert_eq!(head.header("content-length"), WAV.len().to_string());
    assert_eq!((part.status, &part.body[..]), (StatusCode::PARTIAL_CONTENT, &WAV[4..8]));
    assert_eq!(part.header("content-range"), format!("bytes 4-7/{}", WAV.len()));
    assert_eq!((changed.status, &changed.body[..]), (StatusCode::OK, WAV));
    assert_eq!(outside.problem(), "range_not_satisfiable");
    assert_eq!(outside.header("content-range"), format!("bytes */{}", WAV.len()));
    assert_eq!((known.status, known.body.len()), (StatusCode::NOT_MODIFIED, 0));
}

#[tokio::test]
async fn media_that_are_not_there_yet_are_a_problem() {
    let service = Service::start().await;
    let source = json!({"source": {"s3": {"key": "k"}}});
    let accepted = service.post_json("/api/v1/recordings", &source).await.json();
    let id = accepted["recording"]["id"].as_str().unwrap();

    let answer = service.get(&format!("/api/v1/recordings/{id}/media")).await;

    assert_eq!(answer.problem(), "media_not_found");
}
