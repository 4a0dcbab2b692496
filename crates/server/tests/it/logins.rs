//! Login with a password, and what a login answers that goes nowhere.

use std::time::Duration;

use axum::body::Body;
use futures_util::future::join_all;
use hansard_config::Secret;
use hansard_domain::access::Role;
use hansard_domain::audit::AuditKind;
use hansard_server::{
    Administrator, App, LoginSettings, ProviderSettings, Settings, hash_password,
};
use hansard_store::audit::{ActorRef, AuditFilter, By};
use hansard_store::users::{NewUser, User, UserEdit, UserName};
use http::{Request, StatusCode};
use serde_json::json;
use url::form_urlencoded;

use crate::people::Person;
use crate::service::{Answer, Service};

pub(crate) const ADMINISTRATOR: &str = "admin@localhost";
pub(crate) const PASSWORD: &str = "correct horse battery staple";

/// A wrong password for everybody.
const WRONG: &str = "incorrect horse";

pub(crate) fn with_administrator(settings: &mut Settings) {
    settings.admission.administrator =
        Some(Administrator { email: ADMINISTRATOR.to_owned(), password: Secret::new(PASSWORD) });
}

/// A provider that nobody listens at.
fn with_provider(settings: &mut Settings) {
    settings.admission.providers = vec![ProviderSettings {
        name: "google",
        label: "Google".to_owned(),
        issuer: "http://127.0.0.1:9".to_owned(),
        login: Some(LoginSettings {
            client_id: "hansard".to_owned(),
            client_secret: Secret::new("zebra-7f3a"),
            scopes: vec!["openid".to_owned()],
        }),
        audience: None,
        expected_issuer: "http://127.0.0.1:9".to_owned(),
        jwks_url: None,
        groups_claim: "groups".to_owned(),
    }];
}

pub(crate) fn form(fields: &[(&str, &str)]) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish()
}

/// The answer to a program that logs in.
pub(crate) async fn log_in(service: &Service, email: &str, password: &str) -> Answer {
    send_form(service, "/auth/simple/login", &[("email", email), ("password", password)], &[]).await
}

async fn send_form(
    service: &Service,
    path: &str,
    fields: &[(&str, &str)],
    headers: &[(&str, &str)],
) -> Answer {
    let mut request =
        Request::post(path).header("content-type", "application/x-www-form-urlencoded");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    service.send(request.body(Body::from(form(fields))).unwrap()).await
}

/// What an answer sets the cookie `name` to, with its flags.
pub(crate) fn set_cookie(answer: &Answer, name: &str) -> Option<String> {
    let lines = answer.headers.get_all("set-cookie").iter();
    let mut lines = lines.map(|line| line.to_str().unwrap());
    lines.find_map(|line| line.strip_prefix(name)?.strip_prefix('=').map(str::to_owned))
}

/// The value of the cookie `name` that an answer sets.
pub(crate) fn cookie(answer: &Answer, name: &str) -> String {
    let line = set_cookie(answer, name).unwrap_or_else(|| panic!("{name}: {answer:?}"));
    line.split(';').next().unwrap().to_owned()
}

async fn create_user(service: &Service, email: &str) -> User {
    let new = NewUser {
        email: Some(email.to_owned()),
        password_hash: Some(hash_password(PASSWORD).unwrap()),
        ..NewUser::of(Role::Editor)
    };
    let home = service.store.ensure_workspace("default").await.unwrap();
    service.store.create_user(new, &home, &By::actor(ActorRef::COMMAND_LINE)).await.unwrap()
}

/// How many entries of a kind the audit log has.
async fn logged(service: &Service, kind: AuditKind) -> usize {
    let filter = AuditFilter { kind: Some(kind), ..AuditFilter::default() };
    service.store.page_audit(None, &filter, None, 100).await.unwrap().items.len()
}

#[tokio::test]
async fn somebody_logs_in_with_a_password() {
    let service = Service::start().await;
    create_user(&service, "Ana@Example.org").await;

    let answer = log_in(&service, " ana@example.org ", PASSWORD).await;

    assert_eq!((answer.status, answer.header("location")), (StatusCode::FOUND, "/"));
    let session = set_cookie(&answer, "session_token").unwrap();
    assert!(session.ends_with("; Path=/; SameSite=Lax; Max-Age=86400; HttpOnly"), "{session}");
    let csrf = set_cookie(&answer, "csrf_token").unwrap();
    assert!(csrf.ends_with("; Path=/; SameSite=Lax; Max-Age=86400"), "{csrf}");
    assert_eq!(logged(&service, AuditKind::LoginSucceeded).await, 1);
    let below = [("email", "ana@example.org"), ("password", PASSWORD)];
    let answer =
        send_form(&service, "/sidecar/auth/simple/login?return_to=/a?b", &below, &[]).await;
    assert_eq!((answer.status, answer.header("location")), (StatusCode::FOUND, "/a?b"));
}

