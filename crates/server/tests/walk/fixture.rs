//! Two workspaces: one whose owner may do everything, and one of somebody else.

use std::collections::HashMap;
use std::time::Duration;

use hansard_domain::access::{Kind, Permission, Role};
use hansard_domain::id::{
    CollectionId, DeliveryId, EndpointId, Id, JobId, RecordingId, SessionId, TokenId, TopicId,
    TranscriptId, UploadId, UserId, WorkspaceId,
};
use hansard_server::Needs;
use hansard_store::Store;
use hansard_store::tokens::NewToken;
use hansard_store::topics::NewAssignment;
use hansard_store::users::{User, UserEdit};
use tokio::sync::Mutex;

use crate::service::Service;
use crate::things::{HOUR, Made, by, key, key_and_id, make, session, user};

pub(crate) struct World {
    store: Store,
    ana: User,
    /// Ana's own workspace.
    pub(crate) workspace: String,
    /// A key of ana's that may do everything.
    pub(crate) key: String,
    /// A session of ana's, and what its pages show.
    pub(crate) session: String,
    pub(crate) csrf_token: String,
    /// A token of nobody's that may do everything else.
    pub(crate) service_token: String,
    pub(crate) forged_key: String,
    pub(crate) revoked_key: String,
    pub(crate) disabled_key: String,
    /// Tokens for the workspace that the service is configured for: one that reads there, and one that hands in.
    pub(crate) home_reader: String,
    pub(crate) home_writer: String,
    /// A key of somebody else's that may do everything in another workspace.
    pub(crate) foreign_key: String,
    pub(crate) ended_session: String,
    pub(crate) expired_session: String,
    foreign: HashMap<Kind, Made>,
    keys: Mutex<HashMap<String, String>>,
}

/// The one of a kind that was never there.
pub(crate) fn never(kind: Kind) -> Made {
    fn id<I: Id>() -> String {
        I::from_parts(1, 1).to_string()
    }
    let id = match kind {
        Kind::Recording => id::<RecordingId>(),
        Kind::Job => id::<JobId>(),
        Kind::Transcript => id::<TranscriptId>(),
        Kind::Upload => id::<UploadId>(),
        Kind::Endpoint => id::<EndpointId>(),
        Kind::Delivery => id::<DeliveryId>(),
        Kind::Session => id::<SessionId>(),
        Kind::Token => id::<TokenId>(),
        Kind::User => id::<UserId>(),
        Kind::Workspace => id::<WorkspaceId>(),
        Kind::Topic => id::<TopicId>(),
        Kind::Collection => id::<CollectionId>(),
    };
    Made { id, serial: 999_999_999 }
}

impl World {
    pub(crate) async fn new(service: &Service) -> Self {
        let store = service.store.clone();
        let ana = user(&store, "ana", Role::Admin).await;
        let ben = user(&store, "ben", Role::Editor).await;
        let gone = user(&store, "gone", Role::Admin).await;
        let anas_key = key(&store, &ana, Role::Admin, true, Vec::new()).await;
        let (revoked, revoked_key) = key_and_id(&store, &ana, Role::Admin, true, Vec::new()).await;
        store.revoke_token(&revoked, &by()).await.unwrap();
        let foreign_key = key(&store, &ben, Role::Admin, false, Vec::new()).await;
        let (_, disabled_key) = key_and_id(&store, &gone, Role::Admin, true, Vec::new()).await;
        let home = store.ensure_workspace("default").await.unwrap();
        let edit = UserEdit { is_disabled: Some(true), ..UserEdit::default() };
        store.update_user(&gone.id, edit, &home, &by()).await.unwrap();
        let (_, expired_session) = session(&store, &ana, Duration::from_secs(1)).await;
        service.clock.advance(Duration::from_secs(2));
        let (ended, ended_session) = session(&store, &ana, 2 * HOUR).await;
        store.end_session(&ana.id, &ended, &by()).await.unwrap();
        let (_, session) = session(&store, &ana, 2 * HOUR).await;
        let csrf_token = csrf_token(service, &session).await;
        let service_token = of_nobody(&store, &ana.workspace, Role::Admin).await;
        let mut foreign = HashMap::new();
        for kind in Kind::ALL.iter().copied().filter(|kind| belongs_to_somebody(*kind)) {
            foreign.insert(kind, make(&store, &ben, kind, "").await);
        }
        Self {
            workspace: ana.workspace.to_string(),
            forged_key: forged(&anas_key),
            service_token,
            home_reader: of_nobody(&store, &home, Role::Viewer).await,
            home_writer: of_nobody(&store, &home, Role::Editor).await,
            store,
            ana,
            key: anas_key,
            session,
            csrf_token,
            revoked_key,
            disabled_key,
            foreign_key,
            ended_session,
            expired_session,
            foreign,
            keys: Mutex::default(),
        }
    }

