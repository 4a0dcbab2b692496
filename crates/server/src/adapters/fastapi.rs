//! FastAPI's words, for the adapters whose originals are made with it: what is read from a request as Pydantic reads it, and
//! problems as `{"detail": ...}`, a sentence or a list of fields, with our code beside it.

mod members;

use axum::body::Body;
use axum::extract::{FromRequestParts, Path, RawPathParams, Request};
use axum::response::{IntoResponse, Response};
use hansard_domain::access::Refusal;
use http::header::{CONTENT_TYPE, HeaderValue, LOCATION};
use http::request::Parts;
use http::{StatusCode, Uri};
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::App;
use crate::extract::{JSON_BYTES_MAX, NO_NUMBER, parse_json, read_body};
use crate::problem::{FieldProblem, Problem, error_code};
use crate::routes::Route;

pub(super) use members::{
    Members, Wrong, boolean, characters, integer, integer_between, kept_text, text,
};

/// What is wrong with a value, in the words of Pydantic.
pub(super) const JSON_INVALID: &str = "JSON decode error";
pub(super) const NO_OBJECT: &str =
    "Input should be a valid dictionary or object to extract fields from";
pub(super) const NO_STRING: &str = "Input should be a valid string";
pub(super) const EMPTY: &str = "String should have at least 1 character";
pub(super) const TOO_LONG: &str = "String is too long";
pub(super) const UNUSABLE: &str = "String should have no control characters";
pub(super) const NO_INTEGER: &str = "Input should be a valid integer";
pub(super) const UNPARSED_INTEGER: &str =
    "Input should be a valid integer, unable to parse string as an integer";
pub(super) const FRACTION: &str =
    "Input should be a valid integer, got a number with a fractional part";
pub(super) const NO_BOOLEAN: &str = "Input should be a valid boolean";
pub(super) const UNPARSED_BOOLEAN: &str =
    "Input should be a valid boolean, unable to interpret input";
pub(super) const NO_LIST: &str = "Input should be a valid list";
pub(super) const NO_URL: &str = "Input should be a valid URL";
pub(super) const OTHER_SCHEME: &str = "URL scheme should be 'http' or 'https'";

/// What messages begin with that end with a bound.
pub(super) const AT_LEAST: &str = "Input should be greater than or equal to ";
pub(super) const AT_MOST: &str = "Input should be less than or equal to ";
pub(super) const CHARACTERS_AT_MOST: &str = "String should have at most ";
pub(super) const ITEMS_AT_LEAST: &str = "List should have at least ";
pub(super) const ITEMS_AT_MOST: &str = "List should have at most ";
pub(super) const ONE_OF: &str = "Input should be one of ";

/// Pydantic's names for what is wrong, by the message, or its beginning.
const KINDS: [(&str, &str); 20] = [
    (JSON_INVALID, "json_invalid"),
    (NO_OBJECT, "model_attributes_type"),
    (NO_STRING, "string_type"),
    (EMPTY, "string_too_short"),
    (TOO_LONG, "string_too_long"),
    (UNUSABLE, "value_error"),
    (UNPARSED_INTEGER, "int_parsing"),
    (FRACTION, "int_from_float"),
    (NO_INTEGER, "int_type"),
    (UNPARSED_BOOLEAN, "bool_parsing"),
    (NO_BOOLEAN, "bool_type"),
    (NO_LIST, "list_type"),
    (NO_URL, "url_parsing"),
    (OTHER_SCHEME, "url_scheme"),
    (AT_LEAST, "greater_than_equal"),
    (AT_MOST, "less_than_equal"),
    (CHARACTERS_AT_MOST, "string_too_long"),
    (ITEMS_AT_LEAST, "too_short"),
    (ITEMS_AT_MOST, "too_long"),
    (ONE_OF, "enum"),
];

/// What our own readers say of forms and paths, and how FastAPI puts it.
const TRANSLATED: [(&str, (&str, &str)); 2] =
    [("needed", ("Field required", "missing")), (NO_NUMBER, (UNPARSED_INTEGER, "int_parsing"))];

/// What those originals say who let only administrators in.
const ADMINS_ONLY: &str = "Admin access required";