#[tokio::test]
async fn cookies_travel_over_https_only_where_others_could_listen() {
    for (bind, public_url, is_secure) in [
        ("127.0.0.1:8080", None, false),
        ("127.0.0.1:8080", Some("http://localhost:8080"), false),
        ("127.0.0.1:8080", Some("http://[::1]:8080"), false),
        ("127.0.0.1:8080", Some("http://hansard.example"), true),
        ("127.0.0.1:8080", Some("https://hansard.example"), true),
        ("0.0.0.0:8080", Some("http://hansard.example"), true),
        ("0.0.0.0:8080", None, true),
    ] {
        let service = Service::start_with(|settings| {
            with_administrator(settings);
            settings.bind = bind.parse().unwrap();
            settings.public_url = public_url.map(str::to_owned);
        })
        .await;
        let answer = log_in(&service, ADMINISTRATOR, PASSWORD).await;
        for name in ["session_token", "csrf_token"] {
            let line = set_cookie(&answer, name).unwrap();
            assert_eq!(line.ends_with("; Secure"), is_secure, "{bind} {public_url:?} {line}");
        }
    }
}

#[tokio::test]
async fn whoever_is_wrong_learns_no_more_than_that() {
    let service = Service::start().await;
    let ana = create_user(&service, "ana@example.org").await;
    create_user(&service, "ben@example.org").await;
    let edit = UserEdit { is_disabled: Some(true), ..UserEdit::default() };
    let home = service.store.ensure_workspace("default").await.unwrap();
    let by = By::actor(ActorRef::COMMAND_LINE);
    service.store.update_user(&ana.id, edit, &home, &by).await.unwrap();

    for (email, password) in [
        ("ben@example.org", WRONG),
        ("ben@example.org", ""),
        ("nobody@example.org", PASSWORD),
        ("ana@example.org", PASSWORD),
        ("", PASSWORD),
    ] {
        let answer = log_in(&service, email, password).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{email}");
        let told = json!({"detail": "Invalid email or password", "code": "login_refused"});
        assert_eq!(answer.json(), told, "{email}");
        assert_eq!(answer.header("www-authenticate"), "Bearer", "{email}");
        assert_eq!(set_cookie(&answer, "session_token"), None);
    }
    assert_eq!(logged(&service, AuditKind::LoginFailed).await, 5);
}

#[tokio::test]
async fn a_form_has_to_be_whole() {
    let service = Service::start_with(with_administrator).await;

    let answer = send_form(&service, "/auth/simple/login", &[("email", "a@b")], &[]).await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    let missing =
        json!([{"loc": ["body", "password"], "msg": "Field required", "type": "missing"}]);
    assert_eq!(answer.json()["detail"], missing);
    let answer = service.post_json("/auth/simple/login", &json!({"email": "a@b"})).await;
    assert_eq!(answer.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    let long = "x".repeat(20_000);
    let answer = log_in(&service, ADMINISTRATOR, &long).await;
    assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE);
}

#[tokio::test]
async fn a_browser_sends_the_form_that_it_was_given() {
    let service = Service::start_with(with_administrator).await;
    let page = service.get("/auth/simple/login").await;
    assert!(page.header("content-security-policy").contains("form-action 'self'; base-uri 'none'"));
    let ticket = cookie(&page, "login_form");
    let (_, token) = page.text().split_once("name=\"csrf_token\" value=\"").unwrap();
    let token = token.split('"').next().unwrap();
    let own = [("origin", "http://127.0.0.1:8080"), ("cookie", &format!("login_form={ticket}"))];
    let credentials = [("email", ADMINISTRATOR), ("password", PASSWORD)];
    let whole = [credentials[0], credentials[1], ("csrf_token", token)];
    let path = "/auth/simple/login";

    for (fields, headers, code) in [
        (&credentials[..], &own[..], "csrf_token_missing"),
        (&whole, &own[..1], "csrf_token_invalid"),
        (&whole, &[("origin", "http://evil.example"), own[1]], "csrf_token_invalid"),
        (&whole, &[("origin", "null"), own[1]], "csrf_token_invalid"),
        (&whole, &[("sec-fetch-site", "cross-site"), own[1]], "csrf_token_invalid"),
        (&credentials, &[("cookie", "theme=dark")], "csrf_token_missing"),
    ] {
        let answer = send_form(&service, path, fields, headers).await;
        assert_eq!((answer.status, &answer.json()["code"]), (StatusCode::FORBIDDEN, &json!(code)));
        assert_eq!(set_cookie(&answer, "session_token"), None);
    }
    assert_eq!(logged(&service, AuditKind::LoginFailed).await, 6);
    let answer = send_form(&service, path, &whole, &own).await;
    assert_eq!(answer.status, StatusCode::FOUND);
}

