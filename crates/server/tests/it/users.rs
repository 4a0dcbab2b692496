//! Users: made, changed and erased by whoever governs.

use hansard_domain::access::Role;
use hansard_store::users::UserName;
use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::people::{GOVERNOR, Person, TOKENS, column, somebody, town};
use crate::service::{WAV, form, form_request, id};

const USERS: &str = "/api/v1/users";

#[tokio::test]
async fn a_user_is_made_found_and_changed() {
    let service = town().await;
    let governor = Person::with(&service, GOVERNOR);
    let asked = json!({
        "email": "Ana@Example.org", "name": "Ana", "username": "ana", "role": "viewer",
        "password": "correct horse battery",
    });

    let made = governor.post(USERS, asked).await;

    assert_eq!(made.status, StatusCode::CREATED, "{}", made.text());
    let ana = made.json();
    assert!(!made.text().contains("correct horse") && !made.text().contains("argon2"));
    assert_eq!(made.header("location"), format!("{USERS}/{}", id(&ana)));
    assert_eq!((&ana["has_password"], &ana["role"]), (&json!(true), &json!("viewer")));
    assert_eq!(governor.get(made.header("location")).await.json(), ana);
    let known = service.store.find_login("ana@example.org").await.unwrap().unwrap();
    assert_eq!(known.0.id.to_string(), id(&ana));

    let path = made.header("location").to_owned();
    let change = json!({"name": null, "role": "editor", "email": "ana@example.com"});
    let changed = governor.patch(&path, change).await;
    assert_eq!(changed.status, StatusCode::OK, "{}", changed.text());
    assert_eq!(
        (&changed.json()["name"], &changed.json()["role"]),
        (&Value::Null, &json!("editor"))
    );
    assert_eq!(changed.json()["username"], "ana");
    let without = governor.patch(&path, json!({"password": null})).await;
    assert_eq!(without.json()["has_password"], false);
    assert_eq!(column(&governor.get(USERS).await, "id"), [ana["id"].clone()]);
}

#[tokio::test]
async fn what_cannot_be_is_said_to_be_wrong() {
    let service = town().await;
    let governor = Person::with(&service, GOVERNOR);
    let long = "x".repeat(1_025);
    let asked =
        json!({"email": "ana@example.org", "username": "ana", "password": "correct horse battery"});
    let made = governor.post(USERS, asked).await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.text());

    let wrong = json!({"role": "owner", "name": 7, "admin": true});
    assert_eq!(
        governor.post(USERS, wrong).await.mistakes(),
        ["/email", "/role", "/name", "/admin"]
    );
    for password in ["short", long.as_str()] {
        let asked = json!({"email": "ben@example.org", "password": password});
        assert_eq!(governor.post(USERS, asked).await.mistakes(), ["/password"]);
    }
    let no_address = governor.post(USERS, json!({"email": "ben"})).await;
    assert_eq!(no_address.problem(), "invalid_request");
    let asked = json!({"email": "ANA@example.org", "password": "another good one"});
    let taken = governor.post(USERS, asked).await;
    assert_eq!((taken.status, taken.problem()), (StatusCode::CONFLICT, "email_taken".to_owned()));
    let asked = json!({"email": "ben@example.org", "username": "ana"});
    assert_eq!(governor.post(USERS, asked).await.problem(), "username_taken");
    let path = made.header("location");
    assert_eq!(governor.patch(path, json!({"role": null})).await.mistakes(), ["/role"]);
    assert_eq!(governor.get(&format!("{USERS}/nobody")).await.problem(), "user_not_found");
    assert_eq!(column(&governor.get(USERS).await, "id").len(), 1);
}

#[tokio::test]
async fn only_who_governs_sees_users() {
    let service = town().await;
    let (ana_user, ana) = somebody(&service, "ana", Role::Editor).await;
    let (_, boss) = somebody(&service, "boss", Role::Admin).await;
    let (_, plain) = boss.make_token(TOKENS, json!({"name": "plain"})).await;
    let (_, governing) = boss.make_token(TOKENS, json!({"name": "ops", "governs": true})).await;
    let path = format!("{USERS}/{}", ana_user.id);

    for person in [&ana, &Person::with(&service, &plain)] {
        for answer in [person.get(USERS).await, person.get(&path).await, person.delete(&path).await]
        {
            assert_eq!(answer.problem(), "forbidden");
        }
    }
    assert_eq!(boss.get(&path).await.status, StatusCode::OK);
    assert_eq!(Person::with(&service, &governing).get(&path).await.status, StatusCode::OK);
}