/// The body of an error, for the document.
#[derive(ToSchema)]
#[schema(as = FastApiError)]
#[expect(dead_code, reason = "described, never built")]
pub(super) struct ErrorBody {
    /// What is wrong: a sentence, or a list of what is wrong with each field.
    #[schema(value_type = Object)]
    detail: Value,
    /// The stable name of what is wrong.
    code: String,
}

/// What FastAPI makes of `routes`: each answers with a slash at its end as well, and all in FastAPI's words.
pub(super) fn served(routes: impl IntoIterator<Item = Route>) -> Vec<Route> {
    let with_slash = |route: Route| [route.slashed(without_slash), route];
    let all = routes.into_iter().flat_map(with_slash);
    all.map(|route| route.in_words_of(in_fastapi_words)).collect()
}

/// Gives a problem FastAPI's body; any other answer stays as it is.
fn in_fastapi_words(mut response: Response) -> Response {
    let Some(problem) = Problem::take(&mut response) else { return response };
    let body = body_of(&problem).to_string();
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    *response.body_mut() = Body::from(body);
    response
}

fn body_of(problem: &Problem) -> Value {
    let detail = match problem.field_problems() {
        [] if problem.message() == Refusal::Governor.to_string() => Value::from(ADMINS_ONLY),
        [] => Value::from(problem.message()),
        fields => fields.iter().map(field).collect(),
    };
    let mut body = json!({ "detail": detail, "code": problem.code().name() });
    if let Some(code) = error_code(problem.code()) {
        body["success"] = false.into();
        body["error_code"] = code.into();
    }
    body
}

/// A field as FastAPI lists it. `{name}` is a parameter of the path, `?name` one of the query, anything else is in the body.
fn field(field: &FieldProblem) -> Value {
    let FieldProblem { pointer, detail } = field;
    let location: Vec<Value> = if let Some(name) = pointer.strip_prefix('?') {
        vec!["query".into(), name.into()]
    } else if let Some(name) = pointer.strip_prefix('{') {
        vec!["path".into(), name.trim_end_matches('}').into()]
    } else {
        let names = pointer.split('/').filter(|name| !name.is_empty());
        let place = |name: &str| name.parse::<u64>().map_or(Value::from(name), Value::from);
        std::iter::once("body".into()).chain(names.map(place)).collect()
    };
    let translated = TRANSLATED.into_iter().find(|(ours, _)| ours == detail);
    let (message, kind) = match translated {
        Some((_, known)) => known,
        None => {
            let known = KINDS.into_iter().find(|(message, _)| detail.starts_with(message));
            (detail.as_str(), known.map_or("value_error", |(_, kind)| kind))
        }
    };
    json!({ "loc": location, "msg": message, "type": kind })
}

/// The members of a JSON body, whatever type the request states.
///
/// # Errors
/// A problem for a body that is no JSON object, or does not arrive.
pub(super) async fn body(app: &App, request: Request) -> Result<Members, Problem> {
    let bytes = read_body(request.into_body(), JSON_BYTES_MAX).await?;
    if bytes.is_empty() {
        return Err(Problem::field("", "needed"));
    }
    let json = parse_json::<Value>(&bytes, app.settings().json_depth_max);
    Members::of_body(json.map_err(|_| Problem::field("", JSON_INVALID))?)
}

/// The one number in the path.
pub(super) struct Number(pub(super) i64);

impl FromRequestParts<App> for Number {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        match Path::<i64>::from_request_parts(parts, app).await {
            Ok(Path(number)) => Ok(Self(number)),
            Err(_) => Err(no_numbers(parts, app).await),
        }
    }
}

/// The two numbers in the path, in its order.
pub(super) struct Numbers(pub(super) i64, pub(super) i64);

impl FromRequestParts<App> for Numbers {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        match Path::<(i64, i64)>::from_request_parts(parts, app).await {
            Ok(Path((one, other))) => Ok(Self(one, other)),
            Err(_) => Err(no_numbers(parts, app).await),
        }
    }
}

/// The problem of a path with something else where a number belongs.
async fn no_numbers(parts: &mut Parts, app: &App) -> Problem {
    let path = RawPathParams::from_request_parts(parts, app).await.ok();
    let parameters = path.iter().flat_map(RawPathParams::iter);
    let wrong = parameters.filter(|(_, value)| value.parse::<i64>().is_err());
    let field = |(name, _): (&str, &str)| FieldProblem {
        pointer: format!("{{{name}}}"),
        detail: NO_NUMBER.to_owned(),
    };
    Problem::fields(wrong.map(field).collect())
}

