//! The callback that the WordPress plugin expects, to the byte.

use hansard_domain::event::DeliveryState;
use hansard_domain::problem::ProblemCode;
use hansard_domain::source::{Callback, CallbackFormat};
use hansard_net::Url;
use hansard_store::jobs::JobFilter;
use hansard_testkit::receiver::Receiver;
use hansard_workflow::delivery::{SalesTrainer, ServerToken, Settings, sales_trainer_answer};

use super::shop::{Shop, delivered, plugin_at, segment, settings};
use crate::desk::Place;
use crate::on_both_databases;

on_both_databases! {
    the_plugin_gets_exactly_what_it_expects,
    what_is_not_known_is_null_or_left_out,
    a_failure_is_told_with_its_code,
    the_header_with_the_token_can_be_switched_off,
    a_caller_cannot_have_the_token_sent_elsewhere,
    a_deleted_recording_has_no_empty_text,
}

fn with_token(sales_trainer: SalesTrainer) -> Settings {
    let server_token = Some(ServerToken::new("wp-token"));
    Settings { sales_trainer: SalesTrainer { server_token, ..sales_trainer }, ..settings() }
}

async fn the_plugin_gets_exactly_what_it_expects(place: Place) {
    let (shop, wordpress) = (Shop::open(place).await, Receiver::start());
    let url = wordpress.url("/wp-json/salestrainer/v1/upload-complete");
    let windows =
        vec![vec![segment(0.0, &["Hello", "there."])], vec![segment(30.0, &["Bye \u{e9}"])]];
    shop.succeeded(plugin_at(url), windows).await;

    let received =
        delivered(&shop.deliverer(with_token(SalesTrainer::default())), &wordpress).await;

    assert_eq!(received.len(), 1);
    let (method, target) = (received[0].method.as_str(), received[0].target.as_str());
    assert_eq!((method, target), ("POST", "/wp-json/salestrainer/v1/upload-complete"));
    assert_eq!(
        String::from_utf8_lossy(&received[0].body),
        "{\"ok\":true,\"object_key\":\"uploads/a.webm\",\"session_id\":\"s-1\",\"scenario_id\":7,\
         \"size_bytes\":5,\"transcript\":\"Hello there. Bye \u{e9}\",\"duration\":30,\
         \"server_token\":\"wp-token\"}"
    );
    let headers = &received[0].headers;
    assert_eq!(headers["content-type"], "application/json");
    assert_eq!(headers["x-server-token"], "wp-token");
    assert_eq!(headers["x-hansard-delivery"], shop.deliveries().await[0].id.to_string());
    assert!(!headers.contains_key("authorization"));
    assert_eq!(shop.outcome().await, (DeliveryState::Delivered, vec![(Some(200), None)]));
}

async fn what_is_not_known_is_null_or_left_out(place: Place) {
    let (shop, wordpress) = (Shop::open(place).await, Receiver::start());
    let format = CallbackFormat::SalesTrainer {
        session_id: None,
        scenario_id: None,
        object_key: "a.webm".to_owned(),
    };
    let callback = Callback { format, ..plugin_at(wordpress.url("/")) };
    shop.succeeded(callback, Vec::new()).await;

    let received = delivered(&shop.deliverer(settings()), &wordpress).await;

    assert_eq!(
        String::from_utf8_lossy(&received[0].body),
        r#"{"ok":true,"object_key":"a.webm","session_id":null,"scenario_id":null,"size_bytes":5,"transcript":""}"#
    );
    assert!(!received[0].headers.contains_key("x-server-token"));
}

async fn a_failure_is_told_with_its_code(place: Place) {
    let (shop, wordpress) = (Shop::open(place).await, Receiver::start());
    let code = ProblemCode::SourceNotFound;
    shop.failed(plugin_at(wordpress.url("/")), code, "there is no such object").await;

    let received =
        delivered(&shop.deliverer(with_token(SalesTrainer::default())), &wordpress).await;

    assert_eq!(
        String::from_utf8_lossy(&received[0].body),
        "{\"ok\":false,\"object_key\":\"uploads/a.webm\",\"session_id\":\"s-1\",\"scenario_id\":7,\
         \"error\":{\"code\":\"source_not_found\",\"message\":\"there is no such object\"},\
         \"server_token\":\"wp-token\"}"
    );
}

async fn the_header_with_the_token_can_be_switched_off(place: Place) {
    let (shop, wordpress) = (Shop::open(place).await, Receiver::start());
    shop.succeeded(plugin_at(wordpress.url("/")), Vec::new()).await;
    let sales_trainer = SalesTrainer { sends_header: false, ..SalesTrainer::default() };

    let received = delivered(&shop.deliverer(with_token(sales_trainer)), &wordpress).await;

    assert!(!received[0].headers.contains_key("x-server-token"));
    assert_eq!(received[0].json()["server_token"], "wp-token");
}

async fn a_caller_cannot_have_the_token_sent_elsewhere(place: Place) {
    let (shop, wordpress, elsewhere) =
        (Shop::open(place).await, Receiver::start(), Receiver::start());
    let callback_url = Some(Url::parse(&wordpress.url("/")).unwrap());
    let callers = Callback { is_configured: false, ..plugin_at(elsewhere.url("/")) };
    shop.succeeded(callers, Vec::new()).await;

    let sales_trainer = SalesTrainer { callback_url, ..SalesTrainer::default() };
    let received = delivered(&shop.deliverer(with_token(sales_trainer)), &elsewhere).await;

    assert_eq!(received[0].json()["ok"], true);
    assert!(!format!("{received:?}").contains("wp-token"));
    assert!(!received[0].headers.contains_key("x-server-token"));
    assert!(wordpress.received().is_empty());
}

async fn a_deleted_recording_has_no_empty_text(place: Place) {
    let shop = Shop::open(place).await;
    let windows = vec![vec![segment(0.0, &["Hello"])]];
    shop.succeeded(plugin_at("https://shop.example/".to_owned()), windows).await;
    let all = JobFilter::default();
    let job = shop.store.page_jobs(&shop.workspace, &all, None, 1).await.unwrap().items.remove(0);
    let format = job.callback.clone().unwrap().format;
    assert!(sales_trainer_answer(&shop.store, &job, &format).await.unwrap().is_some());

    assert!(shop.store.delete_recording(&shop.workspace, &job.recording).await.unwrap());

    assert_eq!(sales_trainer_answer(&shop.store, &job, &format).await.unwrap(), None);
}
