//! The identity providers at which people log in.

use hansard_net::Client;
use hansard_store::Clock;

use crate::login::provider::{Provider, Settings as ProviderSettings};
use crate::settings::Settings;

/// Where providers send people back to, unless the settings name another address.
const CALLBACK: &str = "/auth/callback";

/// The providers, in the order of the configuration.
pub(crate) struct Ways(Vec<Way>);

/// A provider, and what it is called here.
pub(crate) struct Way {
    /// Its section in the configuration, by which addresses and records name it.
    pub(crate) name: &'static str,
    /// What people see.
    pub(crate) label: String,
    /// Itself.
    pub(crate) provider: Provider,
}

impl Ways {
    /// Those of the settings. Nothing is asked yet.
    pub(crate) fn new(settings: &Settings, client: &Client, clock: &Clock) -> Self {
        let admission = &settings.admission;
        let back = || settings.address_of(CALLBACK);
        let redirect_uri = admission.redirect_uri.clone().unwrap_or_else(back);
        let ways = admission.providers.iter().filter_map(|configured| {
            let login = configured.login.as_ref()?;
            let settings = ProviderSettings {
                issuer: configured.issuer.clone(),
                client_id: login.client_id.clone(),
                client_secret: login.client_secret.expose().to_owned(),
                redirect_uri: redirect_uri.clone(),
                scopes: login.scopes.clone(),
                groups_claim: configured.groups_claim.clone(),
            };
            Some(Way {
                name: configured.name,
                label: configured.label.clone(),
                provider: Provider::new(settings, client.clone(), clock.clone()),
            })
        });
        Self(ways.collect())
    }

    /// Whether there is none.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The one of this name.
    pub(crate) fn find(&self, name: &str) -> Option<&Way> {
        self.0.iter().find(|way| way.name == name)
    }

    /// All of them.
    pub(crate) fn all(&self) -> &[Way] {
        &self.0
    }
}
