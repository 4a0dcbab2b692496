//! Login with a password, in a browser.

use hansard_testkit::browser::Visitor;
use hansard_testkit::receiver::{Answer, Receiver};
use url::Url;

use crate::parties::{ADMINISTRATOR, On, PASSWORD, Parties, START, fetch, with_administrator};

fn fill(visitor: &Visitor, password: &str) {
    visitor.fill("[name=email]", ADMINISTRATOR);
    visitor.fill("[name=password]", password);
    visitor.click("button");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_administrator_logs_in_with_a_password() {
    let parties = Parties::meet_with(On::Sqlite, with_administrator).await;
    let visitor = parties.browser.visitor();

    // One of two ways in.
    let page = visitor.open(&parties.at(&format!("/auth/login?return_to={START}")));
    assert!(page.text.contains("Log in with House & Home"), "{}", page.text);
    visitor.click("a[href^='simple/']");
    visitor.arrives_at(&parties.at("/auth/simple/login"));
    // The style is taken, which the policy allows by its digest alone.
    let width = visitor.run("getComputedStyle(document.querySelector('main')).maxWidth");
    assert_eq!(width.unwrap(), "384px");
    fill(&visitor, "wrong");
    visitor.sees("Invalid email or password");
    assert_eq!(visitor.cookie("session_token"), None);
    fill(&visitor, PASSWORD);
    visitor.arrives_at(&parties.at(START));

    let user = fetch(&visitor, "/auth/user");
    assert_eq!((&user["auth_method"], &user["user"]["role"]), (&"simple".into(), &"admin".into()));
    assert_eq!(user["user"]["email"], ADMINISTRATOR);
    assert_eq!(visitor.cookie("login_form"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_leads_on_to_the_front_end() {
    let front_end = Receiver::start();
    front_end
        .answer_always(Answer::status(200).header("content-type", "text/html").body("<h1>In</h1>"));
    let parties = Parties::meet_with(On::Sqlite, |settings| {
        with_administrator(settings);
        settings.admission.providers.clear();
        settings.admission.frontend_url = Some(Url::parse(&front_end.url("/")).unwrap());
    })
    .await;
    let visitor = parties.browser.visitor();

    visitor.open(&parties.at("/auth/login?return_to=/library"));
    fill(&visitor, PASSWORD);

    let page = visitor.arrives_at(&front_end.url("/library"));
    assert_eq!(page.text, "In");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_sites_form_logs_nobody_in() {
    let parties = Parties::meet_with(On::Sqlite, with_administrator).await;
    let site = Receiver::start();
    let form = format!(
        "<form method=post action='{}'><input name=email value='{ADMINISTRATOR}'>\
         <input name=password value='{PASSWORD}'><button>Go</button></form>",
        parties.at("/auth/simple/login")
    );
    site.answer_always(Answer::status(200).header("content-type", "text/html").body(form));
    let visitor = parties.browser.visitor();

    visitor.open(&site.url("/"));
    visitor.click("button");

    let page = visitor.arrives_at(&parties.at("/auth/simple/login"));
    assert_eq!(page.status, 403);
    assert_eq!(visitor.cookie("session_token"), None);
}
