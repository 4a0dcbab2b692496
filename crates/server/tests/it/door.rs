//! Who gets in.

use axum::body::Body;
use hansard_domain::access::Role;
use hansard_server::{Access, App, Declaration, Keys, declarations};
use http::{Method, Request, StatusCode};
use serde_json::{Value, json};

use crate::service::{Answer, Service, json_request};
use crate::things::{key, user};

const KEY: &str = "zebra-7f3a";

async fn call(service: &Service, route: &Declaration, headers: &[(&str, &str)]) -> Answer {
    let path =
        route.path.replace("{id}", "job_01KAJ2Z1GQ8C3T0V7M5N9XQ4RS").replace("{*id}", "a/model");
    let mut request = Request::builder().method(route.method.clone()).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    service.send(request.body(Body::empty()).unwrap()).await
}

#[tokio::test]
async fn with_a_key_configured_every_route_keeps_its_declaration() {
    let service = Service::start_with(|settings| {
        settings.keys = Keys::new([KEY]);
        settings.salestrainer.secrets = Keys::new(["another"]);
    })
    .await;

    for route in declarations() {
        let without = call(&service, &route, &[]).await;
        let wrong = call(&service, &route, &[("authorization", "Bearer zebra-7f3b")]).await;
        let bearer = call(&service, &route, &[("authorization", "Bearer zebra-7f3a")]).await;
        let plain = call(&service, &route, &[("x-api-key", KEY)]).await;

        let is_refused = |answer: &Answer| answer.status == StatusCode::UNAUTHORIZED;
        assert!(!is_refused(&bearer) && !is_refused(&plain), "{route:?}");
        match route.access {
            Access::Known | Access::Owner(_) | Access::Role(_) => {
                // An adapter says it in the words of its original, which its own tests look at; an answer to HEAD has no
                // body that could say more.
                let is_told = route.path.starts_with("/api/") && route.method != Method::HEAD;
                for refused in [&without, &wrong] {
                    assert!(is_refused(refused), "{route:?}");
                    assert_eq!(refused.header("www-authenticate"), "Bearer", "{route:?}");
                    assert!(!is_told || refused.problem() == "unauthorized", "{route:?}");
                }
            }
            Access::Public => assert!(!is_refused(&without) && !is_refused(&wrong), "{route:?}"),
            // Without the secret in the body, such a route refuses as well, in the words of its original.
            Access::BodySecret => assert!(without.status.is_client_error(), "{route:?}"),
        }
    }
}

#[tokio::test]
async fn without_a_key_other_names_origins_and_proxies_are_refused_everywhere() {
    let service = Service::start().await;

    for route in declarations().iter().filter(|route| !route.access.is_open()) {
        for header in [
            ("host", "evil.example:8080"),
            ("origin", "http://evil.example"),
            ("x-forwarded-for", "10.0.0.1"),
        ] {
            let answer = call(&service, route, &[header]).await;
            assert_eq!(answer.status, StatusCode::FORBIDDEN, "{route:?} {header:?}");
        }
        // Whoever needs no credentials is no user, who could have anything of their own.
        if matches!(route.access, Access::Owner(_)) {
            continue;
        }
        // SDKs insist on sending some key.
        let local = call(&service, route, &[("authorization", "Bearer anything")]).await;
        assert_ne!(local.status, StatusCode::FORBIDDEN, "{route:?}");
    }
}

#[tokio::test]
async fn the_first_user_shuts_the_door_at_once() {
    let service = Service::start().await;
    assert_eq!(service.get("/api/v1/recordings").await.status, StatusCode::OK);

    user(&service.store, "ana", Role::Editor).await;

    assert_eq!(service.get("/api/v1/recordings").await.problem(), "unauthorized");
}

#[tokio::test]
async fn an_address_that_others_reach_needs_a_key() {
    let service = Service::start().await;
    let open = |keys: Keys| {
        let parts = service.parts(|settings| {
            settings.bind = "0.0.0.0:8080".parse().unwrap();
            settings.keys = keys;
        });
        App::new(parts)
    };

    let refused = open(Keys::default()).await.err().unwrap();

    assert!(refused.to_string().contains("server.api_key"), "{refused}");
    assert!(open(Keys::new([KEY])).await.is_ok());
}

#[tokio::test]
async fn a_proxy_that_does_not_say_so_lets_nobody_in_without_credentials() {
    let service = Service::start().await;
    let at = "https://hansard.example".to_owned();
    let public = service.node(|settings| settings.public_url = Some(at)).await;
    let nets = vec!["127.0.0.0/8".parse().unwrap()];
    let proxied = service.node(|settings| settings.admission.trusted_proxies = nets).await;
    let list = "/api/v1/recordings";

    // What such a proxy sends looks like what a program on this machine sends.
    assert_eq!(service.get(list).await.status, StatusCode::OK);
    for node in [&public, &proxied] {
        assert_eq!(node.get(list).await.problem(), "unauthorized");
    }

    let ana = user(&service.store, "ana", Role::Editor).await;
    let own = key(&service.store, &ana, Role::Editor, false, Vec::new()).await;
    for node in [&public, &proxied] {
        let request = Request::get(list).header("authorization", format!("Bearer {own}"));
        assert_eq!(node.send(request.body(Body::empty()).unwrap()).await.status, StatusCode::OK);
    }
}

