//! No method goes untested on either database.

use std::fs;
use std::path::Path;

/// Modules whose methods have a suite of their own.
const ELSEWHERE: [&str; 4] = ["deliveries.rs", "endpoints.rs", "events.rs", "sending.rs"];

fn sources(folder: &Path, into: &mut String) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, into);
        } else if !ELSEWHERE.iter().any(|file| path.ends_with(file)) {
            into.push_str(&fs::read_to_string(&path).unwrap());
        }
    }
}

#[test]
fn every_method_of_the_store_is_called_by_the_suite() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (mut code, mut suite) = (String::new(), String::new());
    sources(&root.join("src"), &mut code);
    sources(&root.join("tests/it"), &mut suite);

    let blocks = code.split("\nimpl Store {").skip(1).filter_map(|rest| rest.split("\n}").next());
    let names = blocks.flat_map(|block| block.split("\n    pub async fn ").skip(1));
    let names: Vec<_> = names.filter_map(|rest| rest.split(['(', '<']).next()).collect();
    let missing: Vec<_> = names
        .iter()
        .filter(|name| {
            !suite.contains(&format!(".{name}(")) && !suite.contains(&format!("::{name}("))
        })
        .collect();

    assert!(names.len() > 25, "the sources read differently: {names:?}");
    assert!(missing.is_empty(), "no test calls {missing:?}");
}
