//! What a file may hold.

use crate::house::{File, files};

/// Longer Rust files are two files.
const LINES_MAX: usize = 500;

/// Larger files do not belong into a repository; recordings and models for tests live in `fixtures/`.
const BYTES_MAX: u64 = 1_000_000;

/// Where larger files may lie.
const FIXTURES: &str = "fixtures/";

/// How an absolute path on somebody's own machine begins. Written in pieces, so that this file passes its own rule.
const PRIVATE_PATHS: [&str; 4] =
    [concat!("/ho", "me/"), concat!("/ro", "ot/"), concat!("/Us", "ers/"), concat!("/wo", "rk/")];

/// Package registries' hosts. Which one is asked is the business of each machine's configuration.
const REGISTRY_HOSTS: [&str; 7] = [
    concat!("index.", "crates.io"),
    concat!("static.", "crates.io"),
    concat!("pypi.", "org"),
    concat!("files.python", "hosted.org"),
    concat!("registry.npm", "js.org"),
    concat!("proxy.gol", "ang.org"),
    concat!("repo.maven.", "apache.org"),
];

/// Rust files with more lines than a reader can hold.
fn too_long(files: &[File], lines_max: usize) -> Vec<String> {
    let rust = files.iter().filter(|file| file.path.ends_with(".rs"));
    let counted = rust.filter_map(|file| Some((file, file.text.as_ref()?.lines().count())));
    counted
        .filter(|(_, lines)| *lines > lines_max)
        .map(|(file, lines)| format!("{} has {lines} lines", file.path))
        .collect()
}

/// Files outside the fixtures that are too large.
fn too_large(files: &[File], bytes_max: u64) -> Vec<String> {
    let outside = files.iter().filter(|file| !file.path.starts_with(FIXTURES));
    outside
        .filter(|file| file.bytes > bytes_max)
        .map(|file| format!("{} has {} bytes", file.path, file.bytes))
        .collect()
}

/// Text that is true on one machine only.
fn machine_names(files: &[File]) -> Vec<String> {
    let mut complaints = Vec::new();
    for file in files {
        let Some(text) = &file.text else { continue };
        for (index, line) in text.lines().enumerate() {
            let private = PRIVATE_PATHS.iter().any(|path| names_path(line, path));
            let registry = REGISTRY_HOSTS.iter().any(|host| line.contains(host));
            if private || registry {
                complaints.push(format!("{}:{} names a machine", file.path, index + 1));
            }
        }
    }
    complaints
}

/// Whether `line` has the absolute path, rather than a longer path or address that goes through such a folder.
fn names_path(line: &str, path: &str) -> bool {
    line.match_indices(path).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        !before.is_some_and(|c| c.is_alphanumeric() || "_.-~}*".contains(c))
    })
}

#[test]
fn rust_files_are_short() {
    assert_eq!(too_long(files(), LINES_MAX), [""; 0]);
}

#[test]
fn a_long_rust_file_is_noticed() {
    let files = [
        File::of_text("a.rs", "//\n//\n//\n"),
        File::of_text("b.rs", "//\n//"),
        File::of_text("c.md", "1\n2\n3\n"),
    ];

    assert_eq!(too_long(&files, 2), ["a.rs has 3 lines"]);
}

#[test]
fn large_files_are_fixtures() {
    assert_eq!(too_large(files(), BYTES_MAX), [""; 0]);
}

#[test]
fn a_large_file_is_noticed() {
    let files = [File::of_text("fixtures/a.wav", "12345"), File::of_text("docs/a.png", "12345")];

    assert_eq!(too_large(&files, 4), ["docs/a.png has 5 bytes"]);
}

#[test]
fn no_file_names_a_machine() {
    assert_eq!(machine_names(files()), [""; 0]);
}

#[test]
fn a_private_path_or_a_registry_is_noticed() {
    let [home, ..] = PRIVATE_PATHS;
    let [index, ..] = REGISTRY_HOSTS;
    let files = [
        File::of_text("a.md", &format!("fine\n`{home}ana/talk.mp3`")),
        File::of_text("b.sh", &format!("curl https://{index}/")),
        File::of_text("c.md", &format!("https://church.example{home}ana and ./sub{home}x")),
    ];

    assert_eq!(machine_names(&files), ["a.md:2 names a machine", "b.sh:1 names a machine"]);
}
