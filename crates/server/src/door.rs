//! The door: who gets in, and to what.
//!
//! [`resolve`] finds out who calls, and [`admit`] holds that against what the route declares, before the handler runs and
//! before the body is read. What somebody may do is decided by [`hansard_domain::access`] alone.
//!
//! | Module | What it knows |
//! |---|---|
//! | [`keys`] | static keys of the configuration |
//! | [`tokens`] | keys and service tokens of our own |
//! | [`sessions`] | cookies of people who have logged in |
//! | [`bearers`] | tokens of identity providers, and MxWhisper's |
//! | [`local`] | programs on this machine, where no credentials are asked for |
//! | [`objects`] | what a path names, and whether the caller reaches it |
//! | [`throttle`] | how often somebody may ask, and fail |
//! | [`jwt`], [`jwk`], [`jwks`], [`kept`], [`profile`], [`service`] | tokens that others have signed |

pub(crate) mod bearers;
pub(crate) mod jwk;
pub(crate) mod jwks;
pub(crate) mod jwt;
pub(crate) mod kept;
pub(crate) mod keys;
pub(crate) mod local;
pub(crate) mod objects;
pub(crate) mod profile;
pub(crate) mod service;
pub(crate) mod sessions;
pub(crate) mod throttle;
pub(crate) mod tokens;

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use axum::extract::{FromRequestParts, RawPathParams, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use hansard_domain::access::{self, Actor, Permission, Principal, Role};
use hansard_domain::audit::AuditKind;
use hansard_domain::id::{RequestId, WorkspaceId};
use hansard_domain::problem::ProblemCode;
use hansard_domain::time::Timestamp;
use hansard_store::audit::{ActorRef, NewAudit};
use hansard_store::users::User;
use http::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use http::request::Parts;

use crate::App;
use crate::caller::{Caller, Sender};
use crate::cookies;
use crate::csrf::{self, Rules};
use crate::passwords::Passwords;
use crate::peer::{Client, Doubts, Peer};
use crate::problem::Problem;
use crate::routes::Access;
use crate::settings::Settings;
use bearers::Issuers;
use throttle::Throttle;

/// What is said to whoever shows credentials that are no good, and to whoever shows none: as adapters' originals put it, whose
/// clients look for it.
const BAD_CREDENTIALS: &str = "Invalid or expired token";
const NO_CREDENTIALS: &str = "Not authenticated";

/// Where a key stands that is not in `Authorization`.
const API_KEY: HeaderName = HeaderName::from_static("x-api-key");

/// Where a user says which workspace a request of the native API is about.
const WORKSPACE: HeaderName = HeaderName::from_static("x-workspace");

/// Below which paths that is looked at. An adapter's original knows of no workspaces.
const NATIVE: &str = "/api/";

/// How long the store is not asked again whether anybody has credentials, where somebody had.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// What the door remembers, and by what it goes.
pub(crate) struct Door {
    pub(crate) csrf: Rules,
    pub(crate) issuers: Issuers,
    pub(crate) passwords: Passwords,
    pub(crate) throttle: Throttle,
    doubts: Doubts,
    /// When it was last looked whether the store holds credentials, and whether it did.
    had_credentials: Mutex<Option<Timestamp>>,
}

impl Door {
    /// The door of a service with these settings.
    pub(crate) fn new(settings: &Settings, issuers: Issuers) -> Self {
        Self {
            csrf: settings.admission.csrf(settings),
            issuers,
            passwords: Passwords::default(),
            throttle: Throttle::new(&settings.admission.limits),
            doubts: Doubts::default(),
            had_credentials: Mutex::default(),
        }
    }
}

/// A line of the table, as the door sees it.
#[derive(Clone)]
pub(crate) struct Line {
    pub(crate) app: App,
    pub(crate) access: Access,
    /// Whether its requests are counted: probes are answered however often they come.
    pub(crate) is_counted: bool,
}

/// Lets in whom the route's declaration lets in.
pub(crate) async fn admit(State(line): State<Line>, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    let mut told = HeaderMap::new();
    let mut response = match enter(&line, &mut parts, &mut told).await {
        Ok(()) => next.run(Request::from_parts(parts, body)).await,
        Err(problem) => problem.into_response(),
    };
    for (name, value) in told {
        // What the answer says itself is about what it was refused for.
        if let Some(name) = name {
            response.headers_mut().entry(name).or_insert(value);
        }
    }
    response
}

/// Checks everything that the declaration asks for, and writes into `told` what the answer says besides.
async fn enter(line: &Line, parts: &mut Parts, told: &mut HeaderMap) -> Result<(), Problem> {
    let Line { app, access, is_counted } = line;
    if access.is_open() {
        if *is_counted {
            app.door().throttle.count_stranger(app, sender(app, parts).address, told).await?;
        }
        return Ok(());
    }
    let mut caller = match resolve(app, parts).await {
        Ok(caller) => caller,
        Err(problem) => {
            // Whoever shows nothing that is any good costs something too; whoever has come too often was counted.
            let code = problem.code();
            // Programs on this machine, which are refused where no credentials are asked for, are not counted.
            let is_refused = code.status() < 500
                && ![ProblemCode::RateLimited, ProblemCode::Forbidden].contains(&code);
            if *is_counted && is_refused {
                let address = sender(app, parts).address;
                app.door().throttle.count_stranger(app, address, told).await?;
            }
            return Err(problem);
        }
    };
    if *is_counted {
        app.door().throttle.count(app, &caller, told).await?;
    }
    if let Some(session) = caller.session() {
        let token = HeaderValue::from_str(&csrf::token(&session.ticket));
        told.insert(csrf::TOKEN, token.expect("base64url is visible ASCII"));
    }
    if let Some(needs) = access.wanted() {
        let path = RawPathParams::from_request_parts(parts, app).await.ok();
        caller = objects::enter_workspace(app, caller, needs, path.as_ref()).await?;
        for permission in needs.permissions() {
            check(app, &caller, permission).await?;
        }
        caller = objects::reach(app, caller, needs, path.as_ref(), &parts.method).await?;
    }
    parts.extensions.insert(caller);
    Ok(())
}

/// Refuses a caller who may not do what needs `permission`, and says so in the audit log.
///
/// # Errors
/// [`ProblemCode::Forbidden`], with what is missing.
pub(crate) async fn check(
    app: &App,
    caller: &Caller,
    permission: Permission,
) -> Result<(), Problem> {
    match access::decide(caller.principal(), permission) {
        Ok(()) => Ok(()),
        Err(refusal) => Err(refuse(app, caller, refusal.to_string()).await),
    }
}

/// That `caller` may not do this, for the reason in `detail`, which the audit log is told as well.
pub(crate) async fn refuse(app: &App, caller: &Caller, detail: String) -> Problem {
    let code = ProblemCode::Forbidden;
    note_refusal_of(app, caller, code).await;
    Problem::new(code).detail(detail)
}

/// Refuses what another site's page made a browser send with its session, and says so in the audit log.
async fn check_forgery(app: &App, parts: &Parts, caller: &Caller) -> Result<(), Problem> {
    let ticket = caller.session().map(|session| &session.ticket);
    let rules = &app.door().csrf;
    let checked = rules.check(&parts.method, parts.uri.path(), &parts.headers, ticket);
    let Err(refusal) = checked else { return Ok(()) };
    let problem = forged(refusal);
    note_refusal_of(app, caller, problem.code()).await;
    Err(problem)
}

/// The problem of a request that could be forged.
pub(crate) fn forged(refusal: csrf::Refusal) -> Problem {
    let code = match refusal {
        csrf::Refusal::NoSession => ProblemCode::CsrfSessionMissing,
        csrf::Refusal::NoToken => ProblemCode::CsrfTokenMissing,
        csrf::Refusal::WrongToken | csrf::Refusal::WrongOrigin => ProblemCode::CsrfTokenInvalid,
    };
    Problem::new(code).detail(refusal.to_string())
}

/// Whoever sent the request with this head.
///
/// A credential in a header decides alone: whoever shows one that is no good is refused, whatever cookies there are.
///
/// # Errors
/// [`ProblemCode::Unauthorized`] without valid credentials where they are asked for; [`ProblemCode::Forbidden`] where they are
/// not and the request did not come straight from a program on this machine; [`ProblemCode::RateLimited`] for whoever has
/// guessed too often.
pub(crate) async fn resolve(app: &App, parts: &Parts) -> Result<Caller, Problem> {
    let sender = sender(app, parts);
    if is_open(app).await? {
        let settings = app.settings();
        local::check_local(settings.bind, &app.door().csrf.listed, parts)?;
        let principal = Principal {
            actor: Actor::Local,
            workspace: app.workspace().clone(),
            role: Role::Admin,
            governs: true,
            scopes: None,
        };
        return Ok(Caller::new(principal, sender));
    }
    let shown = shown(&parts.headers)?;
    if !shown.is_empty() {
        let wanted = wanted_workspace(parts)?;
        for text in shown {
            if let Some(principal) = by_credential(app, text, wanted.as_ref(), &sender).await? {
                return Ok(Caller::new(principal, sender));
            }
        }
        note_refusal(app, &sender, ProblemCode::Unauthorized).await;
        return Err(Problem::new(ProblemCode::Unauthorized).detail(BAD_CREDENTIALS));
    }
    if let Some(ticket) = cookies::ticket(&parts.headers, cookies::SESSION)
        && let Some(caller) = sessions::resolve(app, ticket, parts, &sender).await?
    {
        // Here, so that no way to learn who calls by a cookie goes round it.
        check_forgery(app, parts, &caller).await?;
        return Ok(caller);
    }
    let rules = &app.door().csrf;
    let checked = rules.check(&parts.method, parts.uri.path(), &parts.headers, None);
    let Err(refusal) = checked else {
        return Err(Problem::new(ProblemCode::Unauthorized).detail(NO_CREDENTIALS));
    };
    let problem = forged(refusal);
    note_refusal(app, &sender, problem.code()).await;
    Err(problem)
}

/// Whose credential `text` is; `None` if it is nobody's.
async fn by_credential(
    app: &App,
    text: &str,
    wanted: Option<&WorkspaceId>,
    sender: &Sender,
) -> Result<Option<Principal>, Problem> {
    if let Some(id) = tokens::id_of(text) {
        return tokens::resolve(app, &id, text, sender).await;
    }
    let is_signed = jwt::Token::is_like(text);
    if is_signed && let Some(principal) = bearers::resolve(app, text, wanted, sender).await? {
        return Ok(Some(principal));
    }
    let keys = &app.settings().keys;
    // What has the shape of a signed token is a guess at a key only where a key has that shape too: programs go on showing
    // tokens that have expired, and must not keep out their neighbours.
    if keys.is_empty() || is_signed && !keys.has_one_like_a_token() {
        return Ok(None);
    }
    let level = app.door().throttle.guess(app, sender.address, || keys.level(text))?;
    Ok(level.map(|level| Principal {
        actor: Actor::StaticKey(level.setting()),
        workspace: app.workspace().clone(),
        role: level.role(),
        governs: level.governs(),
        scopes: None,
    }))
}

/// The credentials in the two headers.
///
/// # Errors
/// [`ProblemCode::Unauthorized`] where one of the headers is there twice: nobody can tell which one a proxy has looked at.
fn shown(headers: &HeaderMap) -> Result<Vec<&str>, Problem> {
    let mut shown = Vec::new();
    for name in [AUTHORIZATION, API_KEY] {
        let mut values = headers.get_all(&name).into_iter();
        let value = values.next();
        if values.next().is_some() {
            return Err(Problem::new(ProblemCode::Unauthorized));
        }
        let text = value.and_then(|value| value.to_str().ok());
        let text = if name == AUTHORIZATION { text.and_then(bearer) } else { text };
        shown.extend(text);
    }
    Ok(shown)
}

/// The credential behind `Bearer`; other schemes are for others, as for a proxy in front.
fn bearer(value: &str) -> Option<&str> {
    let (scheme, credential) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| credential.trim())
}

