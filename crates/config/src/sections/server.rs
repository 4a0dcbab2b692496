use std::net::SocketAddr;
use std::time::Duration;

use ipnet::IpNet;

use crate::reader::Reader;
use crate::secret::Secret;
use crate::setting::{default, section, unset};
use crate::value::{ByteSize, HttpUrl};

section! {
    /// How the service is reached over HTTP, and how much it takes at a time.
    pub struct ServerConfig: "server" {
        /// Address and port to listen on.
        /// Any other than a loopback address needs credentials: keys, a login, or `auth.required`.
        bind: SocketAddr = default("127.0.0.1:8080"),

        /// Port to listen on in place of that of `server.bind`, as hosting platforms set it.
        /// It has no effect when `server.bind` comes from a stronger layer.
        port: Option<u16> = unset("8080").within("0", "65535").named(&["PORT"]),

        /// Static key that callers send as `Authorization: Bearer` or `X-API-Key`.
        /// Without any credentials configured, only programs on this machine may call.
        api_key: Option<Secret> = unset("change-me").named(&["API_KEY"]),

        /// Key that is accepted beside `server.api_key` while callers move to a new one.
        previous_api_key: Option<Secret> = unset("change-me"),

        /// Key whose callers only read.
        read_key: Option<Secret> = unset("change-me").named(&["READ_KEY"]),

        /// Key whose callers administer `server.workspace`.
        admin_key: Option<Secret> = unset("change-me").named(&["ADMIN_KEY"]),

        /// Key whose callers administer the installation.
        super_key: Option<Secret> = unset("change-me").named(&["SUPER_KEY"]),

        /// Name of the workspace that callers with a static key act for, and that callers on this machine act for when
        /// there is no key.
        workspace: String = default("default"),

        /// Address at which others reach the service, for links in answers and callbacks. With it, callers on this machine need
        /// credentials too: a proxy here may be speaking for others.
        public_url: Option<HttpUrl> = unset("https://hansard.example.org"),

        /// Proxies whose word is taken for the address that a request comes from, in `X-Forwarded-For` or `Forwarded`. With
        /// any, callers on this machine need credentials too.
        trusted_proxies: Vec<IpNet> = unset("10.1.0.0/16"),

        /// Address of a web application that uses the service: pages of its origin may call, and a login returns to it.
        frontend_url: Option<HttpUrl> =
            unset("https://app.example.org").named(&["FRONTEND_URL"]),

        /// Further addresses whose origins (scheme, host and port) may call from a browser.
        cors_origins: Vec<HttpUrl> = unset("https://app.example.org").named(&["CORS_ORIGINS"]),

        /// Beginnings of paths that a session may change something below without the token against forged requests.
        csrf_exempt_paths: Vec<String> = unset("/hooks").named(&["CSRF_EXEMPT_PATHS"]),

        /// Largest recording that is accepted.
        max_file_size: ByteSize = default("1GiB").within("1", "16TiB").named(&["MAX_FILE_SIZE"]),

        /// How long a client may take to send the head of a request.
        header_timeout: Duration = default("10s").within("100ms", "10m"),

        /// How long a client may be silent while it sends a body; a slow one that goes on sending is no problem.
        body_timeout: Duration = default("30s").within("100ms", "1h"),

        /// Connections that are open at a time; further ones are answered 503 and closed.
        connections_max: u32 = default("1024").within("1", "65535"),

        /// Requests that are worked on at a time; further ones are answered 503 at once.
        requests_in_flight_max: u32 = default("256").within("1", "65535"),

        /// How deep JSON that is sent may nest.
        json_depth_max: u32 = default("32").within("4", "100"),

        /// How long an upload in pieces is kept after its last piece, if no more come.
        upload_expiry: Duration = default("1d").within("1m", "30d"),

        /// How long a call of OpenAI's audio API waits for its transcript before it is answered 504 with the job.
        /// OpenAI's own clients give up after ten minutes unless told otherwise, and repeat themselves: they are best answered
        /// before that, and find the same job again.
        openai_wait: Duration = default("590s").within("1s", "1h"),

        /// How long running requests and windows may take to end after the first signal to stop.
        shutdown_grace: Duration = default("30s").within("0s", "1h"),
    }
}

impl ServerConfig {
    /// Lets the port that was given alone take its place, and checks what belongs together.
    pub(crate) fn settle(&mut self, reader: &mut Reader) {
        if let Some(port) = self.port {
            let layer = |key| reader.given(key).map(|given| given.layer);
            if layer("server.port") >= layer("server.bind") {
                self.bind.set_port(port);
            }
        }
        if self.previous_api_key.is_some() && self.api_key.is_none() {
            reader.refuse_together(
                &["server.previous_api_key", "server.api_key"],
                "a previous key needs server.api_key, the key that follows it",
            );
        }
        let keys = [
            ("server.super_key", &self.super_key),
            ("server.admin_key", &self.admin_key),
            ("server.api_key", &self.api_key),
            ("server.previous_api_key", &self.previous_api_key),
            ("server.read_key", &self.read_key),
        ];
        for (index, (name, key)) in keys.into_iter().enumerate() {
            let is_twin = |(_, other): &&(&str, &Option<Secret>)| key.is_some() && *other == key;
            if let Some((other, _)) = keys[index + 1..].iter().find(is_twin) {
                let message = format!("is the same as {other}: give each its own");
                reader.refuse_together(&[name, other], &message);
            }
        }
        let is_odd = |path: &String| !path.starts_with('/') || path.trim_matches('/').is_empty();
        if self.csrf_exempt_paths.iter().any(is_odd) {
            reader.refuse_together(
                &["server.csrf_exempt_paths"],
                "expected paths such as /hooks; all of them cannot be exempt",
            );
        }
    }

    /// Whether only programs on this machine reach the service.
    pub(crate) fn is_loopback(&self) -> bool {
        self.bind.ip().to_canonical().is_loopback()
    }

    /// Whether callers may show a configured key.
    pub(crate) fn has_static_key(&self) -> bool {
        let keys = [&self.api_key, &self.read_key, &self.admin_key, &self.super_key];
        keys.into_iter().any(Option::is_some)
    }

    /// Whether only browsers on this machine reach the service.
    pub(crate) fn is_for_this_machine(&self) -> bool {
        let public = self.public_url.as_ref();
        self.is_loopback() && public.is_none_or(HttpUrl::is_on_this_machine)
    }

    /// Whether others reach the service where nobody reads on the way.
    pub(crate) fn is_public_over_https(&self) -> bool {
        self.public_url.as_ref().is_some_and(|url| !url.is_plain_http())
    }
}
