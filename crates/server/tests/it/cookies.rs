//! Sessions as browsers use them: what their requests need, and when they end.

use std::time::Duration;

use axum::body::Body;
use hansard_server::{Keys, Settings};
use http::{Method, Request, StatusCode};
use serde_json::{Value, json};

use crate::logins::{ADMINISTRATOR, PASSWORD, cookie, log_in, set_cookie, with_administrator};
use crate::service::{Answer, Service};

const OWN: (&str, &str) = ("origin", "http://127.0.0.1:8080");

const HOUR: Duration = Duration::from_secs(60 * 60);

/// Somebody who is logged in.
struct Browsing {
    service: Service,
    cookie: String,
    token: String,
}

impl Browsing {
    async fn start(change: impl FnOnce(&mut Settings)) -> Self {
        let service = Service::start_with(|settings| {
            with_administrator(settings);
            change(settings);
        })
        .await;
        let answer = log_in(&service, ADMINISTRATOR, PASSWORD).await;
        assert_eq!(answer.status, StatusCode::FOUND, "{}", answer.text());
        let cookie_line = format!("session_token={}", cookie(&answer, "session_token"));
        Self { token: cookie(&answer, "csrf_token"), cookie: cookie_line, service }
    }

    /// What is answered to a request with the session and these headers.
    async fn send(&self, method: Method, path: &str, headers: &[(&str, &str)]) -> Answer {
        let mut request =
            Request::builder().method(method).uri(path).header("cookie", &self.cookie);
        request = request.header("content-type", "application/json");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let body = json!({"url": "https://hooks.example/a"}).to_string();
        self.service.send(request.body(Body::from(body)).unwrap()).await
    }

    async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, &[]).await
    }

    async fn create(&self, headers: &[(&str, &str)]) -> Answer {
        self.send(Method::POST, "/api/v1/webhooks/endpoints", headers).await
    }

    async fn user(&self) -> Value {
        self.get("/auth/user").await.json()
    }
}

#[tokio::test]
async fn a_session_changes_things_with_its_token_only() {
    let browsing = Browsing::start(|_| {}).await;
    let token = ("x-csrf-token", browsing.token.as_str());

    let read = browsing.get("/api/v1/recordings").await;
    assert_eq!((read.status, read.header("x-csrf-token")), (StatusCode::OK, token.1));
    for (headers, code) in [
        (&[OWN][..], "csrf_token_missing"),
        (&[], "csrf_token_missing"),
        (&[OWN, ("x-csrf-token", "wrong")], "csrf_token_invalid"),
        (&[("origin", "http://evil.example"), token], "csrf_token_invalid"),
        (&[("origin", "null"), token], "csrf_token_invalid"),
        (&[("sec-fetch-site", "cross-site"), token], "csrf_token_invalid"),
    ] {
        let answer = browsing.create(headers).await;
        assert_eq!((answer.status, answer.problem()), (StatusCode::FORBIDDEN, code.into()));
        assert_eq!(answer.json()["error_code"], code.to_uppercase());
    }
    assert_eq!(browsing.create(&[OWN, token]).await.status, StatusCode::CREATED);
    assert_eq!(
        browsing.create(&[token]).await.status,
        StatusCode::CREATED,
        "a program with cookies"
    );
    let stranger = Request::post("/api/v1/webhooks/endpoints").header(token.0, token.1);
    let answer = browsing.service.send(stranger.body(Body::empty()).unwrap()).await;
    assert_eq!(answer.problem(), "csrf_session_missing");
}

#[tokio::test]
async fn keys_and_exempt_paths_need_no_token() {
    let exempt = ["/api/v1/webhooks".to_owned()];
    let browsing = Browsing::start(|settings| {
        settings.admission.csrf_exempt_paths = exempt.to_vec();
        settings.keys = Keys::new(["zebra-7f3a"]);
    })
    .await;

    assert_eq!(browsing.create(&[]).await.status, StatusCode::CREATED);
    let forged = browsing.send(Method::POST, "/api/v1/uploads", &[]).await;
    assert_eq!(forged.problem(), "csrf_token_missing");
    let key = [("authorization", "Bearer zebra-7f3a"), ("origin", "http://evil.example")];
    let by_key = browsing.send(Method::POST, "/api/v1/uploads", &key).await;
    assert_ne!(by_key.status, StatusCode::FORBIDDEN, "the cookie is not looked at");
    let wrong = browsing.send(Method::GET, "/api/v1/recordings", &[("x-api-key", "zebra")]).await;
    assert_eq!(wrong.status, StatusCode::UNAUTHORIZED, "a wrong key is not made good by a session");
}

