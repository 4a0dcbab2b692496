//! Problems in FastAPI's words: `{"detail": ...}`, a sentence or a list of fields, with our code beside it.

use axum::body::Body;
use axum::response::Response;
use http::header::{CONTENT_TYPE, HeaderValue};
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::problem::{FieldProblem, Problem};

/// What is wrong with a field, in the words of Pydantic: its name for it, and its message.
const MISSING: (&str, &str) = ("missing", "Field required");
pub(super) const JSON_INVALID: (&str, &str) = ("json_invalid", "JSON decode error");
pub(super) const NO_OBJECT: (&str, &str) = (
    "model_attributes_type",
    "Input should be a valid dictionary or object to extract fields from",
);
pub(super) const NO_STRING: (&str, &str) = ("string_type", "Input should be a valid string");
pub(super) const EMPTY: (&str, &str) =
    ("string_too_short", "String should have at least 1 character");
pub(super) const TOO_LONG: (&str, &str) = ("string_too_long", "String is too long");
pub(super) const UNUSABLE: (&str, &str) =
    ("value_error", "String should have no control characters");
pub(super) const NO_INTEGER: (&str, &str) = ("int_type", "Input should be a valid integer");
pub(super) const UNPARSED_INTEGER: (&str, &str) =
    ("int_parsing", "Input should be a valid integer, unable to parse string as an integer");
pub(super) const FRACTION: (&str, &str) =
    ("int_from_float", "Input should be a valid integer, got a number with a fractional part");
pub(super) const NO_BOOLEAN: (&str, &str) = ("bool_type", "Input should be a valid boolean");
pub(super) const NO_URL: (&str, &str) = ("url_parsing", "Input should be a valid URL");
pub(super) const OTHER_SCHEME: (&str, &str) =
    ("url_scheme", "URL scheme should be 'http' or 'https'");

const KINDS: [(&str, &str); 12] = [
    JSON_INVALID,
    NO_OBJECT,
    NO_STRING,
    EMPTY,
    TOO_LONG,
    UNUSABLE,
    NO_INTEGER,
    UNPARSED_INTEGER,
    FRACTION,
    NO_BOOLEAN,
    NO_URL,
    OTHER_SCHEME,
];

/// The body of an error, for the document.
#[derive(ToSchema)]
#[schema(as = SalesTrainerError)]
#[expect(dead_code, reason = "described, never built")]
pub(super) struct ErrorBody {
    /// What is wrong: a sentence, or a list of what is wrong with each field.
    #[schema(value_type = Object)]
    detail: Value,
    /// The stable name of what is wrong.
    code: String,
}

/// Gives a problem FastAPI's body; any other answer stays as it is.
pub(super) fn in_fastapi_words(mut response: Response) -> Response {
    let Some(problem) = Problem::take(&mut response) else { return response };
    let body = body_of(&problem).to_string();
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    *response.body_mut() = Body::from(body);
    response
}

fn body_of(problem: &Problem) -> Value {
    let detail = match problem.field_problems() {
        [] => Value::from(problem.message()),
        fields => fields.iter().map(field).collect(),
    };
    json!({ "detail": detail, "code": problem.code().name() })
}

fn field(field: &FieldProblem) -> Value {
    let FieldProblem { pointer, detail } = field;
    let place = pointer.split('/').filter(|name| !name.is_empty());
    let location: Vec<&str> = std::iter::once("body").chain(place).collect();
    let known = KINDS.into_iter().find(|(_, message)| message == detail);
    let (kind, message) = match known {
        Some(known) => known,
        // What the reader of forms says.
        None if detail == "needed" => MISSING,
        None => ("value_error", detail.as_str()),
    };
    json!({ "loc": location, "msg": message, "type": kind })
}

#[cfg(test)]
mod tests {
    use hansard_domain::problem::ProblemCode;

    use super::*;

    #[test]
    fn fields_are_listed_as_fastapi_does() {
        let problem = Problem::field("/scenario_id", NO_INTEGER.1);
        let expected = json!({
            "detail": [{
                "loc": ["body", "scenario_id"], "msg": "Input should be a valid integer", "type": "int_type",
            }],
            "code": "invalid_request",
        });
        assert_eq!(body_of(&problem), expected);

        let detail = &body_of(&Problem::field("/file", "needed"))["detail"][0];
        let expected =
            json!({ "loc": ["body", "file"], "msg": "Field required", "type": "missing" });
        assert_eq!(*detail, expected);
    }

    #[test]
    fn everything_else_is_a_sentence_with_a_code() {
        let problem = Problem::new(ProblemCode::SourceNotFound).detail("the object does not exist");

        let expected = json!({ "detail": "the object does not exist", "code": "source_not_found" });
        assert_eq!(body_of(&problem), expected);
    }
}
