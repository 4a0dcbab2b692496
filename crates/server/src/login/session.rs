//! What a session begins and ends with, and who it is.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use hansard_domain::access::Actor;
use hansard_domain::id::UserId;
use hansard_domain::problem::ProblemCode;
use hansard_store::audit::ActorRef;
use hansard_store::sessions::{NewSession, Session};
use hansard_store::users::{Identity, User};
use http::HeaderMap;
use http::header::{HeaderValue, SET_COOKIE, USER_AGENT};
use http::request::Parts;
use serde::Serialize;
use utoipa::ToSchema;

use crate::App;
use crate::caller::Sender;
use crate::cookies::{self, Cookie};
use crate::csrf;
use crate::door::{self, forged, note_refusal_within, sessions};
use crate::login::{has_password_login, pages, password};
use crate::problem::Problem;
use crate::ticket::Ticket;

/// What came of a logout.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LoggedOut {
    /// `Logged out successfully`
    message: &'static str,
    /// Where the browser logs out at the identity provider as well; `null` if there is no such place.
    logout_url: Option<String>,
}

/// Who is logged in.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = LoginState)]
pub(crate) struct UserState {
    /// Whether somebody is; if not, this is all there is.
    authenticated: bool,
    #[serde(flatten)]
    login: Option<LoginView>,
}

/// A login.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Login)]
struct LoginView {
    /// How: the provider's name, or `simple` for a password.
    auth_method: String,
    user: LoginUser,
    /// What the user belongs to.
    workspaces: Vec<LoginWorkspace>,
    /// What `X-CSRF-Token` has to say with whatever changes something.
    csrf_token: String,
}

/// Who it is.
#[derive(Debug, Serialize, ToSchema)]
struct LoginUser {
    id: String,
    email: Option<String>,
    display_name: Option<String>,
    /// The address of a picture of the person, as the provider last told one; `null` if none has.
    picture: Option<String>,
    /// Whether an identity provider has verified the address.
    verified_email: bool,
    /// The role in the installation.
    role: &'static str,
}

/// A workspace of the user.
#[derive(Debug, Serialize, ToSchema)]
struct LoginWorkspace {
    id: String,
    name: String,
    /// The role there.
    role: &'static str,
}

/// Log out.
///
/// Ends the session, and tells where to log out at the identity provider. Without a session there is nothing to end, which is
/// no error. Whoever asks for a page is led on.
#[utoipa::path(
    post, path = "/auth/logout", tag = "login",
    responses(
        (status = 200, description = "There is no session any more", body = LoggedOut),
        (status = 303, description = "The same, for whoever asks for a page; the way on is in `Location`"),
        (status = 403, description = "The request could be another page's (`csrf_token_missing`, `csrf_token_invalid`)", body = pages::ErrorBody),
        (status = 501, description = "There is no login (`login_not_configured`)", body = pages::ErrorBody),
    ),
)]
pub(crate) async fn log_out(State(app): State<App>, head: Parts) -> Result<Response, Problem> {
    let ended = end(&app, &head).await?;
    if ended.is_none() {
        has_password_login(&app).await?;
    }
    Ok(logged_out(&app, &head, ended).await)
}

/// Log out who has logged in with a password.
///
/// The same as `/auth/logout`.
#[utoipa::path(
    post, path = "/auth/simple/logout", tag = "login",
    responses(
        (status = 200, description = "There is no session any more", body = LoggedOut),
        (status = 303, description = "The same, for whoever asks for a page; the way on is in `Location`"),
        (status = 501, description = "There is no login with a password (`login_not_configured`)", body = pages::ErrorBody),
    ),
)]
pub(crate) async fn log_out_simply(
    State(app): State<App>,
    head: Parts,
) -> Result<Response, Problem> {
    let ended = end(&app, &head).await?;
    if ended.is_none() {
        password::check_configured(&app).await?;
    }
    Ok(logged_out(&app, &head, ended).await)
}

/// Ends the session of the browser, as its own pages wish; `None` if it has none.
async fn end(app: &App, head: &Parts) -> Result<Option<Session>, Problem> {
    let Some(ticket) = cookies::ticket(&head.headers, cookies::SESSION) else { return Ok(None) };
    let hash = ticket.hash();
    let Some((session, user)) = app.store().find_session(&hash).await? else { return Ok(None) };
    let rules = &app.door().csrf;
    let (sender, actor) = (door::sender(app, head), Actor::User(user.id));
    let checked = rules.check(&head.method, head.uri.path(), &head.headers, Some(&ticket));
    if let Err(refusal) = checked {
        let problem = forged(refusal);
        note_refusal_within(app, &sender, &actor, &user.workspace, problem.code()).await;
        return Err(problem);
    }
    let by = sender.by(ActorRef::from(&actor));
    app.store().end_session_of(&hash, &by).await?;
    Ok(Some(session))
}

