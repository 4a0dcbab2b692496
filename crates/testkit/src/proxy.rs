//! A TCP proxy that lets connections to any server go wrong.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

/// A connection that says nothing for so long is given up.
const SILENCE_MAX: Duration = Duration::from_secs(120);

/// What an S3 server says that has too much to do.
const SLOW_DOWN: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\
<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>";

/// What goes wrong with one connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It ends after so many bytes of what the server says, heads included.
    CutAnswer(u64),
    /// It ends after so many bytes of what the client says, heads included.
    CutRequest(u64),
    /// It is answered `503` with the S3 code `SlowDown`, without asking the server.
    SlowDown,
    /// Nothing comes, until the client goes.
    Hang,
}

/// The proxy. It stops to listen when it is dropped; connections go on until one of their ends hangs up.
#[derive(Debug)]
pub struct FaultyProxy {
    address: SocketAddr,
    state: Arc<State>,
}

#[derive(Debug)]
struct State {
    target: SocketAddr,
    faults: Mutex<VecDeque<Fault>>,
    connections: AtomicUsize,
    ended: AtomicBool,
}

impl FaultyProxy {
    /// Starts on a free local port. Without faults it only passes on.
    pub fn start(target: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a local port is free");
        let address = listener.local_addr().expect("a listener has an address");
        let state = State {
            target,
            faults: Mutex::default(),
            connections: AtomicUsize::new(0),
            ended: AtomicBool::new(false),
        };
        let proxy = Self { address, state: Arc::new(state) };
        let state = Arc::clone(&proxy.state);
        thread::spawn(move || {
            for connection in listener.incoming() {
                if state.ended.load(Ordering::Relaxed) {
                    return;
                }
                let Ok(connection) = connection else { continue };
                let state = Arc::clone(&state);
                // A connection that breaks is what this is for.
                thread::spawn(move || serve(&connection, &state).unwrap_or_default());
            }
        });
        proxy
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Lets the next `count` connections go wrong, after those that are to already.
    pub fn next(&self, count: usize, fault: Fault) {
        let mut faults = self.state.faults.lock().unwrap_or_else(PoisonError::into_inner);
        faults.extend(std::iter::repeat_n(fault, count));
    }

    /// How many connections there were so far.
    pub fn connections(&self) -> usize {
        self.state.connections.load(Ordering::Relaxed)
    }
}

impl Drop for FaultyProxy {
    fn drop(&mut self) {
        self.state.ended.store(true, Ordering::Relaxed);
        // A last connection wakes the listener, which then sees that it is over.
        drop(TcpStream::connect(self.address));
    }
}

fn serve(client: &TcpStream, state: &State) -> io::Result<()> {
    state.connections.fetch_add(1, Ordering::Relaxed);
    client.set_read_timeout(Some(SILENCE_MAX))?;
    let fault = state.faults.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
    match fault {
        None => pass_on(client, state.target, u64::MAX, u64::MAX),
        Some(Fault::CutAnswer(bytes)) => pass_on(client, state.target, u64::MAX, bytes),
        Some(Fault::CutRequest(bytes)) => pass_on(client, state.target, bytes, u64::MAX),
        Some(Fault::SlowDown) => slow_down(client),
        Some(Fault::Hang) => swallow(client),
    }
}

/// Passes on both ways until one way ends or has passed on so many bytes; then both end.
fn pass_on(client: &TcpStream, target: SocketAddr, asked: u64, answered: u64) -> io::Result<()> {
    let server = TcpStream::connect(target)?;
    server.set_read_timeout(Some(SILENCE_MAX))?;
    let copy = |mut from: &TcpStream, mut to: &TcpStream, bytes: u64| {
        let copied = io::copy(&mut Read::by_ref(&mut from).take(bytes), &mut to);
        // One end that only finished speaking may still listen; a cut leaves nothing to hear.
        if copied.as_ref().is_ok_and(|copied| *copied < bytes) {
            let _ = to.shutdown(Shutdown::Write);
        } else {
            let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
        }
    };
    thread::scope(|scope| {
        scope.spawn(|| copy(client, &server, asked));
        copy(&server, client, answered);
        let _ = (client.shutdown(Shutdown::Both), server.shutdown(Shutdown::Both));
    });
    Ok(())
}

/// Answers once a request's head is there, and takes in the rest so that the client reads the answer.
fn slow_down(mut client: &TcpStream) -> io::Result<()> {
    let mut head = Vec::new();
    let mut block = [0; 4096];
    while !head.windows(4).any(|four| four == b"\r\n\r\n") {
        let count = client.read(&mut block)?;
        if count == 0 {
            return Ok(());
        }
        head.extend_from_slice(&block[..count]);
    }
    write!(
        client,
        "HTTP/1.1 503 Slow Down\r\ncontent-type: application/xml\r\nconnection: close\r\n\
         content-length: {}\r\n\r\n{SLOW_DOWN}",
        SLOW_DOWN.len()
    )?;
    client.shutdown(Shutdown::Write)?;
    swallow(client)
}

fn swallow(mut client: &TcpStream) -> io::Result<()> {
    io::copy(&mut client, &mut io::sink()).map(drop)
}
