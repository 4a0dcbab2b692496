//! An S3 account: where media objects may lie, and where recordings come from.
//!
//! Requests are signed by the `object_store` crate and leave through `hansard_net`.

mod error;
mod http;
mod read;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use ::http::{HeaderMap, HeaderValue};
use hansard_net::Client;
use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::path::Path as Key;
use object_store::prefix::PrefixStore;
use object_store::{ClientOptions, GetOptions, ObjectStore, RetryConfig};

use crate::{Error, Media};

pub use error::S3Error;
pub(crate) use error::is_denied;
pub use read::S3Object;

/// Attempts after the first one, for answers that say that another may help and connections that break.
const RETRIES_MAX: usize = 4;

/// All attempts of one request end after this.
const RETRY_TIMEOUT: Duration = Duration::from_secs(60);

/// How S3 is reached.
#[derive(Clone)]
pub struct S3Settings {
    /// The region that requests are signed for.
    pub region: String,
    /// The address of an S3-compatible service; `None` for AWS.
    pub endpoint: Option<String>,
    /// Whether the bucket goes into the path, and not into the host's name.
    pub path_style: bool,
    /// Who we are.
    pub access_key_id: String,
    /// The proof of it.
    pub secret_access_key: String,
    /// What temporary credentials come with.
    pub session_token: Option<String>,
}

impl fmt::Debug for S3Settings {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { region, endpoint, path_style, .. } = self;
        let mut shown = formatter.debug_struct("S3Settings");
        shown.field("region", region).field("endpoint", endpoint).field("path_style", path_style);
        shown.finish_non_exhaustive()
    }
}

/// An S3 account. Cheap to clone.
#[derive(Debug, Clone)]
pub struct S3 {
    settings: Arc<S3Settings>,
    client: Client,
}

impl S3 {
    /// The account that `settings` describe, reached through `client`. Nothing is asked yet.
    pub fn new(settings: S3Settings, client: Client) -> Self {
        Self { settings: Arc::new(settings), client }
    }

    /// Media objects go to `bucket`, under `prefix`.
    ///
    /// # Errors
    /// [`Error::Settings`] for a bucket or endpoint that cannot be.
    pub fn media(&self, bucket: &str, prefix: &str) -> Result<Media, Error> {
        let unusable = |error: S3Error| Error::Settings(error.to_string());
        let objects = PrefixStore::new(self.bucket(bucket).map_err(unusable)?, prefix);
        Ok(Media::objects(Arc::new(objects), bucket.to_owned()))
    }

    /// Begins to read object `key` of `bucket`.
    ///
    /// # Errors
    /// Each way to fail has its own [`S3Error`].
    pub async fn open(&self, bucket: &str, key: &str) -> Result<S3Object, S3Error> {
        let objects = self.bucket(bucket)?;
        let path = Key::parse(key).map_err(|_| S3Error::Key)?;
        // What `object_store` leaves out would make it another object's key.
        if path.as_ref() != key {
            return Err(S3Error::Key);
        }
        let got = objects.get_opts(&path, GetOptions::default()).await.map_err(S3Error::of)?;
        Ok(S3Object::new(Arc::new(objects), path, got))
    }

    fn bucket(&self, bucket: &str) -> Result<AmazonS3, S3Error> {
        let S3Settings { region, endpoint, path_style, .. } = &*self.settings;
        let retry = RetryConfig {
            max_retries: RETRIES_MAX,
            retry_timeout: RETRY_TIMEOUT,
            ..RetryConfig::default()
        };
        // Answers then name the checksums that an object was stored with.
        let mut asking = HeaderMap::new();
        asking.insert("x-amz-checksum-mode", HeaderValue::from_static("ENABLED"));
        let mut builder = AmazonS3Builder::new()
            .with_bucket_name(bucket)
            .with_region(region)
            .with_access_key_id(&self.settings.access_key_id)
            .with_secret_access_key(&self.settings.secret_access_key)
            .with_virtual_hosted_style_request(!path_style)
            .with_client_options(ClientOptions::new().with_default_headers(asking))
            .with_retry(retry)
            .with_http_connector(http::Connector(self.client.clone()));
        if let Some(token) = &self.settings.session_token {
            builder = builder.with_token(token);
        }
        if let Some(endpoint) = endpoint {
            let is_plain = endpoint.starts_with("http://");
            builder = builder.with_endpoint(endpoint).with_allow_http(is_plain);
        }
        builder.build().map_err(|error| S3Error::Settings { reason: error.to_string() })
    }
}
