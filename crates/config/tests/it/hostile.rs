//! No input makes the program panic, and none makes it show a secret.

use hansard_config::settings;
use proptest::prelude::*;

use crate::setup::Setup;

fn variable_name() -> impl Strategy<Value = String> {
    let known: Vec<String> = settings()
        .flat_map(|setting| {
            let file = format!("{}_FILE", setting.variable());
            setting
                .rule
                .names
                .iter()
                .map(|name| (*name).to_owned())
                .chain([setting.variable(), file])
        })
        .collect();
    prop_oneof![8 => prop::sample::select(known), 1 => "HANSARD__[A-Z_]{0,20}", 1 => any::<String>()]
}

/// Texts that are nearly values, besides any at all.
fn value() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "[0-9]{0,25} ?(ms|s|m|h|d|KB|MiB|GiB|TiB|B)?",
        "(postgres|postgresql\\+asyncpg|sqlite|https?)://[a-z0-9:@/?=&%\\[\\].#$]{0,40}",
        "[0-9a-f.:\\[\\]/]{0,30}",
        "[a-z_]{1,10}(\\[[a-z{}=]{0,8}\\])?=(info|debug|off|7)",
    ]
}

fn toml_file() -> impl Strategy<Value = String> {
    let keys: Vec<_> = settings().map(|setting| (setting.section, setting.name)).collect();
    let line = (prop::sample::select(keys), value(), any::<i64>(), 0..4_u8).prop_map(
        |((section, name), text, number, kind)| match kind {
            0 => format!("{section}.{name} = {text:?}\n"),
            1 => format!("{section}.{name} = {number}\n"),
            2 => format!("{section}.{name}_file = [{text:?}, {number}]\n"),
            _ => format!("{section}.{name} = {text}\n"),
        },
    );
    prop_oneof![any::<String>(), prop::collection::vec(line, 0..6).prop_map(|lines| lines.concat())]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_source_makes_loading_panic(
        toml in toml_file(),
        env_file in prop_oneof![any::<String>(), "([A-Z_]{1,8}=['\"a-z$ {}\\\\#\\n]{0,12}\\n){0,4}"],
        environment in prop::collection::vec((variable_name(), value()), 0..8),
    ) {
        let mut setup = Setup::new().toml(&toml).env_file(&env_file);
        for (name, value) in &environment {
            setup = setup.variable(name, value);
        }
        match setup.load() {
            Ok(loaded) => prop_assert_eq!(loaded.origins.len(), settings().count()),
            Err(problems) => prop_assert!(!problems.0.is_empty()),
        }
    }

    #[test]
    fn no_odd_value_lets_a_secret_out(prefix in value(), suffix in value()) {
        let mut setup = Setup::new();
        for setting in settings().filter(|setting| setting.is_secret()) {
            let value = match setting.key {
                "store.database_url" => format!("postgres://ana:zebra{suffix}"),
                _ => format!("{prefix}zebra{suffix}"),
            };
            setup = setup.variable(&setting.variable(), value);
        }
        let shown = format!("{:?}", setup.load());
        prop_assert!(!shown.contains("zebra"), "{}", shown);
    }
}