#[tokio::test]
async fn what_is_not_there_is_a_problem_too() {
    let service = Service::start().await;

    let nothing = service.get("/api/v1/nothing").await;
    let method = service.send(Request::delete("/healthz").body(Body::empty()).unwrap()).await;

    assert_eq!(
        (nothing.status, nothing.problem()),
        (StatusCode::NOT_FOUND, "route_not_found".into())
    );
    assert_eq!(method.status, StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(method.problem(), "method_not_allowed");
    assert_eq!(method.header("allow"), "GET,HEAD");
}

#[tokio::test]
async fn every_answer_tells_browsers_to_make_nothing_else_of_it() {
    let service = Service::start_with(|settings| {
        settings.public_url = Some("https://hansard.example".to_owned());
    })
    .await;
    let nowhere = Declaration {
        method: Method::GET,
        path: "/nothing".to_owned(),
        access: Access::Public,
        is_listed: false,
    };
    let wrong_method =
        Declaration { method: Method::PUT, path: "/healthz".to_owned(), ..nowhere.clone() };

    for route in declarations().iter().chain([&nowhere, &wrong_method]) {
        let answers = [
            call(&service, route, &[]).await,
            call(&service, route, &[("host", "evil.example")]).await,
        ];
        for answer in answers {
            assert_eq!(answer.header("x-content-type-options"), "nosniff", "{route:?}");
            assert_eq!(answer.header("referrer-policy"), "no-referrer", "{route:?}");
            assert_eq!(answer.header("x-frame-options"), "DENY", "{route:?}");
            assert_eq!(answer.header("strict-transport-security"), "max-age=31536000", "{route:?}");
            assert_eq!(answer.header("cross-origin-resource-policy"), "same-origin", "{route:?}");
            let policy = answer.header("content-security-policy");
            assert!(policy.contains("frame-ancestors 'none'"), "{route:?}: {policy}");
            let caching = answer.header("cache-control");
            assert!(["no-store", "no-cache", "private, no-cache"].contains(&caching), "{route:?}");
        }
    }
}

#[tokio::test]
async fn a_problem_points_at_a_page_that_is_served() {
    let service = Service::start().await;
    let problem = service.get("/api/v1/nothing").await.json();

    let page = service.get(problem["type"].as_str().unwrap()).await;

    assert_eq!(page.status, StatusCode::OK);
    assert!(page.text().starts_with("# There is nothing at this address\n"), "{}", page.text());
    assert_eq!(service.get("/docs/errors/..%2f..%2fapi").await.problem(), "route_not_found");
}

#[tokio::test]
async fn junk_in_a_path_is_not_found() {
    let service = Service::start().await;

    for id in [
        "%00",
        "job_%00",
        "..%2f..",
        "%ff%fe",
        "7",
        "rec_01KAJ2Z1GQ8C3T0V7M5N9XQ4RS",
        "job_01KAJ2Z1GQ8C3T0V7M5N9XQ4RS",
    ] {
        assert_eq!(
            service.get(&format!("/api/v1/jobs/{id}")).await.problem(),
            "job_not_found",
            "{id}"
        );
    }
}

#[tokio::test]
async fn the_operators_bucket_is_not_for_members_of_other_workspaces() {
    let service = Service::start_with(|settings| {
        settings.keys = Keys::new([KEY]);
        settings.salestrainer.secrets = Keys::new(["zebra-shared-1"]);
    })
    .await;
    let ana = user(&service.store, "ana", Role::Editor).await;
    let own = key(&service.store, &ana, Role::Admin, false, Vec::new()).await;
    let source = json!({ "source": { "s3": { "key": "somebody-elses.webm" } } });
    let plugin = json!({ "object_key": "somebody-elses.webm", "wait": false });
    let post = async |path: &str, body: &Value, key: &str| {
        let mut request = json_request(Method::POST, path, body);
        let bearer = format!("Bearer {key}").parse().unwrap();
        request.headers_mut().insert("authorization", bearer);
        service.send(request).await
    };

    assert_eq!(post("/api/v1/recordings", &source, &own).await.problem(), "forbidden");
    assert_eq!(post("/process-s3", &plugin, &own).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(post("/api/v1/recordings", &source, KEY).await.status, StatusCode::ACCEPTED);
}
