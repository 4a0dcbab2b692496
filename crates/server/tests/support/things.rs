//! Users, their credentials, and one of each kind of thing.

use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use bytes::Bytes;
use futures_util::stream;
use hansard_domain::access::{Kind, Permission, Role};
use hansard_domain::id::{EndpointId, SessionId, TokenId, WorkerId, WorkspaceId};
use hansard_domain::job::{TranscribeOptions, Visibility};
use hansard_domain::source::Source;
use hansard_domain::transcript::Segment;
use hansard_store::audit::{ActorRef, By};
use hansard_store::collections::NewCollection;
use hansard_store::endpoints::NewEndpoint;
use hansard_store::leases::Held;
use hansard_store::recordings::StoredMedia;
use hansard_store::sessions::NewSession;
use hansard_store::tokens::NewToken;
use hansard_store::topics::{NewTopic, TopicWritten};
use hansard_store::transcripts::{Progress, Window};
use hansard_store::users::{NewUser, User};
use hansard_store::{Begin, Finished, NewJob, NewRecording, Store};
use ring::digest::{SHA256, digest};

pub(crate) const HOUR: Duration = Duration::from_secs(60 * 60);

/// Something in a workspace, by each of its names.
#[derive(Debug, Clone)]
pub(crate) struct Made {
    pub(crate) id: String,
    /// Its number; 0 for what has none.
    pub(crate) serial: i64,
}

/// A recording with all that hangs on it.
pub(crate) struct Transcribed {
    pub(crate) recording: Made,
    pub(crate) job: Made,
    pub(crate) transcript: Made,
}

pub(crate) fn by() -> By {
    By::actor(ActorRef::COMMAND_LINE)
}

pub(crate) async fn user(store: &Store, name: &str, role: Role) -> User {
    let home = store.ensure_workspace("default").await.unwrap();
    let new = NewUser { email: Some(format!("{name}@example.org")), ..NewUser::of(role) };
    store.create_user(new, &home, &by()).await.unwrap()
}

pub(crate) async fn key(
    store: &Store,
    user: &User,
    role: Role,
    governs: bool,
    scopes: Vec<Permission>,
) -> String {
    key_and_id(store, user, role, governs, scopes).await.1
}

pub(crate) async fn key_and_id(
    store: &Store,
    user: &User,
    role: Role,
    governs: bool,
    scopes: Vec<Permission>,
) -> (TokenId, String) {
    let token = NewToken {
        workspace: user.workspace.clone(),
        user: Some(user.id.clone()),
        name: "a key".to_owned(),
        role,
        governs,
        scopes,
        expires_at: None,
    };
    let (token, secret) = store.create_token(token, &by()).await.unwrap().unwrap();
    (token.id, secret.reveal().to_owned())
}

/// A session of `user`, and the text of its cookie.
pub(crate) async fn session(store: &Store, user: &User, lifetime: Duration) -> (SessionId, String) {
    let mut secret = [0; 32];
    getrandom::fill(&mut secret).unwrap();
    let hash = digest(&SHA256, &secret);
    let new = NewSession {
        hash: hash.as_ref().iter().map(|byte| format!("{byte:02x}")).collect(),
        user: user.id.clone(),
        method: "simple".to_owned(),
        user_agent: None,
        address: None,
        idle: lifetime,
        lifetime,
    };
    let session = store.open_session(new, None, &by()).await.unwrap().unwrap();
    (session.id, BASE64_URL_SAFE_NO_PAD.encode(secret))
}

/// One of a kind that belongs to `user`, for a route at `path`.
pub(crate) async fn make(store: &Store, user: &User, kind: Kind, path: &str) -> Made {
    let workspace = &user.workspace;
    let unnumbered = |id: String| Made { id, serial: 0 };
    match kind {
        Kind::Recording => transcribed(store, user, "Hello.").await.recording,
        Kind::Job => transcribed(store, user, "Hello.").await.job,
        Kind::Transcript => transcribed(store, user, "Hello.").await.transcript,
        Kind::Upload => {
            let creator = Some(user.id.to_string());
            let upload = store.create_upload(workspace, Some(10), "", creator, HOUR).await.unwrap();
            unnumbered(upload.id.to_string())
        }
        Kind::Endpoint => unnumbered(endpoint(store, workspace).await.to_string()),
        Kind::Delivery => {
            let endpoint = endpoint(store, workspace).await;
            let tested = store.test_endpoint(workspace, &endpoint, None).await.unwrap().unwrap();
            unnumbered(tested.delivery.id.to_string())
        }
        Kind::Session => unnumbered(session(store, user, HOUR).await.0.to_string()),
        Kind::Token => unnumbered(token(store, user, path).await.to_string()),
        Kind::User => {
            let new = NewUser::of(Role::Editor);
            let home = store.ensure_workspace("default").await.unwrap();
            let user = store.create_user(new, &home, &by()).await.unwrap();
            Made { id: user.id.to_string(), serial: user.serial }
        }
        Kind::Workspace => {
            let made = store.create_workspace("shared", &user.id, &by()).await.unwrap().unwrap();
            unnumbered(made.id.to_string())
        }
        Kind::Topic => {
            let mut letters = [0; 8];
            getrandom::fill(&mut letters).unwrap();
            let name = BASE64_URL_SAFE_NO_PAD.encode(letters);
            let new = NewTopic { name, description: None, parent: None };
            match store.create_topic(new).await.unwrap() {
                TopicWritten::Done(topic) => {
                    Made { id: topic.id.to_string(), serial: topic.serial }
                }
                other => panic!("{other:?}"),
            }
        }
        Kind::Collection => {
            let new = NewCollection {
                name: "a collection".to_owned(),
                description: None,
                kind: None,
                visibility: Visibility::Workspace,
                created_by: Some(user.id.to_string()),
            };
            let made = store.create_collection(workspace, new).await.unwrap();
            Made { id: made.id.to_string(), serial: made.serial }
        }
    }
}

