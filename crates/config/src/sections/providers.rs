//! Identity providers. Four may be used at once; however each is configured, the program reads it as a [`Provider`].

use crate::reader::Reader;
use crate::secret::Secret;
use crate::sections::AuthConfig;
use crate::setting::{default, section, unset};
use crate::value::{HttpUrl, Issuer};

/// What a login asks a provider for unless told otherwise.
const SCOPES: &str = "openid profile email";

/// The claim with the groups of a user unless told otherwise.
const GROUPS_CLAIM: &str = "groups";

section! {
    /// Login with Google.
    pub struct GoogleConfig: "google" {
        /// Name of this service at Google.
        client_id: Option<String> =
            unset("1234.apps.googleusercontent.com").named(&["GOOGLE_CLIENT_ID"]),

        /// Secret of this service at Google.
        client_secret: Option<Secret> = unset("change-me").named(&["GOOGLE_CLIENT_SECRET"]),

        /// Google itself, or a stand-in for it.
        issuer: Issuer = default("https://accounts.google.com"),
    }
}

section! {
    /// Login with Authentik, and its tokens as credentials.
    pub struct AuthentikConfig: "authentik" {
        /// Issuer, as it stands in the provider's own description.
        issuer_url: Option<Issuer> = unset("https://id.example.org/application/o/hansard/")
            .named(&["AUTHENTIK_ISSUER_URL"]),

        /// Name of this service at the provider.
        client_id: Option<String> = unset("hansard").named(&["AUTHENTIK_CLIENT_ID"]),

        /// Secret of this service at the provider.
        client_secret: Option<Secret> = unset("change-me").named(&["AUTHENTIK_CLIENT_SECRET"]),

        /// What a login asks for.
        scopes: String = default(SCOPES).named(&["AUTHENTIK_SCOPES"]),

        /// Issuer of the tokens that are taken as credentials.
        /// Unless set, it is `authentik.issuer_url`.
        expected_issuer: Option<Issuer> = unset("https://id.example.org/application/o/hansard/")
            .named(&["AUTHENTIK_EXPECTED_ISSUER"]),

        /// Audience that a token must have to be taken as a credential.
        /// Without one, tokens of the provider are not.
        expected_audience: Option<String> = unset("hansard").named(&["AUTHENTIK_EXPECTED_AUDIENCE"]),

        /// Where the keys are that the provider signs with.
        /// Unless set, the provider's description tells it.
        jwks_url: Option<HttpUrl> = unset("https://id.example.org/application/o/hansard/jwks/")
            .named(&["AUTHENTIK_JWKS_URL"]),
    }
}

/// Declares the section of a provider that has no names of its own for its settings.
macro_rules! provider_section {
    ($(#[doc = $doc:literal])+ $name:ident: $section:literal, $label:literal) => {
        section! {
            $(#[doc = $doc])+
            pub struct $name: $section {
                /// Issuer, as it stands in the provider's own description.
                issuer_url: Option<Issuer> = unset("https://id.example.org/realms/main"),

                /// Name of this service at the provider.
                client_id: Option<String> = unset("hansard"),

                /// Secret of this service at the provider.
                client_secret: Option<Secret> = unset("change-me"),

                /// What a login asks for.
                scopes: String = default(SCOPES),

                /// Audience that a token must have to be taken as a credential.
                /// Without one, tokens of the provider are not.
                audience: Option<String> = unset("hansard"),

                /// Claim with the groups of a user; dots lead into objects, as in `realm_access.roles`.
                groups_claim: String = default(GROUPS_CLAIM),

                /// What people see on the page where they choose a provider.
                label: String = default($label),
            }
        }

        impl $name {
            fn needs(&self) -> Needs {
                let part = Part::of;
                let issuer = part(concat!($section, ".issuer_url"), self.issuer_url.is_some());
                let audience = part(concat!($section, ".audience"), self.audience.is_some());
                let (id, secret) = (self.client_id.is_some(), self.client_secret.is_some());
                Needs {
                    client_id: part(concat!($section, ".client_id"), id),
                    client_secret: part(concat!($section, ".client_secret"), secret),
                    issuer,
                    tokens: Some([audience, issuer]),
                }
            }

            fn provider(&self) -> Option<Provider<'_>> {
                Some(Provider {
                    name: $section,
                    label: &self.label,
                    issuer: self.issuer_url.as_ref()?,
                    login: login(&self.client_id, &self.client_secret, &self.scopes),
                    audience: self.audience.as_deref(),
                    expected_issuer: self.issuer_url.as_ref()?,
                    jwks_url: None,
                    groups_claim: &self.groups_claim,
                })
            }
        }
    };
}

provider_section! {
    /// Login with Keycloak, and its tokens as credentials.
    KeycloakConfig: "keycloak", "Keycloak"
}

provider_section! {
    /// Login with any other provider of OpenID Connect, and its tokens as credentials.
    OidcConfig: "oidc", "Single sign-on"
}

/// An identity provider, by whichever settings it is configured.
#[derive(Debug, Clone, Copy)]
pub struct Provider<'a> {
    /// Its section, by which addresses and records name it.
    pub name: &'static str,
    /// What people see.
    pub label: &'a str,
    /// Whom a login trusts.
    pub issuer: &'a Issuer,
    /// What a login needs; `None` where the provider's tokens are credentials and nobody logs in.
    pub login: Option<Login<'a>>,
    /// The audience of tokens that are credentials; `None` where none are.
    pub audience: Option<&'a str>,
    /// The issuer of tokens that are credentials.
    pub expected_issuer: &'a Issuer,
    /// Where its keys are, if that is not left to its description.
    pub jwks_url: Option<&'a HttpUrl>,
    /// The claim with a user's groups; dots lead into objects.
    pub groups_claim: &'a str,
}

