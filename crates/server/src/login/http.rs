//! The way to a provider: our client, in the words of the login library.

use std::error::Error;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use hansard_net::{Client, Trust};
use http_body_util::{BodyExt, Full, Limited};
use openidconnect::{HttpRequest, HttpResponse};
use tokio::time::timeout;

/// Bytes of an answer.
const ANSWER_BYTES_MAX: usize = 1 << 20;

/// How long one exchange may take: somebody waits in front of a browser.
const EXCHANGE_TIMEOUT: Duration = Duration::from_secs(15);

/// Why there is no answer. Whatever the answer said is not part of it: it may be a token.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HttpError {
    /// Nobody answers.
    #[error("the provider does not answer")]
    Net(#[source] hansard_net::Error),
    /// The answer broke off, or has more bytes than a provider needs.
    #[error("the provider's answer cannot be read to its end")]
    Body(#[source] Box<dyn Error + Send + Sync>),
    /// It took too long.
    #[error("the provider did not answer within {} s", EXCHANGE_TIMEOUT.as_secs())]
    Timeout,
}

/// What the login library sends its requests with. A redirect is an answer, as the protocol wants it: a provider that moves is
/// configured anew.
pub(crate) fn over(
    client: Client,
) -> impl Fn(HttpRequest) -> BoxFuture<'static, Result<HttpResponse, HttpError>> + Send + Sync {
    move |request| {
        let client = client.clone();
        Box::pin(async move {
            let exchange = timeout(EXCHANGE_TIMEOUT, exchange(&client, request));
            exchange.await.unwrap_or(Err(HttpError::Timeout))
        })
    }
}

async fn exchange(client: &Client, request: HttpRequest) -> Result<HttpResponse, HttpError> {
    let request = request.map(|body| Full::new(Bytes::from(body)));
    // Who runs the service has chosen its provider, which may well be in their own network.
    let answer = client.execute(request, Trust::Operator).await.map_err(HttpError::Net)?;
    let (head, body) = answer.into_parts();
    let body = Limited::new(body, ANSWER_BYTES_MAX).collect().await.map_err(HttpError::Body)?;
    Ok(http::Response::from_parts(head, body.to_bytes().to_vec()))
}
