//! Who may do what. Everything that decides it is here, as pure rules over plain values.
//!
//! A caller is a [`Principal`]. A route needs a [`Permission`], and [`decide`] says whether the principal has it. What the
//! route names by id has an [`Ownership`], and [`standing`] says what it is to the principal. No other place decides.

#[cfg(test)]
mod tests;

use crate::id::{Id, TokenId, UserId, WorkspaceId};
use crate::job::Visibility;
use crate::names::names;

names! {
    /// What somebody is in a workspace; the later one may all that the earlier one may.
    Role {
        /// Reads.
        Viewer = "viewer",
        /// Makes, changes and deletes recordings and collections.
        Editor = "editor",
        /// Says who else may what, and sees all that the workspace has.
        Admin = "admin",
    }
}

names! {
    /// What a route needs. The names are the scopes of tokens as well.
    Permission {
        /// To read recordings, with their jobs, transcripts and media.
        ReadRecordings = "recordings:read",
        /// To make, change and delete recordings, with their jobs, transcripts, media and uploads.
        WriteRecordings = "recordings:write",
        /// To read collections.
        ReadCollections = "collections:read",
        /// To make, change, fill and delete collections.
        WriteCollections = "collections:write",
        /// To read the installation's topics.
        ReadTopics = "topics:read",
        /// To make, change and delete the installation's topics.
        WriteTopics = "topics:write",
        /// To read and change webhook endpoints and their deliveries.
        ManageWebhooks = "webhooks:manage",
        /// To say who belongs to the workspace, and as what.
        ManageMembers = "members:manage",
        /// To make, see and revoke the workspace's service tokens.
        ManageTokens = "tokens:manage",
        /// To read the audit log.
        ReadAudit = "audit:read",
        /// To read the metrics.
        ReadMetrics = "metrics:read",
        /// To see and change what belongs to oneself as a user: sessions, keys, logins.
        OwnAccount = "account:own",
        /// To see and change all users and what else belongs to the installation.
        ManageInstallation = "installation:manage",
    }
}

/// Who has a permission, before scopes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Least {
    /// Whoever has this role, or a higher one, in the workspace.
    Role(Role),
    /// Whoever is a user, with any role.
    User,
    /// Whoever governs the installation.
    Governor,
}

impl Permission {
    /// The least that one has to be for it.
    pub const fn least(self) -> Least {
        match self {
            Self::ReadRecordings | Self::ReadCollections | Self::ReadTopics | Self::ReadMetrics => {
                Least::Role(Role::Viewer)
            }
            Self::WriteRecordings | Self::WriteCollections => Least::Role(Role::Editor),
            Self::ManageWebhooks | Self::ManageMembers | Self::ManageTokens | Self::ReadAudit => {
                Least::Role(Role::Admin)
            }
            Self::OwnAccount => Least::User,
            Self::WriteTopics | Self::ManageInstallation => Least::Governor,
        }
    }
}

/// By what a caller is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Actor {
    /// A program on this machine, without credentials.
    Local,
    /// A configured key; the setting's name.
    StaticKey(&'static str),
    /// A secret that another system puts into its requests; that system's name.
    Secret(&'static str),
    /// A user who is logged in, by a session or a provider's token.
    User(UserId),
    /// A token of ours.
    Token {
        /// The token.
        id: TokenId,
        /// The user whose key it is; `None` for a service token, which acts as itself.
        user: Option<UserId>,
    },
}

impl Actor {
    /// The user who acts, by whatever credential.
    pub const fn user(&self) -> Option<&UserId> {
        match self {
            Self::User(user) => Some(user),
            Self::Token { user, .. } => user.as_ref(),
            Self::Local | Self::StaticKey(_) | Self::Secret(_) => None,
        }
    }

    /// What the actor's objects keep as their creator: the id of the user, or of a service token. `None` for callers who are
    /// nobody in particular.
    pub fn id(&self) -> Option<&str> {
        match self {
            Self::User(user) | Self::Token { user: Some(user), .. } => Some(user.as_str()),
            Self::Token { id, user: None } => Some(id.as_str()),
            Self::Local | Self::StaticKey(_) | Self::Secret(_) => None,
        }
    }
}

/// A caller whose credentials have been checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    /// By what it is known.
    pub actor: Actor,
    /// The workspace that the request is about.
    pub workspace: WorkspaceId,
    /// What it is there.
    pub role: Role,
    /// Whether it governs the installation.
    pub governs: bool,
    /// The only permissions that its token has; `None` for all that the role gives.
    pub scopes: Option<Vec<Permission>>,
}

