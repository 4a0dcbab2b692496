//! What the hub says about a model. Nothing of it is trusted: names, lengths and checksums are checked before use.

use std::collections::HashSet;

use hansard_net::{Checksum, Client, Head, Request, Token, Trust, Url};
use serde::Deserialize;

use super::files::{JSON_BYTES_MAX, WEIGHTS_BYTES_MAX};
use super::names::{self, ModelId};
use super::{Error, HubConfig};

/// The largest listing; a repository has some dozens of files of which each takes a line.
const LISTING_BYTES_MAX: usize = 8 * 1024 * 1024;

/// The files of a model at one commit.
pub(super) struct Listing {
    pub(super) commit: String,
    names: HashSet<String>,
}

impl Listing {
    pub(super) fn has(&self, name: &str) -> bool {
        self.names.contains(name)
    }
}

/// A file to be fetched.
#[derive(Debug)]
pub(super) struct RemoteFile {
    pub(super) name: String,
    pub(super) size: u64,
    pub(super) checksum: Checksum,
    pub(super) request: Request,
}

/// A model on the hub.
pub(super) struct Remote<'a> {
    client: &'a Client,
    endpoint: &'a Url,
    token: Option<&'a Token>,
    id: &'a ModelId,
}

#[derive(Deserialize)]
struct RawListing {
    sha: String,
    siblings: Vec<Sibling>,
}

#[derive(Deserialize)]
struct Sibling {
    rfilename: String,
}

impl<'a> Remote<'a> {
    pub(super) fn new(
        client: &'a Client,
        config: &'a HubConfig,
        id: &'a ModelId,
    ) -> Result<Self, Error> {
        Ok(Self { client, endpoint: &config.endpoint, token: config.access.token()?, id })
    }

    /// The commit that the revision is at, and its files.
    pub(super) fn list(&self) -> Result<Listing, Error> {
        let path = ["api", "models", &self.id.owner, &self.id.name, "revision", self.id.revision()];
        let request = self.request(&path)?;
        let body = hansard_net::wait(self.client.fetch(&request, LISTING_BYTES_MAX));
        let body = body.map_err(|error| match error.status() {
            Some(401 | 403 | 404) => Error::UnknownModel { model: self.id.to_string() },
            _ => Error::Net(error),
        })?;
        let raw: RawListing = serde_json::from_slice(&body)
            .map_err(|error| self.nonsense(format!("the list of files: {error}")))?;
        if !names::is_commit(&raw.sha) {
            return Err(self.nonsense("the list of files names no commit"));
        }
        let names = raw.siblings.into_iter().map(|sibling| sibling.rfilename).collect();
        Ok(Listing { commit: raw.sha, names })
    }

    /// Length and checksum of the file `name`, a plain name, at `commit`.
    pub(super) fn file(&self, commit: &str, name: &str) -> Result<RemoteFile, Error> {
        let path = [&self.id.owner, &self.id.name, "resolve", commit, name];
        let request = self.request(&path)?;
        let head = hansard_net::wait(self.client.head(&request));
        let head = head.map_err(|error| match error.status() {
            Some(401 | 403) => Error::Gated { model: self.id.to_string() },
            _ => Error::Net(error),
        })?;
        let size = header(&head, "x-linked-size", "content-length");
        let size = size.and_then(|size| size.parse().ok());
        let size = size.ok_or_else(|| self.nonsense(format!("no length of {name}")))?;
        let limit = if name.ends_with(".json") { JSON_BYTES_MAX } else { WEIGHTS_BYTES_MAX };
        if size > limit {
            return Err(self.nonsense(format!("{name} with {size} bytes is too large")));
        }
        let etag = header(&head, "x-linked-etag", "etag").unwrap_or_default();
        let checksum = Checksum::parse(etag.trim_start_matches("W/").trim_matches('"'));
        let checksum = checksum.ok_or_else(|| self.nonsense(format!("no checksum of {name}")))?;
        Ok(RemoteFile { name: name.to_owned(), size, checksum, request })
    }

    /// A request for an address below the endpoint, in the name of the token's owner if there is one.
    fn request(&self, parts: &[&str]) -> Result<Request, Error> {
        let request = Request::new(self.address(parts)?, Trust::Operator);
        Ok(match self.token {
            Some(token) => request.bearer(token),
            None => request,
        })
    }

    /// An address below the endpoint. Slashes within a part are escaped, as the hub wants those of a revision.
    fn address(&self, parts: &[&str]) -> Result<Url, Error> {
        let mut url = self.endpoint.clone();
        match url.path_segments_mut() {
            Ok(mut path) => path.pop_if_empty().extend(parts),
            Err(()) => return Err(Error::Endpoint),
        };
        Ok(url)
    }

    pub(super) fn nonsense(&self, reason: impl Into<String>) -> Error {
        Error::Answer { model: self.id.to_string(), reason: reason.into() }
    }
}

/// Large files have headers of their own, because the plain ones may speak of the redirect.
fn header<'a>(head: &'a Head, large: &str, plain: &str) -> Option<&'a str> {
    head.header(large).or_else(|| head.header(plain))
}
