//! What the hub and its delivery network say.

use std::sync::Arc;

use ring::digest;
use serde_json::json;

use super::http::Answer;
use super::{COMMIT, Repository, Seen, State, locked};

/// Files of at least this many bytes are kept as large files, named by SHA-256 and delivered by the other listener.
const LARGE_BYTES: usize = 256 * 1024;

/// Which of the two listeners answers.
#[derive(Debug, Clone)]
pub(super) enum Place {
    Hub { cdn_url: String },
    Cdn,
}

impl Place {
    pub(super) fn answer(&self, request: &Seen, state: &State) -> Answer {
        let path = path_of(&request.target);
        match self {
            // As a proxy the hub reaches the delivery network too.
            Self::Hub { .. } if request.target.contains("://") && path.starts_with("/blob/") => {
                cdn(&path, state)
            }
            Self::Hub { cdn_url } => hub(&path, request, cdn_url, state),
            Self::Cdn => cdn(&path, state),
        }
        .unwrap_or_else(|| Answer::new(404, "there is nothing here"))
    }
}

fn hub(path: &str, request: &Seen, cdn_url: &str, state: &State) -> Option<Answer> {
    if let Some(asked) = path.strip_prefix("/api/models/") {
        let (id, revision) = asked.split_once("/revision/")?;
        let Some(repository) = locked(&state.repositories).get(id).cloned() else {
            // The hub does not tell strangers which names exist.
            return Some(Answer::new(401, "").with("x-error-code", "RepoNotFound"));
        };
        if !is_revision(revision) {
            return Some(Answer::new(404, "").with("x-error-code", "RevisionNotFound"));
        }
        let mut answer = listing(id, &repository);
        answer.fault = fault("api", state);
        return Some(answer);
    }
    let (id, asked) = path.strip_prefix('/')?.split_once("/resolve/")?;
    let (revision, name) = asked.split_once('/')?;
    let repository = locked(&state.repositories).get(id).cloned()?;
    let bytes = repository.files.get(name).filter(|_| is_revision(revision))?;
    let expected = repository.token.as_ref().map(|token| format!("Bearer {token}"));
    if expected.is_some() && request.headers.get("authorization") != expected.as_ref() {
        let status = if request.headers.contains_key("authorization") { 403 } else { 401 };
        return Some(Answer::new(status, "").with("x-error-code", "GatedRepo"));
    }
    Some(if bytes.len() >= LARGE_BYTES {
        let name = sha256(bytes);
        Answer::new(302, "")
            .with("location", format!("{cdn_url}/blob/{name}?signature=secret"))
            .with("x-repo-commit", COMMIT)
            .with("x-linked-etag", format!("\"{name}\""))
            .with("x-linked-size", bytes.len().to_string())
    } else {
        let answer = of_file(bytes).with("x-repo-commit", COMMIT);
        let fault = (request.method == "GET").then(|| fault(name, state)).flatten();
        Answer { fault, ..answer.with("etag", format!("\"{}\"", git_blob(bytes))) }
    })
}

fn cdn(path: &str, state: &State) -> Option<Answer> {
    let wanted = path.strip_prefix("/blob/")?;
    let repositories = locked(&state.repositories).clone();
    let mut files = repositories.values().flat_map(|repository| &repository.files);
    let (name, bytes) = files.find(|(_, bytes)| sha256(bytes) == wanted)?;
    let answer = of_file(bytes).with("etag", format!("\"{wanted}\""));
    Some(Answer { fault: fault(name, state), ..answer })
}

/// The branch and the commit that it is at are all there is.
fn is_revision(revision: &str) -> bool {
    revision == "main" || revision == COMMIT
}

fn listing(id: &str, repository: &Repository) -> Answer {
    let siblings: Vec<_> =
        repository.files.keys().map(|name| json!({ "rfilename": name })).collect();
    let gated = if repository.token.is_some() { json!("auto") } else { json!(false) };
    let body =
        json!({ "id": id, "sha": COMMIT, "private": false, "gated": gated, "siblings": siblings });
    Answer::new(200, body.to_string()).with("content-type", "application/json")
}

fn of_file(bytes: &Arc<[u8]>) -> Answer {
    let answer = Answer::new(200, "").with("accept-ranges", "bytes");
    Answer { body: Arc::clone(bytes), ranges: true, ..answer }
}

fn fault(file: &str, state: &State) -> Option<super::Fault> {
    locked(&state.faults).get_mut(file)?.pop_front()
}

/// The path of a target without its query; in proxy form without scheme and host too.
fn path_of(target: &str) -> String {
    let target = target.split('?').next().unwrap_or_default();
    match target.split_once("://") {
        Some((_, rest)) => rest.split_once('/').map_or("/".into(), |(_, path)| format!("/{path}")),
        None => target.to_owned(),
    }
}

fn sha256(bytes: &[u8]) -> String {
    hex(digest::digest(&digest::SHA256, bytes))
}

fn git_blob(bytes: &[u8]) -> String {
    let mut context = digest::Context::new(&digest::SHA1_FOR_LEGACY_USE_ONLY);
    context.update(format!("blob {}\0", bytes.len()).as_bytes());
    context.update(bytes);
    hex(context.finish())
}

fn hex(digest: digest::Digest) -> String {
    digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}
