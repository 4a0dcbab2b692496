//! Problems in OpenAI's words: `{"error": {"message", "type", "param", "code"}}`.

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use hansard_domain::problem::ProblemCode;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{HeaderName, StatusCode};
use serde::Serialize;
use utoipa::ToSchema;

use crate::problem::Problem;

/// Tells OpenAI's clients, which repeat most failures by themselves, not to.
const SHOULD_RETRY: HeaderName = HeaderName::from_static("x-should-retry");

/// The body of an error.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OpenAiError)]
pub(super) struct ErrorBody {
    error: ErrorView,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OpenAiErrorDetail)]
struct ErrorView {
    message: String,
    r#type: &'static str,
    param: Option<String>,
    code: &'static str,
}

impl ErrorBody {
    /// What clients are told of `problem`.
    pub(super) fn of(problem: &Problem) -> Self {
        let code = problem.code();
        let (kind, code) = match status_of(problem).as_u16() {
            401 => ("invalid_request_error", "invalid_api_key"),
            429 => ("requests", "rate_limit_exceeded"),
            500.. => ("server_error", code.name()),
            _ => ("invalid_request_error", code.name()),
        };
        let param = problem.field_problems().first().map(|field| field.pointer.as_str());
        let param = param.map(|pointer| pointer.trim_start_matches('/').to_owned());
        Self {
            error: ErrorView { message: problem.message().to_owned(), r#type: kind, param, code },
        }
    }
}

/// The status that OpenAI has for a problem: it knows one for whatever is wrong with a request.
fn status_of(problem: &Problem) -> StatusCode {
    match problem.status() {
        StatusCode::UNPROCESSABLE_ENTITY | StatusCode::UNSUPPORTED_MEDIA_TYPE => {
            StatusCode::BAD_REQUEST
        }
        status => status,
    }
}

/// Gives a problem OpenAI's status and body; any other answer stays as it is.
pub(super) fn in_openai_words(mut response: Response) -> Response {
    let Some(problem) = Problem::take(&mut response) else { return response };
    let body = serde_json::to_string(&ErrorBody::of(&problem)).expect("an error has text keys");
    *response.status_mut() = status_of(&problem);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    *response.body_mut() = Body::from(body);
    response
}

/// The answer where a job has ended without a result: it has had its attempts, and another request would start them anew.
pub(super) fn final_answer(problem: Problem) -> Response {
    ([(SHOULD_RETRY, "false")], problem).into_response()
}

/// A model that nobody here has.
pub(super) fn no_such_model(asked: &str) -> Problem {
    Problem::new(ProblemCode::ModelNotFound).detail(format!(
        "the model `{asked}` does not exist here; GET /v1/models lists those that do"
    ))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn told(problem: Problem) -> (u16, serde_json::Value) {
        let body = serde_json::to_value(ErrorBody::of(&problem)).unwrap();
        (in_openai_words(problem.into_response()).status().as_u16(), body["error"].clone())
    }

    #[test]
    fn what_is_wrong_with_a_request_is_400_with_its_field() {
        let (status, error) = told(Problem::field("/temperature", "expected a number from 0 to 1"));

        assert_eq!(status, 400);
        let expected = json!({
            "message": "temperature: expected a number from 0 to 1", "type": "invalid_request_error",
            "param": "temperature", "code": "invalid_request",
        });
        assert_eq!(error, expected);
    }

    #[test]
    fn keys_and_limits_have_openais_names() {
        let (status, error) = told(Problem::new(ProblemCode::Unauthorized));
        assert_eq!((status, &error["code"]), (401, &json!("invalid_api_key")));
        let (status, error) = told(Problem::new(ProblemCode::QueueFull));
        assert_eq!((status, &error["code"]), (429, &json!("rate_limit_exceeded")));
        let (status, error) = told(Problem::new(ProblemCode::DatabaseUnavailable));
        assert_eq!((status, &error["type"]), (503, &json!("server_error")));
        assert_eq!(error["param"], json!(null));
    }

    #[test]
    fn other_answers_stay_as_they_are() {
        let answer = in_openai_words((StatusCode::CREATED, "text").into_response());

        assert_eq!(answer.status(), StatusCode::CREATED);
        assert_eq!(answer.headers()[CONTENT_TYPE], "text/plain; charset=utf-8");
    }
}
