//! People and programs that call a service, each with a credential of its own.

use axum::body::Body;
use hansard_domain::access::Role;
use hansard_server::{KeyLevel, Keys};
use hansard_store::users::User;
use http::{Method, Request, StatusCode};
use serde_json::{Value, json};

use crate::service::{Answer, Service, json_request};
use crate::things::{self, HOUR};

/// A key that governs the installation.
pub(crate) const GOVERNOR: &str = "zebra-governor-7";

pub(crate) const TOKENS: &str = "/api/v1/tokens";

/// A service that asks for credentials, and takes [`GOVERNOR`].
pub(crate) async fn town() -> Service {
    Service::start_with(|settings| settings.keys = Keys::of([(KeyLevel::Super, GOVERNOR)])).await
}

/// Somebody who calls.
pub(crate) struct Person<'a> {
    service: &'a Service,
    headers: Vec<(&'static str, String)>,
}

impl<'a> Person<'a> {
    /// Whoever shows `token`.
    pub(crate) fn with(service: &'a Service, token: &str) -> Self {
        Self { service, headers: vec![("authorization", format!("Bearer {token}"))] }
    }

    /// `user` in a browser, from a page of the service's own.
    pub(crate) async fn at_a_browser(service: &'a Service, user: &User) -> Self {
        let (_, cookie) = things::session(&service.store, user, 24 * HOUR).await;
        let mut person =
            Self { service, headers: vec![("cookie", format!("session_token={cookie}"))] };
        let token = person.get("/api/v1/me").await.header("x-csrf-token").to_owned();
        person.headers.push(("x-csrf-token", token));
        person
    }

    /// The same, about another workspace than their own.
    pub(crate) fn inside(&self, workspace: &str) -> Self {
        let mut headers = self.headers.clone();
        headers.push(("x-workspace", workspace.to_owned()));
        Self { service: self.service, headers }
    }

    /// The same, as another site's page makes the browser send: with the cookie, and without what a page of ours would show.
    pub(crate) fn forged(&self) -> Self {
        let mut headers = self.headers.clone();
        headers.retain(|(name, _)| *name != "x-csrf-token");
        Self { service: self.service, headers }
    }

    pub(crate) async fn send(&self, mut request: Request<Body>) -> Answer {
        for (name, value) in &self.headers {
            request.headers_mut().insert(*name, value.parse().unwrap());
        }
        self.service.send(request).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.call(Method::GET, path).await
    }

    /// A request without a body.
    pub(crate) async fn call(&self, method: Method, path: &str) -> Answer {
        self.send(Request::builder().method(method).uri(path).body(Body::empty()).unwrap()).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        self.call(Method::DELETE, path).await
    }

    pub(crate) async fn post(&self, path: &str, json: Value) -> Answer {
        self.send(json_request(Method::POST, path, &json)).await
    }

    pub(crate) async fn patch(&self, path: &str, json: Value) -> Answer {
        self.send(json_request(Method::PATCH, path, &json)).await
    }

    pub(crate) async fn put(&self, path: &str, json: Value) -> Answer {
        self.send(json_request(Method::PUT, path, &json)).await
    }

    /// A token that this person makes, and its secret.
    pub(crate) async fn make_token(&self, path: &str, json: Value) -> (String, String) {
        let made = self.post(path, json).await;
        assert_eq!(made.status, StatusCode::CREATED, "{}", made.text());
        let text = |name: &str| made.json()[name].as_str().unwrap().to_owned();
        (text("id"), text("token"))
    }

    /// Hands in something that a worker would fetch; returns its id.
    pub(crate) async fn hand_in(&self) -> String {
        let asked = json!({ "source": { "url": "https://media.example/talk.webm" } });
        let answer = self.post("/api/v1/recordings", asked).await;
        assert_eq!(answer.status, StatusCode::ACCEPTED, "{}", answer.text());
        answer.json()["recording"]["id"].as_str().unwrap().to_owned()
    }

    /// The status of a look at the recordings, by which a credential shows what it is good for.
    pub(crate) async fn looks(&self) -> u16 {
        self.get("/api/v1/recordings").await.status.as_u16()
    }
}

/// A user, at a browser.
pub(crate) async fn somebody<'a>(
    service: &'a Service,
    name: &str,
    role: Role,
) -> (User, Person<'a>) {
    let user = things::user(&service.store, name, role).await;
    let person = Person::at_a_browser(service, &user).await;
    (user, person)
}

/// The values of one member of all items of a list.
pub(crate) fn column(answer: &Answer, name: &str) -> Vec<Value> {
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    let json = answer.json();
    let items = json["items"].as_array().expect("a page has items");
    items.iter().map(|item| item[name].clone()).collect()
}
