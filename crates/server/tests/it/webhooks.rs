//! Webhook endpoints and the log of what was sent.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hansard_domain::problem::ProblemCode;
use hansard_net::{Client, Guard, Proxies};
use hansard_store::jobs::JobError;
use hansard_testkit::receiver::{Answer as Reply, Received, Receiver};
use hansard_workflow::Metrics;
use hansard_workflow::delivery::{Deliverer, Settings};
use http::{Method, StatusCode};
use ring::hmac;
use serde_json::{Value, json};

use crate::service::{Answer, Service, id, json_request};

const ENDPOINTS: &str = "/api/v1/webhooks/endpoints";
const DELIVERIES: &str = "/api/v1/webhooks/deliveries";
const NO_ENDPOINT: &str = "/api/v1/webhooks/endpoints/whe_01KAJ2Z1GQ8C3T0V7M5N9XQ4RS";
const NO_DELIVERY: &str = "/api/v1/webhooks/deliveries/dlv_01KAJ2Z1GQ8C3T0V7M5N9XQ4RS";

/// Delivers what is due, to this machine as well.
async fn deliver(service: &Service) {
    let guard = Guard { allowed: vec!["127.0.0.0/8".parse().unwrap()] };
    let settings = hansard_net::Settings { guard, proxies: Proxies::Direct, ..Default::default() };
    let client = Client::new(&settings).unwrap();
    let (store, metrics) = (service.store.clone(), Metrics::new());
    let deliverer = Deliverer::new(store, client, metrics, Settings::default());
    deliverer.deliver_due().await.unwrap();
}

/// An endpoint for everything; returns its address here, and its secret.
async fn endpoint(service: &Service, url: &str) -> (String, String) {
    let made = service.post_json(ENDPOINTS, &json!({ "url": url })).await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.text());
    let secret = made.json()["secret"].as_str().expect("a secret is told").to_owned();
    (made.header("location").to_owned(), secret)
}

/// The delivery that an answer names, as it is now.
async fn logged(service: &Service, delivery: &Value) -> Value {
    service.get(&format!("{DELIVERIES}/{}", id(delivery))).await.json()
}

/// Whether a webhook is signed with `secret`, after the specification.
fn is_signed(received: &Received, secret: &str) -> bool {
    let key = STANDARD.decode(secret.strip_prefix("whsec_").unwrap()).unwrap();
    let header = |name: &str| received.headers[name].as_str();
    let mut signed =
        format!("{}.{}.", header("webhook-id"), header("webhook-timestamp")).into_bytes();
    signed.extend_from_slice(&received.body);
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &key), &signed);
    let wanted = format!("v1,{}", STANDARD.encode(tag));
    header("webhook-signature").split(' ').any(|signature| signature == wanted)
}

#[tokio::test]
async fn an_endpoint_is_made_tested_and_gets_a_signed_event() {
    let (service, receiver) = (Service::start().await, Receiver::start());
    let asked =
        json!({"url": receiver.url("/hook"), "description": "shop", "events": ["job.failed"]});

    let made = service.post_json(ENDPOINTS, &asked).await;
    let path = made.header("location").to_owned();
    let tested = service.post_json(&format!("{path}/test"), &json!({})).await;
    deliver(&service).await;

    assert_eq!(made.status, StatusCode::CREATED, "{}", made.text());
    assert_eq!(made.header("cache-control"), "no-store");
    assert_eq!(path, format!("{ENDPOINTS}/{}", id(&made.json())));
    let mut shown = made.json();
    let secret = shown.as_object_mut().unwrap().remove("secret").unwrap();
    assert_eq!(service.get(&path).await.json(), shown);
    assert_eq!(shown["events"], json!(["job.failed"]));
    assert_eq!((&shown["description"], &shown["disabled"]), (&json!("shop"), &json!(false)));
    assert_eq!(tested.status, StatusCode::ACCEPTED);
    assert_eq!(tested.json()["state"], "pending");
    let log = service.get(tested.header("location")).await.json();
    let received = receiver.received().remove(0);
    assert_eq!(received.headers["webhook-id"], id(&tested.json()));
    assert_eq!(received.json()["type"], "endpoint.test");
    assert_eq!(received.json()["data"]["event_id"], log["event_id"]);
    assert!(is_signed(&received, secret.as_str().unwrap()));
    assert_eq!((&log["state"], &log["attempts"]), (&json!("delivered"), &json!(1)));
    assert_eq!((&log["log"][0]["status"], &log["log"][0]["error"]), (&json!(200), &Value::Null));
    assert_eq!((&log["event"], &log["endpoint_id"]), (&json!("endpoint.test"), &shown["id"]));
}

