//! Tokens and keys go to those who may see them, and nowhere else.

use std::io;
use std::sync::{Arc, Mutex};

use hansard_testkit::receiver::{Answer, Receiver};
use hansard_workflow::delivery::{SalesTrainer, ServerToken, Settings};

use super::shop::{Shop, plugin_at, settings};
use crate::desk::Place;

/// What the log says.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn no_secret_is_in_the_log_or_kept_with_an_attempt() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(move || writer.clone())
        .finish();
    let _logging = tracing::subscriber::set_default(subscriber);
    let (shop, receiver) = (Shop::open(Place::sqlite()).await, Receiver::start());
    receiver.answer_always(Answer::status(500).body("wp-token was wrong"));
    let (endpoint, secret) = shop.endpoint(&receiver.url("/?key=url-secret")).await;
    shop.test(&endpoint).await;
    shop.succeeded(plugin_at(receiver.url("/?key=url-secret")), Vec::new()).await;
    shop.succeeded(plugin_at("http://127.0.0.1:1/?key=url-secret".to_owned()), Vec::new()).await;
    let server_token = Some(ServerToken::new("wp-token"));
    let sales_trainer = SalesTrainer { server_token, ..SalesTrainer::default() };
    let deliverer = shop.deliverer(Settings { sales_trainer, ..settings() });

    deliverer.deliver_due().await.unwrap();

    let mut said = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(said.contains("will be tried again"), "{said}");
    for delivery in shop.deliveries().await {
        said += &format!("{:?}", shop.store.delivery_attempts(&delivery.id).await.unwrap());
    }
    said += &format!("{deliverer:?}");
    for secret in ["wp-token", "url-secret", &secret.reveal()[6..]] {
        assert!(!said.contains(secret), "{secret} in {said}");
    }
}
