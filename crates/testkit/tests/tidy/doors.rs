//! Doors: things that exactly one crate may do.

use std::str::FromStr;

use proc_macro2::{TokenStream, TokenTree};

use crate::house::graph::{ours, theirs};
use crate::house::{File, Kind, Package, files, packages, shipped};

/// Where the keyword `unsafe` may stand.
const UNSAFE_DOOR: &str = "crates/nn/";

/// Who may name an HTTP client.
const HTTP_DOOR: &str = "hansard-net";

/// Crates that speak HTTP to somebody else. `hyper` is not among them: servers are built from it as well.
const HTTP_CLIENTS: [&str; 11] = [
    "attohttpc",
    "awc",
    "curl",
    "hyper-rustls",
    "hyper-tls",
    "isahc",
    "minreq",
    "reqwest",
    "surf",
    "ureq",
    "ureq-proto",
];

/// Rust files outside the door that use the keyword `unsafe`.
fn unsafe_outside(door: &str, files: &[File]) -> Vec<String> {
    let mut complaints = Vec::new();
    for file in files.iter().filter(|file| file.path.ends_with(".rs")) {
        let Some(text) = &file.text else { continue };
        match TokenStream::from_str(text) {
            Ok(tokens) if file.path.starts_with(door) || !says_unsafe(tokens.clone()) => {}
            Ok(_) => complaints.push(format!("{} says unsafe", file.path)),
            Err(error) => complaints.push(format!("{} is not Rust: {error}", file.path)),
        }
    }
    complaints
}

fn says_unsafe(tokens: TokenStream) -> bool {
    tokens.into_iter().any(|token| match token {
        TokenTree::Ident(word) => word == "unsafe",
        TokenTree::Group(group) => says_unsafe(group.stream()),
        TokenTree::Punct(_) | TokenTree::Literal(_) => false,
    })
}

/// Manifests of our crates that do not take the workspace's lints.
fn without_our_lints(files: &[File]) -> Vec<String> {
    let manifests = files
        .iter()
        .filter(|file| file.path.starts_with("crates/") && file.path.ends_with("/Cargo.toml"));
    manifests
        .filter(|file| {
            !file.text.as_deref().is_some_and(|text| text.contains("[lints]\nworkspace = true"))
        })
        .map(|file| format!("{} does not take the workspace's lints", file.path))
        .collect()
}

/// Packages of what ships that use an HTTP client, other than the door and than HTTP clients themselves.
fn http_clients_outside(door: &str, packages: &[Package]) -> Vec<String> {
    let is_client = |name: &str| HTTP_CLIENTS.contains(&name);
    let shipped = shipped(packages);
    let mut complaints = Vec::new();
    for package in shipped.iter().filter(|p| p.name != door && !is_client(&p.name)) {
        for edge in package.uses.iter().filter(|edge| edge.kind != Kind::Dev) {
            let used = packages.iter().find(|other| other.id == edge.id);
            if let Some(used) = used.filter(|used| is_client(&used.name)) {
                complaints.push(format!("{} uses the HTTP client {}", package.name, used.name));
            }
        }
    }
    complaints
}

#[test]
fn only_the_kernels_are_unsafe() {
    assert_eq!(unsafe_outside(UNSAFE_DOOR, files()), [""; 0]);
}

#[test]
fn unsafe_is_noticed_in_code_and_not_in_words() {
    let files = [
        File::of_text("crates/nn/src/lib.rs", "fn a() { unsafe { b() } }"),
        File::of_text("crates/media/src/lib.rs", "fn a() { call!(unsafe { b() }) }"),
        File::of_text("crates/net/src/lib.rs", "//! Nothing unsafe.\nconst A: &str = \"unsafe\";"),
    ];

    assert_eq!(unsafe_outside(UNSAFE_DOOR, &files), ["crates/media/src/lib.rs says unsafe"]);
}

#[test]
fn every_crate_takes_the_workspaces_lints() {
    assert_eq!(without_our_lints(files()), [""; 0]);
}

#[test]
fn a_crate_with_lints_of_its_own_is_noticed() {
    let files = [
        File::of_text("crates/a/Cargo.toml", "[lints]\nworkspace = true\n"),
        File::of_text("crates/b/Cargo.toml", "[lints.rust]\nunsafe_code = \"allow\"\n"),
    ];

    assert_eq!(
        without_our_lints(&files),
        ["crates/b/Cargo.toml does not take the workspace's lints"]
    );
}

#[test]
fn only_net_names_an_http_client() {
    assert_eq!(http_clients_outside(HTTP_DOOR, packages()), [""; 0]);
}

#[test]
fn an_http_client_is_noticed_however_it_comes_in() {
    let graph = [
        ours("hansard", &[("hansard-net", Kind::Normal), ("hansard-media", Kind::Normal)]),
        ours("hansard-net", &[("ureq", Kind::Normal)]),
        ours("hansard-media", &[("hub", Kind::Normal), ("reqwest", Kind::Normal)]),
        ours("hansard-testkit", &[("ureq", Kind::Normal)]),
        theirs("hub", &[("ureq", Kind::Build)]),
        theirs("reqwest", &[("hyper", Kind::Normal)]),
        theirs("hyper", &[]),
        theirs("ureq", &[]),
    ];

    let complaints = http_clients_outside(HTTP_DOOR, &graph);

    assert_eq!(
        complaints,
        ["hansard-media uses the HTTP client reqwest", "hub uses the HTTP client ureq"]
    );
}