#[tokio::test]
async fn an_endpoint_gets_the_events_that_it_asked_for() {
    let (service, receiver) = (Service::start().await, Receiver::start());
    let asked = json!({"url": receiver.url("/"), "events": ["job.failed", "job.failed"]});
    let made = service.post_json(ENDPOINTS, &asked).await.json();
    let accepted = service.accept().await;
    let error = JobError { code: ProblemCode::UnreadableMedia, detail: "no sound".to_owned() };
    service.store.fail_job(&service.claim().await.lease, error).await.unwrap();

    deliver(&service).await;

    let job = id(&accepted["job"]);
    let received = receiver.received();
    assert_eq!((received.len(), made["events"].clone()), (1, json!(["job.failed"])));
    assert_eq!(received[0].json()["data"]["job_id"], job);
    assert_eq!(received[0].json()["data"]["error_code"], "unreadable_media");
    assert_eq!(service.listed(&format!("{DELIVERIES}?subject={job}")).await.len(), 1);
    assert!(service.listed(&format!("{DELIVERIES}?state=failed")).await.is_empty());
}

#[tokio::test]
async fn a_secret_is_shown_once_and_the_one_before_it_signs_for_a_day() {
    let (service, receiver) = (Service::start().await, Receiver::start());
    let (path, first) = endpoint(&service, &receiver.url("/")).await;

    let rotated = service.post_json(&format!("{path}/rotate-secret"), &json!({})).await;
    let second = rotated.json()["secret"].as_str().unwrap().to_owned();
    let until = rotated.json()["previous_secret_until"].as_str().unwrap().to_owned();
    let test = format!("{path}/test");
    service.post_json(&test, &json!({})).await;
    deliver(&service).await;
    service.clock.advance(hansard_store::endpoints::PREVIOUS_SECRET_FOR);
    service.post_json(&test, &json!({})).await;
    deliver(&service).await;

    assert_eq!((rotated.status, rotated.header("cache-control")), (StatusCode::OK, "no-store"));
    assert_eq!(until, "2026-11-22T12:00:00.000000Z");
    let received = receiver.received();
    assert!(is_signed(&received[0], &first) && is_signed(&received[0], &second));
    assert!(!is_signed(&received[1], &first) && is_signed(&received[1], &second));
    for answer in [
        service.get(&path).await,
        service.get(ENDPOINTS).await,
        service.patch_json(&path, &json!({"description": "x"})).await,
        service.post_json(&test, &json!({})).await,
        service.get(DELIVERIES).await,
    ] {
        let text = answer.text();
        assert!(!text.contains("whsec_") && !text.contains(&second[6..]), "{text}");
    }
}

