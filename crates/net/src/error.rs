//! What can go wrong on the way out.

use std::error::Error as _;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use reqwest::Url;

use crate::names::Refused;
use crate::retry::is_passing_status;

/// Why something could not be fetched.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The client could not be made: the proxy settings or the certificates are unusable.
    #[error("the proxy or TLS settings cannot be used")]
    Setup(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The file of authorities to trust cannot be read, or has no certificate that can be used.
    #[error("{} has no certificates to trust", path.display())]
    Authorities {
        /// The file.
        path: PathBuf,
        /// What is wrong with it; nothing if it has no certificate of an authority.
        #[source]
        source: Option<rustls::pki_types::pem::Error>,
    },
    /// No runtime could be started, as when threads or file handles have run out.
    #[error("no runtime for network access could be started")]
    Runtime(#[source] io::Error),
    /// The address is not one that we would call.
    #[error("the address cannot be called: {reason}")]
    Url {
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A caller's destination is not on the public internet, nor in a range that the operator allows.
    #[error("{host} is not at a public address")]
    Forbidden {
        /// The host, with its port if it is an unusual one.
        host: String,
    },
    /// A token with characters that HTTP does not allow.
    #[error("the access token has characters that a token cannot have")]
    Token,
    /// Nobody answers at that host: name unknown, connection refused, certificate not trusted.
    #[error("cannot connect to {host}")]
    Connect {
        /// The host, with its port if it is an unusual one.
        host: String,
        /// What the connection said.
        #[source]
        source: reqwest::Error,
    },
    /// The host was silent for too long.
    #[error("{host} did not answer in time")]
    Timeout {
        /// The host, with its port if it is an unusual one.
        host: String,
    },
    /// The connection ended before the answer did.
    #[error("the connection to {host} broke off")]
    Broken {
        /// The host, with its port if it is an unusual one.
        host: String,
        /// What the connection said; an orderly end that came too early says nothing.
        #[source]
        source: Option<reqwest::Error>,
    },
    /// More than ten redirects, or one from HTTPS to HTTP.
    #[error("{host} redirects without end or to an unencrypted address")]
    Redirect {
        /// The host, with its port if it is an unusual one.
        host: String,
    },
    /// An answer that is not a success.
    #[error("{address} answered with status {status}")]
    Status {
        /// The address that was asked, without its query.
        address: String,
        /// The HTTP status.
        status: u16,
        /// In how many seconds the host wants to be asked again.
        retry_after: Option<u64>,
    },
    /// More bytes than expected.
    #[error("{address} sends more than {limit} bytes")]
    TooLarge {
        /// The address that was asked, without its query.
        address: String,
        /// The bytes that were expected at most.
        limit: u64,
    },
    /// A compressed file although none was asked for: its real length cannot be told.
    #[error("{address} sends compressed bytes, which were not asked for")]
    Compressed {
        /// The address that was asked, without its query.
        address: String,
    },
    /// What arrived is not what was promised. Nothing of it was kept.
    #[error("{address} sent bytes with checksum {actual} instead of {expected}")]
    Checksum {
        /// The address that was asked, without its query.
        address: String,
        /// The promised checksum, in hexadecimal digits.
        expected: String,
        /// The checksum of what arrived.
        actual: String,
    },
    /// The disk has no room for the file.
    #[error("no space left on the disk for {}", path.display())]
    DiskFull {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The file could not be written or read.
    #[error("cannot write {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

impl Error {
    /// Whether the host could not be reached at all, as on a machine without a network.
    pub fn is_unreachable(&self) -> bool {
        matches!(self, Self::Connect { .. } | Self::Timeout { .. } | Self::Broken { .. })
    }

    /// Whether the same call may succeed later: cut and refused connections, silence, 408, 425, 429 and most of 5xx.
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Connect { .. } | Self::Timeout { .. } | Self::Broken { .. } => true,
            Self::Status { status, .. } => is_passing_status(*status),
            _ => false,
        }
    }

    /// How long the host wants to be left alone, if it said so.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Status { retry_after, .. } => retry_after.map(Duration::from_secs),
            _ => None,
        }
    }

    /// The HTTP status, when there was an answer that was not a success.
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Status { status, .. } => Some(*status),
            _ => None,
        }
    }

    /// What a failed call to `url` means. Addresses stay out of the source: they may hold secrets in their query.
    pub(crate) fn of_call(url: &Url, error: reqwest::Error) -> Self {
        let host = host_of(url);
        let source = error.without_url();
        if was_refused(&source) {
            Self::Forbidden { host }
        } else if source.is_timeout() {
            Self::Timeout { host }
        } else if source.is_connect() {
            Self::Connect { host, source }
        } else {
            Self::Broken { host, source: Some(source) }
        }
    }

    /// What a failed operation on the file at `path` means.
    pub(crate) fn of_file(path: &Path, source: io::Error) -> Self {
        let path = path.to_owned();
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                Self::DiskFull { path, source }
            }
            _ => Self::File { path, source },
        }
    }
}

/// Whether the guard let no address through.
fn was_refused(error: &reqwest::Error) -> bool {
    let mut cause = error.source();
    while let Some(error) = cause {
        if error.is::<Refused>() {
            return true;
        }
        cause = error.source();
    }
    false
}

/// The host of `url` for people, with its port if that is not the scheme's own.
pub(crate) fn host_of(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    match url.port() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    }
}

/// `url` for people: neither user, password, query nor fragment.
pub(crate) fn shown(url: &Url) -> String {
    format!("{}://{}{}", url.scheme(), host_of(url), url.path())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_shown_without_its_secrets() {
        let url = Url::parse("https://ana:pw@cdn.example:8443/a/b?sig=abc#top").unwrap();

        assert_eq!(shown(&url), "https://cdn.example:8443/a/b");
        assert_eq!(host_of(&url), "cdn.example:8443");
    }

    #[test]
    fn a_full_disk_is_told_from_other_trouble() {
        let full = Error::of_file(Path::new("m/x"), io::ErrorKind::StorageFull.into());
        let denied = Error::of_file(Path::new("m/x"), io::ErrorKind::PermissionDenied.into());

        assert_eq!(full.to_string(), "no space left on the disk for m/x");
        assert_eq!(denied.to_string(), "cannot write m/x");
    }
}
