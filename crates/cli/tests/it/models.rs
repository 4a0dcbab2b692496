//! Models as a user of the command line meets them.

use std::process::Command;

use hansard_testkit::hub_server::{HubServer, fixture_model};
use serde_json::Value;

use crate::program::{Desk, Ended};

/// The program with a home on the desk and `server` for a hub.
fn command(desk: &Desk, server: &HubServer, args: &[&str]) -> Command {
    let mut command = desk.command(args);
    for name in ["HF_TOKEN", "HF_TOKEN_PATH", "HF_HUB_CACHE", "HF_HUB_OFFLINE", "MOCK_TRANSCRIBE"] {
        command.env_remove(name);
    }
    for name in ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"]
    {
        command.env_remove(name);
    }
    command.env("HF_HOME", desk.path("hf")).env("HANSARD_MODELS", desk.path("own"));
    command.env("HF_ENDPOINT", server.endpoint());
    command
}

fn run(desk: &Desk, server: &HubServer, args: &[&str]) -> Ended {
    command(desk, server, args).output().expect("the program runs").into()
}

#[test]
fn a_model_is_pulled_listed_checked_and_removed() {
    let (desk, server) = (Desk::new(), HubServer::start());

    let pulled = run(&desk, &server, &["models", "pull", "tiny"]);
    assert!(pulled.stderr.contains("model.safetensors"), "{pulled:?}");
    pulled.success();
    let listed = run(&desk, &server, &["models", "list"]).success();
    assert!(listed.lines().nth(1).unwrap().starts_with("tiny"), "{listed}");
    let json = run(&desk, &server, &["models", "list", "--json"]).success();
    let json: Value = serde_json::from_str(&json).unwrap();
    let path = run(&desk, &server, &["models", "path", "tiny"]).success();
    assert_eq!(json["models"][0]["id"], "openai/whisper-tiny");
    assert_eq!(json["models"][0]["folder"].as_str(), Some(path.trim_end()));
    let verified = run(&desk, &server, &["models", "verify", "tiny"]).success();
    assert_eq!(verified.lines().filter(|line| line.ends_with(": sound")).count(), 5, "{verified}");

    run(&desk, &server, &["models", "remove", "tiny"]).success();

    assert_eq!(run(&desk, &server, &["models", "list"]).success(), "");
}

#[test]
fn transcribing_never_downloads_but_says_how_to() {
    let desk = Desk::new().with("clips/en-00.flac", "talk.flac");
    let server = HubServer::start();

    let ended = run(&desk, &server, &["transcribe", "talk.flac", "--model", "tiny"]);

    let message = ended.refusal(3);
    assert!(message.contains("hansard models pull tiny"), "{message}");
    assert!(message.contains(&server.endpoint()), "{message}");
    assert!(server.seen().is_empty());
}

#[test]
fn what_needs_no_network_minds_no_bad_token_and_shows_no_password() {
    let (desk, server) = (Desk::new(), HubServer::start());
    let mut path = command(&desk, &server, &["models", "path", "tiny"]);
    path.env("HF_TOKEN", "two words").env("HF_ENDPOINT", "https://ana:secret@hub.example/hf");

    let message = Ended::from(path.output().unwrap()).refusal(3);

    assert!(message.contains("to fetch it from https://hub.example/hf:"), "{message}");
    assert!(!message.contains("ana") && !message.contains("secret"), "{message}");
}

#[test]
fn a_damaged_model_is_noticed() {
    let (desk, server) = (Desk::new(), HubServer::start());
    let folder = fixture_model();
    run(&desk, &server, &["models", "import", "parish", folder.to_str().unwrap()]).success();
    std::fs::write(desk.path("own/parish/tokenizer.json"), "{}").unwrap();

    let verified = run(&desk, &server, &["models", "verify", "parish"]);

    assert_eq!(verified.code, Some(1));
    assert!(verified.stdout.contains("tokenizer.json: damaged"), "{verified:?}");
    assert!(verified.stderr.contains("import it again from a sound folder"), "{verified:?}");
}

#[test]
fn a_proxy_and_a_token_of_the_environment_are_used() {
    let (desk, server) = (Desk::new(), HubServer::start());
    let mut command = command(&desk, &server, &["models", "pull", "tiny", "--quiet"]);
    // Only a proxy can know where this is.
    command.env("HF_ENDPOINT", "http://hub.invalid").env("HTTP_PROXY", server.endpoint());
    command.env("HF_TOKEN", "hf_secret").env_remove("NO_PROXY").env_remove("no_proxy");

    let ended = Ended::from(command.output().unwrap());

    ended.success();
    let first = &server.seen()[0];
    assert!(first.target.starts_with("http://hub.invalid/"), "{}", first.target);
    assert_eq!(first.headers["authorization"], "Bearer hf_secret");
}

#[test]
fn a_refused_pull_shows_no_token() {
    let (desk, server) = (Desk::new(), HubServer::start());
    let mut command = command(&desk, &server, &["models", "pull", "openai/whisper-none"]);
    command.env("HF_TOKEN", "hf_secret");

    let message = Ended::from(command.output().unwrap()).refusal(3);

    assert!(message.contains("openai/whisper-none is not on the hub"), "{message}");
    assert!(!message.contains("hf_secret"), "{message}");
}
