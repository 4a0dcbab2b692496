//! The client, and the one place where a call leaves.

use std::error::Error as StdError;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Method;
use http::header::{
    ACCEPT, ACCEPT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderValue, IF_RANGE, LOCATION, RANGE,
};
use reqwest::redirect::Policy;
use reqwest::{Proxy, Url};
use tokio::time::Instant;

use crate::body::{Pulse, Watched};
use crate::error::host_of;
use crate::names::{GuardedNames, Resolve, SystemNames};
use crate::request::{check, next_hop};
use crate::{Answer, AnswerBody, Body, Call, Error, Guard, Request, Retries, Trust, tls};

/// Redirects followed for one call.
const REDIRECTS_MAX: usize = 10;

/// How we introduce ourselves.
const USER_AGENT: &str = concat!("hansard/", env!("CARGO_PKG_VERSION"));

/// Which proxy leads to the operator's destinations. Those of a caller are connected to directly, whatever this says.
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

/// How patient a client is, and where it may go.
#[derive(Debug, Clone)]
pub struct Settings {
    /// For reaching the host, its name and TLS included.
    pub connect_timeout: Duration,
    /// For any silence after that.
    pub idle_timeout: Duration,
    /// For a whole call. Downloads and [`Client::execute`] may take as long as bytes move.
    pub answer_timeout: Duration,
    /// What follows a failure of [`Client::fetch`], [`Client::head`] and [`Client::download`].
    pub retries: Retries,
    /// PEM file with certificates of authorities that are trusted beside those of the system.
    pub extra_authorities: Option<PathBuf>,
    /// Which way out.
    pub proxies: Proxies,
    /// What a caller may make us connect to.
    pub guard: Guard,
    /// How names become addresses.
    pub resolver: Arc<dyn Resolve>,
    /// Whether connections are kept for the next call. They belong to the runtime that made them, so a client that is
    /// shared by threads that each [`wait`](crate::wait) must not keep any.
    pub keep_connections: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(30),
            answer_timeout: Duration::from_secs(60),
            retries: Retries::default(),
            extra_authorities: None,
            proxies: Proxies::default(),
            guard: Guard::default(),
            resolver: Arc::new(SystemNames),
            keep_connections: true,
        }
    }
}

/// The HTTP client. Cheap to clone; clones share their connections.
#[derive(Debug, Clone)]
pub struct Client {
    /// For destinations of the operator.
    operators: reqwest::Client,
    /// For destinations of callers: resolves through the guard, and knows no proxy. Connections are not shared between the
    /// two, so none that was made unguarded is ever used for a caller.
    callers: reqwest::Client,
    pub(crate) settings: Arc<Settings>,
}

/// How long one exchange may take.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Patience {
    pub(crate) idle_timeout: Duration,
    pub(crate) deadline: Option<Instant>,
}

impl Client {
    /// A client with these settings.
    ///
    /// # Errors
    /// [`Error::Authorities`] and [`Error::Setup`] for settings that cannot be used.
    pub fn new(settings: &Settings) -> Result<Self, Error> {
        let tls = tls::config(settings.extra_authorities.as_deref())?;
        let build = |guard: Option<Arc<Guard>>| {
            // Neither redirects nor compression nor idle time are left to the library: we bound them ourselves.
            let mut builder = reqwest::Client::builder()
                .tls_backend_preconfigured(tls.clone())
                .user_agent(USER_AGENT)
                .connect_timeout(settings.connect_timeout)
                .redirect(Policy::none())
                .referer(false)
                .no_gzip()
                .no_brotli()
                .no_deflate()
                .no_zstd();
            if !settings.keep_connections {
                builder = builder.pool_max_idle_per_host(0);
            }
            builder = match &settings.proxies {
                _ if guard.is_some() => builder.no_proxy(),
                Proxies::Environment => builder,
                Proxies::Direct => builder.no_proxy(),
                Proxies::Through(proxy) => builder.proxy(Proxy::all(proxy).map_err(setup)?),
            };
            let resolver = Arc::clone(&settings.resolver);
            builder.dns_resolver(GuardedNames { resolver, guard }).build().map_err(setup)
        };
        Ok(Self {
            operators: build(None)?,
            callers: build(Some(Arc::new(settings.guard.clone())))?,
            settings: Arc::new(settings.clone()),
        })
    }

    /// One attempt at a call. Any status is an answer.
    ///
    /// Dropping the future ends the call.
    ///
    /// # Errors
    /// [`Error::Url`] and [`Error::Forbidden`] for a destination that is out of bounds, [`Error::Redirect`] for one that
    /// leads astray, and whatever can happen to a connection.
    pub async fn send(&self, call: Call) -> Result<Answer, Error> {
        let timeout = call.request.timeout.unwrap_or(self.settings.answer_timeout);
        self.send_until(call, Some(Instant::now() + timeout)).await
    }

