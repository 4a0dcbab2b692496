//! `hansard token`: the credentials of programs.

mod list;
mod make;
mod signed;

use std::time::Duration;

use clap::{ArgGroup, Args, Subcommand};
use hansard_domain::access::{Permission, Role};
use hansard_domain::id::{Id, TokenId};
use hansard_domain::time::Timestamp;
use hansard_store::tokens::{Token, TokenFilter, TokenKind};

use crate::args::values::{self, Lifetime};
use crate::columns;
use crate::exit::{Exit, Failure};
use crate::output;
use crate::people::{self, Installation, People, Start, failure, label};

/// How long a key or a service token is good unless somebody says otherwise: 90 days.
const LIFETIME: Duration = Duration::from_secs(90 * 24 * 60 * 60);

/// How long a token that was revoked before it was seen is remembered: as long as the longest can be good, ten years.
const UNSEEN_KEPT: Duration = Duration::from_secs(3_650 * 24 * 60 * 60);

const IN_PRACTICE: &str = "\
Standard output has the token and nothing else, so that a script can keep it. It is shown this once:
the database has a hash of it.

A key acts as its user, in the user's own workspace:

    hansard token create backup --user ana@example.org > backup.key
    curl -H \"Authorization: Bearer $(cat backup.key)\" http://127.0.0.1:8080/api/v1/recordings

A service token acts as itself, in a workspace. This one reads transcripts and nothing else, and
ends after a month:

    hansard token create archive --workspace default --role viewer --scope recordings:read \\
        --expires 30d

Another secret for the same token; the old one is good for two more days:

    hansard token rotate tok_01KAJ2Z1GQ8C3T0V7M5N9XQ4RS --overlap 2d

A token that somebody has seen, by its id or as it was found:

    hansard token revoke hsk_01KAJ2Z1GQ8C3T0V7M5N9XQ4RS_...

MxWhisper's tokens are signed with mxwhisper.service_secret, which the service must know as well:

    hansard token create uploads --user nightly@example.org --jwt

Exit codes:
    0  done
    1  there is no such user, workspace or token, it is revoked already, there are too many, or the
       database cannot be reached
    2  the command line or the configuration is wrong, as a role above the user's";

#[derive(Debug, Args)]
#[command(after_long_help = IN_PRACTICE)]
pub(crate) struct TokenArgs {
    #[command(flatten)]
    installation: Installation,

    #[command(subcommand)]
    command: TokenCommand,
}

#[derive(Debug, Subcommand)]
enum TokenCommand {
    /// Make a token, and print it
    ///
    /// A key of a user (--user), a service token of a workspace, or one of MxWhisper's tokens (--user and --jwt). From the
    /// first token on, callers on this machine need credentials too.
    Create(CreateArgs),
    /// List all tokens, newest first, without their secrets
    List {
        /// Only those of this user: id, e-mail address or username
        #[arg(long, value_name = "USER")]
        user: Option<String>,
        /// As a JSON document
        #[arg(long)]
        json: bool,
    },
    /// End a token now
    Revoke(RevokeArgs),
    /// Make another secret for a token, and print it
    Rotate(RotateArgs),
}

#[derive(Debug, Args)]
struct CreateArgs {
    /// What it is for, as lists show it
    #[arg(value_parser = values::token_name)]
    name: String,

    /// Make a key of this user: id, e-mail address or username
    #[arg(long, value_name = "USER", conflicts_with = "workspace")]
    user: Option<String>,

    /// Make a service token of this workspace: id (wsp_...), which hansard workspace list shows, or the name in server.workspace
    /// [default: that one]
    #[arg(long, value_name = "WORKSPACE")]
    workspace: Option<String>,

    /// The most that it is in its workspace [default: the user's role; editor for a service token]
    #[arg(long, value_name = "ROLE", value_parser = values::role())]
    role: Option<Role>,

    /// Something that it may do; may be given several times [default: all that its role may]
    #[arg(long = "scope", value_name = "SCOPE", value_parser = values::scope())]
    scopes: Vec<Permission>,

    /// When it ends, as 12h or 365d from now, or never [default: 90d; mxwhisper.token_expiry_days with --jwt]
    #[arg(long, value_name = "TIME")]
    expires: Option<Lifetime>,

    /// Make one of MxWhisper's tokens, which is signed (HS256) and may all that its user may
    #[arg(long, requires = "user", conflicts_with_all = ["role", "scopes"])]
    jwt: bool,
}

#[derive(Debug, Args)]
#[command(group = ArgGroup::new("which").required(true).args(["token", "all_of"]))]
struct RevokeArgs {
    /// Id (tok_...), the token as a program shows it, or the jti of one of MxWhisper's
    token: Option<String>,

    /// End all of MxWhisper's tokens that this user has so far; keys are left
    #[arg(long, value_name = "USER")]
    all_of: Option<String>,

    /// Refuse the jti also if no token of this name was made or used here
    #[arg(long, conflicts_with = "all_of")]
    unseen: bool,
}

#[derive(Debug, Args)]
struct RotateArgs {
    /// Id (tok_...), the token as a program shows it, or the jti of one of MxWhisper's
    token: String,

    /// How long the old secret is good as well, up to 30d
    #[arg(long, value_name = "TIME", default_value = "24h", value_parser = values::overlap)]
    overlap: Duration,

    /// When the new secret ends, as 365d from now, or never [default: as for a new token; never if it did not end before]
    #[arg(long, value_name = "TIME")]
    expires: Option<Lifetime>,
}

