//! Who is not let in.

use std::time::Duration;

use serde_json::json;

use crate::parties::{Parties, START, TWO_HOURS, fetch, session_of};

/// `url` with one letter of its `state` changed.
fn with_other_state(url: &str) -> String {
    let (before, state) = url.split_once("state=").expect("a provider gives the state back");
    let letter = if state.starts_with('A') { 'B' } else { 'A' };
    format!("{before}state={letter}{}", &state[1..])
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_to_another_login_is_refused() {
    let parties = Parties::meet().await;
    parties.introduce("ana", &[]);
    let (ana, callback) = parties.almost_log_in("ana");
    let mallory = parties.browser.visitor();

    // In another browser, which has begun nothing; in one that has begun something else; with another state.
    let page = mallory.open(&callback);
    assert_eq!(page.status, 400);
    assert!(page.text.contains("Invalid state parameter"), "{}", page.text);
    mallory.open(&parties.login_url());
    assert_eq!(mallory.open(&callback).status, 400);
    assert_eq!(ana.open(&with_other_state(&callback)).status, 400);

    for visitor in [&ana, &mallory] {
        assert_eq!(visitor.cookie("session_token"), None);
        assert_eq!(visitor.cookie("oauth_state"), None, "the login is over");
    }
    let told = parties.ask("/auth/callback?code=a&state=b", None).await;
    assert_eq!(told.status, 400);
    let expected = json!({"detail": "Invalid state parameter", "code": "login_state_invalid"});
    assert_eq!(told.json(), expected);
    assert!(parties.service.store.page_users(None, 10).await.unwrap().items.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_is_good_once() {
    let parties = Parties::meet().await;
    parties.introduce("ana", &[]);
    let (ana, callback) = parties.almost_log_in("ana");
    ana.open(&callback);
    ana.arrives_at(&parties.at(START));
    let session = session_of(&ana);

    assert_eq!(ana.open(&callback).status, 400);

    assert!(parties.is_session(&session).await, "it was no logout either");
    // With a new state, it is the provider that knows the code for used.
    let begun = parties.ask("/auth/login", None).await;
    let cookie = begun.header("set-cookie").split(['=', ';']).nth(1).unwrap().to_owned();
    let (_, state) = begun.header("location").split_once("state=").unwrap();
    let state = state.split('&').next().unwrap();
    let (_, code) = callback.split_once("code=").unwrap();
    let code = code.split('&').next().unwrap();
    let again = format!("/auth/callback?code={code}&state={state}");
    let answer = parties.ask(&again, Some(("oauth_state", &cookie))).await;
    assert_eq!((answer.status.as_u16(), &answer.json()["code"]), (400, &json!("login_failed")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_is_too_old_is_refused() {
    let parties = Parties::meet().await;
    parties.introduce("ana", &[]);
    parties.service.clock.advance(TWO_HOURS);

    let page = parties.is_kept_out("ana");

    assert_eq!(page.status, 400);
    assert!(page.text.contains("Authentication failed"), "{}", page.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_that_takes_too_long_is_over() {
    let parties = Parties::meet().await;
    parties.introduce("ana", &[]);
    let (ana, callback) = parties.almost_log_in("ana");
    parties.service.clock.advance(Duration::from_secs(10 * 60));

    let page = ana.open(&callback);

    assert!(page.status == 400 && page.text.contains("Invalid state parameter"), "{page:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_nobody_has_verified_opens_nothing() {
    let parties = Parties::meet().await;
    let unverified = [
        json!({"email": "ana@hansard.example", "email_verified": false}),
        json!({"email": "ana@hansard.example"}),
        json!({"email_verified": true}),
    ];
    for claims in unverified {
        parties.provider.set_claims("ana", &claims);
        let page = parties.is_kept_out("ana");
        assert_eq!(page.status, 403, "{claims}");
        assert!(page.text.contains("not verified"), "{}", page.text);
    }
    assert!(parties.service.store.page_users(None, 10).await.unwrap().items.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_not_on_the_list_stays_outside() {
    let parties = Parties::meet().await;
    for email in ["stranger@elsewhere.example", "stranger@sub.hansard.example"] {
        let claims = json!({"email": email, "email_verified": true, "groups": ["admins"]});
        parties.provider.set_claims("stranger", &claims);
        let page = parties.is_kept_out("stranger");
        assert_eq!(page.status, 403, "{email}");
        assert!(page.text.contains("This address may not log in"), "{}", page.text);
    }
    assert!(parties.service.store.page_users(None, 10).await.unwrap().items.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_provider_is_down_only_logins_wait() {
    let parties = Parties::meet().await;
    parties.introduce("ana", &[]);
    parties.provider.stop();
    let answer = parties.ask("/auth/login", None).await;
    assert_eq!(answer.status, 503);
    assert_eq!(answer.json()["code"], "identity_provider_unavailable");
    assert!(answer.header("retry-after").parse::<u32>().unwrap() > 0);

    parties.provider.start_again();
    let ana = parties.log_in("ana");
    let (ben, callback) = parties.almost_log_in("ben");
    parties.provider.stop();

    assert_eq!(fetch(&ana, "/auth/user")["authenticated"], true);
    assert_eq!(ben.open(&callback).status, 503);
    parties.provider.start_again();
    parties.introduce("ben", &[]);
    ben.open(&parties.login_url());
    ben.arrives_at(&parties.at(START));
}
