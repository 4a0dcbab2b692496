//! Who may use whom. ARCHITECTURE.md shows the same table to people.

use crate::house::graph::ours;
use crate::house::{Kind, Package, packages};

/// A crate of ours and those of ours that it may use.
const MAY_USE: [(&str, &[&str]); 11] = [
    ("hansard-domain", &[]),
    ("hansard-nn", &[]),
    ("hansard-config", &["hansard-domain"]),
    ("hansard-net", &["hansard-domain"]),
    ("hansard-media", &["hansard-domain"]),
    ("hansard-speech", &["hansard-domain", "hansard-media", "hansard-net", "hansard-nn"]),
    ("hansard-store", &["hansard-domain", "hansard-net"]),
    (
        "hansard-workflow",
        &["hansard-domain", "hansard-media", "hansard-net", "hansard-speech", "hansard-store"],
    ),
    (
        "hansard-server",
        &[
            "hansard-config",
            "hansard-domain",
            "hansard-net",
            "hansard-speech",
            "hansard-store",
            "hansard-workflow",
        ],
    ),
    (
        "hansard",
        &[
            "hansard-config",
            "hansard-domain",
            "hansard-media",
            "hansard-net",
            "hansard-nn",
            "hansard-server",
            "hansard-speech",
            "hansard-store",
            "hansard-workflow",
        ],
    ),
    ("hansard-testkit", &[]),
];

/// The crate that only tests may use.
const TESTKIT: &str = "hansard-testkit";

/// Crates of ours that are not in the table, and uses that the table does not allow.
fn forbidden_uses(packages: &[Package], may_use: &[(&str, &[&str])]) -> Vec<String> {
    let members: Vec<&Package> = packages.iter().filter(|package| package.is_member).collect();
    let mut complaints = Vec::new();
    for member in &members {
        let Some((_, allowed)) = may_use.iter().find(|(name, _)| *name == member.name) else {
            complaints.push(format!("{} is not in the table of who may use whom", member.name));
            continue;
        };
        for edge in &member.uses {
            let Some(used) = members.iter().find(|package| package.id == edge.id) else { continue };
            let in_table = allowed.contains(&used.name.as_str());
            let by_tests = used.name == TESTKIT && edge.kind == Kind::Dev;
            if !in_table && !by_tests {
                complaints.push(format!("{} must not use {}", member.name, used.name));
            }
        }
    }
    complaints
}

#[test]
fn crates_use_only_what_the_table_allows() {
    assert_eq!(forbidden_uses(packages(), &MAY_USE), [""; 0]);
}

#[test]
fn a_use_against_the_table_is_noticed() {
    let graph = [
        ours("low", &[("high", Kind::Normal), ("kit", Kind::Dev)]),
        ours("high", &[("low", Kind::Normal), ("hansard-testkit", Kind::Normal)]),
        ours("kit", &[]),
        ours("hansard-testkit", &[]),
    ];
    let table: [(&str, &[&str]); 3] = [("low", &["kit"]), ("high", &["low"]), ("kit", &[])];

    let complaints = forbidden_uses(&graph, &table);

    let expected = [
        "low must not use high",
        "high must not use hansard-testkit",
        "hansard-testkit is not in the table of who may use whom",
    ];
    assert_eq!(complaints, expected);
}

#[test]
fn tests_may_use_the_testkit() {
    let graph = [ours("low", &[("hansard-testkit", Kind::Dev)]), ours("hansard-testkit", &[])];
    let table: [(&str, &[&str]); 2] = [("low", &[]), ("hansard-testkit", &[])];

    assert_eq!(forbidden_uses(&graph, &table), [""; 0]);
}
