//! Login at an identity provider, by OpenID Connect.
//!
//! | Module | What it knows |
//! |---|---|
//! | [`state`] | a login that has begun: what ties its end to its beginning |
//! | [`provider`] | one provider: where it sends people, and what it says about who comes back |
//! | [`http`] | the way to the provider |

pub(crate) mod http;
pub(crate) mod provider;
pub(crate) mod state;
