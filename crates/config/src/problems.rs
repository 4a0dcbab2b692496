//! What is wrong with the configuration: all of it at once, each with its place.

use std::fmt;
use std::path::PathBuf;

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// Nobody set it.
    Default,
    /// The configuration file.
    File(PathBuf),
    /// The file of environment variables.
    EnvFile {
        /// The file.
        path: PathBuf,
        /// The variable in it.
        name: String,
    },
    /// An environment variable, by its name.
    Variable(String),
    /// A flag of the command line, as it is typed.
    Flag(&'static str),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(path) => write!(f, "{}", path.display()),
            Self::EnvFile { path, name } => write!(f, "{name} in {}", path.display()),
            Self::Variable(name) => write!(f, "environment variable {name}"),
            Self::Flag(flag) => write!(f, "flag {flag}"),
        }
    }
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The key, such as `server.bind`; nothing when a whole file cannot be used.
    pub key: Option<String>,
    /// What was written, with secrets replaced; nothing when the key itself is the problem.
    pub value: Option<String>,
    /// Where it was written.
    pub origin: Place,
    /// What is expected instead.
    pub message: String,
}

/// Where a problem is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// At a value.
    Value(Origin),
    /// In a file, at a line if it is known.
    File {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: Option<usize>,
    },
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Value(origin) => write!(f, "{origin}"),
            Self::File { path, line: Some(line) } => write!(f, "{}, line {line}", path.display()),
            Self::File { path, line: None } => write!(f, "{}", path.display()),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.key, &self.value) {
            (Some(key), Some(value)) => write!(f, "{key} = {value} ({})", self.origin)?,
            (Some(key), None) => write!(f, "{key} ({})", self.origin)?,
            (None, _) => write!(f, "{}", self.origin)?,
        }
        write!(f, ": {}", self.message)
    }
}

/// The configuration cannot be used, for these reasons.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the configuration cannot be used:{}", lines(.0))]
pub struct Problems(pub Vec<Problem>);

fn lines(problems: &[Problem]) -> String {
    problems.iter().map(|problem| format!("\n  {problem}")).collect()
}
