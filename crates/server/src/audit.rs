//! What handlers write into the audit log: that something was deleted, or taken away.
//!
//! Changes of who may do what are written by the store, in their own transactions; refusals by the door.

use hansard_domain::audit::AuditKind;
use hansard_domain::id::Id;
use hansard_store::audit::NewAudit;
use serde_json::json;

use crate::App;
use crate::caller::Caller;
use crate::problem::Problem;

/// Says in the log that `caller` has deleted `subject`. It is gone, whether or not the log can be written.
pub(crate) async fn note_deleted(app: &App, caller: &Caller, subject: &impl Id) {
    let entry = NewAudit::done(AuditKind::ObjectDeleted).about(subject).within(caller.workspace());
    if let Err(error) = app.store().audit(entry, &caller.by()).await {
        tracing::warn!(error = %error, subject = %subject, "the deletion of {subject} could not be written into the audit log");
    }
}

/// Says in the log that `caller` takes `subject` away: as `media`, or in the format of a transcript.
///
/// # Errors
/// Where the log cannot be written: nothing leaves unseen.
pub(crate) async fn note_exported(
    app: &App,
    caller: &Caller,
    subject: &impl Id,
    form: &str,
) -> Result<(), Problem> {
    let entry = NewAudit::done(AuditKind::ObjectExported).about(subject);
    let entry = NewAudit { data: json!({ "form": form }).to_string(), ..entry };
    Ok(app.store().audit(entry.within(caller.workspace()), &caller.by()).await?)
}
