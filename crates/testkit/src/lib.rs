//! Fixtures, tidy rules and servers for tests.

pub mod shapes;
