//! Requests with one credential or another, counted, and what was said to them.

use std::cell::Cell;

use axum::body::Body;
use hansard_server::Declaration;
use http::{Request, StatusCode};
use serde_json::Value;

use crate::service::Service;

/// What a request shows.
#[derive(Debug)]
pub(crate) enum Credential<'a> {
    None,
    Bearer(&'a str),
    /// A shared secret, in the header that stands for the one in the body.
    Secret(&'a str),
    /// A session's cookie, as another site's page would send it too.
    Session(&'a str),
    /// The same with the token of a page of the service's own.
    Page {
        session: &'a str,
        token: &'a str,
    },
}

pub(crate) struct Requests<'a> {
    service: &'a Service,
    count: Cell<u32>,
}

/// An answer, as far as the walk looks at it.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) status: StatusCode,
    pub(crate) challenge: String,
    pub(crate) body: Vec<u8>,
    pub(crate) text: String,
    /// The code of a problem in native words.
    pub(crate) code: Option<String>,
}

impl<'a> Requests<'a> {
    pub(crate) fn new(service: &'a Service) -> Self {
        Self { service, count: Cell::new(0) }
    }

    pub(crate) fn count(&self) -> u32 {
        self.count.get()
    }

    /// A request without a body.
    pub(crate) async fn send(
        &self,
        route: &Declaration,
        path: &str,
        credential: &Credential<'_>,
    ) -> Said {
        self.count.set(self.count.get() + 1);
        let request = Request::builder().method(route.method.clone()).uri(path);
        let request = request.header("tus-resumable", "1.0.0");
        let request = match credential {
            Credential::None => request,
            Credential::Bearer(secret) => {
                request.header("authorization", format!("Bearer {secret}"))
            }
            Credential::Secret(secret) => request.header("x-sidecar-secret", *secret),
            Credential::Session(session) => {
                request.header("cookie", format!("session_token={session}"))
            }
            Credential::Page { session, token } => request
                .header("cookie", format!("session_token={session}"))
                .header("x-csrf-token", *token),
        };
        let answer = self.service.send(request.body(Body::empty()).unwrap()).await;
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        let is_problem = answer.header("content-type") == "application/problem+json";
        // An answer to HEAD has no body.
        let is_problem = is_problem && !text.is_empty();
        let json = is_problem.then(|| serde_json::from_str::<Value>(&text).unwrap());
        Said {
            status: answer.status,
            challenge: answer.header("www-authenticate").to_owned(),
            code: json.map(|problem| problem["code"].as_str().unwrap().to_owned()),
            body: answer.body,
            text,
        }
    }
}

impl Said {
    /// What it says about something called `name`, without that, and without the id of the request.
    pub(crate) fn told_of(&self, name: &str) -> (StatusCode, String) {
        let text = match serde_json::from_str::<Value>(&self.text) {
            Ok(mut json) => {
                if let Some(members) = json.as_object_mut() {
                    members.remove("request_id");
                }
                json.to_string()
            }
            Err(_) => self.text.clone(),
        };
        (self.status, text.replace(name, "it"))
    }
}
