//! Tokens of identity providers as credentials, through the whole service.

use axum::body::Body;
use hansard_domain::access::Role;
use hansard_server::{GroupRoles, ProviderSettings, Settings};
use hansard_testkit::jwks::{SigningKey, key_set, unsigned};
use hansard_testkit::receiver::{Answer as Answering, Receiver};
use http::{Request, StatusCode};
use serde_json::{Value, json};

use crate::service::{Answer, Service};

const ISSUER: &str = "https://id.example.org/realms/main";

const AUDIENCE: &str = "hansard";

/// When tests take place, in seconds.
const NOW: i64 = 1_795_262_400;

/// Refusals of unknown keys that are worth a request to the provider, at most.
const FETCHES_MAX: usize = 3;

/// A provider that signs, and a service that believes it.
struct House {
    service: Service,
    key: SigningKey,
    provider: Receiver,
}

impl House {
    async fn new() -> Self {
        Self::with(|_| {}).await
    }

    async fn with(change: impl FnOnce(&mut Settings)) -> Self {
        let (key, provider) = (SigningKey::rsa("first"), Receiver::start());
        provider.answer_always(key_set(&[&key]));
        let jwks_url = provider.url("/jwks");
        let service = Service::start_with(|settings| {
            believe(settings, jwks_url);
            change(settings);
        })
        .await;
        Self { service, key, provider }
    }

    async fn ask(&self, path: &str, token: &str) -> Answer {
        let request = Request::get(path).header("authorization", format!("Bearer {token}"));
        self.service.send(request.body(Body::empty()).unwrap()).await
    }

    async fn ask_with(&self, claims: &Value) -> Answer {
        self.ask("/api/v1/me", &self.key.token(&self.key.header(), claims)).await
    }
}

fn believe(settings: &mut Settings, jwks_url: String) {
    settings.admission.group_roles = GroupRoles {
        admin: vec!["clerks".to_owned()],
        viewer: vec!["readers".to_owned()],
        ..GroupRoles::default()
    };
    settings.admission.providers = vec![ProviderSettings {
        name: "keycloak",
        label: "Keycloak".to_owned(),
        issuer: ISSUER.to_owned(),
        login: None,
        audience: Some(AUDIENCE.to_owned()),
        expected_issuer: ISSUER.to_owned(),
        jwks_url: Some(jwks_url),
        groups_claim: "groups".to_owned(),
    }];
}

fn claims() -> Value {
    json!({
        "iss": ISSUER, "aud": AUDIENCE, "sub": "ana", "iat": NOW, "exp": NOW + 300,
        "email": "ana@example.org", "email_verified": true, "preferred_username": "ana",
    })
}

/// The usual claims with one changed, or left out.
fn claims_but(name: &str, value: Value) -> Value {
    let mut claims = claims();
    match value {
        Value::Null => drop(claims.as_object_mut().unwrap().remove(name)),
        value => claims[name] = value,
    }
    claims
}

#[tokio::test]
async fn whoever_a_provider_vouches_for_is_a_user_from_the_first_request_on() {
    let house = House::new().await;

    let first = house.ask_with(&claims()).await;
    let again = house.ask_with(&claims()).await;
    let other = house.ask_with(&claims_but("sub", json!("ben"))).await;

    assert_eq!(first.status, StatusCode::OK, "{}", first.text());
    assert_eq!(first.json()["user"]["email"], "ana@example.org");
    assert_eq!(first.json()["user"]["id"], again.json()["user"]["id"]);
    assert_ne!(first.json()["user"]["id"], other.json()["user"]["id"], "never by e-mail");
    assert_eq!(house.provider.received().len(), 1, "keys are kept");
}

