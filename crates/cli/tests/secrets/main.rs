//! No secret leaves: the program runs with every secret that it can have, is asked for everything with each of them, and then
//! all that it has printed, stored, logged and answered is searched.

#![expect(clippy::unwrap_used, reason = "in a test that is how a failure is told")]

#[path = "../it/beside.rs"]
#[expect(dead_code, reason = "other tests need more of it")]
mod beside;
mod http;
mod login;
#[path = "../it/program.rs"]
#[expect(dead_code, reason = "other tests need more of it")]
mod program;

use std::process::{Command, Stdio};
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use hansard_server::declarations;
use hansard_testkit::oidc::{CLIENT_ID, CLIENT_SECRET, OidcProvider};
use hansard_testkit::port::Port;
use hansard_testkit::process::Process;
use hansard_testkit::secrets::Secrets;
use hansard_testkit::tools;
use serde_json::{Value, json};

use beside::{Beside, on_both};
use http::{Answer, Asked, ask};
use login::log_in_at;

/// How long anything may take.
const BOUND: Duration = Duration::from_secs(60);

on_both! {
    no_secret_is_printed_stored_logged_or_answered,
}

/// What the program is told, and what has come of it.
#[derive(Default)]
struct Heard {
    /// Secrets that belong nowhere but into the one answer that gives them out.
    never: Secrets,
    /// Those that the database has to hold, since something is signed with them.
    signing: Secrets,
    /// Those that answers tell their own session's pages, and nothing else holds.
    told: Secrets,
    /// Answers, with the requests that they are to.
    answers: Vec<(String, Vec<u8>)>,
}

/// A secret like those that people set.
fn secret(name: &str) -> String {
    let mut bytes = [0; 30];
    getrandom::fill(&mut bytes).unwrap();
    format!("{name}-{}", BASE64_URL_SAFE_NO_PAD.encode(bytes))
}

impl Heard {
    /// A new secret that belongs nowhere.
    fn secret(&mut self, name: &str) -> String {
        let made = secret(name);
        self.never.keep(name, &made);
        made
    }

    /// Asks the program, and keeps the answer to be searched.
    fn ask(&mut self, address: &str, asked: &Asked<'_>) -> Answer {
        let answer = ask(address, asked);
        let what = format!("the answer to {} {}", asked.method, asked.path);
        self.answers.push((what, answer.bytes.clone()));
        answer
    }

    fn complaints(&self, place: &str, text: &[u8]) -> Vec<String> {
        let mut found = self.never.find(place, text);
        found.extend(self.signing.find(place, text));
        found
    }
}

fn no_secret_is_printed_stored_logged_or_answered(beside: &Beside) {
    let mut heard = Heard::default();
    let port = Port::reserve();
    let home = format!("http://{}", port.address());
    let provider = OidcProvider::start(&format!("{home}/auth/callback"), &format!("{home}/"));
    let settings = settings(&mut heard, &home, provider.issuer());
    let environment: Vec<_> =
        settings.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let run = |args: &[&str], input: &str| run(beside, &environment, args, input);
    let (first, password) = (heard.secret("anas-first-password"), heard.secret("anas-password"));
    let user = ["user", "create", "ana@example.org", "--role", "admin", "--password-stdin"];
    let (_, said_user) = run(&user, &format!("{first}\n"));
    let (_, said_password) =
        run(&["user", "password", "ana@example.org"], &format!("{password}\n"));
    let mut credentials = Vec::new();
    for (name, args) in [
        ("a key", &["token", "create", "key", "--user", "ana@example.org"][..]),
        ("a service token", &["token", "create", "service", "--role", "editor"]),
        ("a signed token", &["token", "create", "signed", "--user", "ana@example.org", "--jwt"]),
    ] {
        let (token, said) = run(args, "");
        heard.never.keep(name, token.trim());
        credentials.push(token.trim().to_owned());
        heard.answers.push((format!("what {args:?} says"), said));
    }
    heard.answers.push(("what user create says".to_owned(), said_user));
    heard.answers.push(("what user password says".to_owned(), said_password));
    let shown = run(&["config", "show"], "");
    heard.answers.push(("config show".to_owned(), [shown.0.into_bytes(), shown.1].concat()));

    let mut serve = beside.command(&["serve", "--bind", &port.address().to_string()]);
    serve.args(["--log-level", "trace"]).envs(environment.iter().copied());
    let service = Process::start(&mut serve);
    let line = service.wait_for_line(BOUND, |line| line.starts_with("listening on http://"));
    let address = line["listening on http://".len()..].to_owned();
    for key in ["API_KEY", "READ_KEY", "ADMIN_KEY", "SUPER_KEY"] {
        credentials.push(environment.iter().find(|(name, _)| *name == key).unwrap().1.to_owned());
    }
    let session = log_in(&mut heard, &address, "ana@example.org", &password);
    let logged_in = log_in_at(&mut heard, &address, &provider);
    let sessions = [session, logged_in.session];
    credentials.push(logged_in.id_token);
    give_secrets_in_wrong_places(&mut heard, &address, &credentials, &environment);
    let made = make_secrets(&mut heard, &address, &credentials[0]);
    credentials.extend(made);
    ask_for_everything(&mut heard, &address, &credentials, &sessions);
    service.terminate();
    assert!(service.wait(BOUND).success(), "{}", service.output());

    let mut complaints = heard.complaints("the output", service.output().as_bytes());
    for (what, answer) in &heard.answers {
        complaints.extend(heard.complaints(what, answer));
    }
    let database = dump(beside);
    for secrets in [&heard.never, &heard.told] {
        complaints.extend(secrets.find_in_folder(&beside.desk.path("data")));
        complaints.extend(secrets.find("the database", &database));
    }
    complaints.extend(heard.told.find("the output", service.output().as_bytes()));
    assert!(
        service.output().contains("TRACE") || service.output().contains("trace"),
        "nothing was traced"
    );
    complaints.sort();
    complaints.dedup();
    assert_eq!(complaints, Vec::<String>::new(), "{} answers", heard.answers.len());
}

