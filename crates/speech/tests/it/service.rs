//! A service that speaks OpenAI's audio API, hears with the fake engine, and misbehaves on request.

use std::collections::{BTreeMap, VecDeque};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hansard_domain::language;
use hansard_domain::transcript::{Segment, Transcript};
use hansard_media::Pcm;
use hansard_net::{Proxies, Retries, Settings, Token};
use hansard_speech::fake::Fake;
use hansard_speech::openai::{Config, OpenAi};
use hansard_speech::{Cancel, Options, Silent, Transcriber};
use serde_json::{Value, json};

/// The key that the tests use.
pub(crate) const KEY: &str = "sk-secret";

/// What happens instead of one answer.
#[derive(Debug, Clone)]
pub(crate) enum Fault {
    /// This status, these headers, this body.
    Answer(u16, &'static str, String),
    /// The connection ends in the middle of the right answer.
    Cut,
    /// Nothing comes until the client goes.
    Hang,
    /// A body without end.
    Endless,
}

/// A request as it arrived.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) path: String,
    pub(crate) authorization: Option<String>,
    /// The fields of the form; the file is not among them.
    pub(crate) fields: Vec<(String, String)>,
    /// Samples of the file.
    pub(crate) samples: usize,
    /// Bytes of the whole body.
    pub(crate) bytes: usize,
}

impl Seen {
    /// The values of a field.
    pub(crate) fn field(&self, name: &str) -> Vec<&str> {
        let named = self.fields.iter().filter(|(known, _)| known == name);
        named.map(|(_, value)| value.as_str()).collect()
    }
}

/// The service. Ends when it is dropped.
pub(crate) struct Service {
    address: SocketAddr,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    faults: Mutex<VecDeque<Fault>>,
    seen: Mutex<Vec<Seen>>,
    ended: AtomicBool,
    /// Thrown when a request has arrived.
    on_request: Mutex<Option<Cancel>>,
}

impl Service {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::<State>::default();
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            for connection in listener.incoming() {
                if shared.ended.load(Ordering::Relaxed) {
                    return;
                }
                let (Ok(connection), shared) = (connection, Arc::clone(&shared)) else { continue };
                // A client that goes in the middle is part of the tests.
                std::thread::spawn(move || serve(&connection, &shared));
            }
        });
        Self { address, state }
    }

    /// Lets the next answers go wrong, one after the other.
    pub(crate) fn next(self, faults: impl IntoIterator<Item = Fault>) -> Self {
        locked(&self.state.faults).extend(faults);
        self
    }

    /// Throws this switch as soon as a request has arrived.
    pub(crate) fn cancel_on_request(&self, cancel: &Cancel) {
        *locked(&self.state.on_request) = Some(cancel.clone());
    }

    /// The requests so far.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        locked(&self.state.seen).clone()
    }

    /// Half a minute a piece, three attempts without pauses, and the key.
    pub(crate) fn config(&self) -> Config {
        let base_url = format!("http://{}/v1", self.address).parse().unwrap();
        let network = Settings {
            retries: Retries {
                attempts: 3,
                first_pause: Duration::from_millis(1),
                pause_max: Duration::from_secs(60),
            },
            proxies: Proxies::Direct,
            ..Settings::default()
        };
        Config {
            piece: Duration::from_secs(30),
            network,
            ..Config::new(base_url, Some(Token::new(KEY).unwrap()), "whisper-1")
        }
    }

    /// An engine that asks this service.
    pub(crate) fn engine(&self) -> OpenAi {
        OpenAi::new(self.config()).unwrap()
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.state.ended.store(true, Ordering::Relaxed);
        // A last connection wakes the listener, which then sees that it is over.
        drop(TcpStream::connect(self.address));
    }
}

