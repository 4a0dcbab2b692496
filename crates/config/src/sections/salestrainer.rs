use std::time::Duration;

use crate::reader::Reader;
use crate::secret::Secret;
use crate::setting::{default, section, unset};
use crate::value::{HttpUrl, OnlyTrue};

section! {
    /// The routes and the callback that the SalesTrainer plugin of WordPress expects.
    pub struct SalestrainerConfig: "salestrainer" {
        /// Secret that the plugin sends.
        /// Without one, the routes are switched off.
        secret: Option<Secret> = unset("change-me").named(&["SIDE_CAR_SECRET"]),

        /// Secret that is accepted beside `salestrainer.secret` while the plugin moves to a new one.
        previous_secret: Option<Secret> = unset("change-me").named(&["SIDE_CAR_SECRET_PREVIOUS"]),

        /// Where results go unless a request says otherwise.
        callback_url: Option<HttpUrl> =
            unset("https://example.org/wp-json/salestrainer/v1/upload-complete")
                .named(&["WP_SIDE_CAR_CALLBACK"]),

        /// Further addresses whose origins (scheme, host and port) may be sent `salestrainer.server_token` when a request names
        /// them as its callback.
        /// Beside `salestrainer.callback_url`, no other is; without one, every address that a caller names is.
        callback_origins: Vec<HttpUrl> = unset("https://staging.example.org"),

        /// Token that WordPress recognises a callback by.
        server_token: Option<Secret> = unset("change-me").named(&["WP_SERVER_TOKEN"]),

        /// Whether the token is sent in the header `X-Server-Token` too, and not only in the body.
        /// Any value but `true` switches it off.
        send_x_server_token_header: OnlyTrue =
            default("true").named(&["SEND_X_SERVER_TOKEN_HEADER"]),

        /// How long an answer waits for the result before it is 202 with the job.
        wait: Duration = default("10m").within("0s", "1h"),

        /// Whether failures are called back too.
        call_back_failures: bool = default("true"),
    }
}

impl SalestrainerConfig {
    pub(crate) fn check(&self, reader: &mut Reader) {
        if self.previous_secret.is_some() && self.secret.is_none() {
            reader.refuse_together(
                &["salestrainer.previous_secret", "salestrainer.secret"],
                "a previous secret needs salestrainer.secret, the one that follows it",
            );
        }
    }
}