/// Every secret that there is a setting for.
fn settings(heard: &mut Heard, home: &str, issuer: &str) -> Vec<(String, String)> {
    let mut settings: Vec<(String, String)> = [
        "API_KEY",
        "READ_KEY",
        "ADMIN_KEY",
        "SUPER_KEY",
        "HANSARD__SERVER__PREVIOUS_API_KEY",
        "SIDE_CAR_SECRET",
        "SIDE_CAR_SECRET_PREVIOUS",
        "WP_SERVER_TOKEN",
        "ADMIN_PASSWORD",
        "SERVICE_ACCOUNT_JWT_SECRET",
        "GOOGLE_CLIENT_SECRET",
        "AUTHENTIK_CLIENT_SECRET",
        "HANSARD__KEYCLOAK__CLIENT_SECRET",
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "OPENAI_API_KEY",
    ]
    .map(|name| (name.to_owned(), heard.secret(name)))
    .into();
    let signing = BASE64_STANDARD.encode(secret("callback"));
    heard.never.keep("the key of callbacks", &signing);
    settings.push(("HANSARD__DELIVERY__CALLBACK_SECRET".to_owned(), format!("whsec_{signing}")));
    heard.never.keep("HANSARD__OIDC__CLIENT_SECRET", CLIENT_SECRET);
    let plain = [
        ("HANSARD__SERVER__PUBLIC_URL", home),
        ("HANSARD__OIDC__CLIENT_ID", CLIENT_ID),
        ("HANSARD__OIDC__CLIENT_SECRET", CLIENT_SECRET),
        ("HANSARD__OIDC__ISSUER_URL", issuer),
        ("HANSARD__OIDC__AUDIENCE", CLIENT_ID),
        ("MOCK_TRANSCRIBE", "1"),
        ("HANSARD__STORE__DATA_DIR", "data"),
        ("S3_BUCKET", "talks"),
        // Nobody is there, and everything that goes wrong is told somewhere.
        ("AWS_ENDPOINT_URL", "http://127.0.0.1:1"),
        ("HANSARD__S3__ALLOW_HTTP", "true"),
        ("WP_SIDE_CAR_CALLBACK", "http://127.0.0.1:1/callback"),
        ("GOOGLE_CLIENT_ID", "hansard"),
        ("HANSARD__GOOGLE__ISSUER", "http://127.0.0.1:1"),
        ("HANSARD__AUTH__ALLOWED_EMAILS", "example.org"),
        ("AUTHENTIK_CLIENT_ID", "hansard"),
        ("AUTHENTIK_ISSUER_URL", "http://127.0.0.1:1/authentik/"),
        ("AUTHENTIK_EXPECTED_AUDIENCE", "hansard"),
        ("HANSARD__KEYCLOAK__CLIENT_ID", "hansard"),
        ("HANSARD__KEYCLOAK__ISSUER_URL", "http://127.0.0.1:1/keycloak"),
        // Each of many requests shows a wrong one, and all of them are to be answered.
        ("HANSARD__LIMITS__REQUESTS_PER_MINUTE", "0"),
        ("HANSARD__LIMITS__ANONYMOUS_PER_MINUTE", "0"),
        ("HANSARD__LIMITS__FAILURES_PER_ADDRESS", "0"),
    ];
    settings.extend(plain.map(|(name, value)| (name.to_owned(), value.to_owned())));
    settings
}

/// What a command prints for programs, and what else it says.
fn run(
    beside: &Beside,
    environment: &[(&str, &str)],
    args: &[&str],
    input: &str,
) -> (String, Vec<u8>) {
    let mut command = beside.command(args);
    let command = command.envs(environment.iter().copied()).stdin(Stdio::piped());
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{args:?}: {said}");
    (String::from_utf8(output.stdout).unwrap(), output.stderr)
}