#[tokio::test]
async fn groups_raise_and_lower_with_each_token() {
    let house = House::new().await;
    let role = async |groups: Value| {
        let answer = house.ask_with(&claims_but("groups", groups)).await;
        answer.json()["user"]["role"].as_str().map(str::to_owned)
    };

    assert_eq!(role(json!(["choir"])).await.as_deref(), Some("editor"));
    assert_eq!(role(json!(["choir", "clerks"])).await.as_deref(), Some("admin"));
    let other = claims_but("sub", json!("ben"));
    let mut other = other.as_object().unwrap().clone();
    other.insert("groups".to_owned(), json!(["clerks"]));
    assert_eq!(house.ask_with(&Value::Object(other)).await.status, StatusCode::OK);
    assert_eq!(role(json!(["readers"])).await.as_deref(), Some(Role::Viewer.name()));
    let token = house.key.token(&house.key.header(), &claims_but("groups", json!(["readers"])));
    assert_eq!(house.ask("/api/v1/users", &token).await.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn what_a_token_lacks_or_says_wrongly_lets_nobody_in() {
    let house = House::new().await;
    assert_eq!(house.ask_with(&claims()).await.status, StatusCode::OK);

    for (name, value) in [
        ("aud", Value::Null),
        ("aud", json!("somebody-else")),
        ("exp", Value::Null),
        ("exp", json!(NOW - 61)),
        ("exp", json!((NOW + 300).to_string())),
        ("nbf", json!(NOW + 61)),
        ("iat", json!(NOW + 61)),
        ("iss", json!("https://evil.example")),
        ("iss", Value::Null),
        ("sub", Value::Null),
        ("sub", json!("x".repeat(256))),
    ] {
        let answer = house.ask_with(&claims_but(name, value.clone())).await;
        assert_eq!(answer.problem(), "unauthorized", "{name}: {value}");
        assert_eq!(answer.header("www-authenticate"), "Bearer");
    }
}

#[tokio::test]
async fn forged_signatures_let_nobody_in() {
    let house = House::new().await;
    let stranger = SigningKey::rsa("first");
    let mut nested = house.key.header();
    nested["cty"] = json!("JWT");
    let oversize = claims_but("padding", json!("x".repeat(8_192)));
    let none = unsigned(&json!({ "alg": "none" }), &claims());

    for token in [
        format!("{none}."),
        format!("{}.", unsigned(&house.key.header(), &claims())),
        stranger.token(&house.key.header(), &claims()),
        house.key.token(&nested, &claims()),
        house.key.token(&house.key.header(), &oversize),
        house.key.token(&json!({ "alg": "HS256", "kid": "first" }), &claims()),
    ] {
        assert_eq!(house.ask("/api/v1/me", &token).await.problem(), "unauthorized", "{token}");
    }
}

#[tokio::test]
async fn a_flood_of_unknown_keys_costs_the_provider_next_to_nothing() {
    let house = House::new().await;
    assert_eq!(house.ask_with(&claims()).await.status, StatusCode::OK);

    for number in 0..100 {
        let header = json!({ "alg": "RS256", "kid": format!("key-{number}"), "typ": "JWT" });
        let token = house.key.token(&header, &claims());
        assert_eq!(house.ask("/api/v1/me", &token).await.problem(), "unauthorized");
    }

    assert!(house.provider.received().len() <= FETCHES_MAX, "{}", house.provider.received().len());
    assert_eq!(house.ask_with(&claims()).await.status, StatusCode::OK, "others go on working");
}

#[tokio::test]
async fn new_keys_are_learnt_and_withdrawn_ones_forgotten() {
    let house = House::new().await;
    assert_eq!(house.ask_with(&claims()).await.status, StatusCode::OK);
    let next = SigningKey::ed25519("second");
    house.provider.answer_always(key_set(&[&next]));

    let token = next.token(&next.header(), &claims());

    assert_eq!(house.ask("/api/v1/me", &token).await.status, StatusCode::OK);
    assert_eq!(house.ask_with(&claims()).await.problem(), "unauthorized");
}

#[tokio::test]
async fn a_provider_that_is_down_is_said_to_be() {
    let house = House::new().await;
    house.provider.answer_always(Answering::status(500));

    let answer = house.ask_with(&claims()).await;

    assert_eq!(answer.problem(), "identity_provider_unavailable");
    assert!(!answer.header("retry-after").is_empty());
    house.provider.answer_always(key_set(&[&house.key]));
    house.service.clock.advance(std::time::Duration::from_secs(60));
    assert_eq!(house.ask_with(&claims()).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_token_is_no_way_round_the_list_of_those_who_may_log_in() {
    let house = House::with(|settings| {
        settings.admission.allowed_emails = vec!["example.org".to_owned()];
    })
    .await;

    let invited = house.ask_with(&claims()).await;
    let stranger = house.ask_with(&claims_but("email", json!("eve@evil.example"))).await;
    let unverified = house.ask_with(&claims_but("email_verified", json!(false))).await;

    assert_eq!(invited.status, StatusCode::OK, "{}", invited.text());
    assert_eq!(stranger.problem(), "unauthorized");
    assert_eq!(unverified.problem(), "unauthorized");
}
