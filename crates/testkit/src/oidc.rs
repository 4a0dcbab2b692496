//! An OpenID provider that is not ours: node-oidc-provider, which the OpenID Foundation has certified.
//!
//! It knows one client, wants PKCE of it, asks nobody for consent, and lets anybody in with any password.

use serde_json::{Value, json};

use crate::browser::Visitor;
use crate::port::Port;
use crate::script::Script;

/// What the one client is called.
pub const CLIENT_ID: &str = "hansard";

/// The secret of [`CLIENT_ID`].
pub const CLIENT_SECRET: &str = "what-the-testkit-and-its-provider-share";

/// How long an ID token is good for, in seconds.
pub const ID_TOKEN_SECONDS: u64 = 3600;

/// A running provider. It ends when it is dropped.
#[derive(Debug)]
pub struct OidcProvider {
    script: Script,
    issuer: String,
    /// Keeps everybody else away from the port while the provider is down.
    _port: Port,
}

impl OidcProvider {
    /// Starts one that sends codes to `redirect_uri` and people who have logged out to `after_logout`.
    pub fn start(redirect_uri: &str, after_logout: &str) -> Self {
        let port = Port::reserve();
        let number = port.address().port().to_string();
        let life = ID_TOKEN_SECONDS.to_string();
        let arguments = [&number, CLIENT_ID, CLIENT_SECRET, redirect_uri, after_logout, &life];
        let provider = Self {
            script: Script::start("provider.mjs", arguments),
            issuer: format!("http://{}", port.address()),
            _port: port,
        };
        provider.start_again();
        provider
    }

    /// Its name and address.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// From now on it says this of `login`, of whom it otherwise tells the subject only, which is the same. It passes on
    /// `email`, `email_verified`, `name` and `groups`.
    pub fn set_claims(&self, login: &str, claims: &Value) {
        self.script.ask("claim", &json!({"login": login, "claims": claims}));
    }

    /// What somebody does who is at its page.
    pub fn log_in(visitor: &Visitor, login: &str) {
        visitor.fill("[name=login]", login);
        visitor.fill("[name=password]", "any will do");
        visitor.click("[type=submit]");
    }

    /// How often a path was asked for so far.
    pub fn requests(&self, path: &str) -> u64 {
        let count = self.script.ask("requests", &json!({"path": path}));
        count.as_u64().expect("provider.mjs counts")
    }

    /// What it was sent last for a code, and what it gave for it: `code`, `code_verifier`, `access_token`, `id_token` and
    /// what else belongs to them.
    pub fn last_exchange(&self) -> Value {
        self.script.ask("exchange", &Value::Null)
    }

    /// Signs with a new key from now on, and no longer publishes the old one. Everybody has to log in again.
    pub fn rotate_keys(&self) {
        self.script.ask("rotate", &Value::Null);
    }

    /// Breaks all connections and takes none.
    pub fn stop(&self) {
        self.script.ask("stop", &Value::Null);
    }

    /// Listens again after [`OidcProvider::stop`], with the same key and sessions.
    pub fn start_again(&self) {
        self.script.ask("start", &Value::Null);
    }
}