    /// Sends a request to `trust`'s destination and gives its answer, both with bodies that stream: for libraries that
    /// bring their own requests.
    ///
    /// One attempt; a redirect is an answer; idle time is bounded, the whole is not. A body that knows its length is sent with it.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub async fn execute<B>(
        &self,
        request: http::Request<B>,
        trust: Trust,
    ) -> Result<http::Response<AnswerBody>, Error>
    where
        B: http_body::Body<Data = Bytes> + Send + Sync + Unpin + 'static,
        B::Error: Into<Box<dyn StdError + Send + Sync>>,
    {
        let (head, body) = request.into_parts();
        let url = Url::parse(&head.uri.to_string());
        let url = url.map_err(|_| Error::Url { reason: "it is not whole" })?;
        check(&url, trust, false, &self.settings.guard)?;
        let pulse = Pulse::new();
        let length = body.size_hint().exact();
        let body = match length {
            Some(0) => Bytes::new().into(),
            _ => reqwest::Body::wrap(Watched { inner: body, length, pulse: pulse.clone() }),
        };
        let patience = Patience { idle_timeout: self.settings.idle_timeout, deadline: None };
        self.exchange(trust, head.method, &url, head.headers, (body, pulse), patience).await
    }

    /// Sends `call` and follows redirects as it wants.
    pub(crate) async fn send_until(
        &self,
        call: Call,
        deadline: Option<Instant>,
    ) -> Result<Answer, Error> {
        let Call { method, request, body, redirects } = call;
        let Request { mut url, trust, mut headers, https_only, timeout: _, idle_timeout } = request;
        let idle_timeout = idle_timeout.unwrap_or(self.settings.idle_timeout);
        let patience = Patience { idle_timeout, deadline };
        if let Some(value) = body.content_type() {
            let value = HeaderValue::from_str(&value).expect("a boundary is hexadecimal digits");
            headers.insert(CONTENT_TYPE, value);
        }
        let mut body = body;
        for _ in 0..=REDIRECTS_MAX {
            check(&url, trust, https_only, &self.settings.guard)?;
            let pulse = Pulse::new();
            // Only what has no body is sent again, so every further hop has none either.
            let sent = std::mem::replace(&mut body, Body::empty()).watched(&pulse);
            let sent = (sent, pulse);
            let response =
                self.exchange(trust, method.clone(), &url, headers.clone(), sent, patience).await?;
            let location = response.headers().get(LOCATION);
            match next_hop(&url, redirects, &method, response.status(), location)? {
                None => return Ok(Answer::new(response)),
                Some(next) => {
                    if next.origin() != url.origin() {
                        headers = harmless(&headers);
                    }
                    url = next;
                }
            }
        }
        Err(Error::Redirect { host: host_of(&url) })
    }

    /// One request and the head of its answer.
    async fn exchange(
        &self,
        trust: Trust,
        method: Method,
        url: &Url,
        mut headers: HeaderMap,
        (body, pulse): (reqwest::Body, Pulse),
        patience: Patience,
    ) -> Result<http::Response<AnswerBody>, Error> {
        let Patience { idle_timeout, deadline } = patience;
        let client = match trust {
            Trust::Operator => &self.operators,
            Trust::Caller => &self.callers,
        };
        // Compressed bytes would have another length than the one that was promised, and none that we could bound.
        headers.entry(ACCEPT_ENCODING).or_insert(HeaderValue::from_static("identity"));
        let mut request = reqwest::Request::new(method, url.clone());
        *request.headers_mut() = headers;
        *request.body_mut() = Some(body);
        let too_late = async {
            match deadline {
                Some(deadline) => tokio::time::sleep_until(deadline).await,
                None => std::future::pending().await,
            }
        };
        let response = tokio::select! {
            response = client.execute(request) => response.map_err(|error| Error::of_call(url, error))?,
            () = pulse.rests_for(idle_timeout) => return Err(Error::Timeout { host: host_of(url) }),
            () = too_late => return Err(Error::Timeout { host: host_of(url) }),
        };
        let response = http::Response::<reqwest::Body>::from(response);
        Ok(response.map(|body| AnswerBody::new(body, url.clone(), idle_timeout, deadline)))
    }
}

/// The headers that any host may see.
fn harmless(headers: &HeaderMap) -> HeaderMap {
    let known = [ACCEPT, ACCEPT_ENCODING, RANGE, IF_RANGE];
    known.into_iter().filter_map(|name| Some((name.clone(), headers.get(&name)?.clone()))).collect()
}

fn setup(error: reqwest::Error) -> Error {
    Error::Setup(Box::new(error.without_url()))
}
