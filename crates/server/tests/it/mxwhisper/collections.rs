//! Collections and what is in them.

use futures_util::future::try_join_all;
use hansard_domain::id::{Id, WorkspaceId};
use hansard_domain::job::{TranscribeOptions, Visibility};
use hansard_store::collections::{CollectionEdit, NewCollection};
use hansard_store::{NewJob, Reach};
use http::StatusCode;
use serde_json::{Value, json};

use super::client::{Client, detail, mistakes, service};
use super::contract::check_answer;
use crate::things::by;

async fn made(client: &Client<'_>, body: Value) -> i64 {
    let answer = client.post("/collections", &body).await;
    check_answer("POST /collections", &answer)["id"].as_i64().unwrap()
}

#[tokio::test]
async fn collections_are_made_listed_changed_and_deleted() {
    let service = service().await;
    let ana = Client::new(&service, "ana");
    let body = json!({ "name": "Luke", "description": "in parts", "collection_type": "book" });
    let book = made(&ana, body).await;
    let album =
        made(&ana, json!({ "name": "Songs", "collection_type": "album", "is_public": true })).await;
    let path = format!("/collections/{book}");
    let listed = async |query: &str| -> Vec<i64> {
        let list = ana.get(&format!("/collections{query}")).await.json();
        list["collections"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| one["id"].as_i64().unwrap())
            .collect()
    };

    assert_eq!(listed("").await, [album, book]);
    assert_eq!(listed("?collection_type=book").await, [book]);
    assert_eq!(listed("?is_public=true").await, [album]);
    assert!(listed("?is_public=false&collection_type=album").await.is_empty());
    let renamed = ana.put(&path, &json!({ "name": "Luke 1-12", "description": null })).await.json();
    assert_eq!(
        (&renamed["name"], &renamed["description"]),
        (&json!("Luke 1-12"), &json!("in parts"))
    );
    assert_eq!((&renamed["user_id"], &renamed["job_count"]), (&json!("ana"), &json!(0)));
    let public = ana.put(&path, &json!({ "is_public": true })).await.json();
    let again = ana.put(&path, &json!({ "is_public": false })).await.json();
    assert_eq!((&public["is_public"], &again["is_public"]), (&json!(true), &json!(false)));
    assert_eq!(listed("?is_public=false").await, [book]);
    let deleted = ana.delete(&path).await;
    assert_eq!((deleted.status, deleted.body.len()), (StatusCode::NO_CONTENT, 0));
    assert_eq!(detail(&ana.get(&path).await), (404, "Collection not found".to_owned()));
    let gone = (404, format!("Collection {book} not found"));
    assert_eq!(detail(&ana.delete(&path).await), gone);
    assert_eq!(detail(&ana.put(&path, &json!({})).await), gone);
}

#[tokio::test]
async fn a_collection_shows_its_jobs_and_transcriptions_by_position() {
    let service = service().await;
    let ana = Client::new(&service, "ana");
    let book = made(&ana, json!({ "name": "Luke" })).await;
    let (one, two) = (ana.transcribed("1").await, ana.uploaded("2").await);
    for (job, position) in [(one, 2), (two, 1)] {
        let body = json!({ "collection_id": book, "position": position });
        let answer = ana.post(&format!("/jobs/{job}/collections"), &body).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text());
    }

    // The latest of the originals answers 500 here.
    let answer = ana.get(&format!("/collections/{book}")).await;
    let shown = check_answer("GET /collections/{collection_id}", &answer);

    let job = |index: usize| (&shown["jobs"][index]["job_id"], &shown["jobs"][index]["position"]);
    assert_eq!((job(0), job(1)), ((&json!(two), &json!(1)), (&json!(one), &json!(2))));
    assert_eq!(shown["jobs"][0]["filename"], "talk.wav");
    let transcription = &shown["transcriptions"][1];
    assert_eq!(
        (&transcription["transcription_id"], &transcription["language"]),
        (&json!(one), &json!("en"))
    );
    let listed = ana.get("/collections").await.json();
    assert_eq!(listed["collections"][0]["job_count"], 2);
}

