//! The members of a request, read one by one as Pydantic's models read them: those that nobody knows do no harm, and reading goes
//! on after a mistake.

use std::borrow::Cow;

use serde_json::{Map, Number, Value};
use url::form_urlencoded;

use super::{
    AT_LEAST, AT_MOST, CHARACTERS_AT_MOST, EMPTY, FRACTION, NO_BOOLEAN, NO_INTEGER, NO_OBJECT,
    NO_STRING, UNPARSED_BOOLEAN, UNPARSED_INTEGER, UNUSABLE,
};
use crate::problem::{FieldProblem, Problem};

/// What is wrong with a value, in the words of Pydantic.
pub(in crate::adapters) type Wrong = Cow<'static, str>;

/// What a text says for "yes" and "no".
const YES: [&str; 6] = ["true", "1", "yes", "on", "t", "y"];
const NO: [&str; 6] = ["false", "0", "no", "off", "f", "n"];

/// The members of a body or a query.
#[derive(Debug)]
pub(in crate::adapters) struct Members {
    members: Map<String, Value>,
    /// What the name of a member begins with in a list of mistakes.
    place: char,
    problems: Vec<FieldProblem>,
}

impl Members {
    /// The members of a JSON object.
    ///
    /// # Errors
    /// For JSON that is no object.
    pub(in crate::adapters) fn of_body(body: Value) -> Result<Self, Problem> {
        match body {
            Value::Object(members) => Ok(Self { members, place: '/', problems: Vec::new() }),
            _ => Err(Problem::field("", NO_OBJECT)),
        }
    }

    /// The parameters after the question mark. Of one that is given twice, the last counts.
    pub(in crate::adapters) fn of_query(query: Option<&str>) -> Self {
        let pairs = form_urlencoded::parse(query.unwrap_or_default().as_bytes());
        let members = pairs.map(|(name, text)| (name.into_owned(), text.into_owned().into()));
        Self { members: members.collect(), place: '?', problems: Vec::new() }
    }

    /// The value called `name` as `read` reads it; `None` for one that is not there, null or wrong.
    pub(in crate::adapters) fn optional<T, E: Into<Wrong>>(
        &mut self,
        name: &str,
        read: impl FnOnce(Value) -> Result<T, E>,
    ) -> Option<T> {
        let value = self.members.remove(name).filter(|value| !value.is_null())?;
        read(value).map_err(|message| self.refuse(name, message)).ok()
    }

    /// The value called `name` as `read` reads it; one that is not there is a mistake. `None` for mistakes alone.
    pub(in crate::adapters) fn required<T, E: Into<Wrong>>(
        &mut self,
        name: &str,
        read: impl FnOnce(Value) -> Result<T, E>,
    ) -> Option<T> {
        match self.members.remove(name) {
            None => {
                self.refuse(name, "needed");
                None
            }
            Some(value) => read(value).map_err(|message| self.refuse(name, message)).ok(),
        }
    }

    /// What is said about the value called `name`: nothing, that it goes (`Some(None)`), or what `read` makes of it.
    pub(in crate::adapters) fn change<T, E: Into<Wrong>>(
        &mut self,
        name: &str,
        read: impl FnOnce(Value) -> Result<T, E>,
    ) -> Option<Option<T>> {
        if self.members.get(name)?.is_null() {
            self.members.remove(name);
            return Some(None);
        }
        self.optional(name, read).map(Some)
    }

    /// Notes what is wrong with the value called `name`.
    pub(in crate::adapters) fn refuse(&mut self, name: &str, message: impl Into<Wrong>) {
        let (pointer, detail) = (format!("{}{name}", self.place), message.into().into_owned());
        self.problems.push(FieldProblem { pointer, detail });
    }

    /// Ends the reading.
    ///
    /// # Errors
    /// All mistakes.
    pub(in crate::adapters) fn finish(self) -> Result<(), Problem> {
        if self.problems.is_empty() { Ok(()) } else { Err(Problem::fields(self.problems)) }
    }
}

