//! Passwords as they come in: from standard input, so that neither the list of processes nor a shell's history has them.

use std::io::{self, IsTerminal, Read};

use hansard_server::hash_password;

use crate::exit::{Exit, Failure};

/// More than any password has.
const BYTES_MAX: u64 = 4_096;

/// The hash of the password in the first line of standard input.
pub(super) fn hash_from_stdin() -> Result<String, Failure> {
    let mut input = io::stdin();
    if input.is_terminal() {
        let message = "the password would be seen; put it in a file, and use < FILE";
        return Err(Failure::usage(message.to_owned()));
    }
    let password = first_line(&mut input)?;
    hash_password(&password).map_err(|error| Failure::new(Exit::Usage, error))
}

/// The first line of `input`, without its end.
fn first_line(input: &mut impl Read) -> Result<String, Failure> {
    let mut text = String::new();
    let read = input.take(BYTES_MAX).read_to_string(&mut text);
    read.map_err(|error| {
        let error = anyhow::Error::new(error).context("no password could be read");
        Failure::new(Exit::Usage, error)
    })?;
    Ok(text.lines().next().unwrap_or_default().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_one_line_as_it_was_typed() {
        let read = |mut input: &[u8]| first_line(&mut input).ok();

        for ended in ["", "\n", "\r\n", "\nanother line"] {
            let input = format!(" with space ä {ended}");
            assert_eq!(read(input.as_bytes()).as_deref(), Some(" with space ä "), "{ended:?}");
        }
        assert_eq!(read(b"").as_deref(), Some(""));
        assert_eq!(read(b"\xff\xfe"), None);
    }
}