/// Logs in with wrong passwords, then with the right one, and returns the session's cookie, which is a secret from then on.
fn log_in(heard: &mut Heard, address: &str, email: &str, password: &str) -> String {
    let form = |password: &str| {
        let encode = |text: &str| {
            percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC)
                .to_string()
        };
        format!("email={}&password={}", encode(email), encode(password))
    };
    let wrong = heard.secret("a wrong password");
    for body in [form(&wrong), format!("email={wrong}&password={wrong}")] {
        heard.ask(address, &Asked::form("/auth/simple/login", &body));
    }
    // Its cookies are for the browser alone: this answer is where they belong.
    let answer = ask(address, &Asked::form("/auth/simple/login", &form(password)));
    let session = answer.cookie("session_token").unwrap_or_else(|| panic!("{}", answer.text()));
    heard.never.keep("a session", &session);
    session
}

/// Shows secrets where they do not belong, as people do who have misread something.
fn give_secrets_in_wrong_places(
    heard: &mut Heard,
    address: &str,
    credentials: &[String],
    environment: &[(&str, &str)],
) {
    let setting = |name: &str| environment.iter().find(|(known, _)| *known == name).unwrap().1;
    let (shared, wrong) = (setting("SIDE_CAR_SECRET"), heard.secret("a wrong secret"));
    for secret in [shared, &wrong] {
        let body =
            json!({ "secret": secret, "object_key": "a.webm", "wait": false, "token": secret });
        heard.ask(address, &Asked::json("POST", "/process-s3", &body));
        let body = json!({ "secret": [secret], "object_key": { "is": secret } });
        heard.ask(address, &Asked::json("POST", "/process-s3", &body));
    }
    for credential in credentials.iter().chain([&wrong]) {
        heard.ask(address, &Asked::get(&format!("/api/v1/recordings?api_key={credential}")));
        heard.ask(address, &Asked::get(&format!("/api/v1/recordings/{credential}")));
        heard.ask(address, &Asked::get(&format!("/{credential}")));
        let asked = Asked::json("POST", "/api/v1/tokens", &json!({ "token": credential }));
        heard.ask(address, &asked.with("authorization", &format!("Basic {credential}")));
    }
    for callback in ["code", "state", "error"] {
        heard.ask(address, &Asked::get(&format!("/auth/callback?{callback}={wrong}")));
    }
}

/// Makes what is shown once: in those answers it belongs, and nowhere else.
fn make_secrets(heard: &mut Heard, address: &str, key: &str) -> Vec<String> {
    let made = |path: &str, body: &Value, member: &str| {
        let asked = Asked::json("POST", path, body);
        let answer = ask(address, &asked.with("authorization", &format!("Bearer {key}")));
        let json: Value = serde_json::from_str(answer.body()).unwrap_or_default();
        let secret = json[member].as_str().unwrap_or_else(|| panic!("{path}: {}", answer.text()));
        (secret.to_owned(), json["id"].as_str().unwrap().to_owned())
    };
    let (token, id) = made("/api/v1/tokens", &json!({ "name": "by hand" }), "token");
    heard.never.keep("a key made by the API", &token);
    let rotate = format!("/api/v1/tokens/{id}/rotate");
    let (rotated, _) = made(&rotate, &json!({ "overlap": "1h" }), "token");
    heard.never.keep("a rotated key", &rotated);
    let hook = json!({ "url": "https://receiver.example/hook" });
    let (signing, _) = made("/api/v1/webhooks/endpoints", &hook, "secret");
    heard.signing.keep("the secret of an endpoint", signing.trim_start_matches("whsec_"));
    vec![token, rotated]
}

/// Every route, with every credential, in each place that credentials have.
fn ask_for_everything(
    heard: &mut Heard,
    address: &str,
    credentials: &[String],
    sessions: &[String],
) {
    for route in declarations() {
        let waits = route.path.contains("/audio/trans") || route.path.contains("transcribe-upload");
        let ends = route.method == "DELETE" && route.path.contains("sessions");
        if waits || ends || route.path.contains("logout") {
            continue;
        }
        let segments =
            route.path.split('/').map(|one| if one.starts_with('{') { "1" } else { one });
        let path = segments.collect::<Vec<_>>().join("/");
        let method = route.method.as_str();
        for credential in credentials {
            let bearer = format!("Bearer {credential}");
            heard.ask(address, &Asked::of(method, &path).with("authorization", &bearer));
            heard.ask(
                address,
                &Asked::of(method, &path).with("x-api-key", &format!("{credential}x")),
            );
        }
        for session in sessions {
            let cookie = format!("session_token={session}");
            heard.ask(address, &Asked::of(method, &path).with("cookie", &cookie));
        }
    }
}

/// All rows of the database; those of SQLite lie in a file that is searched as it is.
fn dump(beside: &Beside) -> Vec<u8> {
    if beside.url.starts_with("sqlite") {
        return std::fs::read(beside.desk.path("own.db")).unwrap();
    }
    let mut dump = Command::new(tools::postgres_bin().join("pg_dump"));
    let output = dump.args(["--data-only", "--dbname", &beside.url]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}