/// A text without control characters.
pub(in crate::adapters) fn text(value: Value) -> Result<String, &'static str> {
    match value {
        Value::String(text) if text.contains(char::is_control) => Err(UNUSABLE),
        Value::String(text) => Ok(text),
        _ => Err(NO_STRING),
    }
}

/// A text of 1 to `max` characters without control characters.
pub(in crate::adapters) fn characters(max: usize) -> impl Fn(Value) -> Result<String, Wrong> {
    move |value| {
        let text = text(value)?;
        match text.chars().count() {
            0 => Err(EMPTY.into()),
            count if count > max => Err(format!("{CHARACTERS_AT_MOST}{max} characters").into()),
            _ => Ok(text),
        }
    }
}

/// A text of several lines and up to `max` characters; an empty one is none.
pub(in crate::adapters) fn kept_text(
    max: usize,
) -> impl Fn(Value) -> Result<Option<String>, Wrong> {
    move |value| {
        let Value::String(text) = value else { return Err(NO_STRING.into()) };
        let is_plain = |c: char| !c.is_control() || matches!(c, '\n' | '\r' | '\t');
        if !text.chars().all(is_plain) {
            return Err(UNUSABLE.into());
        }
        if text.chars().count() > max {
            return Err(format!("{CHARACTERS_AT_MOST}{max} characters").into());
        }
        Ok(Some(text).filter(|text| !text.is_empty()))
    }
}

/// A whole number, or the text of one, as PHP's clients and queries have it, or a yes or no, which are 1 and 0.
pub(in crate::adapters) fn integer(value: Value) -> Result<i64, &'static str> {
    match value {
        Value::Bool(flag) => Ok(flag.into()),
        Value::Number(number) => whole(&number).ok_or(FRACTION),
        Value::String(text) => whole_of(&text).ok_or(UNPARSED_INTEGER),
        _ => Err(NO_INTEGER),
    }
}

/// A whole number from `min` to `max`.
pub(in crate::adapters) fn integer_between(
    min: i64,
    max: i64,
) -> impl Fn(Value) -> Result<i64, Wrong> {
    move |value| match integer(value)? {
        number if number < min => Err(format!("{AT_LEAST}{min}").into()),
        number if number > max => Err(format!("{AT_MOST}{max}").into()),
        number => Ok(number),
    }
}

fn whole(number: &Number) -> Option<i64> {
    let float = || number.as_f64().filter(|float| float.fract() == 0.0);
    // `as` saturates; nobody counts so far.
    number.as_i64().or_else(|| float().map(|float| float as i64))
}

/// The number that a text tells: it may have a sign, underscores between its digits, and zeros behind a point.
fn whole_of(text: &str) -> Option<i64> {
    let text = text.trim();
    let digits = match text.split_once('.') {
        Some((digits, zeros)) if !zeros.is_empty() && zeros.bytes().all(|b| b == b'0') => digits,
        Some(_) => return None,
        None => text,
    };
    let unsigned = digits.strip_prefix(['+', '-']).unwrap_or(digits);
    if unsigned.split('_').any(str::is_empty) {
        return None;
    }
    digits.replace('_', "").parse().ok()
}

