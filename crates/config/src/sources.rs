//! Where settings are written, as data: a test needs no process environment.

use std::ffi::OsString;
use std::path::PathBuf;

/// The configuration file that is read when no other is named.
pub const DEFAULT_FILE: &str = "hansard.toml";

/// The file of environment variables that is read when no other is named.
pub const DEFAULT_ENV_FILE: &str = ".env";

/// Everything that settings are read from, the weakest first.
#[derive(Clone)]
pub struct Sources {
    /// The TOML file.
    pub file: FileSource,
    /// The file of environment variables.
    pub env_file: FileSource,
    /// The environment.
    pub environment: Vec<(OsString, OsString)>,
    /// What the command line says.
    pub flags: Vec<Override>,
}

/// A file, and whether it has to be there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileSource {
    /// The file.
    pub path: PathBuf,
    /// Whether somebody named it, so that it is an error if it is missing.
    pub is_required: bool,
}

impl FileSource {
    /// The file that somebody named, or else `default`, which may be missing.
    pub fn named_or(named: Option<PathBuf>, default: &str) -> Self {
        let is_required = named.is_some();
        Self { path: named.unwrap_or_else(|| PathBuf::from(default)), is_required }
    }
}

/// A setting that the command line overrides.
#[derive(Clone)]
pub struct Override {
    /// The flag as it is typed, such as `--bind`; problems name it.
    pub flag: &'static str,
    /// The key of the setting, such as `server.bind`.
    pub key: &'static str,
    /// The value in the syntax of the configuration file.
    pub value: String,
}

impl Sources {
    /// The files that were named or else the usual ones, the environment of this process, and flags.
    ///
    /// This is the one place where the service reads its environment.
    pub fn of_process(
        file: Option<PathBuf>,
        env_file: Option<PathBuf>,
        flags: Vec<Override>,
    ) -> Self {
        Self {
            file: FileSource::named_or(file, DEFAULT_FILE),
            env_file: FileSource::named_or(env_file, DEFAULT_ENV_FILE),
            environment: std::env::vars_os().collect(),
            flags,
        }
    }
}
