//! All settings, and how they are found by name.

use crate::sections::{
    AuditConfig, AuthConfig, AuthentikConfig, DeliveryConfig, EngineConfig, GoogleConfig,
    JobsConfig, KeycloakConfig, LimitsConfig, LogConfig, MediaConfig, MxwhisperConfig, NetConfig,
    OidcConfig, S3Config, SalestrainerConfig, ServerConfig, StoreConfig,
};
use crate::setting::{FILE_SUFFIX, PREFIX, Section, Setting};

/// All sections in the order of the documentation.
pub const SECTIONS: [&Section; 18] = [
    &ServerConfig::TABLE,
    &AuthConfig::TABLE,
    &GoogleConfig::TABLE,
    &AuthentikConfig::TABLE,
    &KeycloakConfig::TABLE,
    &OidcConfig::TABLE,
    &LimitsConfig::TABLE,
    &AuditConfig::TABLE,
    &StoreConfig::TABLE,
    &MediaConfig::TABLE,
    &S3Config::TABLE,
    &NetConfig::TABLE,
    &JobsConfig::TABLE,
    &EngineConfig::TABLE,
    &DeliveryConfig::TABLE,
    &SalestrainerConfig::TABLE,
    &MxwhisperConfig::TABLE,
    &LogConfig::TABLE,
];

/// All settings in the order of the documentation.
pub fn settings() -> impl Iterator<Item = &'static Setting> {
    SECTIONS.into_iter().flat_map(|section| section.settings)
}

/// What a name stands for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Meaning {
    /// The setting.
    pub(crate) setting: &'static Setting,
    /// Whether the value is the path of a file that holds the secret.
    pub(crate) is_file: bool,
}

/// The setting with exactly this key.
pub(crate) fn by_key(key: &str) -> Option<&'static Setting> {
    settings().find(|setting| setting.key == key)
}

/// What a key of the configuration file or of a flag stands for.
pub(crate) fn meaning_of_key(key: &str) -> Option<Meaning> {
    if let Some(setting) = by_key(key) {
        return Some(Meaning { setting, is_file: false });
    }
    let setting = by_key(key.strip_suffix(FILE_SUFFIX)?)?;
    setting.is_secret().then_some(Meaning { setting, is_file: true })
}

/// What an environment variable stands for: one with a well-known name, or one of our own.
pub(crate) fn meaning_of_variable(name: &str) -> Option<Meaning> {
    if let Some(setting) = settings().find(|setting| setting.rule.names.contains(&name)) {
        return Some(Meaning { setting, is_file: false });
    }
    let (section, key) = name.strip_prefix(PREFIX)?.split_once("__")?;
    if name.contains(|character: char| character.is_ascii_lowercase()) {
        return None;
    }
    meaning_of_key(&format!("{}.{}", section.to_lowercase(), key.to_lowercase()))
}

/// How much alike two names have to be, from 0 to 1, to take one for the other misspelt.
const LIKENESS: f64 = 0.7;

/// The known key that somebody may have meant.
pub(crate) fn suggestion(key: &str) -> Option<&'static str> {
    let key = key.to_lowercase();
    let likeness = |setting: &Setting| {
        // The right name in the wrong section is meant more often than it is misspelt.
        let same_name = key.rsplit('.').next() == Some(setting.name);
        let whole = strsim::normalized_damerau_levenshtein(&key, setting.key);
        if same_name { whole.max(LIKENESS) } else { whole }
    };
    let best = settings().max_by(|a, b| likeness(a).total_cmp(&likeness(b)))?;
    (likeness(best) >= LIKENESS).then_some(best.key)
}
