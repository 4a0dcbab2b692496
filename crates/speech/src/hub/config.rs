//! Where models are and where they come from: the one place that reads the environment for it.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use hansard_net::{Settings, Token, Url};

use super::Error;

/// The public hub.
const ENDPOINT: &str = "https://huggingface.co";

/// Places, access and manners. The same variables as those of the hub's Python library, with the same meaning.
#[derive(Debug, Clone)]
pub struct HubConfig {
    /// Who lists and serves models.
    pub endpoint: Url,
    /// To private and gated models.
    pub access: Access,
    /// The cache that is shared with Python.
    pub cache: PathBuf,
    /// Imported models, each a folder with the model's name.
    pub own_models: PathBuf,
    /// Never use the network.
    pub offline: bool,
    /// How patient the network access is, and through which proxy.
    pub network: Settings,
}

/// What this machine can show the hub for access to private and gated models.
#[derive(Debug, Clone)]
pub enum Access {
    /// Nothing: public models only.
    Public,
    /// A token, which only the endpoint gets to see.
    Token(Token),
    /// A token that HTTP cannot carry. What needs no network works all the same.
    UnusableToken,
}

impl Access {
    /// With `token` as somebody typed or pasted it; white space around it does not count.
    fn with(token: &str) -> Self {
        match token.trim() {
            "" => Self::Public,
            token => Token::new(token).map_or(Self::UnusableToken, Self::Token),
        }
    }

    /// The token to send, if there is one.
    pub(super) fn token(&self) -> Result<Option<&Token>, Error> {
        match self {
            Self::Public => Ok(None),
            Self::Token(token) => Ok(Some(token)),
            Self::UnusableToken => Err(Error::Net(hansard_net::Error::Token)),
        }
    }
}

impl HubConfig {
    /// Reads the environment.
    ///
    /// | Variable | Meaning | Default |
    /// |---|---|---|
    /// | `HF_ENDPOINT` | the hub, or a mirror of it | the public hub |
    /// | `HF_TOKEN` | token for private and gated models | what the file says |
    /// | `HF_TOKEN_PATH` | file with the token | `$HF_HOME/token` |
    /// | `HF_HUB_CACHE` | the cache | `$HF_HOME/hub` |
    /// | `HF_HOME` | parent of both | `$XDG_CACHE_HOME/huggingface`, `~/.cache/huggingface` |
    /// | `HF_HUB_OFFLINE` | 1: never use the network | 0 |
    /// | `HANSARD_MODELS` | imported models | `$XDG_DATA_HOME/hansard/models`, `~/.local/share/hansard/models` |
    /// | `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY`, `NO_PROXY` | proxies | none |
    pub fn from_env() -> Result<Self, Error> {
        // A variable that is set to nothing counts as not set.
        Self::from_variables(
            |name| env::var_os(name).filter(|value| !value.is_empty()),
            env::home_dir(),
        )
    }

    fn from_variables(
        variable: impl Fn(&str) -> Option<OsString>,
        home: Option<PathBuf>,
    ) -> Result<Self, Error> {
        let path = |name: &str| variable(name).map(PathBuf::from);
        let below_home = |variable: Option<PathBuf>, default: &str| {
            variable.or_else(|| Some(home.as_ref()?.join(default))).ok_or(Error::NoHome)
        };
        let hf_home = || match path("HF_HOME") {
            Some(folder) => Ok(folder),
            None => Ok(below_home(path("XDG_CACHE_HOME"), ".cache")?.join("huggingface")),
        };
        let cache = match path("HF_HUB_CACHE") {
            Some(folder) => folder,
            None => hf_home()?.join("hub"),
        };
        let own_models = match path("HANSARD_MODELS") {
            Some(folder) => folder,
            None => below_home(path("XDG_DATA_HOME"), ".local/share")?.join("hansard/models"),
        };
        let text = |name: &str| variable(name).map(|value| value.to_string_lossy().into_owned());
        let access = match text("HF_TOKEN").filter(|token| !token.trim().is_empty()) {
            Some(token) => Access::with(&token),
            None => access_by_file(
                &path("HF_TOKEN_PATH")
                    .map_or_else(|| hf_home().map(|home| home.join("token")), Ok)?,
            ),
        };
        let offline = text("HF_HUB_OFFLINE").is_some_and(|value| {
            ["1", "on", "yes", "true"].contains(&value.to_lowercase().as_str())
        });
        let endpoint = endpoint(&text("HF_ENDPOINT").unwrap_or_else(|| ENDPOINT.to_owned()))?;
        Ok(Self { endpoint, access, cache, own_models, offline, network: Settings::default() })
    }
}

