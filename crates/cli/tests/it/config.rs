//! The configuration as an operator looks at it.

use std::process::Command;

use serde_json::Value;

use crate::program::{Desk, Ended};

/// The program without the settings of the person who runs the tests.
fn command(desk: &Desk, args: &[&str]) -> Command {
    let mut command = desk.command(args);
    command.env_clear();
    command
}

fn run(desk: &Desk, args: &[&str]) -> Ended {
    command(desk, args).output().expect("the program runs").into()
}

#[test]
fn every_setting_is_shown_with_its_origin_and_without_secrets() {
    let desk = Desk::new()
        .with_file("hansard.toml", b"[jobs]\nworkers = 2\n")
        .with_file(".env", b"SIDE_CAR_SECRET=zebra\n");
    let mut show = command(&desk, &["config", "show"]);
    show.env("DATABASE_URL", "postgresql+asyncpg://ana:zebra@db.example/hansard");

    let shown = Ended::from(show.output().unwrap()).success();

    for line in [
        "server.bind = 127.0.0.1:8080 (default)",
        "jobs.workers = 2 (hansard.toml)",
        "salestrainer.secret = (set) (SIDE_CAR_SECRET in .env)",
        "store.database_url = (set) (environment variable DATABASE_URL)",
        "server.api_key = (unset) (default)",
    ] {
        assert!(shown.lines().any(|shown| shown == line), "{line} is not in\n{shown}");
    }
    assert!(!shown.contains("zebra"));
    let json = run(&desk, &["config", "show", "--json"]).success();
    let json: Value = serde_json::from_str(&json).unwrap();
    let workers = json["settings"].as_array().unwrap().iter().find(|s| s["key"] == "jobs.workers");
    assert_eq!(workers.unwrap()["value"], "2");
}

#[test]
fn a_check_says_everything_that_is_wrong() {
    let desk = Desk::new().with_file("other.toml", b"[server]\nbind = \"0.0.0.0:80\"\nbond = 7\n");

    let message = run(&desk, &["config", "check", "--config", "other.toml"]).refusal(2);

    assert!(message.starts_with("hansard: the configuration cannot be used:\n"), "{message}");
    assert!(message.contains("server.bond (other.toml): there is no such setting"), "{message}");
    assert!(message.contains("server.bind = 0.0.0.0:80 (other.toml): "), "{message}");
    assert_eq!(run(&desk, &["config", "check"]).success(), "");
}

#[test]
fn a_file_that_is_named_must_be_there() {
    for flag in ["--config", "--env-file"] {
        let message = run(&Desk::new(), &["config", "show", flag, "missing"]).refusal(2);
        assert!(message.contains("missing: cannot be read"), "{message}");
    }
}

#[test]
fn the_example_is_a_configuration_that_changes_nothing() {
    let desk = Desk::new();
    let before = run(&desk, &["config", "show"]).success();
    let example = run(&desk, &["config", "example"]).success();

    let desk = desk.with_file("hansard.toml", example.as_bytes());

    assert_eq!(run(&desk, &["config", "show"]).success(), before);
}

#[test]
fn a_key_that_cannot_sign_is_told_before_anybody_is_listened_to() {
    let desk = Desk::new().with_file(".env", b"HANSARD__DELIVERY__CALLBACK_SECRET=zebra-7f3a\n");
    let mut serve = command(&desk, &["serve", "--bind", "127.0.0.1:0"]);
    serve.env("MOCK_TRANSCRIBE", "1");

    let checked = run(&desk, &["config", "check"]).refusal(2);
    let served = Ended::from(serve.output().unwrap()).refusal(1);

    for told in [&checked, &served] {
        assert!(told.contains("delivery.callback_secret"), "{told}");
        assert!(told.contains("whsec_") && !told.contains("zebra"), "{told}");
    }
    assert!(!served.contains("listening"), "{served}");
}
