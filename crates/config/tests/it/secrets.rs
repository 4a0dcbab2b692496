//! Secrets: from where they come, and that they never leave.

use hansard_config::{Database, settings};

use crate::setup::Setup;

#[test]
fn no_secret_is_ever_shown() {
    let mut setup = Setup::new().variable("HANSARD__AUTH__ALLOWED_EMAILS", "@example.org");
    for provider in ["GOOGLE", "AUTHENTIK", "KEYCLOAK", "OIDC"] {
        setup = setup.variable(&format!("HANSARD__{provider}__CLIENT_ID"), "hansard");
    }
    for provider in ["AUTHENTIK", "KEYCLOAK", "OIDC"] {
        let issuer = format!("HANSARD__{provider}__ISSUER_URL");
        setup = setup.variable(&issuer, "https://id.example.org");
    }
    for setting in settings().filter(|setting| setting.is_secret()) {
        // Long enough for all, and another for each: two keys must not be the same.
        let value = match setting.key {
            "store.database_url" => "postgresql://ana:zebra@localhost/hansard".to_owned(),
            key => format!("zebra-{key}-zebra-zebra-zebra"),
        };
        setup = setup.variable(&setting.variable(), value);
    }
    let loaded = setup.load().unwrap();
    assert!(!format!("{loaded:?}").contains("zebra"));
    let shown = |key| loaded.origins.iter().find(|written| written.key == key).unwrap();
    assert_eq!(shown("server.api_key").value, "(set)");

    let unset = Setup::new().load().unwrap();
    let key = unset.origins.iter().find(|written| written.key == "server.api_key").unwrap();
    assert_eq!(key.value, "(unset)");
}

#[test]
fn no_problem_shows_a_secret() {
    let setups = [
        Setup::new().variable("API_KEY", "zebra\n1"),
        Setup::new().variable("DATABASE_URL", "mysql://ana:zebra@h/d"),
        Setup::new().variable("DATABASE_URL", "postgres://ana:1?zebra@h/d"),
        Setup::new().variable("WP_SIDE_CAR_CALLBACK", "https://ana:zebra@example.org"),
        Setup::new().variable("WP_SIDE_CAR_CALLBACK", "nowhere://ana:zebra@example.org"),
        Setup::new().variable("API_KEY", "zebra-1").variable("HANSARD__SERVER__API_KEY", "zebra-2"),
        Setup::new().toml("[server]\napi_key = \"zebra"),
        Setup::new().toml("[server]\napi_key = zebra"),
        Setup::new().toml("[server]\napi_kee = \"zebra\""),
        Setup::new().toml("[server]\napi_key = [\"zebra\"]"),
        Setup::new().env_file("API_KEY='zebra"),
        Setup::new().env_file("API_KEY=zebra stripes"),
        Setup::new().env_file("HANSARD__SERVER__API_KEE=zebra"),
    ];
    for setup in setups {
        let problems = setup.load().expect_err("there is a problem");
        assert!(!format!("{problems} {problems:?}").contains("zebra"), "{problems}");
    }
}

#[test]
fn blank_and_well_known_secrets_are_refused_everywhere() {
    for setting in settings().filter(|setting| setting.is_secret()) {
        for value in ["", " ", "change-me"] {
            let setup = Setup::new().variable(&setting.variable(), value);
            let problems = setup.load().expect_err(setting.key).0;
            assert_eq!(problems.len(), 1, "{problems:?}");
            assert_eq!(problems[0].key.as_deref(), Some(setting.key));
        }
    }
}

#[test]
fn a_secret_can_lie_in_a_file() {
    let written = Setup::new()
        .with_file("key", "zebra\n")
        .with_file("url", "postgresql+psycopg2://ana:zebra@h/d\n");
    let (key, url) = (written.path("key"), written.path("url"));
    let config = written
        .toml(&format!("[server]\napi_key_file = '{}'\n", key.display()))
        .variable("HANSARD__STORE__DATABASE_URL_FILE", url)
        .config();

    assert_eq!(config.server.api_key.as_ref().unwrap().expose(), "zebra");
    let Database::Postgres { url } = config.store.database() else { panic!("PostgreSQL") };
    assert_eq!(url.expose(), "postgresql://ana:zebra@h/d");
}

#[test]
fn a_secret_and_its_file_are_not_given_together() {
    let setup = Setup::new().toml("[server]\napi_key = \"zebra\"\napi_key_file = \"key\"\n");
    assert_eq!(
        setup.problems(),
        [
            "server.api_key = (set) (hansard.toml): hansard.toml has the same secret; keep one of them"
        ]
    );
    // A stronger layer may replace the one by the other.
    let setup =
        Setup::new().toml("[server]\napi_key_file = \"key\"\n").variable("API_KEY", "zebra");
    assert_eq!(setup.config().server.api_key.unwrap().expose(), "zebra");
}

#[test]
fn a_file_without_a_secret_is_named() {
    let setup = Setup::new().with_file("blank", "\n");
    let blank = setup.path("blank");
    assert_eq!(
        setup.variable("HANSARD__SERVER__API_KEY_FILE", blank).problems(),
        [
            "server.api_key = (set) (environment variable HANSARD__SERVER__API_KEY_FILE): a secret cannot be blank; leave it \
          out to switch its feature off"
        ]
    );
    let setup = Setup::new();
    let missing = setup.path("missing");
    let problems = setup.variable("HANSARD__SERVER__API_KEY_FILE", missing).problems();
    assert_eq!(problems.len(), 1);
    assert!(problems[0].starts_with("server.api_key_file = missing ("), "{problems:?}");
}
