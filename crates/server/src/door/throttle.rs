//! How often somebody may ask, and how often they may fail to say who they are.

mod shared;

use std::net::IpAddr;
use std::time::Duration;

use hansard_domain::access::Actor;
use hansard_domain::id::Id;
use hansard_domain::problem::ProblemCode;
use hansard_store::audit::ActorRef;
use http::header::HeaderMap;

use crate::App;
use crate::caller::Caller;
use crate::limits::{Exhausted, Key, Limits, Rate};
use crate::peer::neighbour;
use crate::problem::Problem;
use crate::settings::RateSettings;
use shared::Lots;

/// In which time one failure is forgotten, of an address and of an account.
const ADDRESS_FORGETS: Duration = Duration::from_secs(15);
const ACCOUNT_FORGETS: Duration = Duration::from_secs(60);

/// Refusals of one address that are written into the audit log, a minute.
const NOTED_PER_MINUTE: u32 = 30;

/// How long whoever has asked for one part of something goes on with it.
const GOES_ON: Duration = Duration::from_secs(10 * 60);

/// Counts requests and failures. `None` is no limit.
#[derive(Debug)]
pub(crate) struct Throttle {
    limits: Limits,
    /// Apart: there may be many, and they last longer than what guesses are counted by.
    fetches: Limits,
    lots: Lots,
    requests: Option<Rate>,
    strangers: Option<Rate>,
    failures_of_address: Option<Rate>,
    failures_of_account: Option<Rate>,
}

impl Throttle {
    /// Nobody has asked for anything yet.
    pub(crate) fn new(settings: &RateSettings) -> Self {
        let RateSettings { requests_per_minute, burst, anonymous_per_minute, .. } = *settings;
        Self {
            limits: Limits::default(),
            fetches: Limits::default(),
            lots: Lots::default(),
            requests: Rate::new(requests_per_minute, burst),
            strangers: Rate::new(anonymous_per_minute, anonymous_per_minute),
            failures_of_address: Rate::one_each(ADDRESS_FORGETS, settings.failures_per_address),
            failures_of_account: Rate::one_each(ACCOUNT_FORGETS, settings.failures_per_account),
        }
    }

    /// Counts a request of `caller`, and tells in `told` what is left. Programs on this machine are not counted.
    ///
    /// # Errors
    /// [`ProblemCode::RateLimited`].
    pub(crate) async fn count(
        &self,
        app: &App,
        caller: &Caller,
        told: &mut HeaderMap,
    ) -> Result<(), Problem> {
        let key = match &caller.principal().actor {
            Actor::Local => return Ok(()),
            Actor::StaticKey(name) | Actor::Secret(name) => Key::new("static", name),
            // However many keys somebody has.
            Actor::User(user) | Actor::Token { user: Some(user), .. } => {
                Key::new("actor", user.as_str())
            }
            Actor::Token { id, user: None } => Key::new("actor", id.as_str()),
        };
        self.take(app, key, self.requests, told).await
    }

    /// Counts a request from `address` for which nobody need say who they are.
    ///
    /// # Errors
    /// [`ProblemCode::RateLimited`].
    pub(crate) async fn count_stranger(
        &self,
        app: &App,
        address: IpAddr,
        told: &mut HeaderMap,
    ) -> Result<(), Problem> {
        self.take(app, of_address("stranger", address), self.strangers, told).await
    }

    async fn take(
        &self,
        app: &App,
        key: Key,
        rate: Option<Rate>,
        told: &mut HeaderMap,
    ) -> Result<(), Problem> {
        let Some(rate) = rate else { return Ok(()) };
        let taken = match app.store().is_shared() {
            true => self.lots.take(app.store(), key, rate).await,
            false => self.limits.take(key, rate, 1, app.clock().now()).map(Some),
        };
        if let Some(room) =
            taken.as_ref().map_or_else(|exhausted| Some(exhausted.room), |room| *room)
        {
            room.tell(told);
        }
        taken.map(drop).map_err(too_many)
    }

