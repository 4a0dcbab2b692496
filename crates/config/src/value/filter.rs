//! Which log lines are written.

use std::fmt;

use tracing_subscriber::EnvFilter;

use super::{Refusal, Value};

/// A level, or a list of levels by module, in the syntax of the `tracing` crates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogFilter(String);

/// The names that Python has for levels, in lower case, and ours for them.
const PYTHON_LEVELS: [(&str, &str); 4] =
    [("warning", "warn"), ("critical", "error"), ("fatal", "error"), ("notset", "trace")];

const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

impl LogFilter {
    /// The filter to give to a subscriber.
    pub(crate) fn to_env_filter(&self) -> EnvFilter {
        EnvFilter::builder().parse(&self.0).expect("the text was parsed before")
    }
}

impl fmt::Display for LogFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Value for LogFilter {
    fn expected() -> String {
        "a level such as info or warning, or a list such as info,hansard_store=debug".to_owned()
    }

    fn parse(text: &str) -> Result<Self, Refusal> {
        let directives: Result<Vec<_>, _> = text.split(',').map(str::trim).map(directive).collect();
        let filter = directives?.join(",");
        EnvFilter::builder().parse(&filter).map_err(|_| Refusal::Unexpected)?;
        Ok(Self(filter))
    }
}

/// One part of a list. A word alone has to be a level: the syntax would take any other for a module of which everything is
/// to be written.
fn directive(text: &str) -> Result<String, Refusal> {
    match text.rsplit_once('=') {
        // Spans with fields have brackets, and are left to the parser.
        _ if text.contains(['[', ']', '{', '}']) => Ok(text.to_owned()),
        Some((module, name)) => Ok(format!("{module}={}", level(name)?)),
        None => level(text).map(str::to_owned),
    }
}

fn level(name: &str) -> Result<&'static str, Refusal> {
    let name = name.trim().to_lowercase();
    if let Some((_, ours)) = PYTHON_LEVELS.iter().find(|(python, _)| *python == name) {
        return Ok(ours);
    }
    LEVELS.into_iter().find(|level| *level == name).ok_or(Refusal::Unexpected)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_have_the_names_of_python_too() {
        for (text, filter) in [
            ("INFO", "info"),
            ("WARNING", "warn"),
            ("CRITICAL", "error"),
            ("off", "off"),
            ("warning, hansard_store=DEBUG", "warn,hansard_store=debug"),
            ("info,hansard_net=WARNING", "info,hansard_net=warn"),
            ("info,[job.run{job.id}]=debug", "info,[job.run{job.id}]=debug"),
        ] {
            assert_eq!(LogFilter::parse(text).map(|filter| filter.to_string()), Ok(filter.into()));
        }
    }

    #[test]
    fn a_word_that_is_no_level_is_refused() {
        for text in ["", "verbose", "info,loud", "hansard_store=loud"] {
            assert_eq!(LogFilter::parse(text), Err(Refusal::Unexpected), "{text}");
        }
    }
}
