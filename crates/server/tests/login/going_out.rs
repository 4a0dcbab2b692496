//! Logout, here and at the provider.

use serde_json::json;

use crate::parties::{Parties, START, fetch, post, session_of};

#[tokio::test(flavor = "multi_thread")]
async fn somebody_logs_out_here_and_at_the_provider() {
    let parties = Parties::meet().await;
    parties.introduce("ana", &[]);
    let ana = parties.log_in("ana");
    let session = session_of(&ana);

    let (status, answer) = post(&ana, "/auth/logout", None);

    assert_eq!(status, 200);
    assert_eq!(answer["message"], "Logged out successfully");
    assert_eq!(ana.cookie("session_token"), None);
    assert_eq!(ana.cookie("csrf_token"), None);
    assert_eq!(fetch(&ana, "/auth/user"), json!({"authenticated": false}));
    assert!(!parties.is_session(&session).await);
    // The provider sends her back, and has forgotten her as well.
    ana.open(answer["logout_url"].as_str().unwrap());
    ana.arrives_at(&parties.at("/"));
    let page = ana.open(&parties.login_url());
    assert!(page.url.starts_with(parties.provider.issuer()), "{}", page.url);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_cannot_read_the_token_logs_nobody_out() {
    let parties = Parties::meet().await;
    parties.introduce("ana", &[]);
    let ana = parties.log_in("ana");
    let session = session_of(&ana);

    let forged = ana.run(
        "fetch('/auth/logout', {method: 'POST'}).then(async answer => [answer.status, await answer.json()])",
    );

    let forged = forged.unwrap();
    assert_eq!(forged[0], 403);
    assert_eq!(forged[1]["error_code"], "CSRF_TOKEN_MISSING");
    assert!(parties.is_session(&session).await);
    // Whoever has no session is logged out already.
    let visitor = parties.browser.visitor();
    visitor.open(&parties.at(START));
    let answer =
        visitor.run("fetch('/auth/logout', {method: 'POST'}).then(answer => answer.json())");
    assert_eq!(answer.unwrap()["logout_url"], json!(null));
}
