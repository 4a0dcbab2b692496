//! The one outbound HTTP client of Hansard.
