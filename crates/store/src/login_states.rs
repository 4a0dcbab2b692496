//! Logins that are on their way over a provider: begun here, and taken up once when the browser comes back.

use std::time::Duration;

use hansard_domain::id::{Id, UserId};
use hansard_domain::time::Timestamp;

use crate::backend::{run, statements};
use crate::{Error, Store, text};

statements! {
    BEGIN = "INSERT INTO login_states (hash, provider, return_to, user_id, expires_at_us) VALUES ($1, $2, $3, $4, $5)";
    TAKE = "DELETE FROM login_states WHERE hash = $1 RETURNING provider, return_to, user_id, expires_at_us";
}

/// A login that was begun.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoginState {
    /// The provider's name among those that are configured.
    pub provider: String,
    /// Where the browser goes afterwards.
    pub return_to: String,
    /// The user who was logged in already, and adds another way to log in.
    pub user: Option<UserId>,
}

impl Store {
    /// Keeps a login that begins, for `keep`. `hash` is the SHA-256 of the state that the provider hands back, in hexadecimal
    /// digits.
    ///
    /// # Errors
    /// [`Error::Invalid`] for text that no row can hold, or where the database cannot be written.
    pub async fn begin_login(
        &self,
        hash: &str,
        provider: &str,
        return_to: &str,
        user: Option<&UserId>,
        keep: Duration,
    ) -> Result<(), Error> {
        for (name, value) in [("hash", hash), ("provider", provider), ("address", return_to)] {
            text::check(name, Some(value))?;
        }
        let (hash, provider, return_to) =
            (hash.to_owned(), provider.to_owned(), return_to.to_owned());
        let (user, expires) = (user.cloned(), self.clock().now().after(keep).as_micros());
        self.write_apart(move |conn| {
            Box::pin(async move {
                let user = user.as_ref().map(UserId::as_str);
                run!(conn, execute, BEGIN, hash, provider, return_to, user, expires).map(drop)
            })
        })
        .await
    }

    /// The login whose state has this hash. It is gone from then on, also where it is too late: whoever comes with the same
    /// state again finds nothing.
    ///
    /// # Errors
    /// [`Error::Invalid`] for text that no row can hold, or where the database cannot be written.
    pub async fn take_login(&self, hash: &str) -> Result<Option<LoginState>, Error> {
        type Row = (String, String, Option<String>, i64);
        text::check("hash", Some(hash))?;
        let hash = hash.to_owned();
        let taken = self.write_apart(move |conn| {
            Box::pin(async move { run!(conn, fetch_optional::<Row>, TAKE, hash) })
        });
        let Some((provider, return_to, user, expires_at_us)) = taken.await? else {
            return Ok(None);
        };
        if Timestamp::from_micros(expires_at_us) <= self.clock().now() {
            return Ok(None);
        }
        let user = user.as_deref().map(UserId::parse).transpose().map_err(|_| Error::Corrupt {
            table: "login_states",
            id: provider.clone(),
            reason: "its user cannot be read".to_owned(),
        })?;
        Ok(Some(LoginState { provider, return_to, user }))
    }
}
