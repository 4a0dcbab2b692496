//! The database, in the words of SQLAlchemy, libpq and SQLx.

use std::path::{Path, PathBuf};

use percent_encoding::percent_decode_str;
use url::Url;

use super::{Refusal, Shape, Value};
use crate::secret::Secret;

/// Where rows are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Database {
    /// One file.
    Sqlite {
        /// The file; relative to the current folder unless it is absolute.
        path: PathBuf,
    },
    /// A server.
    Postgres {
        /// A `postgresql://` address with parameters that SQLx knows. It may hold a password.
        url: Secret,
    },
}

/// A database address as somebody wrote it, understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatabaseUrl(Option<Database>);

impl DatabaseUrl {
    /// The database; a bare `sqlite://`, which names no file, is the one in `default_file`.
    pub(crate) fn database(&self, default_file: &Path) -> Database {
        self.0.clone().unwrap_or_else(|| Database::Sqlite { path: default_file.to_owned() })
    }
}

const SQLITE_SCHEMES: [&str; 3] = ["sqlite", "sqlite+aiosqlite", "sqlite+pysqlite"];
const POSTGRES_SCHEMES: [&str; 8] = [
    "postgres",
    "postgresql",
    "postgresql+asyncpg",
    "postgresql+psycopg",
    "postgresql+psycopg_async",
    "postgresql+psycopg2",
    "postgresql+psycopg2cffi",
    "postgresql+pg8000",
];

/// Parameters that tune the driver which Python used; SQLite has the settings of the service here.
const SQLITE_DROPPED: [&str; 6] = [
    "cache",
    "cached_statements",
    "check_same_thread",
    "detect_types",
    "isolation_level",
    "timeout",
];

/// Parameters that tune the driver which Python used, or that SQLx does without.
const POSTGRES_DROPPED: [&str; 15] = [
    "async_fallback",
    "channel_binding",
    "client_encoding",
    "command_timeout",
    "connect_timeout",
    "gssencmode",
    "keepalives",
    "keepalives_count",
    "keepalives_idle",
    "keepalives_interval",
    "prepared_statement_cache_size",
    "prepared_statement_name_func",
    "statement_cache_size",
    "target_session_attrs",
    "timeout",
];

/// Parameters that SQLx takes as they are.
const POSTGRES_KEPT: [&str; 13] = [
    "application_name",
    "dbname",
    "host",
    "hostaddr",
    "options",
    "password",
    "port",
    "sslcert",
    "sslkey",
    "sslmode",
    "sslrootcert",
    "statement-cache-capacity",
    "user",
];

const SSL_MODES: [&str; 6] = ["disable", "allow", "prefer", "require", "verify-ca", "verify-full"];

impl Value for DatabaseUrl {
    const SHAPE: Shape = Shape::Secret;
    // Otherwise a variable that was forgotten to be filled would quietly mean SQLite.
    const BLANK_COUNTS: bool = true;

    fn expected() -> String {
        "an address such as postgresql://user:password@host/database or sqlite:///hansard.db"
            .to_owned()
    }

    fn parse(text: &str) -> Result<Self, Refusal> {
        let (scheme, rest) = text.trim().split_once("://").ok_or(Refusal::Unexpected)?;
        let scheme = scheme.to_lowercase();
        if SQLITE_SCHEMES.contains(&scheme.as_str()) {
            sqlite(rest).map(Self)
        } else if POSTGRES_SCHEMES.contains(&scheme.as_str()) {
            postgres(rest).map(|database| Self(Some(database)))
        } else {
            Err(Refusal::Unexpected)
        }
    }
}

/// SQLAlchemy has one slash before the path, so that an absolute one follows four; SQLx has none.
fn sqlite(rest: &str) -> Result<Option<Database>, Refusal> {
    let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
    for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
        let is_harmless = match &*name {
            "mode" => ["rw", "rwc"].contains(&&*value),
            name => SQLITE_DROPPED.contains(&name),
        };
        if !is_harmless {
            return because(
                "an SQLite database is opened for reading and writing, without parameters",
            );
        }
    }
    let path = path.strip_prefix('/').unwrap_or(path);
    if path.contains(":memory:") || path.starts_with("file:") {
        return because(
            "expected the path of a file; a database in memory would lose what was accepted",
        );
    }
    if path.chars().any(char::is_control) {
        return because("the path has control characters");
    }
    Ok((!path.is_empty()).then(|| Database::Sqlite { path: PathBuf::from(path) }))
}

/// User and password in front of no host, as SQLAlchemy has them where `?host=` names the folder of a socket; and what is
/// left without them.
fn socket_user(rest: &str) -> Option<(&str, &str)> {
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, rest) = rest.split_at(end);
    Some((authority.strip_suffix('@')?, rest))
}

fn postgres(rest: &str) -> Result<Database, Refusal> {
    let mut parameters: Vec<(String, String)> = Vec::new();
    let rest = match socket_user(rest) {
        None => rest,
        Some((user, rest)) => {
            let (user, password) = user.split_once(':').unwrap_or((user, ""));
            for (name, text) in [("user", user), ("password", password)] {
                let text =
                    percent_decode_str(text).decode_utf8().map_err(|_| Refusal::Unexpected)?;
                if !text.is_empty() {
                    parameters.push((name.to_owned(), text.into_owned()));
                }
            }
            rest
        }
    };
    let mut url = Url::parse(&format!("postgresql://{rest}")).map_err(|_| Refusal::Unexpected)?;
    for (name, value) in url.query_pairs() {
        let name = if name == "ssl" { "sslmode" } else { &*name };
        if POSTGRES_DROPPED.contains(&name) {
            continue;
        }
        if !POSTGRES_KEPT.contains(&name) {
            // Its name may be a piece of a password with a question mark in it, so it is not told.
            return because(&format!(
                "a parameter of the address is not known; known are {}",
                POSTGRES_KEPT.join(", ")
            ));
        }
        let value = if name == "sslmode" { ssl_mode(&value)? } else { &*value };
        match parameters.iter().find(|(known, _)| known == name) {
            Some((_, before)) if before == value => {}
            Some(_) => {
                return because("a parameter of the address is given twice, with two values");
            }
            None => parameters.push((name.to_owned(), value.to_owned())),
        }
    }
    url.set_query(None);
    if !parameters.is_empty() {
        url.query_pairs_mut().extend_pairs(parameters);
    }
    Ok(Database::Postgres { url: Secret::new(url) })
}

fn ssl_mode(value: &str) -> Result<&'static str, Refusal> {
    let value = match value.to_lowercase().as_str() {
        "true" | "1" | "on" => "require".to_owned(),
        "false" | "0" | "off" => "disable".to_owned(),
        other => other.to_owned(),
    };
    let mode = SSL_MODES.iter().find(|mode| **mode == value);
    mode.copied().ok_or_else(|| {
        Refusal::Because(format!("sslmode has to be one of {}", SSL_MODES.join(", ")))
    })
}

fn because<T>(reason: &str) -> Result<T, Refusal> {
    Err(Refusal::Because(reason.to_owned()))
}

#[cfg(test)]
mod tests;
