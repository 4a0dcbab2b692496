//! What is sent and what comes back, and hosts that keep us waiting.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use hansard_net::{Body, Call, Client, Error, Form, Request, Settings, Trust};
use http_body_util::{BodyExt, Full};

use crate::host::{Act, Host, Names, answer, client, head, settings};

fn anybody() -> Client {
    client(&Arc::new(Names::default()))
}

fn impatient(idle_timeout: Duration) -> Client {
    let settings = settings(&Arc::new(Names::default()));
    Client::new(&Settings { idle_timeout, ..settings }).unwrap()
}

fn request(host: &Host) -> Request {
    Request::new(host.url("/"), Trust::Operator)
}

/// Reads an answer to its end, wherever the call fails.
async fn whole(client: &Client, request: Request) -> Result<(), Error> {
    let mut answer = client.send(Call::get(request)).await?;
    while answer.chunk().await?.is_some() {}
    Ok(())
}

#[tokio::test]
async fn any_status_is_an_answer() {
    let host = Host::start([
        answer("410 Gone", &[("retry-after", "7")], b"no more"),
        answer("503 Busy", &[("retry-after", "Sun, 06 Nov 1994 08:49:37 GMT")], b""),
    ]);

    let gone = anybody().send(Call::get(request(&host))).await.unwrap();
    let busy = anybody().send(Call::get(request(&host))).await.unwrap();

    assert_eq!((gone.status().as_u16(), gone.retry_after()), (410, Some(Duration::from_secs(7))));
    assert_eq!(&gone.beginning(2).await[..], b"no");
    assert_eq!((busy.status().as_u16(), busy.retry_after()), (503, Some(Duration::ZERO)));
}

#[tokio::test]
async fn an_endless_body_is_bounded() {
    let mut endless = head("200 OK", &[]);
    endless.push(Act::Forever(vec![b'x'; 1000]));
    let host = Host::start([endless]);

    let client = anybody();
    let call = || client.send(Call::get(request(&host)));
    let outcome = call().await.unwrap().bytes(100_000).await;
    assert!(matches!(outcome, Err(Error::TooLarge { limit: 100_000, .. })), "{outcome:?}");
    assert_eq!(call().await.unwrap().beginning(5000).await.len(), 5000);
    let mut answer = call().await.unwrap();
    assert!(!answer.chunk().await.unwrap().unwrap().is_empty());
}

#[tokio::test]
async fn a_body_that_admits_its_length_is_not_even_begun() {
    let mut long = head("200 OK", &[("content-length", "1000000000000")]);
    long.push(Act::Hang);
    let host = Host::start([long]);

    let answer = anybody().send(Call::get(request(&host))).await.unwrap();

    assert!(matches!(answer.bytes(1000).await, Err(Error::TooLarge { .. })));
}

#[tokio::test]
async fn compressed_bytes_come_as_they_were_sent() {
    // A gzip of ten bytes; what matters is that nobody unpacks it.
    let bomb: Vec<u8> = [&[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3][..], &[7; 40]].concat();
    for encoding in ["gzip", "br", "deflate", "zstd"] {
        let host = Host::start([answer("200 OK", &[("content-encoding", encoding)], &bomb)]);

        let answer = anybody().send(Call::get(request(&host))).await.unwrap();

        assert_eq!(answer.header("content-encoding"), Some(encoding));
        assert_eq!(answer.bytes(1000).await.unwrap(), bomb);
        assert_eq!(host.seen()[0].headers["accept-encoding"], "identity");
    }
}

#[tokio::test]
async fn a_silent_host_is_given_up() {
    let mut half = head("200 OK", &[("content-length", "10")]);
    half.extend([Act::Send(b"half".to_vec()), Act::Hang]);
    let host = Host::start([vec![Act::Hang], half]);
    let client = impatient(Duration::from_millis(50));

    for _ in 0..2 {
        let outcome = whole(&client, request(&host)).await;
        assert!(matches!(outcome, Err(Error::Timeout { .. })), "{outcome:?}");
    }
}

#[tokio::test]
async fn a_whole_call_has_an_end() {
    let mut endless = head("200 OK", &[]);
    endless.push(Act::Forever(vec![b'x'; 1000]));
    let host = Host::start([endless, vec![Act::Hang]]);
    let soon = Duration::from_millis(100);

    for _ in 0..2 {
        let outcome = whole(&anybody(), request(&host).within(soon)).await;
        assert!(matches!(outcome, Err(Error::Timeout { .. })), "{outcome:?}");
    }
}

