//! A service, an identity provider at another site, and people with browsers.

use std::net::SocketAddr;
use std::time::Duration;

use axum::body::Body;
use hansard_config::Secret;
use hansard_domain::access::Role;
use hansard_server::{Administrator, GroupRoles, LoginSettings, ProviderSettings, Settings, serve};
use hansard_testkit::browser::{Browser, Page, Visitor};
use hansard_testkit::oidc::{CLIENT_ID, CLIENT_SECRET, OidcProvider};
use http::Request;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::service::{Answer, Service};

/// The local administrator.
pub(crate) const ADMINISTRATOR: &str = "admin@localhost";
pub(crate) const PASSWORD: &str = "correct horse battery staple";

/// Something small of the service that a browser shows, and whose scripts may call it.
pub(crate) const START: &str = "/docs/api/index.css";

/// On which database the service is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum On {
    Sqlite,
    Postgres,
}

/// All of them. The service is at `localhost` and the provider at `127.0.0.1`, which are two sites to a browser.
pub(crate) struct Parties {
    pub(crate) service: Service,
    pub(crate) provider: OidcProvider,
    pub(crate) browser: Browser,
    address: SocketAddr,
    hard: CancellationToken,
    _serving: JoinHandle<()>,
}

impl Parties {
    pub(crate) async fn meet() -> Self {
        Self::meet_with(On::Sqlite, |_| {}).await
    }

    /// With a service whose settings differ from the usual ones.
    pub(crate) async fn meet_with(on: On, change: impl FnOnce(&mut Settings)) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let home = at_localhost(address, "");
        let provider = OidcProvider::start(&format!("{home}/auth/callback"), &format!("{home}/"));
        let issuer = provider.issuer().to_owned();
        let settings = |settings: &mut Settings| {
            settings.bind = address;
            settings.public_url = Some(home);
            settings.admission.providers = vec![provider_settings(&issuer)];
            settings.admission.allowed_emails = vec!["@hansard.example".to_owned()];
            settings.admission.group_roles = GroupRoles {
                admin: vec!["admins".to_owned()],
                editor: vec!["editors".to_owned()],
                viewer: vec!["viewers".to_owned()],
                otherwise: Role::Editor,
            };
            change(settings);
        };
        let service = match on {
            On::Sqlite => Service::start_now(settings).await,
            On::Postgres => Service::start_now_on_postgres(settings).await,
        };
        let hard = CancellationToken::new();
        let serving = tokio::spawn(serve(service.app.clone(), listener, hard.clone()));
        let browser = Browser::start();
        Self { service, provider, browser, address, hard, _serving: serving }
    }

    /// An address of the service, as browsers know it.
    pub(crate) fn at(&self, path: &str) -> String {
        at_localhost(self.address, path)
    }

    /// Where a login begins that leads to [`START`].
    pub(crate) fn login_url(&self) -> String {
        self.at(&format!("/auth/login?provider=oidc&return_to={START}"))
    }

    /// What the provider knows of `login` from now on.
    pub(crate) fn introduce(&self, login: &str, groups: &[&str]) {
        let email = format!("{login}@hansard.example");
        let claims = json!({"email": email, "email_verified": true, "name": login.to_uppercase(),
            "picture": format!("https://pictures.hansard.example/{login}.png"), "groups": groups});
        self.provider.set_claims(login, &claims);
    }

    /// Somebody new, who logs in at the provider as `login` and comes back.
    pub(crate) fn log_in(&self, login: &str) -> Visitor {
        let visitor = self.browser.visitor();
        visitor.open(&self.login_url());
        OidcProvider::log_in(&visitor, login);
        visitor.arrives_at(&self.at(START));
        visitor
    }

    /// Somebody new, who has logged in at the provider as `login`, and the address that leads back, which was not followed.
    pub(crate) fn almost_log_in(&self, login: &str) -> (Visitor, String) {
        let (visitor, callback) = (self.browser.visitor(), self.at("/auth/callback"));
        visitor.withhold(&callback);
        visitor.open(&self.login_url());
        OidcProvider::log_in(&visitor, login);
        let page = visitor.arrives_at(&callback);
        visitor.let_through();
        (visitor, page.url)
    }

    /// Somebody new, who logs in at the provider as `login` and is not let in.
    pub(crate) fn is_kept_out(&self, login: &str) -> Page {
        let visitor = self.browser.visitor();
        visitor.open(&self.login_url());
        OidcProvider::log_in(&visitor, login);
        let page = visitor.arrives_at(&self.at("/auth/callback"));
        assert_eq!(visitor.cookie("session_token"), None);
        page
    }

    /// What the service answers to a program with this cookie.
    pub(crate) async fn ask(&self, path: &str, cookie: Option<(&str, &str)>) -> Answer {
        let request =
            Request::get(path).header("host", format!("localhost:{}", self.address.port()));
        let request = match cookie {
            Some((name, value)) => request.header("cookie", format!("{name}={value}")),
            None => request,
        };
        self.service.send(request.body(Body::empty()).unwrap()).await
    }

    /// Whether this secret opens a session.
    pub(crate) async fn is_session(&self, secret: &str) -> bool {
        let answer = self.ask("/auth/user", Some(("session_token", secret))).await;
        answer.json()["authenticated"] == true
    }
}

