//! How far a caller sees: into one workspace, and there to whose private recordings.
//!
//! Whoever reads, changes or deletes recordings, jobs, transcripts and collections says so with a [`Reach`], and what lies
//! outside of it is as if it were not there. A job or a transcript is as private as its recording.

use hansard_domain::access::{Principal, Role};
use hansard_domain::id::{Id, WorkspaceId};

/// A recording or collection that the eyes in `$3` see, as [`Reach::eyes`] gives them.
macro_rules! is_seen {
    () => {
        "(CAST($3 AS TEXT) IS NULL OR visibility IN ('link', 'public') \
         OR (visibility = 'workspace' AND $3 <> 'guest') OR created_by = $3)"
    };
}

/// The same in a list, where nobody has asked for it by its link: guests find there what is public and nothing else.
macro_rules! is_found {
    () => {
        "(CAST($3 AS TEXT) IS NULL OR visibility = 'public' \
         OR (visibility IN ('link', 'workspace') AND $3 <> 'guest') OR created_by = $3)"
    };
}

/// As [`is_seen`] of a row that belongs to a recording. One value and not `EXISTS`, for which PostgreSQL may read all recordings.
macro_rules! is_its_recording_seen {
    () => {
        "(CAST($3 AS TEXT) IS NULL OR (SELECT its.visibility IN ('link', 'public') \
         OR (its.visibility = 'workspace' AND $3 <> 'guest') OR its.created_by = $3 \
         FROM recordings AS its WHERE its.id = recording_id))"
    };
}

/// As [`is_found`] of such a row.
macro_rules! is_its_recording_found {
    () => {
        "(CAST($3 AS TEXT) IS NULL OR (SELECT its.visibility = 'public' \
         OR (its.visibility IN ('link', 'workspace') AND $3 <> 'guest') OR its.created_by = $3 \
         FROM recordings AS its WHERE its.id = recording_id))"
    };
}

pub(crate) use {is_found, is_its_recording_found, is_its_recording_seen, is_seen};

/// Bound for members who made nothing, and for guests. No creator is called so, for each is called by an id.
const NOBODY: &str = "nobody";
const GUEST: &str = "guest";

/// What a caller may see. A workspace alone is all that it has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reach {
    /// The workspace.
    pub workspace: WorkspaceId,
    /// Which things in it.
    pub eyes: Eyes,
}

/// What a caller sees in a workspace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Eyes {
    /// Everything, as the workspace's admins and Hansard itself do.
    All,
    /// What is not private, and what this user or service token made.
    Actor(String),
    /// What is not private: a member who is nobody in particular made nothing.
    Nobody,
    /// What is shared beyond the workspace, for somebody who is no member of it: what is asked for by its link, and what is
    /// public also in the lists of what somebody shares.
    Guest,
}

impl Reach {
    /// What `principal` may see in its workspace.
    pub fn of(principal: &Principal) -> Self {
        let eyes = match (principal.role, principal.actor.id()) {
            (Role::Admin, _) => Eyes::All,
            (_, Some(actor)) => Eyes::Actor(actor.to_owned()),
            (_, None) => Eyes::Nobody,
        };
        Self { workspace: principal.workspace.clone(), eyes }
    }

    /// What anybody may see of `workspace` who is let in for something that it shares.
    pub fn guest(workspace: &WorkspaceId) -> Self {
        Self { workspace: workspace.clone(), eyes: Eyes::Guest }
    }

    pub(crate) fn workspace(&self) -> &str {
        self.workspace.as_str()
    }

    /// What statements bind for `$3`.
    pub(crate) fn eyes(&self) -> Option<&str> {
        match &self.eyes {
            Eyes::All => None,
            Eyes::Actor(actor) => Some(actor),
            Eyes::Nobody => Some(NOBODY),
            Eyes::Guest => Some(GUEST),
        }
    }
}

impl From<&Reach> for Reach {
    fn from(reach: &Reach) -> Self {
        reach.clone()
    }
}

impl From<&WorkspaceId> for Reach {
    fn from(workspace: &WorkspaceId) -> Self {
        Self { workspace: workspace.clone(), eyes: Eyes::All }
    }
}

#[cfg(test)]
mod tests {
    use hansard_domain::access::Actor;
    use hansard_domain::id::{TokenId, UserId};

    use super::*;

    #[test]
    fn admins_see_all_and_others_what_they_made() {
        let reach = |actor: Actor, role: Role| {
            let workspace = WorkspaceId::from_parts(0, 1);
            let principal = Principal { actor, workspace, role, governs: true, scopes: None };
            Reach::of(&principal).eyes().map(str::to_owned)
        };
        let (user, token) = (UserId::from_parts(0, 1), TokenId::from_parts(0, 1));

        assert_eq!(reach(Actor::User(user.clone()), Role::Admin), None);
        assert_eq!(reach(Actor::User(user.clone()), Role::Editor), Some(user.to_string()));
        let key = Actor::Token { id: token.clone(), user: Some(user.clone()) };
        assert_eq!(reach(key, Role::Viewer), Some(user.to_string()));
        let service = Actor::Token { id: token.clone(), user: None };
        assert_eq!(reach(service, Role::Editor), Some(token.to_string()));
        assert_eq!(reach(Actor::StaticKey("server.read_key"), Role::Viewer), Some(NOBODY.into()));
    }
}
