use crate::reader::Reader;
use crate::secret::Secret;
use crate::setting::{default, section, unset};
use crate::value::HttpUrl;

section! {
    /// How AWS S3, or a service that speaks its language, is reached.
    pub struct S3Config: "s3" {
        /// Region of the buckets.
        region: String = default("us-east-1").named(&["AWS_REGION", "AWS_DEFAULT_REGION"]),

        /// Bucket that callers mean who give a key alone.
        bucket: Option<String> = unset("uploads").named(&["S3_BUCKET"]),

        /// Name of the access key.
        access_key_id: Option<Secret> = unset("change-me").named(&["AWS_ACCESS_KEY_ID"]),

        /// The access key itself.
        secret_access_key: Option<Secret> = unset("change-me").named(&["AWS_SECRET_ACCESS_KEY"]),

        /// Token that belongs to a temporary access key.
        session_token: Option<Secret> = unset("change-me").named(&["AWS_SESSION_TOKEN"]),

        /// Address of a compatible service, such as MinIO.
        /// Unless set, it is AWS.
        endpoint_url: Option<HttpUrl> = unset("https://minio.example.org:9000")
            .named(&["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"]),

        /// Whether the bucket stands in the path of an address, and not in its host name.
        /// Unless set, it does with `s3.endpoint_url`.
        path_style: Option<bool> = unset("true"),

        /// Allows an `s3.endpoint_url` with `http://`, where recordings can be read on the way.
        allow_http: bool = default("false"),
    }
}

impl S3Config {
    /// Whether the bucket stands in the path of an address.
    pub fn uses_path_style(&self) -> bool {
        self.path_style.unwrap_or(self.endpoint_url.is_some())
    }

    pub(crate) fn check(&self, reader: &mut Reader) {
        let is_plain = self.endpoint_url.as_ref().is_some_and(HttpUrl::is_plain_http);
        if is_plain && !self.allow_http {
            reader.refuse_together(
                &["s3.endpoint_url", "s3.allow_http"],
                "expected https://; if the network is trusted, set s3.allow_http = true",
            );
        }
        if self.allow_http && !is_plain {
            reader.refuse_together(
                &["s3.allow_http", "s3.endpoint_url"],
                "expected an s3.endpoint_url with http://, or false",
            );
        }
        const ID: &str = "s3.access_key_id";
        const KEY: &str = "s3.secret_access_key";
        match (&self.access_key_id, &self.secret_access_key) {
            (Some(_), None) => reader.refuse_together(&[ID, KEY], "needs s3.secret_access_key too"),
            (None, Some(_)) => reader.refuse_together(&[KEY, ID], "needs s3.access_key_id too"),
            (None, None) if self.session_token.is_some() => reader.refuse_together(
                &["s3.session_token", ID, KEY],
                "needs s3.access_key_id and s3.secret_access_key too",
            ),
            (None, None) | (Some(_), Some(_)) => {}
        }
    }
}
