//! The way back from a provider, and who comes.

use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use hansard_domain::access::Actor;
use hansard_domain::id::UserId;
use hansard_domain::problem::ProblemCode;
use hansard_store::LoginState;
use hansard_store::audit::ActorRef;
use hansard_store::users::{Claimed, NewIdentity, Provisioned};
use http::header::{LOCATION, SET_COOKIE};
use http::request::Parts;
use http::{HeaderValue, StatusCode};
use serde::Deserialize;
use utoipa::IntoParams;

use crate::App;
use crate::caller::Sender;
use crate::cookies;
use crate::door::profile::is_invited;
use crate::door::{self, sessions};
use crate::login::provider::Person;
use crate::login::state::{Attempt, destination};
use crate::login::{begin, note_failure, pages, session};
use crate::problem::Problem;

/// What the provider's answer says. Has no `Debug`: the code is a secret until it is used.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Answer {
    /// What the service gets tokens for.
    code: Option<String>,
    /// What the login began with.
    state: Option<String>,
    /// The provider's name for itself (RFC 9207).
    iss: Option<String>,
    /// Why nobody is logged in.
    error: Option<String>,
}

/// Why a login ends without a session, and at which provider, as far as that is known.
struct Refused {
    at: Option<&'static str>,
    problem: Problem,
}

impl From<Problem> for Refused {
    fn from(problem: Problem) -> Self {
        Self { at: None, problem }
    }
}

/// Come back from the identity provider.
#[utoipa::path(
    get, path = "/auth/callback", tag = "login", params(Answer),
    responses(
        (status = 307, description = "Logged in: the cookie `session_token` is set, and `Location` leads to where the login began"),
        (status = 400, description = "The answer belongs to no login (`login_state_invalid`), or says nothing that holds (`login_failed`)", body = pages::ErrorBody),
        (status = 403, description = "Who comes may not come in (`email_not_verified`, `not_invited`, `forbidden`)", body = pages::ErrorBody),
        (status = 409, description = "The account to be added belongs to another user (`identity_taken`)", body = pages::ErrorBody),
        (status = 501, description = "There is no login (`login_not_configured`)", body = pages::ErrorBody),
        (status = 503, description = "The provider does not answer (`identity_provider_unavailable`)", body = pages::ErrorBody),
    ),
)]
pub(crate) async fn finish_login(State(app): State<App>, head: Parts) -> Response {
    let sender = door::sender(&app, &head);
    let mut response = match finish(&app, &head, &sender).await {
        Ok(response) => response,
        Err(Refused { at, problem }) => {
            note_failure(&app, &sender, at, &problem).await;
            problem.into_response()
        }
    };
    // Whatever came of it: the login that has begun is over.
    response.headers_mut().append(SET_COOKIE, begin::cookie(&app).clear());
    response
}

async fn finish(app: &App, head: &Parts, sender: &Sender) -> Result<Response, Refused> {
    if app.ways().is_empty() {
        return Err(Problem::new(ProblemCode::LoginNotConfigured).into());
    }
    let answer = Query::<Answer>::try_from_uri(&head.uri);
    let Query(answer) = answer.map_err(|_| failed("the answer cannot be read"))?;
    if answer.error.is_some() {
        // What it says can be made up by whoever makes somebody follow a link.
        return Err(failed("the identity provider has logged nobody in").into());
    }
    let (Some(code), Some(state)) = (answer.code, answer.state) else {
        return Err(failed("the answer has no code, or no state").into());
    };
    let attempt = cookies::ticket(&head.headers, cookies::LOGIN).map(Attempt::of);
    let attempt = attempt.filter(|attempt| attempt.is_answered_by(&state)).ok_or_else(invalid)?;
    let begun = app.store().take_login(&attempt.hash()).await.map_err(Problem::from)?;
    let begun = begun.ok_or_else(invalid)?;
    // The configuration may have changed since.
    let way = app.ways().find(&begun.provider).ok_or_else(invalid)?;
    let at = |problem| Refused { at: Some(way.name), problem };
    if answer.iss.is_some_and(|issuer| issuer != way.provider.issuer()) {
        return Err(at(failed("another provider has answered")));
    }
    let person = way.provider.exchange(code, &attempt).await;
    let person = person.map_err(|error| at(begin::failed(way, error)))?;
    let let_in = let_in(app, head, sender, way.name, person, &begun).await;
    let cookies = let_in.map_err(at)?;
    let (settings, path) = (app.settings(), &begun.return_to);
    let front_end = settings.admission.frontend_url.as_ref();
    let location = destination(front_end, &settings.home_path(), path);
    let location = HeaderValue::from_str(&location);
    let location =
        location.map_err(|error| Problem::new(ProblemCode::Internal).caused_by(error))?;
    let mut response = (StatusCode::TEMPORARY_REDIRECT, [(LOCATION, location)]).into_response();
    for cookie in cookies {
        response.headers_mut().append(SET_COOKIE, cookie);
    }
    Ok(response)
}

/// What `person`, who has come back from the provider called `method`, gets: a session, or another account to log in with.
async fn let_in(
    app: &App,
    head: &Parts,
    sender: &Sender,
    method: &'static str,
    person: Person,
    begun: &LoginState,
) -> Result<Vec<HeaderValue>, Problem> {
    let admission = &app.settings().admission;
    let Some(email) = person.profile.verified_email.clone() else {
        return Err(Problem::new(ProblemCode::EmailNotVerified));
    };
    if !is_invited(&email, &admission.allowed_emails) {
        return Err(Problem::new(ProblemCode::NotInvited));
    }
    if let Some(user) = &begun.user {
        link(app, head, sender, user, person, email).await?;
        return Ok(Vec::new());
    }
    let claimed = Claimed {
        role: person.profile.role(&admission.group_roles),
        issuer: person.issuer,
        subject: person.subject,
        email: Some(email),
        name: person.profile.name,
        username: person.profile.username,
        picture: person.profile.picture,
        default_role: admission.group_roles.otherwise,
    };
    let by = sender.by(ActorRef::SYSTEM);
    match app.store().provision(&claimed, app.workspace(), true, &by).await? {
        Provisioned::User(user) => {
            session::open(app, &head.headers, sender, &user.id, method).await.map(Vec::from)
        }
        Provisioned::Disabled | Provisioned::Unknown => Err(session::disabled()),
    }
}

/// Adds the account of `person` to `user`, who has to be logged in here still: an account that is added is a way into
/// everything that the user has.
async fn link(
    app: &App,
    head: &Parts,
    sender: &Sender,
    user: &UserId,
    person: Person,
    email: String,
) -> Result<(), Problem> {
    let here = match cookies::ticket(&head.headers, cookies::SESSION) {
        Some(ticket) => sessions::find(app, &ticket).await?,
        None => None,
    };
    if here.is_none_or(|(_, here)| here.id != *user) {
        return Err(invalid());
    }
    let (issuer, subject) = (person.issuer, person.subject);
    let identity =
        NewIdentity { issuer, subject, email: Some(email), picture: person.profile.picture };
    let by = sender.by(ActorRef::from(&Actor::User(user.clone())));
    let is_linked = app.store().link_identity(user, identity, &by).await?;
    if is_linked { Ok(()) } else { Err(session::disabled()) }
}

fn failed(detail: &str) -> Problem {
    Problem::new(ProblemCode::LoginFailed).detail(detail)
}

/// The original's words for a login that did not begin here, or is over.
fn invalid() -> Problem {
    Problem::new(ProblemCode::LoginStateInvalid).detail("Invalid state parameter")
}
