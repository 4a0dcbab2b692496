//! Tokens from the command line: what a script gets, and what is refused.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::Value;

use crate::beside::{Beside, on_both};
use crate::program::{Desk, Ended};
use crate::users;

/// What MxWhisper's tokens are signed with.
const SERVICE_SECRET: &str = "a-secret-of-at-least-thirty-two-bytes";

const YEAR_S: i64 = 365 * 24 * 60 * 60;

on_both! {
    a_key_is_all_that_standard_output_has,
    a_service_token_opens_the_workspace_of_the_configuration,
    a_token_is_given_another_secret,
    a_token_is_revoked_once,
    what_a_token_could_never_be_is_refused,
    a_token_of_mxwhisper_says_whose_it_is,
    tokens_of_mxwhisper_are_revoked_by_name_and_together,
}

fn create(beside: &Beside, args: &[&str]) -> Ended {
    beside.run(&[&["token", "create"], args].concat())
}

/// Runs `token` as where MxWhisper's secret is configured.
fn with_secret(beside: &Beside, args: &[&str]) -> Ended {
    let mut command = beside.command(&[&["token"], args].concat());
    command.env("SERVICE_ACCOUNT_JWT_SECRET", SERVICE_SECRET);
    command.output().expect("the program runs").into()
}

/// The tokens by `token list --json`, newest first.
fn listed(beside: &Beside) -> Vec<Value> {
    let json = beside.run(&["token", "list", "--json"]).success();
    let mut document: Value = serde_json::from_str(&json).unwrap();
    serde_json::from_value(document["tokens"].take()).unwrap()
}

/// The one token in what was printed, and the id that it shows.
#[track_caller]
fn secret(printed: &str, prefix: &str) -> (String, String) {
    let secret = printed.strip_suffix('\n').unwrap();
    let (letters, random) = secret.strip_prefix(prefix).unwrap().split_once('_').unwrap();
    let is_random = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    assert!(random.len() == 43 && random.bytes().all(is_random), "{} characters", random.len());
    (secret.to_owned(), format!("tok_{letters}"))
}

/// What one of MxWhisper's tokens says.
fn claims(printed: &str) -> Value {
    let payload = printed.split('.').nth(1).unwrap();
    serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
}

fn a_key_is_all_that_standard_output_has(beside: &Beside) {
    let ana = users::make(beside, &["ana@example.org", "--role", "admin"]);

    let args = ["nightly", "--user", "ana@example.org", "--role", "editor"];
    let scopes =
        ["--scope", "topics:read", "--scope", "recordings:write", "--scope", "topics:read"];
    let made = create(beside, &[&args[..], &scopes, &["--expires", "never"]].concat());

    let (told, printed) = (made.stderr.clone(), made.success());
    let (secret, id) = secret(&printed, "hsk_");
    assert_eq!(told, format!("key {id}: editor, does not end; it is not shown again\n"));
    let governing = create(beside, &["all", "--user", &ana]).success();
    let tokens = listed(beside);
    let (newest, key) = (&tokens[0], &tokens[1]);
    assert_eq!((&key["id"], &key["kind"]), (&id.into(), &"key".into()));
    assert_eq!((&key["user_id"], &key["role"]), (&ana.into(), &"editor".into()));
    assert_eq!(key["scopes"], serde_json::json!(["recordings:write", "topics:read"]));
    assert_eq!((&key["governs"], &key["expires_at"]), (&false.into(), &Value::Null));
    assert_eq!((&newest["role"], &newest["governs"]), (&"admin".into(), &true.into()));
    assert!(newest["expires_at"].is_string(), "{newest}");

    for args in [&["list"][..], &["list", "--json"], &["list", "--user", "ana@example.org"]] {
        let listed = beside.run(&[&["token"], args].concat()).success();
        assert!(listed.contains("nightly"), "{listed}");
        assert!(!listed.contains(&secret) && !listed.contains(governing.trim_end()), "{listed}");
    }
}

