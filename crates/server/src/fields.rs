//! The named values of a request, from JSON or from a form, read one by one.
//!
//! Reading goes on after a mistake, so that a caller learns of all of them at once; a value that nobody asked for is a
//! mistake too. The same code reads both kinds of body: what can be said in one can be said in the other.

use std::collections::BTreeMap;
use std::time::Duration;

use hansard_domain::problem::ProblemCode;
use serde_json::Value;

use crate::problem::{FieldProblem, Problem};

/// What a form says for "yes" and "no".
const YES: [&str; 4] = ["true", "1", "yes", "on"];
const NO: [&str; 4] = ["false", "0", "no", "off"];

/// The values of a request by name.
#[derive(Debug, Default)]
pub(crate) struct Fields {
    values: BTreeMap<String, Value>,
    /// Whether values are text whatever they mean.
    is_form: bool,
    problems: Vec<FieldProblem>,
}

impl Fields {
    /// The members of a JSON object. One that is `null` is not given.
    ///
    /// # Errors
    /// For JSON that is no object.
    pub(crate) fn of_json(json: Value) -> Result<Self, Problem> {
        let mut fields = Self::of_patch(json)?;
        fields.values.retain(|_, value| !value.is_null());
        Ok(fields)
    }

    /// The members of a JSON object that changes another one (RFC 7396), where `null` is something to say.
    ///
    /// # Errors
    /// For JSON that is no object.
    pub(crate) fn of_patch(json: Value) -> Result<Self, Problem> {
        match json {
            Value::Object(members) => {
                Ok(Self { values: members.into_iter().collect(), ..Self::default() })
            }
            _ => Err(Problem::new(ProblemCode::InvalidRequest).detail("expected a JSON object")),
        }
    }

    /// The fields of a form. One that is given twice is a mistake.
    pub(crate) fn of_form(fields: impl IntoIterator<Item = (String, String)>) -> Self {
        let mut form = Self { is_form: true, ..Self::default() };
        for (name, text) in fields {
            if form.values.contains_key(&name) {
                form.refuse(&name, "given more than once");
            }
            form.values.insert(name, Value::String(text));
        }
        form
    }

    /// All values as one text, in the same order whatever their order was: equal requests have equal texts.
    pub(crate) fn canonical(&self) -> String {
        serde_json::to_string(&self.values).expect("JSON has text keys")
    }

    /// Notes what is wrong with the value called `name`.
    pub(crate) fn refuse(&mut self, name: &str, detail: impl Into<String>) {
        let name = name.replace('~', "~0").replace('/', "~1");
        self.refuse_at(&format!("/{name}"), detail);
    }

    /// Notes what is wrong at a place within a value.
    pub(crate) fn refuse_at(&mut self, pointer: &str, detail: impl Into<String>) {
        self.problems.push(FieldProblem { pointer: pointer.to_owned(), detail: detail.into() });
    }