#[tokio::test]
async fn who_is_disabled_is_out_at_once_with_sessions_and_keys() {
    let service = town().await;
    let governor = Person::with(&service, GOVERNOR);
    let (ana_user, ana) = somebody(&service, "ana", Role::Editor).await;
    let (_, secret) = ana.make_token(TOKENS, json!({"name": "ci"})).await;
    let program = Person::with(&service, &secret);
    let path = format!("{USERS}/{}", ana_user.id);

    let disabled = governor.patch(&path, json!({"disabled": true})).await;

    assert!(disabled.json()["disabled_at"].is_string(), "{}", disabled.text());
    assert_eq!((ana.looks().await, program.looks().await), (401, 401));
    governor.patch(&path, json!({"disabled": false})).await;
    assert_eq!((ana.looks().await, program.looks().await), (401, 200), "the session has ended");
}

#[tokio::test]
async fn who_governs_last_stays() {
    let service = town().await;
    let (boss_user, boss) = somebody(&service, "boss", Role::Admin).await;
    let path = format!("{USERS}/{}", boss_user.id);

    for answer in [
        boss.patch(&path, json!({"role": "editor"})).await,
        boss.patch(&path, json!({"disabled": true})).await,
        boss.delete(&path).await,
    ] {
        assert_eq!(
            (answer.status, answer.problem()),
            (StatusCode::CONFLICT, "last_admin".to_owned())
        );
    }
    let (_, other) = somebody(&service, "other", Role::Admin).await;
    assert_eq!(boss.delete(&path).await.status, StatusCode::OK);
    assert_eq!((boss.looks().await, other.looks().await), (401, 200));
}

#[tokio::test]
async fn an_erased_user_is_gone_with_everything_and_the_report_says_what() {
    let service = town().await;
    let governor = Person::with(&service, GOVERNOR);
    let (ana_user, ana) = somebody(&service, "ana", Role::Editor).await;
    let (ben_user, ben) = somebody(&service, "ben", Role::Editor).await;
    let (_, secret) = ana.make_token(TOKENS, json!({"name": "ci"})).await;
    let sent = ana.send(form_request("/api/v1/recordings", form(&[("file", WAV)]))).await;
    assert_eq!(sent.status, StatusCode::ACCEPTED, "{}", sent.text());
    ana.hand_in().await;
    let hook = json!({"url": "https://receiver.example/hook"});
    assert_eq!(ana.post("/api/v1/webhooks/endpoints", hook).await.status, StatusCode::CREATED);
    let radio = ben.post("/api/v1/workspaces", json!({"name": "Radio"})).await.json();
    let member = format!("/api/v1/workspaces/{}/members/{}", id(&radio), ana_user.id);
    ben.put(&member, json!({"role": "editor"})).await;
    let elsewhere = ana.inside(id(&radio)).hand_in().await;
    assert_eq!(service.media_files().await.len(), 1);
    let rows = async |path: &str| column(&ana.get(path).await, "id").len();
    let before = [
        rows("/api/v1/recordings").await,
        rows("/api/v1/jobs").await,
        rows("/api/v1/transcripts").await,
        rows("/api/v1/webhooks/endpoints").await,
        rows("/api/v1/webhooks/deliveries").await,
        rows(TOKENS).await,
        rows("/api/v1/sessions").await,
        rows("/api/v1/workspaces").await,
    ];
    assert_eq!(before[..2], [2, 2]);

    let erased = governor.delete(&format!("{USERS}/{}", ana_user.id)).await;

    assert_eq!(erased.status, StatusCode::OK, "{}", erased.text());
    assert_eq!(erased.json()["user_id"], ana_user.id.to_string());
    let removed = &erased.json()["removed"];
    let told = [
        "recordings",
        "jobs",
        "transcripts",
        "endpoints",
        "deliveries",
        "tokens",
        "sessions",
        "memberships",
    ];
    assert_eq!(told.map(|name| removed[name].as_u64().unwrap() as usize), before);
    assert_eq!(removed["media_objects"], 1);
    assert_eq!(removed["media_bytes"], WAV.len());
    assert!(service.media_files().await.is_empty());
    assert_eq!((ana.looks().await, Person::with(&service, &secret).looks().await), (401, 401));
    assert_eq!(governor.get(&format!("{USERS}/{}", ana_user.id)).await.problem(), "user_not_found");
    let ana_id = UserName::Id(ana_user.id);
    assert_eq!(service.store.find_user(&ana_id).await.unwrap(), None);
    // What was made for others stays with them, and ben has lost nothing.
    let path = format!("/api/v1/recordings/{elsewhere}");
    assert_eq!(ben.inside(id(&radio)).call(Method::GET, &path).await.status, StatusCode::OK);
    assert_eq!(column(&governor.get(USERS).await, "id"), [ben_user.id.to_string()]);
}
