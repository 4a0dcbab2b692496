//! How often somebody may ask, and how often they may fail to say who they are.

use std::net::IpAddr;
use std::time::Duration;

use hansard_domain::access::Actor;
use hansard_domain::id::Id;
use hansard_domain::problem::ProblemCode;
use http::header::HeaderMap;

use crate::App;
use crate::caller::Caller;
use crate::limits::{Exhausted, Key, Limits, Rate};
use crate::peer::neighbour;
use crate::problem::Problem;
use crate::settings::RateSettings;

/// In which time one failure is forgotten, of an address and of an account.
const ADDRESS_FORGETS: Duration = Duration::from_secs(15);
const ACCOUNT_FORGETS: Duration = Duration::from_secs(60);

/// Refusals of one address that are written into the audit log, a minute.
const NOTED_PER_MINUTE: u32 = 30;

/// Counts requests and failures. `None` is no limit.
#[derive(Debug)]
pub(crate) struct Throttle {
    limits: Limits,
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
    pub(crate) fn count(
        &self,
        app: &App,
        caller: &Caller,
        told: &mut HeaderMap,
    ) -> Result<(), Problem> {
        let key = match &caller.principal().actor {
            Actor::Local => return Ok(()),
            Actor::StaticKey(name) | Actor::Secret(name) => Key::new("static", name),
            Actor::User(user) => Key::new("actor", user.as_str()),
            Actor::Token { id, .. } => Key::new("actor", id.as_str()),
        };
        self.take(app, key, self.requests, told)
    }

    /// Counts a request from `address` for which nobody need say who they are.
    ///
    /// # Errors
    /// [`ProblemCode::RateLimited`].
    pub(crate) fn count_stranger(
        &self,
        app: &App,
        address: IpAddr,
        told: &mut HeaderMap,
    ) -> Result<(), Problem> {
        self.take(app, of_address("stranger", address), self.strangers, told)
    }

    fn take(
        &self,
        app: &App,
        key: Key,
        rate: Option<Rate>,
        told: &mut HeaderMap,
    ) -> Result<(), Problem> {
        let Some(rate) = rate else { return Ok(()) };
        let taken = self.limits.take(key, rate, 1, app.clock().now());
        let room = taken.as_ref().map_or_else(|exhausted| exhausted.room, |room| *room);
        room.tell(told);
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
        }
        Ok(found)
    }

    /// Counts an attempt at the password of `account` from `address` as a failure, until [`Attempt::succeeded`].
    ///
    /// # Errors
    /// [`ProblemCode::RateLimited`].
    pub(crate) fn attempt(
        &self,
        app: &App,
        address: IpAddr,
        account: &str,
    ) -> Result<Attempt<'_>, Problem> {
        let keys = [
            (of_address("failure", address), self.failures_of_address),
            (Key::new("account", &account.to_lowercase()), self.failures_of_account),
        ];
        let mut attempt = Attempt { throttle: self, taken: Vec::new() };
        for (key, rate) in keys {
            let Some(rate) = rate else { continue };
            if let Err(exhausted) = self.limits.take(key, rate, 1, app.clock().now()) {
                // What was taken from the other bucket was for nothing.
                attempt.succeeded();
                return Err(too_many(exhausted));
            }
            attempt.taken.push((key, rate));
        }
        Ok(attempt)
    }

    /// Whether one more refusal of `address` goes into the audit log.
    pub(crate) fn may_note(&self, app: &App, address: IpAddr) -> bool {
        let rate = Rate::new(NOTED_PER_MINUTE, NOTED_PER_MINUTE);
        let key = of_address("noted", address);
        rate.is_none_or(|rate| self.limits.take(key, rate, 1, app.clock().now()).is_ok())
    }
}

/// An attempt at a password, which counts as a failure unless it succeeds.
#[derive(Debug)]
pub(crate) struct Attempt<'a> {
    throttle: &'a Throttle,
    taken: Vec<(Key, Rate)>,
}

impl Attempt<'_> {
    /// It was the password: nothing was guessed.
    pub(crate) fn succeeded(self) {
        for (key, rate) in self.taken {
            self.throttle.limits.give_back(key, rate, 1);
        }
    }
}

fn of_address(class: &str, address: IpAddr) -> Key {
    Key::new(class, &neighbour(address).to_string())
}

fn too_many(exhausted: Exhausted) -> Problem {
    Problem::new(ProblemCode::RateLimited).retry_after(exhausted.wait)
}
