//! Login with a password, for the local administrator and other users who have one.

use std::collections::HashMap;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use hansard_domain::problem::ProblemCode;
use hansard_store::users::User;
use http::StatusCode;
use http::header::{COOKIE, HeaderMap, HeaderValue, LOCATION, ORIGIN, SET_COOKIE};
use http::request::Parts;
use serde::Deserialize;
use url::form_urlencoded;
use utoipa::{IntoParams, ToSchema};

use crate::App;
use crate::caller::Sender;
use crate::cookies::{self, Cookie};
use crate::csrf::SEC_FETCH_SITE;
use crate::door::{self, forged};
use crate::extract::{ApiQuery, media_type, read_body};
use crate::login::pages;
use crate::login::state::{destination, return_path};
use crate::login::{note_failure, session};
use crate::place::Place;
use crate::problem::{FieldProblem, Problem};
use crate::ticket::Ticket;

/// What sessions and records call this way to log in.
pub(super) const METHOD: &str = "simple";

/// Bytes of the form.
const FORM_BYTES_MAX: usize = 16 << 10;

/// The content type of the form.
const FORM: &str = "application/x-www-form-urlencoded";

/// The field that shows that the form is ours.
const TOKEN: &str = "csrf_token";

/// What that is derived from the form's ticket for.
const PURPOSE: &str = "login form";

/// When to come back while others are logging in.
const RETRY_BUSY: Duration = Duration::from_secs(1);

/// Where a login is to lead.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct ReturnQuery {
    /// The path to return to, which begins with one slash; `/` unless given.
    return_to: Option<String>,
}

/// What the form holds.
#[derive(ToSchema)]
#[schema(as = PasswordLogin)]
#[expect(dead_code, reason = "described, never built")]
pub(crate) struct FormBody {
    email: String,
    #[schema(format = Password)]
    password: String,
    /// What the form came with. Only a program that has no cookies may leave it out.
    csrf_token: Option<String>,
}

/// What the form says. Has no `Debug`, which would show the password.
struct Credentials {
    email: String,
    password: String,
    token: Option<String>,
}

/// Show the form for a login with a password.
#[utoipa::path(
    get, path = "/auth/simple/login", tag = "login", params(ReturnQuery),
    responses(
        (status = 200, description = "A page with the form", content_type = "text/html", body = String),
        (status = 501, description = "There is no login with a password (`login_not_configured`)", body = pages::ErrorBody),
    ),
)]
pub(crate) async fn show_form(
    State(app): State<App>,
    _query: ApiQuery<ReturnQuery>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    check_configured(&app).await?;
    Ok(form(&app, &headers, "", None))
}

/// Log in with a password.
///
/// Where the form came from, what it came with and how often somebody was wrong are looked at first.
#[utoipa::path(
    post, path = "/auth/simple/login", tag = "login", params(ReturnQuery),
    request_body(content = FormBody, content_type = "application/x-www-form-urlencoded"),
    responses(
        (status = 302, description = "Logged in: the cookie `session_token` is set, and `Location` leads to where the login began"),
        (status = 401, description = "The e-mail address or the password is wrong (`login_refused`)", body = pages::ErrorBody),
        (status = 403, description = "The form is another page's, or too old (`csrf_token_missing`, `csrf_token_invalid`)", body = pages::ErrorBody),
        (status = 422, description = "A field is missing (`invalid_request`)", body = pages::ErrorBody),
        (status = 429, description = "Too many logins have failed (`rate_limited`)", body = pages::ErrorBody),
        (status = 501, description = "There is no login with a password (`login_not_configured`)", body = pages::ErrorBody),
    ),
)]
pub(crate) async fn log_in(
    State(app): State<App>,
    place: Place,
    ApiQuery(query): ApiQuery<ReturnQuery>,
    request: Request,
) -> Result<Response, Problem> {
    check_configured(&app).await?;
    let (head, body) = request.into_parts();
    // Strangers who send slowly must not keep everybody else out.
    place.leave();
    let credentials = Credentials::read(&head.headers, body).await?;
    let sender = door::sender(&app, &head);
    let email = credentials.email.clone();
    let checked = match check_form(&app, &head, credentials.token.as_deref()) {
        Ok(()) => check(&app, &sender, credentials).await,
        Err(problem) => Err(problem),
    };
    let user = match checked {
        Ok(user) => user,
        Err(problem) => {
            note_failure(&app, &sender, Some(METHOD), &problem).await;
            return match problem.code() {
                ProblemCode::LoginRefused if pages::is_wanted(&head.headers) => {
                    Ok(form(&app, &head.headers, &email, Some(problem)))
                }
                _ => Err(problem),
            };
        }
    };
    let cookies = session::open(&app, &head.headers, &sender, &user.id, METHOD).await?;
    let (settings, path) = (app.settings(), return_path(query.return_to.as_deref()));
    let front_end = settings.admission.frontend_url.as_ref();
    let location = destination(front_end, &settings.home_path(), path);
    let location = HeaderValue::from_str(&location);
    let location =
        location.map_err(|error| Problem::new(ProblemCode::Internal).caused_by(error))?;
    let mut response = (StatusCode::FOUND, [(LOCATION, location)]).into_response();
    for cookie in cookies.into_iter().chain([form_cookie(&app).clear()]) {
        response.headers_mut().append(SET_COOKIE, cookie);
    }
    Ok(response)
}

