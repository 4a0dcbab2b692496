//! What the edge is told by the configuration.

use std::net::SocketAddr;
use std::time::Duration;

use hansard_config::{
    Config, DefaultRole, HttpUrl, LimitsConfig, Provider, SalestrainerConfig, Secret,
    is_on_this_machine,
};
use hansard_domain::access::Role;
use ipnet::IpNet;
use url::Url;

use crate::Keys;
use crate::cors::Origins;
use crate::csrf::{OwnOrigin, Rules};
use crate::door::keys::KeyLevel;
use crate::door::profile::GroupRoles;

/// The settings of the edge, checked by [`hansard_config`].
#[derive(Debug, Clone)]
pub struct Settings {
    /// The address that is listened on; callers without a key have to name its port in `Host`.
    pub bind: SocketAddr,
    /// The static keys.
    pub keys: Keys,
    /// Who else gets in, and from where.
    pub admission: Admission,
    /// Name of the workspace that callers act for.
    pub workspace: String,
    /// Address at which others reach the service, for links in answers; without a slash at its end.
    pub public_url: Option<String>,
    /// Largest recording in bytes.
    pub file_bytes_max: u64,
    /// How long a client may take to send the head of a request.
    pub header_timeout: Duration,
    /// How long a client may be silent while it sends a body or takes an answer.
    pub body_timeout: Duration,
    /// Connections that are open at a time.
    pub connections_max: usize,
    /// Requests that are worked on at a time.
    pub requests_max: usize,
    /// How deep JSON that is sent may nest.
    pub json_depth_max: usize,
    /// How long an upload in pieces is kept after its last piece.
    pub upload_expiry: Duration,
    /// How long a call of OpenAI's audio API waits for its transcript.
    pub openai_wait: Duration,
    /// How long requests may take to end after the signal to stop.
    pub shutdown_grace: Duration,
    /// The bucket that callers mean who give a key alone.
    pub s3_bucket: Option<String>,
    /// The SalesTrainer plugin.
    pub salestrainer: SalesTrainer,
}

/// How the SalesTrainer plugin of WordPress is served.
#[derive(Debug, Clone, Default)]
pub struct SalesTrainer {
    /// The shared secrets, each as good as the others; none switches the routes off.
    pub secrets: Keys,
    /// Where results go unless a request says otherwise.
    pub callback_url: Option<String>,
    /// How long an answer waits for the result.
    pub wait: Duration,
    /// Whether failures are called back too.
    pub calls_back_failures: bool,
}

/// Who gets in besides those with a static key, and from where.
#[derive(Debug, Clone)]
pub struct Admission {
    /// Whether callers need credentials even where nothing else asks for them.
    pub required: bool,
    /// The identity providers.
    pub providers: Vec<ProviderSettings>,
    /// The roles that groups of a provider have.
    pub group_roles: GroupRoles,
    /// E-mail addresses, and domains with or without `@`, that may log in; empty for whomever a provider knows.
    pub allowed_emails: Vec<String>,
    /// The local administrator; `None` for none.
    pub administrator: Option<Administrator>,
    /// The secret that MxWhisper's service tokens are signed with.
    pub service_secret: Option<Secret>,
    /// How long a session may go unused.
    pub session_idle: Duration,
    /// How long a session lasts in any case.
    pub session_lifetime: Duration,
    /// Where providers send people back to; `None` for this service.
    pub redirect_uri: Option<Url>,
    /// Proxies whose word is taken for where a request comes from.
    pub trusted_proxies: Vec<IpNet>,
    /// Where a web application is that a login returns to.
    pub frontend_url: Option<Url>,
    /// Further addresses whose pages may call.
    pub cors_origins: Vec<Url>,
    /// Beginnings of paths that forged requests are not looked for below.
    pub csrf_exempt_paths: Vec<String>,
    /// How much one caller may ask for.
    pub limits: RateSettings,
}

/// An identity provider.
#[derive(Debug, Clone)]
pub struct ProviderSettings {
    /// Its section in the configuration, by which addresses and records name it.
    pub name: &'static str,
    /// What people see.
    pub label: String,
    /// Whom a login trusts.
    pub issuer: String,
    /// What a login needs; `None` where nobody logs in there.
    pub login: Option<LoginSettings>,
    /// The audience of tokens that are credentials; `None` where none are.
    pub audience: Option<String>,
    /// The issuer of tokens that are credentials.
    pub expected_issuer: String,
    /// Where its keys are, if that is not left to its description.
    pub jwks_url: Option<String>,
    /// The claim with a user's groups; dots lead into objects.
    pub groups_claim: String,
}