/// What whoever has logged out is told, and where they may go on.
async fn logged_out(app: &App, head: &Parts, ended: Option<Session>) -> Response {
    let front_end = app.settings().admission.frontend_url.clone();
    let home = front_end.unwrap_or_else(|| app.settings().address_of("/"));
    let logout_url = match ended.and_then(|session| app.ways().find(&session.method)) {
        Some(way) => way.provider.logout(&home).await,
        None => None,
    };
    let mut response = if pages::is_wanted(&head.headers) {
        Redirect::to(logout_url.as_ref().unwrap_or(&home).as_str()).into_response()
    } else {
        let logout_url = logout_url.map(String::from);
        Json(LoggedOut { message: "Logged out successfully", logout_url }).into_response()
    };
    clear(app, response.headers_mut());
    response
}

/// Tell who is logged in.
#[utoipa::path(
    get, path = "/auth/user", tag = "login",
    responses((status = 200, description = "Who is, or that nobody is", body = UserState)),
)]
pub(crate) async fn current_user(State(app): State<App>, head: Parts) -> Result<Response, Problem> {
    let found = match cookies::ticket(&head.headers, cookies::SESSION) {
        Some(ticket) => sessions::find(&app, &ticket).await?.map(|found| (ticket, found)),
        None => None,
    };
    let Some((ticket, (session, user))) = found else {
        let nobody = UserState { authenticated: false, login: None };
        let mut response = Json(nobody).into_response();
        // A session that has ended is no longer shown with each request.
        if cookies::is_there(&head.headers, cookies::SESSION) {
            clear(&app, response.headers_mut());
        }
        return Ok(response);
    };
    let workspaces = app.store().workspaces_of(&user.id).await?;
    let workspaces = workspaces.into_iter().map(|(workspace, role)| LoginWorkspace {
        id: workspace.id.to_string(),
        name: workspace.name,
        role: role.name(),
    });
    let csrf_token = csrf::token(&ticket);
    let header = HeaderValue::from_str(&csrf_token).expect("base64url is visible ASCII");
    let identities = app.store().identities_of(&user.id).await?;
    let login = LoginView {
        workspaces: workspaces.collect(),
        user: LoginUser::of(user, identities, &session),
        auth_method: session.method,
        csrf_token,
    };
    let state = UserState { authenticated: true, login: Some(login) };
    Ok(([(csrf::TOKEN, header)], Json(state)).into_response())
}

impl LoginUser {
    /// `user`, who logs in with the accounts `identities`.
    fn of(user: User, identities: Vec<Identity>, session: &Session) -> Self {
        let names = [&user.name, &user.username, &user.email];
        let display_name = names.into_iter().flatten().next().cloned();
        let shown = identities.into_iter().filter(|identity| identity.picture.is_some());
        let latest = shown.max_by_key(|identity| identity.last_login_at);
        Self {
            id: user.id.to_string(),
            display_name,
            email: user.email,
            picture: latest.and_then(|identity| identity.picture),
            // No provider lets anybody in with another.
            verified_email: session.method != password::METHOD,
            role: user.role.name(),
        }
    }
}

/// Logs `user` in, who has shown who it is by `method`: opens a session in place of the one that the browser has, whoever's
/// that is, so that nobody can have put a session that they know into somebody else's browser. Returns its cookies.
///
/// # Errors
/// [`disabled`], or where the database cannot be written.
pub(super) async fn open(
    app: &App,
    headers: &HeaderMap,
    sender: &Sender,
    user: &UserId,
    method: &str,
) -> Result<[HeaderValue; 2], Problem> {
    let admission = &app.settings().admission;
    let before = cookies::ticket(headers, cookies::SESSION).map(|ticket| ticket.hash());
    let user_agent = headers.get(USER_AGENT).and_then(|agent| agent.to_str().ok());
    let (ticket, lifetime) = (Ticket::new(), admission.session_lifetime);
    let new = NewSession {
        hash: ticket.hash(),
        user: user.clone(),
        method: method.to_owned(),
        user_agent: user_agent.map(str::to_owned),
        address: Some(sender.address),
        idle: admission.session_idle,
        lifetime,
    };
    let by = sender.by(ActorRef::from(&Actor::User(user.clone())));
    let opened = app.store().open_session(new, before.as_deref(), &by).await?;
    opened.ok_or_else(disabled)?;
    let [session, csrf] = session_cookies(app);
    Ok([
        session.set(&ticket.reveal(), Some(lifetime)),
        csrf.set(&csrf::token(&ticket), Some(lifetime)),
    ])
}

/// The refusal of a user who may not come in.
pub(super) fn disabled() -> Problem {
    Problem::new(ProblemCode::Forbidden).detail("this user may not log in")
}

/// The cookies of a session: its secret, and what its pages show.
fn session_cookies(app: &App) -> [Cookie; 2] {
    let is_secure = app.settings().has_secure_cookies();
    [
        Cookie { name: cookies::SESSION, is_readable: false, is_secure },
        Cookie { name: cookies::CSRF, is_readable: true, is_secure },
    ]
}

fn clear(app: &App, headers: &mut HeaderMap) {
    for cookie in session_cookies(app) {
        headers.append(SET_COOKIE, cookie.clear());
    }
}
