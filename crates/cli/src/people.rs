//! What `hansard user`, `hansard token` and `hansard workspace` have in common: the store, which a running service may use as well, and how
//! users are named.

use anyhow::Context;
use clap::Args;
use hansard_config::{Config, Override};
use hansard_domain::id::{Id, UserId, WorkspaceId};
use hansard_store::audit::{ActorRef, By};
use hansard_store::jobs::Page;
use hansard_store::users::{User, UserName};
use hansard_store::{Database, Error as StoreError, Store};

use crate::columns;
use crate::config::{self, ConfigFiles};
use crate::exit::{Exit, Failure};
use crate::output;
use crate::storage::{self, Storage};

/// Rows that are read at a time for a list.
const PAGE_ROWS: u32 = 200;

/// Flags that say which installation is meant.
#[derive(Debug, Args)]
#[command(next_help_heading = "Installation")]
pub(crate) struct Installation {
    #[command(flatten)]
    files: ConfigFiles,

    /// Folder for the database file, media and working files
    #[arg(long, value_name = "FOLDER", global = true)]
    data_dir: Option<String>,
}

/// Whether a command can be the first one of an installation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Start {
    /// It makes the database where there is none.
    Here,
    /// What it is about is in the database, so that one that is not there is a mistake.
    Elsewhere,
}

/// The users, tokens and workspaces of an installation.
pub(crate) struct People {
    pub(crate) store: Store,
    pub(crate) config: Config,
    /// Whoever uses the command line, for the audit log.
    pub(crate) by: By,
}

/// Opens the store that `installation` names, runs `work` on it and closes it.
pub(crate) fn run(
    installation: &Installation,
    start: Start,
    work: impl AsyncFnOnce(&People) -> Result<(), Failure>,
) -> Result<Exit, Failure> {
    let (flag, key) = ("--data-dir", "store.data_dir");
    let data_dir = installation.data_dir.clone().map(|value| Override { flag, key, value });
    let config = config::load(&installation.files, Vec::from_iter(data_dir))?.config;
    if let (Start::Elsewhere, Database::Sqlite { path }) = (start, storage::database(&config)) {
        // To make one here would leave an empty installation in whatever folder this is.
        if !path.exists() {
            let message = "there is no database; hansard config show says where it is looked for";
            return Err(Failure::failed(format!("{}: {message}", path.display())));
        }
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.context("no runtime could be started")?;
    runtime.block_on(async {
        let store = Store::open(Storage::prepare(&config)?.settings).await.map_err(failure)?;
        let people = People { store, config, by: By::actor(ActorRef::COMMAND_LINE) };
        let ended = work(&people).await;
        people.store.close().await;
        ended.map(|()| Exit::Success)
    })
}

impl People {
    /// The user whom somebody names by id, e-mail address or username.
    pub(crate) async fn user(&self, given: &str) -> Result<User, Failure> {
        let found = self.store.find_user(&name_of(given)).await.map_err(|error| match error {
            StoreError::Invalid(reason) => {
                Failure::failed(format!("{reason}; name one by id, which hansard user list shows"))
            }
            other => failure(other),
        })?;
        found.ok_or_else(|| {
            Failure::failed(format!("there is no user {given}; hansard user list shows all"))
        })
    }

    /// The workspace that the configuration names, which an installation begins with.
    pub(crate) async fn home(&self) -> Result<WorkspaceId, Failure> {
        self.store.ensure_workspace(&self.config.server.workspace).await.map_err(failure)
    }

    /// Whether nobody can log in, and no token is good.
    pub(crate) async fn is_open(&self) -> Result<bool, Failure> {
        Ok(!self.store.has_credentials().await.map_err(failure)?)
    }
}

/// Everything that `page` gives page by page, which is told below which serial to go on, and for how many rows.
pub(crate) async fn all<T>(
    page: impl AsyncFn(Option<i64>, u32) -> Result<Page<T>, StoreError>,
) -> Result<Vec<T>, Failure> {
    let (mut items, mut before) = (Vec::new(), None);
    // Serials go down from page to page, so that it ends.
    loop {
        let Page { items: more, next } = page(before, PAGE_ROWS).await.map_err(failure)?;
        items.extend(more);
        before = next;
        if before.is_none() {
            return Ok(items);
        }
    }
}

/// Tells that programs of this machine are no longer answered without credentials, which begins with the first user or token.
pub(crate) fn tell_no_longer_open() {
    output::note("from now on callers need credentials on this machine too");
}

/// What people call `user`, fit for a terminal whatever its provider says.
pub(crate) fn label(user: &User) -> String {
    let names = [user.email.as_deref(), user.username.as_deref()];
    columns::printable(names.into_iter().flatten().next().unwrap_or(user.id.as_str()))
}

/// What the store could not do: a value that it does not take was typed wrong, everything else went wrong.
pub(crate) fn failure(error: StoreError) -> Failure {
    let exit = match error {
        StoreError::Invalid(_) => Exit::Usage,
        _ => Exit::Failed,
    };
    Failure::new(exit, error)
}

fn name_of(given: &str) -> UserName {
    match UserId::parse(given) {
        Ok(id) => UserName::Id(id),
        Err(_) if given.contains('@') => UserName::Email(given.to_owned()),
        Err(_) => UserName::Username(given.to_owned()),
    }
}