    /// What `compare` makes of a secret that somebody at `address` shows. Failures are counted, and whoever has failed too
    /// often is refused before anything is compared.
    ///
    /// # Errors
    /// [`ProblemCode::RateLimited`].
    pub(crate) fn guess<T>(
        &self,
        app: &App,
        address: IpAddr,
        compare: impl FnOnce() -> Option<T>,
    ) -> Result<Option<T>, Problem> {
        let Some(rate) = self.failures_of_address else { return Ok(compare()) };
        let key = of_address("failure", address);
        self.limits.take(key, rate, 1, app.clock().now()).map_err(too_many)?;
        let found = compare();
        if found.is_some() {
            self.limits.give_back(key, rate, 1);
        } else if app.store().is_shared() {
            // Whoever shows the right secret is not kept waiting for a count, so the others hear of a failure a moment later.
            let own = app.clone();
            app.tasks()
                .spawn(async move { own.door().throttle.tell_others(&own, key, rate).await });
        }
        Ok(found)
    }

    /// Counts a failure for all nodes. Where that is one too many, this node lets no more through either.
    async fn tell_others(&self, app: &App, key: Key, rate: Rate) {
        match shared::take(app.store(), key, rate, 1).await {
            Ok(Ok(_)) => {}
            Ok(Err(_)) => self.limits.exhaust(key, rate, app.clock().now()),
            Err(error) => {
                tracing::warn!(error = %error, "a failure could not be counted together with other nodes");
            }
        }
    }

    /// Counts an attempt at the password of `account` from `address` as a failure, unless it turns out to be
    /// [right](Self::succeeded).
    ///
    /// # Errors
    /// [`ProblemCode::RateLimited`].
    pub(crate) async fn attempt(
        &self,
        app: &App,
        address: IpAddr,
        account: &str,
    ) -> Result<Attempt, Problem> {
        let buckets = [
            (of_address("failure", address), self.failures_of_address),
            (Key::new("account", &account.to_lowercase()), self.failures_of_account),
        ];
        let mut attempt = Attempt(Vec::new());
        for (key, rate) in buckets {
            let Some(rate) = rate else { continue };
            if let Err(exhausted) = self.take_failure(app, key, rate).await {
                // What was taken from the other bucket was for nothing.
                self.succeeded(app, attempt).await;
                return Err(too_many(exhausted));
            }
            attempt.0.push((key, rate));
        }
        Ok(attempt)
    }

    async fn take_failure(&self, app: &App, key: Key, rate: Rate) -> Result<(), Exhausted> {
        let now = app.clock().now();
        self.limits.take(key, rate, 1, now)?;
        if !app.store().is_shared() {
            return Ok(());
        }
        match shared::take(app.store(), key, rate, 1).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(exhausted)) => {
                self.limits.exhaust(key, rate, now);
                Err(exhausted)
            }
            // Without the database nobody logs in either.
            Err(error) => {
                tracing::warn!(error = %error, "an attempt could not be counted together with other nodes");
                Ok(())
            }
        }
    }

    /// It was the password: nothing was guessed, and the attempt does not count.
    pub(crate) async fn succeeded(&self, app: &App, attempt: Attempt) {
        for (key, rate) in attempt.0 {
            self.limits.give_back(key, rate, 1);
            if !app.store().is_shared() {
                continue;
            }
            if let Err(error) = app.store().give_back_rate(&key.text(), rate.costs(1)).await {
                tracing::warn!(error = %error, "what was counted for a right password stays counted");
            }
        }
    }

    /// Whether one more refusal of `address` goes into the audit log.
    pub(crate) fn may_note(&self, app: &App, address: IpAddr) -> bool {
        let rate = Rate::new(NOTED_PER_MINUTE, NOTED_PER_MINUTE);
        let key = of_address("noted", address);
        rate.is_none_or(|rate| self.limits.take(key, rate, 1, app.clock().now()).is_ok())
    }

    /// Whether `caller` begins to fetch `subject`: has asked for no part of it for a while.
    pub(crate) fn begins(&self, app: &App, caller: &Caller, subject: &str) -> bool {
        let ActorRef { kind, id } = ActorRef::from(&caller.principal().actor);
        let key = Key::new("part", &format!("{kind} {} {subject}", id.unwrap_or_default()));
        let rate = Rate::one_each(GOES_ON, 1);
        rate.is_none_or(|rate| self.fetches.take(key, rate, 1, app.clock().now()).is_ok())
    }
}

/// An attempt at a password: what was taken for it.
#[derive(Debug)]
pub(crate) struct Attempt(Vec<(Key, Rate)>);

fn of_address(class: &str, address: IpAddr) -> Key {
    Key::new(class, &neighbour(address).to_string())
}

fn too_many(exhausted: Exhausted) -> Problem {
    Problem::new(ProblemCode::RateLimited).retry_after(exhausted.wait).with_room(exhausted.room)
}