#[tokio::test]
async fn a_public_collection_is_read_by_others_and_changed_by_nobody_else() {
    let service = service().await;
    let (ana, ben) = (Client::new(&service, "ana"), Client::new(&service, "ben"));
    let own = made(&ana, json!({ "name": "Mine" })).await;
    let public = made(&ana, json!({ "name": "Everybody's", "is_public": true })).await;
    let mut jobs = Vec::new();
    for visibility in ["private", "workspace", "link", "public"] {
        let job = ana.uploaded(visibility).await;
        let shown = ana.get(&format!("/jobs/{job}")).await.json();
        let recording = &ana.get(&format!("/audio/{}", shown["audio_file_id"])).await.json();
        let path = format!("/api/v1/recordings/{}", recording["file_path"].as_str().unwrap());
        let patched = ana.patch(&path, &json!({ "visibility": visibility })).await;
        assert_eq!(patched.status, StatusCode::OK, "{}", patched.text());
        ana.post(&format!("/jobs/{job}/collections"), &json!({ "collection_id": public })).await;
        jobs.push(job);
    }
    let path = format!("/collections/{public}");
    let forbidden =
        |what: &str| (403, format!("You do not have permission to {what} this collection"));
    let numbers = |shown: &Value| -> Vec<i64> {
        let jobs = shown["jobs"].as_array().unwrap().iter();
        jobs.map(|job| job["job_id"].as_i64().unwrap()).collect()
    };

    let shown = ben.get(&path).await;
    let shown = check_answer("GET /collections/{collection_id}", &shown);

    assert_eq!((&shown["name"], &shown["user_id"]), (&json!("Everybody's"), &json!("ana")));
    assert_eq!(numbers(&shown), jobs[3..], "a link is for whoever was given it");
    assert_eq!(shown["transcriptions"].as_array().unwrap().len(), 1);
    assert_eq!(numbers(&ana.get(&path).await.json()), jobs);
    assert_eq!(detail(&ben.get(&format!("/collections/{own}")).await), forbidden("access"));
    for number in [own, public] {
        let path = format!("/collections/{number}");
        assert_eq!(detail(&ben.put(&path, &json!({ "name": "x" })).await), forbidden("update"));
        assert_eq!(detail(&ben.delete(&path).await), forbidden("delete"));
    }
    assert_eq!(ben.get("/collections").await.json(), json!({ "collections": [] }));
}

#[tokio::test]
async fn what_is_not_to_be_public_is_closed_however_it_was_shared() {
    let service = service().await;
    let ana = Client::new(&service, "ana");
    for (before, after) in [
        (Visibility::Public, Visibility::Workspace),
        (Visibility::Link, Visibility::Workspace),
        (Visibility::Workspace, Visibility::Workspace),
        (Visibility::Private, Visibility::Private),
    ] {
        let number = made(&ana, json!({ "name": before.name() })).await;
        let store = &service.store;
        let home = home(&ana).await;
        let found = store.find_collection_number(home.clone(), number).await.unwrap().unwrap();
        let edit = CollectionEdit { visibility: Some(before), ..CollectionEdit::default() };
        store.update_collection(home.clone(), &found.id, edit, &by()).await.unwrap();

        let path = format!("/collections/{number}");
        let closed = ana.put(&path, &json!({ "is_public": false })).await;
        assert_eq!(closed.json()["is_public"], false);

        let found = store.find_collection_number(home, number).await.unwrap().unwrap();
        assert_eq!(found.visibility, after, "{before:?}");
    }
}

/// All that the workspace has of somebody who calls.
async fn home(client: &Client<'_>) -> Reach {
    let me = client.get("/api/v1/me").await.json();
    Reach::from(&WorkspaceId::parse(me["workspace_id"].as_str().unwrap()).unwrap())
}

/// Clients that know of no parts would not miss what is cut off.
#[tokio::test]
async fn lists_are_whole_however_long_they_are() {
    const MANY: i64 = 1_001;
    let service = service().await;
    let ana = Client::new(&service, "ana");
    let first = made(&ana, json!({ "name": "first" })).await;
    let job = ana.uploaded("1").await;
    let path = format!("/jobs/{job}/collections");
    assert_eq!(ana.post(&path, &json!({ "collection_id": first })).await.status, 201);
    let reach = home(&ana).await;
    let entry = service.store.find_job_number(reach.clone(), job).await.unwrap().unwrap();
    let recording = entry.job.recording;
    let new = || NewCollection {
        name: "another".to_owned(),
        description: None,
        kind: None,
        visibility: Visibility::Public,
        created_by: None,
    };
    let made = (1..MANY).map(|_| service.store.create_collection(&reach.workspace, new()));
    try_join_all(made).await.unwrap();
    let job = || NewJob::of(TranscribeOptions::default());
    let asked = (1..MANY).map(|_| service.store.accept_job(reach.clone(), &recording, job(), None));
    try_join_all(asked).await.unwrap();

    let length = async |path: &str, member: &str| {
        ana.get(path).await.json()[member].as_array().unwrap().len() as i64
    };

    assert_eq!(length("/collections", "collections").await, MANY);
    assert_eq!(length("/collections?is_public=true", "collections").await, MANY - 1);
    assert_eq!(length("/collections?is_public=false", "collections").await, 1);
    let one = format!("/collections/{first}");
    assert_eq!(length(&one, "jobs").await, MANY);
    assert_eq!(length(&one, "transcriptions").await, MANY);
    let audio = format!("/audio/{}", entry.recording);
    assert_eq!(length(&audio, "transcriptions").await, MANY);
}