#[tokio::test]
async fn a_repeated_request_has_the_first_answer() {
    let service = Service::start().await;
    let send = async |path: &str, key: &str, json: &Value| {
        let mut request = json_request(Method::POST, path, json);
        request.headers_mut().insert("idempotency-key", key.parse().unwrap());
        service.send(request).await
    };
    let asked = json!({"url": "https://a.example/"});

    let made = send(ENDPOINTS, "one", &asked).await;
    let made_again = send(ENDPOINTS, "one", &asked).await;
    let (rotate, test) = {
        let path = made.header("location");
        (format!("{path}/rotate-secret"), format!("{path}/test"))
    };
    service.clock.advance(std::time::Duration::from_secs(1));
    let rotated = send(&rotate, "two", &json!({})).await;
    let rotated_again = send(&rotate, "two", &json!({})).await;
    let late = send(ENDPOINTS, "one", &asked).await;
    let tested = send(&test, "three", &json!({})).await;
    let tested_again = send(&test, "three", &json!({})).await;
    let reused = send(&test, "two", &json!({})).await;
    let other = send(ENDPOINTS, "one", &json!({"url": "https://b.example/"})).await;

    for (first, again) in
        [(&made, &made_again), (&rotated, &rotated_again), (&tested, &tested_again)]
    {
        assert_eq!((first.status, first.json()), (again.status, again.json()));
        assert_eq!(first.header("idempotency-replayed"), "");
        assert_eq!(again.header("idempotency-replayed"), "true");
    }
    assert_eq!(late.json()["secret"], Value::Null, "it is another one now");
    for refused in [reused, other] {
        assert_eq!(refused.problem(), "idempotency_key_reused");
    }
    assert_eq!(service.listed(ENDPOINTS).await.len(), 1);
    assert_eq!(service.listed(DELIVERIES).await.len(), 1);
}

#[tokio::test]
async fn an_endpoint_is_changed_disabled_and_deleted() {
    let (service, receiver) = (Service::start().await, Receiver::start());
    let (path, _) = endpoint(&service, "https://a.example/hook").await;
    service.accept().await;

    let patch =
        json!({"url": receiver.url("/"), "description": "shop", "events": ["recording.created"]});
    let changed = service.patch_json(&path, &patch).await.json();
    let disabled =
        service.patch_json(&path, &json!({"disabled": true, "events": null})).await.json();
    service.accept().await;
    deliver(&service).await;
    let cancelled = service.listed(&format!("{DELIVERIES}?state=cancelled")).await;
    let enabled = json!({"disabled": null, "description": null});
    let enabled = service.patch_json(&path, &enabled).await.json();
    let same = service.patch_json(&path, &json!({})).await.json();
    service.accept().await;
    deliver(&service).await;

    assert_eq!(
        (&changed["description"], &changed["url"]),
        (&json!("shop"), &json!(receiver.url("/")))
    );
    assert_eq!(changed["events"], json!(["recording.created"]));
    assert_eq!(
        (&disabled["disabled"], &disabled["disabled_reason"]),
        (&json!(true), &json!("request"))
    );
    assert_eq!(disabled["events"], Value::Null);
    assert_eq!(cancelled.len(), 1);
    assert_eq!((&enabled["disabled"], &enabled["description"]), (&json!(false), &Value::Null));
    assert_eq!(same, enabled);
    assert_eq!(receiver.received().len(), 1);
    assert_eq!(service.call(Method::DELETE, &path).await.status, StatusCode::NO_CONTENT);
    assert_eq!(service.call(Method::DELETE, &path).await.problem(), "endpoint_not_found");
    assert_eq!(service.get(&path).await.problem(), "endpoint_not_found");
    assert!(service.listed(DELIVERIES).await.is_empty());
}

#[tokio::test]
async fn a_receiver_that_is_gone_disables_its_endpoint() {
    let (service, receiver) = (Service::start().await, Receiver::start());
    let (path, _) = endpoint(&service, &receiver.url("/")).await;
    receiver.answer_next(Reply::status(410));

    let tested = service.post_json(&format!("{path}/test"), &json!({})).await.json();
    deliver(&service).await;

    let gone = service.get(&path).await.json();
    assert_eq!((&gone["disabled"], &gone["disabled_reason"]), (&json!(true), &json!("gone")));
    let log = logged(&service, &tested).await;
    assert_eq!((&log["state"], &log["log"][0]["status"]), (&json!("failed"), &json!(410)));
}

