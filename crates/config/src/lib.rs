//! Every setting of Hansard, from file, environment and flags, checked once.
//!
//! A setting is declared in one place, a field in `sections`: its type, its default, its bounds, the environment variables
//! that other programs call it by, and what it is for. Everything else follows from that line: how it is read and checked,
//! `HANSARD__SECTION__KEY`, the example file, the documentation and what `hansard config show` prints.
//!
//! [`load`] puts the layers over one another, from the weakest: defaults, `hansard.toml`, `.env`, the environment, flags. It
//! returns either a [`Config`] in which everything has been checked, or all [`Problems`] at once. The rest of the program
//! receives its own section and reads nothing else.

pub mod document;
mod layers;
pub mod logging;
mod problems;
mod reader;
mod secret;
mod sections;
mod setting;
mod sources;
mod table;
mod value;

pub use problems::{Origin, Place, Problem, Problems};
pub use secret::Secret;
pub use sections::{
    AuditConfig, AuthConfig, AuthentikConfig, DefaultRole, DeliveryConfig, EngineConfig,
    EngineKind, GoogleConfig, JobsConfig, KeycloakConfig, LimitsConfig, LogConfig, LogFormat,
    LogRotation, LogTarget, Login, MediaConfig, MediaPlace, MxwhisperConfig, NetConfig, OidcConfig,
    Provider, S3Config, SalestrainerConfig, ServerConfig, ServiceAlgorithm, StoreConfig,
};
pub use setting::{Rule, Section, Setting};
pub use sources::{DEFAULT_ENV_FILE, DEFAULT_FILE, FileSource, Override, Sources};
pub use table::{SECTIONS, settings};
pub use value::{
    ByteSize, Database, DatabaseUrl, HttpUrl, Issuer, LogFilter, OnlyTrue, Shape,
    is_on_this_machine,
};

use reader::Reader;
use sections::Sections;

/// All settings, checked.
#[derive(Debug, Clone)]
pub struct Config {
    /// How the service is reached over HTTP, and how much it takes at a time.
    pub server: ServerConfig,
    /// How people log in, and what they may do.
    pub auth: AuthConfig,
    /// Login with Google.
    pub google: GoogleConfig,
    /// Login with Authentik.
    pub authentik: AuthentikConfig,
    /// Login with Keycloak.
    pub keycloak: KeycloakConfig,
    /// Login with any other provider.
    pub oidc: OidcConfig,
    /// How much one caller may ask for.
    pub limits: LimitsConfig,
    /// The record of who did what.
    pub audit: AuditConfig,
    /// Where rows and files are kept.
    pub store: StoreConfig,
    /// Where recordings lie.
    pub media: MediaConfig,
    /// How S3 is reached.
    pub s3: S3Config,
    /// How other services are called.
    pub net: NetConfig,
    /// How jobs are run.
    pub jobs: JobsConfig,
    /// What turns speech into text.
    pub engine: EngineConfig,
    /// How results are handed on.
    pub delivery: DeliveryConfig,
    /// What the SalesTrainer plugin of WordPress expects.
    pub salestrainer: SalestrainerConfig,
    /// The service tokens of MxWhisper.
    pub mxwhisper: MxwhisperConfig,
    /// What is logged.
    pub log: LogConfig,
}

/// The configuration, and how it came about.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// All settings.
    pub config: Config,
    /// Each setting as it was written and where, in the order of the table.
    pub origins: Vec<Written>,
}

/// A setting as people see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// The key, such as `server.bind`.
    pub key: &'static str,
    /// The text of the value; `(unset)` if it has none, `(set)` if it is a secret.
    pub value: String,
    /// Where it was written.
    pub origin: Origin,
}

/// Reads all sources.
///
/// # Errors
///
/// Everything that is wrong, in one [`Problems`]: files that cannot be read, keys that nobody knows, names that disagree,
/// values that mean nothing, and settings that do not go together.
pub fn load(sources: &Sources) -> Result<Loaded, Problems> {
    let (values, problems) = layers::gather(sources);
    let mut reader = Reader::new(values, problems);
    let config = Config::read(&mut reader);
    let (values, problems) = reader.finish();
    if !problems.is_empty() {
        return Err(Problems(problems));
    }
    let written = |setting: &'static Setting| {
        let given = values.get(setting.key);
        Written {
            key: setting.key,
            value: reader::shown(setting, given),
            origin: given.map_or(Origin::Default, |given| given.origin.clone()),
        }
    };
    Ok(Loaded { config, origins: settings().map(written).collect() })
}

impl Config {
    /// The identity providers that are configured, in the order of the documentation.
    pub fn providers(&self) -> Vec<Provider<'_>> {
        self.sections_of_providers().providers()
    }

    fn sections_of_providers(&self) -> Sections<'_> {
        let Self { google, authentik, keycloak, oidc, .. } = self;
        Sections { google, authentik, keycloak, oidc }
    }

    fn read(reader: &mut Reader) -> Self {
        let mut config = Self {
            server: ServerConfig::read(reader),
            auth: AuthConfig::read(reader),
            google: GoogleConfig::read(reader),
            authentik: AuthentikConfig::read(reader),
            keycloak: KeycloakConfig::read(reader),
            oidc: OidcConfig::read(reader),
            limits: LimitsConfig::read(reader),
            audit: AuditConfig::read(reader),
            store: StoreConfig::read(reader),
            media: MediaConfig::read(reader),
            s3: S3Config::read(reader),
            net: NetConfig::read(reader),
            jobs: JobsConfig::read(reader),
            engine: EngineConfig::read(reader),
            delivery: DeliveryConfig::read(reader),
            salestrainer: SalestrainerConfig::read(reader),
            mxwhisper: MxwhisperConfig::read(reader),
            log: LogConfig::read(reader),
        };
        config.server.settle(reader);
        config.auth.check(&config.server, &config.providers(), &config.mxwhisper, reader);
        config.sections_of_providers().check(&config.auth, reader);
        config.mxwhisper.check(reader);
        config.store.check(&config.jobs, reader);
        config.media.check(&config.s3, reader);
        config.s3.check(reader);
        config.jobs.check(reader);
        config.engine.settle(reader);
        config.salestrainer.check(reader);
        config.log.check(reader);
        config
    }
}
