//! The shapes of the original's answers, as its own document has them (`contract.json`, without what the answers do not show).

use std::collections::BTreeSet;
use std::sync::LazyLock;

use hansard_server::declarations;
use http::{Method, StatusCode};
use serde_json::Value;

use super::client::Client;
use crate::service::Answer;

static CONTRACT: LazyLock<Value> =
    LazyLock::new(|| serde_json::from_str(include_str!("contract.json")).unwrap());

/// Checks that `value` is what the document calls `name`.
pub(super) fn check(name: &str, value: &Value) {
    let schema = &CONTRACT["schemas"][name];
    assert!(schema.is_object(), "there is no {name}");
    if let Err(mistake) = fits(schema, value) {
        panic!("{name}: {mistake}\n{value:#}");
    }
}

/// Checks that an answer is what the document has for a route, whose path has its parameters in braces.
pub(super) fn check_answer(route: &str, answer: &Answer) -> Value {
    let Value::Array(expected) = &CONTRACT["routes"][route] else { panic!("there is no {route}") };
    assert_eq!(expected[0], answer.status.as_u16(), "{route}: {}", answer.text());
    let json = answer.json();
    check(expected[1].as_str().unwrap(), &json);
    json
}

/// What is wrong with `value`, if anything is.
fn fits(schema: &Value, value: &Value) -> Result<(), String> {
    if let Some(name) = schema["$ref"].as_str() {
        return fits(&CONTRACT["schemas"][name], value)
            .map_err(|mistake| format!("{name}: {mistake}"));
    }
    if let Some(choices) = schema["anyOf"].as_array() {
        let one = choices.iter().any(|choice| fits(choice, value).is_ok());
        return if one { Ok(()) } else { Err(format!("{value} is none of {choices:?}")) };
    }
    let fits_type = match schema["type"].as_str() {
        None => true,
        Some("object") => value.is_object(),
        Some("array") => value.is_array(),
        Some("string") => value.is_string(),
        Some("integer") => value.is_i64() || value.is_u64(),
        Some("number") => value.is_number(),
        Some("boolean") => value.is_boolean(),
        Some("null") => value.is_null(),
        Some(other) => panic!("{other}"),
    };
    if !fits_type {
        return Err(format!("{value} is no {}", schema["type"]));
    }
    for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        if value.get(name).is_none() {
            return Err(format!("{name} is missing"));
        }
    }
    for (name, member) in schema["properties"].as_object().into_iter().flatten() {
        if let Some(value) = value.get(name) {
            fits(member, value).map_err(|mistake| format!("{name}: {mistake}"))?;
        }
    }
    let mut items = value.as_array().into_iter().flatten();
    items.try_for_each(|item| fits(&schema["items"], item))
}

#[tokio::test]
async fn every_answer_has_the_shape_that_clients_know() {
    let service = super::client::service().await;
    let boss = Client::admin(&service).await;
    let numbers = serde_json::json!({ "topic_ids": [7] });
    let body = serde_json::json!({ "name": "One", "description": "x", "collection_type": "book" });

    let mut walked = BTreeSet::new();
    let mut checked = |route: &str, answer: &Answer| {
        walked.insert(route.to_owned());
        check_answer(route, answer)
    };

    let topic = checked("POST /topics", &boss.post("/topics", &body).await)["id"].clone();
    let collection = boss.post("/collections", &body).await;
    let collection = checked("POST /collections", &collection)["id"].clone();
    let audio = boss.upload("/audio/upload", crate::service::WAV).await;
    let audio = checked("POST /audio/upload", &audio)["audio_file_id"].clone();
    let path = format!("/transcriptions/{audio}/transcribe");
    let started = boss.post(&path, &serde_json::json!({})).await;
    let started = checked("POST /transcriptions/{audio_file_id}/transcribe", &started);
    super::client::transcribe(&service).await;
    let job = started["transcription_id"].clone();
    assert_eq!(boss.post(&format!("/jobs/{job}/topics"), &numbers).await.status, StatusCode::OK);
    let place = serde_json::json!({ "collection_id": collection });
    let placed = boss.post(&format!("/jobs/{job}/collections"), &place).await;
    assert_eq!(placed.status, StatusCode::CREATED, "{}", placed.text());

    for (route, path) in [
        ("GET /topics", "/topics".to_owned()),
        ("GET /topics/{topic_id}", format!("/topics/{topic}")),
        ("GET /collections", "/collections".to_owned()),
        ("GET /collections/{collection_id}", format!("/collections/{collection}")),
        ("GET /audio", "/audio".to_owned()),
        ("GET /audio/{audio_file_id}", format!("/audio/{audio}")),
        ("GET /transcriptions", "/transcriptions".to_owned()),
        ("GET /transcriptions/{transcription_id}", format!("/transcriptions/{job}")),
    ] {
        checked(route, &boss.get(&path).await);
        checked(route, &boss.get(&format!("/mxwhisper{path}")).await);
    }
    for (route, path) in [
        ("PUT /topics/{topic_id}", format!("/topics/{topic}")),
        ("PUT /collections/{collection_id}", format!("/collections/{collection}")),
    ] {
        checked(route, &boss.put(&path, &body).await);
    }
    for (route, path) in [
        ("DELETE /transcriptions/{transcription_id}", format!("/transcriptions/{job}")),
        ("DELETE /audio/{audio_file_id}", format!("/audio/{audio}")),
    ] {
        checked(route, &boss.call(Method::DELETE, &path).await);
    }
    let known: BTreeSet<_> = CONTRACT["routes"].as_object().unwrap().keys().cloned().collect();
    assert_eq!(walked, known);
}