#[tokio::test]
async fn a_host_that_takes_nothing_is_given_up() {
    // More than the system keeps for a connection.
    let body = Bytes::from(vec![0; 64 * 1024 * 1024]);
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap()).parse().unwrap();
    let client = impatient(Duration::from_millis(100));

    let call = Call::post(Request::new(url, Trust::Operator), Body::bytes(body));
    let outcome = client.send(call).await;

    assert!(matches!(outcome, Err(Error::Timeout { .. })), "{outcome:?}");
}

#[tokio::test]
async fn a_cut_connection_is_told_from_silence() {
    let mut cut = head("200 OK", &[("content-length", "10")]);
    cut.push(Act::Send(b"half".to_vec()));
    let host = Host::start([vec![], cut]);

    let outcome = anybody().send(Call::get(request(&host))).await;
    assert!(matches!(outcome, Err(Error::Broken { .. })), "{outcome:?}");
    let answer = anybody().send(Call::get(request(&host))).await.unwrap();
    let outcome = answer.bytes(100).await;
    assert!(matches!(outcome, Err(Error::Broken { .. })), "{outcome:?}");
    assert!(outcome.unwrap_err().is_passing());
}

#[tokio::test]
async fn a_stream_is_sent_with_its_length() {
    let host = Host::start([answer("200 OK", &[], b"")]);
    let parts = ["one ", "two ", "three"].map(|part| Ok(Bytes::from_static(part.as_bytes())));

    let call = Call::post(request(&host), Body::stream(13, stream::iter(parts)));
    anybody().send(call).await.unwrap();

    let seen = &host.seen()[0];
    assert_eq!(seen.body, b"one two three");
    assert_eq!(seen.headers["content-length"], "13");
    assert!(!seen.headers.contains_key("transfer-encoding"));
}

#[tokio::test]
async fn a_stream_that_fails_fails_the_call() {
    let host = Host::start([answer("200 OK", &[], b"")]);
    let parts = [Ok(Bytes::from_static(b"one")), Err(io::Error::other("the disk is gone"))];

    let call = Call::post(request(&host), Body::stream(13, stream::iter(parts)));
    let outcome = anybody().send(call).await;

    assert!(matches!(outcome, Err(Error::Broken { .. })), "{outcome:?}");
}

#[tokio::test]
async fn a_form_has_text_and_files() {
    let host = Host::start([answer("200 OK", &[], b"")]);
    let form = Form::new()
        .unwrap()
        .text("model", "whisper-1")
        .text("timestamp_granularities[]", "word")
        .file("file", "a \"b\"\r\n.wav", "audio/wav", Bytes::from_static(b"RIFF"));

    anybody().send(Call::post(request(&host), Body::form(form))).await.unwrap();

    let seen = &host.seen()[0];
    let kind = &seen.headers["content-type"];
    let boundary = kind.strip_prefix("multipart/form-data; boundary=").unwrap();
    let expected = format!(
        "--{boundary}\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nwhisper-1\r\n\
         --{boundary}\r\nContent-Disposition: form-data; name=\"timestamp_granularities[]\"\r\n\r\nword\r\n\
         --{boundary}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a %22b%22%0D%0A.wav\"\r\n\
         Content-Type: audio/wav\r\n\r\nRIFF\r\n--{boundary}--\r\n"
    );
    assert_eq!(String::from_utf8_lossy(&seen.body), expected);
}

#[tokio::test]
async fn a_library_brings_its_own_request() {
    let host = Host::start([answer("206 Partial Content", &[("etag", "\"1\"")], b"streamed")]);
    let body = Full::new(Bytes::from_static(b"payload"));
    let request = http::Request::put(host.url("/bucket/key").as_str())
        .header("authorization", "AWS4-HMAC-SHA256 Credential=x")
        .body(body)
        .unwrap();

    let response = anybody().execute(request, Trust::Operator).await.unwrap();

    assert_eq!(
        (response.status().as_u16(), &response.headers()["etag"]),
        (206, &"\"1\"".parse().unwrap())
    );
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "streamed");
    let seen = &host.seen()[0];
    assert_eq!((seen.line.as_str(), &seen.body[..]), ("PUT /bucket/key", &b"payload"[..]));
    assert_eq!(seen.headers["content-length"], "7");
}
