//! `hansard db`: the schema of the database, and whether everything in it is whole.

use anyhow::Context;
use clap::{Args, Subcommand};
use hansard_config::{Config, Override};
use hansard_store::{Database, SchemaVersion, Store};

use crate::config::{self, ConfigFiles};
use crate::exit::{Exit, Failure};
use crate::output;
use crate::storage::{self, Storage};

const IN_PRACTICE: &str = "\
The database is that of store.database_url (DATABASE_URL), or else hansard.db in store.data_dir;
hansard config show says which.

The service migrates by itself when it starts. To see it succeed first:

    pg_dump --format=custom --file=before.dump \"$DATABASE_URL\"
    hansard db migrate

The dump is the way back: there is no other. With SQLite it is a copy of the folder, taken while
nothing runs.

After a backup was restored, or when a disk is in doubt:

    hansard db check

Exit codes:
    0  done; everything is whole
    1  something is broken or missing, the database belongs to a newer release, or it cannot be
       reached
    2  the command line or the configuration is wrong";

#[derive(Debug, Args)]
#[command(after_long_help = IN_PRACTICE)]
pub(crate) struct DbArgs {
    #[command(flatten)]
    files: ConfigFiles,

    /// Folder for the database file, media and working files
    #[arg(long, value_name = "FOLDER", global = true)]
    data_dir: Option<String>,

    #[command(subcommand)]
    command: DbCommand,
}

#[derive(Debug, Clone, Copy, Subcommand)]
enum DbCommand {
    /// Bring the schema up to date, as the service does when it starts
    ///
    /// Any number of processes may do it at once: one does the work, the others wait for it.
    /// It goes forward only; make a backup first.
    Migrate,
    /// List the versions of the schema, and which of them the database has
    ///
    /// Nothing is changed, and no database is made. Ends with 1 if the database is that of a newer release.
    Status,
    /// Read everything and say what is broken or missing
    ///
    /// Looks at the database's own structures and references, at every transcript's windows, and for the file or object of
    /// every recording and its size. Nothing is changed. Ends with 1 if anything is wrong.
    Check,
}

/// Does what `args` say.
pub(crate) fn run(args: &DbArgs) -> Result<Exit, Failure> {
    let (flag, key) = ("--data-dir", "store.data_dir");
    let data_dir = args.data_dir.clone().map(|value| Override { flag, key, value });
    let config = config::load(&args.files, Vec::from_iter(data_dir))?.config;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.context("no runtime could be started")?;
    Ok(runtime.block_on(act(args.command, &config))?)
}

async fn act(command: DbCommand, config: &Config) -> anyhow::Result<Exit> {
    let database = storage::database(config);
    // Before anything else: a database that is out of reach, or none, is best told by who only reads it.
    let versions = database.schema().await?;
    match command {
        DbCommand::Status => {
            output::data(&versions.iter().map(line).collect::<String>())?;
            let stand = Stand::of(&versions);
            output::note(&format!("{}: {}", database.address(), stand.told(&database)));
            Ok(if stand.newer.is_some() { Exit::Failed } else { Exit::Success })
        }
        DbCommand::Migrate => migrate(&database, config, &versions).await,
        DbCommand::Check => check(&database, config, &versions).await,
    }
}

async fn migrate(
    database: &Database,
    config: &Config,
    before: &[SchemaVersion],
) -> anyhow::Result<Exit> {
    let store = Store::open(Storage::prepare(config)?.settings).await?;
    store.close().await;
    let after = database.schema().await?;
    let new = after.iter().filter(|version| !before.contains(version));
    output::data(&new.map(line).collect::<String>())?;
    output::note(&format!("{}: {}", database.address(), Stand::of(&after).told(database)));
    Ok(Exit::Success)
}

async fn check(
    database: &Database,
    config: &Config,
    versions: &[SchemaVersion],
) -> anyhow::Result<Exit> {
    let (address, stand) = (database.address(), Stand::of(versions));
    if stand.pending > 0 || stand.newer.is_some() {
        output::note(&format!("{address}: {}", stand.told(database)));
        return Ok(Exit::Failed);
    }
    let store = Store::connect(Storage::prepare(config)?.settings).await?;
    let mut findings = store.check_rows().await?;
    findings.extend(store.check_media().await?);
    store.close().await;
    if findings.is_empty() {
        output::note(&format!("{address} and its media are whole"));
        return Ok(Exit::Success);
    }
    output::data(&findings.iter().map(|finding| format!("{finding}\n")).collect::<String>())?;
    output::note(&format!("{address} or its media are damaged; see docs/operate/backup.md"));
    Ok(Exit::Failed)
}

/// How a database stands to what this program knows.
struct Stand {
    /// The newest version that it has; 0 is none.
    current: i64,
    /// Versions that it lacks.
    pending: usize,
    /// A version that it has and that this program does not know.
    newer: Option<i64>,
}

impl Stand {
    fn of(versions: &[SchemaVersion]) -> Self {
        let applied = versions.iter().filter(|version| version.is_applied);
        Self {
            current: applied.clone().map(|version| version.number).max().unwrap_or(0),
            pending: versions.iter().filter(|version| !version.is_applied).count(),
            newer: applied.filter(|version| version.name.is_none()).map(|one| one.number).max(),
        }
    }

    fn told(&self, database: &Database) -> String {
        let is_missing = matches!(database, Database::Sqlite { path } if !path.exists());
        match self {
            _ if is_missing => "there is no database yet; hansard db migrate makes it".to_owned(),
            Self { newer: Some(number), .. } => {
                format!("schema version {number}, which only a newer release of Hansard knows")
            }
            Self { current, pending: 0, .. } => format!("schema version {current}, up to date"),
            Self { current, pending, .. } => {
                format!("schema version {current}, {pending} to apply: hansard db migrate")
            }
        }
    }
}

fn line(version: &SchemaVersion) -> String {
    let state = if version.is_applied { "applied" } else { "pending" };
    let name = version.name.unwrap_or("(of a newer release)");
    format!("{:04}  {state}  {name}\n", version.number)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(number: i64, name: Option<&'static str>, is_applied: bool) -> SchemaVersion {
        SchemaVersion { number, name, is_applied }
    }

    #[test]
    fn a_schema_is_told_in_words() {
        let database = Database::Postgres { url: "postgres://db/hansard".to_owned() };
        let told = |versions: &[SchemaVersion]| Stand::of(versions).told(&database);
        let (first, second) = (version(1, Some("initial"), true), version(2, Some("x"), false));

        assert_eq!(told(std::slice::from_ref(&first)), "schema version 1, up to date");
        assert_eq!(
            told(&[first.clone(), second]),
            "schema version 1, 1 to apply: hansard db migrate"
        );
        assert_eq!(
            told(&[first, version(9, None, true)]),
            "schema version 9, which only a newer release of Hansard knows"
        );
    }
}
