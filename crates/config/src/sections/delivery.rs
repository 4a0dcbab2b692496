use std::time::Duration;

use ipnet::IpNet;

use crate::secret::Secret;
use crate::setting::{default, section, unset};

section! {
    /// How results are handed to webhooks and callbacks.
    pub struct DeliveryConfig: "delivery" {
        /// How long a receiver may take to answer.
        timeout: Duration = default("30s").within("100ms", "10m"),

        /// How often a delivery is tried, on the schedule of Standard Webhooks: at once, then after 5 s, 5 min, 30 min, 2 h,
        /// 5 h, 10 h, 14 h, 20 h and 24 h.
        attempts_max: u32 = default("10").within("1", "10"),

        /// The longest wait that a receiver may ask for with `Retry-After`.
        retry_after_max: Duration = default("1d").within("0s", "7d"),

        /// Deliveries that are under way in this process at a time.
        concurrency: u32 = default("32").within("1", "1024"),

        /// Deliveries that are under way to one receiver at a time, so that one that hangs holds up only itself.
        per_receiver: u32 = default("4").within("1", "1024"),

        /// Key that signs callbacks, in the form of Standard Webhooks: `whsec_` and 24 to 64 bytes in base64.
        /// Webhook endpoints have keys of their own.
        callback_secret: Option<Secret> = unset("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"),

        /// Private address ranges that callers may name as webhooks, callbacks and sources all the same.
        /// Whoever may call the service then reaches everything in them through it.
        dangerous_allow_private_targets: Vec<IpNet> = unset("10.1.0.0/16"),
    }
}
