//! Text that both databases keep: PostgreSQL has no NUL character in a text.

use std::borrow::Cow;

use serde_json::{Map, Value};

use crate::Error;

/// Bytes of the name of a user, a workspace or a token, and of an e-mail address.
pub const NAME_BYTES_MAX: usize = 320;

/// Refuses a `value` that a column cannot hold; `name` says which one it is.
pub(crate) fn check(name: &str, value: Option<&str>) -> Result<(), Error> {
    match value {
        Some(value) if value.contains('\0') => {
            Err(Error::Invalid(format!("the {name} has a NUL character")))
        }
        _ => Ok(()),
    }
}

/// Refuses what is no name for a thing or a person: blank text, and text of more than [`NAME_BYTES_MAX`] bytes.
pub(crate) fn check_name(name: &str, value: &str) -> Result<(), Error> {
    check(name, Some(value))?;
    if value.trim().is_empty() || value.len() > NAME_BYTES_MAX {
        let reason = format!("the {name} is empty or has more than {NAME_BYTES_MAX} bytes");
        return Err(Error::Invalid(reason));
    }
    Ok(())
}

/// Refuses text that is not a JSON object.
pub(crate) fn check_object(name: &str, value: &str) -> Result<(), Error> {
    match serde_json::from_str::<Map<String, Value>>(value) {
        Ok(_) => Ok(()),
        Err(_) => Err(Error::Invalid(format!("the {name} is not a JSON object"))),
    }
}

/// `values` as one value of a statement: a JSON array of texts or numbers.
pub(crate) fn list<T: Into<Value>>(values: impl IntoIterator<Item = T>) -> String {
    Value::from_iter(values).to_string()
}

/// The names of which one is wanted, as statements look for it: each between spaces, or nothing at all where any will do.
pub(crate) fn choice<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    names.into_iter().map(|name| format!(" {name} ")).collect()
}

/// The same text, with the character for the unknown in place of NUL: for reports that must not fail.
pub(crate) fn without_nul(text: &str) -> Cow<'_, str> {
    if text.contains('\0') {
        Cow::Owned(text.replace('\0', "\u{FFFD}"))
    } else {
        Cow::Borrowed(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nul_is_refused_or_replaced() {
        assert_eq!(
            check("title", Some("a\0b")).unwrap_err().to_string(),
            "the title has a NUL character"
        );
        assert!(check("title", Some("a b")).is_ok() && check("title", None).is_ok());
        assert_eq!(without_nul("a\0b"), "a\u{FFFD}b");
    }

    #[test]
    fn a_name_is_neither_blank_nor_endless() {
        assert!(check_name("name", &"a".repeat(NAME_BYTES_MAX)).is_ok());
        for refused in ["", " \n", "a\0", &"a".repeat(NAME_BYTES_MAX + 1)] {
            assert!(check_name("name", refused).is_err(), "{refused:?}");
        }
    }

    #[test]
    fn a_list_is_a_json_array() {
        assert_eq!(list(["a", "\"b"]), r#"["a","\"b"]"#);
        assert_eq!(list([7, -1]), "[7,-1]");
        assert_eq!(list::<&str>([]), "[]");
    }

    #[test]
    fn each_name_of_a_choice_stands_between_spaces() {
        assert_eq!(choice(["link", "public"]), " link  public ");
        assert_eq!(choice([]), "");
    }

    #[test]
    fn only_a_json_object_is_one() {
        assert!(check_object("metadata", r#"{"a": [1, "\u0000"]}"#).is_ok());
        for text in ["", "[]", "1", "{", "{\"a\":\0}"] {
            assert!(check_object("metadata", text).is_err(), "{text:?}");
        }
    }
}