/// Answers one request.
fn serve(mut connection: &TcpStream, state: &State) -> io::Result<()> {
    let (path, headers, body) = read(connection)?;
    let boundary = headers["content-type"].split_once("boundary=").unwrap().1;
    let (fields, samples) = form(&body, boundary);
    let seen = Seen {
        path,
        authorization: headers.get("authorization").cloned(),
        fields,
        samples: samples.len(),
        bytes: body.len(),
    };
    locked(&state.seen).push(seen.clone());
    if let Some(cancel) = locked(&state.on_request).take() {
        cancel.cancel();
    }
    let fault = locked(&state.faults).pop_front();
    let heard = || answer(200, "", &hear(samples, &seen).to_string());
    match fault {
        None => connection.write_all(&heard()),
        Some(Fault::Answer(status, headers, body)) => {
            connection.write_all(&answer(status, headers, &body))
        }
        Some(Fault::Cut) => {
            let heard = heard();
            connection.write_all(&heard[..heard.len() - 100])
        }
        Some(Fault::Hang) => io::copy(&mut connection, &mut io::sink()).map(|_| ()),
        Some(Fault::Endless) => {
            connection.write_all(b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n{\"text\": \"")?;
            loop {
                connection.write_all(&[b'a'; 65_536])?;
            }
        }
    }
}

fn answer(status: u16, headers: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!(
        "HTTP/1.1 {status} It\r\nconnection: close\r\ncontent-length: {length}\r\n{headers}\r\n{body}"
    )
    .into_bytes()
}

/// What the fake engine hears, as `verbose_json`.
fn hear(samples: Vec<f32>, seen: &Seen) -> Value {
    let options = Options { vad: false, word_timestamps: true, ..Options::default() };
    let recording = Pcm::new("piece", samples);
    let heard = Fake::new()
        .transcribe(&recording, &options, None, &Cancel::default(), &mut Silent)
        .unwrap();
    let mut reply = json!({
        "task": "transcribe",
        "language": heard.language.as_deref().and_then(language::name_of),
        "duration": heard.duration,
        "text": heard.text(),
        "segments": heard.segments.iter().enumerate().map(segment).collect::<Vec<_>>(),
    });
    if seen.field("timestamp_granularities[]").contains(&"word") {
        reply["words"] = words(&heard);
    }
    reply
}

fn segment((number, segment): (usize, &Segment)) -> Value {
    json!({
        "id": number, "seek": 0, "start": segment.start, "end": segment.end, "text": segment.text,
        "tokens": segment.tokens, "temperature": segment.temperature,
        "avg_logprob": segment.average_log_probability,
        "compression_ratio": segment.compression_ratio,
        "no_speech_prob": segment.no_speech_probability,
    })
}

/// Words as OpenAI gives them: without spaces and marks.
fn words(heard: &Transcript) -> Value {
    let words = heard.segments.iter().flat_map(|segment| &segment.words);
    let bare = |text: &str| text.trim_matches(|c: char| !c.is_alphanumeric()).to_owned();
    let word = |word: &hansard_domain::transcript::Word| json!({"word": bare(&word.text), "start": word.start, "end": word.end});
    words.map(word).collect()
}

/// The text fields of a form, and the samples of its file.
fn form(body: &[u8], boundary: &str) -> (Vec<(String, String)>, Vec<f32>) {
    let delimiter = format!("--{boundary}").into_bytes();
    let starts: Vec<usize> =
        (0..body.len()).filter(|&at| body[at..].starts_with(&delimiter)).collect();
    let (mut fields, mut samples) = (Vec::new(), Vec::new());
    for pair in starts.windows(2) {
        let part = &body[pair[0] + delimiter.len() + 2..pair[1] - 2];
        let end = part.windows(4).position(|bytes| bytes == b"\r\n\r\n").unwrap();
        let head = String::from_utf8_lossy(&part[..end]);
        let name = head.split("name=\"").nth(1).unwrap().split('"').next().unwrap();
        let value = &part[end + 4..];
        if name == "file" {
            assert!(value.starts_with(b"RIFF") && head.contains("Content-Type: audio/wav"));
            let values = value[44..].chunks_exact(2);
            samples = values
                .map(|pair| f32::from(i16::from_le_bytes([pair[0], pair[1]])) / 32_767.0)
                .collect();
        } else {
            fields.push((name.to_owned(), String::from_utf8(value.to_vec()).unwrap()));
        }
    }
    (fields, samples)
}

type Arrived = (String, BTreeMap<String, String>, Vec<u8>);

fn read(connection: &TcpStream) -> io::Result<Arrived> {
    let mut reader = BufReader::new(connection);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let path = line.split(' ').nth(1).unwrap_or_default().to_owned();
    let mut headers = BTreeMap::new();
    loop {
        let mut header = String::new();
        reader.read_line(&mut header)?;
        let Some((name, value)) = header.trim_end().split_once(": ") else { break };
        headers.insert(name.to_lowercase(), value.to_owned());
    }
    if headers.is_empty() {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let mut body = vec![0; headers["content-length"].parse().unwrap()];
    reader.read_exact(&mut body)?;
    Ok((path, headers, body))
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
