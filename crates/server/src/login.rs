//! Login: at an identity provider by OpenID Connect, or with a password. Whoever gets in gets a session.
//!
//! The routes below `/auth` are those of the conversation sidecar and speak in its words, or show a page to whoever asks for
//! one; they are below `/sidecar` as well.
//!
//! | Module | What it knows |
//! |---|---|
//! | [`ways`] | the providers that are configured |
//! | [`begin`] | the way to a provider |
//! | [`finish`] | the way back, and who comes |
//! | [`password`] | login with a password |
//! | [`session`] | what a session begins and ends with |
//! | [`pages`] | what browsers are shown |
//! | [`administrator`] | the local administrator |
//! | [`state`] | a login that has begun: what ties its end to its beginning |
//! | [`provider`] | one provider: where it sends people, and what it says about who comes back |
//! | [`http`] | the way to the provider |

pub(crate) mod administrator;
pub(crate) mod begin;
pub(crate) mod finish;
pub(crate) mod http;
pub(crate) mod pages;
pub(crate) mod password;
pub(crate) mod provider;
pub(crate) mod session;
pub(crate) mod state;
pub(crate) mod ways;

use hansard_domain::audit::AuditKind;
use hansard_domain::problem::ProblemCode;
use hansard_store::audit::{ActorRef, NewAudit};
use serde_json::json;

use crate::App;
use crate::caller::Sender;
use crate::problem::Problem;
use crate::routes::{Access, Route};

/// Where clients of the conversation sidecar have the routes below `/auth` as well.
const SIDECAR: &str = "/sidecar";

/// The routes of login, wherever they are mounted.
pub(crate) fn routes() -> Vec<Route> {
    let mut routes = vec![
        Route::get("/api/v1/auth/providers", Access::Public, begin::list_providers),
        Route::post("/api/v1/me/identities", Access::own(), begin::link_identity),
    ];
    routes.extend(sidecar());
    routes.extend(sidecar().into_iter().map(|route| route.under(SIDECAR).unlisted()));
    routes
}

fn sidecar() -> Vec<Route> {
    use Access::Public;
    let routes = [
        Route::get("/auth/login", Public, begin::begin_login),
        Route::get("/auth/callback", Public, finish::finish_login),
        Route::get("/auth/simple/login", Public, password::show_form),
        Route::post("/auth/simple/login", Public, password::log_in),
        // They look at the session themselves: who has none is logged out already.
        Route::post("/auth/logout", Public, session::log_out),
        Route::post("/auth/simple/logout", Public, session::log_out_simply),
        Route::get("/auth/user", Public, session::current_user),
    ];
    routes.into_iter().map(|route| route.in_words_for(pages::in_words)).collect()
}

/// Whether people can log in with a password.
///
/// # Errors
/// [`ProblemCode::LoginNotConfigured`] where they cannot log in at all.
async fn has_password_login(app: &App) -> Result<bool, Problem> {
    let has_passwords = app.store().has_passwords().await?;
    if !has_passwords && app.ways().is_empty() {
        return Err(Problem::new(ProblemCode::LoginNotConfigured));
    }
    Ok(has_passwords)
}

/// Writes into the audit log that somebody did not get in, unless that address fills it already. Failures of our own are in
/// the log of the program.
async fn note_failure(app: &App, sender: &Sender, method: Option<&str>, problem: &Problem) {
    let code = problem.code();
    if code.status() >= 500 || !app.door().throttle.may_note(app, sender.address) {
        return;
    }
    let kind = match code {
        ProblemCode::RateLimited => AuditKind::LoginThrottled,
        _ => AuditKind::LoginFailed,
    };
    let entry = NewAudit::refused(kind, code.name());
    let entry = match method {
        Some(method) => entry.with(&json!({ "method": method })),
        None => entry,
    };
    if let Err(error) = app.store().audit(entry, &sender.by(ActorRef::ANONYMOUS)).await {
        tracing::warn!(error = %error, "a login that failed could not be written into the audit log");
    }
}
