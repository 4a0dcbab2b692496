//! Where the configuration keeps rows and media, and what reaches the places that are elsewhere.

use anyhow::Context;
use hansard_config::{Config, Database as ConfiguredDatabase, MediaPlace, S3Config};
use hansard_net::{Client, Guard};
use hansard_store::s3::{S3, S3Settings};
use hansard_store::{Clock, Database, Media, Settings};

/// The store as it is configured, not yet opened.
pub(crate) struct Storage {
    /// What the store is opened with.
    pub(crate) settings: Settings,
    /// What calls other services.
    pub(crate) client: Client,
    /// The S3 account, if there are credentials for one.
    pub(crate) s3: Option<S3>,
}

impl Storage {
    /// The storage that `config` asks for. Makes the folder of the data if it is missing.
    pub(crate) fn prepare(config: &Config) -> anyhow::Result<Self> {
        let folder = &config.store.data_dir;
        std::fs::create_dir_all(folder)
            .with_context(|| format!("cannot make the folder {}", folder.display()))?;
        let guard = Guard { allowed: config.delivery.dangerous_allow_private_targets.clone() };
        let extra_authorities = config.net.extra_ca_file.clone();
        let network = hansard_net::Settings { guard, extra_authorities, ..Default::default() };
        let client = Client::new(&network)?;
        let s3 = s3_settings(&config.s3).map(|settings| S3::new(settings, client.clone()));
        let media = match (config.media.place, &s3) {
            (MediaPlace::Local, _) => Media::folder(folder)?,
            (MediaPlace::S3, Some(s3)) => {
                let bucket = config.media.bucket(&config.s3).unwrap_or_default();
                s3.media(bucket, &config.media.prefix)?
            }
            (MediaPlace::S3, None) => {
                anyhow::bail!("recordings in S3 need s3.access_key_id and s3.secret_access_key")
            }
        };
        let database = database(config);
        let connections_max = match database {
            Database::Sqlite { .. } => config.store.readers_max,
            Database::Postgres { .. } => config.store.connections_max,
        };
        let settings = Settings {
            database,
            connections_max,
            queue_max: config.jobs.queue_max,
            media,
            uploads: folder.join("uploads"),
            clock: Clock::system(),
        };
        Ok(Self { settings, client, s3 })
    }
}

/// The database that `config` names, whether it is there or not.
pub(crate) fn database(config: &Config) -> Database {
    match config.store.database() {
        ConfiguredDatabase::Sqlite { path } => Database::Sqlite { path },
        ConfiguredDatabase::Postgres { url } => Database::Postgres { url: url.expose().to_owned() },
    }
}

fn s3_settings(config: &S3Config) -> Option<S3Settings> {
    let (key, secret) = (config.access_key_id.as_ref()?, config.secret_access_key.as_ref()?);
    Some(S3Settings {
        region: config.region.clone(),
        endpoint: config.endpoint_url.as_ref().map(|url| url.as_str().to_owned()),
        path_style: config.uses_path_style(),
        access_key_id: key.expose().to_owned(),
        secret_access_key: secret.expose().to_owned(),
        session_token: config.session_token.as_ref().map(|token| token.expose().to_owned()),
    })
}
