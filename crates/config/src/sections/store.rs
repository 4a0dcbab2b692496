use std::path::PathBuf;

use crate::reader::Reader;
use crate::sections::JobsConfig;
use crate::setting::{default, section, unset};
use crate::value::{Database, DatabaseUrl};

section! {
    /// Where rows and files are kept.
    pub struct StoreConfig: "store" {
        /// Folder for the database file, media, uploads that are under way and other working files.
        data_dir: PathBuf = default("hansard-data"),

        /// Database, in the words of SQLAlchemy, libpq or SQLx: `sqlite:///relative.db`, `sqlite:////absolute.db`,
        /// `postgresql://user:password@host/database`; the names of Python's drivers, as in `postgresql+asyncpg://`, are
        /// understood.
        /// Unless set, and for a bare `sqlite://`, it is the SQLite file `hansard.db` in `store.data_dir`.
        database_url: Option<DatabaseUrl> =
            unset("postgresql://hansard@localhost/hansard").named(&["DATABASE_URL", "DB_URL"]),

        /// Connections that read an SQLite database at a time; one more writes.
        readers_max: u32 = default("4").within("1", "64"),

        /// Connections to a PostgreSQL server at a time.
        connections_max: u32 = default("10").within("2", "1000"),
    }
}

impl StoreConfig {
    /// The database that was asked for, or the file that is the default.
    pub fn database(&self) -> Database {
        let default_file = self.data_dir.join("hansard.db");
        match &self.database_url {
            Some(url) => url.database(&default_file),
            None => Database::Sqlite { path: default_file },
        }
    }

    pub(crate) fn check(&self, jobs: &JobsConfig, reader: &mut Reader) {
        let is_postgres = matches!(self.database(), Database::Postgres { .. });
        if is_postgres && self.connections_max <= jobs.workers {
            reader.refuse_together(
                &["store.connections_max", "jobs.workers", "store.database_url"],
                "expected more connections than jobs.workers, so that requests have one when all jobs do",
            );
        }
    }
}
