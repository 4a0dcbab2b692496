//! A host that answers by a script, and names that lead to it.

use std::collections::{BTreeMap, VecDeque};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::BoxFuture;
use hansard_net::{Client, Guard, Proxies, Resolve, Retries, Settings, Url};

/// Stands for an address on the public internet: the tests allow it.
pub(crate) const PUBLIC: &str = "127.0.0.1";

/// Stands for an address that callers must not reach.
pub(crate) const PRIVATE: &str = "127.0.0.2";

/// One step of an answer.
#[derive(Debug, Clone)]
pub(crate) enum Act {
    /// Sends these bytes.
    Send(Vec<u8>),
    /// Sends these bytes again and again until the client goes.
    Forever(Vec<u8>),
    /// Sends nothing more until the client goes.
    Hang,
}

/// Status line, headers and body in one.
pub(crate) fn answer(status: &str, headers: &[(&str, &str)], body: &[u8]) -> Vec<Act> {
    let length = body.len().to_string();
    let mut acts = head(status, &[headers, &[("content-length", &length)]].concat());
    acts.push(Act::Send(body.to_vec()));
    acts
}

/// Status line and headers.
pub(crate) fn head(status: &str, headers: &[(&str, &str)]) -> Vec<Act> {
    let mut head = format!("HTTP/1.1 {status}\r\nconnection: close\r\n");
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str("\r\n");
    vec![Act::Send(head.into_bytes())]
}

/// A redirect to `location`.
pub(crate) fn redirect(location: &str) -> Vec<Act> {
    answer("302 Found", &[("location", location)], b"elsewhere")
}

/// A request as it arrived.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    /// Method and target.
    pub(crate) line: String,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Vec<u8>,
}

/// The host. Ends when it is dropped.
pub(crate) struct Host {
    address: SocketAddr,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    script: Mutex<VecDeque<Vec<Act>>>,
    seen: Mutex<Vec<Seen>>,
    ended: AtomicBool,
}

impl Host {
    /// Answers by `script`, one entry a request, the last one for all further ones.
    pub(crate) fn start(script: impl IntoIterator<Item = Vec<Act>>) -> Self {
        Self::listening(TcpListener::bind((PUBLIC, 0)).unwrap(), script)
    }

    /// A public host, and a private one at the same port.
    pub(crate) fn start_pair(script: Vec<Vec<Act>>) -> (Self, Self) {
        for _ in 0..100 {
            let public = TcpListener::bind((PUBLIC, 0)).unwrap();
            let port = public.local_addr().unwrap().port();
            // The port may be taken at the other address: then another pair is tried.
            if let Ok(private) = TcpListener::bind((PRIVATE, port)) {
                let secret = answer("200 OK", &[], b"secret");
                return (Self::listening(public, script), Self::listening(private, [secret]));
            }
        }
        panic!("no port is free at both addresses");
    }

    fn listening(listener: TcpListener, script: impl IntoIterator<Item = Vec<Act>>) -> Self {
        let address = listener.local_addr().unwrap();
        let state = Arc::new(State {
            script: Mutex::new(script.into_iter().collect()),
            ..State::default()
        });
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            for connection in listener.incoming() {
                if shared.ended.load(Ordering::Relaxed) {
                    return;
                }
                let (Ok(connection), shared) = (connection, Arc::clone(&shared)) else { continue };
                std::thread::spawn(move || serve(connection, &shared));
            }
        });
        Self { address, state }
    }

    /// An address of the host under a name or literal.
    pub(crate) fn url_as(&self, name: &str, path: &str) -> Url {
        Url::parse(&format!("http://{name}:{}{path}", self.address.port())).unwrap()
    }

    /// An address of the host.
    pub(crate) fn url(&self, path: &str) -> Url {
        self.url_as(&self.address.ip().to_string(), path)
    }

    /// The requests so far.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        locked(&self.state.seen).clone()
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.state.ended.store(true, Ordering::Relaxed);
        // A last connection wakes the listener, which then sees that it is over.
        drop(TcpStream::connect(self.address));
    }
}

/// Reads one request and plays one entry of the script. A client that goes ends it.
fn serve(connection: TcpStream, state: &State) {
    let Ok(seen) = read(&connection) else { return };
    locked(&state.seen).push(seen);
    let acts = {
        let mut script = locked(&state.script);
        if script.len() > 1 { script.pop_front() } else { script.front().cloned() }
    };
    let _ = play(&connection, acts.unwrap_or_default());
}

fn play(mut connection: &TcpStream, acts: Vec<Act>) -> io::Result<()> {
    for act in acts {
        match act {
            Act::Send(bytes) => connection.write_all(&bytes)?,
            Act::Forever(bytes) => loop {
                connection.write_all(&bytes)?;
            },
            Act::Hang => {
                io::copy(&mut connection, &mut io::sink())?;
            }
        }
    }
    Ok(())
}

fn read(connection: &TcpStream) -> io::Result<Seen> {
    let mut reader = BufReader::new(connection);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let mut headers = BTreeMap::new();
    loop {
        let mut header = String::new();
        reader.read_line(&mut header)?;
        let Some((name, value)) = header.trim_end().split_once(": ") else { break };
        headers.insert(name.to_lowercase(), value.to_owned());
    }
    let length = headers.get("content-length").map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    Ok(Seen { line: line.trim_end_matches(" HTTP/1.1\r\n").to_owned(), headers, body })
}

/// Names whose addresses change with every look.
#[derive(Debug, Default)]
pub(crate) struct Names {
    answers: Mutex<BTreeMap<String, VecDeque<Vec<IpAddr>>>>,
    asked: Mutex<Vec<String>>,
}

impl Names {
    /// The next look at `name` gives these addresses, or none of them.
    pub(crate) fn next(&self, name: &str, addresses: &[&str]) {
        let addresses = addresses.iter().map(|address| address.parse().unwrap()).collect();
        locked(&self.answers).entry(name.to_owned()).or_default().push_back(addresses);
    }

    /// The names that were looked at.
    pub(crate) fn asked(&self) -> Vec<String> {
        locked(&self.asked).clone()
    }
}

impl Resolve for Names {
    fn resolve(&self, name: &str) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> {
        locked(&self.asked).push(name.to_owned());
        let addresses = locked(&self.answers).get_mut(name).and_then(VecDeque::pop_front);
        Box::pin(async move { addresses.ok_or_else(|| io::Error::other("unknown name")) })
    }
}

/// Settings by which callers reach [`PUBLIC`] only, and failures are retried at once.
pub(crate) fn settings(names: &Arc<Names>) -> Settings {
    let names = Arc::clone(names);
    Settings {
        retries: Retries {
            attempts: 3,
            first_pause: Duration::from_millis(1),
            pause_max: Duration::from_secs(5),
        },
        proxies: Proxies::Direct,
        guard: Guard { allowed: vec![format!("{PUBLIC}/32").parse().unwrap()] },
        resolver: names,
        ..Settings::default()
    }
}

/// A client with [`settings`].
pub(crate) fn client(names: &Arc<Names>) -> Client {
    Client::new(&settings(names)).unwrap()
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
