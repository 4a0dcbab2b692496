//! The search for secrets.

use std::fs;

use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE};
use hansard_testkit::secrets::Secrets;

/// With characters that no encoding leaves alone, and bits that Base64 writes as `+` and `/`.
const SECRET: &str = "pass~>word?? with &=%";

fn secrets() -> Secrets {
    let mut secrets = Secrets::default();
    secrets.keep("the session", "hss_0123456789abcdef");
    secrets.keep("the password", SECRET);
    secrets
}

fn hex(bytes: &str) -> String {
    bytes.bytes().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn a_planted_secret_is_found_in_every_form() {
    let secrets = secrets();
    let every_byte: String = SECRET.bytes().map(|byte| format!("%{byte:02x}")).collect();
    let planted = [
        (SECRET.to_owned(), "as it is"),
        (hex(SECRET), "in hexadecimal digits"),
        (hex(SECRET).to_uppercase(), "in hexadecimal digits"),
        (BASE64_STANDARD.encode(SECRET), "in Base64"),
        (BASE64_STANDARD.encode(format!("anna:{SECRET}\n")), "in Base64"),
        (BASE64_URL_SAFE.encode(format!("a{SECRET}")), "in Base64"),
        (BASE64_URL_SAFE.encode(format!("ab{SECRET}c")), "in Base64"),
        (every_byte, "percent-encoded"),
        ("pass~%3Eword%3F%3F%20with%20%26%3D%25".to_owned(), "percent-encoded"),
        ("pass~%3eword%3f%3f+with+%26%3d%25".to_owned(), "percent-encoded"),
        (BASE64_STANDARD.encode(SECRET).replace('+', "%2B").replace('/', "%2F"), "percent-encoded"),
    ];

    for (text, form) in planted {
        let blob = [b"\0\xffbefore ", text.as_bytes(), b" after\xfe"].concat();

        let complaints = secrets.find("the log", &blob);

        assert_eq!(complaints.len(), 1, "{text}: {complaints:?}");
        let expected = format!("the log has the password {form} after ");
        assert!(complaints[0].starts_with(&expected), "{text}: {complaints:?}");
        assert!(complaints[0].contains("before"), "{complaints:?}");
    }
}

#[test]
fn nothing_is_found_where_nothing_is() {
    let nearly = format!("{} hss_0123456789abcde {}", &SECRET[1..], hex(&SECRET[1..]));

    assert_eq!(secrets().find("the log", nearly.as_bytes()), [""; 0]);
    assert_eq!(Secrets::default().find("the log", nearly.as_bytes()), [""; 0]);
}

#[test]
fn files_are_searched_however_deep_they_lie() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let deep = folder.path().join("media/07");
    fs::create_dir_all(&deep).expect("it can be made");
    fs::write(folder.path().join("clean"), "nothing").expect("it can be written");
    fs::write(deep.join("db-wal"), "id=7, token=hss_0123456789abcdef").expect("it can be written");

    let complaints = secrets().find_in_folder(folder.path());

    let file = deep.join("db-wal");
    let expected = format!("{} has the session as it is after \"id=7, token=\"", file.display());
    assert_eq!(complaints, [expected]);
}

#[test]
fn the_register_shows_no_secret() {
    assert_eq!(format!("{:?}", secrets()), r#"Secrets(["the session", "the password"])"#);
}

#[test]
#[should_panic(expected = "the PIN is too short")]
fn what_is_found_everywhere_is_not_looked_for() {
    Secrets::default().keep("the PIN", "1234567");
}
