//! What the documents say must be so.

use std::collections::BTreeSet;

use crate::house::{File, files, text_of};

/// Where decisions live, as `NNNN-title.md`.
const DECISIONS: &str = "docs/decisions/";

/// Numbers of decisions that are missing, taken twice or unreadable.
fn misnumbered_decisions(files: &[File]) -> Vec<String> {
    let mut complaints = Vec::new();
    let mut numbers = BTreeSet::new();
    for name in files.iter().filter_map(|file| file.path.strip_prefix(DECISIONS)) {
        let number = name.split_once('-').filter(|(digits, _)| digits.len() == 4);
        match number.and_then(|(digits, _)| digits.parse::<usize>().ok()) {
            None => complaints.push(format!("{name} has no four-digit number")),
            Some(number) if !numbers.insert(number) => {
                complaints.push(format!("{number:04} is taken twice"));
            }
            Some(_) => {}
        }
    }
    let last = numbers.last().copied().unwrap_or(0);
    let missing = (1..=last).filter(|number| !numbers.contains(number));
    complaints.extend(missing.map(|number| format!("{number:04} is missing")));
    complaints
}

/// Crates whose front page does not begin with what they are for.
fn without_front_page(files: &[File]) -> Vec<String> {
    let front = |path: &str| path.ends_with("/src/lib.rs") || path.ends_with("/src/main.rs");
    files
        .iter()
        .filter(|file| file.path.starts_with("crates/") && front(&file.path))
        .filter(|file| !file.text.as_deref().is_some_and(|text| text.starts_with("//! ")))
        .map(|file| format!("{} does not say what the crate is for", file.path))
        .collect()
}

/// `make` commands in the code of a document that the Makefile does not have.
fn unknown_verbs(document: &str, makefile: &str) -> Vec<String> {
    let targets: BTreeSet<&str> = makefile
        .lines()
        .filter_map(|line| line.split_once(':'))
        .map(|(target, _)| target)
        .filter(|target| is_verb(target))
        .collect();
    let code = document.split('`').chain(document.lines());
    let verbs: BTreeSet<&str> = code
        .filter_map(|code| code.trim().strip_prefix("make ")?.split_whitespace().next())
        .filter(|verb| is_verb(verb))
        .collect();
    verbs.difference(&targets).map(|verb| format!("make {verb} does not exist")).collect()
}

fn is_verb(word: &str) -> bool {
    !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-')
}

/// Relative links in Markdown files that lead to no tracked file or folder.
fn broken_links(files: &[File]) -> Vec<String> {
    let mut complaints = Vec::new();
    for file in files.iter().filter(|file| file.path.ends_with(".md")) {
        let Some(text) = &file.text else { continue };
        for link in relative_links(text) {
            let target = resolve(&file.path, link);
            let inside = format!("{target}/");
            if !files.iter().any(|other| other.path == target || other.path.starts_with(&inside)) {
                complaints.push(format!("{} links to {link}", file.path));
            }
        }
    }
    complaints
}

/// The paths in `[text](path)` and `[text](path#part)`, without those that name a host.
fn relative_links(markdown: &str) -> impl Iterator<Item = &str> {
    let targets = markdown.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    targets
        .filter(|target| !target.contains("://") && !target.contains(char::is_whitespace))
        .filter_map(|target| target.split('#').next())
        .filter(|path| !path.is_empty())
}

/// The path from the root that `link` in the document `from` means.
fn resolve(from: &str, link: &str) -> String {
    let mut parts: Vec<&str> = from.split('/').collect();
    parts.pop();
    for part in link.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            name => parts.push(name),
        }
    }
    parts.join("/")
}

#[test]
fn decisions_are_numbered_without_a_gap() {
    assert_eq!(misnumbered_decisions(files()), [""; 0]);
}

#[test]
fn a_gap_among_decisions_is_noticed() {
    let paths = ["0001-a.md", "0003-b.md", "0003-c.md", "notes.md"];
    let files = paths.map(|name| File::of_text(&format!("{DECISIONS}{name}"), ""));

    assert_eq!(
        misnumbered_decisions(&files),
        ["0003 is taken twice", "notes.md has no four-digit number", "0002 is missing"]
    );
}

#[test]
fn every_crate_has_a_front_page() {
    assert_eq!(without_front_page(files()), [""; 0]);
}

#[test]
fn a_crate_without_a_front_page_is_noticed() {
    let files = [
        File::of_text("crates/a/src/lib.rs", "//! For something.\n"),
        File::of_text("crates/b/src/lib.rs", "mod c;\n"),
    ];

    assert_eq!(
        without_front_page(&files),
        ["crates/b/src/lib.rs does not say what the crate is for"]
    );
}

#[test]
fn documented_make_commands_exist() {
    let makefile = text_of("Makefile");
    for document in ["README.md", "CONTRIBUTING.md"] {
        assert_eq!(unknown_verbs(text_of(document), makefile), [""; 0], "{document}");
    }
}

#[test]
fn a_make_command_that_does_not_exist_is_noticed() {
    let document = "Type `make demo`, make sure it works.\n```sh\nmake dance ARGS=1\n```\n";
    let makefile = "SHELL := sh\ndemo: rust ## Show it\n\tcargo run\n";

    assert_eq!(unknown_verbs(document, makefile), ["make dance does not exist"]);
}

#[test]
fn links_lead_somewhere() {
    assert_eq!(broken_links(files()), [""; 0]);
}

#[test]
fn a_broken_link_is_noticed() {
    let text = "[a](b.md) [c](../README.md#top) [d](decisions) [e](https://x.example/y) [f](#g)";
    let files = [
        File::of_text("docs/a.md", text),
        File::of_text("docs/decisions/0001-x.md", "[up](../b.md)"),
        File::of_text("README.md", ""),
    ];

    assert_eq!(
        broken_links(&files),
        ["docs/a.md links to b.md", "docs/decisions/0001-x.md links to ../b.md"]
    );
}
