//! Keys and service tokens of our own: `hsk_` and `hst_`, the letters of the token's id, and its secret.

use hansard_domain::access::{Actor, Principal};
use hansard_domain::id::{Id, TokenId};
use hansard_store::TOUCH_EVERY;
use hansard_store::audit::{ActorRef, By};
use hansard_store::tokens::{Token, TokenCheck, secret_hash};
use subtle::{Choice, ConstantTimeEq};

use crate::App;
use crate::caller::Sender;
use crate::door::capped;
use crate::problem::Problem;

/// Letters of a token's id, which is a ULID.
const ID_LETTERS: usize = 26;

/// Letters of its secret: 32 bytes of base64url.
const SECRET_LETTERS: usize = 43;

/// What is compared with where there is no token, so that it takes as long.
const NOBODYS: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// Which token `text` says that it is; `None` for what has another shape.
pub(crate) fn id_of(text: &str) -> Option<TokenId> {
    let rest = text.strip_prefix("hsk_").or_else(|| text.strip_prefix("hst_"))?;
    let (letters, secret) = rest.split_once('_')?;
    let is_base64url = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    let fits = letters.len() == ID_LETTERS
        && secret.len() == SECRET_LETTERS
        && secret.bytes().all(is_base64url);
    if fits { TokenId::parse(&format!("tok_{letters}")).ok() } else { None }
}

/// Whose token `text` is, which says that it is `id`; `None` if it is not, or no longer good.
pub(crate) async fn resolve(
    app: &App,
    id: &TokenId,
    text: &str,
    sender: &Sender,
) -> Result<Option<Principal>, Problem> {
    let found = app.store().find_token(id).await?;
    let now = app.clock().now();
    let given = secret_hash(text);
    let is_same = |hash: Option<&str>| -> Choice {
        given.as_bytes().ct_eq(hash.unwrap_or(NOBODYS).as_bytes())
            & Choice::from(u8::from(hash.is_some()))
    };
    let previous = |check: &TokenCheck| check.token.previous_until.is_some_and(|until| now < until);
    let hash = found.as_ref().and_then(|check| check.hash.as_deref());
    let before = found.as_ref().filter(|check| previous(check));
    let before = before.and_then(|check| check.previous_hash.as_deref());
    // Both always, so that the time tells neither which nor whether.
    let is_right: bool = (is_same(hash) | is_same(before)).into();
    let Some(check) = found.filter(|_| is_right) else { return Ok(None) };
    if !check.token.is_live(now) {
        return Ok(None);
    }
    let Some(principal) = principal(&check) else { return Ok(None) };
    note_use(app, &check.token, &sender.by(ActorRef::from(&principal.actor))).await;
    Ok(Some(principal))
}

/// Who a token is; `None` where its user may not come in, or no longer belongs to its workspace.
pub(crate) fn principal(check: &TokenCheck) -> Option<Principal> {
    let TokenCheck { token, user, member, .. } = check;
    let (role, governs) = match (&token.user, user) {
        (None, _) => (token.role, token.governs),
        (Some(_), Some(user)) if user.disabled_at.is_none() => {
            let role = capped(token.role.min((*member)?), user);
            (role, token.governs && user.governs())
        }
        (Some(_), _) => return None,
    };
    Some(Principal {
        actor: Actor::Token { id: token.id.clone(), user: token.user.clone() },
        workspace: token.workspace.clone()?,
        role,
        governs,
        scopes: (!token.scopes.is_empty()).then(|| token.scopes.clone()),
    })
}

/// Notes that a token was used: the first time, and then once a minute.
pub(crate) async fn note_use(app: &App, token: &Token, by: &By) {
    let due = app.clock().now().before(TOUCH_EVERY);
    if token.last_used_at.is_some_and(|at| at > due) {
        return;
    }
    // A database that cannot be written is no reason to refuse somebody who only reads.
    if let Err(error) = app.store().use_token(&token.id, by).await {
        tracing::warn!(error = %error, "the use of a token could not be noted");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_says_which_one_it_is() {
        let letters = "01KAJ2Z1GQ8C3T0V7M5N9XQ4RS";
        let secret = "A".repeat(SECRET_LETTERS);
        let id = id_of(&format!("hsk_{letters}_{secret}")).unwrap();

        assert_eq!(id.as_str(), format!("tok_{letters}"));
        assert!(id_of(&format!("hst_{letters}_{}", secret.replace('A', "_"))).is_some());
        for wrong in [
            String::new(),
            format!("hsk_{letters}"),
            format!("hsx_{letters}_{secret}"),
            format!("hsk_{letters}_{secret}A"),
            format!("hsk_{letters}_{}", &secret[1..]),
            format!("hsk_{}_{secret}", letters.to_lowercase()),
            format!("hsk_{}U_{secret}", &letters[1..]),
            format!("hsk_{letters}_{}+", &secret[1..]),
        ] {
            assert!(id_of(&wrong).is_none(), "{wrong}");
        }
    }
}
