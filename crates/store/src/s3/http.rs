//! How the `object_store` crate gets out: through the one HTTP client of Hansard.

use async_trait::async_trait;
use hansard_net::{Client, Trust};
use http::HeaderName;
use http_body_util::BodyExt;
use object_store::ClientOptions;
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse,
    HttpResponseBody, HttpService,
};

/// Checksums of a whole object, as S3 names their headers.
pub(super) const CHECKSUMS: [&str; 4] = ["crc64nvme", "crc32c", "crc32", "sha256"];

/// Object metadata that `object_store` passes on; checksums are not among what it does.
pub(super) const CHECKSUM_METADATA: &str = "hansard-checksum-";

#[derive(Debug, Clone)]
pub(super) struct Connector(pub(super) Client);

impl HttpConnector for Connector {
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(self.clone()))
    }
}

#[async_trait]
impl HttpService for Connector {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        // The bucket's host is the operator's choice; a caller chooses keys only.
        let response = self.0.execute(request, Trust::Operator).await.map_err(failed)?;
        let (mut head, body) = response.into_parts();
        for name in CHECKSUMS {
            let checksum = head.headers.get(format!("x-amz-checksum-{name}")).cloned();
            let metadata = HeaderName::try_from(format!("x-amz-meta-{CHECKSUM_METADATA}{name}"));
            if let (Some(checksum), Ok(metadata)) = (checksum, metadata) {
                head.headers.insert(metadata, checksum);
            }
        }
        Ok(HttpResponse::from_parts(head, HttpResponseBody::new(body.map_err(failed))))
    }
}

fn failed(error: hansard_net::Error) -> HttpError {
    let kind = match &error {
        hansard_net::Error::Connect { .. } => HttpErrorKind::Connect,
        hansard_net::Error::Timeout { .. } => HttpErrorKind::Timeout,
        hansard_net::Error::Broken { .. } => HttpErrorKind::Interrupted,
        _ => HttpErrorKind::Unknown,
    };
    HttpError::new(kind, error)
}