/// A key of the user's, or a service token for routes of those.
async fn token(store: &Store, user: &User, path: &str) -> TokenId {
    let owner = (!path.contains("service-tokens")).then(|| user.id.clone());
    let new = NewToken {
        workspace: user.workspace.clone(),
        user: owner,
        name: "a token".to_owned(),
        role: Role::Viewer,
        governs: false,
        scopes: Vec::new(),
        expires_at: Some(store.clock().now().after(HOUR)),
    };
    store.create_token(new, &by()).await.unwrap().unwrap().0.id
}

async fn endpoint(store: &Store, workspace: &WorkspaceId) -> EndpointId {
    let new = NewEndpoint {
        url: "https://receiver.example/hook".to_owned(),
        description: None,
        kinds: Vec::new(),
    };
    store.create_endpoint(workspace, new, None).await.unwrap().endpoint.id
}

/// A recording of `user` with media, a job that has ended, and its transcript.
pub(crate) async fn transcribed(store: &Store, user: &User, text: &str) -> Transcribed {
    // Of equal media, all but the first take the first one's transcript.
    let mut content = b"RIFF....WAVE".to_vec();
    content.resize(content.len() + 16, 0);
    getrandom::fill(&mut content[12..]).unwrap();
    let content = stream::iter([Ok::<_, std::io::Error>(Bytes::from(content))]);
    let written = store.write_media(&user.workspace, content, 1 << 20).await.unwrap();
    let media = StoredMedia {
        key: written.key,
        media_type: "audio/wav".to_owned(),
        size: written.size,
        sha256: written.sha256.clone(),
    };
    let recording = NewRecording::of(Source::Upload { file_name: None }).with(media);
    let creator = Some(user.id.to_string());
    let recording =
        NewRecording { title: Some(text.to_owned()), created_by: creator.clone(), ..recording };
    // Each is transcribed by itself, whatever the others are.
    let job =
        NewJob { again: true, created_by: creator, ..NewJob::of(TranscribeOptions::default()) };
    let accepted = store.accept(&user.workspace, recording, job, None).await.unwrap();
    let worker: WorkerId = store.clock().id();
    // What other stories have left in the queue comes first, and stays with this worker.
    let claimed = loop {
        let claimed = store.claim_jobs(&worker, 1, HOUR).await.unwrap().remove(0);
        if claimed.job.id == accepted.job.id {
            break claimed;
        }
    };
    let lease = &claimed.lease;
    let begun = store.begin_transcript(lease, &written.sha256, "fake/one").await.unwrap();
    let Held::Yes(Begin::Go { transcript, .. }) = begun else { panic!("{begun:?}") };
    let progress = Progress {
        checkpoint: "{}".to_owned(),
        done: 1.0,
        duration: Some(1.0),
        language: Some("en".to_owned()),
        language_probability: None,
    };
    let window = Window { segments: vec![segment(text)], ..Window::default() };
    store.commit_window(lease, &transcript, 0, window, progress).await.unwrap();
    let finished = Finished {
        language: Some("en".to_owned()),
        language_probability: None,
        duration: 1.0,
        heard: 1.0,
        took: 0.5,
        started_at: store.clock().now(),
    };
    store.finish_transcript(lease, &transcript, "fake/one", finished).await.unwrap();
    Transcribed {
        recording: Made {
            id: accepted.recording.id.to_string(),
            serial: accepted.recording.serial,
        },
        job: Made { id: accepted.job.id.to_string(), serial: accepted.job.serial },
        transcript: Made { id: transcript.to_string(), serial: 0 },
    }
}

fn segment(text: &str) -> Segment {
    Segment {
        start: 0.0,
        end: 1.0,
        text: format!(" {text}"),
        tokens: Vec::new(),
        temperature: 0.0,
        average_log_probability: -0.25,
        compression_ratio: 1.0,
        no_speech_probability: 0.0,
        words: Vec::new(),
        suspicions: Vec::new(),
    }
}
