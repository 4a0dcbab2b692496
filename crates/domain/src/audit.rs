//! What the audit log tells of.

use crate::names::names;

names! {
    /// What was done, or refused.
    AuditKind {
        /// Somebody logged in.
        LoginSucceeded = "login.succeeded",
        /// Somebody did not get in.
        LoginFailed = "login.failed",
        /// Somebody tried too often.
        LoginThrottled = "login.throttled",
        /// Somebody logged out.
        Logout = "logout",
        /// A session was ended from elsewhere.
        SessionRevoked = "session.revoked",
        /// A token was made.
        TokenCreated = "token.created",
        /// A token was used for the first time.
        TokenFirstUsed = "token.first_used",
        /// A token got a new secret.
        TokenRotated = "token.rotated",
        /// A token ended before its time.
        TokenRevoked = "token.revoked",
        /// A user was made.
        UserCreated = "user.created",
        /// A user's e-mail address, name or username changed.
        UserUpdated = "user.updated",
        /// A user's role in the installation changed.
        UserRoleChanged = "user.role_changed",
        /// A user got another password, or none any more.
        UserPasswordChanged = "user.password_changed",
        /// All of MxWhisper's tokens of a user ended.
        UserTokensRevoked = "user.tokens_revoked",
        /// A user may no longer come in.
        UserDisabled = "user.disabled",
        /// A user may come in again.
        UserEnabled = "user.enabled",
        /// A user was removed, with all that was theirs.
        UserErased = "user.erased",
        /// A user can log in with another account at a provider.
        IdentityLinked = "identity.linked",
        /// A workspace was made.
        WorkspaceCreated = "workspace.created",
        /// A workspace got another name.
        WorkspaceRenamed = "workspace.renamed",
        /// Somebody belongs to a workspace.
        MemberAdded = "member.added",
        /// Somebody has another role in a workspace.
        MemberChanged = "member.changed",
        /// Somebody no longer belongs to a workspace.
        MemberRemoved = "member.removed",
        /// Who may see something changed.
        VisibilityChanged = "object.visibility_changed",
        /// Something was deleted.
        ObjectDeleted = "object.deleted",
        /// Something was read in a form to take away.
        ObjectExported = "object.exported",
        /// Somebody asked for what is not for them.
        AccessRefused = "access.refused",
        /// The audit log itself was exported.
        AuditExported = "audit.exported",
    }
}

names! {
    /// How it ended.
    Outcome {
        /// It was done.
        Done = "done",
        /// It was refused.
        Refused = "refused",
    }
}
