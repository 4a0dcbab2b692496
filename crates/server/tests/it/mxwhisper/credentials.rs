//! Service tokens: who gets in with them, and for how long.

use http::StatusCode;
use serde_json::{Value, json};

use super::client::{Client, SECRET, claims, detail, service, signed};
use crate::service::{Answer, Service};
use hansard_store::audit::{ActorRef, By};
use hansard_store::users::UserName;

async fn with(service: &Service, token: &str) -> Answer {
    let request =
        http::Request::get("/user/jobs").header("authorization", format!("Bearer {token}"));
    service.send(request.body(axum::body::Body::empty()).unwrap()).await
}

fn changed(claims: &Value, changes: &Value) -> Value {
    let mut claims = claims.clone();
    for (name, value) in changes.as_object().unwrap() {
        claims[name] = value.clone();
    }
    claims
}

#[tokio::test]
async fn without_a_token_nobody_gets_in_and_is_told_so() {
    let service = service().await;

    // The original says 403 here, and shows a job to everybody.
    for path in ["/user/jobs", "/job/1", "/jobs/1", "/jobs/1/download", "/jobs/1/topics", "/audio"]
    {
        let answer = service.get(path).await;
        assert_eq!(detail(&answer), (401, "Not authenticated".to_owned()), "{path}");
        assert_eq!(answer.header("www-authenticate"), "Bearer");
    }
    let wrong = with(&service, "not-a-token").await;
    assert_eq!(detail(&wrong), (401, "Invalid or expired token".to_owned()));
    assert_eq!(wrong.header("www-authenticate"), "Bearer");
}

#[tokio::test]
async fn a_token_is_good_until_it_expires_or_is_forged() {
    let service = service().await;
    let good = claims(&service, "ana");
    let now = good["iat"].as_i64().unwrap();

    assert_eq!(with(&service, &signed(&good, SECRET)).await.status, StatusCode::OK);
    for (why, token) in [
        ("another secret", signed(&good, "another-secret-of-more-than-32-bytes")),
        ("the original's default", signed(&good, "change-this-secret-key-in-production")),
        ("expired", signed(&changed(&good, &json!({ "exp": now - 120 })), SECRET)),
        ("without an end", signed(&changed(&good, &json!({ "exp": null })), SECRET)),
        ("without a name", signed(&changed(&good, &json!({ "jti": null })), SECRET)),
    ] {
        let answer = with(&service, &token).await;
        assert_eq!(detail(&answer), (401, "Invalid or expired token".to_owned()), "{why}");
    }
}

#[tokio::test]
async fn a_token_that_was_revoked_opens_nothing_any_more() {
    let service = service().await;
    let by = By::actor(ActorRef::COMMAND_LINE);
    let (one, other) =
        (claims(&service, "ana"), changed(&claims(&service, "ana"), &json!({ "jti": "second" })));
    let [first, second] = [&one, &other].map(|claims| signed(claims, SECRET));
    assert_eq!(with(&service, &first).await.status, StatusCode::OK);

    // By its name: the others of the user stay good.
    let later = service.clock.now().after(std::time::Duration::from_secs(3_600));
    assert!(service.store.revoke_jti("jti-ana", later, &by).await.unwrap());
    assert_eq!(with(&service, &first).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(with(&service, &second).await.status, StatusCode::OK);

    // By the counter: all that were made before.
    let name = UserName::External("ana".to_owned());
    let user = service.store.find_user(&name).await.unwrap().expect("the first call has made her");
    assert_eq!(service.store.bump_revocations(&user.id, &by).await.unwrap(), Some(1));
    assert_eq!(with(&service, &second).await.status, StatusCode::UNAUTHORIZED);
    let third = changed(&other, &json!({ "jti": "third", "revocation_counter": 1 }));
    assert_eq!(with(&service, &signed(&third, SECRET)).await.status, StatusCode::OK);
}

#[tokio::test]
async fn whoever_calls_for_the_first_time_is_known_from_then_on() {
    let service = service().await;

    // The original answers 500 until something was uploaded.
    let ana = Client::new(&service, "ana");
    let made = ana.post("/collections", &json!({ "name": "Sermons" })).await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.text());
    assert_eq!(made.json()["user_id"], "ana");
    let ben = Client::new(&service, "ben");
    let kept = ben.upload("/audio/upload", crate::service::WAV).await;
    assert_eq!(kept.status, StatusCode::CREATED, "{}", kept.text());
    let shown = ben.get(&format!("/audio/{}", kept.json()["audio_file_id"])).await.json();
    assert_eq!(shown["user_id"], "ben");
}

#[tokio::test]
async fn what_a_token_says_of_roles_counts_for_nothing() {
    let service = service().await;
    let claims =
        changed(&claims(&service, "ana"), &json!({ "roles": ["admin", "admin.mxwhisper"] }));
    let token = signed(&claims, SECRET);

    let request =
        http::Request::get("/admin/jobs").header("authorization", format!("Bearer {token}"));
    let answer = service.send(request.body(axum::body::Body::empty()).unwrap()).await;

    assert_eq!(detail(&answer), (403, "Admin access required".to_owned()));
}