#[tokio::test]
async fn a_service_below_a_path_is_returned_to_there() {
    let service = Service::start_with(|settings| {
        with_administrator(settings);
        settings.public_url = Some("https://hansard.example/app/hansard".to_owned());
    })
    .await;
    let credentials = [("email", ADMINISTRATOR), ("password", PASSWORD)];

    let plain = log_in(&service, ADMINISTRATOR, PASSWORD).await;
    let path = "/auth/simple/login?return_to=/library%3Fpage=2";
    let deeper = send_form(&service, path, &credentials, &[]).await;
    let session = format!("session_token={}", cookie(&plain, "session_token"));
    let logout = Request::post("/auth/logout").header("cookie", session);
    let logout = logout.header("x-csrf-token", cookie(&plain, "csrf_token"));
    let logout = logout.header("accept", "text/html").body(Body::empty()).unwrap();
    let logout = service.send(logout).await;

    assert_eq!(plain.header("location"), "/app/hansard/");
    assert_eq!(deeper.header("location"), "/app/hansard/library?page=2");
    assert_eq!(logout.status, StatusCode::SEE_OTHER, "{}", logout.text());
    assert_eq!(logout.header("location"), "https://hansard.example/app/hansard/");
}

#[tokio::test]
async fn a_login_leads_back_here_only() {
    let service = Service::start_with(with_administrator).await;
    let credentials = [("email", ADMINISTRATOR), ("password", PASSWORD)];
    for (asked, leads_to) in [
        ("/library?page=2", "/library?page=2"),
        ("//evil.example", "/"),
        ("https://evil.example", "/"),
    ] {
        let path = format!("/auth/simple/login?{}", form(&[("return_to", asked)]));
        let answer = send_form(&service, &path, &credentials, &[]).await;
        assert_eq!(answer.header("location"), leads_to);
    }
}

#[tokio::test]
async fn a_password_that_there_was_no_time_to_compare_is_no_failure() {
    const AT_ONCE: u32 = 60;
    let service = Service::start_with(|settings| {
        settings.admission.limits.failures_per_account = AT_ONCE;
    })
    .await;
    let user = create_user(&service, "ana@example.org").await;
    let ana = Person::at_a_browser(&service, &user).await;
    let change = async |present: &str| {
        let asked = json!({"password": "another good one", "current_password": present});
        ana.patch("/api/v1/me", asked).await.status
    };

    let answers = join_all((0..AT_ONCE).map(|_| change(WRONG))).await;

    assert!(answers.contains(&StatusCode::SERVICE_UNAVAILABLE), "{answers:?}");
    assert!(answers.contains(&StatusCode::UNPROCESSABLE_ENTITY), "{answers:?}");
    assert_eq!(change(PASSWORD).await, StatusCode::OK);
}