fn a_service_token_opens_the_workspace_of_the_configuration(beside: &Beside) {
    let first = create(beside, &["plugin"]);
    let named = create(beside, &["other", "--workspace", "default", "--role", "viewer"]);

    assert!(first.stderr.contains("callers need credentials on this machine too"), "{first:?}");
    assert!(!named.stderr.contains("from now on"), "{named:?}");
    let (_, id) = secret(&first.success(), "hst_");
    secret(&named.success(), "hst_");
    let tokens = listed(beside);
    let (other, plugin) = (&tokens[0], &tokens[1]);
    assert_eq!((&plugin["id"], &plugin["user_id"]), (&id.into(), &Value::Null));
    assert_eq!((&plugin["role"], &other["role"]), (&"editor".into(), &"viewer".into()));
    assert_eq!(plugin["workspace_id"], other["workspace_id"]);

    let workspace = plugin["workspace_id"].as_str().unwrap();
    create(beside, &["by id", "--workspace", workspace]).success();
    for unknown in ["elsewhere", "wsp_01KAJ2Z1GQ8C3T0V7M5N9XQ4RS"] {
        let refused = create(beside, &["plugin", "--workspace", unknown]).refusal(1);
        assert!(refused.contains(&format!("there is no workspace {unknown}")), "{refused}");
    }
}

fn a_token_is_given_another_secret(beside: &Beside) {
    let (old, id) = secret(&create(beside, &["plugin"]).success(), "hst_");

    let rotated = beside.run(&["token", "rotate", &id, "--overlap", "2d", "--expires", "30d"]);
    assert!(rotated.stderr.contains("the old one is good until 2"), "{rotated:?}");
    let (new, same) = secret(&rotated.success(), "hst_");
    assert!(same == id && new != old);
    assert!(listed(beside)[0]["previous_until"].is_string());

    let at_once = beside.run(&["token", "rotate", &new, "--overlap", "0s", "--expires", "never"]);
    assert!(at_once.stderr.contains("the old one is no longer good"), "{at_once:?}");
    assert!(at_once.stderr.contains("does not end"), "{at_once:?}");
    let (newest, _) = secret(&at_once.success(), "hst_");
    assert_ne!(newest, new);
    assert_eq!(listed(beside)[0]["previous_until"], Value::Null);

    // One that did not end does not begin to by being rotated.
    beside.run(&["token", "rotate", &id]).success();
    assert_eq!(listed(beside)[0]["expires_at"], Value::Null);
}

fn a_token_is_revoked_once(beside: &Beside) {
    let (secret, id) = secret(&create(beside, &["plugin"]).success(), "hst_");

    let found = beside.run(&["token", "revoke", &secret]);
    assert_eq!(found.stderr, format!("{id} (plugin) is revoked\n"));
    assert_eq!(found.success(), "");

    let twice = beside.run(&["token", "revoke", &id]).refusal(1);
    let rotated = beside.run(&["token", "rotate", &id]).refusal(1);
    assert!(twice.contains(&format!("{id} was revoked already at 2")), "{twice}");
    assert_eq!(rotated, twice);
    let table = beside.run(&["token", "list"]).success();
    assert!(table.lines().nth(1).unwrap().ends_with("revoked"), "{table}");

    let unknown = "tok_01KAJ2Z1GQ8C3T0V7M5N9XQ4RS";
    let mistyped = secret.replace("hst_", "hst_0");
    for given in [unknown, "no-such-jti", &mistyped] {
        for command in ["revoke", "rotate"] {
            let refused = beside.run(&["token", command, given]).refusal(1);
            assert_eq!(refused, "hansard: there is no such token; hansard token list shows all\n");
        }
    }
    let unseen = beside.run(&["token", "revoke", "--unseen", unknown]).refusal(1);
    assert!(unseen.contains("there is no such token"), "an id is no jti: {unseen}");
}

fn what_a_token_could_never_be_is_refused(beside: &Beside) {
    users::make(beside, &["ana@example.org", "--role", "editor"]);
    users::make(beside, &["bob@example.org"]);
    beside.run(&["user", "disable", "bob@example.org"]).success();
    let of_ana = ["x", "--user", "ana@example.org"];

    for (args, code, reason) in [
        (&["--role", "admin"][..], 2, "ana@example.org has the role editor"),
        (&["--scope", "webhooks:manage"], 2, "could never use webhooks:manage"),
        (&["--scope", "installation:manage"], 2, "takes an administrator"),
        (&["--role", "viewer", "--scope", "recordings:write"], 2, "takes the role editor"),
        (&["--jwt"], 2, "mxwhisper.service_secret (SERVICE_ACCOUNT_JWT_SECRET)"),
    ] {
        let refused = create(beside, &[&of_ana, args].concat()).refusal(code);
        assert!(refused.contains(reason), "{refused}");
    }
    let account = create(beside, &["x", "--scope", "account:own"]).refusal(2);
    let nobody = create(beside, &["x", "--user", "eve@example.org"]).refusal(1);
    let disabled = create(beside, &["x", "--user", "bob@example.org"]).refusal(1);
    let args = ["create", "x", "--user", "ana@example.org", "--jwt", "--expires", "never"];
    let endless = with_secret(beside, &args).refusal(2);

    assert!(account.contains("could never use account:own: it takes a user"), "{account}");
    assert!(nobody.contains("there is no user eve@example.org"), "{nobody}");
    assert!(disabled.contains("bob@example.org is disabled"), "{disabled}");
    assert!(endless.contains("has to end"), "{endless}");
    assert_eq!(listed(beside), Vec::<Value>::new());
}

