//! What browsers are shown of a login: plain pages without scripts, and problems in the sidecar's words for everybody else.

use std::fmt::Write;
use std::sync::LazyLock;

use axum::body::Body;
use axum::response::{Html, IntoResponse, Response};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use http::header::{
    ACCEPT, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderMap, HeaderValue, REFERRER_POLICY,
};
use http::{StatusCode, Uri};
use ring::digest::{SHA256, digest};
use serde_json::{Value, json};
use url::Url;
use utoipa::ToSchema;

use crate::cors::origin_of;
use crate::problem::{Problem, error_code};

/// How the pages look. It stands in each page: a page that says that something is wrong loads nothing else.
const STYLE: &str = "\
:root{color-scheme:light dark;font:1rem/1.5 system-ui,sans-serif}\
body{margin:0;display:grid;min-height:100vh;place-items:center}\
main{box-sizing:border-box;width:100%;max-width:24rem;padding:2rem}\
h1{font-size:1.5rem;line-height:1.2}\
label,input,button,li a{display:block;box-sizing:border-box;width:100%;margin:0 0 .5rem}\
input,button,li a{padding:.625rem .75rem;font:inherit;border:1px solid #767676;border-radius:.375rem}\
button{margin-top:1rem;cursor:pointer}\
ul{padding:0;list-style:none}\
li a{text-align:center;text-decoration:none;color:inherit}\
:focus-visible{outline:3px solid #1a73e8;outline-offset:2px}\
[role=alert]{padding:.625rem .75rem;border-left:4px solid #c5221f}";

/// What lets browsers take [`STYLE`] for ours, by its digest.
static STYLE_SOURCE: LazyLock<String> = LazyLock::new(|| {
    format!("'sha256-{}'", BASE64_STANDARD.encode(digest(&SHA256, STYLE.as_bytes())))
});

/// An error below `/auth`, for the document.
#[derive(ToSchema)]
#[schema(as = LoginError)]
#[expect(dead_code, reason = "described, never built")]
pub(crate) struct ErrorBody {
    /// What is wrong: a sentence, or a list of what is wrong with each field.
    #[schema(value_type = Object)]
    detail: Value,
    /// The stable name of what is wrong.
    code: String,
}

/// A way to log in.
pub(super) struct Choice {
    /// What people see.
    pub(super) label: String,
    /// Where it begins, from where the page is.
    pub(super) href: String,
}

/// Whether whoever sends a request with these headers wants to see a page.
pub(super) fn is_wanted(headers: &HeaderMap) -> bool {
    let lines = headers.get_all(ACCEPT).into_iter().filter_map(|line| line.to_str().ok());
    let mut ranges = lines.flat_map(|line| line.split(','));
    ranges.any(|range| {
        let kind = range.split(';').next().unwrap_or_default();
        kind.trim().eq_ignore_ascii_case("text/html")
    })
}

/// Shows a problem as a page, or tells it in the sidecar's words; any other answer stays as it is.
pub(super) fn in_words(uri: &Uri, headers: &HeaderMap, mut response: Response) -> Response {
    let Some(problem) = Problem::take(&mut response) else { return response };
    if is_wanted(headers) {
        let text = problem.message();
        let code = problem.code();
        let mut body = format!("<p role=\"alert\">{}</p>\n", Escaped(text));
        writeln!(body, "<p><a href=\"{}login\">Log in</a></p>", way_up(uri.path()))
            .expect("writing into a string cannot fail");
        return put(response, &page(code.title(), &body), None);
    }
    let body = words_of(&problem).to_string();
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    *response.body_mut() = Body::from(body);
    response
}

/// A problem as the sidecar tells it, with our code beside it; CultoTranscript's clients look for more with some.
fn words_of(problem: &Problem) -> Value {
    let detail = match problem.field_problems() {
        [] => Value::from(problem.message()),
        fields => fields
            .iter()
            .map(|field| {
                let name = field.pointer.trim_start_matches('/');
                json!({ "loc": ["body", name], "msg": "Field required", "type": "missing" })
            })
            .collect(),
    };
    let mut words = json!({ "detail": detail, "code": problem.code().name() });
    if let Some(code) = error_code(problem.code()) {
        words["success"] = false.into();
        words["error_code"] = code.into();
    }
    words
}

/// A page with ways to log in.
pub(super) fn choices(choices: &[Choice]) -> Response {
    let mut body = String::from("<ul>\n");
    for Choice { label, href } in choices {
        writeln!(body, "<li><a href=\"{}\">Log in with {}</a></li>", Escaped(href), Escaped(label))
            .expect("writing into a string cannot fail");
    }
    body.push_str("</ul>\n");
    put(StatusCode::OK.into_response(), &page("Log in", &body), None)
}