/// A yes or a no, or the number or text of one.
pub(in crate::adapters) fn boolean(value: Value) -> Result<bool, &'static str> {
    match value {
        Value::Bool(flag) => Ok(flag),
        Value::String(text) => {
            let text = text.to_ascii_lowercase();
            let is_yes = YES.contains(&text.as_str());
            if is_yes || NO.contains(&text.as_str()) { Ok(is_yes) } else { Err(UNPARSED_BOOLEAN) }
        }
        Value::Number(number) => match whole(&number) {
            Some(0) => Ok(false),
            Some(1) => Ok(true),
            Some(_) => Err(UNPARSED_BOOLEAN),
            None => Err(NO_BOOLEAN),
        },
        _ => Err(NO_BOOLEAN),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn members_are_read_and_every_mistake_is_told() {
        let body = json!({ "name": "x", "note": null, "count": "7", "big": 11, "flag": "off", "other": [] });
        let mut body = Members::of_body(body).unwrap();

        assert_eq!(body.required("name", characters(5)).as_deref(), Some("x"));
        assert_eq!(body.change("note", kept_text(5)), Some(None));
        assert_eq!(body.change("gone", kept_text(5)), None);
        assert_eq!(body.optional("count", integer), Some(7));
        assert_eq!(body.optional("flag", boolean), Some(false));
        assert_eq!(body.optional("big", integer_between(1, 10)), None);
        assert_eq!(body.required("title", text), None);

        let problem = body.finish().unwrap_err();
        let pairs: Vec<_> = problem
            .field_problems()
            .iter()
            .map(|field| (&*field.pointer, &*field.detail))
            .collect();
        assert_eq!(
            pairs,
            [("/big", "Input should be less than or equal to 10"), ("/title", "needed")]
        );
    }

    #[test]
    fn a_query_is_read_from_texts() {
        let mut query = Members::of_query(Some("limit=5&limit=0&is_public=true&x=%C3%A9+1"));

        assert_eq!(query.optional("is_public", boolean), Some(true));
        assert_eq!(query.optional("x", text).as_deref(), Some("\u{e9} 1"));
        assert_eq!(query.optional("limit", integer_between(1, 100)), None);

        let problem = query.finish().unwrap_err();
        assert_eq!(problem.field_problems()[0].pointer, "?limit");
        assert!(Members::of_query(None).finish().is_ok());
    }

    #[test]
    fn numbers_are_taken_in_every_form_that_pydantic_takes() {
        let five =
            [json!(5), json!(5.0), json!("5"), json!(" +5\n"), json!("005.00"), json!("0_5")];
        for value in five {
            assert_eq!(integer(value.clone()), Ok(5), "{value}");
        }
        assert_eq!(integer(json!("-1_000.0")), Ok(-1_000));
        assert_eq!((integer(json!(true)), integer(json!(false))), (Ok(1), Ok(0)));
        for text in ["", "-", "5.", ".0", "5.5", "1__0", "_1", "1_", "1_.0", "+-5", "1e3", "0x5"] {
            assert_eq!(integer(json!(text)), Err(UNPARSED_INTEGER), "{text}");
        }
        assert_eq!(integer(json!(5.5)), Err(FRACTION));
        assert_eq!(integer(json!([])), Err(NO_INTEGER));
    }

    #[test]
    fn a_yes_or_no_is_taken_in_every_form_that_pydantic_takes() {
        for yes in [json!(true), json!(1), json!(1.0), json!("TRUE"), json!("Yes"), json!("t")] {
            assert_eq!(boolean(yes.clone()), Ok(true), "{yes}");
        }
        for no in [json!(false), json!(0), json!(0.0), json!(-0.0), json!("oFF"), json!("0")] {
            assert_eq!(boolean(no.clone()), Ok(false), "{no}");
        }
        for neither in [json!(2), json!(-1), json!(2.0), json!(""), json!(" on"), json!("1.0")] {
            assert_eq!(boolean(neither.clone()), Err(UNPARSED_BOOLEAN), "{neither}");
        }
        for other in [json!(1.5), json!(null), json!([])] {
            assert_eq!(boolean(other.clone()), Err(NO_BOOLEAN), "{other}");
        }
    }

    #[test]
    fn texts_have_their_bounds() {
        assert_eq!(characters(3)(json!("\u{e9}\u{e9}\u{e9}")).as_deref(), Ok("\u{e9}\u{e9}\u{e9}"));
        for wrong in [json!(""), json!("four"), json!("a\nb"), json!(7)] {
            assert!(characters(3)(wrong.clone()).is_err(), "{wrong}");
        }
        assert_eq!(kept_text(3)(json!("a\nb")), Ok(Some("a\nb".to_owned())));
        assert_eq!(kept_text(3)(json!("")), Ok(None));
        assert!(kept_text(3)(json!("a\0")).is_err() && kept_text(3)(json!("four")).is_err());
    }
}
