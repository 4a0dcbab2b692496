//! What is refused, and what its author is told.

use hansard_config::FileSource;

use crate::setup::Setup;

#[test]
fn everything_that_is_wrong_is_said_at_once() {
    let setup = Setup::new()
        .toml(
            "[server]\nbind = \"localhost\"\nbnd = \"x\"\n\
             [jobs]\nworkers = 0\nlease = \"10s\"\n\
             [serve]\nbind = 1\n",
        )
        .env_file("LOG_LEVEL=loud\n")
        .variable("HANSARD__JOBS__WORKRS", "2")
        .variable("MAX_FILE_SIZE", "huge")
        .flag("--engine", "engine.kind", "gpu");

    assert_eq!(
        setup.problems(),
        [
            "serve (hansard.toml): there is no such section; there are server, auth, google, authentik, keycloak, \
             oidc, limits, audit, store, media, s3, net, jobs, engine, delivery, salestrainer, mxwhisper, log",
            "server.bnd (hansard.toml): there is no such setting; did you mean server.bind?",
            "HANSARD__JOBS__WORKRS (environment variable HANSARD__JOBS__WORKRS): there is no such setting; did you mean \
             HANSARD__JOBS__WORKERS?",
            "server.bind = localhost (hansard.toml): expected an IP address and a port, such as 127.0.0.1:8080 or [::]:8080",
            "server.max_file_size = huge (environment variable MAX_FILE_SIZE): expected a size such as 1GiB, 512MB or \
             1048576, from 1 to 16TiB",
            "jobs.workers = 0 (hansard.toml): expected a whole number, from 1 to 256",
            "engine.kind = gpu (flag --engine): expected auto, whisper, openai or fake",
            "log.level = loud (LOG_LEVEL in .env): expected a level such as info or warning, or a list such as \
             info,hansard_store=debug",
            "jobs.lease = 10s (hansard.toml): expected more than three times jobs.heartbeat",
        ]
    );
    let all = setup.load().unwrap_err().to_string();
    assert!(
        all.starts_with("the configuration cannot be used:\n  serve (")
            && all.lines().count() == 10
    );
}

#[test]
fn names_that_disagree_are_an_error_within_a_layer() {
    let setup = Setup::new()
        .variable("HANSARD__STORE__DATABASE_URL", "sqlite:///c.db")
        .variable("DATABASE_URL", "sqlite:///a.db")
        .variable("DB_URL", "sqlite:///b.db")
        .variable("AWS_REGION", "eu-west-1")
        .variable("AWS_DEFAULT_REGION", "eu-west-2");
    assert_eq!(
        setup.problems(),
        [
            "s3.region = eu-west-1 (environment variable AWS_REGION): environment variable AWS_DEFAULT_REGION sets it to \
             another value",
            "store.database_url = (set) (environment variable DB_URL): environment variable DATABASE_URL sets it to another \
             value",
            "store.database_url = (set) (environment variable HANSARD__STORE__DATABASE_URL): environment variable \
             DATABASE_URL sets it to another value",
        ]
    );

    let layered =
        Setup::new().env_file("DB_URL=sqlite:///b.db").variable("DATABASE_URL", "sqlite:///a.db");
    layered.config();
    let twice = Setup::new().env_file("PORT=1\nPORT=2\n");
    assert_eq!(
        twice.problems(),
        ["server.port = 2 (PORT in .env): PORT in .env sets it to another value"]
    );
}

#[test]
fn an_address_that_others_reach_needs_a_key() {
    let wide = || Setup::new().flag("--bind", "server.bind", "0.0.0.0:8080");
    assert_eq!(
        wide().problems(),
        [
            "server.bind = 0.0.0.0:8080 (flag --bind): an address that others reach needs credentials: set \
             server.api_key, a provider to log in with, or auth.required = true; without them, listen on 127.0.0.1"
        ]
    );
    wide().variable("API_KEY", "zebra-key").config();
    wide().variable("READ_KEY", "zebra-key").config();
    wide().variable("HANSARD__AUTH__REQUIRED", "true").config();
    let tokens = || wide().variable("AUTHENTIK_ISSUER_URL", "https://id.example.org");
    assert_eq!(tokens().problems().len(), 1, "nobody logs in there, and no token of it counts");
    tokens().variable("AUTHENTIK_EXPECTED_AUDIENCE", "hansard").config();
    for address in ["[::1]:0", "127.9.9.9:80", "[::ffff:127.0.0.1]:80"] {
        Setup::new().flag("--bind", "server.bind", address).config();
    }
}

