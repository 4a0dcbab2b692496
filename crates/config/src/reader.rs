//! From the values that won to typed settings, with every problem on the way.

use crate::layers::{Given, Values};
use crate::problems::{Origin, Place, Problem};
use crate::setting::Setting;
use crate::table;
use crate::value::{Refusal, Value, without_credentials};

/// Reads settings by key and collects what is wrong with them.
pub(crate) struct Reader {
    values: Values,
    problems: Vec<Problem>,
}

impl Reader {
    /// Goes on from values, and from the problems of finding them.
    pub(crate) fn new(values: Values, problems: Vec<Problem>) -> Self {
        Self { values, problems }
    }

    /// The value of a setting; when it cannot be used there is a problem, and the default stands in.
    pub(crate) fn read<T: Value>(&mut self, key: &'static str) -> T {
        let setting = table::by_key(key).expect("every field has its line in the table");
        if let Some(given) = self.values.get(key) {
            match parse::<T>(setting, &given.text) {
                Ok(value) => return value,
                Err(message) => self.refuse(setting, message),
            }
        }
        match setting.rule.default {
            Some(default) => T::parse(default).expect("every default is a value"),
            None => T::absent().expect("a setting without default may be absent"),
        }
    }

    /// What was given for a setting, if anything was.
    pub(crate) fn given(&self, key: &str) -> Option<&Given> {
        self.values.get(key)
    }

    /// Says that settings do not go together; the first is the one to change.
    ///
    /// When one of them is wrong by itself, its default stands in and the relation means nothing.
    pub(crate) fn refuse_together(&mut self, keys: &[&'static str], message: &str) {
        let is_about = |problem: &Problem, key: &str| {
            let named = problem.key.as_deref().and_then(table::meaning_of_key);
            named.is_some_and(|meaning| meaning.setting.key == key)
        };
        if keys.iter().any(|key| self.problems.iter().any(|problem| is_about(problem, key))) {
            return;
        }
        let first = keys.first().and_then(|key| table::by_key(key));
        let setting = first.expect("relations are between settings of the table");
        self.refuse(setting, message.to_owned());
    }

    /// All values and problems.
    pub(crate) fn finish(self) -> (Values, Vec<Problem>) {
        (self.values, self.problems)
    }

    fn refuse(&mut self, setting: &Setting, message: String) {
        let given = self.values.get(setting.key);
        self.problems.push(Problem {
            key: Some(setting.key.to_owned()),
            value: Some(shown(setting, given)),
            origin: Place::Value(given.map_or(Origin::Default, |given| given.origin.clone())),
            message,
        });
    }
}

fn parse<T: Value>(setting: &Setting, text: &str) -> Result<T, String> {
    let value = T::parse(text).map_err(|refusal| match refusal {
        Refusal::Unexpected => setting.expectation(),
        Refusal::Because(reason) => reason,
    })?;
    let Some((least, most)) = setting.rule.bounds else { return Ok(value) };
    let bound = |text| T::parse(text).expect("every bound is a value");
    if value.is_within(&bound(least), &bound(most)) {
        Ok(value)
    } else {
        Err(setting.expectation())
    }
}

/// The value as people may see it.
pub(crate) fn shown(setting: &Setting, given: Option<&Given>) -> String {
    match (given, setting.rule.default) {
        (Some(_), _) if setting.is_secret() => "(set)".to_owned(),
        (Some(given), _) => without_credentials(&given.text),
        (None, Some(default)) => default.to_owned(),
        (None, None) => "(unset)".to_owned(),
    }
}
