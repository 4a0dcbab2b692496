//! `hansard models`: what is on this machine, and how it comes and goes.

mod pull;
mod table;

use std::path::PathBuf;

use clap::{Args, Subcommand};
use hansard_speech::hub::{Condition, Error as HubError, FileCondition, Hub, Origin};
use indicatif::DecimalBytes;
use serde_json::json;

use crate::exit::{Exit, Failure};
use crate::output;

#[derive(Debug, Args)]
pub(crate) struct ModelsArgs {
    #[command(subcommand)]
    command: ModelsCommand,
}

#[derive(Debug, Subcommand)]
enum ModelsCommand {
    /// List the models on this machine, from the one to be preferred to the last
    List {
        /// As a JSON document
        #[arg(long)]
        json: bool,
    },
    /// Fetch a model from the hub, or go on with a fetch that was cut off
    Pull {
        /// Short name (small) or hub id (openai/whisper-small), with @revision if not main
        model: String,
        /// No progress
        #[arg(long, short)]
        quiet: bool,
    },
    /// Copy a model folder into Hansard's own models
    Import {
        /// What the model is to be called: letters, digits, dot, dash, underscore
        name: String,
        /// Folder with config.json, tokenizer.json and model.safetensors
        folder: PathBuf,
    },
    /// Print the folder of a model
    Path {
        /// Name, hub id or folder
        model: String,
    },
    /// Compare the files of a model with their checksums
    Verify {
        /// Name, hub id or folder
        model: String,
    },
    /// Remove a model from this machine, all revisions of it, for Python's programs too
    Remove {
        /// Name or hub id
        model: String,
    },
}

/// Does what `args` say.
pub(crate) fn run(args: &ModelsArgs) -> Result<Exit, Failure> {
    let hub = Hub::from_env().map_err(failure)?;
    match &args.command {
        ModelsCommand::List { json } => list(&hub, *json),
        ModelsCommand::Pull { model, quiet } => pull::run(&hub, model, *quiet),
        ModelsCommand::Import { name, folder } => {
            let folder = hub.import(name, folder).map_err(failure)?;
            output::note(&format!("{name} is in {}", folder.display()));
            Ok(Exit::Success)
        }
        ModelsCommand::Path { model } => {
            let folder = hub.resolve(model).map_err(failure)?;
            output::data(&format!("{}\n", folder.display()))?;
            Ok(Exit::Success)
        }
        ModelsCommand::Verify { model } => verify(&hub, model),
        ModelsCommand::Remove { model } => {
            let freed = hub.remove(model).map_err(failure)?;
            output::note(&format!("removed {model}, which had {}", DecimalBytes(freed)));
            Ok(Exit::Success)
        }
    }
}

fn list(hub: &Hub, as_json: bool) -> Result<Exit, Failure> {
    let models = hub.list().map_err(failure)?;
    if as_json {
        let models = models.iter().map(|model| {
            let (id, commit) = match &model.origin {
                Origin::Imported => (None, None),
                Origin::Hub { id, commit } => (Some(id), Some(commit)),
            };
            json!({
                "name": model.name,
                "id": id,
                "commit": commit,
                "folder": model.folder.to_string_lossy(),
                "bytes": model.bytes,
                "missing": model.missing,
            })
        });
        let document = json!({ "models": models.collect::<Vec<_>>() });
        output::data(&format!("{document:#}\n"))?;
    } else if models.is_empty() {
        output::note("no models on this machine; to fetch one: hansard models pull small");
    } else {
        output::data(&table::of(&models))?;
    }
    Ok(Exit::Success)
}

fn verify(hub: &Hub, model: &str) -> Result<Exit, Failure> {
    let mut exit = Exit::Success;
    let mut lines = String::new();
    let mut each = |found: &FileCondition| {
        let words = match found.condition {
            Condition::Sound => "sound",
            Condition::Damaged => "damaged",
            Condition::Missing => "missing",
            Condition::Unknown => "no checksum to compare with",
        };
        if matches!(found.condition, Condition::Damaged | Condition::Missing) {
            exit = Exit::Failed;
        }
        lines.push_str(&format!("{}: {words}\n", found.file));
    };
    hub.verify(model, &mut each).map_err(failure)?;
    output::data(&lines)?;
    if exit == Exit::Failed {
        output::note(&if is_imported(hub, model)? {
            format!("hansard models remove {model}, then import it again from a sound folder")
        } else {
            format!(
                "to fetch it anew: hansard models remove {model}, then hansard models pull {model}"
            )
        });
    }
    Ok(exit)
}

fn is_imported(hub: &Hub, name: &str) -> Result<bool, Failure> {
    let installed = hub.list().map_err(failure)?;
    Ok(installed.iter().any(|model| model.name == name && model.origin == Origin::Imported))
}

/// A model that is not here has an exit code of its own, as does a name that cannot be one.
fn failure(error: HubError) -> Failure {
    let exit = match error {
        HubError::NotInstalled { .. }
        | HubError::Offline { .. }
        | HubError::Incomplete { .. }
        | HubError::NoSuchFolder { .. }
        | HubError::UnknownModel { .. }
        | HubError::Gated { .. }
        | HubError::NotWhisper { .. } => Exit::Model,
        HubError::Name { .. } | HubError::ImportName { .. } | HubError::RemoveRevision { .. } => {
            Exit::Usage
        }
        _ => Exit::Failed,
    };
    Failure::new(exit, error)
}
