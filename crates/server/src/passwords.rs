//! Passwords of people who have no other login: hashed with Argon2id, compared so that nobody learns who has one.

use std::sync::Arc;

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{Error as HashError, PasswordHasher, PasswordVerifier};
use tokio::sync::Semaphore;
use tokio::task::JoinError;

/// Characters that a new password has at least.
pub const PASSWORD_CHARS_MIN: usize = 12;

/// Bytes that a password has at most: hashing takes longer for longer ones.
pub(crate) const PASSWORD_BYTES_MAX: usize = 1_024;

/// Passwords that are compared at a time. Each takes 19 MiB and a core for some tens of milliseconds.
const AT_A_TIME: usize = 2;

/// Comparisons that may wait for others.
const WAITING_MAX: usize = 16;

/// The hash of something that nobody knows, made with the same parameters as all others: what is compared with where there
/// is nothing to compare with, so that it takes as long.
const NOBODYS: &str = "$argon2id$v=19$m=19456,t=2,p=1$q1ZxNsSrjT0gLBRqkAFbYw$\
                       3vVUYV4ki9pLRRt5Dq1sRhZC0mIjEOzWXJbfIPhYg7E";

/// Why a password cannot be kept.
#[derive(Debug, thiserror::Error)]
pub enum PasswordError {
    /// It is easily guessed.
    #[error("a password has at least {PASSWORD_CHARS_MIN} characters")]
    TooShort,
    /// It is longer than anybody types.
    #[error("a password has at most {PASSWORD_BYTES_MAX} bytes")]
    TooLong,
    /// It could not be hashed: the system has no random numbers, or no memory.
    #[error("the password could not be hashed")]
    Hash(#[source] HashError),
}

/// The hash of a new password, as a PHC string that holds its salt and parameters. Takes some tens of milliseconds of a core.
///
/// # Errors
/// See [`PasswordError`].
pub fn hash_password(password: &str) -> Result<String, PasswordError> {
    if password.chars().count() < PASSWORD_CHARS_MIN {
        return Err(PasswordError::TooShort);
    }
    if password.len() > PASSWORD_BYTES_MAX {
        return Err(PasswordError::TooLong);
    }
    let hash = Argon2::default().hash_password(password.as_bytes());
    hash.map(|hash| hash.to_string()).map_err(PasswordError::Hash)
}

/// More comparisons at once than this server takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too many passwords are being compared or hashed")]
pub(crate) struct Busy;

/// Why a new password has no hash yet.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unhashed {
    /// It is one too many at once.
    #[error(transparent)]
    Busy(#[from] Busy),
    /// It cannot be kept.
    #[error(transparent)]
    Refused(#[from] PasswordError),
    /// A bug.
    #[error("hashing broke off")]
    Panicked(#[source] JoinError),
}

/// Compares passwords, and hashes new ones, a few at a time: a flood of logins must not take all cores and memory.
#[derive(Debug, Clone)]
pub(crate) struct Passwords {
    places: Arc<Semaphore>,
    turns: Arc<Semaphore>,
}

impl Default for Passwords {
    fn default() -> Self {
        Self {
            places: Arc::new(Semaphore::new(AT_A_TIME + WAITING_MAX)),
            turns: Arc::new(Semaphore::new(AT_A_TIME)),
        }
    }
}

impl Passwords {
    /// Whether `password` is the one with this hash. Without a hash it is not, and that takes as long to find out.
    ///
    /// # Errors
    /// [`Busy`] if too many others are waiting.
    pub(crate) async fn verify(
        &self,
        password: String,
        hash: Option<String>,
    ) -> Result<bool, Busy> {
        // A comparison that panicked has shown nothing.
        let compared = self.in_turn(move || is_password(&password, hash.as_deref())).await?;
        Ok(compared.unwrap_or(false))
    }

    /// The hash of a new password; see [`hash_password`].
    ///
    /// # Errors
    /// [`Unhashed::Busy`] if too many others are waiting, and what [`hash_password`] says.
    pub(crate) async fn hash(&self, password: String) -> Result<String, Unhashed> {
        let hashed = self.in_turn(move || hash_password(&password)).await?;
        Ok(hashed.map_err(Unhashed::Panicked)??)
    }

    /// Runs `work` when its turn comes, on a thread that may be busy.
    async fn in_turn<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<Result<T, JoinError>, Busy> {
        let place = Arc::clone(&self.places).try_acquire_owned().map_err(|_| Busy)?;
        let turn = Arc::clone(&self.turns).acquire_owned().await.map_err(|_| Busy)?;
        let done = tokio::task::spawn_blocking(move || {
            let result = work();
            // Held until here even if the client has gone: the core was busy until here.
            drop((turn, place));
            result
        });
        Ok(done.await)
    }
}

fn is_password(password: &str, hash: Option<&str>) -> bool {
    let known = hash.and_then(|hash| match PasswordHash::new(hash) {
        Ok(known) => Some(known),
        Err(error) => {
            tracing::error!(error = %error, "the hash of a password in the database cannot be read");
            None
        }
    });
    let is_known = known.is_some() && password.len() <= PASSWORD_BYTES_MAX;
    let against = match known {
        Some(known) => known,
        None => PasswordHash::new(NOBODYS).expect("the constant is a PHC string"),
    };
    let given = &password.as_bytes()[..password.len().min(PASSWORD_BYTES_MAX)];
    Argon2::default().verify_password(given, &against).is_ok() && is_known
}

#[cfg(test)]
mod tests {
    use super::*;

    const RIGHT: &str = "correct horse battery";

    #[test]
    fn a_password_is_known_by_its_hash() {
        let (hash, again) = (hash_password(RIGHT).unwrap(), hash_password(RIGHT).unwrap());

        assert_ne!(hash, again, "each has a salt of its own");
        assert!(!hash.contains(RIGHT));
        assert!(is_password(RIGHT, Some(&hash)) && is_password(RIGHT, Some(&again)));
        for wrong in ["", "correct horse batter", "correct horse battery ", "Correct horse battery"]
        {
            assert!(!is_password(wrong, Some(&hash)), "{wrong:?}");
        }
    }

    #[test]
    fn a_new_password_is_neither_short_nor_endless() {
        assert!(matches!(hash_password(""), Err(PasswordError::TooShort)));
        assert!(matches!(hash_password("elf zeichen"), Err(PasswordError::TooShort)));
        assert!(matches!(hash_password(&"x".repeat(1_025)), Err(PasswordError::TooLong)));
        assert!(hash_password("zwölf Zeiche").is_ok(), "characters, not bytes");
    }

    #[test]
    fn nobody_has_the_password_of_nobody() {
        let ours = hash_password(RIGHT).unwrap();
        let parameters =
            |hash: &str| hash.split('$').take(4).map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(parameters(NOBODYS), parameters(&ours), "comparing has to take as long");
        let lengths = |hash: &str| hash.split('$').skip(4).map(str::len).collect::<Vec<_>>();
        assert_eq!(lengths(NOBODYS), lengths(&ours));

        for password in ["", RIGHT, &"x".repeat(100_000)] {
            assert!(!is_password(password, None));
        }
    }

    #[test]
    fn a_hash_that_cannot_be_read_is_nobodys() {
        for hash in ["", "plain", "$argon2id$", "$argon2id$v=19$m=19456,t=2,p=1$$", "$2b$12$abc"] {
            assert!(!is_password(RIGHT, Some(hash)), "{hash}");
            assert!(!is_password(hash, Some(hash)), "{hash}");
        }
    }

    #[test]
    fn what_follows_the_longest_password_is_not_cut_off() {
        let long = "x".repeat(1_024);
        let hash = hash_password(&long).unwrap();

        assert!(is_password(&long, Some(&hash)));
        assert!(!is_password(&format!("{long}x"), Some(&hash)));
    }

    #[tokio::test]
    async fn a_flood_of_logins_is_refused_and_the_next_one_is_not() {
        let passwords = Passwords::default();
        let held = Arc::clone(&passwords.turns).acquire_many_owned(2).await.unwrap();
        let waiting: Vec<_> = (0..18)
            .map(|_| {
                let passwords = passwords.clone();
                tokio::spawn(async move { passwords.verify(String::new(), None).await })
            })
            .collect();
        while passwords.places.available_permits() > 0 {
            tokio::task::yield_now().await;
        }

        assert_eq!(passwords.verify(RIGHT.to_owned(), None).await, Err(Busy));

        drop(held);
        for one in waiting {
            assert_eq!(one.await.unwrap(), Ok(false));
        }
        let hash = hash_password(RIGHT).unwrap();
        assert_eq!(passwords.verify(RIGHT.to_owned(), Some(hash)).await, Ok(true));
    }
}