/// A file that is absent or unreadable gives no token, as when nobody has logged in.
fn access_by_file(path: &Path) -> Access {
    std::fs::read_to_string(path).map_or(Access::Public, |token| Access::with(&token))
}

fn endpoint(address: &str) -> Result<Url, Error> {
    let url = Url::parse(address.trim_end_matches('/')).ok();
    let url = url.filter(|url| ["http", "https"].contains(&url.scheme()) && url.has_host());
    url.ok_or(Error::Endpoint)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(variables: &[(&str, &str)]) -> Result<HubConfig, Error> {
        let find = |name: &str| {
            let found = variables.iter().find(|(variable, _)| *variable == name);
            found.map(|(_, value)| OsString::from(value))
        };
        HubConfig::from_variables(find, Some("ana".into()))
    }

    #[test]
    fn without_variables_all_is_where_python_looks() {
        let config = config(&[]).unwrap();

        assert_eq!(config.endpoint.as_str(), "https://huggingface.co/");
        assert_eq!(config.cache, Path::new("ana/.cache/huggingface/hub"));
        assert_eq!(config.own_models, Path::new("ana/.local/share/hansard/models"));
        assert!(!config.offline);
        assert!(matches!(config.access, Access::Public));
    }

    #[test]
    fn the_nearest_variable_decides_the_cache() {
        let xdg = ("XDG_CACHE_HOME", "x");
        let home = ("HF_HOME", "h");

        assert_eq!(config(&[xdg]).unwrap().cache, Path::new("x/huggingface/hub"));
        assert_eq!(config(&[xdg, home]).unwrap().cache, Path::new("h/hub"));
        assert_eq!(config(&[home, ("HF_HUB_CACHE", "c")]).unwrap().cache, Path::new("c"));
    }

    #[test]
    fn a_token_comes_from_the_variable_or_the_file() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("token"), "hf_from_file\n").unwrap();
        let home = ("HF_HOME", folder.path().to_str().unwrap());

        let access = |variables: &[_]| config(variables).unwrap().access;
        assert!(matches!(access(&[home]), Access::Token(_)));
        assert!(matches!(access(&[home, ("HF_TOKEN", " \n")]), Access::Token(_)));
        assert!(matches!(access(&[("HF_TOKEN", " hf_x\n")]), Access::Token(_)));
        assert!(matches!(access(&[("HF_TOKEN", " \n")]), Access::Public));
    }

    #[test]
    fn an_unusable_token_matters_only_when_it_is_to_be_sent() {
        for token in ["two words", "two\nlines"] {
            let access = config(&[("HF_TOKEN", token)]).unwrap().access;
            assert!(matches!(access.token(), Err(Error::Net(hansard_net::Error::Token))));
        }
    }

    #[test]
    fn an_endpoint_that_is_no_address_is_refused() {
        for address in ["hub.example", "file:///tmp", "https://"] {
            assert!(
                matches!(config(&[("HF_ENDPOINT", address)]), Err(Error::Endpoint)),
                "{address}"
            );
        }
        let mirror = config(&[("HF_ENDPOINT", "https://mirror.example/hf/")]).unwrap();
        assert_eq!(mirror.endpoint.path(), "/hf");
    }

    #[test]
    fn offline_is_said_in_many_words() {
        for (value, offline) in
            [("1", true), ("TRUE", true), ("yes", true), ("0", false), ("", false)]
        {
            assert_eq!(config(&[("HF_HUB_OFFLINE", value)]).unwrap().offline, offline, "{value}");
        }
    }
}
