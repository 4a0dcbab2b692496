//! The client, and what every call has in common.

use std::time::{Duration, SystemTime};

use reqwest::header::{ACCEPT_ENCODING, AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use reqwest::redirect::{Attempt, Policy};
use reqwest::{Method, Proxy, Response};

use crate::error::{host_of, shown};
use crate::retry::retry_after;
use crate::{Error, Request, Retries, tls};

/// Redirects followed for one call.
const REDIRECTS_MAX: usize = 10;

/// How we introduce ourselves.
const USER_AGENT: &str = concat!("hansard/", env!("CARGO_PKG_VERSION"));

/// Which proxy calls go through.
#[derive(Debug, Clone, Default)]
pub enum Proxies {
    /// `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY` decide, in upper or lower case.
    #[default]
    Environment,
    /// None, whatever the environment says.
    Direct,
    /// This one for every call, as `http://host:port` or `socks5://host:port`.
    Through(String),
}

/// How patient a client is.
#[derive(Debug, Clone)]
pub struct Settings {
    /// For reaching the host, TLS included.
    pub connect_timeout: Duration,
    /// For any silence after that.
    pub idle_timeout: Duration,
    /// For a whole answer of [`Client::fetch`] or [`Client::head`]. Downloads may take as long as bytes arrive.
    pub answer_timeout: Duration,
    /// What follows a failure.
    pub retries: Retries,
    /// Which way out.
    pub proxies: Proxies,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(30),
            answer_timeout: Duration::from_secs(60),
            retries: Retries::default(),
            proxies: Proxies::default(),
        }
    }
}

/// The HTTP client. Cheap to clone; clones share their connections.
#[derive(Debug, Clone)]
pub struct Client {
    /// Follows redirects anywhere, but never from HTTPS to HTTP.
    roaming: reqwest::Client,
    /// Follows redirects within the host that was asked, and reports others.
    staying: reqwest::Client,
    answer_timeout: Duration,
    pub(crate) retries: Retries,
}

/// The head of an answer, without its body.
#[derive(Debug)]
pub struct Head {
    headers: HeaderMap,
}

impl Head {
    /// The value of header `name` if there is one and it is visible ASCII.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

impl Client {
    /// A client with these settings.
    pub fn new(settings: &Settings) -> Result<Self, Error> {
        let tls = tls::config()?;
        let build = |policy| {
            let builder = reqwest::Client::builder()
                .tls_backend_preconfigured(tls.clone())
                .user_agent(USER_AGENT)
                .connect_timeout(settings.connect_timeout)
                .read_timeout(settings.idle_timeout)
                .redirect(policy)
                .referer(false);
            let builder = match &settings.proxies {
                Proxies::Environment => builder,
                Proxies::Direct => builder.no_proxy(),
                Proxies::Through(proxy) => builder.proxy(Proxy::all(proxy).map_err(setup)?),
            };
            builder.build().map_err(setup)
        };
        Ok(Self {
            roaming: build(Policy::custom(follow))?,
            staying: build(Policy::custom(follow_within_host))?,
            answer_timeout: settings.answer_timeout,
            retries: settings.retries.clone(),
        })
    }

    /// The body of the answer, which may have `limit` bytes. Follows redirects.
    pub async fn fetch(&self, request: &Request, limit: usize) -> Result<Vec<u8>, Error> {
        let mut failures = 0;
        loop {
            let attempt = tokio::time::timeout(self.answer_timeout, self.body(request, limit));
            match attempt.await.unwrap_or_else(|_| Err(timeout(request))) {
                Ok(body) => return Ok(body),
                Err(error) => self.pause_after(error, &mut failures).await?,
            }
        }
    }

    /// The head of the answer. A redirect to another host is not followed: its own head is the answer.
    pub async fn head(&self, request: &Request) -> Result<Head, Error> {
        let mut failures = 0;
        loop {
            let attempt = self.call(&self.staying, Method::HEAD, request, HeaderMap::new());
            let attempt = tokio::time::timeout(self.answer_timeout, attempt);
            match attempt.await.unwrap_or_else(|_| Err(timeout(request))) {
                Ok(response) => return Ok(Head { headers: response.headers().clone() }),
                Err(error) => self.pause_after(error, &mut failures).await?,
            }
        }
    }

    /// Begins to get `request` with additional headers. Follows redirects.
    pub(crate) async fn begin(
        &self,
        request: &Request,
        headers: HeaderMap,
    ) -> Result<Response, Error> {
        self.call(&self.roaming, Method::GET, request, headers).await
    }

    /// Pauses before the next attempt, or returns `error` if there should be none.
    pub(crate) async fn pause_after(&self, error: Error, failures: &mut u32) -> Result<(), Error> {
        *failures += 1;
        let Some(pause) = self.retries.pause(&error, *failures) else { return Err(error) };
        tokio::time::sleep(pause).await;
        Ok(())
    }

    async fn body(&self, request: &Request, limit: usize) -> Result<Vec<u8>, Error> {
        let mut response = self.begin(request, HeaderMap::new()).await?;
        let mut body = Vec::new();
        loop {
            let chunk =
                response.chunk().await.map_err(|error| Error::of_call(&request.url, error))?;
            let Some(chunk) = chunk else { return Ok(body) };
            if body.len() + chunk.len() > limit {
                let address = shown(&request.url);
                return Err(Error::TooLarge { address, limit: limit as u64 });
            }
            body.extend_from_slice(&chunk);
        }
    }

    /// One attempt, up to the head of an answer that is not an error.
    async fn call(
        &self,
        client: &reqwest::Client,
        method: Method,
        request: &Request,
        headers: HeaderMap,
    ) -> Result<Response, Error> {
        // Compressed bytes would have another length than the one that the hub states.
        let plain = (ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        let authorization = request.authorization.clone().map(|value| (AUTHORIZATION, value));
        let own: Vec<(HeaderName, HeaderValue)> =
            [plain].into_iter().chain(authorization).collect();
        let call = client.request(method, request.url.clone()).headers(headers);
        let call = call.headers(HeaderMap::from_iter(own));
        let response = call.send().await.map_err(|error| Error::of_call(&request.url, error))?;
        let status = response.status();
        // Only the client that stays ever sees a redirect.
        if status.is_success() || status.is_redirection() {
            return Ok(response);
        }
        Err(Error::Status {
            address: shown(&request.url),
            status: status.as_u16(),
            retry_after: retry_after(response.headers(), SystemTime::now()),
        })
    }
}

fn setup(error: reqwest::Error) -> Error {
    Error::Setup(Box::new(error.without_url()))
}

fn timeout(request: &Request) -> Error {
    Error::Timeout { host: host_of(&request.url) }
}

/// Follows a bounded number of redirects, none of which gives up encryption.
fn follow(attempt: Attempt<'_>) -> reqwest::redirect::Action {
    let downgrade = attempt.url().scheme() != "https"
        && attempt.previous().last().is_some_and(|previous| previous.scheme() == "https");
    if downgrade {
        attempt.error("redirected from HTTPS to HTTP")
    } else if attempt.previous().len() > REDIRECTS_MAX {
        attempt.error("too many redirects")
    } else {
        attempt.follow()
    }
}

fn follow_within_host(attempt: Attempt<'_>) -> reqwest::redirect::Action {
    let same =
        attempt.previous().last().is_some_and(|last| last.origin() == attempt.url().origin());
    if same { follow(attempt) } else { attempt.stop() }
}
