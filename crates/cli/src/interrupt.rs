//! Ctrl-C: the first one stops after what is being computed, the second at once.

use anyhow::Context;
use hansard_speech::Cancel;

use crate::exit::Exit;
use crate::output;

/// A switch that Ctrl-C, SIGTERM and SIGHUP throw. A second one ends the program where it stands.
pub(crate) fn on_interrupt() -> anyhow::Result<Cancel> {
    let cancel = Cancel::default();
    let switch = cancel.clone();
    ctrlc::set_handler(move || {
        if switch.is_cancelled() {
            std::process::exit(i32::from(Exit::Interrupted.code()));
        }
        switch.cancel();
        output::note("stopping; once more ends at once");
    })
    .context("cannot listen for Ctrl-C")?;
    Ok(cancel)
}
