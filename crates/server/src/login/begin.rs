//! The way to a provider.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use hansard_domain::id::UserId;
use hansard_domain::problem::ProblemCode;
use http::StatusCode;
use http::header::{HeaderValue, LOCATION, SET_COOKIE};
use serde::{Deserialize, Serialize};
use url::{Url, form_urlencoded};
use utoipa::{IntoParams, ToSchema};

use crate::App;
use crate::caller::Caller;
use crate::cookies::{self, Cookie};
use crate::extract::{ApiJson, ApiQuery};
use crate::login::has_password_login;
use crate::login::pages::{self, Choice};
use crate::login::provider::LoginError;
use crate::login::state::{Attempt, return_path};
use crate::login::ways::Way;
use crate::problem::Problem;

/// How long somebody may take at the provider.
const ATTEMPT_MAX: Duration = Duration::from_secs(10 * 60);

/// When to come back to a provider that broke off.
const RETRY_SOON: Duration = Duration::from_secs(5);

/// Where a login is to begin, and to lead.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct LoginQuery {
    /// The provider, by its name in the configuration; not needed where there is but one way to log in.
    provider: Option<String>,
    /// The path to return to, which begins with one slash; `/` unless given.
    return_to: Option<String>,
}

/// A provider at which people log in.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = LoginProvider)]
struct ProviderView {
    /// Its name: `google`, `authentik`, `keycloak` or `oidc`.
    name: &'static str,
    /// What people see.
    label: String,
    /// Where a login there begins.
    login_url: String,
}

/// The ways to log in.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = LoginProviders)]
pub(crate) struct ProvidersView {
    /// The identity providers.
    items: Vec<ProviderView>,
    /// Whether there is a login with a password, at `/auth/simple/login`.
    password: bool,
}

/// Which account is to be added.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = NewIdentity)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewIdentityBody {
    /// The provider, by its name in the configuration.
    provider: String,
    /// The path to return to, which begins with one slash; `/` unless given.
    return_to: Option<String>,
}

/// Where the browser has to go.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = IdentityLogin)]
pub(crate) struct LinkView {
    /// The provider's address, for this browser alone.
    login_url: String,
}

/// Log in.
///
/// Leads to the identity provider. Where there are several ways to log in and none is named, a page offers them.
#[utoipa::path(
    get, path = "/auth/login", tag = "login", params(LoginQuery),
    responses(
        (status = 200, description = "A page with the ways to log in", content_type = "text/html", body = String),
        (status = 307, description = "The way on is in `Location`"),
        (status = 501, description = "There is no login (`login_not_configured`)", body = pages::ErrorBody),
        (status = 503, description = "The provider does not answer (`identity_provider_unavailable`)", body = pages::ErrorBody),
    ),
)]
pub(crate) async fn begin_login(
    State(app): State<App>,
    ApiQuery(query): ApiQuery<LoginQuery>,
) -> Result<Response, Problem> {
    let has_password = has_password_login(&app).await?;
    let (ways, return_to) = (app.ways(), return_path(query.return_to.as_deref()));
    let way = match (query.provider.as_deref(), ways.all()) {
        (Some(name), _) => ways.find(name).ok_or_else(unknown_provider)?,
        (None, [only]) if !has_password => only,
        // Relative, so that it holds behind a proxy that serves this from another path.
        (None, []) => {
            return Ok(
                Redirect::temporary(&with_return("simple/login", None, return_to)).into_response()
            );
        }
        (None, all) => {
            let ways = all.iter().map(|way| Choice {
                label: way.label.clone(),
                href: with_return("login", Some(way.name), return_to),
            });
            let password = has_password.then(|| Choice {
                label: "a password".to_owned(),
                href: with_return("simple/login", None, return_to),
            });
            let choices: Vec<Choice> = ways.chain(password).collect();
            return Ok(pages::choices(&choices));
        }
    };
    let (address, cookie) = begin(&app, way, return_to, None).await?;
    let location = HeaderValue::from_str(address.as_str());
    let location =
        location.map_err(|error| Problem::new(ProblemCode::Internal).caused_by(error))?;
    Ok((StatusCode::TEMPORARY_REDIRECT, [(LOCATION, location), (SET_COOKIE, cookie)])
        .into_response())
}

