//! The facts that the rules judge: the packages that cargo resolves and the files that git tracks.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use serde::Deserialize;

/// The package that users build.
const SHIPPED: &str = "hansard";

/// One package of the resolved graph, ours or somebody else's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Package {
    /// Unique in the graph; cargo's package id.
    pub(crate) id: String,
    /// The name in its manifest.
    pub(crate) name: String,
    /// SPDX expression, if the manifest has one.
    pub(crate) license: Option<String>,
    /// Whether it is a crate of this workspace.
    pub(crate) is_member: bool,
    /// The features that are on.
    pub(crate) features: Vec<String>,
    /// What it depends on.
    pub(crate) uses: Vec<Use>,
}

/// An edge of the graph.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Use {
    /// [`Package::id`] of what is used.
    pub(crate) id: String,
    /// What it is used for.
    pub(crate) kind: Kind,
}

/// What a dependency is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Linked into what ships.
    Normal,
    /// Run while building what ships.
    Build,
    /// For tests only.
    Dev,
}

/// A file that git tracks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct File {
    /// Path from the repository's root, with forward slashes.
    pub(crate) path: String,
    /// Size in bytes.
    pub(crate) bytes: u64,
    /// Its content, when it is text in UTF-8.
    pub(crate) text: Option<String>,
}

impl File {
    /// A text file, for the tests of the rules.
    pub(crate) fn of_text(path: &str, text: &str) -> Self {
        Self { path: path.to_owned(), bytes: text.len() as u64, text: Some(text.to_owned()) }
    }
}

/// The packages of this workspace and everything they need on this platform.
pub(crate) fn packages() -> &'static [Package] {
    static PACKAGES: LazyLock<Vec<Package>> = LazyLock::new(resolve_packages);
    &PACKAGES
}

/// What users build: the shipped package and all that it needs, what only its build runs included.
pub(crate) fn shipped(packages: &[Package]) -> Vec<&Package> {
    let mut seen = HashSet::new();
    let mut shipped = Vec::new();
    let mut waiting: Vec<&Package> = packages.iter().filter(|p| p.name == SHIPPED).collect();
    assert!(!waiting.is_empty(), "there is a package {SHIPPED}");
    while let Some(package) = waiting.pop() {
        if !seen.insert(&package.id) {
            continue;
        }
        shipped.push(package);
        for edge in package.uses.iter().filter(|edge| edge.kind != Kind::Dev) {
            waiting.extend(packages.iter().filter(|other| other.id == edge.id));
        }
    }
    shipped
}

/// The files of this repository.
pub(crate) fn files() -> &'static [File] {
    static FILES: LazyLock<Vec<File>> = LazyLock::new(read_tracked_files);
    &FILES
}

/// The text of one file of this repository.
pub(crate) fn text_of(path: &str) -> &'static str {
    let file = files().iter().find(|file| file.path == path);
    file.and_then(|file| file.text.as_deref())
        .unwrap_or_else(|| panic!("{path} is not a tracked text file"))
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn output_of(program: &str, arguments: &[&str]) -> Vec<u8> {
    let output = Command::new(program)
        .args(arguments)
        .current_dir(root())
        .output()
        .unwrap_or_else(|error| panic!("cannot run {program}: {error}"));
    assert!(
        output.status.success(),
        "{program} {arguments:?} failed: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    output.stdout
}

fn read_tracked_files() -> Vec<File> {
    // The checkout may belong to another user than the one who tests it, as in a container.
    let list = output_of("git", &["-c", "safe.directory=*", "ls-files", "-z"]);
    let list = String::from_utf8(list).expect("tracked paths are UTF-8");
    list.split_terminator('\0')
        // A file that was deleted and not yet committed has nothing left to judge.
        .filter_map(|path| Some((path, std::fs::read(root().join(path)).ok()?)))
        .map(|(path, bytes)| File {
            path: path.to_owned(),
            bytes: bytes.len() as u64,
            text: String::from_utf8(bytes).ok(),
        })
        .collect()
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<RawPackage>,
    workspace_members: Vec<String>,
    resolve: Resolve,
}

#[derive(Deserialize)]
struct RawPackage {
    id: String,
    name: String,
    license: Option<String>,
}

#[derive(Deserialize)]
struct Resolve {
    nodes: Vec<Node>,
}

#[derive(Deserialize)]
struct Node {
    id: String,
    features: Vec<String>,
    deps: Vec<NodeDependency>,
}

#[derive(Deserialize)]
struct NodeDependency {
    pkg: String,
    dep_kinds: Vec<DependencyKind>,
}

#[derive(Deserialize)]
struct DependencyKind {
    kind: Option<String>,
}

fn resolve_packages() -> Vec<Package> {
    // Without the platform cargo would want to download what only other platforms build.
    let platform = host_platform();
    let json = output_of(
        env!("CARGO"),
        &[
            "metadata",
            "--format-version=1",
            "--locked",
            "--offline",
            "--filter-platform",
            &platform,
        ],
    );
    let metadata: Metadata = serde_json::from_slice(&json).expect("cargo prints its own format");
    let nodes = metadata.resolve.nodes.into_iter().map(|node| {
        let package = metadata.packages.iter().find(|package| package.id == node.id);
        let package = package.expect("each node is a package");
        Package {
            name: package.name.clone(),
            license: package.license.clone(),
            is_member: metadata.workspace_members.contains(&node.id),
            features: node.features,
            uses: node.deps.iter().flat_map(uses_of).collect(),
            id: node.id,
        }
    });
    nodes.collect()
}

fn uses_of(dependency: &NodeDependency) -> impl Iterator<Item = Use> {
    dependency.dep_kinds.iter().map(|kind| Use {
        id: dependency.pkg.clone(),
        kind: match kind.kind.as_deref() {
            None => Kind::Normal,
            Some("build") => Kind::Build,
            Some("dev") => Kind::Dev,
            Some(other) => panic!("cargo knows a new kind of dependency: {other}"),
        },
    })
}

fn host_platform() -> String {
    let version = output_of(env!("CARGO"), &["--version", "--verbose"]);
    let version = String::from_utf8(version).expect("cargo prints UTF-8");
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    host.expect("cargo names its host").to_owned()
}

/// Small graphs for the tests of the rules. A package's id is its name.
pub(crate) mod graph {
    use super::{Kind, Package, Use};

    /// A crate of ours that uses others.
    pub(crate) fn ours(name: &str, uses: &[(&str, Kind)]) -> Package {
        Package { is_member: true, ..theirs(name, uses) }
    }

    /// A crate from elsewhere that uses others.
    pub(crate) fn theirs(name: &str, uses: &[(&str, Kind)]) -> Package {
        let uses = uses.iter().map(|&(id, kind)| Use { id: id.to_owned(), kind });
        Package {
            id: name.to_owned(),
            name: name.to_owned(),
            license: Some("MIT".to_owned()),
            is_member: false,
            features: Vec::new(),
            uses: uses.collect(),
        }
    }
}
