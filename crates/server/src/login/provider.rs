//! One identity provider: where it sends people, and what it says about who comes back.

#[cfg(test)]
mod tests;

mod client;

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use hansard_net::Client as NetClient;
use hansard_store::Clock;
use openidconnect::core::{CoreAuthenticationFlow, CoreErrorResponseType};
use openidconnect::{
    AuthorizationCode, ClaimsVerificationError, ClientId, CsrfToken, IssuerUrl, LogoutRequest,
    Nonce, PkceCodeChallenge, PkceCodeVerifier, PostLogoutRedirectUrl, ProviderMetadataWithLogout,
    RequestTokenError, Scope, SignatureVerificationError, StandardErrorResponse, TokenResponse,
};
use serde_json::Value;
use url::Url;

use crate::door::kept::{Kept, Unavailable};
use crate::door::profile::Profile;
use crate::login::http::{HttpError, over};
use crate::login::state::Attempt;

/// The scope that makes a request one of OpenID Connect; it is always asked for.
const OPENID: &str = "openid";

/// What the configuration says about a provider.
#[derive(Clone)]
pub(crate) struct Settings {
    /// The issuer's name, exactly as its tokens have it, which is also its address.
    pub(crate) issuer: String,
    /// Who we are there.
    pub(crate) client_id: String,
    /// What proves it.
    pub(crate) client_secret: String,
    /// Where it sends people back to.
    pub(crate) redirect_uri: Url,
    /// What is asked for.
    pub(crate) scopes: Vec<String>,
    /// The claim that holds a person's groups; see [`Profile::of`].
    pub(crate) groups_claim: String,
}

impl fmt::Debug for Settings {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Settings({})", self.issuer)
    }
}

/// Somebody whom a provider has let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Person {
    /// The provider's name for itself.
    pub(crate) issuer: String,
    /// Its name for the person, which is all that they are known again by.
    pub(crate) subject: String,
    /// What it says about them.
    pub(crate) profile: Profile,
}