#[tokio::test]
async fn a_job_is_added_moved_and_taken_out() {
    let service = service().await;
    let ana = Client::new(&service, "ana");
    let book = made(&ana, json!({ "name": "Luke" })).await;
    let (one, two) = (ana.uploaded("1").await, ana.uploaded("2").await);
    let path = format!("/jobs/{two}/collections");
    let body = json!({ "collection_id": book });

    let first = ana.post(&format!("/jobs/{one}/collections"), &body).await.json();
    let second = ana.post(&path, &body).await.json();
    let moved = ana.patch(&format!("{path}/{book}"), &json!({ "position": 7 })).await.json();
    let listed = ana.get(&path).await.json();

    assert_eq!((&first["position"], &second["position"]), (&json!(1), &json!(2)));
    assert_eq!((&second["job_id"], &second["collection_id"]), (&json!(two), &json!(book)));
    assert_eq!((&second["assigned_by"], &moved["position"]), (&json!("ana"), &json!(7)));
    assert_eq!(listed["job_id"], two);
    let item = &listed["collections"][0];
    assert_eq!(
        (&item["collection_id"], &item["name"], &item["position"]),
        (&json!(book), &json!("Luke"), &json!(7))
    );
    let again = ana.post(&path, &body).await;
    assert_eq!(detail(&again), (400, format!("Job {two} is already in collection {book}")));
    let wrong = ana.patch(&format!("{path}/{book}"), &json!({ "position": 0 })).await;
    assert_eq!(mistakes(&wrong), [(json!(["body", "position"]), "greater_than_equal".to_owned())]);
    let removed = ana.delete(&format!("{path}/{book}")).await.json();
    assert_eq!(
        removed,
        json!({ "message": "Job removed from collection", "job_id": two, "collection_id": book })
    );
    let missing = (404, format!("Job {two} is not in collection {book}"));
    assert_eq!(detail(&ana.delete(&format!("{path}/{book}")).await), missing);
    let moved = ana.patch(&format!("{path}/{book}"), &json!({ "position": 1 })).await;
    assert_eq!(detail(&moved), missing);
}

#[tokio::test]
async fn jobs_and_collections_of_others_are_not_mixed_with_ones_own() {
    let service = service().await;
    let (ana, ben) = (Client::new(&service, "ana"), Client::new(&service, "ben"));
    let (book, job) = (made(&ana, json!({ "name": "Luke" })).await, ana.uploaded("1").await);
    let (other, hers) = (made(&ben, json!({ "name": "Mark" })).await, ben.uploaded("2").await);
    let add = async |client: &Client<'_>, job: i64, collection: i64| {
        let body = json!({ "collection_id": collection });
        detail(&client.post(&format!("/jobs/{job}/collections"), &body).await)
    };
    let not_this = |what: &str| (403, format!("You do not have permission to modify this {what}"));

    assert_eq!(add(&ben, job, other).await, not_this("job"));
    assert_eq!(add(&ben, hers, book).await, not_this("collection"));
    assert_eq!(add(&ben, hers, 99).await, (400, "Collection 99 not found".to_owned()));
    assert_eq!(add(&ben, 99, other).await, (400, "Job 99 not found".to_owned()));
    let path = format!("/jobs/{hers}/collections/{book}");
    assert_eq!(detail(&ben.delete(&path).await), not_this("collection"));
    assert_eq!(ana.get(&format!("/collections/{book}")).await.json()["jobs"], json!([]));
}

#[tokio::test]
async fn a_key_for_collections_alone_learns_nothing_of_recordings_nor_the_other_way_round() {
    let service = service().await;
    let ana = Client::new(&service, "ana");
    let (book, job) = (made(&ana, json!({ "name": "Luke" })).await, ana.uploaded("1").await);
    let (in_book, of_job) = (format!("/collections/{book}"), format!("/jobs/{job}/collections"));
    let body = json!({ "collection_id": book });
    let sorter = ana.scoped(&["collections:read", "collections:write"]).await;
    let reader = ana.scoped(&["recordings:read"]).await;
    let both = ana.scoped(&["collections:read", "collections:write", "recordings:read"]).await;
    let lacks = (403, "the token lacks the scope recordings:read".to_owned());
    let shown = format!("/transcriptions/{job}");

    assert_eq!(detail(&sorter.post(&of_job, &body).await), lacks);
    assert_eq!(both.post(&of_job, &body).await.status, StatusCode::CREATED);
    for path in [&in_book, &of_job] {
        assert_eq!(detail(&sorter.get(path).await), lacks);
        assert_eq!(reader.get(path).await.status, StatusCode::FORBIDDEN);
        assert_eq!(both.get(path).await.status, StatusCode::OK);
    }
    let one = format!("{of_job}/{book}");
    assert_eq!(detail(&sorter.patch(&one, &json!({ "position": 2 })).await), lacks);
    assert_eq!(detail(&sorter.delete(&one).await), lacks);
    assert_eq!(sorter.get("/collections").await.json()["collections"][0]["job_count"], 1);
    assert_eq!(reader.get(&shown).await.json()["collections"], json!([]));
    assert_eq!(both.get(&shown).await.json()["collections"][0]["name"], "Luke");
}
