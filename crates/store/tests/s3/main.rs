//! S3 as users meet it: the object comes whole whatever the connection does, and each refusal says what it is.

#![expect(clippy::unwrap_used, reason = "in a test that is how a failure is told")]

mod media;

use bytes::Bytes;
use futures_util::StreamExt;
use hansard_net::Client;
use hansard_store::s3::{S3, S3Error, S3Settings};
use hansard_testkit::proxy::{Fault, FaultyProxy};
use hansard_testkit::receiver::{Answer, Receiver};
use hansard_testkit::s3::{ACCESS_KEY, S3Server, SECRET_KEY};

pub(crate) fn account(endpoint: &str, secret: &str) -> S3 {
    let settings = S3Settings {
        region: "us-east-1".to_owned(),
        endpoint: Some(endpoint.to_owned()),
        path_style: true,
        access_key_id: ACCESS_KEY.to_owned(),
        secret_access_key: secret.to_owned(),
        session_token: None,
    };
    S3::new(settings, Client::new(&hansard_net::Settings::default()).unwrap())
}

fn server_with(key: &str, bytes: &[u8]) -> S3Server {
    let server = S3Server::start();
    server.create_bucket("sessions");
    server.put_file("sessions", key, bytes);
    server
}

/// Reads an object to its end.
async fn read(s3: &S3, bucket: &str, key: &str) -> Result<Vec<u8>, S3Error> {
    let mut stream = s3.open(bucket, key).await?.into_stream();
    let mut read = Vec::new();
    while let Some(piece) = stream.next().await {
        let piece: Bytes = piece?;
        read.extend_from_slice(&piece);
    }
    Ok(read)
}

fn noise(length: usize) -> Vec<u8> {
    (0..length as u64).map(|i| (i.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 56) as u8).collect()
}

#[tokio::test]
async fn an_object_is_read_whatever_its_key_looks_like() {
    let key = "uploads/2026-11/Ana & Bo – sessão 50%?.webm";
    let server = server_with(key, b"some sound");

    let bytes = read(&account(&server.endpoint(), SECRET_KEY), "sessions", key).await.unwrap();

    assert_eq!(bytes, b"some sound");
}

#[tokio::test]
async fn a_download_goes_on_where_the_connection_broke() {
    let object = noise(3_000_000);
    let server = server_with("a.webm", &object);
    let proxy = FaultyProxy::start(server.address());
    proxy.next(3, Fault::CutAnswer(700_000));

    let s3 = account(&format!("http://{}", proxy.address()), SECRET_KEY);
    let bytes = read(&s3, "sessions", "a.webm").await.unwrap();

    assert!(bytes == object, "the object came out different");
    assert_eq!(proxy.connections(), 4);
}

#[tokio::test]
async fn two_gibibytes_arrive_over_a_connection_that_breaks() {
    const SIZE: u64 = 2 << 30;
    let server = S3Server::start();
    server.create_bucket("sessions");
    server.put_sparse("sessions", "long.wav", SIZE);
    let proxy = FaultyProxy::start(server.address());
    proxy.next(1, Fault::CutAnswer(SIZE / 3));

    let s3 = account(&format!("http://{}", proxy.address()), SECRET_KEY);
    let object = s3.open("sessions", "long.wav").await.unwrap();
    assert_eq!(object.size, SIZE);
    let mut stream = object.into_stream();
    let mut read = 0;
    while let Some(piece) = stream.next().await {
        read += piece.unwrap().len() as u64;
    }

    assert_eq!(read, SIZE);
}

