//! What the edge is told by the configuration.

use std::net::SocketAddr;
use std::time::Duration;

use hansard_config::{S3Config, SalestrainerConfig, ServerConfig};

use crate::Keys;

/// The settings of the edge, checked by [`hansard_config`].
#[derive(Debug, Clone)]
pub struct Settings {
    /// The address that is listened on; callers without a key have to name its port in `Host`.
    pub bind: SocketAddr,
    /// The static keys; none admits programs on this machine only.
    pub keys: Keys,
    /// Name of the workspace that callers act for.
    pub workspace: String,
    /// Address at which others reach the service, for links in answers; without a slash at its end.
    pub public_url: Option<String>,
    /// Largest recording in bytes.
    pub file_bytes_max: u64,
    /// How long a client may take to send the head of a request.
    pub header_timeout: Duration,
    /// How long a client may be silent while it sends a body or takes an answer.
    pub body_timeout: Duration,
    /// Connections that are open at a time.
    pub connections_max: usize,
    /// Requests that are worked on at a time.
    pub requests_max: usize,
    /// How deep JSON that is sent may nest.
    pub json_depth_max: usize,
    /// How long an upload in pieces is kept after its last piece.
    pub upload_expiry: Duration,
    /// How long a call of OpenAI's audio API waits for its transcript.
    pub openai_wait: Duration,
    /// How long requests may take to end after the signal to stop.
    pub shutdown_grace: Duration,
    /// The bucket that callers mean who give a key alone.
    pub s3_bucket: Option<String>,
    /// The SalesTrainer plugin.
    pub salestrainer: SalesTrainer,
}

/// How the SalesTrainer plugin of WordPress is served.
#[derive(Debug, Clone, Default)]
pub struct SalesTrainer {
    /// The shared secrets, each as good as the others; none switches the routes off.
    pub secrets: Keys,
    /// Where results go unless a request says otherwise.
    pub callback_url: Option<String>,
    /// How long an answer waits for the result.
    pub wait: Duration,
    /// Whether failures are called back too.
    pub calls_back_failures: bool,
}

impl Settings {
    /// The settings of a service that listens on `bind`, which is `server.bind` with the port that the system gave.
    pub fn from_config(
        server: &ServerConfig,
        s3: &S3Config,
        salestrainer: &SalestrainerConfig,
        bind: SocketAddr,
    ) -> Self {
        let keys = [&server.api_key, &server.previous_api_key];
        let size = |count: u32| usize::try_from(count).unwrap_or(usize::MAX);
        Self {
            bind,
            keys: Keys::new(keys.into_iter().flatten().map(|key| key.expose())),
            workspace: server.workspace.clone(),
            public_url: server
                .public_url
                .as_ref()
                .map(|url| url.as_str().trim_end_matches('/').to_owned()),
            file_bytes_max: server.max_file_size.bytes(),
            header_timeout: server.header_timeout,
            body_timeout: server.body_timeout,
            connections_max: size(server.connections_max),
            requests_max: size(server.requests_in_flight_max),
            json_depth_max: size(server.json_depth_max),
            upload_expiry: server.upload_expiry,
            openai_wait: server.openai_wait,
            shutdown_grace: server.shutdown_grace,
            s3_bucket: s3.bucket.clone(),
            salestrainer: SalesTrainer::from_config(salestrainer),
        }
    }
}

impl SalesTrainer {
    fn from_config(config: &SalestrainerConfig) -> Self {
        let secrets = [&config.secret, &config.previous_secret];
        Self {
            secrets: Keys::new(secrets.into_iter().flatten().map(|secret| secret.expose())),
            callback_url: config.callback_url.as_ref().map(|url| url.as_str().to_owned()),
            wait: config.wait,
            calls_back_failures: config.call_back_failures,
        }
    }
}
