//! What the tests of several crates share: [`shapes`], models of published sizes with random weights; [`hub_server`], a
//! model hub on this machine; [`postgres`], a database server; and [`tools`], where programs of others are found.
//!
//! Used by tests and benchmarks only: nothing that ships depends on it, and it depends on nothing of ours. The rules of
//! the house that the compiler cannot keep are tests of this crate, in `tests/tidy`.

pub mod hub_server;
pub mod postgres;
pub mod shapes;
pub mod tools;
