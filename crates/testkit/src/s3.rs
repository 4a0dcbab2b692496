//! An S3 server that is not ours: `s3s-fs`, over a temporary folder.
//!
//! It wants path-style addresses and signed requests, and takes any region. Put a [`crate::proxy::FaultyProxy`] in front
//! of it for connections that break.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use s3s::auth::SimpleAuth;
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s_fs::FileSystem;
use tempfile::TempDir;

use crate::background::Background;

/// The one access key that the server knows.
pub const ACCESS_KEY: &str = "AKIATESTKIT";

/// The secret of [`ACCESS_KEY`].
pub const SECRET_KEY: &str = "a secret/of+the testkit";

/// What a download from a bucket that does not exist is answered.
const NO_SUCH_BUCKET: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\
<Error><Code>NoSuchBucket</Code><Message>The specified bucket does not exist</Message></Error>";

/// A running server. It ends, and its buckets go, when it is dropped.
#[derive(Debug)]
pub struct S3Server {
    server: Background,
    folder: TempDir,
}

impl S3Server {
    /// Starts a server without buckets.
    pub fn start() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let files = FileSystem::new(folder.path()).expect("the folder exists");
        let mut service = S3ServiceBuilder::new(files);
        service.set_auth(SimpleAuth::from_single(ACCESS_KEY, SECRET_KEY));
        let service = service.build();
        let buckets = folder.path().to_owned();
        let router = Router::new()
            .fallback(move |request| answer(service.clone(), buckets.clone(), request));
        Self { server: Background::serve(router), folder }
    }

    /// What `AWS_ENDPOINT_URL` is to be.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address())
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// Makes an empty bucket.
    pub fn create_bucket(&self, bucket: &str) {
        fs::create_dir(self.folder.path().join(bucket)).expect("the bucket is new");
    }

    /// Puts an object into a bucket.
    pub fn put_file(&self, bucket: &str, key: &str, bytes: &[u8]) {
        let path = self.path(bucket, key);
        fs::write(path, bytes).expect("the object can be written");
    }

    /// Puts an object of so many zero bytes, which take no space on the disk.
    pub fn put_sparse(&self, bucket: &str, key: &str, bytes: u64) {
        let file = File::create(self.path(bucket, key));
        file.and_then(|file| file.set_len(bytes)).expect("the object can be written");
    }

    /// The file that is the object; its folder exists.
    pub fn path(&self, bucket: &str, key: &str) -> PathBuf {
        let bucket = self.folder.path().join(bucket);
        assert!(bucket.is_dir(), "there is no bucket {}", bucket.display());
        let path = bucket.join(key);
        fs::create_dir_all(path.parent().unwrap_or(Path::new("."))).expect("it can be made");
        path
    }
}

async fn answer(service: S3Service, buckets: PathBuf, request: Request) -> Response {
    let bucket = request.uri().path().trim_start_matches('/').split('/').next().unwrap_or_default();
    let bucket = buckets.join(bucket);
    match service.call(request.map(s3s::Body::http_body_unsync)).await {
        // For a download s3s-fs says `NoSuchKey`, where others tell that it is the bucket.
        Ok(answer) if answer.status() == StatusCode::NOT_FOUND && !bucket.exists() => {
            let xml = [(header::CONTENT_TYPE, "application/xml")];
            (StatusCode::NOT_FOUND, xml, NO_SUCH_BUCKET).into_response()
        }
        Ok(answer) => answer.map(Body::new),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error:?}")).into_response(),
    }
}
