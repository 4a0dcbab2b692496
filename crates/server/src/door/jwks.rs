//! The keys of a provider, fetched over HTTP when a token first needs them.

use std::time::Duration;

use futures_util::future::BoxFuture;
use hansard_net::{Call, Client, Request, Trust, Url};
use hansard_store::Clock;
use http::HeaderValue;
use http::header::ACCEPT;
use serde::Deserialize;

use crate::door::jwk::{InvalidSet, Key, KeySet};
use crate::door::kept::{Kept, Unavailable};

/// Bytes of a document of a provider.
const DOCUMENT_BYTES_MAX: usize = 256 << 10;

/// How long one document may take.
const FETCH_TIMEOUT: Duration = Duration::from_secs(10);

/// Where a provider's own description lies below its issuer (OpenID Connect Discovery 1.0, 4).
const DISCOVERY: &str = ".well-known/openid-configuration";

/// Where a provider's keys are.
#[derive(Debug, Clone)]
pub(crate) enum Source {
    /// At this address.
    Keys(Url),
    /// Where the description of this issuer says.
    Discovery {
        /// The issuer's name, which is also the address that its description lies below.
        issuer: String,
    },
}

/// Why a provider's keys could not be fetched.
#[derive(Debug, thiserror::Error)]
enum FetchError {
    /// The address in the settings, or the one that the provider gives, is none that keys can be asked of.
    #[error("the address of the keys cannot be used")]
    Address,
    /// The provider does not answer.
    #[error("the identity provider does not answer")]
    Net(#[from] hansard_net::Error),
    /// It answers with something else.
    #[error("the identity provider answers with status {0}")]
    Status(u16),
    /// Its description of itself cannot be read.
    #[error("the identity provider's description cannot be read")]
    Description(#[source] serde_json::Error),
    /// It describes another one.
    #[error("the identity provider calls itself by another name than its issuer's")]
    Issuer,
    /// Its keys cannot be read.
    #[error("the identity provider's keys cannot be read")]
    Keys(#[from] InvalidSet),
}

/// The keys of one provider.
pub(crate) struct Jwks(Kept<KeySet>);

impl Jwks {
    /// The keys at `source`. Nothing is fetched yet.
    pub(crate) fn new(client: Client, source: Source, clock: Clock) -> Self {
        let fetch = Box::new(move || -> BoxFuture<'static, _> {
            let (client, source) = (client.clone(), source.clone());
            Box::pin(async move { keys(&client, &source).await.map_err(Into::into) })
        });
        Self(Kept::new(fetch, clock))
    }

    /// The provider's key with this id; `None` if it has none, as far as we may ask it now.
    ///
    /// # Errors
    /// [`Unavailable`] if nothing is known of its keys.
    pub(crate) async fn find(&self, id: &str) -> Result<Option<Key>, Unavailable> {
        let keys = self.0.get(|keys| keys.find(id).is_some()).await?;
        Ok(keys.find(id).cloned())
    }
}

async fn keys(client: &Client, source: &Source) -> Result<KeySet, FetchError> {
    #[derive(Deserialize)]
    struct Description {
        issuer: String,
        jwks_uri: String,
    }

    let address = match source {
        Source::Keys(address) => address.clone(),
        Source::Discovery { issuer } => {
            let address = format!("{}/{DISCOVERY}", issuer.trim_end_matches('/'));
            let address = Url::parse(&address).map_err(|_| FetchError::Address)?;
            let description = document(client, address.clone()).await?;
            let description: Description =
                serde_json::from_slice(&description).map_err(FetchError::Description)?;
            if description.issuer != *issuer {
                return Err(FetchError::Issuer);
            }
            let keys = Url::parse(&description.jwks_uri).map_err(|_| FetchError::Address)?;
            // Keys that come unprotected are anybody's.
            if address.scheme() == "https" && keys.scheme() != "https" {
                return Err(FetchError::Address);
            }
            keys
        }
    };
    Ok(KeySet::parse(&document(client, address).await?)?)
}

/// One document, in one attempt and without redirects: how often is for the caller to say.
async fn document(client: &Client, address: Url) -> Result<Vec<u8>, FetchError> {
    let accept = HeaderValue::from_static("application/json");
    let request =
        Request::new(address, Trust::Operator).header(ACCEPT, accept).within(FETCH_TIMEOUT);
    let answer = client.send(Call::get(request)).await?;
    match answer.status().as_u16() {
        200 => Ok(answer.bytes(DOCUMENT_BYTES_MAX).await?.to_vec()),
        status => Err(FetchError::Status(status)),
    }
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::http::StatusCode;
    use axum::response::Redirect;
    use axum::routing::get;
    use hansard_net::{Proxies, Settings};
    use serde_json::json;
    use tokio::net::TcpListener;

    use super::*;

    const KEYS: &str = r#"{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"k1","x":"AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE"}]}"#;

    /// A provider that describes itself as `name` below each of its folders says.
    async fn provider() -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let issuer = format!("http://{}", listener.local_addr().unwrap());
        let description = |name: &str, keys: &str| {
            let text = json!({ "issuer": name, "jwks_uri": keys }).to_string();
            get(async move || text)
        };
        let keys = format!("{issuer}/keys");
        let routes = Router::new()
            .route("/.well-known/openid-configuration", description(&issuer, &keys))
            .route(
                "/slash/.well-known/openid-configuration",
                description(&format!("{issuer}/slash/"), &keys),
            )
            .route(
                "/liar/.well-known/openid-configuration",
                description("https://id.example", &keys),
            )
            .route("/broken/.well-known/openid-configuration", get(async || "<html>"))
            .route("/keys", get(async || KEYS))
            .route("/moved", get(async || Redirect::temporary("/keys")))
            .route("/down", get(async || (StatusCode::SERVICE_UNAVAILABLE, KEYS)))
            .route("/large", get(async || "x".repeat(DOCUMENT_BYTES_MAX + 1)))
            .route("/html", get(async || "<html>"));
        tokio::spawn(async move { axum::serve(listener, routes).await });
        issuer
    }

    fn client() -> Client {
        Client::new(&Settings { proxies: Proxies::Direct, ..Settings::default() }).unwrap()
    }

    async fn fetched(source: Source) -> Result<KeySet, FetchError> {
        keys(&client(), &source).await
    }

    async fn of_address(address: String) -> Result<KeySet, FetchError> {
        fetched(Source::Keys(Url::parse(&address).unwrap())).await
    }

    #[tokio::test]
    async fn keys_are_found_by_their_address_and_by_their_issuer() {
        let issuer = provider().await;

        assert!(of_address(format!("{issuer}/keys")).await.unwrap().find("k1").is_some());
        for issuer in [issuer.clone(), format!("{issuer}/slash/")] {
            let set = fetched(Source::Discovery { issuer }).await.unwrap();
            assert!(set.find("k1").is_some());
        }
    }

    #[tokio::test]
    async fn a_key_is_asked_for_by_its_id() {
        let source = Source::Discovery { issuer: provider().await };
        let jwks = Jwks::new(client(), source, Clock::system());

        assert!(jwks.find("k1").await.unwrap().is_some());
        assert!(jwks.find("k2").await.unwrap().is_none());
        let nowhere = Source::Discovery { issuer: "https://".to_owned() };
        assert!(Jwks::new(client(), nowhere, Clock::system()).find("k1").await.is_err());
    }

    #[tokio::test]
    async fn whatever_else_an_address_answers_is_no_set_of_keys() {
        let issuer = provider().await;
        let at = |path: &str| of_address(format!("{issuer}{path}"));

        assert!(
            matches!(at("/moved").await, Err(FetchError::Status(307))),
            "keys do not move by themselves"
        );
        assert!(matches!(at("/down").await, Err(FetchError::Status(503))));
        assert!(matches!(at("/nothing").await, Err(FetchError::Status(404))));
        assert!(matches!(at("/html").await, Err(FetchError::Keys(InvalidSet::Json(_)))));
        assert!(matches!(
            at("/large").await,
            Err(FetchError::Net(hansard_net::Error::TooLarge { .. }))
        ));
    }

    #[tokio::test]
    async fn a_provider_has_to_describe_itself() {
        let issuer = provider().await;
        let of = |path: &str| fetched(Source::Discovery { issuer: format!("{issuer}{path}") });

        assert!(matches!(of("/liar").await, Err(FetchError::Issuer)));
        assert!(matches!(of("/slash").await, Err(FetchError::Issuer)), "a slash is another name");
        assert!(matches!(of("/broken").await, Err(FetchError::Description(_))));
        assert!(matches!(of("/nothing").await, Err(FetchError::Status(404))));
        let nonsense = Source::Discovery { issuer: "id.example".to_owned() };
        assert!(matches!(fetched(nonsense).await, Err(FetchError::Address)));
    }

    #[tokio::test]
    async fn a_provider_that_is_down_is_told_from_one_that_is_wrong() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}/keys", listener.local_addr().unwrap());
        drop(listener);

        assert!(
            matches!(of_address(address).await, Err(FetchError::Net(error)) if error.is_unreachable())
        );
    }
}
