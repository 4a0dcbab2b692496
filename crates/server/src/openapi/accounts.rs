//! Bodies of requests about accounts, as callers write them: described here and never built, as in [`super::bodies`].

use utoipa::ToSchema;

use super::names;

/// What is to change about oneself: a JSON merge patch (RFC 7396), in which `null` removes a value.
#[derive(ToSchema)]
#[schema(as = MePatch)]
#[expect(dead_code, reason = "described, never built")]
pub(crate) struct MePatch {
    /// A name for people.
    #[schema(max_length = 200)]
    name: Option<String>,
    /// A name to be found by, unique among users.
    #[schema(max_length = 100)]
    username: Option<String>,
    /// A new password of at least 12 characters.
    #[schema(min_length = 12, required = false)]
    password: String,
    /// The present one, which a new one needs.
    #[schema(required = false)]
    current_password: String,
}

/// A key or a service token to be made.
#[derive(ToSchema)]
#[schema(as = NewToken)]
#[expect(dead_code, reason = "described, never built")]
pub(crate) struct NewTokenBody {
    /// A name for people.
    #[schema(max_length = 200)]
    name: String,
    /// The most that it is in its workspace; what its maker is if it is left out.
    #[schema(schema_with = names::role, required = false)]
    role: String,
    /// The only permissions that it has; all of its maker's if it is left out.
    #[schema(schema_with = names::scopes, required = false)]
    scopes: Vec<String>,
    /// Whether it governs the installation, which only the token of somebody does who does.
    governs: Option<bool>,
    /// How long it is good, as `24h` or `90d`; `null` for ever, `90d` if it is left out. What a token makes ends with it at the latest.
    expires_in: Option<String>,
    /// The workspace that it opens; the one that the request is about if it is left out.
    workspace_id: Option<String>,
}

/// A new secret for a token.
#[derive(ToSchema)]
#[schema(as = Rotation)]
#[expect(dead_code, reason = "described, never built")]
pub(crate) struct RotateBody {
    /// How long the present secret is good beside the new one, as `0s` or `24h`, up to 30 days; `24h` if it is left out.
    overlap: Option<String>,
    /// How long the token is good from now on; `null` for ever. Its end stays where it is if it is left out.
    expires_in: Option<String>,
}

/// A workspace to be made or renamed.
#[derive(ToSchema)]
#[schema(as = NewWorkspace)]
#[expect(dead_code, reason = "described, never built")]
pub(crate) struct WorkspaceBody {
    /// Its name for people.
    #[schema(max_length = 200)]
    name: String,
}

/// What a user is to be in a workspace.
#[derive(ToSchema)]
#[schema(as = Membership)]
#[expect(dead_code, reason = "described, never built")]
pub(crate) struct MemberBody {
    /// The role.
    #[schema(schema_with = names::role, required = true)]
    role: String,
}

/// A user to be made.
#[derive(ToSchema)]
#[schema(as = NewUser)]
#[expect(dead_code, reason = "described, never built")]
pub(crate) struct NewUserBody {
    /// The e-mail address, with which the user logs in where there is a password.
    #[schema(format = "email", max_length = 320)]
    email: String,
    /// A name for people.
    #[schema(max_length = 200)]
    name: Option<String>,
    /// A name to be found by, unique among users.
    #[schema(max_length = 100)]
    username: Option<String>,
    /// What the user is in the installation; `auth.default_role` if it is left out.
    #[schema(schema_with = names::role, required = false)]
    role: String,
    /// A password of at least 12 characters.
    #[schema(min_length = 12)]
    password: Option<String>,
}

/// What is to change about a user: a JSON merge patch (RFC 7396), in which `null` removes a value.
#[derive(ToSchema)]
#[schema(as = UserPatch)]
#[expect(dead_code, reason = "described, never built")]
pub(crate) struct UserPatch {
    /// A name for people.
    #[schema(max_length = 200)]
    name: Option<String>,
    /// A name to be found by, unique among users.
    #[schema(max_length = 100)]
    username: Option<String>,
    /// The e-mail address.
    #[schema(format = "email", max_length = 320)]
    email: Option<String>,
    /// What the user is in the installation. A provider's groups no longer change it then.
    #[schema(schema_with = names::role, required = false)]
    role: String,
    /// Whether the user may not come in.
    disabled: Option<bool>,
    /// A password of at least 12 characters; `null` for none any more.
    #[schema(min_length = 12)]
    password: Option<String>,
}
