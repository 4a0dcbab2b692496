//! Panics of decoders stop here.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::Error;

/// Runs `work`, which reads untrusted bytes of `file`; a panic in it becomes an error.
///
/// The caller must not use again what `work` was changing when it panicked.
pub(crate) fn guarded<T>(file: &str, work: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|payload| {
        Err(Error::DecoderPanicked { file: file.to_owned(), message: message_of(&*payload) })
    })
}

fn message_of(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().copied();
    let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("no message").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_an_error_that_names_the_file() {
        let outcome: Result<(), Error> = guarded("call.ogg", || panic!("index {} too far", 7));

        let text = outcome.unwrap_err().to_string();
        assert_eq!(text, "call.ogg: the decoder gave up (index 7 too far)");
    }
}
