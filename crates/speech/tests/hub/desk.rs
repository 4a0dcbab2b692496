//! A user's machine: an empty home, and a hub to ask.

use std::path::PathBuf;
use std::time::Duration;

use hansard_net::{Proxies, Retries, Settings, Token, Url};
use hansard_speech::hub::{Access, Error, Hub, HubConfig, Pulled};
use hansard_testkit::hub_server::HubServer;
use tempfile::TempDir;

/// The machine. Its home is removed with it.
pub(crate) struct Desk {
    pub(crate) server: HubServer,
    pub(crate) config: HubConfig,
    _home: TempDir,
}

impl Desk {
    pub(crate) fn new() -> Self {
        let home = tempfile::tempdir().expect("a temporary folder can be made");
        let server = HubServer::start();
        let network = Settings {
            retries: Retries {
                attempts: 3,
                first_pause: Duration::from_millis(1),
                pause_max: Duration::from_secs(5),
            },
            proxies: Proxies::Direct,
            ..Settings::default()
        };
        let config = HubConfig {
            endpoint: Url::parse(&server.endpoint()).expect("the server has an address"),
            access: Access::Public,
            cache: home.path().join("cache"),
            own_models: home.path().join("own"),
            offline: false,
            network,
        };
        Self { server, config, _home: home }
    }

    pub(crate) fn with_token(mut self, token: &str) -> Self {
        self.config.access = Access::Token(Token::new(token).expect("the token is plain"));
        self
    }

    pub(crate) fn hub(&self) -> Hub {
        Hub::new(self.config.clone())
    }

    pub(crate) fn pull(&self, model: &str) -> Result<Pulled, Error> {
        self.hub().pull(model, &mut |_| {})
    }

    /// A folder of the cache's repository of `openai/whisper-tiny`.
    pub(crate) fn tiny(&self, folder: &str) -> PathBuf {
        self.config.cache.join("models--openai--whisper-tiny").join(folder)
    }

    /// The names below a folder of that repository.
    pub(crate) fn names_in_tiny(&self, folder: &str) -> Vec<String> {
        let entries = std::fs::read_dir(self.tiny(folder)).into_iter().flatten().flatten();
        let mut names: Vec<String> =
            entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
        names.sort();
        names
    }
}
