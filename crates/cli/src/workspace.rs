//! `hansard workspace`: what there is that belongs to somebody.

use clap::{Args, Subcommand};
use hansard_domain::id::Id;
use hansard_store::workspaces::Workspace;
use serde_json::{Value, json};

use crate::columns;
use crate::exit::{Exit, Failure};
use crate::output;
use crate::people::{self, Installation, People, Start};

const IN_PRACTICE: &str = "\
A service token for a workspace takes its id:

    hansard workspace list
    hansard token create archive --workspace wsp_01KAJ2Z1GQ8C3T0V7M5N9XQ4RS

Workspaces are made, named and shared over the API: POST /api/v1/workspaces.

Exit codes:
    0  done
    1  the database cannot be reached
    2  the command line or the configuration is wrong";

#[derive(Debug, Args)]
#[command(after_long_help = IN_PRACTICE)]
pub(crate) struct WorkspaceArgs {
    #[command(flatten)]
    installation: Installation,

    #[command(subcommand)]
    command: WorkspaceCommand,
}

#[derive(Debug, Subcommand)]
enum WorkspaceCommand {
    /// List all workspaces, newest first
    List {
        /// As a JSON document
        #[arg(long)]
        json: bool,
    },
}

/// Does what `args` say.
pub(crate) fn run(args: &WorkspaceArgs) -> Result<Exit, Failure> {
    let WorkspaceCommand::List { json } = &args.command;
    people::run(&args.installation, Start::Elsewhere, async |people| print(people, *json).await)
}

async fn print(people: &People, as_json: bool) -> Result<(), Failure> {
    let store = &people.store;
    let page = async |before, limit| store.page_workspaces(None, before, limit).await;
    let workspaces = people::all(page).await?;
    if as_json {
        let document = json!({ "workspaces": workspaces.iter().map(view).collect::<Vec<_>>() });
        output::data(&format!("{document:#}\n"))?;
    } else if workspaces.is_empty() {
        output::note("no workspaces; the service makes one when it starts");
    } else {
        let titles = ["ID", "NAME", "KIND", "MADE"];
        output::data(&columns::table(titles, workspaces.iter().map(row)))?;
    }
    Ok(())
}

fn kind(workspace: &Workspace) -> &'static str {
    if workspace.is_personal { "personal" } else { "shared" }
}

fn row(workspace: &Workspace) -> [String; 4] {
    [
        workspace.id.to_string(),
        workspace.name.clone(),
        kind(workspace).to_owned(),
        columns::minute(workspace.created_at),
    ]
}

fn view(workspace: &Workspace) -> Value {
    json!({
        "id": workspace.id.as_str(),
        "name": workspace.name,
        "kind": kind(workspace),
        "created_at": workspace.created_at.to_string(),
    })
}