#[tokio::test]
async fn what_was_refused_is_sent_again_with_its_id() {
    let (service, receiver) = (Service::start().await, Receiver::start());
    let (path, _) = endpoint(&service, &receiver.url("/")).await;
    receiver.answer_next(Reply::status(410));
    let tested = service.post_json(&format!("{path}/test"), &json!({})).await.json();
    let replay = format!("{DELIVERIES}/{}/replay", id(&tested));

    let early = service.post_json(&replay, &json!({})).await;
    deliver(&service).await;
    let replayed = service.post_json(&replay, &json!({})).await;
    deliver(&service).await;

    assert_eq!(
        (early.status, early.problem()),
        (StatusCode::CONFLICT, "delivery_state_conflict".into())
    );
    assert_eq!(replayed.status, StatusCode::ACCEPTED, "{}", replayed.text());
    assert_eq!(
        (&replayed.json()["state"], &replayed.json()["attempts"]),
        (&json!("pending"), &json!(0))
    );
    let log = logged(&service, &tested).await;
    assert_eq!((&log["state"], &log["attempts"]), (&json!("delivered"), &json!(1)));
    let statuses: Vec<_> =
        log["log"].as_array().unwrap().iter().map(|one| &one["status"]).collect();
    assert_eq!(statuses, [&json!(410), &json!(200)]);
    let ids: Vec<_> =
        receiver.received().iter().map(|one| one.headers["webhook-id"].clone()).collect();
    assert_eq!(ids, [id(&tested), id(&tested)]);
}

#[tokio::test]
async fn lists_come_page_by_page() {
    let service = Service::start().await;
    let (first, _) = endpoint(&service, "https://a.example/").await;
    let (second, _) = endpoint(&service, "https://b.example/").await;
    let mut tests = Vec::new();
    for path in [&first, &second, &second] {
        let tested = service.post_json(&format!("{path}/test"), &json!({})).await.json();
        tests.insert(0, id(&tested).to_owned());
    }

    let endpoints = service.listed(&format!("{ENDPOINTS}?limit=1")).await;
    let all = service.listed(&format!("{DELIVERIES}?limit=2")).await;
    let of_second = format!("{DELIVERIES}?endpoint_id={}&limit=1", endpoints[0]);
    let about_first = format!("{DELIVERIES}?subject={}", endpoints[1]);

    assert_eq!(
        endpoints.iter().map(|id| format!("{ENDPOINTS}/{id}")).collect::<Vec<_>>(),
        [second, first]
    );
    assert_eq!(all, tests);
    assert_eq!(service.listed(&of_second).await, tests[..2]);
    assert_eq!(service.listed(&about_first).await, tests[2..]);
}

#[tokio::test]
async fn all_that_is_wrong_is_told_at_once() {
    let service = Service::start().await;
    let (path, _) = endpoint(&service, "https://a.example/").await;

    let wrong = json!({"url": "ftp://a.example", "description": 7, "events": ["job.failed", "job.lost", 7], "secret": "x"});
    let made = service.post_json(ENDPOINTS, &wrong).await;
    let changed = json!({"url": null, "events": [], "disabled": "yes", "id": null});
    let changed = service.patch_json(&path, &changed).await;
    let listed = "state=lost&endpoint_id=7&subject=wsp_1&cursor=x";
    let listed = service.get(&format!("{DELIVERIES}?{listed}")).await;

    assert_eq!(made.mistakes(), ["/url", "/description", "/events/1", "/events/2", "/secret"]);
    assert_eq!(changed.mistakes(), ["/url", "/events", "/disabled", "/id"]);
    assert_eq!(listed.mistakes(), ["/state", "/endpoint_id", "/subject", "/cursor"]);
    for wrong in [
        json!({}),
        json!({"url": null}),
        json!({"url": "https://user:secret@a.example/"}),
        json!({"url": "https://a.example/", "events": ["endpoint.test"]}),
        json!({"url": "https://a.example/", "events": "job.failed"}),
        json!({"url": "https://a.example/", "events": vec!["x"; 1000]}),
    ] {
        let answer = service.post_json(ENDPOINTS, &wrong).await;
        assert_eq!(answer.mistakes().len(), 1, "{wrong}");
    }
}

