//! `hansard config`: what is in force, what is wrong, and how everything is written.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use hansard_config::{Loaded, Override, Sources, Written, document};
use serde_json::json;

use crate::exit::{Exit, Failure};
use crate::output;
use crate::service;

#[derive(Debug, Args)]
pub(crate) struct ConfigArgs {
    #[command(flatten)]
    files: ConfigFiles,
    #[command(subcommand)]
    command: ConfigCommand,
}

/// Where settings are written, besides the environment.
#[derive(Debug, Clone, Args)]
pub(crate) struct ConfigFiles {
    /// Configuration file [default: hansard.toml, if there is one]
    #[arg(long, value_name = "FILE", global = true)]
    config: Option<PathBuf>,

    /// File of environment variables [default: .env, if there is one]
    #[arg(long, value_name = "FILE", global = true)]
    env_file: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum ConfigCommand {
    /// Print every setting with its value and where it comes from; secrets are left out
    Show {
        /// As a JSON document
        #[arg(long)]
        json: bool,
    },
    /// Say everything that is wrong, and end with 2 if anything is
    Check,
    /// Print a configuration file with every setting, explained and commented out
    Example,
}

/// Does what `args` say.
pub(crate) fn run(args: &ConfigArgs) -> Result<Exit, Failure> {
    match &args.command {
        ConfigCommand::Show { json } => {
            let loaded = load(&args.files, Vec::new())?;
            let text = if *json { as_json(&loaded.origins) } else { as_text(&loaded.origins) };
            output::data(&text)?;
        }
        ConfigCommand::Check => {
            service::callback_key(&load(&args.files, Vec::new())?.config)
                .map_err(|error| Failure::new(Exit::Usage, error))?;
            output::note("the configuration is sound");
        }
        ConfigCommand::Example => output::data(&document::example())?,
    }
    Ok(Exit::Success)
}

/// The checked configuration of this process; `overrides` are the flags of the command line.
///
/// Everything that is wrong is one failure, which ends the program with [`Exit::Usage`].
pub(crate) fn load(files: &ConfigFiles, overrides: Vec<Override>) -> Result<Loaded, Failure> {
    let sources = Sources::of_process(files.config.clone(), files.env_file.clone(), overrides);
    hansard_config::load(&sources).map_err(|problems| Failure::new(Exit::Usage, problems))
}

fn as_text(settings: &[Written]) -> String {
    let line = |Written { key, value, origin }: &Written| format!("{key} = {value} ({origin})\n");
    settings.iter().map(line).collect()
}

fn as_json(settings: &[Written]) -> String {
    let settings = settings.iter().map(|Written { key, value, origin }| {
        json!({ "key": key, "value": value, "origin": origin.to_string() })
    });
    let document = json!({ "settings": settings.collect::<Vec<_>>() });
    format!("{document:#}\n")
}