fn a_token_of_mxwhisper_says_whose_it_is(beside: &Beside) {
    let ana = users::make(beside, &["ana@example.org", "--username", "ana", "--role", "viewer"]);

    let made = with_secret(beside, &["create", "uploads", "--user", "ana", "--jwt"]);
    assert!(!made.stderr.contains(SERVICE_SECRET), "{made:?}");
    let printed = made.success();
    let says = claims(&printed);
    let args = ["create", "short", "--user", "ana", "--jwt", "--expires", "1d"];
    let short = claims(&with_secret(beside, &args).success());

    assert_eq!(printed.lines().count(), 1);
    assert_eq!((&says["sub"], &says["username"]), (&ana.clone().into(), &"ana".into()));
    assert_eq!(says["roles"], serde_json::json!(["users.mxwhisper"]));
    assert_eq!(says["revocation_counter"], 0);
    let seconds =
        |claims: &Value| claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap();
    assert_eq!((seconds(&says), seconds(&short)), (YEAR_S, YEAR_S / 365));
    let tokens = listed(beside);
    let row = &tokens[1];
    assert_eq!((&row["kind"], &row["jti"]), (&"jwt".into(), &says["jti"]));
    assert_eq!((&row["user_id"], &row["name"]), (&ana.into(), &"uploads".into()));
    // The user's role decides, also after it has changed.
    assert_eq!(row["role"], "admin");
}

fn tokens_of_mxwhisper_are_revoked_by_name_and_together(beside: &Beside) {
    users::make(beside, &["ana@example.org"]);
    create(beside, &["key", "--user", "ana@example.org"]).success();
    let create = ["create", "uploads", "--user", "ana@example.org", "--jwt"];
    let first = claims(&with_secret(beside, &create).success());
    let jti = first["jti"].as_str().unwrap();

    let rotated = with_secret(beside, &["rotate", jti, "--overlap", "1h"]);
    assert!(rotated.stderr.contains("the old one is good until"), "{rotated:?}");
    let second = claims(&rotated.success());
    assert_ne!(first["jti"], second["jti"]);
    let again = with_secret(beside, &["rotate", jti]).refusal(1);
    assert!(again.contains("already"), "{again}");

    beside.run(&["token", "revoke", second["jti"].as_str().unwrap()]).success();
    beside.run(&["token", "revoke", jti]).success();
    let all = beside.run(&["token", "revoke", "--all-of", "ana@example.org"]);
    assert!(all.stderr.contains("keys that are still good: 1"), "{all:?}");
    let third = claims(&with_secret(beside, &create).success());
    assert_eq!(
        (&first["revocation_counter"], &third["revocation_counter"]),
        (&0.into(), &1.into())
    );

    let elsewhere = "0b0e7a3c-1f2d-4c55-9a39-0e1a7c3b5d11";
    beside.run(&["token", "revoke", elsewhere, "--unseen"]).success();
    beside.run(&["token", "revoke", elsewhere, "--unseen"]).refusal(1);
}

#[test]
fn what_does_not_belong_together_is_refused_before_anything_is_made() {
    let desk = Desk::new();

    for (args, reason) in [
        (&["create", "x", "--scope", "recordings:reed"][..], "recordings:read"),
        (&["create", "x", "--jwt"], "--user"),
        (&["create", "x", "--user", "a@b", "--workspace", "default"], "cannot be used with"),
        (&["create", "x", "--user", "a@b", "--jwt", "--role", "viewer"], "cannot be used with"),
        (&["create", "x", "--expires", "0s"], "90d"),
        (&["create", "x", "--expires", "4000d"], "up to 3650d"),
        (&["create", " "], "1 to 200 characters"),
        (&["rotate", "x", "--overlap", "31d"], "up to 30d"),
        (&["revoke"], "--all-of"),
        (&["revoke", "x", "--all-of", "a@b"], "cannot be used with"),
    ] {
        let refused = desk.run(&[&["token"], args].concat()).refusal(2);
        assert!(refused.contains(reason), "{reason} is not in {refused}");
    }
    assert_eq!(desk.files(), Vec::<String>::new());
}