/// What is missing for a permission.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// This role, or a higher one, in the workspace.
    #[error("it takes the role {} in the workspace", .0.name())]
    Role(Role),
    /// This scope.
    #[error("the token lacks the scope {}", .0.name())]
    Scope(Permission),
    /// The right to govern the installation.
    #[error("it takes an administrator of the installation")]
    Governor,
    /// A user: keys and service tokens that belong to nobody have no account.
    #[error("it takes a user")]
    NoUser,
}

/// Whether a principal may do what needs a permission.
///
/// # Errors
/// What is missing; the scope first.
pub fn decide(principal: &Principal, needs: Permission) -> Result<(), Refusal> {
    if principal.scopes.as_ref().is_some_and(|scopes| !scopes.contains(&needs)) {
        return Err(Refusal::Scope(needs));
    }
    match needs.least() {
        Least::Role(least) if principal.role < least => Err(Refusal::Role(least)),
        Least::User if principal.actor.user().is_none() => Err(Refusal::NoUser),
        Least::Governor if !principal.governs => Err(Refusal::Governor),
        Least::Role(_) | Least::User | Least::Governor => Ok(()),
    }
}

names! {
    /// What a route can name in its path.
    Kind {
        /// A recording.
        Recording = "recording",
        /// A job.
        Job = "job",
        /// A transcript.
        Transcript = "transcript",
        /// An upload in pieces.
        Upload = "upload",
        /// A webhook endpoint.
        Endpoint = "endpoint",
        /// A delivery to a webhook endpoint or a callback.
        Delivery = "delivery",
        /// A session of a user.
        Session = "session",
        /// A token.
        Token = "token",
        /// A user.
        User = "user",
        /// A workspace.
        Workspace = "workspace",
        /// A topic.
        Topic = "topic",
        /// A collection.
        Collection = "collection",
    }
}

/// How a request names one of a kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Named {
    /// By its id.
    Id(String),
    /// By its number, as the systems do whose clients we serve.
    Serial(i64),
    /// A user, by MxWhisper's name or by id.
    UserName(String),
}

/// To whom an object belongs. What belongs to the installation, as topics and users do, has neither workspace nor user: the
/// permission alone decides.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Ownership {
    /// Its workspace.
    pub workspace: Option<WorkspaceId>,
    /// Who made it, as `usr_...` or `tok_...`; for a job or transcript, who made the recording.
    pub creator: Option<String>,
    /// The user whose own it is, as a session is or a key.
    pub user: Option<UserId>,
    /// Who may see it; for a job or transcript, who may see the recording. `None` for whoever is in the workspace.
    pub visibility: Option<Visibility>,
}

/// What is to be done to an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deed {
    /// Look at it.
    Read,
    /// Anything else.
    Write,
}

/// What an object is to a principal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Within its reach: the permission says what it may do to it.
    Own,
    /// Another workspace's, which lets whoever has its id look at it.
    Shared,
    /// None of its business: it must not learn more than the route's declared answer tells.
    Foreign,
}

/// What an object is to a principal that wants to do something to it.
pub fn standing(principal: &Principal, object: &Ownership, deed: Deed) -> Standing {
    let is_here = object.workspace.as_ref() == Some(&principal.workspace);
    let is_admin_here = is_here && principal.role == Role::Admin;
    if let Some(user) = &object.user {
        // A user's own, wherever the user is now. A key opens its workspace, so that one's admins can close it.
        let is_own = principal.actor.user() == Some(user) || is_admin_here;
        return if is_own { Standing::Own } else { Standing::Foreign };
    }
    if object.workspace.is_some() && !is_here {
        let is_shared = matches!(object.visibility, Some(Visibility::Link | Visibility::Public));
        return if is_shared && deed == Deed::Read { Standing::Shared } else { Standing::Foreign };
    }
    let is_private = object.visibility == Some(Visibility::Private);
    if is_private && !is_admin_here && !is_creator(principal, object) {
        return Standing::Foreign;
    }
    Standing::Own
}

/// Whether the principal made the object. What nobody in particular made is nobody's.
fn is_creator(principal: &Principal, object: &Ownership) -> bool {
    let actor = principal.actor.id();
    actor.is_some() && actor == object.creator.as_deref()
}
