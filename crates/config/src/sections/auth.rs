use std::time::Duration;

use crate::reader::Reader;
use crate::secret::Secret;
use crate::sections::{MxwhisperConfig, Provider, ServerConfig};
use crate::setting::{default, section, unset};
use crate::value::{Choice, HttpUrl};

/// Characters that a password has at least.
const PASSWORD_MIN: usize = 12;

section! {
    /// How people log in, and what they may do.
    pub struct AuthConfig: "auth" {
        /// Whether callers need credentials on this machine too, and when nothing else asks for them.
        required: bool = default("false"),

        /// Hours after which a session ends, however much it is used.
        session_lifetime_hours: u32 =
            default("24").within("1", "8760").named(&["SESSION_LIFETIME_HOURS"]),

        /// How long a session may go unused before it ends.
        session_idle: Duration = default("12h").within("5m", "30d"),

        /// E-mail addresses, and domains with or without `@`, that may log in by a provider.
        /// Empty for whomever the provider knows.
        allowed_emails: Vec<String> = unset("@example.org"),

        /// Groups of a provider whose members administer the installation.
        admin_groups: Vec<String> =
            default("admin, administrators, Admins, admin.mxwhisper, mxwhisper-admin"),

        /// Groups of a provider whose members make and change recordings.
        editor_groups: Vec<String> = unset("transcribers"),

        /// Groups of a provider whose members read only.
        viewer_groups: Vec<String> = unset("readers"),

        /// What somebody is whom a provider puts in none of these groups: `viewer` or `editor`.
        default_role: DefaultRole = default("editor"),

        /// E-mail address of the local administrator, who logs in with `auth.admin_password`.
        admin_email: String = default("admin@localhost").named(&["ADMIN_EMAIL"]),

        /// Password of the local administrator, at least 12 characters.
        /// Without one, there is no local administrator.
        admin_password: Option<Secret> = unset("change-me").named(&["ADMIN_PASSWORD"]),

        /// Address to which providers send people back.
        /// Unless set, it is `/auth/callback` at `server.public_url`, or else at `server.bind`.
        redirect_uri: Option<HttpUrl> =
            unset("https://hansard.example.org/auth/callback").named(&["REDIRECT_URI"]),
    }
}

/// What a user is unless groups say more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DefaultRole {
    /// Reads.
    Viewer,
    /// Makes and changes recordings.
    Editor,
}

impl Choice for DefaultRole {
    const CHOICES: &'static [(&'static str, Self)] =
        &[("viewer", Self::Viewer), ("editor", Self::Editor)];
}

impl AuthConfig {
    /// Checks what belongs together; also that nobody else reaches a service that asks for no credentials.
    pub(crate) fn check(
        &self,
        server: &ServerConfig,
        providers: &[Provider<'_>],
        mxwhisper: &MxwhisperConfig,
        reader: &mut Reader,
    ) {
        let asks = self.required
            || server.has_static_key()
            || self.admin_password.is_some()
            || providers.iter().any(Provider::has_credentials)
            || mxwhisper.service_secret.is_some();
        if !server.is_loopback() && !asks {
            reader.refuse_together(
                &["server.bind", "server.api_key", "auth.required"],
                "an address that others reach needs credentials: set server.api_key, a provider to log in with, or \
                 auth.required = true; without them, listen on 127.0.0.1",
            );
        }
        let is_short = |password: &Secret| password.expose().chars().count() < PASSWORD_MIN;
        if self.admin_password.as_ref().is_some_and(is_short) {
            reader.refuse_together(&["auth.admin_password"], "expected at least 12 characters");
        }
        for entry in &self.allowed_emails {
            let domain = entry.rsplit_once('@').map_or(entry.as_str(), |(_, domain)| domain);
            if domain.is_empty() || entry.matches('@').count() > 1 || entry.contains(' ') {
                reader.refuse_together(
                    &["auth.allowed_emails"],
                    "expected e-mail addresses and domains, such as ana@example.org or @example.org",
                );
                return;
            }
        }
        let logs_in = self.admin_password.is_some()
            || providers.iter().any(|provider| provider.login.is_some());
        if logs_in && !server.is_for_this_machine() && !server.is_public_over_https() {
            reader.refuse_together(
                &["server.public_url"],
                "a login that others reach needs a server.public_url with https://, or its cookies can be read on the way",
            );
        }
    }
}
