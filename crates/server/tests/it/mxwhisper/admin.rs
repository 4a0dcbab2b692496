//! What administrators do.

use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::client::{Client, detail, mistakes, service};

fn person(name: &str) -> Value {
    json!({
        "email": format!("{name}@example.org"), "name": name, "preferred_username": name,
        "password": "zebra-zebra-zebra",
    })
}

#[tokio::test]
async fn only_administrators_get_in() {
    let service = service().await;
    let ana = Client::new(&service, "ana");

    for (method, path) in [
        (Method::GET, "/admin/jobs"),
        (Method::GET, "/admin/users"),
        (Method::POST, "/admin/users"),
        (Method::PUT, "/admin/users/ana"),
        (Method::DELETE, "/admin/users/ana"),
    ] {
        let answer = ana.json(method, path, &json!({})).await;
        assert_eq!(detail(&answer), (403, "Admin access required".to_owned()), "{path}");
    }
}

#[tokio::test]
async fn all_jobs_and_users_are_seen() {
    let service = service().await;
    let boss = Client::admin(&service).await;
    let (ana, ben) = (Client::new(&service, "ana"), Client::new(&service, "ben"));
    let (first, second) = (ana.uploaded("a").await, ben.uploaded("b").await);

    let jobs = boss.get("/admin/jobs").await.json();
    let users = boss.get("/admin/users").await.json();

    assert_eq!((&jobs[0]["id"], &jobs[0]["user_id"]), (&json!(second), &json!("ben")));
    assert_eq!((&jobs[1]["id"], &jobs[1]["user_id"]), (&json!(first), &json!("ana")));
    let names: Vec<_> =
        users.as_array().unwrap().iter().map(|user| user["id"].as_str().unwrap()).collect();
    assert_eq!(names, ["ben", "ana", "boss"]);
    assert_eq!((&users[2]["role"], &users[0]["role"]), (&json!("admin"), &json!("user")));
    assert_eq!(users[0]["preferred_username"], "ben");
    assert_eq!(boss.get("/admin/jobs?limit=1").await.json().as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_job_that_is_seen_in_the_list_is_read() {
    let service = service().await;
    let boss = Client::admin(&service).await;
    let (ana, ben) = (Client::new(&service, "ana"), Client::new(&service, "ben"));
    let job = ana.transcribed("a").await;
    let topics = json!({ "topic_ids": [7] });
    assert_eq!(ana.post(&format!("/jobs/{job}/topics"), &topics).await.status, StatusCode::OK);
    let key = async |governs: bool, scopes: &[&str]| {
        let body = json!({ "name": "a key", "governs": governs, "scopes": scopes });
        boss.with_key(&body).await
    };
    let (reads, governs) = ("recordings:read", "installation:manage");
    let overseer = key(true, &[reads, governs]).await;
    let less = [key(true, &[reads]).await, key(true, &[governs]).await, key(false, &[reads]).await];

    for prefix in ["", "/mxwhisper"] {
        for path in ["job/{}", "jobs/{}", "jobs/{}/download?format=srt", "jobs/{}/topics"] {
            let path = format!("{prefix}/{}", path.replace("{}", &job.to_string()));
            let own = ana.get(&path).await;
            for client in [&boss, &overseer] {
                let answer = client.get(&path).await;
                assert_eq!((answer.status, answer.text()), (StatusCode::OK, own.text()), "{path}");
            }
            for client in less.iter().chain([&ben]) {
                assert_eq!(client.get(&path).await.status, StatusCode::FORBIDDEN, "{path}");
            }
        }
    }
    let placed = boss.get(&format!("/jobs/{job}/collections")).await;
    assert_eq!(placed.json(), json!({ "job_id": job, "collections": [] }));
}

#[tokio::test]
async fn to_see_a_job_is_not_to_change_it() {
    let service = service().await;
    let boss = Client::admin(&service).await;
    let ana = Client::new(&service, "ana");
    let job = ana.uploaded("a").await;

    let assigned = boss.post(&format!("/jobs/{job}/topics"), &json!({ "topic_ids": [7] })).await;
    let deleted = boss.delete(&format!("/transcriptions/{job}")).await;

    let modify = "You do not have permission to modify this job".to_owned();
    assert_eq!(detail(&assigned), (403, modify));
    assert_eq!(deleted.status, StatusCode::FORBIDDEN);
    assert_eq!(ana.get(&format!("/jobs/{job}/topics")).await.json()["topics"], json!([]));
}

#[tokio::test]
async fn a_user_is_made_changed_and_deleted() {
    let service = service().await;
    let boss = Client::admin(&service).await;

    // The original makes the user and answers 400.
    let made = boss.post("/admin/users", &person("cleo")).await;
    assert_eq!(made.status, StatusCode::OK, "{}", made.text());
    let user = made.json();
    let path = format!("/admin/users/{}", user["id"].as_str().unwrap());
    let changed =
        boss.put(&path, &json!({ "name": "Cleopatra", "role": "admin", "email": null })).await;
    let deleted = boss.delete(&path).await;

    assert_eq!((&user["email"], &user["role"]), (&json!("cleo@example.org"), &json!("user")));
    assert_eq!(changed.status, StatusCode::OK, "{}", changed.text());
    let changed = changed.json();
    assert_eq!((&changed["name"], &changed["role"]), (&json!("Cleopatra"), &json!("admin")));
    assert_eq!(changed["email"], "cleo@example.org");
    assert!(changed.get("created_at").is_none());
    assert_eq!(deleted.status, StatusCode::OK, "{}", deleted.text());
    let id = user["id"].as_str().unwrap();
    assert_eq!(deleted.json()["message"], format!("User {id} deleted successfully"));
    assert_eq!(detail(&boss.delete(&path).await), (404, format!("User {id} not found")));
    assert_eq!(detail(&boss.put(&path, &json!({})).await), (404, format!("User {id} not found")));
}

#[tokio::test]
async fn a_user_who_has_jobs_is_deleted_with_them() {
    let service = service().await;
    let boss = Client::admin(&service).await;
    let ana = Client::new(&service, "ana");
    let job = ana.transcribed("a").await;

    // The original cannot: the jobs are in the way.
    let deleted = boss.delete("/admin/users/ana").await;

    assert_eq!(deleted.status, StatusCode::OK, "{}", deleted.text());
    let removed = &deleted.json()["removed"];
    assert_eq!(
        (&removed["recordings"], &removed["jobs"], &removed["transcripts"]),
        (&json!(1), &json!(1), &json!(1))
    );
    assert_eq!(boss.get(&format!("/jobs/{job}")).await.status, StatusCode::NOT_FOUND);
    assert!(service.media_files().await.is_empty());
    assert_eq!(boss.get("/admin/jobs").await.json(), json!([]));
}

#[tokio::test]
async fn what_a_user_cannot_be_is_said() {
    let service = service().await;
    let boss = Client::admin(&service).await;
    boss.post("/admin/users", &person("cleo")).await;
    let post = async |change: Value| {
        let mut body = person("dora");
        for (name, value) in change.as_object().unwrap() {
            body[name] = value.clone();
        }
        boss.post("/admin/users", &body).await
    };

    let taken = detail(&post(json!({ "email": "CLEO@example.org" })).await);
    assert_eq!(taken.0, 400);
    assert!(taken.1.starts_with("Failed to create user: "), "{}", taken.1);
    let taken = detail(&post(json!({ "preferred_username": "cleo" })).await);
    assert!(taken.1.starts_with("Failed to create user: "), "{}", taken.1);
    let role = [(json!(["body", "role"]), "enum".to_owned())];
    assert_eq!(mistakes(&post(json!({ "role": "emperor" })).await), role);
    let short = [(json!(["body", "password"]), "value_error".to_owned())];
    assert_eq!(mistakes(&post(json!({ "password": "short" })).await), short);
    let missing = boss.post("/admin/users", &json!({})).await;
    assert_eq!(mistakes(&missing).len(), 4);
    let last = detail(&boss.put("/admin/users/boss", &json!({ "role": "user" })).await);
    assert_eq!(last.0, 400);
    assert!(last.1.starts_with("Failed to update user: "), "{}", last.1);
    assert_eq!(detail(&boss.delete("/admin/users/boss").await).0, 400);
}
