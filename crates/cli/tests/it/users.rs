//! Users from the command line, as whoever runs the service makes and erases them.

use std::fs::File;
use std::time::Duration;

use hansard_testkit::process::{Process, command};
use serde_json::Value;

use crate::beside::{Beside, on_both};
use crate::program::{Desk, Ended};

/// Longer than anything here takes on a busy machine.
const BOUND: Duration = Duration::from_secs(60);

const PASSWORD: &str = "correct horse battery";

/// A session of ana's.
const SESSION: &str = "INSERT INTO sessions \
    (id, hash, user_id, method, created_at_us, last_seen_us, idle_until_us, expires_at_us) \
    SELECT 'ses_1', 'hash', id, 'simple', 0, 0, 0, 0 FROM users WHERE email = 'ana@example.org'";

/// Shows as ana's name how many sessions there are, and as her username what the log says of her passwords.
const LOOK: &str = "UPDATE users SET name = (SELECT COUNT(*) FROM sessions), \
    username = (SELECT COUNT(*) || ' ' || MIN(actor_kind) || ' ' || MIN(outcome) FROM audit_log \
        WHERE kind = 'user.password_changed' AND subject_id = users.id) \
    WHERE email = 'ana@example.org'";

/// An object of the media of bob's workspace whose bytes nobody finds.
const LOST: &str = "INSERT INTO media_objects (key, workspace_id, recording_id, state, due_us) \
    SELECT 'media/lost', workspace_id, 'rec_1', 'kept', 0 FROM users WHERE email = 'bob@example.org'";

on_both! {
    users_are_made_listed_and_changed,
    a_password_comes_from_standard_input,
    another_password_ends_all_sessions_and_is_written_down,
    a_user_who_is_not_there_cannot_be_changed,
    an_address_and_a_username_are_one_users,
    the_last_administrator_stays,
    a_user_is_erased_with_a_report,
    an_erasure_that_broke_off_is_finished_by_another,
    users_are_managed_beside_a_running_service,
}

/// Makes a user and returns the id.
pub(crate) fn make(beside: &Beside, args: &[&str]) -> String {
    let made = beside.run(&[&["user", "create"], args].concat()).success();
    let id = made.strip_suffix('\n').unwrap();
    assert!(id.starts_with("usr_") && !id.contains('\n'), "{made:?}");
    id.to_owned()
}

/// The users by `user list --json`, newest first.
fn listed(beside: &Beside) -> Vec<Value> {
    let json = beside.run(&["user", "list", "--json"]).success();
    let mut document: Value = serde_json::from_str(&json).unwrap();
    serde_json::from_value(document["users"].take()).unwrap()
}

fn create_with_password(beside: &Beside, args: &[&str], password: &str) -> Ended {
    with_password(beside, &[&["create", "--password-stdin"], args].concat(), password)
}

/// Runs `user` with a password on standard input.
fn with_password(beside: &Beside, args: &[&str], password: &str) -> Ended {
    std::fs::write(beside.desk.path("password"), password).unwrap();
    let mut command = beside.command(&[&["user"], args].concat());
    command.stdin(File::open(beside.desk.path("password")).unwrap());
    command.output().expect("the program runs").into()
}

fn users_are_made_listed_and_changed(beside: &Beside) {
    let first =
        beside.run(&["user", "create", "ana@example.org", "--role", "admin", "--name", "Ana"]);
    assert!(first.stderr.contains("callers need credentials on this machine too"), "{first:?}");
    let key =
        "without a password, with a key only: hansard token create NAME --user ana@example.org";
    assert!(first.stderr.contains(key), "{first:?}");
    let second = beside.run(&["user", "create", "bob@example.org", "--username", "bob"]);
    assert!(!second.stderr.contains("from now on"), "{second:?}");
    let bob = second.success();

    let roles = beside.run(&["user", "role", "bob", "viewer"]);
    assert_eq!(roles.stderr, "bob@example.org: viewer\n");
    assert_eq!(roles.success(), "");
    let disabled = beside.run(&["user", "disable", "BOB@example.org"]);
    assert_eq!(disabled.stderr, "bob@example.org: viewer, disabled\n");

    let users = listed(beside);
    assert_eq!(users.len(), 2);
    let (newest, oldest) = (&users[0], &users[1]);
    assert_eq!(newest["id"], bob.trim_end());
    assert_eq!((&newest["username"], &newest["role"]), (&"bob".into(), &"viewer".into()));
    assert!(newest["disabled_at"].is_string(), "{newest}");
    assert_eq!((&oldest["name"], &oldest["role"]), (&"Ana".into(), &"admin".into()));
    assert_eq!((&oldest["has_password"], &oldest["disabled_at"]), (&false.into(), &Value::Null));

    beside.run(&["user", "enable", bob.trim_end()]).success();
    let table = beside.run(&["user", "list"]).success();
    let lines: Vec<&str> = table.lines().collect();
    assert!(lines[0].starts_with("ID ") && lines[0].ends_with("LAST SEEN"), "{table}");
    assert!(
        lines[1].contains("bob@example.org") && lines[1].ends_with("viewer  enabled"),
        "{table}"
    );
    assert!(lines[2].contains("ana@example.org") && lines[2].contains("admin"), "{table}");
}