/// What this service is at a provider.
#[derive(Debug, Clone)]
pub struct LoginSettings {
    /// Its name there.
    pub client_id: String,
    /// Its secret there.
    pub client_secret: Secret,
    /// What it asks for.
    pub scopes: Vec<String>,
}

/// The local administrator, who logs in with a password.
#[derive(Debug, Clone)]
pub struct Administrator {
    /// The e-mail address.
    pub email: String,
    /// The password.
    pub password: Secret,
}

/// How much one caller may ask for; 0 is no limit.
#[derive(Debug, Clone, Copy, Default)]
pub struct RateSettings {
    /// Requests a minute of one user, token or key.
    pub requests_per_minute: u32,
    /// Requests that may come at once after a while without any.
    pub burst: u32,
    /// Requests a minute without credentials from one address.
    pub anonymous_per_minute: u32,
    /// Wrong credentials in a row from one address.
    pub failures_per_address: u32,
    /// Wrong passwords in a row for one account.
    pub failures_per_account: u32,
}

impl Default for Admission {
    /// Nobody but programs on this machine, who are not counted.
    fn default() -> Self {
        Self {
            required: false,
            providers: Vec::new(),
            group_roles: GroupRoles::default(),
            allowed_emails: Vec::new(),
            administrator: None,
            service_secret: None,
            session_idle: Duration::from_secs(12 * 60 * 60),
            session_lifetime: Duration::from_secs(24 * 60 * 60),
            redirect_uri: None,
            trusted_proxies: Vec::new(),
            frontend_url: None,
            cors_origins: Vec::new(),
            csrf_exempt_paths: Vec::new(),
            limits: RateSettings::default(),
        }
    }
}

impl Settings {
    /// The settings of a service that listens on `bind`, which is `server.bind` with the port that the system gave.
    pub fn from_config(config: &Config, bind: SocketAddr) -> Self {
        let Config { server, s3, salestrainer, .. } = config;
        let keys = [
            (KeyLevel::Read, &server.read_key),
            (KeyLevel::Api, &server.api_key),
            (KeyLevel::Api, &server.previous_api_key),
            (KeyLevel::Admin, &server.admin_key),
            (KeyLevel::Super, &server.super_key),
        ];
        let keys =
            keys.into_iter().filter_map(|(level, key)| Some((level, key.as_ref()?.expose())));
        let size = |count: u32| usize::try_from(count).unwrap_or(usize::MAX);
        Self {
            bind,
            keys: Keys::of(keys),
            admission: Admission::from_config(config),
            workspace: server.workspace.clone(),
            public_url: server
                .public_url
                .as_ref()
                .map(|url| url.as_str().trim_end_matches('/').to_owned()),
            file_bytes_max: server.max_file_size.bytes(),
            header_timeout: server.header_timeout,
            body_timeout: server.body_timeout,
            connections_max: size(server.connections_max),
            requests_max: size(server.requests_in_flight_max),
            json_depth_max: size(server.json_depth_max),
            upload_expiry: server.upload_expiry,
            openai_wait: server.openai_wait,
            shutdown_grace: server.shutdown_grace,
            s3_bucket: s3.bucket.clone(),
            salestrainer: SalesTrainer::from_config(salestrainer),
        }
    }
}

impl Settings {
    /// Whether something in the configuration gives callers credentials, or says that they need them.
    pub fn asks_for_credentials(&self) -> bool {
        let Admission { required, providers, administrator, service_secret, .. } = &self.admission;
        *required
            || !self.keys.is_empty()
            || !providers.is_empty()
            || administrator.is_some()
            || service_secret.is_some()
    }

    /// Whether others are meant to reach the service too: it has an address for them, or a proxy in front. Such a proxy may
    /// run on this machine and need not say for whom it speaks, so being on this machine then tells nothing about a caller.
    pub(crate) fn is_for_others(&self) -> bool {
        self.public_url.is_some() || !self.admission.trusted_proxies.is_empty()
    }
}

impl Settings {
    /// The address at which browsers reach `path`, which begins with a slash: below the public one, or else where is listened.
    pub(crate) fn address_of(&self, path: &str) -> Url {
        let public = self.public_url.as_deref().and_then(|url| Url::parse(url).ok());
        let mut address = public.unwrap_or_else(|| {
            let mut address = Url::parse("http://localhost/").expect("it is an address");
            // Neither fails for an address that has a host.
            let _ = address.set_ip_host(self.bind.ip());
            let _ = address.set_port(Some(self.bind.port()));
            address
        });
        let path = format!("{}{path}", address.path().trim_end_matches('/'));
        address.set_path(&path);
        address
    }