/// Where the request comes from.
pub(crate) fn sender(app: &App, parts: &Parts) -> Sender {
    let peer = parts.extensions.get::<Peer>().copied().unwrap_or_default();
    let trusted = &app.settings().admission.trusted_proxies;
    let Client { address, doubt } = peer.client(&parts.headers, trusted);
    if let Some(doubt) = doubt {
        app.door().doubts.tell(doubt, peer);
    }
    Sender { address, request: parts.extensions.get::<RequestId>().cloned() }
}

/// The workspace that a user asks for, where the route knows of any.
fn wanted_workspace(parts: &Parts) -> Result<Option<WorkspaceId>, Problem> {
    let Some(value) = parts.headers.get(&WORKSPACE) else { return Ok(None) };
    if !parts.uri.path().starts_with(NATIVE) {
        return Ok(None);
    }
    let id = value.to_str().ok().and_then(|text| hansard_domain::id::Id::parse(text).ok());
    id.map(Some).ok_or(Problem::new(ProblemCode::WorkspaceNotFound))
}

/// Where `user`, who has sent a request, sits: in the workspace that is `wanted`, or else in the personal one; and as what.
///
/// # Errors
/// [`ProblemCode::WorkspaceNotFound`] for one that the user does not belong to, which the audit log is told as well. An
/// administrator of the installation belongs to all.
pub(crate) async fn seat(
    app: &App,
    sender: &Sender,
    user: &User,
    wanted: Option<&WorkspaceId>,
) -> Result<Principal, Problem> {
    let actor = Actor::User(user.id.clone());
    let workspace = wanted.unwrap_or(&user.workspace);
    let Some(role) = role_of(app, user, workspace).await? else {
        let code = ProblemCode::WorkspaceNotFound;
        note_refusal_within(app, sender, &actor, &user.workspace, code).await;
        return Err(Problem::new(code));
    };
    Ok(Principal {
        actor,
        workspace: workspace.clone(),
        role,
        governs: user.governs(),
        scopes: None,
    })
}

