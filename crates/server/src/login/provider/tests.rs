use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use hansard_domain::time::Timestamp;
use hansard_net::Proxies;
use ring::digest::{SHA256, digest};
use ring::signature::{Ed25519KeyPair, KeyPair};
use serde_json::json;
use tokio::net::TcpListener;

use super::*;

const NOW: Timestamp = Timestamp::from_micros(1_795_262_400_000_000);

const CODE: &str = "one-time-code";

/// A provider with one key and one person.
#[derive(Clone)]
struct Fake(Arc<Inside>);

struct Inside {
    issuer: String,
    wishes: Mutex<Wishes>,
}

/// What the provider is to do.
struct Wishes {
    /// Its key's id, and what it is made from.
    key: (&'static str, [u8; 32]),
    /// Header and claims of its ID tokens, beside the usual ones; `null` removes one.
    header: Value,
    claims: Value,
    /// What was in the address that people were sent to: challenge and nonce.
    challenge: String,
    nonce: String,
    /// Its description, beside the usual.
    description: Value,
    is_down: bool,
}

fn b64(bytes: &[u8]) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

fn with(mut base: Value, fields: &Value) -> Value {
    for (name, value) in fields.as_object().unwrap() {
        base[name] = value.clone();
    }
    base.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    base
}

impl Fake {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let issuer = format!("http://{}", listener.local_addr().unwrap());
        let wishes = Wishes {
            key: ("k1", [1; 32]),
            header: json!({}),
            claims: json!({}),
            challenge: String::new(),
            nonce: String::new(),
            description: json!({}),
            is_down: false,
        };
        let fake = Self(Arc::new(Inside { issuer, wishes: Mutex::new(wishes) }));
        let routes = Router::new()
            .route("/.well-known/openid-configuration", get(describe))
            .route("/keys", get(keys))
            .route("/token", post(token))
            .with_state(fake.clone());
        tokio::spawn(async move { axum::serve(listener, routes).await });
        fake
    }

    fn wish(&self, change: impl FnOnce(&mut Wishes)) {
        change(&mut self.0.wishes.lock().unwrap());
    }

    fn provider(&self, clock: &Clock) -> Provider {
        let settings = Settings {
            issuer: self.0.issuer.clone(),
            client_id: "hansard".to_owned(),
            client_secret: "s3cret&more".to_owned(),
            redirect_uri: Url::parse("https://hansard.example/auth/callback").unwrap(),
            scopes: ["openid", "email", "profile"].map(str::to_owned).to_vec(),
            groups_claim: "groups".to_owned(),
        };
        let net = hansard_net::Settings { proxies: Proxies::Direct, ..Default::default() };
        Provider::new(settings, NetClient::new(&net).unwrap(), clock.clone())
    }

    /// A browser follows the address of `provider` and comes back.
    async fn login(&self, provider: &Provider, attempt: &Attempt) -> Result<Person, LoginError> {
        let url = provider.authorize(attempt).await?;
        let query: HashMap<_, _> = url.query_pairs().into_owned().collect();
        self.wish(|wishes| {
            wishes.challenge.clone_from(&query["code_challenge"]);
            wishes.nonce.clone_from(&query["nonce"]);
        });
        provider.exchange(CODE.to_owned(), attempt).await
    }

    /// The same with a new provider and other claims.
    async fn login_with(&self, claims: Value) -> Result<Person, LoginError> {
        self.wish(|wishes| wishes.claims = claims);
        self.login(&self.provider(&Clock::manual(NOW)), &Attempt::begin()).await
    }
}