#[tokio::test]
async fn each_refusal_is_told_apart() {
    let server = server_with("a.webm", b"some sound");
    let s3 = account(&server.endpoint(), SECRET_KEY);
    let stranger = account(&server.endpoint(), "not the secret");

    let missing = read(&s3, "sessions", "b.webm").await.unwrap_err();
    let nowhere = read(&s3, "nowhere", "a.webm").await.unwrap_err();
    let refused = read(&stranger, "sessions", "a.webm").await.unwrap_err();
    for key in ["a//b", "/a.webm", "a.webm/", "./a.webm"] {
        let odd = read(&s3, "sessions", key).await.unwrap_err();
        assert!(matches!(odd, S3Error::Key), "{key}: {odd:?}");
    }

    assert!(matches!(missing, S3Error::NotFound), "{missing:?}");
    assert!(matches!(nowhere, S3Error::BucketNotFound), "{nowhere:?}");
    assert!(matches!(refused, S3Error::Credentials { .. }), "{refused:?}");
    assert!(![missing, nowhere, refused].iter().any(S3Error::is_passing));
}

#[tokio::test]
async fn denied_is_not_the_same_as_wrong_credentials() {
    let receiver = Receiver::start();
    let denied = "<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>";
    receiver.answer_always(Answer::status(403).body(denied));

    let error = read(&account(&receiver.url(""), SECRET_KEY), "sessions", "a").await.unwrap_err();

    assert!(matches!(error, S3Error::Denied), "{error:?}");
}

#[tokio::test]
async fn a_server_that_wants_fewer_requests_is_asked_again_a_few_times() {
    let server = server_with("a.webm", b"some sound");
    let proxy = FaultyProxy::start(server.address());
    let s3 = account(&format!("http://{}", proxy.address()), SECRET_KEY);

    proxy.next(2, Fault::SlowDown);
    assert_eq!(read(&s3, "sessions", "a.webm").await.unwrap(), b"some sound");

    proxy.next(50, Fault::SlowDown);
    let fresh = account(&format!("http://{}", proxy.address()), SECRET_KEY);
    let error = read(&fresh, "sessions", "a.webm").await.unwrap_err();
    assert!(matches!(error, S3Error::Throttled), "{error:?}");
    assert!(error.is_passing());
}

#[tokio::test]
async fn an_object_that_is_replaced_meanwhile_is_not_patched_together() {
    let server = server_with("a.webm", &noise(3_000_000));
    let proxy = FaultyProxy::start(server.address());
    proxy.next(1, Fault::CutAnswer(700_000));
    let s3 = account(&format!("http://{}", proxy.address()), SECRET_KEY);

    let mut stream = s3.open("sessions", "a.webm").await.unwrap().into_stream();
    stream.next().await.unwrap().unwrap();
    server.put_file("sessions", "a.webm", &vec![0; 2_000_000]);
    let mut last = None;
    while let Some(piece) = stream.next().await {
        last = piece.err();
    }

    assert!(last.as_ref().is_some_and(S3Error::is_passing), "{last:?}");
}

#[tokio::test]
async fn bytes_that_do_not_have_the_objects_checksum_are_noticed() {
    let receiver = Receiver::start();
    // CRC-32 of "123456789" is CBF43926, the check value of its specification.
    let answer = |body: &str| {
        Answer::status(200)
            .header("etag", "\"1\"")
            .header("last-modified", "Sat, 21 Nov 2026 12:00:00 GMT")
            .header("x-amz-checksum-crc32", "y/Q5Jg==")
            .body(body)
    };
    receiver.answer_next(answer("123456789"));
    receiver.answer_next(answer("123456780"));
    let s3 = account(&receiver.url(""), SECRET_KEY);

    let right = read(&s3, "sessions", "a").await.unwrap();
    let wrong = read(&s3, "sessions", "a").await.unwrap_err();

    assert_eq!(right, b"123456789");
    assert!(matches!(wrong, S3Error::Corrupt { checksum: "crc32" }), "{wrong:?}");
    let asked = receiver.received();
    let authorization = &asked[0].headers["authorization"];
    assert!(authorization.contains("x-amz-checksum-mode"), "the wish for checksums is not signed");
    assert!(!format!("{s3:?}").contains(SECRET_KEY));
}
