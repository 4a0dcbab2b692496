//! Who is let in, and as whom.

use hansard_domain::audit::AuditKind;
use hansard_store::audit::AuditFilter;
use hansard_testkit::browser::Visitor;
use hansard_testkit::oidc::OidcProvider;
use serde_json::{Value, json};

use crate::parties::ADMINISTRATOR;
use crate::parties::{On, PASSWORD, Parties, START, fetch, post, session_of, with_administrator};

#[tokio::test(flavor = "multi_thread")]
async fn somebody_logs_in_on_sqlite() {
    somebody_logs_in(On::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_logs_in_on_postgres() {
    somebody_logs_in(On::Postgres).await;
}

async fn somebody_logs_in(on: On) {
    let parties = Parties::meet_with(on, |_| {}).await;
    parties.introduce("ana", &["editors"]);

    let ana = parties.log_in("ana");

    let session = ana.cookie("session_token").unwrap();
    assert!(session.http_only && !session.secure, "{session:?}");
    assert_eq!((session.same_site.as_str(), session.path.as_str()), ("Lax", "/"));
    assert_eq!(session.domain, "localhost");
    let csrf = ana.cookie("csrf_token").unwrap();
    assert!(!csrf.http_only && csrf.same_site == "Lax", "{csrf:?}");
    assert_eq!(ana.cookie("oauth_state"), None, "the login is over");
    let user = fetch(&ana, "/auth/user");
    assert_eq!(user["authenticated"], true);
    assert_eq!(user["auth_method"], "oidc");
    assert_eq!(user["user"]["email"], "ana@hansard.example");
    assert_eq!(user["user"]["display_name"], "ANA");
    assert_eq!(user["user"]["picture"], "https://pictures.hansard.example/ana.png");
    assert_eq!(
        (&user["user"]["verified_email"], &user["user"]["role"]),
        (&json!(true), &json!("editor"))
    );
    assert_eq!(user["csrf_token"], csrf.value);
    assert_eq!(user["workspaces"][0]["role"], "admin", "in the workspace of her own");
    assert_eq!(fetch(&ana, "/api/v1/recordings")["items"], json!([]));
    let filter = AuditFilter { kind: Some(AuditKind::LoginSucceeded), ..AuditFilter::default() };
    let log = parties.service.store.page_audit(None, &filter, None, 10).await.unwrap();
    assert_eq!(log.items.len(), 1);
    assert_eq!(log.items[0].subject.as_deref(), user["user"]["id"].as_str());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_ends_the_session_before() {
    let parties = Parties::meet().await;
    parties.introduce("ana", &[]);
    let ana = parties.log_in("ana");
    let before = session_of(&ana);

    // The provider knows her still, and asks nothing.
    ana.open(&parties.login_url());
    ana.arrives_at(&parties.at(START));

    let after = session_of(&ana);
    assert_ne!(before, after);
    assert!(!parties.is_session(&before).await && parties.is_session(&after).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn groups_raise_and_lower_what_somebody_may_do() {
    let parties = Parties::meet().await;
    for (groups, role) in [(["viewers"], "viewer"), (["admins"], "admin")] {
        parties.introduce("ana", &groups);
        let ana = parties.log_in("ana");
        assert_eq!(fetch(&ana, "/auth/user")["user"]["role"], role);
    }
    // Somebody has to govern the installation.
    parties.introduce("ben", &["admins"]);
    parties.log_in("ben");
    parties.introduce("ana", &["viewers"]);

    let ana = parties.log_in("ana");

    let user = fetch(&ana, "/auth/user");
    assert_eq!(user["user"]["role"], "viewer");
    let (status, refused) = post(&ana, "/api/v1/recordings", Some(&json!({})));
    assert_eq!((status, &refused["code"]), (403, &json!("forbidden")));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_somebody_is_goes_by_the_subject_and_never_by_the_address() {
    let parties = Parties::meet().await;
    parties.introduce("ana", &[]);
    let first = fetch(&parties.log_in("ana"), "/auth/user");
    let claims = json!({"email": "ana@hansard.example", "email_verified": true});
    parties.provider.set_claims("impostor", &claims);
    let claims = json!({"email": "ana.maria@hansard.example", "email_verified": true});
    parties.provider.set_claims("ana", &claims);

    let other = fetch(&parties.log_in("impostor"), "/auth/user");
    let again = fetch(&parties.log_in("ana"), "/auth/user");

    assert_ne!(other["user"]["id"], first["user"]["id"]);
    assert_eq!(again["user"]["id"], first["user"]["id"]);
    assert_eq!(again["user"]["email"], "ana.maria@hansard.example");
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_rotate_while_the_service_runs() {
    let parties = Parties::meet().await;
    parties.introduce("ana", &[]);
    parties.log_in("ana");

    parties.provider.rotate_keys();

    let ana = parties.log_in("ana");
    assert_eq!(fetch(&ana, "/auth/user")["authenticated"], true);
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_adds_an_account_to_log_in_with() {
    let parties = Parties::meet_with(On::Sqlite, with_administrator).await;
    parties.introduce("ana", &[]);
    let visitor = administrator(&parties);
    let before = fetch(&visitor, "/auth/user");

    let body = json!({"provider": "oidc", "return_to": START});
    let (status, begun) = post(&visitor, "/api/v1/me/identities", Some(&body));
    assert_eq!(status, 200, "{begun}");
    visitor.open(begun["login_url"].as_str().unwrap());
    OidcProvider::log_in(&visitor, "ana");
    visitor.arrives_at(&parties.at(START));

    let after = fetch(&visitor, "/auth/user");
    assert_eq!(after["csrf_token"], before["csrf_token"], "it is the same session");
    let pictures = (&before["user"]["picture"], &after["user"]["picture"]);
    assert_eq!(pictures, (&Value::Null, &json!("https://pictures.hansard.example/ana.png")));
    let elsewhere = fetch(&parties.log_in("ana"), "/auth/user");
    assert_eq!(elsewhere["user"]["id"], before["user"]["id"]);
    // Somebody who has logged in with it before has it.
    parties.introduce("ben", &[]);
    parties.log_in("ben");
    let (_, begun) = post(&visitor, "/api/v1/me/identities", Some(&body));
    let other = parties.browser.visitor();
    other.open(begun["login_url"].as_str().unwrap());
    OidcProvider::log_in(&other, "ben");
    let page = other.arrives_at(&parties.at("/auth/callback"));
    assert_eq!(page.status, 400, "it was begun in another browser");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_of_somebody_else_is_not_added() {
    let parties = Parties::meet_with(On::Sqlite, with_administrator).await;
    parties.introduce("ben", &[]);
    let ben = fetch(&parties.log_in("ben"), "/auth/user");
    let visitor = administrator(&parties);
    let body = json!({"provider": "oidc", "return_to": START});
    let (_, begun) = post(&visitor, "/api/v1/me/identities", Some(&body));

    visitor.open(begun["login_url"].as_str().unwrap());
    OidcProvider::log_in(&visitor, "ben");
    let page = visitor.arrives_at(&parties.at("/auth/callback"));

    assert_eq!(page.status, 409, "{}", page.text);
    visitor.open(&parties.at(START));
    let here = fetch(&visitor, "/api/v1/me");
    assert_eq!(here["identities"], json!([]), "{here}");
    let again = fetch(&parties.log_in("ben"), "/auth/user");
    assert_eq!(again["user"]["id"], ben["user"]["id"]);
    let filter = AuditFilter { kind: Some(AuditKind::LoginFailed), ..AuditFilter::default() };
    let failed = parties.service.store.page_audit(None, &filter, None, 10).await.unwrap().items;
    assert_eq!(failed[0].code.as_deref(), Some("identity_taken"));
}

/// The local administrator, who has logged in with the password.
fn administrator(parties: &Parties) -> Visitor {
    let visitor = parties.browser.visitor();
    visitor.open(&parties.at(&format!("/auth/simple/login?return_to={START}")));
    visitor.fill("[name=email]", ADMINISTRATOR);
    visitor.fill("[name=password]", PASSWORD);
    visitor.click("button");
    visitor.arrives_at(&parties.at(START));
    visitor
}
