//! Who is calling, once the door has let them in.

use std::net::IpAddr;

use axum::extract::FromRequestParts;
use hansard_domain::access::{Actor, Principal, Role};
use hansard_domain::id::{RequestId, SessionId, UserId, WorkspaceId};
use hansard_store::Reach;
use hansard_store::audit::{ActorRef, By};
use http::request::Parts;

use crate::problem::Problem;
use crate::ticket::Ticket;
use crate::{App, door};

/// Where a request comes from.
#[derive(Debug, Clone)]
pub(crate) struct Sender {
    /// The client's address, as far as it can be told.
    pub(crate) address: IpAddr,
    /// The request.
    pub(crate) request: Option<RequestId>,
}

impl Sender {
    /// On whose behalf something is done that `actor` asks for.
    pub(crate) fn by(&self, actor: ActorRef) -> By {
        By { actor, address: Some(self.address), request: self.request.clone() }
    }
}

/// The session that a caller came with.
#[derive(Debug, Clone)]
pub(crate) struct CurrentSession {
    /// Its name.
    pub(crate) id: SessionId,
    /// Its secret, of which the token against forged requests is made.
    pub(crate) ticket: Ticket,
}

/// Somebody who may call, and for whom.
///
/// As an argument of a handler it refuses everybody else.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    principal: Principal,
    reach: Reach,
    sender: Sender,
    session: Option<CurrentSession>,
}

impl Caller {
    /// `principal`, who has sent a request.
    pub(crate) fn new(principal: Principal, sender: Sender) -> Self {
        let reach = Reach::of(&principal);
        Self { principal, reach, sender, session: None }
    }

    /// The same, who came with a session.
    pub(crate) fn with_session(self, session: CurrentSession) -> Self {
        Self { session: Some(session), ..self }
    }

    /// Somebody who has shown a secret that an adapter's original asks for, and acts for the configured workspace.
    pub(crate) fn with_secret(app: &App, adapter: &'static str, sender: Sender) -> Self {
        let principal = Principal {
            actor: Actor::Secret(adapter),
            workspace: app.workspace().clone(),
            role: Role::Editor,
            governs: false,
            scopes: None,
        };
        Self::new(principal, sender)
    }

    /// By what it is known, and what it may do.
    pub(crate) fn principal(&self) -> &Principal {
        &self.principal
    }

    /// The workspace that the request is about.
    pub(crate) fn workspace(&self) -> &WorkspaceId {
        &self.reach.workspace
    }

    /// What the request may see.
    pub(crate) fn reach(&self) -> &Reach {
        &self.reach
    }

    /// The user who calls, by whatever credential.
    pub(crate) fn user(&self) -> Option<&UserId> {
        self.principal.actor.user()
    }

    /// The user or service token that calls; `None` for callers who are nobody in particular.
    pub(crate) fn id(&self) -> Option<&str> {
        self.principal.actor.id()
    }

    /// What is kept with things as their creator.
    pub(crate) fn creator(&self) -> Option<String> {
        self.id().map(str::to_owned)
    }

    /// The session that the caller came with.
    pub(crate) fn session(&self) -> Option<&CurrentSession> {
        self.session.as_ref()
    }

    /// Where the request comes from.
    pub(crate) fn sender(&self) -> &Sender {
        &self.sender
    }

    /// For the audit log: who does it.
    pub(crate) fn by(&self) -> By {
        self.sender.by(ActorRef::from(&self.principal.actor))
    }

    /// The same caller in another workspace, as its member of this role.
    pub(crate) fn seated(self, workspace: WorkspaceId, role: Role) -> Self {
        let principal = Principal { workspace, role, ..self.principal };
        Self { reach: Reach::of(&principal), principal, ..self }
    }

    /// The same caller as a guest of another workspace, who sees only what that shares.
    pub(crate) fn visiting(self, workspace: &WorkspaceId) -> Self {
        Self { reach: Reach::guest(workspace), ..self }
    }
}

impl FromRequestParts<App> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        // The route's declaration has had it checked, unless it is open to others as well.
        match parts.extensions.get::<Self>() {
            Some(caller) => Ok(caller.clone()),
            None => door::resolve(app, parts).await,
        }
    }
}
