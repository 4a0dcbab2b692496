//! The tree of topics.

use http::StatusCode;
use serde_json::{Value, json};

use super::client::{Client, detail, mistakes, service};
use super::contract::check;

async fn made(boss: &Client<'_>, body: Value) -> i64 {
    let answer = boss.post("/topics", &body).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text());
    answer.json()["id"].as_i64().unwrap()
}

/// The topic called `name`, wherever it is.
fn named<'a>(topics: &'a Value, name: &str) -> Option<&'a Value> {
    let all = topics.as_array().expect("topics are a list");
    let below = || all.iter().find_map(|topic| named(&topic["children"], name));
    all.iter().find(|topic| topic["name"] == name).or_else(below)
}

#[tokio::test]
async fn the_21_topics_are_there_with_their_numbers_for_everybody() {
    let service = service().await;

    let tree = service.get("/topics").await.json();

    check("TopicListResponse", &tree);
    for (number, name) in (1..).zip([
        "Unknown",
        "Religious",
        "Educational",
        "Entertainment",
        "Professional",
        "Bible Study",
        "Sermons",
        "Prayer",
        "Worship",
        "Theology",
        "Courses",
        "Tutorials",
        "Conferences",
        "Lectures",
        "Podcasts",
        "Audiobooks",
        "Interviews",
        "Music",
        "Meetings",
        "Presentations",
        "Webinars",
    ]) {
        let topic = named(&tree["topics"], name).unwrap_or_else(|| panic!("{name} is missing"));
        assert_eq!(topic["id"], number, "{name}");
        let one = service.get(&format!("/topics/{number}")).await.json();
        assert_eq!((&one["name"], &one["id"]), (&json!(name), &json!(number)));
        assert!(one.get("children").is_none());
    }
    assert_eq!(detail(&service.get("/topics/99").await), (404, "Topic 99 not found".to_owned()));
    let wrong = [(json!(["path", "topic_id"]), "int_parsing".to_owned())];
    assert_eq!(mistakes(&service.get("/topics/seven").await), wrong);
}

#[tokio::test]
async fn a_tree_is_shown_to_its_last_leaf() {
    let service = service().await;
    let boss = Client::admin(&service).await;
    let mut parent = json!(7);
    for name in ["Advent", "Second week", "Evening"] {
        parent = json!(made(&boss, json!({ "name": name, "parent_id": parent })).await);
    }

    let tree = service.get("/topics").await.json();

    // In the original, whatever is below the second level vanishes.
    let evening = named(&tree["topics"], "Evening").expect("the last leaf is there");
    assert_eq!(evening["id"], parent);
    assert_eq!(named(&tree["topics"], "Second week").unwrap()["children"], json!([evening]));
}

#[tokio::test]
async fn a_topic_is_moved_to_the_root_again() {
    let service = service().await;
    let boss = Client::admin(&service).await;
    let topic = made(&boss, json!({ "name": "Law", "description": "all", "parent_id": 3 })).await;
    let path = format!("/topics/{topic}");

    let renamed = boss.put(&path, &json!({ "name": "Laws" })).await.json();
    // The original takes no notice of `null`.
    let root = boss.put(&path, &json!({ "parent_id": null, "description": null })).await.json();

    assert_eq!((&renamed["parent_id"], &renamed["description"]), (&json!(3), &json!("all")));
    assert_eq!((&root["parent_id"], &root["description"]), (&json!(null), &json!(null)));
    assert_eq!(root["name"], "Laws");
}

#[tokio::test]
async fn changes_are_refused_in_the_originals_words() {
    let service = service().await;
    let boss = Client::admin(&service).await;
    let put = async |path: &str, body: Value| detail(&boss.put(path, &body).await);
    let post = async |body: Value| detail(&boss.post("/topics", &body).await);
    let refused = |text: &str| (400, text.to_owned());

    let taken = refused("Topic with name 'Sermons' already exists");
    assert_eq!(post(json!({ "name": "Sermons" })).await, taken);
    assert_eq!(put("/topics/8", json!({ "name": "Sermons" })).await, taken);
    let no_parent = refused("Parent topic 99 not found");
    assert_eq!(post(json!({ "name": "x", "parent_id": 99 })).await, no_parent);
    assert_eq!(put("/topics/8", json!({ "parent_id": 99 })).await, no_parent);
    assert_eq!(put("/topics/99", json!({})).await, refused("Topic 99 not found"));
    assert_eq!(
        put("/topics/2", json!({ "parent_id": 2 })).await,
        refused("Topic cannot be its own parent")
    );
    let circle = refused("Cannot set parent - would create circular reference");
    assert_eq!(put("/topics/2", json!({ "parent_id": 7 })).await, circle);
    let children =
        "Cannot delete topic - it has 5 child topics. Delete or reassign children first.";
    assert_eq!(detail(&boss.delete("/topics/2").await), (409, children.to_owned()));
    assert_eq!(detail(&boss.delete("/topics/99").await), (404, "Topic 99 not found".to_owned()));
    let deleted = boss.delete("/topics/1").await;
    assert_eq!((deleted.status, deleted.body.len()), (StatusCode::NO_CONTENT, 0));
}

#[tokio::test]
async fn fields_that_are_wrong_are_listed() {
    let service = service().await;
    let boss = Client::admin(&service).await;
    let body = |name: &str| json!(["body", name]);
    let kinds = async |json: Value| mistakes(&boss.post("/topics", &json).await);

    assert_eq!(kinds(json!({})).await, [(body("name"), "missing".to_owned())]);
    let all =
        json!({ "name": "x".repeat(101), "description": 7, "parent_id": 1.5, "colour": "red" });
    let expected = [
        (body("name"), "string_too_long".to_owned()),
        (body("description"), "string_type".to_owned()),
        (body("parent_id"), "int_from_float".to_owned()),
    ];
    assert_eq!(kinds(all).await, expected);
    assert_eq!(kinds(json!({ "name": "" })).await, [(body("name"), "string_too_short".to_owned())]);
    assert_eq!(kinds(json!([])).await, [(json!(["body"]), "model_attributes_type".to_owned())]);
    let request = http::Request::post("/topics").body("{".into()).unwrap();
    assert_eq!(mistakes(&boss.send(request).await), [(json!(["body"]), "json_invalid".to_owned())]);
}

#[tokio::test]
async fn only_administrators_change_topics() {
    let service = service().await;
    let ana = Client::new(&service, "ana");
    let forbidden = (403, "Admin access required".to_owned());

    assert_eq!(detail(&ana.post("/topics", &json!({ "name": "x" })).await), forbidden);
    assert_eq!(detail(&ana.put("/topics/1", &json!({ "name": "x" })).await), forbidden);
    assert_eq!(detail(&ana.delete("/topics/1").await), forbidden);
    assert_eq!(service.get("/topics/1").await.json()["name"], "Unknown");
}
