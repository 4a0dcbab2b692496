//! Keys and service tokens: made, used, replaced, revoked.

use std::time::Duration;

use hansard_domain::access::Role;
use http::StatusCode;
use serde_json::{Value, json};

use crate::people::{GOVERNOR, Person, TOKENS, column, somebody, town};
use crate::service::id;

const SERVICE_TOKENS: &str = "/api/v1/service-tokens";
const RECORDINGS: &str = "/api/v1/recordings";
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

#[tokio::test]
async fn a_key_is_shown_once_opens_what_it_says_and_ends_at_once() {
    let service = town().await;
    let (ana, browser) = somebody(&service, "ana", Role::Editor).await;
    let asked = json!({"name": "ci", "role": "viewer", "scopes": ["recordings:read"]});

    let made = browser.post(TOKENS, asked).await;

    assert_eq!(made.status, StatusCode::CREATED, "{}", made.text());
    assert_eq!(made.header("cache-control"), "no-store");
    let mut shown = made.json();
    let secret = shown.as_object_mut().unwrap().remove("token").unwrap();
    let secret = secret.as_str().unwrap();
    assert!(secret.starts_with(shown["prefix"].as_str().unwrap()), "{shown}");
    assert_eq!((&shown["kind"], &shown["role"]), (&json!("key"), &json!("viewer")));
    assert_eq!(shown["scopes"], json!(["recordings:read"]));
    assert_eq!(shown["user_id"], ana.id.to_string());
    assert_eq!(shown["workspace_id"], ana.workspace.to_string());
    let path = made.header("location").to_owned();
    assert_eq!(path, format!("{TOKENS}/{}", id(&shown)));
    assert_eq!(browser.get(&path).await.json(), shown);

    let program = Person::with(&service, secret);
    assert_eq!(program.looks().await, 200);
    let source = json!({"source": {"url": "https://media.example/a.webm"}});
    assert_eq!(program.post(RECORDINGS, source).await.problem(), "forbidden");
    let scope = program.get(TOKENS).await;
    assert_eq!(scope.problem(), "forbidden");
    assert!(scope.text().contains("account:own"), "{}", scope.text());
    let used = browser.get(&path).await.json();
    assert!(used["first_used_at"].is_string() && used["last_used_at"].is_string(), "{used}");

    assert_eq!(browser.delete(&path).await.status, StatusCode::NO_CONTENT);
    assert_eq!(program.looks().await, 401);
    assert_eq!(browser.delete(&path).await.status, StatusCode::NO_CONTENT, "as was wished");
    assert!(browser.get(&path).await.json()["revoked_at"].is_string());
    assert_eq!(column(&browser.get(TOKENS).await, "id"), [shown["id"].clone()]);
}

#[tokio::test]
async fn the_secret_before_the_last_one_is_good_for_the_overlap() {
    let service = town().await;
    let (_, browser) = somebody(&service, "ana", Role::Editor).await;
    let (token, first) = browser.make_token(TOKENS, json!({"name": "ci"})).await;
    let rotate = format!("{TOKENS}/{token}/rotate");

    let rotated = browser.post(&rotate, json!({"overlap": "2h"})).await;

    assert_eq!(rotated.status, StatusCode::OK, "{}", rotated.text());
    assert_eq!(rotated.header("cache-control"), "no-store");
    assert!(rotated.json()["previous_secret_until"].is_string());
    let second = rotated.json()["token"].as_str().unwrap().to_owned();
    let (first, second) = (Person::with(&service, &first), Person::with(&service, &second));
    assert_eq!((first.looks().await, second.looks().await), (200, 200));
    service.clock.advance(Duration::from_secs(2 * 60 * 60));
    assert_eq!((first.looks().await, second.looks().await), (401, 200));

    // At once: somebody else may have it.
    let third = browser.post(&rotate, json!({"overlap": "0s"})).await.json();
    let third = Person::with(&service, third["token"].as_str().unwrap());
    assert_eq!((second.looks().await, third.looks().await), (401, 200));
    // Without a body, what is usual.
    assert_eq!(browser.call(http::Method::POST, &rotate).await.status, StatusCode::OK);
    assert_eq!(third.looks().await, 200);
    for wrong in [json!({"overlap": "31d"}), json!({"overlap": 60}), json!({"role": "admin"})] {
        assert_eq!(browser.post(&rotate, wrong).await.mistakes().len(), 1);
    }
}

