//! Topics: a tree that recordings are sorted by.

use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::service::{Answer, Service, id};

const TOPICS: &str = "/api/v1/topics";

/// The first of the topics that are there from the start: `Unknown`, without any below it.
const UNKNOWN: &str = "top_00000000000000000000000001";
const NONE: &str = "top_01KAJ2Z1GQ8C3T0V7M5N9XQ4RS";

async fn made(service: &Service, body: Value) -> Value {
    let answer = service.post_json(TOPICS, &body).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text());
    let topic = answer.json();
    assert_eq!(answer.header("location"), format!("{TOPICS}/{}", id(&topic)));
    topic
}

fn names(items: &Value) -> Vec<&str> {
    items.as_array().unwrap().iter().map(|topic| topic["name"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn the_tree_is_there_from_the_start_and_grows_to_any_depth() {
    let service = Service::start().await;
    let mut parent = json!(null);
    for name in ["Law", "Civil", "Contracts", "Leases"] {
        parent = made(&service, json!({ "name": name, "parent_id": parent })).await["id"].clone();
    }

    let tree = service.get(TOPICS).await.json();
    let flat = service.get(&format!("{TOPICS}?flat=true")).await.json();

    let roots = ["Educational", "Entertainment", "Law", "Professional", "Religious", "Unknown"];
    assert_eq!(names(&tree["items"]), roots);
    assert_eq!(tree["items"][4]["children"].as_array().unwrap().len(), 5);
    let deepest = &tree["items"][2]["children"][0]["children"][0]["children"][0];
    assert_eq!((&deepest["name"], &deepest["children"]), (&json!("Leases"), &json!([])));
    assert_eq!(flat["items"].as_array().unwrap().len(), 25);
    assert!(flat["items"][0].get("children").is_none());
}

#[tokio::test]
async fn a_topic_is_renamed_moved_and_made_a_root() {
    let service = Service::start().await;
    let law = made(&service, json!({ "name": "Law", "description": "of all kinds" })).await;
    let civil = made(&service, json!({ "name": "Civil", "parent_id": id(&law) })).await;
    let path = format!("{TOPICS}/{}", id(&civil));

    let renamed = service.patch_json(&path, &json!({ "name": "Civil law" })).await.json();
    let root = service.patch_json(&path, &json!({ "parent_id": null })).await.json();
    let plain = format!("{TOPICS}/{}", id(&law));
    let plain = service.patch_json(&plain, &json!({ "description": null })).await.json();

    assert_eq!((&renamed["name"], &renamed["parent_id"]), (&json!("Civil law"), &law["id"]));
    assert_eq!((&root["name"], &root["parent_id"]), (&json!("Civil law"), &json!(null)));
    assert_eq!(plain["description"], json!(null));
    assert_eq!(service.get(&path).await.json(), root);
}

#[tokio::test]
async fn a_tree_stays_a_tree() {
    let service = Service::start().await;
    let law = made(&service, json!({ "name": "Law" })).await;
    let civil = made(&service, json!({ "name": "Civil", "parent_id": id(&law) })).await;
    let path = format!("{TOPICS}/{}", id(&law));
    let patch = async |body: Value| service.patch_json(&path, &body).await;

    assert_eq!(patch(json!({ "parent_id": id(&law) })).await.problem(), "topic_cycle");
    assert_eq!(patch(json!({ "parent_id": id(&civil) })).await.problem(), "topic_cycle");
    assert_eq!(patch(json!({ "parent_id": NONE })).await.mistakes(), ["/parent_id"]);
    assert_eq!(patch(json!({ "name": "civil" })).await.problem(), "topic_name_taken");
    assert_eq!(patch(json!({ "name": null, "colour": 1 })).await.mistakes(), ["/name", "/colour"]);
    let deleted = service.call(Method::DELETE, &path).await;
    assert_eq!(
        (deleted.status, deleted.problem()),
        (StatusCode::CONFLICT, "topic_has_children".into())
    );
    let below = format!("{TOPICS}/{}", id(&civil));
    assert_eq!(service.call(Method::DELETE, &below).await.status, StatusCode::NO_CONTENT);
    assert_eq!(service.call(Method::DELETE, &path).await.status, StatusCode::NO_CONTENT);
    assert_eq!(service.get(&path).await.problem(), "topic_not_found");
    let wrong = json!({ "description": "", "parent_id": 7 });
    let wrong = service.post_json(TOPICS, &wrong).await.mistakes();
    assert_eq!(wrong, ["/name", "/description", "/parent_id"]);
}

#[tokio::test]
async fn a_recording_has_topics_that_people_agree_with() {
    let service = Service::start().await;
    let recording = id(&service.accept().await["recording"]).to_owned();
    let path = format!("/api/v1/recordings/{recording}/topics");
    let put = async |topic: &str, body: Value| -> Answer {
        let path = format!("{path}/{topic}");
        service.send(crate::service::json_request(Method::PUT, &path, &body)).await
    };

    let doubted = put(UNKNOWN, json!({ "reviewed": false })).await.json();
    let agreed = service.call(Method::PUT, &format!("{path}/{UNKNOWN}")).await.json();
    let listed = service.get(&path).await.json();

    assert_eq!((&doubted["name"], &doubted["reviewed"]), (&json!("Unknown"), &json!(false)));
    assert_eq!(agreed["reviewed"], true);
    assert_eq!(agreed["created_at"], doubted["created_at"]);
    assert_eq!(listed["items"], json!([agreed]));
    assert_eq!(put(NONE, json!({})).await.problem(), "topic_not_found");
    assert_eq!(put(UNKNOWN, json!({ "reviewed": 1 })).await.mistakes(), ["/reviewed"]);
    let one = format!("{path}/{UNKNOWN}");
    for _ in 0..2 {
        assert_eq!(service.call(Method::DELETE, &one).await.status, StatusCode::NO_CONTENT);
    }
    assert_eq!(service.get(&path).await.json()["items"], json!([]));
    let none = "/api/v1/recordings/rec_01KAJ2Z1GQ8C3T0V7M5N9XQ4RS/topics";
    assert_eq!(service.get(none).await.problem(), "recording_not_found");
}
