//! For callers without a runtime.

use std::future::Future;

use crate::Error;

/// Runs `future` to its end on this thread, on a runtime of its own.
///
/// Does not wait for what the future left behind, as a look-up of a name that nobody needs any more. Must not be called
/// from asynchronous code: that has a runtime already, and blocking it would stop others.
pub fn wait<T>(future: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(Error::Runtime)?;
    let outcome = runtime.block_on(future);
    runtime.shutdown_background();
    outcome
}
