use std::time::Duration;

use crate::setting::{default, section};

section! {
    /// The record of who did what.
    pub struct AuditConfig: "audit" {
        /// How long an entry is kept.
        keep: Duration = default("400d").within("1d", "3650d"),
    }
}
