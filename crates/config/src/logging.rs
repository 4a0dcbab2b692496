//! Log lines: human or JSON, to standard error or to files that are rotated.

use std::io;

use tracing::Subscriber;
use tracing_appender::non_blocking::{NonBlocking, WorkerGuard};
use tracing_appender::rolling::{RollingFileAppender, Rotation};
use tracing_subscriber::fmt::MakeWriter;

use crate::sections::{LogConfig, LogFormat, LogRotation, LogTarget};

/// What the names of log files begin with; the date follows, then `.log`.
const FILE_PREFIX: &str = "hansard";

/// Why nothing can be logged.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LogError {
    /// The setting `log.folder` is missing, as it cannot be in a checked configuration.
    #[error("log files need log.folder")]
    NoFolder,
    /// The folder cannot be made, or no file can be made in it.
    #[error("cannot write log files in {folder}")]
    Folder {
        /// The folder.
        folder: String,
        /// What the system said.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The program logs already.
    #[error("logging has been set up before")]
    Again(#[source] tracing::subscriber::SetGlobalDefaultError),
}

/// What writes log lines, ready to be installed.
pub struct Logging {
    subscriber: Box<dyn Subscriber + Send + Sync>,
    guard: LogGuard,
}

/// Writes what is left to write when it is dropped. Keep it until the program ends.
#[must_use = "dropping it ends the writing of log files"]
#[derive(Debug)]
pub struct LogGuard {
    _worker: Option<WorkerGuard>,
}

/// Opens what `config` names, without touching the state of the process.
pub fn prepare(config: &LogConfig) -> Result<Logging, LogError> {
    match config.target {
        LogTarget::Stderr => {
            let guard = LogGuard { _worker: None };
            Ok(Logging { subscriber: subscriber(config, io::stderr), guard })
        }
        LogTarget::File => {
            let (writer, worker) = files(config)?;
            let guard = LogGuard { _worker: Some(worker) };
            Ok(Logging { subscriber: subscriber(config, writer), guard })
        }
    }
}

impl Logging {
    /// Makes this the log of the whole process.
    pub fn install(self) -> Result<LogGuard, LogError> {
        tracing::subscriber::set_global_default(self.subscriber).map_err(LogError::Again)?;
        Ok(self.guard)
    }

    /// Makes this the log of what `work` does on this thread, then writes what is left to write.
    pub fn within<T>(self, work: impl FnOnce() -> T) -> T {
        tracing::subscriber::with_default(self.subscriber, work)
    }
}

/// Rotated files, written by a thread of their own so that a slow disk holds nobody up; lines that it cannot keep up with
/// are dropped.
fn files(config: &LogConfig) -> Result<(NonBlocking, WorkerGuard), LogError> {
    let folder = config.folder.as_ref().ok_or(LogError::NoFolder)?;
    let failed = |source: Box<dyn std::error::Error + Send + Sync>| LogError::Folder {
        folder: folder.display().to_string(),
        source,
    };
    std::fs::create_dir_all(folder).map_err(|error| failed(error.into()))?;
    let rotation = match config.rotation {
        LogRotation::Daily => Rotation::DAILY,
        LogRotation::Hourly => Rotation::HOURLY,
        LogRotation::Never => Rotation::NEVER,
    };
    let appender = RollingFileAppender::builder()
        .rotation(rotation)
        .filename_prefix(FILE_PREFIX)
        .filename_suffix("log")
        .max_log_files(config.files_kept as usize)
        .build(folder)
        .map_err(|error| failed(error.into()))?;
    Ok(tracing_appender::non_blocking(appender))
}

fn subscriber<W>(config: &LogConfig, writer: W) -> Box<dyn Subscriber + Send + Sync>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let builder = tracing_subscriber::fmt()
        .with_env_filter(config.level.to_env_filter())
        .with_writer(writer)
        .with_ansi(false);
    match config.format {
        LogFormat::Human => Box::new(builder.finish()),
        LogFormat::Json => Box::new(builder.json().flatten_event(true).finish()),
    }
}
