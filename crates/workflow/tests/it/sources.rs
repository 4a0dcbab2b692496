//! Media that are fetched from where the caller says.

use hansard_domain::job::{JobState, Stage};
use hansard_domain::problem::ProblemCode;
use hansard_domain::source::Source;
use hansard_net::{Client, Guard};
use hansard_speech::fake::Fake;
use hansard_store::s3::{S3, S3Settings};
use hansard_testkit::receiver::{Answer, Receiver};
use hansard_testkit::s3::{ACCESS_KEY, S3Server, SECRET_KEY};
use hansard_testkit::speech;
use hansard_testkit::tls::TlsFront;
use hansard_workflow::Sources;

use crate::desk::{Desk, Place, SOURCE_BYTES_MAX};
use crate::engines::pool;
use crate::on_both_databases;

on_both_databases! {
    an_object_in_s3_is_fetched_and_transcribed,
    each_refusal_of_s3_has_its_code,
    an_address_is_fetched_and_transcribed,
    a_host_that_nobody_vouches_for_is_not_believed,
    an_address_within_the_house_is_refused,
    without_an_s3_account_nothing_is_fetched,
}

fn with_s3(desk: &Desk, server: &S3Server, secret: &str) -> Sources {
    let settings = S3Settings {
        region: "us-east-1".to_owned(),
        endpoint: Some(server.endpoint()),
        path_style: true,
        access_key_id: ACCESS_KEY.to_owned(),
        secret_access_key: secret.to_owned(),
        session_token: None,
    };
    let client = Client::new(&hansard_net::Settings::default()).unwrap();
    Sources { s3: Some(S3::new(settings, client)), ..desk.sources() }
}

fn object(bucket: &str, key: &str) -> Source {
    Source::S3 { bucket: bucket.to_owned(), key: key.to_owned() }
}

async fn failure(desk: &Desk, source: Source) -> ProblemCode {
    let accepted = desk.name_source(source).await;
    desk.ended(&accepted, JobState::Failed).await.error.unwrap().code
}

async fn an_object_in_s3_is_fetched_and_transcribed(place: Place) {
    let server = S3Server::start();
    server.create_bucket("sessions");
    server.put_file("sessions", "a/talk.wav", &speech::mono(35.0, 4));
    let desk = place.open().await;
    let sources = with_s3(&desk, &server, SECRET_KEY);
    let _worker = desk.worker_with(pool(Fake::new()), 1, sources);

    let accepted = desk.name_source(object("sessions", "a/talk.wav")).await;
    let (_, windows) = desk.transcript(&accepted).await;

    assert_eq!(windows.len(), 2);
    let stages = desk.store.finished_stages(&accepted.job.id).await.unwrap();
    let stages: Vec<_> = stages.iter().map(|one| one.stage).collect();
    assert_eq!(stages, [Stage::Acquire, Stage::Transcribe]);
    let id = &accepted.recording.id;
    let recording = desk.store.find_recording(&desk.workspace, id).await.unwrap().unwrap();
    let media = recording.media.unwrap();
    assert_eq!(media.media_type, "audio/wav");
    assert_eq!(media.size, 44 + 35 * 32_000);
}

async fn each_refusal_of_s3_has_its_code(place: Place) {
    let server = S3Server::start();
    server.create_bucket("sessions");
    server.put_file("sessions", "talk.wav", &speech::mono(1.0, 4));
    server.put_sparse("sessions", "long.wav", SOURCE_BYTES_MAX + 1);
    server.put_file("sessions", "empty.wav", b"");
    let desk = place.open().await;

    let worker = desk.worker_with(pool(Fake::new()), 1, with_s3(&desk, &server, "a wrong secret"));
    assert_eq!(failure(&desk, object("sessions", "talk.wav")).await, ProblemCode::SourceDenied);
    drop(worker);

    let _worker = desk.worker_with(pool(Fake::new()), 1, with_s3(&desk, &server, SECRET_KEY));
    assert_eq!(failure(&desk, object("sessions", "no.wav")).await, ProblemCode::SourceNotFound);
    assert_eq!(failure(&desk, object("other", "a")).await, ProblemCode::SourceBucketNotFound);
    assert_eq!(failure(&desk, object("sessions", "long.wav")).await, ProblemCode::SourceTooLarge);
    assert_eq!(failure(&desk, object("sessions", "empty.wav")).await, ProblemCode::UnreadableMedia);
}

/// A host on this machine, which stands for one on the public internet.
struct WebHost {
    server: Receiver,
    tls: TlsFront,
}

impl WebHost {
    fn start() -> Self {
        let server = Receiver::start();
        server.answer_always(Answer::status(200).body(speech::mono(35.0, 4)));
        let tls = TlsFront::start(server.address());
        Self { server, tls }
    }

    /// What a worker needs that may go there, and that trusts it if `is_trusted`.
    fn sources(&self, desk: &Desk, is_trusted: bool) -> Sources {
        let settings = hansard_net::Settings {
            guard: Guard { allowed: vec!["127.0.0.0/8".parse().unwrap()] },
            extra_authorities: is_trusted.then(|| self.tls.authority().to_owned()),
            ..Default::default()
        };
        Sources { client: Client::new(&settings).unwrap(), ..desk.sources() }
    }

    fn source(&self) -> Source {
        Source::Url { url: self.tls.url("/talks/one.wav?token=zebra") }
    }
}

async fn an_address_is_fetched_and_transcribed(place: Place) {
    let host = WebHost::start();
    let desk = place.open().await;
    let _worker = desk.worker_with(pool(Fake::new()), 1, host.sources(&desk, true));

    let accepted = desk.name_source(host.source()).await;
    let (_, windows) = desk.transcript(&accepted).await;

    assert_eq!(windows.len(), 2);
    let id = &accepted.recording.id;
    let recording = desk.store.find_recording(&desk.workspace, id).await.unwrap().unwrap();
    let media = recording.media.unwrap();
    assert_eq!((media.media_type.as_str(), media.size), ("audio/wav", 44 + 35 * 32_000));
    assert_eq!(host.server.received()[0].target, "/talks/one.wav?token=zebra");
}

async fn a_host_that_nobody_vouches_for_is_not_believed(place: Place) {
    let host = WebHost::start();
    let desk = place.open().await;
    let _worker = desk.worker_with(pool(Fake::new()), 1, host.sources(&desk, false));

    assert_eq!(failure(&desk, host.source()).await, ProblemCode::SourceUnavailable);
    assert!(host.server.received().is_empty());
}

async fn an_address_within_the_house_is_refused(place: Place) {
    let desk = place.open().await;
    let _worker = desk.worker(pool(Fake::new()), 1);

    for url in ["https://127.0.0.1/talk.mp3", "https://[::1]/a", "http://1.1.1.1/a", "talk.mp3"] {
        let source = Source::Url { url: url.to_owned() };
        assert_eq!(failure(&desk, source).await, ProblemCode::SourceForbidden, "{url}");
    }
}

async fn without_an_s3_account_nothing_is_fetched(place: Place) {
    let desk = place.open().await;
    let _worker = desk.worker(pool(Fake::new()), 1);

    assert_eq!(failure(&desk, object("sessions", "a")).await, ProblemCode::NotConfigured);
}
