//! The `hansard` command.
//!
//! `args` is what can be typed, `plan` what is made of it, `transcribe` and `demo` do it; everything that is printed goes
//! through `output`.

mod args;
mod clock;
mod columns;
mod config;
mod db;
mod demo;
mod edge;
mod engine;
mod exit;
mod formats;
mod inputs;
mod interrupt;
mod language;
mod models;
mod output;
mod people;
mod plan;
mod progress;
mod recordings;
mod serve;
mod service;
mod storage;
mod token;
mod transcribe;
mod user;
mod worker;
mod workspace;

use std::process::ExitCode;

use clap::Parser;

use args::{Cli, Command};

fn main() -> ExitCode {
    let cli = Cli::parse_from(args::join_booleans(std::env::args_os()));
    let ended = match cli.command {
        Command::Transcribe(args) => transcribe::run(&args),
        Command::Demo(args) => demo::run(&args),
        Command::Models(args) => models::run(&args),
        Command::Config(args) => config::run(&args),
        Command::Serve(args) => serve::run(&args),
        Command::Worker(args) => worker::run(&args),
        Command::Db(args) => db::run(&args),
        Command::User(args) => user::run(&args),
        Command::Token(args) => token::run(&args),
        Command::Workspace(args) => workspace::run(&args),
    };
    match ended {
        Ok(exit) => exit.into(),
        Err(failure) => {
            output::note(&format!("hansard: {:#}", failure.error));
            failure.exit.into()
        }
    }
}