/// Why somebody who came back from a provider is not let in. None of it holds a code or a token.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LoginError {
    /// Nothing is known of the provider.
    #[error("nothing is known of the identity provider")]
    Unavailable(#[from] Unavailable),
    /// It did not answer when it was shown the code.
    #[error("the identity provider gives no tokens")]
    Unreachable(#[source] HttpError),
    /// It does not take the code: used, expired, made up, or not for us.
    #[error("the identity provider refuses the code: {0}")]
    Refused(String),
    /// What it describes or answers is not what the protocol says.
    #[error("the identity provider cannot be understood: {0}")]
    Malformed(&'static str),
    /// Its ID token is not one for this login.
    #[error("the ID token is refused")]
    Token(#[source] ClaimsVerificationError),
}

/// What a provider says about itself, its keys included.
type Metadata = ProviderMetadataWithLogout;

/// A provider.
pub(crate) struct Provider {
    settings: Settings,
    net: NetClient,
    clock: Clock,
    metadata: Kept<Metadata>,
}

impl Provider {
    /// A provider with these settings. Nothing is asked yet.
    pub(crate) fn new(settings: Settings, net: NetClient, clock: Clock) -> Self {
        let (issuer, way) = (settings.issuer.clone(), net.clone());
        let fetch = Box::new(move || -> BoxFuture<'static, _> {
            let (issuer, way) = (issuer.clone(), way.clone());
            Box::pin(async move { discover(issuer, way).await })
        });
        Self { settings, net, clock: clock.clone(), metadata: Kept::new(fetch, clock) }
    }

    /// Its name for itself.
    pub(crate) fn issuer(&self) -> &str {
        &self.settings.issuer
    }

    /// Where to send the browser in which `attempt` has begun.
    ///
    /// # Errors
    /// [`LoginError::Unavailable`].
    pub(crate) async fn authorize(&self, attempt: &Attempt) -> Result<Url, LoginError> {
        let metadata = self.metadata.get(|_| true).await?;
        let client = client::of(&metadata, &self.settings);
        let verifier = PkceCodeVerifier::new(attempt.verifier());
        let (state, nonce) = (CsrfToken::new(attempt.state()), Nonce::new(attempt.nonce()));
        let scopes = self.settings.scopes.iter().filter(|scope| *scope != OPENID).cloned();
        let (url, _, _) = client
            .authorize_url(CoreAuthenticationFlow::AuthorizationCode, || state, || nonce)
            .add_scopes(scopes.map(Scope::new))
            .set_pkce_challenge(PkceCodeChallenge::from_code_verifier_sha256(&verifier))
            .url();
        Ok(url)
    }

    /// Who came back with `code` to the browser in which `attempt` had begun.
    ///
    /// # Errors
    /// [`LoginError`].
    pub(crate) async fn exchange(
        &self,
        code: String,
        attempt: &Attempt,
    ) -> Result<Person, LoginError> {
        let metadata = self.metadata.get(|_| true).await?;
        let client = client::of(&metadata, &self.settings);
        let request = client.exchange_code(AuthorizationCode::new(code));
        let request = request.map_err(|_| LoginError::Malformed("it names no token endpoint"))?;
        let http = over(self.net.clone());
        let answer = request
            .set_pkce_verifier(PkceCodeVerifier::new(attempt.verifier()))
            .request_async(&http)
            .await
            .map_err(of_request)?;
        let token = answer.id_token().ok_or(LoginError::Malformed("it gives no ID token"))?;
        let nonce = Nonce::new(attempt.nonce());
        let claims = match token.claims(&client::verifier(&client, &self.clock), &nonce) {
            Err(error) if is_unknown_key(&error) => {
                // The code is spent; the token is looked at again with the keys that the provider has by now.
                let newer = self.metadata.get(|known| !Arc::ptr_eq(known, &metadata)).await?;
                let client = client::of(&newer, &self.settings);
                let verifier = client::verifier(&client, &self.clock);
                token.claims(&verifier, &nonce).map_err(LoginError::Token)?
            }
            judged => judged.map_err(LoginError::Token)?,
        };
        let Ok(Value::Object(all)) = serde_json::to_value(claims) else {
            return Err(LoginError::Malformed("its claims are no object"));
        };
        Ok(Person {
            issuer: self.settings.issuer.clone(),
            subject: claims.subject().to_string(),
            profile: Profile::of(&all, &self.settings.groups_claim),
        })
    }

    /// Where a browser logs out at the provider as well, and is sent back to `home`; `None` if the provider has no such place,
    /// or cannot be asked now.
    ///
    /// The provider is told who asks by our id there, not by an ID token: one that lay in the store would be a credential.
    pub(crate) async fn logout(&self, home: &Url) -> Option<Url> {
        let metadata = self.metadata.get(|_| true).await.ok()?;
        let place = metadata.additional_metadata().end_session_endpoint.clone()?;
        let request = LogoutRequest::from(place)
            .set_client_id(ClientId::new(self.settings.client_id.clone()))
            .set_post_logout_redirect_uri(PostLogoutRedirectUrl::from_url(home.clone()));
        Some(request.http_get_url())
    }
}

/// Asks the provider for its description and its keys.
async fn discover(
    issuer: String,
    net: NetClient,
) -> Result<Metadata, Box<dyn Error + Send + Sync>> {
    let issuer = IssuerUrl::new(issuer)?;
    let http = over(net);
    let metadata = Metadata::discover_async(issuer.clone(), &http).await?;
    let endpoints = [
        Some(metadata.authorization_endpoint().url()),
        metadata.token_endpoint().map(|endpoint| endpoint.url()),
        Some(metadata.jwks_uri().url()),
    ];
    // A provider that is reached over HTTPS sends nobody, and no secret of ours, where others could listen.
    let is_open = |endpoint: &Url| endpoint.scheme() != "https";
    if !is_open(issuer.url()) && endpoints.into_iter().flatten().any(is_open) {
        return Err("it is reached over HTTPS, and describes places that are not".into());
    }
    Ok(metadata)
}

/// A failed exchange without what the provider's answer held.
fn of_request(
    error: RequestTokenError<HttpError, StandardErrorResponse<CoreErrorResponseType>>,
) -> LoginError {
    match error {
        RequestTokenError::ServerResponse(answer) => {
            LoginError::Refused(answer.error().to_string())
        }
        RequestTokenError::Request(error) => LoginError::Unreachable(error),
        // The body in these may hold tokens.
        RequestTokenError::Parse(..) | RequestTokenError::Other(_) => {
            LoginError::Malformed("its answer to the code cannot be read")
        }
    }
}

/// Whether a token may be good with keys that we do not know yet.
fn is_unknown_key(error: &ClaimsVerificationError) -> bool {
    matches!(
        error,
        ClaimsVerificationError::SignatureVerification(SignatureVerificationError::NoMatchingKey)
    )
}