/// Does what `args` say.
pub(crate) fn run(args: &TokenArgs) -> Result<Exit, Failure> {
    let at = &args.installation;
    match &args.command {
        TokenCommand::Create(new) => {
            // A user is in a database that is there; a service token may be the first thing of an installation.
            let start = if new.user.is_some() { Start::Elsewhere } else { Start::Here };
            people::run(at, start, async |people| make::create(people, new).await)
        }
        TokenCommand::List { user, json } => people::run(at, Start::Elsewhere, async |people| {
            list::print(people, user.as_deref(), *json).await
        }),
        TokenCommand::Revoke(args) => {
            people::run(at, Start::Elsewhere, async |people| revoke(people, args).await)
        }
        TokenCommand::Rotate(args) => {
            people::run(at, Start::Elsewhere, async |people| make::rotate(people, args).await)
        }
    }
}

async fn revoke(people: &People, args: &RevokeArgs) -> Result<(), Failure> {
    if let Some(user) = &args.all_of {
        return revoke_all(people, user).await;
    }
    let given = args.token.as_deref().unwrap_or_default();
    let Some(token) = find(people, given).await? else {
        return match args.unseen && id_of(given).is_none() {
            true => revoke_unseen(people, given).await,
            false => Err(no_such_token()),
        };
    };
    if !people.store.revoke_token(&token.id, &people.by).await.map_err(failure)? {
        return Err(is_over(&token));
    }
    output::note(&format!("{} ({}) is revoked", token.id, token.name));
    Ok(())
}

/// Ends all of MxWhisper's tokens of a user. The keys are not meant, and whoever thinks so is told.
async fn revoke_all(people: &People, given: &str) -> Result<(), Failure> {
    let user = people.user(given).await?;
    let bumped = people.store.bump_revocations(&user.id, &people.by).await.map_err(failure)?;
    if bumped.is_none() {
        return Err(Failure::failed(format!("{} is being erased", user.id)));
    }
    output::note(&format!("all of MxWhisper's tokens of {} are revoked", label(&user)));
    let (kind, now) = (Some(TokenKind::Key), people.store.clock().now());
    let filter = TokenFilter { user: Some(user.id.clone()), kind, workspace: None };
    let keys = all(people, &filter).await?.iter().filter(|key| key.is_live(now)).count();
    if keys > 0 {
        let label = label(&user);
        output::note(&format!(
            "keys that are still good: {keys}; hansard token list --user {label} shows them"
        ));
    }
    Ok(())
}

async fn revoke_unseen(people: &People, jti: &str) -> Result<(), Failure> {
    let until = people.store.clock().now().after(UNSEEN_KEPT);
    if !people.store.revoke_jti(jti, until, &people.by).await.map_err(failure)? {
        return Err(Failure::failed("it is revoked already".to_owned()));
    }
    output::note("the jti is refused from now on");
    Ok(())
}

/// The token that somebody names, if there is one.
async fn find(people: &People, given: &str) -> Result<Option<Token>, Failure> {
    match id_of(given) {
        Some(id) => {
            let found = people.store.find_token(&id).await.map_err(failure)?;
            Ok(found.map(|check| check.token))
        }
        None => people.store.find_jti(given).await.map_err(failure),
    }
}

/// The id that `given` is, or the one in a key or service token as programs show it: `hsk_`, the letters of the id, and the
/// secret.
fn id_of(given: &str) -> Option<TokenId> {
    let secret = given.strip_prefix("hsk_").or_else(|| given.strip_prefix("hst_"));
    match secret.and_then(|secret| secret.split('_').next()) {
        Some(letters) => TokenId::parse(&format!("tok_{letters}")).ok(),
        None => TokenId::parse(given).ok(),
    }
}

/// Every token that `filter` lets through, newest first.
async fn all(people: &People, filter: &TokenFilter) -> Result<Vec<Token>, Failure> {
    let store = &people.store;
    people::all(async |before, limit| store.page_tokens(filter, before, limit).await).await
}

/// Does not repeat what was typed: it may be a secret.
fn no_such_token() -> Failure {
    Failure::failed("there is no such token; hansard token list shows all".to_owned())
}

/// Says why nothing can be done to a token that is revoked.
fn is_over(token: &Token) -> Failure {
    let at = token.revoked_at.map(|at| format!(" at {}", columns::minute(at)));
    Failure::failed(format!("{} was revoked already{}", token.id, at.unwrap_or_default()))
}

/// When something ends, for people.
fn told_end(end: Option<Timestamp>) -> String {
    end.map_or("does not end".to_owned(), |end| format!("ends {}", columns::minute(end)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_known_by_its_id_and_by_what_programs_show() {
        let letters = "01KAJ2Z1GQ8C3T0V7M5N9XQ4RS";
        let id = TokenId::parse(&format!("tok_{letters}")).unwrap();
        let secret = "a".repeat(43);

        for given in [
            format!("tok_{letters}"),
            format!("hsk_{letters}_{secret}"),
            format!("hst_{letters}_{secret}"),
            format!("hsk_{letters}"),
        ] {
            assert_eq!(id_of(&given).as_ref(), Some(&id), "{given}");
        }
        for other in
            ["", "hsk_", "hsk_short_x", letters, "tok_x", "0b0e7a3c-1f2d-4c55-9a39-0e1a7c3b5d11"]
        {
            assert_eq!(id_of(other), None, "{other}");
        }
    }
}