/// Refuses where nobody has a password.
///
/// # Errors
/// [`ProblemCode::LoginNotConfigured`].
pub(super) async fn check_configured(app: &App) -> Result<(), Problem> {
    if app.store().has_passwords().await? {
        Ok(())
    } else {
        Err(Problem::new(ProblemCode::LoginNotConfigured))
    }
}

impl Credentials {
    async fn read(headers: &HeaderMap, body: Body) -> Result<Self, Problem> {
        if media_type(headers).as_deref() != Some(FORM) {
            let detail = format!("expected {FORM}");
            return Err(Problem::new(ProblemCode::UnsupportedContentType).detail(detail));
        }
        let bytes = read_body(body, FORM_BYTES_MAX).await?;
        let mut fields: HashMap<String, String> =
            form_urlencoded::parse(&bytes).into_owned().collect();
        match (fields.remove("email"), fields.remove("password")) {
            (Some(email), Some(password)) => {
                Ok(Self { email, password, token: fields.remove(TOKEN) })
            }
            (email, password) => {
                let given = [("/email", email.is_some()), ("/password", password.is_some())];
                let missing = given.into_iter().filter(|(_, is_given)| !is_given);
                let problems = missing.map(|(pointer, _)| FieldProblem {
                    pointer: pointer.to_owned(),
                    detail: "needed".to_owned(),
                });
                Err(Problem::fields(problems.collect()))
            }
        }
    }
}

/// Refuses a form that another site's page sends: it would log somebody in as whoever made the page, who reads along from
/// then on. A program has no page that could make it do so, and no cookies.
fn check_form(app: &App, head: &Parts, token: Option<&str>) -> Result<(), Problem> {
    app.door().csrf.check_origin(&head.headers).map_err(forged)?;
    let is_browser =
        [ORIGIN, SEC_FETCH_SITE, COOKIE].iter().any(|name| head.headers.contains_key(name));
    if !is_browser && token.is_none() {
        return Ok(());
    }
    let token = token.ok_or_else(|| {
        Problem::new(ProblemCode::CsrfTokenMissing).detail("the form is not this service's")
    })?;
    let ticket = cookies::ticket(&head.headers, cookies::FORM);
    if ticket.is_some_and(|ticket| ticket.is_derived(PURPOSE, token)) {
        return Ok(());
    }
    let detail = "the form is too old, or cookies are blocked";
    Err(Problem::new(ProblemCode::CsrfTokenInvalid).detail(detail))
}

/// The user with these credentials. Each failure counts, for the address and for the account, before anything is compared.
async fn check(app: &App, sender: &Sender, credentials: Credentials) -> Result<User, Problem> {
    let Credentials { email, password, .. } = credentials;
    let throttle = &app.door().throttle;
    let attempt = throttle.attempt(app, sender.address, email.trim()).await?;
    let (user, hash) = app.store().find_login(&email).await?.unzip();
    let Ok(is_right) = app.door().passwords.verify(password, hash).await else {
        // Nothing was guessed.
        throttle.succeeded(app, attempt).await;
        return Err(Problem::new(ProblemCode::Overloaded).retry_after(RETRY_BUSY));
    };
    match user.filter(|user| is_right && user.disabled_at.is_none()) {
        Some(user) => {
            throttle.succeeded(app, attempt).await;
            Ok(user)
        }
        // The same for all reasons, in the original's words.
        None => Err(Problem::new(ProblemCode::LoginRefused).detail("Invalid email or password")),
    }
}

/// The page with the form; after a refusal, with what is wrong and the address that was typed.
fn form(app: &App, headers: &HeaderMap, email: &str, refused: Option<Problem>) -> Response {
    // Forms in several tabs share a ticket, so that each of them can be sent.
    let ticket = cookies::ticket(headers, cookies::FORM).unwrap_or_else(Ticket::new);
    let front_end = app.settings().admission.frontend_url.as_ref();
    let mut response = pages::password_form(&ticket.derive(PURPOSE), email, refused, front_end);
    response.headers_mut().append(SET_COOKIE, form_cookie(app).set(&ticket.reveal(), None));
    response
}

fn form_cookie(app: &App) -> Cookie {
    let is_secure = app.settings().has_secure_cookies();
    Cookie { name: cookies::FORM, is_readable: false, is_secure }
}