/// Routes whose answers the original's document does not describe, and those that it has not.
const UNDESCRIBED: [&str; 22] = [
    "DELETE /admin/users/{user_id}",
    "DELETE /collections/{collection_id}",
    "DELETE /jobs/{job_id}/collections/{collection_id}",
    "DELETE /jobs/{job_id}/topics/{topic_id}",
    "DELETE /topics/{topic_id}",
    "GET /admin/jobs",
    "GET /admin/users",
    "GET /job/{job_id}",
    "GET /jobs/{job_id}",
    "GET /jobs/{job_id}/collections",
    "GET /jobs/{job_id}/download",
    "GET /jobs/{job_id}/topics",
    "GET /transcriptions/{transcription_id}/download",
    "GET /user/jobs",
    "PATCH /jobs/{job_id}/collections/{collection_id}",
    "PATCH /jobs/{job_id}/topics/{topic_id}",
    "POST /admin/users",
    "POST /audio/{audio_file_id}/transcribe",
    "POST /jobs/{job_id}/collections",
    "POST /jobs/{job_id}/topics",
    "POST /upload",
    "PUT /admin/users/{user_id}",
];

#[test]
fn every_route_is_described_or_known_not_to_be() {
    let routes = declarations().into_iter().filter_map(|route| {
        let path = route.path.strip_prefix("/mxwhisper")?;
        (!path.ends_with('/')).then(|| format!("{} {path}", route.method))
    });
    let described = CONTRACT["routes"].as_object().unwrap().keys().cloned();
    let known: BTreeSet<_> =
        described.chain(UNDESCRIBED.iter().map(|&route| route.to_owned())).collect();

    assert_eq!(routes.collect::<BTreeSet<_>>(), known);
}

#[tokio::test]
async fn a_slash_at_the_end_of_any_route_leads_to_the_address_without() {
    let service = super::client::service().await;
    let client = Client::new(&service, "ana");

    for route in declarations() {
        let Some(path) = route.path.strip_prefix("/mxwhisper") else { continue };
        if path.ends_with('/') {
            continue;
        }
        let segments = path.split('/').map(|part| if part.starts_with('{') { "5" } else { part });
        let path = segments.collect::<Vec<_>>().join("/");
        let name = path.rsplit('/').next().unwrap();
        for path in [path.clone(), format!("/mxwhisper{path}")] {
            let answer = client.call(route.method.clone(), &format!("{path}/?a=1&b=/")).await;
            assert_eq!(answer.status, StatusCode::TEMPORARY_REDIRECT, "{} {path}", route.method);
            assert_eq!(answer.header("location"), format!("../{name}?a=1&b=/"), "{path}");
        }
    }
    assert_eq!(client.get("//evil.example/").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn what_comes_with_later_issues_is_not_there() {
    let service = super::client::service().await;
    let client = Client::new(&service, "ana");

    for (path, status) in [("/search", 404), ("/audio/download", 405)] {
        let answer =
            client.post(path, &serde_json::json!({ "query": "x", "source_url": "x" })).await;
        assert_eq!(answer.status.as_u16(), status, "{}", answer.text());
    }
    assert_eq!(client.get("/ws/jobs/1").await.status, StatusCode::NOT_FOUND);
}
