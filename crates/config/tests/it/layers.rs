//! Which of several values wins, and where it is said to come from.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use hansard_config::{Database, EngineKind, MediaPlace, Origin};

use crate::setup::Setup;

#[test]
fn nothing_has_to_be_set() {
    let config = Setup::new().config();

    assert_eq!(config.server.bind, SocketAddr::from(([127, 0, 0, 1], 8080)));
    assert_eq!(config.server.max_file_size.bytes(), 1 << 30);
    assert_eq!(config.jobs.lease, Duration::from_secs(30));
    assert_eq!(config.engine.kind, EngineKind::Auto);
    assert_eq!(config.media.place, MediaPlace::Local);
    assert_eq!(config.s3.region, "us-east-1");
    assert!(config.salestrainer.secret.is_none());
    assert_eq!(
        config.store.database(),
        Database::Sqlite { path: Path::new("hansard-data").join("hansard.db") }
    );
}

#[test]
fn a_stronger_layer_wins_one_setting_at_a_time() {
    let mut setup = Setup::new();
    let workers_and_origin = |setup: &Setup| {
        let loaded = setup.load().unwrap();
        let written = loaded.origins.iter().find(|written| written.key == "jobs.workers").unwrap();
        (loaded.config.jobs.workers, loaded.config.jobs.queue_max, written.origin.clone())
    };
    assert_eq!(workers_and_origin(&setup), (1, 10_000, Origin::Default));

    setup = setup.toml("[jobs]\nworkers = 2\nqueue_max = 7\n");
    assert_eq!(workers_and_origin(&setup), (2, 7, Origin::File(setup.path("hansard.toml"))));

    setup = setup.env_file("HANSARD__JOBS__WORKERS=3\n");
    let name = "HANSARD__JOBS__WORKERS".to_owned();
    let origin = Origin::EnvFile { path: setup.path(".env"), name: name.clone() };
    assert_eq!(workers_and_origin(&setup), (3, 7, origin));

    setup = setup.variable("HANSARD__JOBS__WORKERS", "4");
    assert_eq!(workers_and_origin(&setup), (4, 7, Origin::Variable(name)));

    setup = setup.flag("--workers", "jobs.workers", "5");
    assert_eq!(workers_and_origin(&setup), (5, 7, Origin::Flag("--workers")));
}

#[test]
fn the_environment_of_the_original_is_understood() {
    let config = Setup::new()
        .env_file(
            "# as it stood beside the original\n\
             export AWS_REGION=us-west-2\n\
             S3_BUCKET=\"talks\"\n\
             AWS_ACCESS_KEY_ID=AKIA1\n\
             AWS_SECRET_ACCESS_KEY='zebra$1'\n\
             OPENAI_API_KEY=sk-zebra   # of the team\n\
             SIDE_CAR_SECRET=shared-zebra\n\
             WP_SIDE_CAR_CALLBACK=https://example.org/wp-json/salestrainer/v1/upload-complete\n\
             WP_SERVER_TOKEN=token-zebra\n\
             SEND_X_SERVER_TOKEN_HEADER=False\n\
             MOCK_TRANSCRIBE=1\n\
             SOMETHING_ELSE=entirely ",
        )
        .config();

    assert_eq!(
        (config.s3.region.as_str(), config.s3.bucket.as_deref()),
        ("us-west-2", Some("talks"))
    );
    assert_eq!(config.s3.secret_access_key.unwrap().expose(), "zebra$1");
    assert_eq!(config.engine.openai_api_key.unwrap().expose(), "sk-zebra");
    assert_eq!(config.salestrainer.secret.unwrap().expose(), "shared-zebra");
    assert_eq!(config.salestrainer.server_token.unwrap().expose(), "token-zebra");
    assert!(config.salestrainer.callback_url.is_some());
    assert!(!config.salestrainer.send_x_server_token_header.0);
    assert_eq!(config.engine.kind, EngineKind::Fake);
}

#[test]
fn the_header_is_sent_only_when_the_word_is_true() {
    let sends = |value: &str| {
        let setup = Setup::new().variable("SEND_X_SERVER_TOKEN_HEADER", value);
        setup.config().salestrainer.send_x_server_token_header.0
    };
    assert!(Setup::new().config().salestrainer.send_x_server_token_header.0);
    assert!(sends("true") && sends("TRUE"));
    for value in ["false", "1", "yes", "", "true "] {
        assert!(!sends(value), "{value:?}");
    }
}

#[test]
fn a_platform_may_set_the_port_alone() {
    let wide = "[server]\nbind = \"0.0.0.0:9000\"\napi_key = \"zebra-key\"\n";
    let bind = |setup: Setup| setup.config().server.bind.to_string();

    assert_eq!(bind(Setup::new().variable("PORT", "5000")), "127.0.0.1:5000");
    assert_eq!(bind(Setup::new().toml(wide).variable("PORT", "5000")), "0.0.0.0:5000");
    let by_hand = Setup::new().variable("PORT", "5000").flag("--bind", "server.bind", "[::1]:7000");
    assert_eq!(bind(by_hand), "[::1]:7000");
}

#[test]
fn a_variable_that_is_set_to_nothing_says_nothing() {
    let setup =
        Setup::new().variable("S3_BUCKET", "").variable("LOG_LEVEL", "").env_file("PORT=\n");
    let config = setup.config();

    assert_eq!((config.s3.bucket, config.server.port), (None, None));
    assert_eq!(config.log.level.to_string(), "info");
}

#[test]
fn names_may_repeat_one_another() {
    let setup = Setup::new()
        .variable("DATABASE_URL", "postgresql+asyncpg://h/d?ssl=require")
        .variable("DB_URL", "postgresql+asyncpg://h/d?ssl=require");
    let Database::Postgres { url } = setup.config().store.database() else { panic!("PostgreSQL") };
    assert_eq!(url.expose(), "postgresql://h/d?sslmode=require");
}

#[test]
fn lists_are_arrays_in_the_file_and_have_commas_in_variables() {
    let key = "dangerous_allow_private_targets";
    let file = Setup::new().toml(&format!("[delivery]\n{key} = [\"10.1.0.0/16\", \"fd00::/8\"]\n"));
    let variable = Setup::new()
        .variable("HANSARD__DELIVERY__DANGEROUS_ALLOW_PRIVATE_TARGETS", "10.1.0.0/16, fd00::/8");

    let ranges = file.config().delivery.dangerous_allow_private_targets;
    assert_eq!(ranges.len(), 2);
    assert_eq!(ranges, variable.config().delivery.dangerous_allow_private_targets);
}

#[test]
fn an_endpoint_of_ones_own_has_the_bucket_in_the_path() {
    assert!(!Setup::new().config().s3.uses_path_style());
    let minio = || Setup::new().variable("AWS_ENDPOINT_URL", "https://minio.example:9000");
    assert!(minio().config().s3.uses_path_style());
    let other = minio().variable("HANSARD__S3__PATH_STYLE", "false");
    assert!(!other.config().s3.uses_path_style());
}