impl Provider<'_> {
    /// Whether anybody can come with something of the provider's: by a login, or with a token.
    pub(crate) fn has_credentials(&self) -> bool {
        self.login.is_some() || self.audience.is_some()
    }
}

/// What this service is at a provider.
#[derive(Debug, Clone, Copy)]
pub struct Login<'a> {
    /// Its name there.
    pub client_id: &'a str,
    /// Its secret there.
    pub client_secret: &'a Secret,
    /// What it asks for, with spaces between.
    pub scopes: &'a str,
}

fn login<'a>(
    id: &'a Option<String>,
    secret: &'a Option<Secret>,
    scopes: &'a str,
) -> Option<Login<'a>> {
    Some(Login { client_id: id.as_deref()?, client_secret: secret.as_ref()?, scopes })
}

/// A setting of a provider, and whether it is set.
#[derive(Debug, Clone, Copy)]
struct Part {
    key: &'static str,
    is_set: bool,
}

impl Part {
    const fn of(key: &'static str, is_set: bool) -> Self {
        Self { key, is_set }
    }
}

/// The settings of a provider that are of no use without each other.
#[derive(Debug, Clone, Copy)]
struct Needs {
    client_id: Part,
    client_secret: Part,
    issuer: Part,
    /// The audience of tokens that are credentials, and their issuer, where a provider's tokens can be.
    tokens: Option<[Part; 2]>,
}

impl Needs {
    fn check(self, reader: &mut Reader) {
        let Self { client_id, client_secret, issuer, tokens } = self;
        let issuer_too = "needs the provider's issuer too";
        let login = [
            (client_id, client_secret, "needs the client's secret too"),
            (client_secret, client_id, "needs the client's id too"),
            (client_id, issuer, issuer_too),
        ];
        let tokens = tokens.map(|[audience, issuer]| (audience, issuer, issuer_too));
        for (given, needed, reason) in login.into_iter().chain(tokens) {
            if given.is_set && !needed.is_set {
                reader.refuse_together(&[given.key, needed.key], reason);
            }
        }
    }
}

/// The sections of all providers.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sections<'a> {
    pub(crate) google: &'a GoogleConfig,
    pub(crate) authentik: &'a AuthentikConfig,
    pub(crate) keycloak: &'a KeycloakConfig,
    pub(crate) oidc: &'a OidcConfig,
}

impl<'a> Sections<'a> {
    /// Those that are configured, in the order of the documentation.
    pub(crate) fn providers(self) -> Vec<Provider<'a>> {
        let all = [
            self.google.provider(),
            self.authentik.provider(),
            self.keycloak.provider(),
            self.oidc.provider(),
        ];
        all.into_iter().flatten().collect()
    }

    pub(crate) fn check(self, auth: &AuthConfig, reader: &mut Reader) {
        let Self { google, authentik, keycloak, oidc } = self;
        for needs in [google.needs(), authentik.needs(), keycloak.needs(), oidc.needs()] {
            needs.check(reader);
        }
        if google.client_id.is_some() && auth.allowed_emails.is_empty() {
            reader.refuse_together(
                &["google.client_id", "auth.allowed_emails"],
                "whoever has a Google account could log in: say in auth.allowed_emails who may",
            );
        }
    }
}

impl GoogleConfig {
    fn needs(&self) -> Needs {
        Needs {
            client_id: Part::of("google.client_id", self.client_id.is_some()),
            client_secret: Part::of("google.client_secret", self.client_secret.is_some()),
            // It has a default.
            issuer: Part::of("google.issuer", true),
            tokens: None,
        }
    }

    fn provider(&self) -> Option<Provider<'_>> {
        Some(Provider {
            name: "google",
            label: "Google",
            issuer: &self.issuer,
            login: Some(login(&self.client_id, &self.client_secret, SCOPES)?),
            audience: None,
            expected_issuer: &self.issuer,
            jwks_url: None,
            groups_claim: GROUPS_CLAIM,
        })
    }
}

impl AuthentikConfig {
    fn needs(&self) -> Needs {
        let audience = Part::of("authentik.expected_audience", self.expected_audience.is_some());
        let has_issuer = self.issuer_url.is_some();
        let accepts = has_issuer || self.expected_issuer.is_some();
        Needs {
            client_id: Part::of("authentik.client_id", self.client_id.is_some()),
            client_secret: Part::of("authentik.client_secret", self.client_secret.is_some()),
            issuer: Part::of("authentik.issuer_url", has_issuer),
            tokens: Some([audience, Part::of("authentik.expected_issuer", accepts)]),
        }
    }

    fn provider(&self) -> Option<Provider<'_>> {
        let issuer = self.issuer_url.as_ref().or(self.expected_issuer.as_ref())?;
        Some(Provider {
            name: "authentik",
            label: "Authentik",
            issuer,
            login: login(&self.client_id, &self.client_secret, &self.scopes),
            audience: self.expected_audience.as_deref(),
            expected_issuer: self.expected_issuer.as_ref().unwrap_or(issuer),
            jwks_url: self.jwks_url.as_ref(),
            groups_claim: GROUPS_CLAIM,
        })
    }
}