/// What `user` is in `workspace`; `None` for whoever has no business there.
pub(crate) async fn role_of(
    app: &App,
    user: &User,
    workspace: &WorkspaceId,
) -> Result<Option<Role>, Problem> {
    let role = if *workspace == user.workspace {
        Some(Role::Admin)
    } else {
        match app.store().role_in(workspace, &user.id).await? {
            None if user.governs() => {
                app.store().find_workspace(workspace).await?.map(|_| Role::Admin)
            }
            role => role,
        }
    };
    Ok(role.map(|role| capped(role, user)))
}

/// A role in a workspace, as far as the user's role in the installation lets it go: who only reads there reads everywhere.
pub(crate) fn capped(role: Role, user: &User) -> Role {
    if user.role == Role::Viewer { Role::Viewer } else { role }
}

/// Whether the service asks for no credentials: only programs on this machine reach it, and nobody has any.
pub(crate) async fn is_open(app: &App) -> Result<bool, Problem> {
    let settings = app.settings();
    let is_loopback = settings.bind.ip().to_canonical().is_loopback();
    if !is_loopback || settings.is_for_others() || settings.asks_for_credentials() {
        return Ok(false);
    }
    let now = app.clock().now();
    let had = || app.door().had_credentials.lock().unwrap_or_else(PoisonError::into_inner);
    if had().is_some_and(|at| at <= now && now.since(at) < LOOK_AGAIN) {
        return Ok(false);
    }
    // An open door is looked at with every request: the first user or token shuts it at once.
    let has = app.store().has_credentials().await?;
    *had() = has.then_some(now);
    Ok(!has)
}