#[tokio::test]
async fn a_token_ends_when_its_time_is_over() {
    let service = town().await;
    let (_, browser) = somebody(&service, "ana", Role::Editor).await;
    let (_, short) = browser.make_token(TOKENS, json!({"name": "a", "expires_in": "36h"})).await;
    let (_, usual) = browser.make_token(TOKENS, json!({"name": "b"})).await;
    let (_, endless) = browser.make_token(TOKENS, json!({"name": "c", "expires_in": null})).await;
    let looks = async || {
        let mut seen = Vec::new();
        for token in [&short, &usual, &endless] {
            seen.push(Person::with(&service, token).looks().await);
        }
        seen
    };

    assert_eq!(looks().await, [200, 200, 200]);
    service.clock.advance(2 * DAY);
    assert_eq!(looks().await, [401, 200, 200]);
    service.clock.advance(89 * DAY);
    assert_eq!(looks().await, [401, 401, 200]);
}

#[tokio::test]
async fn nobody_makes_a_token_that_is_good_for_more_than_they_are() {
    let service = town().await;
    let (_, browser) = somebody(&service, "ana", Role::Editor).await;
    let asked = json!({"name": "reader", "role": "viewer"});
    let (_, reader) = browser.make_token(TOKENS, asked).await;
    let scopes = json!(["account:own", "recordings:read"]);
    let asked = json!({"name": "scoped", "scopes": scopes, "expires_in": "10d"});
    let (_, scoped) = browser.make_token(TOKENS, asked).await;
    let (reader, scoped) = (Person::with(&service, &reader), Person::with(&service, &scoped));
    let refused = async |who: &Person<'_>, more: Value| {
        let mut asked = json!({"name": "more"});
        asked.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let answer = who.post(TOKENS, asked).await;
        (answer.status, answer.problem()) == (StatusCode::FORBIDDEN, "forbidden".to_owned())
    };

    assert!(refused(&browser, json!({"governs": true})).await);
    assert!(refused(&reader, json!({"role": "editor"})).await);
    assert!(refused(&scoped, json!({"scopes": ["recordings:write"]})).await);
    // What is not asked for is what the maker has.
    let same = scoped.post(TOKENS, json!({"name": "same", "expires_in": null})).await.json();
    assert_eq!(same["scopes"], scopes);
    let mine = column(&browser.get(TOKENS).await, "expires_at");
    assert_eq!(same["expires_at"], mine[1], "it does not outlive the one that made it");
    let least = reader.post(TOKENS, json!({"name": "least"})).await.json();
    assert_eq!(least["role"], "viewer");
}

#[tokio::test]
async fn a_key_gets_no_secret_of_a_greater_one() {
    let service = town().await;
    let (_, browser) = somebody(&service, "ana", Role::Editor).await;
    let (great, great_secret) = browser.make_token(TOKENS, json!({"name": "great"})).await;
    let asked = json!({"name": "small", "scopes": ["account:own"]});
    let (small, small_secret) = browser.make_token(TOKENS, asked).await;
    let program = Person::with(&service, &small_secret);

    let stolen = program.post(&format!("{TOKENS}/{great}/rotate"), json!({})).await;
    let own = program.post(&format!("{TOKENS}/{small}/rotate"), json!({})).await;

    assert_eq!(stolen.problem(), "forbidden");
    assert_eq!(own.status, StatusCode::OK, "{}", own.text());
    assert_eq!(Person::with(&service, &great_secret).looks().await, 200);
}

#[tokio::test]
async fn a_key_opens_one_workspace_and_makes_no_other_for_another() {
    let service = town().await;
    let (_, browser) = somebody(&service, "ana", Role::Editor).await;
    let shared = browser.post("/api/v1/workspaces", json!({"name": "Radio"})).await.json();
    let (_, home) = browser.make_token(TOKENS, json!({"name": "home"})).await;
    let asked = json!({"name": "radio", "workspace_id": id(&shared)});
    let (radio, radio_secret) = browser.make_token(TOKENS, asked.clone()).await;
    let (home, radio_program) =
        (Person::with(&service, &home), Person::with(&service, &radio_secret));
    let recording = browser.inside(id(&shared)).hand_in().await;
    let path = format!("{RECORDINGS}/{recording}");

    assert_eq!(radio_program.get(&path).await.status, StatusCode::OK);
    assert_eq!(home.get(&path).await.problem(), "recording_not_found");
    assert_eq!(home.inside(id(&shared)).get(&path).await.problem(), "recording_not_found");
    assert_eq!(home.post(TOKENS, asked).await.problem(), "workspace_not_found");
    let rotate = format!("{TOKENS}/{radio}/rotate");
    assert_eq!(home.post(&rotate, json!({})).await.problem(), "token_not_found");
    assert_eq!(column(&home.get("/api/v1/workspaces").await, "kind"), ["personal"]);
}

