//! One attempt: what is sent, and what the answer means.

use bytes::Bytes;
use hansard_domain::source::CallbackFormat;
use hansard_net::{Body, Call, Error as NetError, Request, Trust, Url};
use hansard_store::Error as StoreError;
use hansard_store::deliveries::Attempt;
use hansard_store::leases::Held;
use hansard_store::sending::{ClaimedDelivery, Destination, Settled};
use http::header::CONTENT_TYPE;
use http::{HeaderName, HeaderValue};

use super::schedule::{Answered, after};
use super::signature::{self, SigningKey};
use super::{Deliverer, sales_trainer, webhook};
use crate::backoff::random_fraction;
use crate::error::chain;

/// The id of the delivery, for receivers that are not written for Standard Webhooks.
const DELIVERY_HEADER: HeaderName = HeaderName::from_static("x-hansard-delivery");

/// What is to be posted, and where.
pub(super) struct Message {
    pub(super) url: Url,
    pub(super) trust: Trust,
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
    pub(super) body: Bytes,
}

/// Why there is nothing to send.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unsendable {
    /// It never will be.
    #[error("{0}")]
    Never(&'static str),
    /// The store did not say.
    #[error("what is to be sent cannot be read")]
    Store(#[from] StoreError),
}

/// Sends `claimed` once and keeps what came of it. Returns the receiver, which has room again.
pub(super) async fn attempt(deliverer: &Deliverer, claimed: ClaimedDelivery) -> String {
    let clock = deliverer.store.clock();
    let started_at = clock.now();
    let (answered, error) = match compose(deliverer, &claimed).await {
        Ok(message) => send(deliverer, message).await,
        Err(unsendable @ Unsendable::Never(_)) => (Answered::Never, Some(unsendable.to_string())),
        Err(unsendable @ Unsendable::Store(StoreError::Corrupt { .. })) => {
            (Answered::Never, Some(unsendable.to_string()))
        }
        Err(Unsendable::Store(error)) if !error.is_unavailable() => {
            let id = &claimed.delivery.id;
            tracing::warn!(delivery.id = %id, error = %chain(&error), "delivery {id} cannot be composed");
            (Answered::Nothing, Some(Unsendable::Store(error).to_string()))
        }
        Err(unsendable @ Unsendable::Store(_)) => {
            // Not an attempt: nothing was sent. It is due again when the lease ends.
            let id = &claimed.delivery.id;
            tracing::warn!(delivery.id = %id, error = %chain(&unsendable), "delivery {id} is put off");
            return claimed.receiver;
        }
    };
    let now = clock.now();
    let number = claimed.delivery.attempts + 1;
    let settled = after(&answered, number, now, &deliverer.settings, random_fraction());
    let status = answered.status();
    let duration = now.since(started_at);
    let kept = Attempt { started_at, duration, status, error };
    note(deliverer, &claimed, &kept, settled);
    match deliverer.store.settle_delivery(&claimed.lease, kept, settled).await {
        Ok(Held::Yes(())) => {}
        Ok(Held::Lost) => {
            let id = &claimed.delivery.id;
            tracing::info!(delivery.id = %id, "delivery {id} was cancelled, deleted or lost");
        }
        Err(unwritten) => {
            let id = &claimed.delivery.id;
            tracing::warn!(delivery.id = %id, error = %chain(&unwritten), "delivery {id} will be sent again");
        }
    }
    claimed.receiver
}

/// What `claimed` says, to whom, and how it is signed.
async fn compose(deliverer: &Deliverer, claimed: &ClaimedDelivery) -> Result<Message, Unsendable> {
    let (delivery, settings) = (&claimed.delivery, &deliverer.settings);
    let not_an_address = |_| Unsendable::Never("the address cannot be read");
    let (url, trust) = match &claimed.destination {
        Destination::Endpoint(target) => (&target.url, Trust::Caller),
        Destination::Callback(callback) if callback.is_configured => {
            (&callback.url, Trust::Operator)
        }
        Destination::Callback(callback) => (&callback.url, Trust::Caller),
    };
    let url = Url::parse(url).map_err(not_an_address)?;
    let id = HeaderValue::from_str(&delivery.id.to_string()).expect("an id is visible ASCII");
    let mut headers =
        vec![(CONTENT_TYPE, HeaderValue::from_static("application/json")), (DELIVERY_HEADER, id)];
    let keys: Vec<SigningKey> = match &claimed.destination {
        Destination::Endpoint(target) => {
            let keys = target.secrets.iter().map(|secret| SigningKey::parse(secret.reveal()));
            keys.collect::<Result<_, _>>()
                .map_err(|_| Unsendable::Never("the endpoint's secret cannot be read"))?
        }
        Destination::Callback(callback) => match &callback.format {
            CallbackFormat::Event => settings.callback_key.iter().cloned().collect(),
            CallbackFormat::SalesTrainer { .. } => {
                let (body, token) =
                    sales_trainer::compose(deliverer, delivery, callback, &url).await?;
                headers.extend(token);
                return Ok(Message { url, trust, headers, body });
            }
        },
    };
    let body = webhook::body(delivery, settings.public_url.as_ref())?;
    headers.extend(signature::headers(&delivery.id, deliverer.store.clock().now(), &body, &keys));
    Ok(Message { url, trust, headers, body })
}

/// Posts `message`. The text says what is wrong, without secrets.
async fn send(deliverer: &Deliverer, message: Message) -> (Answered, Option<String>) {
    let Message { url, trust, headers, body } = message;
    let timeout = deliverer.settings.timeout;
    let mut request = Request::new(url, trust).within(timeout).patient_for(timeout);
    for (name, value) in headers {
        request = request.header(name, value);
    }
    // Redirects are answers, and no answer that we want: nothing is ever sent to where one leads.
    match deliverer.client.send(Call::post(request, Body::bytes(body))).await {
        Ok(answer) => {
            let status = answer.status();
            let error = status.is_redirection().then(|| "redirects are not followed".to_owned());
            (Answered::Status { status: status.as_u16(), retry_after: answer.retry_after() }, error)
        }
        Err(error @ (NetError::Forbidden { .. } | NetError::Url { .. })) => {
            (Answered::Never, Some(error.to_string()))
        }
        Err(error) => (Answered::Nothing, Some(error.to_string())),
    }
}

/// Counts the attempt, and says in the log what came of it.
fn note(deliverer: &Deliverer, claimed: &ClaimedDelivery, attempt: &Attempt, settled: Settled) {
    let (id, number) = (&claimed.delivery.id, claimed.delivery.attempts + 1);
    let kind = claimed.delivery.kind.name();
    let status = attempt.status.unwrap_or_default();
    let duration_ms = u64::try_from(attempt.duration.as_millis()).unwrap_or(u64::MAX);
    let error = attempt.error.as_deref().unwrap_or_default();
    let outcome = match settled {
        Settled::Delivered => {
            tracing::info!(delivery.id = %id, event.kind = kind, status, duration_ms, "delivery {id} arrived");
            "delivered"
        }
        Settled::Retry(at) => {
            tracing::warn!(delivery.id = %id, event.kind = kind, status, error, duration_ms, delivery.attempt = number, retry_at = %at, "delivery {id} will be tried again");
            "retried"
        }
        Settled::Failed | Settled::Gone => {
            tracing::warn!(delivery.id = %id, event.kind = kind, status, error, duration_ms, delivery.attempt = number, "delivery {id} failed for good");
            "failed"
        }
    };
    deliverer.metrics.delivery_ended(outcome);
}