#[test]
fn a_default_in_place_of_a_wrong_value_causes_no_further_problem() {
    let setup = Setup::new().toml("[server]\nbind = \"0.0.0.0:80\"\napi_key = \"changeme\"\n");
    assert_eq!(
        setup.problems(),
        [
            "server.api_key = (set) (hansard.toml): this value is known to everybody; choose a random one"
        ]
    );
}

#[test]
fn settings_that_do_not_go_together_are_refused() {
    for (toml, key) in [
        ("[jobs]\nheartbeat = \"10s\"", "jobs.lease"),
        ("[jobs]\nbackoff_first = \"10m\"", "jobs.backoff_first"),
        ("[server]\nprevious_api_key = \"zebra\"", "server.previous_api_key"),
        ("[server]\napi_key = \"zebra\"\nread_key = \"zebra\"", "server.api_key"),
        ("[server]\ncsrf_exempt_paths = [\"/\"]", "server.csrf_exempt_paths"),
        ("[server]\ncsrf_exempt_paths = [\"hooks\"]", "server.csrf_exempt_paths"),
        ("[auth]\nadmin_password = \"zebra\"", "auth.admin_password"),
        ("[auth]\nallowed_emails = [\"ana@b@c\"]", "auth.allowed_emails"),
        ("[google]\nclient_id = \"g\"\nclient_secret = \"zebra\"", "google.client_id"),
        ("[keycloak]\nclient_secret = \"zebra\"", "keycloak.client_secret"),
        (
            "[keycloak]\nclient_id = \"k\"\nissuer_url = \"https://id.example\"",
            "keycloak.client_id",
        ),
        ("[oidc]\naudience = \"hansard\"", "oidc.audience"),
        ("[authentik]\nexpected_audience = \"hansard\"", "authentik.expected_audience"),
        ("[mxwhisper]\nservice_secret = \"zebra\"", "mxwhisper.service_secret"),
        (
            "[server]\nbind = \"0.0.0.0:80\"\n[auth]\nadmin_password = \"zebra-zebra-zebra\"",
            "server.public_url",
        ),
        (
            "[server]\npublic_url = \"http://hansard.lan\"\n[auth]\nadmin_password = \"zebra-zebra-zebra\"",
            "server.public_url",
        ),
        ("[salestrainer]\nprevious_secret = \"zebra\"", "salestrainer.previous_secret"),
        ("[media]\nplace = \"s3\"", "media.place"),
        ("[engine]\nkind = \"openai\"", "engine.kind"),
        ("[log]\ntarget = \"file\"", "log.target"),
        ("[s3]\naccess_key_id = \"zebra\"", "s3.access_key_id"),
        ("[s3]\nsecret_access_key = \"zebra\"", "s3.secret_access_key"),
        ("[s3]\nsession_token = \"zebra\"", "s3.session_token"),
        ("[s3]\nendpoint_url = \"http://minio:9000\"", "s3.endpoint_url"),
        ("[s3]\nallow_http = true", "s3.allow_http"),
        (
            "[store]\nconnections_max = 4\ndatabase_url = \"postgres://h/d\"\n[jobs]\nworkers = 4",
            "store.connections_max",
        ),
    ] {
        let problems = Setup::new().toml(toml).load().expect_err(toml).0;
        let keys: Vec<_> = problems.iter().filter_map(|problem| problem.key.as_deref()).collect();
        assert_eq!(keys, [key], "{toml}");
    }
    let own_service = "[engine]\nkind = \"openai\"\nopenai_base_url = \"http://127.0.0.1:9000/v1\"";
    Setup::new().toml(own_service).config();
}

