//! The language of a recording as it is given on the command line.

/// The code of a language given by code or English name in any case; `auto` is `None`: detect it.
///
/// # Errors
/// A message for the command line when there is no such language.
pub(crate) fn parse(given: &str) -> Result<Option<String>, String> {
    if given.eq_ignore_ascii_case("auto") {
        return Ok(None);
    }
    hansard_domain::language::code_of(given)
        .map(|code| Some(code.to_owned()))
        .ok_or_else(|| "give a code as `pt`, a name as `Portuguese`, or `auto`".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_language_or_its_detection_can_be_asked_for() {
        assert_eq!(parse("Portuguese"), Ok(Some("pt".to_owned())));
        assert_eq!(parse("Auto"), Ok(None));
        assert!(parse("klingon").is_err());
    }
}
