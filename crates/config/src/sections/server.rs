use std::net::SocketAddr;
use std::time::Duration;

use crate::reader::Reader;
use crate::secret::Secret;
use crate::setting::{default, section, unset};
use crate::value::{ByteSize, HttpUrl};

section! {
    /// How the service is reached over HTTP, and how much it takes at a time.
    pub struct ServerConfig: "server" {
        /// Address and port to listen on.
        /// Any other than a loopback address needs `server.api_key`.
        bind: SocketAddr = default("127.0.0.1:8080"),

        /// Port to listen on in place of that of `server.bind`, as hosting platforms set it.
        /// It has no effect when `server.bind` comes from a stronger layer.
        port: Option<u16> = unset("8080").within("0", "65535").named(&["PORT"]),

        /// Static key that callers send as `Authorization: Bearer` or `X-API-Key`.
        /// Without one, only programs on this machine may call.
        api_key: Option<Secret> = unset("change-me").named(&["API_KEY"]),

        /// Key that is accepted beside `server.api_key` while callers move to a new one.
        previous_api_key: Option<Secret> = unset("change-me"),

        /// Name of the workspace that callers with a static key act for, and that callers on this machine act for when
        /// there is no key.
        workspace: String = default("default"),

        /// Address at which others reach the service, for links in answers and callbacks.
        public_url: Option<HttpUrl> = unset("https://hansard.example.org"),

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
        if !self.bind.ip().to_canonical().is_loopback() && self.api_key.is_none() {
            reader.refuse_together(
                &["server.bind", "server.api_key"],
                "an address that others reach needs server.api_key; without one, listen on 127.0.0.1",
            );
        }
        if self.previous_api_key.is_some() && self.api_key.is_none() {
            reader.refuse_together(
                &["server.previous_api_key", "server.api_key"],
                "a previous key needs server.api_key, the key that follows it",
            );
        }
    }
}
