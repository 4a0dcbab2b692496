//! Programs that are not ours and that tests need: `make test` installs them into `.tools` at the root of the repository.

use std::path::{Path, PathBuf};

/// A Python with the packages of `tools/requirements.txt`.
///
/// # Panics
///
/// Like all functions here, when the tools are not installed.
pub fn python() -> PathBuf {
    tool("python/bin/python")
}

/// The Node.js that the packages of [`node_modules`] run on, and our programs in `tools`.
pub fn node() -> PathBuf {
    tool("node")
}

/// The folder with the packages of `tools/package-lock.json`, for `NODE_PATH`.
pub fn node_modules() -> PathBuf {
    tool("node_modules")
}

/// A Chromium or Chrome that needs no window.
pub fn chromium() -> PathBuf {
    tool("chromium")
}

/// The folder with the programs of PostgreSQL: `postgres`, `initdb`, `pg_ctl`, `psql` and more.
pub fn postgres_bin() -> PathBuf {
    tool("postgres")
}

fn tool(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.tools").join(name);
    assert!(path.exists(), "{} is missing: run `make test` once to install it", path.display());
    path
}