#[tokio::test]
async fn service_tokens_are_the_workspaces_and_act_as_themselves() {
    let service = town().await;
    let (_, ana) = somebody(&service, "ana", Role::Editor).await;
    let (ben, at_bens) = somebody(&service, "ben", Role::Editor).await;
    let radio = ana.post("/api/v1/workspaces", json!({"name": "Radio"})).await.json();
    let member = format!("/api/v1/workspaces/{}/members/{}", id(&radio), ben.id);
    assert_eq!(ana.put(&member, json!({"role": "editor"})).await.status, StatusCode::OK);
    let ana_there = ana.inside(id(&radio));

    let asked = json!({"name": "plugin", "role": "editor"});
    let (token, secret) = ana_there.make_token(SERVICE_TOKENS, asked.clone()).await;
    let plugin = Person::with(&service, &secret);

    assert!(secret.starts_with("hst_"), "a mark of its own");
    let recording = plugin.hand_in().await;
    let path = format!("{RECORDINGS}/{recording}");
    assert_eq!(ana_there.get(&path).await.status, StatusCode::OK);
    let own = plugin.get(TOKENS).await;
    assert!(own.problem() == "forbidden" && own.text().contains("it takes a user"), "no account");
    // An editor does not see them, and nobody does from elsewhere or among the keys.
    assert_eq!(at_bens.inside(id(&radio)).get(SERVICE_TOKENS).await.problem(), "forbidden");
    let one = format!("{SERVICE_TOKENS}/{token}");
    assert_eq!(ana.get(&one).await.problem(), "token_not_found");
    assert_eq!(at_bens.get(&one).await.problem(), "token_not_found");
    assert_eq!(ana_there.get(&format!("{TOKENS}/{token}")).await.problem(), "token_not_found");
    let elsewhere = json!({"name": "x", "workspace_id": id(&radio)});
    assert_eq!(at_bens.post(SERVICE_TOKENS, elsewhere).await.problem(), "forbidden");

    assert_eq!(column(&ana_there.get(SERVICE_TOKENS).await, "name"), ["plugin"]);
    assert_eq!(ana_there.get(&one).await.json()["user_id"], Value::Null);
    let rotated = ana_there.post(&format!("{one}/rotate"), json!({"overlap": "0s"})).await;
    assert_eq!(rotated.status, StatusCode::OK, "{}", rotated.text());
    assert_eq!(plugin.looks().await, 401);
    let next = Person::with(&service, rotated.json()["token"].as_str().unwrap());
    assert_eq!(next.looks().await, 200);
    assert_eq!(ana_there.delete(&one).await.status, StatusCode::NO_CONTENT);
    assert_eq!(next.looks().await, 401);
    let again = ana_there.post(&format!("{one}/rotate"), json!({})).await;
    assert_eq!(again.problem(), "token_not_found", "an end is for good");
}

#[tokio::test]
async fn what_is_somebody_elses_is_not_there() {
    let service = town().await;
    let (_, ana) = somebody(&service, "ana", Role::Editor).await;
    let (_, ben) = somebody(&service, "ben", Role::Admin).await;
    let (token, secret) = ana.make_token(TOKENS, json!({"name": "ci"})).await;
    let path = format!("{TOKENS}/{token}");

    for answer in [
        ben.get(&path).await,
        ben.delete(&path).await,
        ben.post(&format!("{path}/rotate"), json!({})).await,
        ben.get(&format!("{TOKENS}/tok_%00")).await,
    ] {
        assert_eq!(answer.problem(), "token_not_found");
    }
    assert!(column(&ben.get(TOKENS).await, "id").is_empty());
    assert_eq!(Person::with(&service, &secret).looks().await, 200);
}

#[tokio::test]
async fn a_configured_key_makes_service_tokens_and_has_no_keys() {
    let service = town().await;
    let governor = Person::with(&service, GOVERNOR);

    let asked = json!({"name": "ops", "governs": true});
    let (_, secret) = governor.make_token(SERVICE_TOKENS, asked).await;

    assert_eq!(Person::with(&service, &secret).get("/api/v1/users").await.status, StatusCode::OK);
    assert_eq!(governor.post(TOKENS, json!({"name": "x"})).await.problem(), "forbidden");
}

#[tokio::test]
async fn a_list_of_keys_goes_on_page_by_page() {
    let service = town().await;
    let (_, browser) = somebody(&service, "ana", Role::Editor).await;
    for name in ["a", "b", "c"] {
        browser.make_token(TOKENS, json!({"name": name})).await;
    }

    let first = browser.get(&format!("{TOKENS}?limit=2")).await;
    let cursor = first.json()["next_cursor"].as_str().unwrap().to_owned();
    let rest = browser.get(&format!("{TOKENS}?limit=2&cursor={cursor}")).await;

    assert_eq!(column(&first, "name"), ["c", "b"]);
    assert_eq!(column(&rest, "name"), ["a"]);
    assert_eq!(rest.json()["next_cursor"], Value::Null);
}
