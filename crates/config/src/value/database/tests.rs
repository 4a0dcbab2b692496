use super::*;

fn database(text: &str) -> Result<Database, Refusal> {
    DatabaseUrl::parse(text).map(|url| url.database(Path::new("data/hansard.db")))
}

#[test]
fn sqlite_is_a_file_in_python_words_and_in_ours() {
    for (text, path) in [
        ("sqlite:///relative.db", "relative.db"),
        ("sqlite:///a/relative.db", "a/relative.db"),
        ("sqlite:////srv/hansard.db", "/srv/hansard.db"),
        ("sqlite+aiosqlite:///relative.db", "relative.db"),
        ("sqlite+pysqlite:////srv/hansard.db", "/srv/hansard.db"),
        ("sqlite:///C:\\hansard.db", "C:\\hansard.db"),
        ("sqlite:///a.db?check_same_thread=False&timeout=30&mode=rwc", "a.db"),
        ("sqlite://relative.db", "relative.db"),
        ("sqlite://", "data/hansard.db"),
        ("sqlite:///", "data/hansard.db"),
    ] {
        assert_eq!(database(text), Ok(Database::Sqlite { path: path.into() }), "{text}");
    }
}

#[test]
fn a_database_in_memory_or_for_reading_is_refused() {
    for text in [
        "sqlite:///:memory:",
        "sqlite://:memory:",
        "sqlite:///a.db?mode=ro",
        "sqlite:///a.db?mode=memory",
        "sqlite:///file:a.db?uri=true",
    ] {
        assert!(matches!(database(text), Err(Refusal::Because(_))), "{text}");
    }
}

#[test]
fn postgres_is_understood_from_every_driver() {
    let normal = "postgresql://ana:ze%40bra@db.example:5433/hansard";
    for scheme in POSTGRES_SCHEMES {
        let text = normal.replacen("postgresql", scheme, 1);
        assert_eq!(database(&text), Ok(Database::Postgres { url: Secret::new(normal) }), "{text}");
    }
}

#[test]
fn a_socket_is_named_as_sqlalchemy_does() {
    let text = "postgresql+psycopg2://ana:ze%40bra@/hansard?host=/cloudsql/p:r:i";
    let url = "postgresql:///hansard?user=ana&password=ze%40bra&host=%2Fcloudsql%2Fp%3Ar%3Ai";

    assert_eq!(database(text), Ok(Database::Postgres { url: Secret::new(url) }));
}

#[test]
fn parameters_of_python_drivers_are_translated_or_dropped() {
    for (text, expected) in [
        ("?ssl=require", "?sslmode=require"),
        ("?ssl=true", "?sslmode=require"),
        ("?ssl=verify-full&sslmode=verify-full", "?sslmode=verify-full"),
        ("?sslmode=disable&prepared_statement_cache_size=0", "?sslmode=disable"),
        ("?connect_timeout=10", ""),
        (
            "?host=/run/postgresql&application_name=a b",
            "?host=%2Frun%2Fpostgresql&application_name=a+b",
        ),
    ] {
        let found = database(&format!("postgresql+asyncpg://h/d{text}"));
        let url = Secret::new(format!("postgresql://h/d{expected}"));
        assert_eq!(found, Ok(Database::Postgres { url }), "{text}");
    }
    for text in ["?ssl=maybe", "?ssl=require&sslmode=disable", "?zebra=1"] {
        let Err(Refusal::Because(reason)) = database(&format!("postgres://h/d{text}")) else {
            panic!("{text} is taken");
        };
        assert!(!reason.contains("zebra"), "{reason}");
    }
}

#[test]
fn what_is_no_database_is_refused() {
    for text in ["", "hansard.db", "mysql://h/d", "postgres://h:port/d", "postgresql+mysql://h/d"] {
        assert_eq!(database(text), Err(Refusal::Unexpected), "{text}");
    }
}