async fn describe(State(fake): State<Fake>) -> Response {
    let issuer = &fake.0.issuer;
    let wishes = fake.0.wishes.lock().unwrap();
    if wishes.is_down {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    let description = json!({
        "issuer": issuer,
        "authorization_endpoint": format!("{issuer}/authorize"),
        "token_endpoint": format!("{issuer}/token"),
        "jwks_uri": format!("{issuer}/keys"),
        "end_session_endpoint": format!("{issuer}/logout"),
        "response_types_supported": ["code"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256", "HS256", "none"],
    });
    Json(with(description, &wishes.description)).into_response()
}

async fn keys(State(fake): State<Fake>) -> Json<Value> {
    let (id, seed) = fake.0.wishes.lock().unwrap().key;
    let key = Ed25519KeyPair::from_seed_unchecked(&seed).unwrap();
    let point = b64(key.public_key().as_ref());
    Json(
        json!({ "keys": [{ "kty": "OKP", "crv": "Ed25519", "kid": id, "use": "sig", "x": point }] }),
    )
}

async fn token(State(fake): State<Fake>, headers: HeaderMap, body: String) -> Response {
    let form: HashMap<_, _> = url::form_urlencoded::parse(body.as_bytes()).into_owned().collect();
    let wishes = fake.0.wishes.lock().unwrap();
    let refuse =
        |error: &str| (StatusCode::BAD_REQUEST, Json(json!({ "error": error }))).into_response();
    let basic = format!("Basic {}", BASE64_STANDARD.encode("hansard:s3cret%26more"));
    let is_known = headers.get("authorization").is_some_and(|header| *header == *basic)
        || form.get("client_secret").is_some_and(|secret| secret == "s3cret&more");
    if !is_known {
        return refuse("invalid_client");
    }
    let challenge = b64(digest(&SHA256, form["code_verifier"].as_bytes()).as_ref());
    if form["code"] != CODE || challenge != wishes.challenge {
        return refuse("invalid_grant");
    }
    assert_eq!(form["grant_type"], "authorization_code");
    assert_eq!(form["redirect_uri"], "https://hansard.example/auth/callback");
    let now = NOW.as_seconds();
    let claims = json!({ "iss": fake.0.issuer, "sub": "ana-1", "aud": "hansard", "iat": now, "exp": now + 300,
        "nonce": wishes.nonce, "email": "ana@example.org", "email_verified": true, "name": "Ana",
        "groups": ["editors"] });
    let (id, seed) = wishes.key;
    let header = with(json!({ "alg": "EdDSA", "kid": id }), &wishes.header);
    let claims = with(claims, &wishes.claims);
    let signed =
        format!("{}.{}", b64(header.to_string().as_bytes()), b64(claims.to_string().as_bytes()));
    let key = Ed25519KeyPair::from_seed_unchecked(&seed).unwrap();
    let id_token = format!("{signed}.{}", b64(key.sign(signed.as_bytes()).as_ref()));
    Json(json!({ "access_token": "opaque", "token_type": "Bearer", "id_token": id_token }))
        .into_response()
}

#[tokio::test]
async fn somebody_logs_in() {
    let fake = Fake::start().await;

    let person = fake.login_with(json!({})).await.unwrap();

    assert_eq!((person.issuer, person.subject), (fake.0.issuer.clone(), "ana-1".to_owned()));
    assert_eq!(person.profile.verified_email.as_deref(), Some("ana@example.org"));
    assert_eq!(person.profile.name.as_deref(), Some("Ana"));
    assert_eq!(person.profile.groups, Some(vec!["editors".to_owned()]));
}

#[tokio::test]
async fn people_are_sent_to_the_provider_with_all_that_ties_the_answer_to_them() {
    let fake = Fake::start().await;
    let attempt = Attempt::begin();

    let url = fake.provider(&Clock::manual(NOW)).authorize(&attempt).await.unwrap();

    assert!(url.as_str().starts_with(&format!("{}/authorize?", fake.0.issuer)));
    let query: HashMap<_, _> = url.query_pairs().into_owned().collect();
    assert_eq!(query["response_type"], "code");
    assert_eq!(query["client_id"], "hansard");
    assert_eq!(query["redirect_uri"], "https://hansard.example/auth/callback");
    assert_eq!(query["scope"], "openid email profile");
    assert_eq!((&query["state"], &query["nonce"]), (&attempt.state(), &attempt.nonce()));
    assert_eq!(query["code_challenge_method"], "S256");
    for secret in [attempt.verifier(), attempt.cookie().reveal(), "s3cret".to_owned()] {
        assert!(!url.as_str().contains(&secret));
    }
}

#[tokio::test]
async fn a_token_for_another_login_or_client_is_refused() {
    let fake = Fake::start().await;
    let now = NOW.as_seconds();
    for claims in [
        json!({ "nonce": "another" }),
        json!({ "nonce": null }),
        json!({ "aud": null }),
        json!({ "aud": "other" }),
        json!({ "aud": ["hansard", "other"] }),
        json!({ "iss": "https://evil.example" }),
        json!({ "exp": now }),
        json!({ "iat": now + 61, "exp": now + 600 }),
    ] {
        let refused = fake.login_with(claims.clone()).await;
        assert!(matches!(refused, Err(LoginError::Token(_))), "{claims}: {refused:?}");
    }
    for claims in [json!({ "exp": null }), json!({ "iat": null }), json!({ "sub": null })] {
        let refused = fake.login_with(claims.clone()).await;
        assert!(matches!(refused, Err(LoginError::Malformed(_))), "{claims}: {refused:?}");
    }
    assert!(fake.login_with(json!({ "aud": ["hansard"], "iat": now + 59 })).await.is_ok());
}

#[tokio::test]
async fn a_token_chooses_neither_algorithm_nor_type() {
    let fake = Fake::start().await;
    for header in [
        json!({ "alg": "none" }),
        json!({ "alg": "HS256" }),
        json!({ "alg": "RS256" }),
        json!({ "alg": "ES384" }),
        json!({ "cty": "JWT" }),
        json!({ "crit": ["exp"] }),
        json!({ "typ": "secevent+jwt" }),
    ] {
        fake.wish(|wishes| wishes.header = header.clone());
        let refused = fake.login_with(json!({})).await;
        assert!(matches!(refused, Err(LoginError::Token(_))), "{header}: {refused:?}");
    }
}

#[tokio::test]
async fn an_address_that_nobody_checked_is_none() {
    let fake = Fake::start().await;
    for claims in [json!({ "email_verified": false }), json!({ "email_verified": null })] {
        let person = fake.login_with(claims).await.unwrap();
        assert_eq!(person.profile.verified_email, None);
    }
}

#[tokio::test]
async fn a_code_is_of_no_use_in_another_browser() {
    let fake = Fake::start().await;
    let provider = fake.provider(&Clock::manual(NOW));
    let attempt = Attempt::begin();
    fake.login(&provider, &attempt).await.unwrap();

    let stolen = provider.exchange(CODE.to_owned(), &Attempt::begin()).await;
    assert!(
        matches!(&stolen, Err(LoginError::Refused(code)) if code == "invalid_grant"),
        "{stolen:?}"
    );
    let made_up = provider.exchange("made-up".to_owned(), &attempt).await;
    assert!(matches!(made_up, Err(LoginError::Refused(_))));
}

#[tokio::test]
async fn the_provider_says_how_it_wants_our_secret() {
    let fake = Fake::start().await;
    for methods in [json!(["client_secret_post"]), json!(["client_secret_basic"]), json!(null)] {
        fake.wish(|wishes| {
            wishes.description = json!({ "token_endpoint_auth_methods_supported": methods });
        });
        assert!(fake.login_with(json!({})).await.is_ok(), "{methods}");
    }
}

#[tokio::test]
async fn a_provider_may_change_its_keys_while_somebody_logs_in() {
    let fake = Fake::start().await;
    let provider = fake.provider(&Clock::manual(NOW));
    assert!(fake.login(&provider, &Attempt::begin()).await.is_ok());

    fake.wish(|wishes| wishes.key = ("k2", [2; 32]));
    assert!(fake.login(&provider, &Attempt::begin()).await.is_ok());

    // The same name for another key is not a change that anybody announces.
    fake.wish(|wishes| wishes.key = ("k2", [3; 32]));
    let refused = fake.login(&provider, &Attempt::begin()).await;
    assert!(matches!(refused, Err(LoginError::Token(_))), "{refused:?}");
}

#[tokio::test]
async fn a_provider_that_is_down_is_told_from_one_that_refuses() {
    let fake = Fake::start().await;
    let clock = Clock::manual(NOW);
    let provider = fake.provider(&clock);
    fake.wish(|wishes| wishes.is_down = true);
    assert!(matches!(provider.authorize(&Attempt::begin()).await, Err(LoginError::Unavailable(_))));
    assert_eq!(provider.logout(&Url::parse("https://hansard.example/").unwrap()).await, None);

    fake.wish(|wishes| wishes.is_down = false);
    clock.advance(Duration::from_secs(60));
    assert!(provider.authorize(&Attempt::begin()).await.is_ok());
}

#[tokio::test]
async fn a_provider_has_to_describe_itself() {
    let fake = Fake::start().await;
    for description in [json!({ "issuer": "https://id.example" }), json!({ "jwks_uri": null })] {
        fake.wish(|wishes| wishes.description = description.clone());
        let refused = fake.login_with(json!({})).await;
        assert!(matches!(refused, Err(LoginError::Unavailable(_))), "{description}: {refused:?}");
    }
}

#[tokio::test]
async fn somebody_logs_out_at_the_provider_too() {
    let fake = Fake::start().await;
    let home = Url::parse("https://hansard.example/").unwrap();

    let url = fake.provider(&Clock::manual(NOW)).logout(&home).await.unwrap();

    assert_eq!(url.path(), "/logout");
    let query: HashMap<_, _> = url.query_pairs().into_owned().collect();
    assert_eq!(query["client_id"], "hansard");
    assert_eq!(query["post_logout_redirect_uri"], home.as_str());
    assert_eq!(query.len(), 2, "no token among them");

    fake.wish(|wishes| wishes.description = json!({ "end_session_endpoint": null }));
    assert_eq!(fake.provider(&Clock::manual(NOW)).logout(&home).await, None);
}

#[test]
fn no_secret_is_shown() {
    let settings = Settings {
        issuer: "https://id.example".to_owned(),
        client_id: "hansard".to_owned(),
        client_secret: "s3cret".to_owned(),
        redirect_uri: Url::parse("https://hansard.example/").unwrap(),
        scopes: Vec::new(),
        groups_claim: String::new(),
    };
    assert_eq!(format!("{settings:?}"), "Settings(https://id.example)");
}
