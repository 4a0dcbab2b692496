//! Sessions: people who have logged in, known by the ticket in their browser's cookie.

use hansard_store::TOUCH_EVERY;
use hansard_store::sessions::Session;
use hansard_store::users::User;
use http::request::Parts;

use crate::App;
use crate::caller::{Caller, CurrentSession, Sender};
use crate::door::{seat, wanted_workspace};
use crate::problem::Problem;
use crate::ticket::Ticket;

/// The session that `ticket` opens, and its user; `None` if it opens none any more. Notes that it was used.
pub(crate) async fn find(app: &App, ticket: &Ticket) -> Result<Option<(Session, User)>, Problem> {
    let found = app.store().find_session(&ticket.hash()).await?;
    if let Some((session, _)) = &found
        && session.last_seen_at <= app.clock().now().before(TOUCH_EVERY)
    {
        let idle = app.settings().admission.session_idle;
        // A database that cannot be written is no reason to refuse somebody who only reads.
        if let Err(error) = app.store().touch_session(&session.id, idle).await {
            tracing::warn!(error = %error, "the use of a session could not be noted");
        }
    }
    Ok(found)
}

/// Whose session `ticket` opens; `None` if it opens none any more.
pub(crate) async fn resolve(
    app: &App,
    ticket: Ticket,
    parts: &Parts,
    sender: &Sender,
) -> Result<Option<Caller>, Problem> {
    let Some((session, user)) = find(app, &ticket).await? else { return Ok(None) };
    let wanted = wanted_workspace(parts)?;
    let principal = seat(app, sender, &user, wanted.as_ref()).await?;
    let current = CurrentSession { id: session.id, ticket };
    Ok(Some(Caller::new(principal, sender.clone()).with_session(current)))
}