/// Writes into the audit log that `caller` was refused, for the admins of its workspace to read; otherwise as [`note_refusal`].
pub(crate) async fn note_refusal_of(app: &App, caller: &Caller, code: ProblemCode) {
    let Principal { actor, workspace, .. } = caller.principal();
    note_refusal_within(app, caller.sender(), actor, workspace, code).await;
}

/// The same about an `actor` who is not yet a caller.
pub(crate) async fn note_refusal_within(
    app: &App,
    sender: &Sender,
    actor: &Actor,
    workspace: &WorkspaceId,
    code: ProblemCode,
) {
    let entry = NewAudit::refused(AuditKind::AccessRefused, code.name()).within(workspace);
    write_refusal(app, sender, ActorRef::from(actor), entry).await;
}

/// Writes into the audit log that somebody was refused of whom nothing is known, unless that address fills it already.
pub(crate) async fn note_refusal(app: &App, sender: &Sender, code: ProblemCode) {
    let entry = NewAudit::refused(AuditKind::AccessRefused, code.name());
    write_refusal(app, sender, ActorRef::ANONYMOUS, entry).await;
}

/// A log that cannot be written changes nothing about a refusal.
async fn write_refusal(app: &App, sender: &Sender, actor: ActorRef, entry: NewAudit) {
    if !app.door().throttle.may_note(app, sender.address) {
        return;
    }
    if let Err(error) = app.store().audit(entry, &sender.by(actor)).await {
        tracing::warn!(error = %error, "a refusal could not be written into the audit log");
    }
}
