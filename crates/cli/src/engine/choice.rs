//! The engine of the service: chosen once, at the start, from the configuration.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use hansard_config::{EngineConfig, EngineKind, NetConfig};
use hansard_net::{Token, Url};
use hansard_speech::Transcriber;
use hansard_speech::fake::Fake;
use hansard_speech::hub::{Hub, HubConfig};
use hansard_speech::openai::{self, OpenAi};
use hansard_speech::whisper::Whisper;
use hansard_workflow::{Engines, LoadError};

use super::DEFAULT_MODEL;

/// What tests ask of made-up words.
#[derive(Debug, Clone, Args)]
pub(crate) struct FakeArgs {
    /// With made-up words: note each window in this file
    #[arg(long, env = "HANSARD_FAKE_NOTES", hide = true, value_name = "FILE")]
    fake_notes: Option<PathBuf>,

    /// With made-up words: take so many milliseconds for each window
    #[arg(
        long,
        env = "HANSARD_FAKE_WINDOW_MS",
        hide = true,
        value_name = "MS",
        default_value_t = 0
    )]
    fake_window_ms: u32,
}

impl FakeArgs {
    fn engine(&self) -> Fake {
        let fake = Fake::new().taking(Duration::from_millis(self.fake_window_ms.into()));
        match &self.fake_notes {
            Some(path) => fake.noting(path),
            None => fake,
        }
    }
}

/// Where the service gets its engines from.
pub(crate) struct Choice {
    kind: Kind,
    /// Why this one, for the log.
    pub(crate) reason: String,
}

enum Kind {
    Fake(Fake),
    Whisper { hub: Box<Hub>, model: Option<String>, threads: usize },
    OpenAi(Box<openai::Config>),
}

impl Choice {
    /// The engine that `config` asks for, which reaches others as `net` says. Loads nothing and asks nobody.
    pub(crate) fn new(
        config: &EngineConfig,
        net: &NetConfig,
        fake: &FakeArgs,
    ) -> anyhow::Result<Self> {
        match config.kind {
            EngineKind::Fake => {
                let reason = "made-up words, as the configuration asks for".to_owned();
                Ok(Self { kind: Kind::Fake(fake.engine()), reason })
            }
            EngineKind::Whisper => Self::whisper(config, "as the configuration asks for"),
            EngineKind::Openai => Self::openai(config, net, "as the configuration asks for"),
            EngineKind::Auto => {
                let local = Self::whisper(config, "on this machine")?;
                match local.pick(None) {
                    Err(_) if config.openai_api_key.is_some() => {
                        Self::openai(config, net, "since no model is on this machine")
                    }
                    _ => Ok(local),
                }
            }
        }
    }

    fn whisper(config: &EngineConfig, why: &str) -> anyhow::Result<Self> {
        let mut places = HubConfig::from_env()?;
        if let Some(folder) = &config.models_dir {
            places.cache.clone_from(folder);
        }
        let threads = super::count_threads(config.threads);
        let kind =
            Kind::Whisper { hub: Box::new(Hub::new(places)), model: config.model.clone(), threads };
        let mut choice = Self { kind, reason: String::new() };
        choice.reason = match choice.pick(None) {
            Ok(model) => format!("whisper with the model {model}, {why}"),
            Err(_) => format!("whisper, {why}; no model is on this machine yet"),
        };
        Ok(choice)
    }

    fn openai(config: &EngineConfig, net: &NetConfig, why: &str) -> anyhow::Result<Self> {
        let address = config.openai_base_url.as_str();
        let url = Url::parse(address).context("engine.openai_base_url is no address")?;
        let key = config.openai_api_key.as_ref().map(|key| Token::new(key.expose())).transpose();
        let key = key.context("engine.openai_api_key cannot be used")?;
        let host = url.host_str().unwrap_or_default().to_owned();
        let reason = format!("openai/{} at {host}, {why}", config.openai_model);
        let mut config = openai::Config::new(url, key, config.openai_model.clone());
        config.network.extra_authorities.clone_from(&net.extra_ca_file);
        Ok(Self { kind: Kind::OpenAi(Box::new(config)), reason })
    }
}

impl Engines for Choice {
    fn pick(&self, model: Option<&str>) -> Result<String, LoadError> {
        match &self.kind {
            // Whoever is tested with made-up words may ask for any model.
            Kind::Fake(_) => Ok("words".to_owned()),
            Kind::OpenAi(config) => match model {
                Some(asked) if asked != config.model => Err(LoadError::NotInstalled {
                    asked: asked.to_owned(),
                    installed: vec![config.model.clone()],
                }),
                _ => Ok(config.model.clone()),
            },
            Kind::Whisper { hub, model: configured, .. } => {
                pick_local(hub, configured.as_deref(), model)
            }
        }
    }

    fn installed(&self) -> Vec<String> {
        match &self.kind {
            Kind::Fake(_) => Vec::new(),
            Kind::OpenAi(config) => vec![config.model.clone()],
            Kind::Whisper { hub, .. } => list(hub),
        }
    }

    fn load(&self, name: &str) -> Result<Arc<dyn Transcriber>, LoadError> {
        let failed = |source| LoadError::Failed { name: name.to_owned(), source };
        match &self.kind {
            Kind::Fake(fake) => Ok(Arc::new(fake.clone())),
            Kind::OpenAi(config) => {
                let engine = OpenAi::new((**config).clone()).map_err(|e| failed(Box::new(e)))?;
                Ok(Arc::new(engine))
            }
            Kind::Whisper { hub, threads, .. } => {
                let folder = hub.resolve(name).map_err(|error| failed(Box::new(error)))?;
                let engine =
                    Whisper::load(&folder, *threads).map_err(|error| failed(Box::new(error)))?;
                Ok(Arc::new(engine))
            }
        }
    }
}

/// The models on this machine that are whole.
fn list(hub: &Hub) -> Vec<String> {
    let installed = hub.list().unwrap_or_default().into_iter();
    installed.filter(|model| model.missing.is_empty()).map(|model| model.name).collect()
}

/// The model that is meant by `asked`, which a caller may have written, so it is never taken for a path. The operator's own
/// choice may be one.
fn pick_local(
    hub: &Hub,
    configured: Option<&str>,
    asked: Option<&str>,
) -> Result<String, LoadError> {
    let list = || list(hub);
    match (asked, configured) {
        (Some(asked), Some(configured)) if asked == configured => Ok(asked.to_owned()),
        (None, Some(configured)) => match hub.resolve(configured) {
            Ok(_) => Ok(configured.to_owned()),
            Err(_) => {
                let asked = configured.to_owned();
                Err(LoadError::NotInstalled { asked, installed: list() })
            }
        },
        (None, None) => {
            let installed = list();
            let usual = installed.iter().find(|name| *name == DEFAULT_MODEL);
            let chosen = usual.or(installed.first()).cloned();
            let asked = DEFAULT_MODEL.to_owned();
            chosen.ok_or(LoadError::NotInstalled { asked, installed })
        }
        (Some(asked), _) => {
            let installed = list();
            if installed.iter().any(|name| name == asked) {
                return Ok(asked.to_owned());
            }
            Err(LoadError::NotInstalled { asked: asked.to_owned(), installed })
        }
    }
}
