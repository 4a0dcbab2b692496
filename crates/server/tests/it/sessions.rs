//! One's own account: sessions, and what one changes about oneself.

use hansard_domain::access::Role;
use hansard_server::{KeyLevel, Keys, RateSettings, hash_password};
use hansard_store::users::{NewUser, User};
use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::people::{GOVERNOR, Person, TOKENS, column, somebody, town};
use crate::service::{Service, json_request};
use crate::things::{self, HOUR};

const SESSIONS: &str = "/api/v1/sessions";
const ME: &str = "/api/v1/me";
const PASSWORD: &str = "correct horse battery";

/// A user who logs in with [`PASSWORD`].
async fn with_password(service: &Service, name: &str) -> User {
    let home = service.store.ensure_workspace("default").await.unwrap();
    let new = NewUser {
        email: Some(format!("{name}@example.org")),
        password_hash: Some(hash_password(PASSWORD).unwrap()),
        ..NewUser::of(Role::Editor)
    };
    service.store.create_user(new, &home, &things::by()).await.unwrap()
}

#[tokio::test]
async fn sessions_are_seen_and_ended_by_their_user() {
    let service = town().await;
    let (user, here) = somebody(&service, "ana", Role::Editor).await;
    let there = Person::at_a_browser(&service, &user).await;
    let elsewhere = Person::at_a_browser(&service, &user).await;

    let list = here.get(SESSIONS).await;

    assert_eq!(column(&list, "is_current"), [false, false, true]);
    assert_eq!(column(&list, "method"), ["simple", "simple", "simple"]);
    let there_id = column(&list, "id")[1].as_str().unwrap().to_owned();
    let path = format!("{SESSIONS}/{there_id}");
    assert_eq!(here.delete(&path).await.status, StatusCode::NO_CONTENT);
    assert_eq!((there.looks().await, elsewhere.looks().await), (401, 200));
    assert_eq!(here.delete(&path).await.problem(), "session_not_found");
    assert_eq!(here.delete(SESSIONS).await.status, StatusCode::NO_CONTENT);
    assert_eq!((elsewhere.looks().await, here.looks().await), (401, 200));
    assert_eq!(column(&here.get(SESSIONS).await, "is_current"), [true]);
}

#[tokio::test]
async fn nobody_sees_or_ends_the_sessions_of_others() {
    let service = town().await;
    let (_, ana) = somebody(&service, "ana", Role::Editor).await;
    let (_, boss) = somebody(&service, "boss", Role::Admin).await;
    let session = column(&ana.get(SESSIONS).await, "id")[0].as_str().unwrap().to_owned();

    let answer = boss.delete(&format!("{SESSIONS}/{session}")).await;

    assert_eq!(answer.problem(), "session_not_found");
    assert!(!column(&boss.get(SESSIONS).await, "id").contains(&json!(session)));
    assert_eq!(ana.looks().await, 200);
    assert_eq!(Person::with(&service, GOVERNOR).get(SESSIONS).await.problem(), "forbidden");
}

#[tokio::test]
async fn another_sites_page_changes_nothing_with_a_session() {
    let service = town().await;
    let user = things::user(&service.store, "ana", Role::Editor).await;
    let (_, cookie) = things::session(&service.store, &user, HOUR).await;
    let cookie = format!("session_token={cookie}");
    let send = async |token: Option<&str>, origin: Option<&str>| {
        let mut request = json_request(Method::POST, TOKENS, &json!({"name": "stolen"}));
        request.headers_mut().insert("cookie", cookie.parse().unwrap());
        for (name, value) in [("x-csrf-token", token), ("origin", origin)] {
            if let Some(value) = value {
                request.headers_mut().insert(name, value.parse().unwrap());
            }
        }
        service.send(request).await
    };
    let mut request = http::Request::get(ME).body(axum::body::Body::empty()).unwrap();
    request.headers_mut().insert("cookie", cookie.parse().unwrap());
    let token = service.send(request).await.header("x-csrf-token").to_owned();

    assert_eq!(send(None, None).await.problem(), "csrf_token_missing");
    assert_eq!(send(Some("guessed"), None).await.problem(), "csrf_token_invalid");
    let foreign = send(Some(&token), Some("https://evil.example")).await;
    assert_eq!(foreign.problem(), "csrf_token_invalid");
    assert_eq!(send(Some(&token), None).await.status, StatusCode::CREATED);
}

