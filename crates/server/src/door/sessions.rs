//! Sessions: people who have logged in, known by the ticket in their browser's cookie.

use hansard_domain::access::Actor;
use hansard_store::TOUCH_EVERY;
use http::request::Parts;

use crate::App;
use crate::caller::{Caller, CurrentSession, Sender};
use crate::door::{seat, wanted_workspace};
use crate::problem::Problem;
use crate::ticket::Ticket;

/// Whose session `ticket` opens; `None` if it opens none any more.
pub(crate) async fn resolve(
    app: &App,
    ticket: Ticket,
    parts: &Parts,
    sender: &Sender,
) -> Result<Option<Caller>, Problem> {
    let Some((session, user)) = app.store().find_session(&ticket.hash()).await? else {
        return Ok(None);
    };
    let wanted = wanted_workspace(parts)?;
    let principal = seat(app, Actor::User(user.id.clone()), &user, wanted.as_ref()).await?;
    if session.last_seen_at <= app.clock().now().before(TOUCH_EVERY) {
        let idle = app.settings().admission.session_idle;
        if let Err(error) = app.store().touch_session(&session.id, idle).await {
            tracing::warn!(error = %error, "the use of a session could not be noted");
        }
    }
    let current = CurrentSession { id: session.id, ticket };
    Ok(Some(Caller::new(principal, sender.clone()).with_session(current)))
}