impl Drop for Parties {
    fn drop(&mut self) {
        self.hard.cancel();
    }
}

fn at_localhost(address: SocketAddr, path: &str) -> String {
    format!("http://localhost:{}{path}", address.port())
}

fn provider_settings(issuer: &str) -> ProviderSettings {
    ProviderSettings {
        name: "oidc",
        label: "House & Home".to_owned(),
        issuer: issuer.to_owned(),
        login: Some(LoginSettings {
            client_id: CLIENT_ID.to_owned(),
            client_secret: Secret::new(CLIENT_SECRET),
            scopes: ["openid", "profile", "email"].map(str::to_owned).to_vec(),
        }),
        audience: None,
        expected_issuer: issuer.to_owned(),
        jwks_url: None,
        groups_claim: "groups".to_owned(),
    }
}

/// Adds the local administrator to the settings.
pub(crate) fn with_administrator(settings: &mut Settings) {
    settings.admission.administrator =
        Some(Administrator { email: ADMINISTRATOR.to_owned(), password: Secret::new(PASSWORD) });
}

/// The secret of somebody's session.
pub(crate) fn session_of(visitor: &Visitor) -> String {
    visitor.cookie("session_token").expect("somebody is logged in").value
}

/// What a page of the service is answered to a GET.
pub(crate) fn fetch(visitor: &Visitor, path: &str) -> Value {
    let script = format!("fetch('{path}').then(answer => answer.json())");
    visitor.run(&script).unwrap()
}

/// What a page of the service is answered to a POST, and the status. The page shows the token that it reads from the cookie.
pub(crate) fn post(visitor: &Visitor, path: &str, body: Option<&Value>) -> (u64, Value) {
    let body = body.map_or("null".to_owned(), |body| format!("JSON.stringify({body})"));
    let script = format!(
        "(async () => {{
            const token = document.cookie.split('; ').find(c => c.startsWith('csrf_token='));
            const headers = {{'X-CSRF-Token': token.split('=')[1], 'Content-Type': 'application/json'}};
            const answer = await fetch('{path}', {{method: 'POST', headers, body: {body}}});
            return [answer.status, await answer.json()];
        }})()"
    );
    let answered = visitor.run(&script).unwrap();
    (answered[0].as_u64().unwrap(), answered[1].clone())
}

/// How far the clock has to be moved so that nothing of the provider's is good any more.
pub(crate) const TWO_HOURS: Duration = Duration::from_secs(2 * 60 * 60);
