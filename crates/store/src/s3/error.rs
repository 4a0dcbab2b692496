//! What S3 says when it does not give an object.

use std::error::Error as StdError;

/// Why an object cannot be had. Each is something else for the person who has to do something about it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum S3Error {
    /// The bucket's name or the endpoint cannot be used.
    #[error("S3 cannot be used: {reason}")]
    Settings {
        /// What is wrong.
        reason: String,
    },
    /// A key that cannot be asked for: with a slash at its beginning or end, or with empty, `.` or `..` segments.
    #[error("an S3 key must not begin or end with a slash, nor have empty, '.' or '..' segments")]
    Key,
    /// There is no such object.
    #[error("there is no such S3 object")]
    NotFound,
    /// There is no such bucket.
    #[error("there is no such S3 bucket")]
    BucketNotFound,
    /// The access key is unknown, its secret is wrong, or the session has expired.
    #[error("S3 refuses the credentials ({code})")]
    Credentials {
        /// What S3 calls it.
        code: String,
    },
    /// The credentials are right and do not allow this.
    #[error("S3 denies access to the object")]
    Denied,
    /// S3 wants fewer requests, and still did after several attempts.
    #[error("S3 wants fewer requests")]
    Throttled,
    /// The object is another one since the download began.
    #[error("the S3 object changed while it was read")]
    Changed,
    /// What arrived is not what was stored.
    #[error("the bytes that S3 sent do not have the object's {checksum} checksum")]
    Corrupt {
        /// Which checksum.
        checksum: &'static str,
    },
    /// S3 cannot be reached, breaks off again and again, or fails.
    #[error("S3 is not available")]
    Unavailable(#[source] Box<dyn StdError + Send + Sync>),
}

impl S3Error {
    /// Whether another attempt later may succeed.
    pub fn is_passing(&self) -> bool {
        matches!(
            self,
            Self::Throttled | Self::Changed | Self::Corrupt { .. } | Self::Unavailable(_)
        )
    }

    pub(super) fn of(error: object_store::Error) -> Self {
        let code = code(&error);
        match code.as_deref() {
            Some("NoSuchBucket") => return Self::BucketNotFound,
            Some("NoSuchKey") => return Self::NotFound,
            Some("AccessDenied" | "AllAccessDisabled" | "AccountProblem") => return Self::Denied,
            Some("SlowDown" | "Throttling" | "RequestLimitExceeded" | "TooManyRequests") => {
                return Self::Throttled;
            }
            Some(
                code @ ("InvalidAccessKeyId"
                | "SignatureDoesNotMatch"
                | "ExpiredToken"
                | "InvalidToken"
                | "TokenRefreshRequired"
                | "AuthorizationHeaderMalformed"),
            ) => return Self::Credentials { code: code.to_owned() },
            _ => {}
        }
        match error {
            object_store::Error::NotFound { .. } => Self::NotFound,
            object_store::Error::Precondition { .. } => Self::Changed,
            object_store::Error::PermissionDenied { .. } => Self::Denied,
            object_store::Error::Unauthenticated { .. } => {
                Self::Credentials { code: code.unwrap_or_else(|| "Unauthorized".to_owned()) }
            }
            other => Self::Unavailable(Box::new(other)),
        }
    }
}

/// Whether S3 knows us and does not allow this: an unknown key or a wrong signature is something else.
pub(crate) fn is_denied(error: &object_store::Error) -> bool {
    code(error).as_deref() == Some("AccessDenied")
}

/// The code in the XML of S3's answer, which `object_store` keeps as text somewhere in the chain.
fn code(error: &object_store::Error) -> Option<String> {
    let mut next: Option<&dyn StdError> = Some(error);
    while let Some(error) = next {
        let text = error.to_string();
        let found = text.split_once("<Code>").and_then(|(_, rest)| rest.split_once("</Code>"));
        if let Some((code, _)) = found {
            return Some(code.to_owned());
        }
        next = error.source();
    }
    None
}