#[test]
fn only_a_file_that_was_named_has_to_be_there() {
    Setup::new().config();
    let setup = Setup::new();
    std::fs::create_dir(setup.path(".env")).unwrap();
    setup.config();

    let mut setup = Setup::new();
    let missing = FileSource { path: setup.path("missing"), is_required: true };
    setup.sources().file = missing.clone();
    setup.sources().env_file = missing;
    let problems = setup.problems();
    assert_eq!(problems.len(), 2);
    assert!(problems.iter().all(|problem| problem.starts_with("missing: cannot be read: ")));
}

#[test]
fn a_file_that_cannot_be_parsed_is_named_with_its_line() {
    let toml = Setup::new().toml("[server]\nport = 80\napi_key = \"zebra\n").problems();
    assert!(toml[0].starts_with("hansard.toml, line 3: "), "{toml:?}");

    let expected = "expected NAME=value, with quotes around a value with spaces";
    for text in ["PORT=80\nAPI_KEY=zebra stripes\n", "PORT=80\nzebra\n"] {
        let problems = Setup::new().env_file(text).problems();
        assert_eq!(problems, [format!(".env, line 2: {expected}")], "{text}");
    }
}

#[test]
fn lines_of_other_programs_stop_nothing() {
    let theirs =
        "APP_NAME=Sales Trainer\nexport LOG_FORMAT=%H \\d\nCACHE=${REDIS:-redis://a}\nPRICE=$5\n";
    let config = Setup::new().env_file(&format!("{theirs}PORT=81\n")).config();
    assert_eq!(config.server.bind.port(), 81);

    for (text, line) in [
        // The second value is the same, and ours.
        ("APP_NAME=Sales Trainer\nAPI_KEY=Sales Trainer\n", 2),
        // One of ours is made of it.
        ("NAME=Sales Trainer\nAPI_KEY=${NAME}\n", 1),
        // A setting that there might be.
        ("HANSARD__SERVER__APIKEY=Sales Trainer\n", 1),
        // The quote swallows what follows.
        ("APP_NAME=Bob's shop\nPORT=81\n", 1),
    ] {
        let problems = Setup::new().env_file(text).problems();
        let expected = "expected NAME=value, with quotes around a value with spaces";
        assert_eq!(problems[0], format!(".env, line {line}: {expected}"), "{text}");
    }
}

#[test]
fn a_dollar_sign_in_the_env_file_is_never_lost_quietly() {
    for line in ["API_KEY=ze$bra", "API_KEY=\"ze$bra\"", "API_KEY=zebra$"] {
        let problems = Setup::new().env_file(&format!("PORT=80\n{line}\n")).problems();
        let expected = ".env, line 2: a value with a dollar sign belongs in single quotes";
        assert_eq!(problems, [expected], "{line}");
    }
    for line in ["API_KEY='ze$bra'", "API_KEY=ze\\$bra", "A=ze\nAPI_KEY=${A}\\$bra # $5"] {
        let config = Setup::new().env_file(line).config();
        assert_eq!(config.server.api_key.unwrap().expose(), "ze$bra", "{line}");
    }
}

#[test]
fn values_of_the_wrong_kind_are_refused() {
    for toml in [
        "server = 1",
        "[server]\nbind = [\"127.0.0.1:80\"]",
        "[server.bind]\nport = 80",
        "[server]\nbind = 2026-01-01",
        "[jobs]\nworkers = 1.5",
        "[delivery]\ndangerous_allow_private_targets = [1]",
        "[server]\nbind_file = \"bind\"",
    ] {
        assert_eq!(Setup::new().toml(toml).problems().len(), 1, "{toml}");
    }
}

#[cfg(unix)]
#[test]
fn a_variable_that_is_not_text_matters_only_when_it_is_ours() {
    use std::ffi::OsString;
    use std::os::unix::ffi::OsStringExt;

    let bytes = || OsString::from_vec(vec![0xff]);
    Setup::new().variable("SOMETHING_ELSE", bytes()).config();
    assert_eq!(
        Setup::new().variable("API_KEY", bytes()).problems(),
        ["API_KEY (environment variable API_KEY): the value is not UTF-8"]
    );
}

#[test]
fn a_default_within_the_env_file_is_never_lost_quietly() {
    let problems = Setup::new().env_file("PORT=${PORT:-9001}\n").problems();

    assert_eq!(
        problems,
        [".env, line 1: only a name may stand in ${}: write the value in place of a default"]
    );
}