    /// Whether there is a value called `name` that was not read yet.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.values.contains_key(name)
    }

    /// The value called `name`, whatever it is.
    pub(crate) fn take(&mut self, name: &str) -> Option<Value> {
        self.values.remove(name)
    }

    /// What a patch says about the value called `name`: nothing, that it goes (`Some(None)`), or what `read` makes of it.
    pub(crate) fn change<T>(
        &mut self,
        name: &str,
        read: impl FnOnce(&mut Self, &str) -> Option<T>,
    ) -> Option<Option<T>> {
        match self.values.get(name)? {
            Value::Null => {
                self.take(name);
                Some(None)
            }
            _ => read(self, name).map(Some),
        }
    }

    /// A text of 1 to `characters_max` characters without control characters.
    pub(crate) fn text(&mut self, name: &str, characters_max: usize) -> Option<String> {
        let Value::String(text) = self.take(name)? else {
            self.refuse(name, "expected a text");
            return None;
        };
        // An empty field of a form is one that was not filled in.
        if text.is_empty() && self.is_form {
            return None;
        }
        let is_plain = |c: char| !c.is_control() || matches!(c, '\n' | '\r' | '\t');
        if text.is_empty() || text.chars().count() > characters_max || !text.chars().all(is_plain) {
            self.refuse(
                name,
                format!(
                    "expected 1 to {characters_max} characters, none of them a control character"
                ),
            );
            return None;
        }
        Some(text)
    }

    /// A yes or a no; no where nothing is said.
    pub(crate) fn flag(&mut self, name: &str) -> bool {
        match self.take(name) {
            None => false,
            Some(Value::Bool(flag)) => flag,
            Some(Value::String(text)) if self.is_form => {
                let text = text.to_ascii_lowercase();
                let is_yes = YES.contains(&text.as_str());
                if !is_yes && !text.is_empty() && !NO.contains(&text.as_str()) {
                    self.refuse(name, "expected true or false");
                }
                is_yes
            }
            Some(_) => {
                self.refuse(name, "expected true or false");
                false
            }
        }
    }

    /// A number from `min` to `max`.
    pub(crate) fn number(&mut self, name: &str, min: f64, max: f64) -> Option<f64> {
        let number = match self.take(name)? {
            Value::String(text) if self.is_form && text.is_empty() => return None,
            Value::String(text) if self.is_form => text.trim().parse().ok(),
            value => value.as_f64(),
        };
        let number = number.filter(|number| (min..=max).contains(number));
        if number.is_none() {
            self.refuse(name, format!("expected a number from {min} to {max}"));
        }
        number
    }

    /// A duration, as `24h` or `1day 12h`, up to `max`.
    pub(crate) fn duration(&mut self, name: &str, max: Duration) -> Option<Duration> {
        let value = self.take(name)?;
        let given = value.as_str().and_then(|text| humantime::parse_duration(text).ok());
        let given = given.filter(|duration| *duration <= max);
        if given.is_none() {
            let max = humantime::format_duration(max);
            self.refuse(name, format!("expected a duration as 24h or 90d, at most {max}"));
        }
        given
    }

    /// A whole number from `min` to `max`.
    pub(crate) fn integer(&mut self, name: &str, min: i64, max: i64) -> Option<i64> {
        let number = match self.take(name)? {
            Value::String(text) if self.is_form && text.is_empty() => return None,
            Value::String(text) if self.is_form => text.trim().parse().ok(),
            value => value.as_i64(),
        };
        let number = number.filter(|number| (min..=max).contains(number));
        if number.is_none() {
            self.refuse(name, format!("expected a whole number from {min} to {max}"));
        }
        number
    }

    /// One of the names in `all`.
    pub(crate) fn choice<T: Copy>(
        &mut self,
        name: &str,
        all: &[T],
        name_of: impl Fn(T) -> &'static str,
    ) -> Option<T> {
        let value = self.take(name)?;
        let found = value
            .as_str()
            .and_then(|text| all.iter().copied().find(|choice| name_of(*choice) == text));
        let is_left_open = self.is_form && value.as_str() == Some("");
        if found.is_none() && !is_left_open {
            let names: Vec<_> = all.iter().map(|choice| name_of(*choice)).collect();
            self.refuse(name, format!("expected one of {}", names.join(", ")));
        }
        found
    }

    /// A JSON object of at most `bytes_max` bytes, as text; in a form, the text of one.
    pub(crate) fn object(&mut self, name: &str, bytes_max: usize) -> Option<String> {
        let object = match self.take(name)? {
            Value::Object(object) => Some(object),
            Value::String(text) if self.is_form && text.is_empty() => return None,
            Value::String(text) if self.is_form => serde_json::from_str(&text).ok(),
            _ => None,
        };
        let Some(object) = object else {
            self.refuse(name, "expected a JSON object");
            return None;
        };
        let text = Value::Object(object).to_string();
        // PostgreSQL cannot keep NUL in a text.
        if text.len() > bytes_max || text.contains("\\u0000") {
            self.refuse(name, format!("expected at most {bytes_max} bytes, and no NUL character"));
            return None;
        }
        Some(text)
    }

    /// Ends the reading.
    ///
    /// # Errors
    /// All mistakes, and the values that nobody asked for.
    pub(crate) fn finish(mut self) -> Result<(), Problem> {
        let unknown: Vec<String> = self.values.keys().cloned().collect();
        for name in unknown {
            self.refuse(&name, "there is no such field");
        }
        if self.problems.is_empty() { Ok(()) } else { Err(Problem::fields(self.problems)) }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn all_mistakes_are_told_at_once() {
        let json = json!({"title": "", "words": 1, "temperature": 2, "size": "big", "flavour": 1});
        let mut fields = Fields::of_json(json).unwrap();

        fields.text("title", 10);
        fields.flag("words");
        fields.number("temperature", 0.0, 1.0);
        fields.choice("size", &["small", "large"], |name| name);

        let problem = fields.finish().unwrap_err();
        let Some(FieldProblem { pointer, .. }) = problem.field_problems().last() else { panic!() };
        assert_eq!(problem.field_problems().len(), 5);
        assert_eq!(pointer, "/flavour");
    }

    #[test]
    fn a_form_says_the_same_as_json() {
        let fields = [("words", "TRUE"), ("temperature", " 0.5"), ("metadata", "{\"a\": 1}")];
        let mut form =
            Fields::of_form(fields.map(|(name, text)| (name.to_owned(), text.to_owned())));
        let json = json!({"words": true, "temperature": 0.5, "metadata": {"a": 1}, "prompt": null});
        let mut json = Fields::of_json(json).unwrap();

        for fields in [&mut form, &mut json] {
            assert!(fields.flag("words"));
            assert_eq!(fields.number("temperature", 0.0, 1.0), Some(0.5));
            assert_eq!(fields.object("metadata", 100).as_deref(), Some("{\"a\":1}"));
        }
        assert!(form.finish().is_ok() && json.finish().is_ok());
    }

    #[test]
    fn a_whole_number_is_within_its_bounds() {
        let json = json!({"one": 1, "many": 10, "half": 1.5, "text": "1"});
        let mut fields = Fields::of_json(json).unwrap();

        assert_eq!(fields.integer("one", 1, 9), Some(1));
        for name in ["many", "half", "text", "none"] {
            assert_eq!(fields.integer(name, 1, 9), None, "{name}");
        }
        assert_eq!(fields.finish().unwrap_err().field_problems().len(), 3);
    }

    #[test]
    fn a_patch_tells_null_from_nothing() {
        let mut fields = Fields::of_patch(json!({"title": null, "name": "x", "note": 7})).unwrap();
        let text = |fields: &mut Fields, name: &str| fields.text(name, 10);

        assert_eq!(fields.change("title", text), Some(None));
        assert_eq!(fields.change("name", text), Some(Some("x".to_owned())));
        assert_eq!(fields.change("other", text), None);
        assert_eq!(fields.change("note", text), None);
        assert_eq!(fields.finish().unwrap_err().field_problems()[0].pointer, "/note");
    }

    #[test]
    fn json_does_not_guess_at_types() {
        let mut fields = Fields::of_json(json!({"words": "true", "temperature": "0.5"})).unwrap();

        assert!(!fields.flag("words"));
        assert_eq!(fields.number("temperature", 0.0, 1.0), None);
        assert!(fields.finish().is_err());
    }
}
