//! Workspaces from the command line, as whoever makes service tokens looks for them.

use serde_json::Value;

use crate::beside::{Beside, on_both};
use crate::program::Desk;
use crate::users;

on_both! {
    workspaces_are_listed_newest_first,
}

fn workspaces_are_listed_newest_first(beside: &Beside) {
    users::make(beside, &["ana@example.org", "--name", "Ana"]);
    users::make(beside, &["bob@example.org"]);

    let json = beside.run(&["workspace", "list", "--json"]).success();
    let document: Value = serde_json::from_str(&json).unwrap();
    let [bob, ana, home] = &document["workspaces"].as_array().unwrap()[..] else {
        panic!("{document}");
    };
    let table = beside.run(&["workspace", "list"]).success();

    assert_eq!((&bob["name"], &bob["kind"]), (&"bob@example.org".into(), &"personal".into()));
    assert_eq!((&ana["name"], &ana["kind"]), (&"Ana".into(), &"personal".into()));
    assert_eq!((&home["name"], &home["kind"]), (&"default".into(), &"shared".into()));
    assert!(home["created_at"].is_string(), "{home}");
    let lines: Vec<&str> = table.lines().collect();
    assert!(lines.len() == 4 && lines[0].starts_with("ID "), "{table}");
    let id = home["id"].as_str().unwrap();
    assert!(lines[3].starts_with(id) && lines[3].contains("default"), "{table}");
    beside.run(&["token", "create", "archive", "--workspace", id]).success();
}

#[test]
fn a_list_makes_no_database() {
    let desk = Desk::new();
    let refused = desk.run(&["workspace", "list"]).refusal(1);
    assert!(refused.contains("there is no database"), "{refused}");
    assert_eq!(desk.files(), Vec::<String>::new());
}
