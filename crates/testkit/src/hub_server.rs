//! A local server that speaks as much of the Hugging Face hub's API as pulling a model needs, and misbehaves on request.
//!
//! It listens twice: as the hub, which lists files and serves small ones, and as the network that delivers large ones, to
//! which the hub redirects. Requests in proxy form (`GET http://other.example/...`) are answered too, so that it can be
//! its own proxy. What it saw is kept for the test to look at.

mod answers;
mod http;

use std::collections::{BTreeMap, VecDeque};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use answers::Place;

/// The commit that every repository here is at.
pub const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

/// The model among the fixtures, a whole one.
pub fn fixture_model() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/model")
}

/// What goes wrong with one answer that has a file as its body.
#[derive(Debug, Clone)]
pub enum Fault {
    /// The connection ends after so many bytes of the body.
    Cut(usize),
    /// An error instead, with `Retry-After` if given.
    Status(u16, Option<String>),
    /// One byte is another.
    WrongByte,
    /// A range is asked for, and the whole file sent.
    IgnoreRange,
    /// Nothing comes, and the connection stays open until the client goes.
    Silence,
}

/// A request as it arrived.
#[derive(Debug, Clone)]
pub struct Seen {
    /// Whether the network that delivers large files was asked, rather than the hub.
    pub by_cdn: bool,
    /// `GET` or `HEAD`.
    pub method: String,
    /// The path with its query; in proxy form the whole address.
    pub target: String,
    /// Header values by lower-case name.
    pub headers: BTreeMap<String, String>,
}

/// A repository of the hub.
#[derive(Debug, Clone, Default)]
pub struct Repository {
    files: BTreeMap<String, Arc<[u8]>>,
    token: Option<String>,
}

impl Repository {
    /// Has the files of a folder, without those in folders below it.
    pub fn of_folder(folder: &Path) -> Self {
        let entries = std::fs::read_dir(folder).expect("the folder can be listed");
        let mut repository = Self::default();
        for entry in entries {
            let entry = entry.expect("the folder can be listed");
            let name = entry.file_name().into_string().expect("fixtures have plain names");
            let bytes = std::fs::read(entry.path()).expect("the file can be read");
            repository = repository.with(&name, bytes);
        }
        repository
    }

    /// Has this file too, under whatever name.
    pub fn with(mut self, name: &str, bytes: impl Into<Vec<u8>>) -> Self {
        self.files.insert(name.to_owned(), bytes.into().into());
        self
    }

    /// Does not have this file.
    pub fn without(mut self, name: &str) -> Self {
        self.files.remove(name);
        self
    }

    /// Serves files to the owner of this token only. Anybody may list them.
    pub fn gated(mut self, token: &str) -> Self {
        self.token = Some(token.to_owned());
        self
    }
}

/// The server. Ends when it is dropped.
#[derive(Debug)]
pub struct HubServer {
    hub: SocketAddr,
    cdn: SocketAddr,
    state: Arc<State>,
}

/// What both listeners share.
#[derive(Debug, Default)]
struct State {
    repositories: Mutex<BTreeMap<String, Repository>>,
    faults: Mutex<BTreeMap<String, VecDeque<Fault>>>,
    seen: Mutex<Vec<Seen>>,
    ended: AtomicBool,
}

impl HubServer {
    /// Starts on free local ports, with the fixture model as `openai/whisper-tiny`.
    pub fn start() -> Self {
        let hub = TcpListener::bind("127.0.0.1:0").expect("a local port is free");
        let cdn = TcpListener::bind("127.0.0.1:0").expect("a local port is free");
        let server = Self {
            hub: hub.local_addr().expect("a listener has an address"),
            cdn: cdn.local_addr().expect("a listener has an address"),
            state: Arc::default(),
        };
        let cdn_url = format!("http://{}", server.cdn);
        server.listen(hub, Place::Hub { cdn_url });
        server.listen(cdn, Place::Cdn);
        server.publish("openai/whisper-tiny", Repository::of_folder(&fixture_model()));
        server
    }

    /// What `HF_ENDPOINT` is to be.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.hub)
    }

    /// Adds or replaces a repository.
    pub fn publish(&self, id: &str, repository: Repository) {
        locked(&self.state.repositories).insert(id.to_owned(), repository);
    }

    /// Lets the next answer whose body is `file` go wrong; `api` means the listing. Faults of one file come one after the
    /// other.
    pub fn next(&self, file: &str, fault: Fault) {
        locked(&self.state.faults).entry(file.to_owned()).or_default().push_back(fault);
    }

    /// The requests so far, in order.
    pub fn seen(&self) -> Vec<Seen> {
        locked(&self.state.seen).clone()
    }

    /// The requests so far that asked for the bytes of a file.
    pub fn downloads(&self) -> Vec<Seen> {
        let seen = self.seen().into_iter();
        seen.filter(|seen| {
            let is_file = seen.target.contains("/resolve/") || seen.target.contains("/blob/");
            seen.method == "GET" && is_file
        })
        .collect()
    }

    fn listen(&self, listener: TcpListener, place: Place) {
        let state = Arc::clone(&self.state);
        thread::spawn(move || {
            for connection in listener.incoming() {
                if state.ended.load(Ordering::Relaxed) {
                    return;
                }
                let Ok(connection) = connection else { continue };
                let (state, place) = (Arc::clone(&state), place.clone());
                thread::spawn(move || serve(connection, &place, &state));
            }
        });
    }
}

impl Drop for HubServer {
    fn drop(&mut self) {
        self.state.ended.store(true, Ordering::Relaxed);
        // A last connection wakes each listener, which then sees that it is over.
        for address in [self.hub, self.cdn] {
            drop(TcpStream::connect(address));
        }
    }
}

/// Answers requests until one side hangs up.
fn serve(mut connection: TcpStream, place: &Place, state: &State) {
    let mut unread = Vec::new();
    while let Some((method, target, headers)) = http::read(&mut connection, &mut unread) {
        let by_cdn = matches!(place, Place::Cdn);
        let seen = Seen { by_cdn, method, target, headers };
        locked(&state.seen).push(seen.clone());
        let answer = place.answer(&seen, state);
        if http::write(&mut connection, &seen, answer).is_none() {
            return;
        }
    }
}

/// A test that failed while it held the lock must not hide its own message behind another panic.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