    /// The path below which browsers reach the service, without a slash at its end: empty unless the public address has one.
    pub(crate) fn home_path(&self) -> String {
        let public = self.public_url.as_deref().and_then(|url| Url::parse(url).ok());
        match public.as_ref().map(|url| url.path().trim_matches('/')) {
            None | Some("") => String::new(),
            Some(path) => format!("/{path}"),
        }
    }

    /// Whether cookies travel over HTTPS only. Without it, they may stay on this machine and nowhere else.
    pub(crate) fn has_secure_cookies(&self) -> bool {
        let public = self.public_url.as_deref().and_then(|url| Url::parse(url).ok());
        let is_plain = |url: &Url| url.scheme() == "http" && is_on_this_machine(url);
        !self.bind.ip().to_canonical().is_loopback() || !public.as_ref().is_none_or(is_plain)
    }
}

impl Admission {
    fn from_config(config: &Config) -> Self {
        let Config { server, auth, limits, mxwhisper, .. } = config;
        let hours = u64::from(auth.session_lifetime_hours);
        Self {
            required: auth.required,
            providers: config.providers().into_iter().map(ProviderSettings::of).collect(),
            group_roles: GroupRoles {
                admin: auth.admin_groups.clone(),
                editor: auth.editor_groups.clone(),
                viewer: auth.viewer_groups.clone(),
                otherwise: match auth.default_role {
                    DefaultRole::Viewer => Role::Viewer,
                    DefaultRole::Editor => Role::Editor,
                },
            },
            allowed_emails: auth.allowed_emails.clone(),
            administrator: auth
                .admin_password
                .clone()
                .map(|password| Administrator { email: auth.admin_email.clone(), password }),
            service_secret: mxwhisper.service_secret.clone(),
            session_idle: auth.session_idle,
            session_lifetime: Duration::from_secs(hours * 60 * 60),
            redirect_uri: auth.redirect_uri.as_ref().and_then(address),
            trusted_proxies: server.trusted_proxies.clone(),
            frontend_url: server.frontend_url.as_ref().and_then(address),
            cors_origins: server.cors_origins.iter().filter_map(address).collect(),
            csrf_exempt_paths: server.csrf_exempt_paths.clone(),
            limits: RateSettings::of(limits),
        }
    }

    /// Origins whose pages may call.
    pub(crate) fn origins(&self) -> Origins {
        Origins::of(self.cors_origins.iter().chain(&self.frontend_url))
    }

    /// By what forged requests are told.
    pub(crate) fn csrf(&self, settings: &Settings) -> Rules {
        let public = settings.public_url.as_deref().and_then(|url| Url::parse(url).ok());
        let is_loopback = settings.bind.ip().to_canonical().is_loopback();
        Rules {
            own: match public {
                Some(address) => Some(OwnOrigin::public(&address)),
                None => is_loopback.then(|| OwnOrigin::Loopback(settings.bind.port())),
            },
            listed: self.origins(),
            exempt_paths: self.csrf_exempt_paths.clone(),
        }
    }
}

/// The configuration has checked that it is one.
fn address(url: &HttpUrl) -> Option<Url> {
    Url::parse(url.as_str()).ok()
}

impl ProviderSettings {
    fn of(provider: Provider<'_>) -> Self {
        Self {
            name: provider.name,
            label: provider.label.to_owned(),
            issuer: provider.issuer.as_str().to_owned(),
            login: provider.login.map(|login| LoginSettings {
                client_id: login.client_id.to_owned(),
                client_secret: login.client_secret.clone(),
                scopes: login.scopes.split_whitespace().map(str::to_owned).collect(),
            }),
            audience: provider.audience.map(str::to_owned),
            expected_issuer: provider.expected_issuer.as_str().to_owned(),
            jwks_url: provider.jwks_url.map(|url| url.as_str().to_owned()),
            groups_claim: provider.groups_claim.to_owned(),
        }
    }
}

impl RateSettings {
    fn of(limits: &LimitsConfig) -> Self {
        Self {
            requests_per_minute: limits.requests_per_minute,
            burst: limits.burst,
            anonymous_per_minute: limits.anonymous_per_minute,
            failures_per_address: limits.failures_per_address,
            failures_per_account: limits.failures_per_account,
        }
    }
}

impl SalesTrainer {
    fn from_config(config: &SalestrainerConfig) -> Self {
        let secrets = [&config.secret, &config.previous_secret];
        Self {
            secrets: Keys::new(secrets.into_iter().flatten().map(|secret| secret.expose())),
            callback_url: config.callback_url.as_ref().map(|url| url.as_str().to_owned()),
            wait: config.wait,
            calls_back_failures: config.call_back_failures,
        }
    }
}