#[tokio::test]
async fn a_new_password_takes_the_present_one_and_ends_other_sessions() {
    let service = town().await;
    let user = with_password(&service, "ana").await;
    let here = Person::at_a_browser(&service, &user).await;
    let there = Person::at_a_browser(&service, &user).await;
    let hash = async || service.store.find_login("ana@example.org").await.unwrap().unwrap().1;
    let old = hash().await;

    let alone = here.patch(ME, json!({"password": "another good one"})).await;
    let wrong = json!({"password": "another good one", "current_password": "guessed it"});
    let wrong = here.patch(ME, wrong).await;
    let short = here.patch(ME, json!({"password": "short", "current_password": PASSWORD})).await;

    assert_eq!(alone.mistakes(), ["/current_password"]);
    assert_eq!(wrong.mistakes(), ["/current_password"]);
    assert_eq!(short.mistakes(), ["/password"]);
    assert_eq!((hash().await, there.looks().await), (old.clone(), 200));

    let right = json!({"password": "another good one", "current_password": PASSWORD});
    let changed = here.patch(ME, right).await;
    assert_eq!(changed.status, StatusCode::OK, "{}", changed.text());
    assert_ne!(hash().await, old);
    assert_eq!((here.looks().await, there.looks().await), (200, 401));
}

#[tokio::test]
async fn guesses_at_the_present_password_are_counted() {
    let service = Service::start_with(|settings| {
        settings.keys = Keys::of([(KeyLevel::Super, GOVERNOR)]);
        settings.admission.limits =
            RateSettings { failures_per_account: 2, ..RateSettings::default() };
    })
    .await;
    let user = with_password(&service, "ana").await;
    let thief = Person::at_a_browser(&service, &user).await;
    let guess = async |present: &str| {
        let json = json!({"password": "another good one", "current_password": present});
        thief.patch(ME, json).await
    };

    for present in ["guess number 1", "guess number 2"] {
        assert_eq!(guess(present).await.status, StatusCode::UNPROCESSABLE_ENTITY);
    }
    let third = guess(PASSWORD).await;

    assert_eq!(
        (third.status, third.problem()),
        (StatusCode::TOO_MANY_REQUESTS, "rate_limited".to_owned())
    );
    assert!(!third.header("retry-after").is_empty());
    let governor = Person::with(&service, GOVERNOR);
    let refused = governor.get("/api/v1/audit?kind=access.refused").await.json();
    let codes = refused["items"].as_array().unwrap().iter().map(|entry| &entry["code"]);
    assert_eq!(codes.collect::<Vec<_>>(), ["rate_limited", "login_refused", "login_refused"]);
}

#[tokio::test]
async fn one_changes_ones_own_names_and_nothing_more() {
    let service = town().await;
    let (_, ana) = somebody(&service, "ana", Role::Editor).await;
    somebody(&service, "ben", Role::Editor).await.1.patch(ME, json!({"username": "ben"})).await;

    let changed = ana.patch(ME, json!({"name": "Ana", "username": "ana"})).await;

    assert_eq!(changed.status, StatusCode::OK, "{}", changed.text());
    assert_eq!(changed.json()["user"]["name"], "Ana");
    assert_eq!(changed.json()["user"]["username"], "ana");
    let cleared = ana.patch(ME, json!({"name": null})).await;
    assert_eq!(cleared.json()["user"]["name"], Value::Null);
    assert_eq!(ana.patch(ME, json!({"username": "ben"})).await.problem(), "username_taken");
    for name in ["role", "email", "disabled"] {
        let answer = ana.patch(ME, json!({name: "admin"})).await;
        assert_eq!(answer.mistakes(), [format!("/{name}")]);
    }
    let no_password = json!({"password": "another good one", "current_password": "x"});
    assert_eq!(ana.patch(ME, no_password).await.mistakes(), ["/password"]);
    let governor = Person::with(&service, GOVERNOR);
    assert_eq!(governor.patch(ME, json!({"name": "x"})).await.problem(), "forbidden");
}