fn a_password_comes_from_standard_input(beside: &Beside) {
    for (password, reason) in [
        ("", "at least 12 characters"),
        ("elf zeichen\n", "at least 12 characters"),
        (&"x".repeat(2_000), "at most 1024 bytes"),
    ] {
        let refused = create_with_password(beside, &["ana@example.org"], password).refusal(2);
        assert!(refused.contains(reason), "{refused}");
    }

    let made = create_with_password(beside, &["ana@example.org"], &format!("{PASSWORD}\n"));

    assert!(!format!("{made:?}").contains(PASSWORD), "{made:?}");
    let key = "a key for a program: hansard token create NAME --user ana@example.org";
    assert!(made.stderr.contains(key), "{made:?}");
    made.success();
    assert_eq!(listed(beside)[0]["has_password"], true);
    let is_hashed = "UPDATE users SET name = substr(password_hash, 1, 10)";
    (beside.sql)(is_hashed);
    assert_eq!(listed(beside)[0]["name"], "$argon2id$");
}

fn another_password_ends_all_sessions_and_is_written_down(beside: &Beside) {
    make(beside, &["ana@example.org", "--role", "admin"]);
    (beside.sql)(SESSION);

    let short = with_password(beside, &["password", "ana@example.org"], "short").refusal(2);
    (beside.sql)(LOOK);
    let before = listed(beside).remove(0);
    let given = with_password(beside, &["password", "ana@example.org"], PASSWORD);
    (beside.sql)(LOOK);
    let after = listed(beside).remove(0);

    assert!(short.contains("at least 12 characters"), "{short}");
    assert_eq!((&before["name"], &before["has_password"]), (&"1".into(), &false.into()));
    let told = "ana@example.org: admin\nthe password is another one, and all sessions have ended\n";
    assert_eq!(given.stderr, told);
    assert_eq!(given.success(), "");
    assert_eq!((&after["name"], &after["has_password"]), (&"0".into(), &true.into()));
    assert_eq!(after["username"], "1 command_line done");
}

fn a_user_who_is_not_there_cannot_be_changed(beside: &Beside) {
    make(beside, &["ana@example.org"]);
    let nobodys = "usr_01KAJ2Z1GQ8C3T0V7M5N9XQ4RS";

    for given in ["bob@example.org", "bob", nobodys] {
        for args in [
            &["role", given, "editor"][..],
            &["disable", given],
            &["enable", given],
            &["delete", given, "--yes"],
        ] {
            let refused = beside.run(&[&["user"], args].concat()).refusal(1);
            assert!(refused.contains(&format!("there is no user {given}")), "{refused}");
        }
        let refused = with_password(beside, &["password", given], PASSWORD).refusal(1);
        assert!(refused.contains(&format!("there is no user {given}")), "{refused}");
    }
}

fn an_address_and_a_username_are_one_users(beside: &Beside) {
    make(beside, &["ana@example.org", "--username", "ana"]);

    let address = beside.run(&["user", "create", "Ana@Example.org"]).refusal(1);
    let with_password = create_with_password(beside, &["ana@example.org"], PASSWORD).refusal(1);
    let username =
        beside.run(&["user", "create", "bob@example.org", "--username", "ana"]).refusal(1);
    let no_address = beside.run(&["user", "create", "ana"]).refusal(2);

    assert_eq!(address, "hansard: another user has this e-mail address\n");
    assert_eq!(with_password, address);
    assert_eq!(username, "hansard: another user has this username\n");
    assert!(no_address.contains("has no @"), "{no_address}");
    assert_eq!(listed(beside).len(), 1);
}

