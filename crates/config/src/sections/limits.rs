use crate::setting::{default, section};

section! {
    /// How much one caller may ask for.
    pub struct LimitsConfig: "limits" {
        /// Requests a minute of one user, token or key; 0 is no limit.
        requests_per_minute: u32 = default("6000").within("0", "1000000"),

        /// Requests that may come at once after a while without any.
        burst: u32 = default("1000").within("1", "1000000"),

        /// Requests a minute without credentials from one address; 0 is no limit.
        anonymous_per_minute: u32 = default("600").within("0", "1000000"),

        /// Wrong credentials in a row from one address before it has to wait; 0 is no limit.
        failures_per_address: u32 = default("20").within("0", "1000000"),

        /// Wrong passwords in a row for one account before it has to wait; 0 is no limit.
        failures_per_account: u32 = default("10").within("0", "1000000"),
    }
}
