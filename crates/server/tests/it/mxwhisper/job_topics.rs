//! The topics of jobs.

use http::StatusCode;
use serde_json::json;

use super::client::{Client, detail, mistakes, service};

#[tokio::test]
async fn topics_are_assigned_reviewed_and_taken_away() {
    let service = service().await;
    let ana = Client::new(&service, "ana");
    let job = ana.uploaded("a").await;
    let path = format!("/jobs/{job}/topics");

    let assigned = ana.post(&path, &json!({ "topic_ids": [7, 8] })).await.json();
    let again = ana.post(&path, &json!({ "topic_ids": [7, 9] })).await.json();
    let listed = ana.get(&path).await.json();
    // The original commits the change and answers 500.
    let doubted = ana.patch(&format!("{path}/7"), &json!({ "user_reviewed": false })).await;
    let removed = ana.delete(&format!("{path}/8")).await.json();

    let numbers = |list: &serde_json::Value| -> Vec<i64> {
        list.as_array().unwrap().iter().map(|topic| topic["topic_id"].as_i64().unwrap()).collect()
    };
    assert_eq!(
        (&assigned["job_id"], numbers(&assigned["assigned_topics"])),
        (&json!(job), vec![8, 7])
    );
    assert_eq!(numbers(&again["assigned_topics"]), [8, 7, 9], "by name: Prayer, Sermons, Worship");
    assert_eq!(listed["topics"], again["assigned_topics"]);
    let sermons = &listed["topics"][1];
    assert_eq!((&sermons["name"], &sermons["assigned_by"]), (&json!("Sermons"), &json!("ana")));
    assert_eq!(
        (&sermons["user_reviewed"], &sermons["ai_confidence"]),
        (&json!(true), &json!(null))
    );
    assert_eq!(doubted.status, StatusCode::OK, "{}", doubted.text());
    assert_eq!(
        (&doubted.json()["topic_id"], &doubted.json()["user_reviewed"]),
        (&json!(7), &json!(false))
    );
    assert_eq!(
        removed,
        json!({ "message": "Topic removed from job", "job_id": job, "topic_id": 8 })
    );
    let missing = (404, format!("Topic 8 is not assigned to job {job}"));
    assert_eq!(detail(&ana.delete(&format!("{path}/8")).await), missing);
    let reviewed = ana.patch(&format!("{path}/8"), &json!({ "user_reviewed": true })).await;
    assert_eq!(detail(&reviewed), missing);
}

#[tokio::test]
async fn what_cannot_be_assigned_is_named() {
    let service = service().await;
    let (ana, ben) = (Client::new(&service, "ana"), Client::new(&service, "ben"));
    let job = ana.uploaded("a").await;
    let path = format!("/jobs/{job}/topics");
    let one = json!({ "topic_ids": [7] });

    let unknown = ana.post(&path, &json!({ "topic_ids": [7, 9999, 4444] })).await;
    let none = ana.post(&path, &json!({ "topic_ids": [] })).await;

    assert_eq!(detail(&unknown), (400, "Topics not found: {4444, 9999}".to_owned()));
    assert_eq!(ana.get(&path).await.json()["topics"], json!([]));
    assert_eq!(mistakes(&none), [(json!(["body", "topic_ids"]), "too_short".to_owned())]);
    let missing = ana.post("/jobs/999/topics", &one).await;
    assert_eq!(detail(&missing), (400, "Job 999 not found".to_owned()));
    let not_yours = (403, "You do not have permission to modify this job".to_owned());
    assert_eq!(detail(&ben.post(&path, &one).await), not_yours);
    assert_eq!(detail(&ben.delete(&format!("{path}/7")).await), not_yours);
    let review = ben.patch(&format!("{path}/7"), &json!({ "user_reviewed": true })).await;
    assert_eq!(detail(&review), not_yours);
}
