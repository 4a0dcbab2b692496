//! The login library's client, with our types, our rules and our clock.

use chrono::{DateTime, TimeDelta, Utc};
use hansard_store::Clock;
use openidconnect::core::{
    CoreAuthDisplay, CoreAuthPrompt, CoreClientAuthMethod, CoreErrorResponseType, CoreGenderClaim,
    CoreJsonWebKey, CoreJweContentEncryptionAlgorithm, CoreJwsSigningAlgorithm, CoreRevocableToken,
    CoreRevocationErrorResponse, CoreTokenIntrospectionResponse, CoreTokenType,
};
use openidconnect::{
    AdditionalClaims, AuthType, Client, ClientId, ClientSecret, EmptyExtraTokenFields,
    EndpointMaybeSet, EndpointNotSet, EndpointSet, IdTokenFields, IdTokenVerifier, RedirectUrl,
    StandardErrorResponse, StandardTokenResponse,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::login::provider::{Metadata, Settings};

/// By how much the provider's clock may be ahead of ours.
const LEEWAY: TimeDelta = TimeDelta::minutes(1);

/// Claims that the protocol does not name, such as groups.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Further {
    #[serde(flatten)]
    claims: Map<String, Value>,
}

impl AdditionalClaims for Further {}

type Tokens = StandardTokenResponse<
    IdTokenFields<
        Further,
        EmptyExtraTokenFields,
        CoreGenderClaim,
        CoreJweContentEncryptionAlgorithm,
        CoreJwsSigningAlgorithm,
    >,
    CoreTokenType,
>;

/// A client of one provider.
pub(super) type LoginClient = Client<
    Further,
    CoreAuthDisplay,
    CoreGenderClaim,
    CoreJweContentEncryptionAlgorithm,
    CoreJsonWebKey,
    CoreAuthPrompt,
    StandardErrorResponse<CoreErrorResponseType>,
    Tokens,
    CoreTokenIntrospectionResponse,
    CoreRevocableToken,
    CoreRevocationErrorResponse,
    EndpointSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointMaybeSet,
    EndpointMaybeSet,
>;

/// The client of the provider that `metadata` describes.
pub(super) fn of(metadata: &Metadata, settings: &Settings) -> LoginClient {
    let id = ClientId::new(settings.client_id.clone());
    let secret = ClientSecret::new(settings.client_secret.clone());
    let redirect = RedirectUrl::from_url(settings.redirect_uri.clone());
    // Without a word about it, the header is what every provider has to take (RFC 6749, 2.3.1).
    let methods = metadata.token_endpoint_auth_methods_supported();
    let has = |method| methods.is_none_or(|methods| methods.contains(&method));
    let auth = if has(CoreClientAuthMethod::ClientSecretBasic) {
        AuthType::BasicAuth
    } else {
        AuthType::RequestBody
    };
    LoginClient::from_provider_metadata(metadata.clone(), id, Some(secret))
        .set_redirect_uri(redirect)
        .set_auth_type(auth)
}

/// What judges the ID tokens of `client`. The algorithms are those that bearers' tokens may have too, whatever the provider
/// offers; the audience is we alone.
pub(super) fn verifier<'a>(
    client: &'a LoginClient,
    clock: &'a Clock,
) -> IdTokenVerifier<'a, CoreJsonWebKey> {
    client
        .id_token_verifier()
        .set_allowed_algs([
            CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha256,
            CoreJwsSigningAlgorithm::EcdsaP256Sha256,
            CoreJwsSigningAlgorithm::EdDsa,
        ])
        .set_other_audience_verifier_fn(|_| false)
        .set_time_fn(|| now(clock))
        .set_issue_time_verifier_fn(|issued| {
            let is_past = issued <= now(clock) + LEEWAY;
            if is_past { Ok(()) } else { Err("it was issued in the future".to_owned()) }
        })
}

fn now(clock: &Clock) -> DateTime<Utc> {
    DateTime::from_timestamp_micros(clock.now().as_micros()).unwrap_or_default()
}