/// List the ways to log in.
#[utoipa::path(
    get, path = "/api/v1/auth/providers", tag = "login",
    responses((status = 200, description = "The ways to log in", body = ProvidersView)),
)]
pub(crate) async fn list_providers(State(app): State<App>) -> Result<Json<ProvidersView>, Problem> {
    let items = app.ways().all().iter().map(|way| {
        let mut address = app.settings().address_of("/auth/login");
        address.query_pairs_mut().append_pair("provider", way.name);
        ProviderView { name: way.name, label: way.label.clone(), login_url: address.into() }
    });
    let password = app.store().has_passwords().await?;
    Ok(Json(ProvidersView { items: items.collect(), password }))
}

/// Add an account of an identity provider to one's own user.
///
/// Answers with the address at which this browser logs in with the account; when it comes back, the user can log in with that
/// account as well. Only a session can do it, as the account is added in the browser that has it.
#[utoipa::path(
    post, path = "/api/v1/me/identities", tag = "login", request_body = NewIdentityBody,
    responses((status = 200, description = "Where the login with that account begins", body = LinkView)),
)]
pub(crate) async fn link_identity(
    State(app): State<App>,
    caller: Caller,
    ApiJson(body): ApiJson<NewIdentityBody>,
) -> Result<Response, Problem> {
    let user = caller.user().filter(|_| caller.session().is_some()).ok_or_else(|| {
        Problem::new(ProblemCode::Forbidden).detail("an account is added in a session")
    })?;
    let way = app.ways().find(&body.provider);
    let way = way.ok_or_else(|| Problem::field("/provider", "there is no such provider"))?;
    let return_to = return_path(body.return_to.as_deref());
    let (address, cookie) = begin(&app, way, return_to, Some(user)).await?;
    let view = LinkView { login_url: address.into() };
    Ok(([(SET_COOKIE, cookie)], Json(view)).into_response())
}

/// Begins a login at `way`; `user` is who is logged in already and adds an account. Returns where the browser goes, and the
/// cookie that ties its return to it.
async fn begin(
    app: &App,
    way: &Way,
    return_to: &str,
    user: Option<&UserId>,
) -> Result<(Url, HeaderValue), Problem> {
    let attempt = Attempt::begin();
    let address = way.provider.authorize(&attempt).await;
    let address = address.map_err(|error| failed(way, error))?;
    app.store().begin_login(&attempt.hash(), way.name, return_to, user, ATTEMPT_MAX).await?;
    let cookie = cookie(app).set(&attempt.cookie().reveal(), Some(ATTEMPT_MAX));
    Ok((address, cookie))
}

/// The cookie of a login that has begun.
pub(super) fn cookie(app: &App) -> Cookie {
    let is_secure = app.settings().has_secure_cookies();
    Cookie { name: cookies::LOGIN, is_readable: false, is_secure }
}

/// What somebody is told whose login at `way` came to nothing.
pub(super) fn failed(way: &Way, error: LoginError) -> Problem {
    let unavailable = Problem::new(ProblemCode::IdentityProviderUnavailable);
    match error {
        LoginError::Unavailable(error) => unavailable.retry_after(error.retry_after),
        LoginError::Unreachable(error) => unavailable.retry_after(RETRY_SOON).caused_by(error),
        LoginError::Refused(_) | LoginError::Malformed(_) | LoginError::Token(_) => {
            let cause = std::error::Error::source(&error).map(ToString::to_string);
            tracing::warn!(
                provider = way.name, reason = %error, cause = cause.unwrap_or_default(),
                "a login came to nothing"
            );
            Problem::new(ProblemCode::LoginFailed).detail("Authentication failed")
        }
    }
}

fn unknown_provider() -> Problem {
    let detail = "there is no identity provider of this name";
    Problem::new(ProblemCode::InvalidRequest).detail(detail)
}

/// The address `place`, relative, that begins a login which returns to `return_to`.
fn with_return(place: &str, provider: Option<&str>, return_to: &str) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    if let Some(provider) = provider {
        query.append_pair("provider", provider);
    }
    if return_to != "/" {
        query.append_pair("return_to", return_to);
    }
    match query.finish() {
        query if query.is_empty() => place.to_owned(),
        query => format!("{place}?{query}"),
    }
}