#[tokio::test]
async fn what_is_not_there_or_anothers_is_not_found() {
    let service = Service::start().await;
    let (path, _) = endpoint(&service, "https://a.example/").await;
    let tested = service.post_json(&format!("{path}/test"), &json!({})).await;
    let other = service.beside("other").await;
    let theirs = [path, tested.header("location").to_owned()];

    let all = async |service: &Service, endpoint: &str, delivery: &str| -> Vec<Answer> {
        vec![
            service.get(endpoint).await,
            service.patch_json(endpoint, &json!({"disabled": true})).await,
            service.call(Method::DELETE, endpoint).await,
            service.post_json(&format!("{endpoint}/test"), &json!({})).await,
            service.post_json(&format!("{endpoint}/rotate-secret"), &json!({})).await,
            service.get(delivery).await,
            service.post_json(&format!("{delivery}/replay"), &json!({})).await,
        ]
    };
    let junk = (format!("{ENDPOINTS}/%00"), format!("{DELIVERIES}/..%2f..%2fjobs"));
    for answers in [
        all(&service, NO_ENDPOINT, NO_DELIVERY).await,
        all(&service, &junk.0, &junk.1).await,
        all(&other, &theirs[0], &theirs[1]).await,
    ] {
        let codes: Vec<_> = answers.iter().map(Answer::problem).collect();
        assert_eq!(codes[..5], ["endpoint_not_found"; 5]);
        assert_eq!(codes[5..], ["delivery_not_found"; 2]);
    }
    assert!(other.listed(ENDPOINTS).await.is_empty());
    assert!(other.listed(DELIVERIES).await.is_empty());
    assert_eq!(service.get(&theirs[0]).await.json()["disabled"], false);
}

#[tokio::test]
async fn a_workspace_has_so_many_endpoints() {
    let service = Service::start().await;
    for _ in 0..hansard_store::endpoints::ENDPOINTS_MAX {
        endpoint(&service, "https://a.example/").await;
    }

    let answer = service.post_json(ENDPOINTS, &json!({"url": "https://a.example/"})).await;

    assert_eq!(
        (answer.status, answer.problem()),
        (StatusCode::CONFLICT, "too_many_endpoints".into())
    );
}

#[tokio::test]
async fn where_the_operator_has_results_sent_is_not_told() {
    // Its receiver is gone already.
    let (host, url) = {
        let receiver = Receiver::start();
        (receiver.address().to_string(), receiver.url("/hidden"))
    };
    let service = Service::start_with(|settings| {
        settings.salestrainer.secrets = hansard_server::Keys::new(["zebra-shared-1"]);
        settings.salestrainer.callback_url = Some(url);
        settings.salestrainer.calls_back_failures = true;
    })
    .await;
    let asked = json!({"object_key": "a.webm", "secret": "zebra-shared-1", "wait": false});
    let job = service.post_json("/process-s3", &asked).await.json()["job_id"].clone();
    let error = JobError { code: ProblemCode::SourceNotFound, detail: String::new() };
    service.store.fail_job(&service.claim().await.lease, error).await.unwrap();
    deliver(&service).await;

    let path = format!("{DELIVERIES}?subject={}", job.as_str().unwrap());
    let listed = service.get(&path).await;
    let log = service.get(&format!("{DELIVERIES}/{}", id(&listed.json()["items"][0]))).await;

    assert_eq!(log.json()["attempts"], 1, "{}", log.text());
    assert!(log.json()["log"][0]["error"].is_string());
    for answer in [&listed, &log] {
        assert!(!answer.text().contains(&host) && !answer.text().contains("hidden"));
        assert!(answer.text().contains("\"callback_url\":null"), "{}", answer.text());
    }
}
