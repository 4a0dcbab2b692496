//! Fixtures, tidy rules and servers for tests.