#[tokio::test]
async fn guessing_is_slow_for_an_account_and_for_an_address() {
    let service = Service::start_with(|settings| {
        settings.admission.limits.failures_per_account = 3;
        settings.admission.limits.failures_per_address = 5;
    })
    .await;
    for email in ["ana@example.org", "ben@example.org"] {
        create_user(&service, email).await;
    }
    for _ in 0..3 {
        let answer = log_in(&service, "ana@example.org", WRONG).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    }

    // The right one is not even looked at, however the address is written.
    let answer = log_in(&service, " Ana@example.org", PASSWORD).await;
    assert_eq!(answer.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(
        (answer.json()["code"].as_str(), answer.header("retry-after")),
        (Some("rate_limited"), "60")
    );
    assert_eq!(logged(&service, AuditKind::LoginThrottled).await, 1);
    // Somebody else's account is another matter, and who is right has not guessed.
    for _ in 0..10 {
        assert_eq!(log_in(&service, "ben@example.org", PASSWORD).await.status, StatusCode::FOUND);
    }
    for _ in 0..2 {
        log_in(&service, "nobody@example.org", WRONG).await;
    }
    let answer = log_in(&service, "ben@example.org", PASSWORD).await;
    assert_eq!(
        (answer.status, answer.header("retry-after")),
        (StatusCode::TOO_MANY_REQUESTS, "15")
    );
    service.clock.advance(Duration::from_secs(60));
    assert_eq!(log_in(&service, "ana@example.org", PASSWORD).await.status, StatusCode::FOUND);
}

#[tokio::test]
async fn the_local_administrator_is_as_the_configuration_has_it() {
    let service = Service::start_with(with_administrator).await;
    let session = cookie(&log_in(&service, ADMINISTRATOR, PASSWORD).await, "session_token");
    let who = service.store.find_user(&UserName::Email(ADMINISTRATOR.to_owned())).await.unwrap();
    let who = who.unwrap();
    assert_eq!(who.role, Role::Admin);
    let is_live = |hash: String| {
        let store = service.store.clone();
        async move { store.find_session(&hash).await.unwrap().is_some() }
    };
    let hash = hash_of(&session);

    // The same once more changes nothing, also beside a running service.
    App::new(service.parts(with_administrator)).await.unwrap();
    assert!(is_live(hash.clone()).await);
    let other = service.parts(|settings| {
        settings.admission.administrator = Some(Administrator {
            email: ADMINISTRATOR.to_owned(),
            password: Secret::new("another one altogether"),
        });
    });
    App::new(other).await.unwrap();

    assert!(!is_live(hash).await, "who knew the old one is out");
    let answer = log_in(&service, ADMINISTRATOR, PASSWORD).await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    let answer = log_in(&service, ADMINISTRATOR, "another one altogether").await;
    assert_eq!(answer.status, StatusCode::FOUND);
}

/// By what the store knows a secret of base64url.
fn hash_of(secret: &str) -> String {
    use base64::Engine;
    let bytes = base64::prelude::BASE64_URL_SAFE_NO_PAD.decode(secret).unwrap();
    let digest = ring::digest::digest(&ring::digest::SHA256, &bytes);
    digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[tokio::test]
async fn without_a_way_in_there_is_no_login() {
    let service = Service::start().await;

    for path in ["/auth/login", "/auth/callback", "/auth/simple/login", "/sidecar/auth/login"] {
        let answer = service.get(path).await;
        assert_eq!(answer.status, StatusCode::NOT_IMPLEMENTED, "{path}");
        assert_eq!(answer.json()["code"], "login_not_configured", "{path}");
    }
    for path in ["/auth/logout", "/auth/simple/logout"] {
        assert_eq!(service.post_json(path, &json!({})).await.status, StatusCode::NOT_IMPLEMENTED);
    }
    assert_eq!(log_in(&service, ADMINISTRATOR, PASSWORD).await.status, StatusCode::NOT_IMPLEMENTED);
    let ways = service.get("/api/v1/auth/providers").await.json();
    assert_eq!(ways, json!({"items": [], "password": false}));
    assert_eq!(service.get("/auth/user").await.json(), json!({"authenticated": false}));
}

#[tokio::test]
async fn the_ways_in_are_listed_and_offered() {
    let service = Service::start_with(|settings| {
        with_administrator(settings);
        with_provider(settings);
    })
    .await;

    let ways = service.get("/api/v1/auth/providers").await.json();
    let google = json!({"name": "google", "label": "Google",
        "login_url": "http://127.0.0.1:8080/auth/login?provider=google"});
    assert_eq!(ways, json!({"items": [google], "password": true}));
    let page = service.get("/auth/login?return_to=/a").await;
    assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
    assert!(page.text().contains("href=\"login?provider=google&amp;return_to=%2Fa\""));
    assert!(page.text().contains("href=\"simple/login?return_to=%2Fa\""));
    let unknown = service.get("/auth/login?provider=nobody").await;
    assert_eq!(unknown.json()["code"], "invalid_request");
}

#[tokio::test]
async fn what_comes_back_without_an_answer_is_refused() {
    let service = Service::start_with(with_provider).await;
    for (query, code) in [
        ("", "login_failed"),
        ("?code=a", "login_failed"),
        ("?state=a", "login_failed"),
        ("?error=access_denied&state=a", "login_failed"),
        ("?code=a&code=b&state=c", "login_failed"),
        ("?code=a&state=b", "login_state_invalid"),
    ] {
        let answer = service.get(&format!("/auth/callback{query}")).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{query}");
        assert_eq!(answer.json()["code"], code, "{query}");
        assert_eq!(
            set_cookie(&answer, "oauth_state").unwrap(),
            "; Path=/; SameSite=Lax; Max-Age=0; HttpOnly"
        );
    }
    assert_eq!(logged(&service, AuditKind::LoginFailed).await, 6);
    let browser = Request::get("/auth/callback?error=%3Cscript%3E").header("accept", "text/html");
    let page = service.send(browser.body(Body::empty()).unwrap()).await;
    assert_eq!(page.status, StatusCode::BAD_REQUEST);
    assert!(
        !page.text().contains("script") && page.text().contains("href=\"login\""),
        "{}",
        page.text()
    );
}