/// Sends clients to the address without the slash at its end, as FastAPI does.
async fn without_slash(uri: Uri) -> Response {
    let name = uri.path().trim_end_matches('/').rsplit('/').next().unwrap_or_default();
    let query = uri.query().map_or_else(String::new, |query| format!("?{query}"));
    // Relative, so that it holds behind a proxy that serves this from another path, and names no host whatever the path says.
    let location = format!("../{name}{query}");
    (StatusCode::TEMPORARY_REDIRECT, [(LOCATION, location)]).into_response()
}

#[cfg(test)]
mod tests {
    use hansard_domain::problem::ProblemCode;
    use url::Url;

    use super::*;

    fn listed(pointer: &str, detail: &str) -> Value {
        body_of(&Problem::field(pointer, detail))["detail"][0].clone()
    }

    #[test]
    fn fields_are_listed_as_fastapi_does() {
        let problem = Problem::field("/scenario_id", NO_INTEGER);
        let expected = json!({
            "detail": [{
                "loc": ["body", "scenario_id"], "msg": "Input should be a valid integer", "type": "int_type",
            }],
            "code": "invalid_request",
        });
        assert_eq!(body_of(&problem), expected);

        let missing =
            json!({ "loc": ["body", "file"], "msg": "Field required", "type": "missing" });
        assert_eq!(listed("/file", "needed"), missing);
        let item = listed("/topic_ids/1", UNPARSED_INTEGER);
        assert_eq!(
            (&item["loc"], &item["type"]),
            (&json!(["body", "topic_ids", 1]), &json!("int_parsing"))
        );
        let query = listed("?limit", &format!("{AT_MOST}100"));
        assert_eq!(
            (&query["loc"], &query["type"]),
            (&json!(["query", "limit"]), &json!("less_than_equal"))
        );
        let path = listed("{job_id}", NO_NUMBER);
        let expected =
            json!({ "loc": ["path", "job_id"], "msg": UNPARSED_INTEGER, "type": "int_parsing" });
        assert_eq!(path, expected);
    }

    #[test]
    fn everything_else_is_a_sentence_with_a_code() {
        let problem = Problem::new(ProblemCode::SourceNotFound).detail("the object does not exist");

        let expected = json!({ "detail": "the object does not exist", "code": "source_not_found" });
        assert_eq!(body_of(&problem), expected);
    }

    #[test]
    fn refusals_have_the_words_that_clients_look_for() {
        let governor = Problem::new(ProblemCode::Forbidden).detail(Refusal::Governor.to_string());
        let expected = json!({ "detail": "Admin access required", "code": "forbidden" });
        assert_eq!(body_of(&governor), expected);

        let forged = body_of(&Problem::new(ProblemCode::CsrfTokenMissing));
        assert_eq!(
            (&forged["success"], &forged["error_code"]),
            (&json!(false), &json!("CSRF_TOKEN_MISSING"))
        );
    }

    #[tokio::test]
    async fn a_redirect_stays_on_its_host() {
        let here = Url::parse("https://hansard.example/mxwhisper/jobs/5/").unwrap();
        for (asked, led) in [
            ("/jobs/5/?format=srt&x=/", "../5?format=srt&x=/"),
            ("//evil.example/", "../evil.example"),
            ("/jobs//evil.example/", "../evil.example"),
            ("/jobs/%2F%2Fevil.example/", "../%2F%2Fevil.example"),
            ("/jobs/https:%2F%2Fevil.example/", "../https:%2F%2Fevil.example"),
            ("/jobs/javascript:alert/", "../javascript:alert"),
            ("/", "../"),
        ] {
            let answer = without_slash(asked.parse().unwrap()).await;
            assert_eq!(answer.status(), StatusCode::TEMPORARY_REDIRECT, "{asked}");
            let location = answer.headers()[LOCATION].to_str().unwrap();
            assert_eq!(location, led, "{asked}");
            assert_eq!(here.join(location).unwrap().origin(), here.origin(), "{asked}");
        }
    }
}
