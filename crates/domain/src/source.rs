//! Where a recording comes from, and who is told of its transcript.

/// Where the media of a recording come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// The caller sent the bytes.
    Upload {
        /// The name that the caller's file had: for people, never for a path.
        file_name: Option<String>,
    },
    /// An object in a bucket of the configured S3 account.
    S3 {
        /// The bucket.
        bucket: String,
        /// The object's key.
        key: String,
    },
    /// A page on the web, by https.
    Url {
        /// The address.
        url: String,
    },
}

impl Source {
    /// The name of every kind.
    pub const KINDS: [&'static str; 3] = ["upload", "s3", "url"];

    /// The kind's name on the wire.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Upload { .. } => "upload",
            Self::S3 { .. } => "s3",
            Self::Url { .. } => "url",
        }
    }
}

/// Who is called when a job has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Callback {
    /// The address.
    pub url: String,
    /// Whether the operator configured the address; a caller's is checked against private networks.
    pub is_configured: bool,
    /// Whether failures are told as well.
    pub on_failure: bool,
    /// What is sent.
    pub format: CallbackFormat,
}

/// The body of a callback.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CallbackFormat {
    /// The event, as webhook endpoints get it.
    Event,
    /// What the WordPress plugin of SalesTrainer expects.
    SalesTrainer {
        /// Echoed.
        session_id: Option<String>,
        /// Echoed.
        scenario_id: Option<i64>,
        /// Echoed: the key that was asked for.
        object_key: String,
    },
}
