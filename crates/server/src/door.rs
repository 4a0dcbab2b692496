//! The credentials of others: tokens that a provider has signed, and tokens that are signed with a shared secret.
//!
//! | Module | What it knows |
//! |---|---|
//! | [`jwt`] | what a token may look like, and what its claims must say |
//! | [`jwk`] | the keys that providers publish, and which algorithm each is for |
//! | [`jwks`] | where a provider's keys are fetched |
//! | [`kept`] | how long what a provider publishes holds, and how often it is asked |
//! | [`profile`] | what a provider says about a person, and what follows from it here |
//! | [`service`] | MxWhisper's service tokens |

pub(crate) mod jwk;
pub(crate) mod jwks;
pub(crate) mod jwt;
pub(crate) mod kept;
pub(crate) mod profile;
pub(crate) mod service;
