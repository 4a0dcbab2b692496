//! An installation with files, variables and flags, none of them of this process.

use std::fs;
use std::path::PathBuf;

use hansard_config::{Config, FileSource, Loaded, Override, Problems, Sources, load};
use tempfile::TempDir;

/// What is written where. Everything may be missing.
pub(crate) struct Setup {
    folder: TempDir,
    sources: Sources,
}

impl Setup {
    /// Nothing is set.
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let file = |name| FileSource { path: folder.path().join(name), is_required: false };
        let sources = Sources {
            file: file("hansard.toml"),
            env_file: file(".env"),
            environment: Vec::new(),
            flags: Vec::new(),
        };
        Self { folder, sources }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Puts another file into the folder.
    pub(crate) fn with_file(self, name: &str, text: &str) -> Self {
        fs::write(self.path(name), text).expect("a file can be written");
        self
    }

    pub(crate) fn toml(self, text: &str) -> Self {
        self.with_file("hansard.toml", text)
    }

    pub(crate) fn env_file(self, text: &str) -> Self {
        self.with_file(".env", text)
    }

    pub(crate) fn variable(mut self, name: &str, value: impl Into<std::ffi::OsString>) -> Self {
        self.sources.environment.push((name.into(), value.into()));
        self
    }

    pub(crate) fn flag(mut self, flag: &'static str, key: &'static str, value: &str) -> Self {
        self.sources.flags.push(Override { flag, key, value: value.to_owned() });
        self
    }

    pub(crate) fn sources(&mut self) -> &mut Sources {
        &mut self.sources
    }

    pub(crate) fn load(&self) -> Result<Loaded, Problems> {
        load(&self.sources)
    }

    #[track_caller]
    pub(crate) fn config(&self) -> Config {
        match self.load() {
            Ok(loaded) => loaded.config,
            Err(problems) => panic!("{problems}"),
        }
    }

    /// Each problem as it is printed, with the name of the temporary folder left out.
    #[track_caller]
    pub(crate) fn problems(&self) -> Vec<String> {
        let problems = self.load().expect_err("there are problems");
        let folder = format!("{}/", self.folder.path().display());
        problems.0.iter().map(|problem| problem.to_string().replace(&folder, "")).collect()
    }
}
