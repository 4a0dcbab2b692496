//! A login at a provider, step by step as a browser takes them, with everything that passes between the three.

use std::collections::BTreeMap;

use hansard_testkit::oidc::OidcProvider;
use url::Url;

use crate::Heard;
use crate::http::{Answer, Asked, ask};

/// Who logs in.
const LOGIN: &str = "ben";

/// What has come of it.
pub(crate) struct LoggedIn {
    /// The session's cookie.
    pub(crate) session: String,
    /// What the provider says of who it is, which is a bearer token as well.
    pub(crate) id_token: String,
}

/// A browser's cookies, for each address.
#[derive(Default)]
struct Browser(BTreeMap<String, BTreeMap<String, String>>);

impl Browser {
    /// Asks as a browser does, and keeps the cookies.
    fn ask(&mut self, url: &Url, form: Option<&str>) -> Answer {
        let address = url[url::Position::BeforeHost..url::Position::AfterPort].to_owned();
        let path = &url[url::Position::BeforePath..url::Position::AfterQuery];
        let cookies = self.0.entry(address.clone()).or_default();
        let pairs: Vec<_> = cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let asked = match form {
            Some(form) => Asked::form(path, form),
            None => Asked::get(path),
        };
        let answer = ask(&address, &asked.with("cookie", &pairs.join("; ")));
        cookies.extend(answer.cookies());
        answer
    }

    /// Where the answer leads that `url` has.
    fn follow(&mut self, url: &Url, form: Option<&str>) -> Url {
        url.join(&self.ask(url, form).location()).unwrap()
    }
}

/// Logs in at `provider`, and keeps as secrets what each of the three has to be sure that nobody else knows.
pub(crate) fn log_in_at(heard: &mut Heard, address: &str, provider: &OidcProvider) -> LoggedIn {
    let claims = serde_json::json!({"email": "ben@example.org", "email_verified": true});
    provider.set_claims(LOGIN, &claims);
    let mut browser = Browser::default();
    let begin = Url::parse(&format!("http://{address}/auth/login?provider=oidc")).unwrap();
    let provider_page = browser.follow(&begin, None);
    for (name, value) in provider_page.query_pairs() {
        if ["state", "nonce"].contains(&&*name) {
            heard.never.keep(&name, &*value);
        }
    }
    for (name, value) in &browser.0[address] {
        heard.never.keep(&format!("the cookie {name} of a login"), value);
    }
    let form = browser.follow(&provider_page, None);
    let submitted = format!("prompt=login&login={LOGIN}&password=any-will-do");
    let resumed = browser.follow(&form, Some(&submitted));
    let callback = browser.follow(&resumed, None);
    assert_eq!(callback.path(), "/auth/callback");

    // Its cookies are for the browser alone: this answer is where they belong.
    let answer = browser.ask(&callback, None);
    let cookie = |name| answer.cookie(name).unwrap_or_else(|| panic!("{}", answer.text()));
    let session = cookie("session_token");
    heard.never.keep("a session from a provider", &session);
    heard.told.keep("what pages of a session show", cookie("csrf_token"));
    let exchange = provider.last_exchange();
    let [code, verifier, access_token, id_token] =
        ["code", "code_verifier", "access_token", "id_token"].map(|name| {
            let secret = exchange[name].as_str().unwrap_or_else(|| panic!("no {name}"));
            heard.never.keep(name, secret);
            secret.to_owned()
        });
    // Somebody has got hold of the rest of it and tries that.
    for path in [
        format!("/auth/callback?code={code}&state=zebra-wrong-state"),
        callback[url::Position::BeforePath..].to_owned(),
        format!("/api/v1/recordings?token={verifier}"),
    ] {
        heard.ask(address, &Asked::get(&path));
        let cookie = format!("session_token={session}x");
        heard.ask(address, &Asked::get(&path).with("cookie", &cookie));
    }
    let bearer = format!("Bearer {access_token}");
    heard.ask(address, &Asked::get("/api/v1/me").with("authorization", &bearer));
    LoggedIn { session, id_token }
}
