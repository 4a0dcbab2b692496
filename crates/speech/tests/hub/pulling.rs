//! Fetching a model from a hub that behaves.

use std::fs;

use hansard_net::{Proxies, Url};
use hansard_speech::hub::Error;
use hansard_testkit::hub_server::{COMMIT, Repository, fixture_model};

use crate::desk::Desk;

const FILES: [&str; 5] = [
    "config.json",
    "generation_config.json",
    "model.safetensors",
    "preprocessor_config.json",
    "tokenizer.json",
];

#[test]
fn a_pulled_model_is_whole_and_found_by_its_name() {
    let desk = Desk::new();
    let mut steps = Vec::new();

    let pulled = desk.hub().pull("tiny", &mut |step| steps.push((step.done, step.total))).unwrap();

    for name in FILES {
        let (ours, original) = (pulled.folder.join(name), fixture_model().join(name));
        assert!(fs::read(ours).unwrap() == fs::read(original).unwrap(), "{name} differs");
    }
    assert_eq!(desk.hub().resolve("tiny").unwrap(), pulled.folder);
    assert_eq!(desk.hub().resolve("openai/whisper-tiny").unwrap(), pulled.folder);
    assert_eq!(desk.hub().default_model().unwrap().as_deref(), Some("tiny"));
    assert!(steps.is_sorted(), "progress went back");
    assert_eq!(steps.last(), Some(&(pulled.fetched, pulled.fetched)));
}

#[cfg(unix)]
#[test]
fn the_cache_has_the_layout_of_pythons_library() {
    let desk = Desk::new();
    desk.pull("tiny").unwrap();

    assert_eq!(fs::read_to_string(desk.tiny("refs/main")).unwrap(), COMMIT);
    let snapshot = format!("snapshots/{COMMIT}");
    assert_eq!(desk.names_in_tiny(&snapshot), FILES);
    let links = FILES.map(|name| fs::read_link(desk.tiny(&snapshot).join(name)).unwrap());
    // `git hash-object config.json` and `sha256sum model.safetensors` of the fixture.
    assert_eq!(links[0].to_str(), Some("../../blobs/2142f0c13df9743aa9e537671a3f38ec54f4423f"));
    assert_eq!(
        links[2].to_str(),
        Some("../../blobs/17e742f96721bb981eb4fe304a462ecfa1d2fde1de658e326b6aa458bcfe1d79")
    );
    let mut blobs = links.map(|link| link.file_name().unwrap().to_str().unwrap().to_owned());
    blobs.sort();
    assert_eq!(desk.names_in_tiny("blobs"), blobs);
}

#[test]
fn a_second_pull_downloads_nothing() {
    let desk = Desk::new();
    desk.pull("tiny").unwrap();
    let before = desk.server.seen().len();

    let again = desk.pull("tiny").unwrap();

    assert_eq!(again.fetched, 0);
    assert_eq!(desk.server.seen().len(), before + 1, "only the list of files is asked for");
}

#[test]
fn a_model_that_is_here_needs_no_network() {
    let mut desk = Desk::new();
    let pulled = desk.pull("tiny").unwrap();
    let before = desk.server.seen().len();
    desk.config.offline = true;

    assert_eq!(desk.hub().resolve("tiny").unwrap(), pulled.folder);
    assert_eq!(desk.pull("tiny").unwrap().folder, pulled.folder);
    assert!(matches!(desk.pull("base"), Err(Error::Offline { .. })));
    assert_eq!(desk.server.seen().len(), before);
}

#[test]
fn a_hub_that_is_gone_is_no_trouble_for_a_model_that_is_here() {
    let mut desk = Desk::new();
    desk.pull("tiny").unwrap();
    // Nothing can listen on port 0.
    desk.config.endpoint = Url::parse("http://127.0.0.1:0").unwrap();

    assert!(desk.pull("tiny").unwrap().unchecked.is_some());
    assert!(matches!(desk.pull("base"), Err(Error::Net(error)) if error.is_unreachable()));
}

#[test]
fn the_token_goes_to_the_endpoint_and_no_further() {
    let desk = Desk::new().with_token("hf_secret");
    desk.server.publish("ana/gated", Repository::of_folder(&fixture_model()).gated("hf_secret"));

    desk.pull("ana/gated").unwrap();

    let (by_cdn, by_hub): (Vec<_>, Vec<_>) =
        desk.server.seen().into_iter().partition(|seen| seen.by_cdn);
    let token =
        |seen: &hansard_testkit::hub_server::Seen| seen.headers.get("authorization").cloned();
    assert!(by_hub.iter().all(|seen| token(seen).as_deref() == Some("Bearer hf_secret")));
    assert!(!by_cdn.is_empty());
    assert!(by_cdn.iter().all(|seen| token(seen).is_none()));
}

#[test]
fn a_gated_model_says_what_its_owner_wants() {
    let desk = Desk::new();
    desk.server.publish("ana/gated", Repository::of_folder(&fixture_model()).gated("hf_secret"));

    let without = desk.pull("ana/gated").unwrap_err();
    let with_another = desk.with_token("hf_other").pull("ana/gated").unwrap_err();

    for error in [without, with_another] {
        let message = error.to_string();
        assert!(matches!(error, Error::Gated { .. }));
        assert!(message.contains("conditions") && message.contains("HF_TOKEN"), "{message}");
        assert!(!message.contains("hf_other"));
    }
}

#[test]
fn a_proxy_is_used() {
    let mut desk = Desk::new();
    desk.config.network.proxies = Proxies::Through(desk.server.endpoint());
    // Only a proxy can know where this is.
    desk.config.endpoint = Url::parse("http://hub.invalid").unwrap();

    let pulled = desk.pull("tiny").unwrap();

    assert!(pulled.fetched > 0);
    let seen = desk.server.seen();
    assert!(seen[0].target.starts_with("http://hub.invalid/api/models/"), "{}", seen[0].target);
}

#[test]
fn two_pulls_at_once_fetch_each_file_once() {
    let desk = Desk::new();

    std::thread::scope(|scope| {
        let pulls = [0; 2].map(|_| scope.spawn(|| desk.pull("tiny")));
        for pull in pulls {
            pull.join().unwrap().unwrap();
        }
    });

    let mut targets: Vec<String> = desk
        .server
        .downloads()
        .into_iter()
        .filter(|seen| seen.by_cdn)
        .map(|seen| seen.target)
        .collect();
    let all = targets.len();
    targets.sort();
    targets.dedup();
    assert_eq!(targets.len(), all, "a file was fetched twice");
}

#[test]
fn a_revision_is_found_by_branch_and_commit() {
    let desk = Desk::new();
    let pulled = desk.pull(&format!("tiny@{COMMIT}")).unwrap();

    assert!(matches!(desk.hub().resolve("tiny"), Err(Error::NotInstalled { .. })));
    assert_eq!(desk.hub().resolve(&format!("tiny@{COMMIT}")).unwrap(), pulled.folder);
    let listed = desk.hub().list().unwrap();
    assert_eq!(listed[0].name, format!("tiny@{COMMIT}"));
    assert_eq!(desk.pull("tiny").unwrap().fetched, 0);
    assert_eq!(desk.hub().resolve("tiny").unwrap(), pulled.folder);
}
