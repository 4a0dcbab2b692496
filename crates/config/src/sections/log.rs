use std::path::PathBuf;

use crate::reader::Reader;
use crate::setting::{default, section, unset};
use crate::value::{Choice, LogFilter};

section! {
    /// What is logged, how, and where to.
    pub struct LogConfig: "log" {
        /// Level from which lines are written, `error`, `warn`, `info`, `debug` or `trace`, or a list of levels by module, as
        /// in `info,hansard_store=debug`.
        level: LogFilter = default("info").named(&["LOG_LEVEL"]),

        /// `human` for people, `json` for programs: one object a line.
        format: LogFormat = default("human"),

        /// `stderr`, or `file` for files in `log.folder`.
        target: LogTarget = default("stderr"),

        /// Folder of the log files.
        folder: Option<PathBuf> = unset("/var/log/hansard"),

        /// How often a new file is begun: `daily`, `hourly` or `never`.
        rotation: LogRotation = default("daily"),

        /// Files that are kept; the oldest go first.
        files_kept: u32 = default("14").within("1", "10000"),
    }
}

/// How a line is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Human,
    /// One JSON object a line.
    Json,
}

impl Choice for LogFormat {
    const CHOICES: &'static [(&'static str, Self)] =
        &[("human", Self::Human), ("json", Self::Json)];
}

/// Where lines go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogTarget {
    /// Standard error.
    Stderr,
    /// Files in a folder.
    File,
}

impl Choice for LogTarget {
    const CHOICES: &'static [(&'static str, Self)] =
        &[("stderr", Self::Stderr), ("file", Self::File)];
}

/// How often a new log file is begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogRotation {
    /// At midnight, UTC.
    Daily,
    /// On the hour.
    Hourly,
    /// Never.
    Never,
}

impl Choice for LogRotation {
    const CHOICES: &'static [(&'static str, Self)] =
        &[("daily", Self::Daily), ("hourly", Self::Hourly), ("never", Self::Never)];
}

impl LogConfig {
    pub(crate) fn check(&self, reader: &mut Reader) {
        if self.target == LogTarget::File && self.folder.is_none() {
            reader.refuse_together(&["log.target", "log.folder"], "log files need log.folder");
        }
    }
}
