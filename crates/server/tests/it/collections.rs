//! Collections: recordings that belong together, in an order of their own.

use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::service::{Answer, Service, id, json_request};

const COLLECTIONS: &str = "/api/v1/collections";
const NONE: &str = "/api/v1/collections/col_01KAJ2Z1GQ8C3T0V7M5N9XQ4RS";
const NO_RECORDING: &str = "rec_01KAJ2Z1GQ8C3T0V7M5N9XQ4RS";

/// Makes a collection; returns its path.
async fn made(service: &Service, body: Value) -> String {
    let answer = service.post_json(COLLECTIONS, &body).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text());
    assert_eq!(service.get(answer.header("location")).await.json(), answer.json());
    answer.header("location").to_owned()
}

async fn put(service: &Service, path: &str, body: Value) -> Answer {
    service.send(json_request(Method::PUT, path, &body)).await
}

async fn recording(service: &Service) -> String {
    id(&service.accept().await["recording"]).to_owned()
}

#[tokio::test]
async fn a_collection_is_made_changed_and_deleted() {
    let service = Service::start().await;
    let body = json!({ "name": "Minutes", "description": "of 2026", "kind": "series" });
    let path = made(&service, body).await;

    let shown = service.get(&path).await.json();
    let change = json!({ "name": "Hearings", "description": null, "visibility": "public" });
    let changed = service.patch_json(&path, &change).await.json();

    assert_eq!((&shown["kind"], &shown["visibility"]), (&json!("series"), &json!("workspace")));
    assert_eq!((&shown["items"], &shown["created_by"]), (&json!(0), &json!(null)));
    assert_eq!((&changed["name"], &changed["description"]), (&json!("Hearings"), &json!(null)));
    assert_eq!((&changed["kind"], &changed["visibility"]), (&json!("series"), &json!("public")));
    let wrong = service.patch_json(&path, &json!({ "name": null, "visibility": "all" })).await;
    assert_eq!(wrong.mistakes(), ["/name", "/visibility"]);
    assert_eq!(service.call(Method::DELETE, &path).await.status, StatusCode::NO_CONTENT);
    for method in [Method::GET, Method::DELETE] {
        assert_eq!(service.call(method, &path).await.problem(), "collection_not_found");
    }
    assert_eq!(service.post_json(COLLECTIONS, &json!({})).await.mistakes(), ["/name"]);
}

#[tokio::test]
async fn collections_are_listed_page_by_page_and_by_kind() {
    let service = Service::start().await;
    for number in 0..5 {
        let kind = if number % 2 == 0 { "book" } else { "album" };
        made(&service, json!({ "name": format!("{number}"), "kind": kind })).await;
    }

    let all = service.listed(&format!("{COLLECTIONS}?limit=2")).await;
    let books = service.listed(&format!("{COLLECTIONS}?limit=2&kind=book")).await;

    assert_eq!((all.len(), books.len()), (5, 3));
    assert!(books.iter().all(|book| all.contains(book)));
    assert_eq!(service.listed(&format!("{COLLECTIONS}?visibility=public")).await.len(), 0);
    let wrong = service.get(&format!("{COLLECTIONS}?visibility=all&limit=0")).await;
    assert_eq!(wrong.mistakes(), ["/visibility", "/limit"]);
    let elsewhere = service.beside("elsewhere").await;
    assert_eq!(elsewhere.listed(COLLECTIONS).await.len(), 0);
}

#[tokio::test]
async fn recordings_stand_in_their_order_and_are_moved() {
    let service = Service::start().await;
    let path = made(&service, json!({ "name": "Book" })).await;
    let (one, two, three) =
        (recording(&service).await, recording(&service).await, recording(&service).await);
    let item = |recording: &str| format!("{path}/items/{recording}");
    for recording in [&one, &two] {
        let answer = service.call(Method::PUT, &item(recording)).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    }

    let third = put(&service, &item(&three), json!({ "position": 1 })).await.json();
    let moved = put(&service, &item(&one), json!({ "position": 9 })).await.json();
    let stays = service.call(Method::PUT, &item(&one)).await.json();

    assert_eq!((&third["position"], &moved["position"]), (&json!(1), &json!(9)));
    assert_eq!(stays, moved);
    let mut order = Vec::new();
    let mut next = format!("{path}/items?limit=1");
    loop {
        let page = service.get(&next).await.json();
        order.push(page["items"][0]["recording_id"].as_str().unwrap().to_owned());
        let Some(cursor) = page["next_cursor"].as_str() else { break };
        next = format!("{path}/items?limit=1&cursor={cursor}");
    }
    assert_eq!(order, [three, two.clone(), one.clone()]);
    assert_eq!(service.get(&path).await.json()["items"], 3);
    for _ in 0..2 {
        let answer = service.call(Method::DELETE, &item(&two)).await;
        assert_eq!(answer.status, StatusCode::NO_CONTENT);
    }
    assert_eq!(service.get(&path).await.json()["items"], 2);
    assert_eq!(service.get(&format!("/api/v1/recordings/{two}")).await.status, StatusCode::OK);
}

#[tokio::test]
async fn what_is_not_there_is_told_apart() {
    let service = Service::start().await;
    let path = made(&service, json!({ "name": "Book" })).await;
    let recording = recording(&service).await;
    let nothing = json!({});

    let no_recording =
        put(&service, &format!("{path}/items/{NO_RECORDING}"), nothing.clone()).await;
    let no_collection = put(&service, &format!("{NONE}/items/{recording}"), nothing).await;
    let one = format!("{path}/items/{recording}");

    assert_eq!(no_recording.problem(), "recording_not_found");
    assert_eq!(no_collection.problem(), "collection_not_found");
    for position in [json!(0), json!(1.5), json!("1"), json!(1_000_000_001)] {
        let answer = put(&service, &one, json!({ "position": position })).await;
        assert_eq!(answer.mistakes(), ["/position"], "{position}");
    }
    assert_eq!(service.get(&format!("{NONE}/items")).await.problem(), "collection_not_found");
    assert_eq!(service.get(&format!("{path}/items?limit=201")).await.mistakes(), ["/limit"]);
}