fn the_last_administrator_stays(beside: &Beside) {
    make(beside, &["ana@example.org", "--role", "admin"]);
    make(beside, &["bob@example.org"]);

    for args in [
        &["role", "ana@example.org", "editor"][..],
        &["disable", "ana@example.org"],
        &["delete", "ana@example.org", "--yes"],
    ] {
        let refused = beside.run(&[&["user"], args].concat()).refusal(1);
        assert!(refused.contains("make another user admin first"), "{refused}");
    }

    beside.run(&["user", "role", "bob@example.org", "admin"]).success();
    beside.run(&["user", "role", "ana@example.org", "editor"]).success();
}

fn a_user_is_erased_with_a_report(beside: &Beside) {
    make(beside, &["bob@example.org"]);
    beside.run(&["token", "create", "backup", "--user", "bob@example.org"]).success();

    let without_terminal = beside.run(&["user", "delete", "bob@example.org"]).refusal(2);
    let erased = beside.run(&["user", "delete", "bob@example.org", "--yes"]);

    assert!(without_terminal.contains("--yes"), "{without_terminal}");
    assert!(erased.stderr.contains("is erased"), "{erased:?}");
    let report = erased.success();
    for line in ["recordings: 0", "media_bytes: 0", "tokens: 1", "sessions: 0", "memberships: 1"] {
        assert!(report.lines().any(|reported| reported == line), "{line} is not in\n{report}");
    }
    assert_eq!(listed(beside), Vec::<Value>::new());
}

fn an_erasure_that_broke_off_is_finished_by_another(beside: &Beside) {
    let bob = make(beside, &["bob@example.org"]);
    (beside.sql)(LOST);

    let broken = beside.run(&["user", "delete", "bob@example.org", "--yes"]).refusal(1);
    let table = beside.run(&["user", "list"]).success();
    let enabled = beside.run(&["user", "enable", &bob]).refusal(1);
    (beside.sql)("DELETE FROM media_objects");
    let finished = beside.run(&["user", "delete", &bob, "--yes"]).success();

    let again = format!("hansard user delete {bob} --yes goes on with it");
    assert!(broken.contains(&again), "{broken}");
    assert!(table.contains("being erased") && !table.contains("bob"), "{table}");
    assert!(enabled.contains("is being erased"), "{enabled}");
    assert!(finished.contains("memberships: 1\n"), "{finished}");
    assert_eq!(listed(beside), Vec::<Value>::new());
}

fn users_are_managed_beside_a_running_service(beside: &Beside) {
    let mut serve = command(env!("CARGO_BIN_EXE_hansard"));
    serve.args(["serve", "--no-worker", "--bind", "127.0.0.1:0"]).current_dir(beside.desk.path(""));
    serve.env("DATABASE_URL", &beside.url).env("HOME", beside.desk.path(""));
    let service = Process::start(&mut serve);
    service.wait_for_line(BOUND, |line| line.starts_with("listening on http://"));

    make(beside, &["ana@example.org", "--role", "admin"]);
    let bob = make(beside, &["bob@example.org"]);
    beside.run(&["user", "role", &bob, "viewer"]).success();
    beside.run(&["user", "delete", &bob, "--yes"]).success();

    assert_eq!(listed(beside).len(), 1);
    service.terminate();
    assert!(service.wait(BOUND).success(), "{}", service.output());
}

#[test]
fn nothing_is_made_by_looking() {
    let desk = Desk::new();

    for args in [
        &["user", "list"][..],
        &["user", "role", "ana@example.org", "admin"],
        &["user", "delete", "ana@example.org", "--yes"],
        &["token", "list"],
        &["token", "revoke", "tok_01KAJ2Z1GQ8C3T0V7M5N9XQ4RS"],
        &["token", "create", "backup", "--user", "ana@example.org"],
    ] {
        let refused = desk.run(args).refusal(1);
        assert!(refused.contains("there is no database"), "{refused}");
    }
    assert_eq!(desk.files(), Vec::<String>::new());
}

#[test]
fn a_role_is_one_of_three() {
    let refused = Desk::new().run(&["user", "create", "ana@example.org", "--role", "owner"]);
    let refused = refused.refusal(2);
    assert!(refused.contains("viewer, editor, admin"), "{refused}");
}