#[tokio::test]
async fn a_session_that_nobody_uses_ends() {
    let browsing = Browsing::start(|settings| {
        settings.admission.session_idle = 2 * HOUR;
        settings.admission.session_lifetime = 24 * HOUR;
    })
    .await;
    for _ in 0..3 {
        browsing.service.clock.advance(HOUR + HOUR / 2);
        assert_eq!(browsing.get("/api/v1/recordings").await.status, StatusCode::OK);
    }

    browsing.service.clock.advance(2 * HOUR);

    assert_eq!(browsing.get("/api/v1/recordings").await.problem(), "unauthorized");
    assert_eq!(browsing.user().await, json!({"authenticated": false}));
}

#[tokio::test]
async fn a_session_ends_however_much_it_is_used() {
    let browsing = Browsing::start(|settings| {
        settings.admission.session_idle = 2 * HOUR;
        settings.admission.session_lifetime = 3 * HOUR;
    })
    .await;
    for _ in 0..2 {
        browsing.service.clock.advance(HOUR);
        assert_eq!(browsing.get("/api/v1/recordings").await.status, StatusCode::OK);
    }

    browsing.service.clock.advance(HOUR);

    assert_eq!(browsing.get("/api/v1/recordings").await.problem(), "unauthorized");
}

#[tokio::test]
async fn a_page_learns_who_is_logged_in() {
    let browsing = Browsing::start(|_| {}).await;

    let answer = browsing.get("/auth/user").await;

    let (state, user) = (answer.json(), &answer.json()["user"]);
    assert_eq!(answer.header("x-csrf-token"), browsing.token);
    assert_eq!((&state["authenticated"], &state["auth_method"]), (&json!(true), &json!("simple")));
    assert_eq!((&user["email"], &user["role"]), (&json!(ADMINISTRATOR), &json!("admin")));
    assert_eq!((&user["verified_email"], &user["picture"]), (&json!(false), &json!(null)));
    assert!(user["id"].as_str().unwrap().starts_with("usr_"));
    let names = state["workspaces"].as_array().unwrap().iter().map(|one| &one["name"]);
    assert!(names.into_iter().any(|name| name == "default"), "{state}");
    assert_eq!(browsing.get("/sidecar/auth/user").await.json(), state);
    // A key is nobody in particular, and other cookies are none of ours.
    for other in ["session_token=x", "session_token=", "other=1"] {
        let request = Request::get("/auth/user").header("cookie", other);
        let answer = browsing.service.send(request.body(Body::empty()).unwrap()).await;
        assert_eq!(answer.json(), json!({"authenticated": false}));
    }
}

#[tokio::test]
async fn a_logout_ends_the_session_and_its_cookies() {
    let browsing = Browsing::start(|_| {}).await;
    let token = ("x-csrf-token", browsing.token.as_str());
    for path in ["/auth/logout", "/sidecar/auth/simple/logout"] {
        let forged = browsing.send(Method::POST, path, &[OWN]).await;
        assert_eq!(forged.status, StatusCode::FORBIDDEN, "{path}");
        let told = json!({"success": false, "detail": "the header X-CSRF-Token is missing",
            "code": "csrf_token_missing", "error_code": "CSRF_TOKEN_MISSING"});
        assert_eq!(forged.json(), told);
    }

    let answer = browsing.send(Method::POST, "/auth/logout", &[OWN, token]).await;

    let told = json!({"message": "Logged out successfully", "logout_url": null});
    assert_eq!((answer.status, answer.json()), (StatusCode::OK, told));
    for name in ["session_token", "csrf_token"] {
        assert!(set_cookie(&answer, name).unwrap().starts_with("; "), "{name}");
    }
    assert_eq!(browsing.get("/api/v1/recordings").await.problem(), "unauthorized");
    let again = browsing.send(Method::POST, "/auth/logout", &[("accept", "text/html")]).await;
    assert_eq!(
        (again.status, again.header("location")),
        (StatusCode::SEE_OTHER, "http://127.0.0.1:8080/")
    );
}

#[tokio::test]
async fn an_account_is_added_in_a_session_only() {
    let browsing = Browsing::start(|settings| settings.keys = Keys::new(["zebra-7f3a"])).await;
    let add = |headers: &[(&str, &str)]| {
        let mut request = Request::post("/api/v1/me/identities");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.header("content-type", "application/json");
        browsing.service.send(request.body(Body::from(r#"{"provider":"google"}"#)).unwrap())
    };

    let key = add(&[("x-api-key", "zebra-7f3a")]).await;
    assert_eq!(key.status, StatusCode::FORBIDDEN, "a key is nobody");
    let unknown = add(&[("cookie", &browsing.cookie), ("x-csrf-token", &browsing.token)]).await;
    assert_eq!(unknown.mistakes(), ["/provider"]);
}
