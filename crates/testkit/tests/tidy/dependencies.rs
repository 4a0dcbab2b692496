//! What we build upon: its licences, and what it asks of a user's machine.

use spdx::{Expression, ParseMode};

use crate::house::graph::{ours, theirs};
use crate::house::{Kind, Package, packages, shipped};

/// Licences that ask no more than a notice, and one that asks for changes to its own files only.
const LICENCES: [&str; 13] = [
    "0BSD",
    "Apache-2.0",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "CDLA-Permissive-2.0",
    "ISC",
    "MIT",
    "MPL-2.0",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

/// Packages whose build wants more than Rust and a C compiler, some only with a feature.
const HEAVY_BUILDS: [(&str, Option<&str>); 14] = [
    ("aws-lc-sys", None),
    ("bindgen", None),
    ("clang-sys", None),
    ("cmake", None),
    ("cxx", None),
    ("cxx-build", None),
    ("esaxx-rs", Some("cpp")),
    // Its other ways to SQLite look for an installed one; `bundled` compiles it with the C compiler.
    ("libsqlite3-sys", Some("buildtime_bindgen")),
    ("link-cplusplus", None),
    ("nasm-rs", None),
    ("onig_sys", None),
    ("openssl-sys", None),
    ("prost-build", None),
    ("protobuf-codegen", None),
];

/// Packages that have no licence, one that cannot be read, or one that is not in the list.
fn unwelcome_licences(packages: &[Package], allowed: &[&str]) -> Vec<String> {
    let mut complaints = Vec::new();
    for package in packages {
        let Some(license) = &package.license else {
            complaints.push(format!("{} names no licence", package.name));
            continue;
        };
        // Old manifests write `MIT/Apache-2.0`.
        let Ok(expression) = Expression::parse_mode(license, ParseMode::LAX) else {
            complaints.push(format!("{} has the unreadable licence {license}", package.name));
            continue;
        };
        let welcome = expression.evaluate(|requirement| {
            requirement.license.id().is_some_and(|id| allowed.contains(&id.name))
        });
        if !welcome {
            complaints.push(format!("{} has the licence {license}", package.name));
        }
    }
    complaints
}

/// Packages among what ships that want more than Rust and a C compiler.
fn heavy_builds(packages: &[Package]) -> Vec<String> {
    let is_heavy = |package: &&Package| {
        HEAVY_BUILDS.iter().any(|(name, feature)| {
            *name == package.name
                && feature.is_none_or(|feature| package.features.iter().any(|on| on == feature))
        })
    };
    let heavy = shipped(packages).into_iter().filter(is_heavy);
    heavy.map(|package| format!("{} wants more than Rust and a C compiler", package.name)).collect()
}

#[test]
fn every_dependency_has_a_welcome_licence() {
    assert_eq!(unwelcome_licences(packages(), &LICENCES), [""; 0]);
}

#[test]
fn an_unwelcome_licence_is_noticed() {
    let licensed = |name: &str, license: Option<&str>| Package {
        license: license.map(str::to_owned),
        ..theirs(name, &[])
    };
    let graph = [
        licensed("choice", Some("GPL-3.0-only OR MIT")),
        licensed("slash", Some("MIT/Apache-2.0")),
        licensed("both", Some("MIT AND AGPL-3.0-only")),
        licensed("silent", None),
        licensed("odd", Some("do as you like")),
    ];

    let complaints = unwelcome_licences(&graph, &LICENCES);

    let expected = [
        "both has the licence MIT AND AGPL-3.0-only",
        "silent names no licence",
        "odd has the unreadable licence do as you like",
    ];
    assert_eq!(complaints, expected);
}

#[test]
fn a_user_needs_rust_and_a_c_compiler_only() {
    assert_eq!(heavy_builds(packages()), [""; 0]);
}

#[test]
fn a_heavy_build_is_noticed_behind_other_packages() {
    let graph = [
        ours("hansard", &[("codec", Kind::Normal), ("checker", Kind::Dev)]),
        theirs("codec", &[("cmake", Kind::Build), ("esaxx-rs", Kind::Normal)]),
        theirs("esaxx-rs", &[]),
        theirs("cmake", &[]),
        theirs("checker", &[("bindgen", Kind::Build)]),
        theirs("bindgen", &[]),
    ];

    assert_eq!(heavy_builds(&graph), ["cmake wants more than Rust and a C compiler"]);
}
