//! The database from the command line, as an operator looks after it.

use std::fs;

use crate::beside::Beside;
use crate::program::{Desk, Ended};

/// What a newer release leaves behind, in the words of both databases.
const NEWER: &str = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
    SELECT 999, 'newer', success, checksum, execution_time FROM _sqlx_migrations WHERE version = 1";

/// A recording whose bytes are nowhere.
const LOST: &str = "INSERT INTO media_objects (key, workspace_id, recording_id, state, due_us) \
    VALUES ('media/lost', 'wsp_1', 'rec_1', 'kept', 0)";

/// The versions of the schema, from the first on.
const VERSIONS: [&str; 5] = ["initial", "identity", "pictures", "confidence", "uploaders"];

/// What is listed where all versions are in this state.
fn versions(state: &str) -> String {
    let numbered = (1..).zip(VERSIONS);
    numbered.map(|(number, name)| format!("{number:04}  {state}  {name}\n")).collect()
}

fn a_database_is_made_listed_and_checked(beside: &Beside) {
    let before = beside.run(&["db", "status"]);
    let unmade = beside.run(&["db", "check"]).refusal(1);
    let files = beside.desk.files();
    let migrated = beside.run(&["db", "migrate"]);
    let again = beside.run(&["db", "migrate"]).success();
    let after = beside.run(&["db", "status"]);
    let checked = beside.run(&["db", "check"]);

    assert!(before.stderr.contains("hansard db migrate"), "{before:?}");
    assert_eq!(before.success(), versions("pending"));
    assert_eq!(files, Vec::<String>::new(), "nothing is made by looking");
    assert!(unmade.contains("hansard db migrate"), "{unmade}");
    let up_to_date = format!("{}: schema version {}, up to date\n", beside.address, VERSIONS.len());
    assert_eq!(migrated.stderr, up_to_date);
    assert_eq!(migrated.success(), versions("applied"));
    assert_eq!(again, "", "the second time there is nothing to apply");
    assert_eq!(after.stderr, up_to_date);
    assert_eq!(after.success(), versions("applied"));
    assert_eq!(checked.stderr, format!("{} and its media are whole\n", beside.address));
    assert_eq!(checked.success(), "");
}

fn damage_is_named(beside: &Beside) {
    beside.run(&["db", "migrate"]).success();
    (beside.sql)(LOST);

    let checked = beside.run(&["db", "check"]);

    assert_eq!(
        (checked.code, checked.stdout.as_str()),
        (Some(1), "the media object media/lost is missing\n")
    );
    assert!(checked.stderr.contains("backup.md"), "{checked:?}");
}

fn a_database_of_a_newer_release_is_left_alone(beside: &Beside) {
    beside.run(&["db", "migrate"]).success();
    (beside.sql)(NEWER);

    let status = beside.run(&["db", "status"]);
    let migrated = beside.run(&["db", "migrate"]).refusal(1);
    let checked = beside.run(&["db", "check"]).refusal(1);

    assert_eq!(status.code, Some(1));
    assert!(status.stdout.ends_with("0999  applied  (of a newer release)\n"), "{status:?}");
    assert!(migrated.contains("version 999, which only a newer Hansard knows"), "{migrated}");
    assert!(checked.contains("version 999"), "{checked}");
}

#[test]
fn a_database_is_made_listed_and_checked_on_sqlite() {
    a_database_is_made_listed_and_checked(&Beside::sqlite());
}

#[test]
fn a_database_is_made_listed_and_checked_on_postgres() {
    a_database_is_made_listed_and_checked(&Beside::postgres());
}

#[test]
fn damage_is_named_on_sqlite() {
    damage_is_named(&Beside::sqlite());
}

#[test]
fn damage_is_named_on_postgres() {
    damage_is_named(&Beside::postgres());
}

#[test]
fn a_database_of_a_newer_release_is_left_alone_on_sqlite() {
    a_database_of_a_newer_release_is_left_alone(&Beside::sqlite());
}

#[test]
fn a_database_of_a_newer_release_is_left_alone_on_postgres() {
    a_database_of_a_newer_release_is_left_alone(&Beside::postgres());
}

#[test]
fn a_server_that_is_not_there_is_named_without_the_password() {
    let desk = Desk::new();

    for command in ["migrate", "status", "check"] {
        let url = "postgres://someone:secret@127.0.0.1:1/hansard";
        let ended = desk.command(&["db", command]).env("DATABASE_URL", url).output();

        let refusal = Ended::from(ended.expect("the program runs")).refusal(1);
        assert!(refusal.contains("postgres://127.0.0.1:1/hansard cannot be opened"), "{refusal}");
        assert!(!refusal.contains("secret"), "{refusal}");
    }
}

#[test]
fn a_file_that_is_no_database_is_refused_and_kept() {
    let notes = b"these are notes, and more of them than the head of a database would be long: over a hundred bytes, that is";
    let desk = Desk::new().with_file("notes.txt", notes);

    for command in ["migrate", "status", "check"] {
        let ended =
            desk.command(&["db", command]).env("DATABASE_URL", "sqlite:///notes.txt").output();

        let refusal = Ended::from(ended.expect("the program runs")).refusal(1);
        assert!(refusal.contains("notes.txt cannot be opened"), "{refusal}");
    }
    assert_eq!(fs::read(desk.path("notes.txt")).unwrap(), notes);
}

#[test]
fn the_folder_of_the_data_may_be_named() {
    let desk = Desk::new();

    desk.run(&["db", "--data-dir", "here", "migrate"]).success();
    let checked = desk.run(&["db", "check", "--data-dir", "here"]);

    assert_eq!(checked.stderr, "here/hansard.db and its media are whole\n");
}
