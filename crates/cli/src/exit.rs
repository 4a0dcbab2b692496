//! How the program ends: the exit codes, and failures that carry one.

use std::process::ExitCode;

/// The exit codes, which `--help` documents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// All was done.
    Success,
    /// Some input or output failed; what could be done was.
    Failed,
    /// The command line or the configuration asks for something that cannot be.
    Usage,
    /// The model is missing or cannot be loaded.
    Model,
    /// An output file exists already, and nothing was done.
    WouldOverwrite,
    /// Stopped by Ctrl-C or a request to terminate; what was finished was kept.
    Interrupted,
}

impl Exit {
    /// The number that the shell sees.
    pub(crate) fn code(self) -> u8 {
        match self {
            Exit::Success => 0,
            Exit::Failed => 1,
            Exit::Usage => 2,
            Exit::Model => 3,
            Exit::WouldOverwrite => 4,
            Exit::Interrupted => 130,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        ExitCode::from(exit.code())
    }
}

/// An error that ends the program, and how.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) exit: Exit,
    pub(crate) error: anyhow::Error,
}

impl Failure {
    /// Ends the program with `exit` and the message of `error`.
    pub(crate) fn new(exit: Exit, error: impl Into<anyhow::Error>) -> Self {
        Self { exit, error: error.into() }
    }

    /// Something could not be done.
    pub(crate) fn failed(message: String) -> Self {
        Self { exit: Exit::Failed, error: anyhow::Error::msg(message) }
    }

    /// The command line asks for something that cannot be.
    pub(crate) fn usage(message: String) -> Self {
        Self { exit: Exit::Usage, error: anyhow::Error::msg(message) }
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self { exit: Exit::Failed, error }
    }
}