/// The page with the form for a password. `token` goes along hidden; `refused` is why the last try came to nothing. A login
/// leads on to the `front_end`, which browsers have to be told of.
pub(super) fn password_form(
    token: &str,
    email: &str,
    refused: Option<Problem>,
    front_end: Option<&Url>,
) -> Response {
    let alert = refused.as_ref().map_or(String::new(), |problem| {
        format!("<p role=\"alert\">{}</p>\n", Escaped(problem.message()))
    });
    // Without an action, the form goes to where it is, with the path to return to.
    let body = format!(
        "{alert}<form method=\"post\">\n\
         <input type=\"hidden\" name=\"csrf_token\" value=\"{}\">\n\
         <label for=\"email\">E-mail address</label>\n\
         <input id=\"email\" name=\"email\" type=\"email\" autocomplete=\"username\" required value=\"{}\">\n\
         <label for=\"password\">Password</label>\n\
         <input id=\"password\" name=\"password\" type=\"password\" autocomplete=\"current-password\" required>\n\
         <button type=\"submit\">Log in</button>\n\
         </form>\n",
        Escaped(token),
        Escaped(email),
    );
    let mut response = match refused {
        None => StatusCode::OK.into_response(),
        Some(problem) => problem.into_response(),
    };
    Problem::take(&mut response);
    put(response, &page("Log in", &body), front_end)
}

/// A page as a whole.
fn page(title: &str, body: &str) -> String {
    let title = Escaped(title);
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{title} - Hansard</title>\n<style>{STYLE}</style>\n</head>\n\
         <body>\n<main>\n<h1>{title}</h1>\n{body}</main>\n</body>\n</html>\n"
    )
}

/// Puts `page` into `response`, of which status and headers stay. Its forms go to this service, and from there to
/// `front_end`: browsers hold the policy against redirects too.
fn put(mut response: Response, page: &str, front_end: Option<&Url>) -> Response {
    let style = &*STYLE_SOURCE;
    let beyond = front_end.map_or(String::new(), |url| format!(" {}", origin_of(url)));
    let policy = format!(
        "default-src 'none'; style-src {style}; form-action 'self'{beyond}; base-uri 'none'; \
         frame-ancestors 'none'"
    );
    let policy = HeaderValue::from_str(&policy).expect("an origin is visible ASCII");
    let (shown, body) = Html(page.to_owned()).into_response().into_parts();
    let headers = response.headers_mut();
    headers.extend(shown.headers);
    headers.insert(CONTENT_SECURITY_POLICY, policy);
    // Without any referrer, browsers call the origin of the form `null` too, and that is what other pages look like.
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    *response.body_mut() = body;
    response
}

/// The way from a page at `path` to where the login begins: relative, so that it holds behind a proxy that serves this from
/// another path.
fn way_up(path: &str) -> &'static str {
    if path.contains("/simple/") { "../" } else { "" }
}

/// Text in a page.
struct Escaped<T>(T);

impl<T: std::fmt::Display> std::fmt::Display for Escaped<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for char in self.0.to_string().chars() {
            match char {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                char => f.write_char(char)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use hansard_domain::problem::ProblemCode;

    use super::*;

    fn accepts(line: &str) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_str(line).unwrap());
        is_wanted(&headers)
    }

    #[test]
    fn browsers_want_pages_and_programs_do_not() {
        assert!(accepts("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"));
        assert!(accepts("application/json, TEXT/HTML;q=0.1"));
        for other in ["*/*", "application/json", "text/*", "text/htmlx", ""] {
            assert!(!accepts(other), "{other}");
        }
        assert!(!is_wanted(&HeaderMap::new()));
    }

    #[test]
    fn nothing_that_is_shown_becomes_part_of_the_page() {
        let odd = "<script>alert(\"'&'\")</script>";
        let escaped = "&lt;script&gt;alert(&quot;&#39;&amp;&#39;&quot;)&lt;/script&gt;";
        assert_eq!(Escaped(odd).to_string(), escaped);
    }

    #[test]
    fn programs_are_told_in_the_words_of_the_originals() {
        let state = Problem::new(ProblemCode::LoginStateInvalid).detail("Invalid state parameter");
        let expected =
            json!({ "detail": "Invalid state parameter", "code": "login_state_invalid" });
        assert_eq!(words_of(&state), expected);

        let forged = words_of(&Problem::new(ProblemCode::CsrfTokenMissing));
        assert_eq!(forged["success"], false);
        assert_eq!(forged["error_code"], "CSRF_TOKEN_MISSING");

        let missing = words_of(&Problem::field("/email", "needed"));
        let expected =
            json!([{ "loc": ["body", "email"], "msg": "Field required", "type": "missing" }]);
        assert_eq!(missing["detail"], expected);
    }
}