    /// Something of ben's; `None` for what belongs to the installation.
    pub(crate) fn foreign(&self, kind: Kind) -> Option<&Made> {
        self.foreign.get(&kind)
    }

    /// New things of ana's, one of each kind that a route at `path` names. They belong to each other.
    pub(crate) async fn own(&self, needs: Needs, path: &str) -> HashMap<Kind, Made> {
        let mut own = HashMap::new();
        for object in needs.objects() {
            own.insert(object.kind, make(&self.store, &self.ana, object.kind, path).await);
        }
        if let Some(recording) = self.recording_of(&own).await {
            self.sort_by(&recording, &own).await;
        }
        own
    }

    /// The recording among `own`, or that of the job.
    async fn recording_of(&self, own: &HashMap<Kind, Made>) -> Option<RecordingId> {
        if let Some(recording) = own.get(&Kind::Recording) {
            return Some(RecordingId::parse(&recording.id).unwrap());
        }
        let job = JobId::parse(&own.get(&Kind::Job)?.id).unwrap();
        let job = self.store.find_job(&self.ana.workspace, &job).await.unwrap();
        job.map(|job| job.recording)
    }

    /// Gives the recording the topic, and puts it into the collection, that are among `own`.
    async fn sort_by(&self, recording: &RecordingId, own: &HashMap<Kind, Made>) {
        let (store, workspace) = (&self.store, &self.ana.workspace);
        if let Some(topic) = own.get(&Kind::Topic) {
            let new = NewAssignment {
                topic: TopicId::parse(&topic.id).unwrap(),
                confidence: None,
                reasoning: None,
                assigned_by: None,
                is_reviewed: true,
            };
            store.assign_topics(workspace, recording, vec![new]).await.unwrap();
        }
        if let Some(collection) = own.get(&Kind::Collection) {
            let collection = CollectionId::parse(&collection.id).unwrap();
            let added = store.add_to_collection(workspace, &collection, recording, None, None);
            added.await.unwrap();
        }
    }

    /// A key that may do all but what needs `permission`.
    pub(crate) async fn key_without(&self, permission: Permission) -> String {
        let scopes = Permission::ALL.iter().copied().filter(|one| *one != permission).collect();
        self.kept(format!("without {}", permission.name()), Role::Admin, true, scopes).await
    }

    /// A key that is `role` in ana's workspace, and governs nothing.
    pub(crate) async fn key_of(&self, role: Role) -> String {
        self.kept(role.name().to_owned(), role, false, Vec::new()).await
    }

    async fn kept(
        &self,
        name: String,
        role: Role,
        governs: bool,
        scopes: Vec<Permission>,
    ) -> String {
        let mut keys = self.keys.lock().await;
        if let Some(kept) = keys.get(&name) {
            return kept.clone();
        }
        let made = key(&self.store, &self.ana, role, governs, scopes).await;
        keys.insert(name, made.clone());
        made
    }
}

/// A service token, which governs if it is an admin's.
async fn of_nobody(store: &Store, workspace: &WorkspaceId, role: Role) -> String {
    let token = NewToken {
        workspace: workspace.clone(),
        user: None,
        name: "a service token".to_owned(),
        role,
        governs: role == Role::Admin,
        scopes: Vec::new(),
        expires_at: None,
    };
    let (_, secret) = store.create_token(token, &by()).await.unwrap().unwrap();
    secret.reveal().to_owned()
}

/// Whether a kind's things belong to a workspace or a user, and not to the installation.
fn belongs_to_somebody(kind: Kind) -> bool {
    !matches!(kind, Kind::User | Kind::Topic)
}

/// A key with the same id and another secret.
fn forged(key: &str) -> String {
    let (name, _) = key.rsplit_once('_').filter(|(name, _)| name.len() > 4).unwrap();
    let letters: String = name.chars().take(30).collect();
    format!("{letters}_{}", "A".repeat(43))
}

/// What answers tell pages of a session.
async fn csrf_token(service: &Service, session: &str) -> String {
    let request = http::Request::get("/api/v1/recordings");
    let request = request.header("cookie", format!("session_token={session}"));
    let answer = service.send(request.body(axum::body::Body::empty()).unwrap()).await;
    assert_eq!(answer.status, http::StatusCode::OK, "{}", answer.text());
    answer.header("x-csrf-token").to_owned()
}
