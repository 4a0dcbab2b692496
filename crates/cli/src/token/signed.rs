//! MxWhisper's tokens: signed with the secret that the service knows as well, and kept by their `jti` only.

use std::time::Duration;

use hansard_domain::access::Role;
use hansard_domain::id::{Id, TokenId};
use hansard_domain::time::Timestamp;
use hansard_server::{ServiceClaims, ServiceSecret};
use hansard_store::tokens::{NewJwt, OVERLAP_MAX, Token};
use hansard_store::users::User;

use super::make::{active, tell_overlap};
use super::{CreateArgs, RotateArgs, is_over, no_such_token, told_end};
use crate::args::values::Lifetime;
use crate::exit::Failure;
use crate::output;
use crate::people::{People, failure};

/// A token that is signed, and what is to be kept of it.
struct Signed {
    text: String,
    kept: NewJwt,
}

/// Makes one for `user` and prints it.
pub(super) async fn create(people: &People, user: &User, args: &CreateArgs) -> Result<(), Failure> {
    let Signed { text, kept } = sign(people, user, &args.name, args.expires)?;
    let token = people.store.note_jwt(kept, &people.by).await.map_err(failure)?;
    print(&text, &token)
}

/// Makes one in place of `token` and prints it.
pub(super) async fn rotate(
    people: &People,
    token: &Token,
    args: &RotateArgs,
) -> Result<(), Failure> {
    let owner = token.user.as_ref().ok_or_else(no_such_token)?;
    let user = active(people, owner.as_str()).await?;
    let Signed { text, kept } = sign(people, &user, &token.name, args.expires)?;
    let now = people.store.clock().now();
    let replaced = people.store.replace_jwt(&token.id, kept, args.overlap, &people.by).await;
    // Somebody has revoked it meanwhile.
    let new = replaced.map_err(failure)?.ok_or_else(|| is_over(token))?;
    print(&text, &new)?;
    let until = now.after(args.overlap.min(OVERLAP_MAX));
    let until = token.expires_at.map_or(until, |end| end.min(until));
    tell_overlap((until > now).then_some(until));
    Ok(())
}

/// A token of `user` that is called `name` and good for `lifetime`.
fn sign(
    people: &People,
    user: &User,
    name: &str,
    lifetime: Option<Lifetime>,
) -> Result<Signed, Failure> {
    let settings = &people.config.mxwhisper;
    let secret = settings.service_secret.as_ref();
    let secret =
        secret.and_then(|secret| ServiceSecret::new(secret.expose())).ok_or_else(|| {
            let message = "MxWhisper's tokens are signed with mxwhisper.service_secret \
            (SERVICE_ACCOUNT_JWT_SECRET), which is not set";
            Failure::usage(message.to_owned())
        })?;
    let usual = Duration::from_secs(u64::from(settings.token_expiry_days) * 24 * 60 * 60);
    let time = match lifetime {
        None => usual,
        Some(Lifetime::For(time)) => time,
        Some(Lifetime::Forever) => {
            let message = "one of MxWhisper's tokens has to end; give --expires a time";
            return Err(Failure::usage(message.to_owned()));
        }
    };
    let (clock, now) = (people.store.clock(), people.store.clock().now());
    // Claims have whole seconds, and the row is not to say anything else.
    let end = now.after(time).as_seconds().saturating_mul(1_000_000);
    let (expires_at, id) = (Timestamp::from_micros(end), clock.id::<TokenId>());
    let names = [user.username.clone(), user.email.clone()].into_iter();
    let claims = ServiceClaims {
        subject: user.external_id.clone().unwrap_or_else(|| user.id.to_string()),
        username: names.flatten().next().unwrap_or_else(|| user.id.to_string()),
        // The letters of an id that is given to nothing: unique, and not taken for the id of the row.
        id: id.as_str().trim_start_matches("tok_").to_owned(),
        revocations: user.revocations,
        expires_at,
    };
    let text = secret.sign(&claims, user.role, now);
    let kept = NewJwt {
        jti: claims.id,
        workspace: user.workspace.clone(),
        user: user.id.clone(),
        name: name.to_owned(),
        // As one that was signed elsewhere: what the user may decides, today and later.
        role: Role::Admin,
        expires_at,
    };
    Ok(Signed { text, kept })
}

fn print(text: &str, token: &Token) -> Result<(), Failure> {
    output::data(&format!("{text}\n"))?;
    let (jti, end) = (token.jti.as_deref().unwrap_or_default(), told_end(token.expires_at));
    output::note(&format!("token {} with the jti {jti}, {end}; it is not shown again", token.id));
    Ok(())
}
