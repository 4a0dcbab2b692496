//! Every route keeps its declaration: a walk over all of them, whatever is added, as callers who should not get in, and as one
//! who should.

#![expect(clippy::unwrap_used, reason = "in a test that is how a failure is told")]

mod fixture;
mod requests;
#[path = "../support/service.rs"]
#[expect(dead_code, reason = "other tests need more of it")]
mod service;
#[path = "../support/things.rs"]
mod things;

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::path::Path;

use hansard_domain::access::{Kind, Least, Permission, Role};
use hansard_server::{
    Access, Answers, Declaration, Keys, NamedBy, Needs, Object, Settings, Told, declarations,
};
use http::{Method, StatusCode};

use fixture::{World, never};
use requests::{Credential, Requests, Said};
use service::Service;
use things::Made;

/// The routes that ask for no credentials, as somebody has reviewed them.
const PUBLIC: &str = "tests/walk/public.txt";

/// Parameters of paths that name no object of anybody's, each with the reason.
const NO_OBJECT: [(&str, &str); 3] = [
    ("{code}", "pages about errors are in the program"),
    ("{file}", "so are the files of the reference page"),
    ("{*id}", "models are the installation's"),
];

/// What SalesTrainer's plugin shows.
const SHARED_SECRET: &str = "zebra-shared-9";

/// What a route names that is for whoever is known.
const NOTHING: Needs =
    Needs { permission: Permission::OwnAccount, also: None, objects: [None, None] };

fn strict(settings: &mut Settings) {
    settings.admission.required = true;
    settings.salestrainer.secrets = Keys::new([SHARED_SECRET]);
}

#[tokio::test]
async fn every_route_keeps_its_declaration_on_sqlite() {
    walk("sqlite", &Service::start_with(strict).await).await;
}

#[tokio::test]
async fn every_route_keeps_its_declaration_on_postgres() {
    walk("postgres", &Service::start_on_postgres(strict).await).await;
}

async fn walk(database: &str, service: &Service) {
    let world = World::new(service).await;
    let requests = Requests::new(service);
    let routes = declarations();
    for route in &routes {
        let before = requests.count();
        match route.access {
            Access::Public => as_anybody(&requests, route).await,
            Access::BodySecret => with_secret(&world, &requests, route).await,
            Access::Known => {
                as_nobody(&world, &requests, route, NOTHING).await;
                as_owner(&world, &requests, route, NOTHING).await;
            }
            Access::Owner(needs) | Access::Role(needs) => {
                check_parameters(route, needs);
                as_nobody(&world, &requests, route, needs).await;
                as_less(&world, &requests, route, needs).await;
                as_stranger(&world, &requests, route, needs).await;
                as_owner(&world, &requests, route, needs).await;
            }
        }
        assert!(requests.count() > before, "{route:?} was not visited");
    }
    // The harness keeps what `print!` writes; this is for whoever reads the log of a run that went well.
    let line = format!("walk {database}: {} routes, {} requests\n", routes.len(), requests.count());
    std::io::stderr().lock().write_all(line.as_bytes()).unwrap();
}

/// A route for everybody refuses nobody for who they are.
async fn as_anybody(requests: &Requests<'_>, route: &Declaration) {
    for credential in [Credential::None, Credential::Bearer("zebra-wrong")] {
        let said = requests.send(route, &path(route, |_| None), &credential).await;
        let refuses = [StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN].contains(&said.status);
        // A form without its fields is refused for that, and a login for who one is.
        assert!(!refuses || route.method != Method::GET, "{route:?}: {said:?}");
    }
}

/// The shared secret opens it, and the credentials of whoever may hand in recordings in the workspace that the secret is for.
async fn with_secret(world: &World, requests: &Requests<'_>, route: &Declaration) {
    let path = path(route, |_| None);
    let no_good = [
        Credential::None,
        Credential::Secret("zebra-wrong"),
        Credential::Bearer("zebra-wrong"),
        Credential::Bearer(&world.forged_key),
        Credential::Bearer(&world.revoked_key),
        Credential::Bearer(&world.disabled_key),
        Credential::Bearer(&world.foreign_key),
        Credential::Bearer(&world.home_reader),
        Credential::Session(&world.ended_session),
        Credential::Session(&world.expired_session),
        Credential::Session(&world.session),
    ];
    for credential in no_good {
        let said = requests.send(route, &path, &credential).await;
        assert_eq!(said.status, StatusCode::UNAUTHORIZED, "{route:?} {credential:?}: {said:?}");
    }
    for credential in [Credential::Secret(SHARED_SECRET), Credential::Bearer(&world.home_writer)] {
        let said = requests.send(route, &path, &credential).await;
        assert_ne!(said.status, StatusCode::UNAUTHORIZED, "{route:?} {credential:?}: {said:?}");
    }
}

/// Each parameter of a path names an object that is checked, or is known not to.
fn check_parameters(route: &Declaration, needs: Needs) {
    for segment in route.path.split('/').filter(|segment| segment.starts_with('{')) {
        let is_checked =
            needs.objects().any(|object| segment == format!("{{{}}}", object.parameter));
        let is_known = NO_OBJECT.iter().any(|(known, _)| *known == segment);
        assert!(is_checked || is_known, "{route:?}: nothing checks {segment}");
    }
}

/// Whoever shows nothing, or nothing that is any good, is told so before anything else.
async fn as_nobody(world: &World, requests: &Requests<'_>, route: &Declaration, needs: Needs) {
    let path = path(route, |name| of_nobody(needs, name));
    let credentials = [
        Credential::None,
        Credential::Bearer("zebra-wrong"),
        Credential::Bearer(&world.forged_key),
        Credential::Bearer(&world.revoked_key),
        Credential::Bearer(&world.disabled_key),
        Credential::Session(&world.ended_session),
        Credential::Session(&world.expired_session),
    ];
    for credential in credentials {
        let said = requests.send(route, &path, &credential).await;
        assert_eq!(said.status, StatusCode::UNAUTHORIZED, "{route:?} {credential:?}: {said:?}");
        assert_eq!(said.challenge, "Bearer", "{route:?} {credential:?}");
    }
}

/// Whoever lacks the role, the scope, or the token against forged requests is refused.
async fn as_less(world: &World, requests: &Requests<'_>, route: &Declaration, needs: Needs) {
    let path = path(route, |name| match named(needs, name) {
        // What one may do in a workspace is a matter of which one it is.
        Some(object) if object.kind == Kind::Workspace => Some(world.workspace.clone()),
        _ => of_nobody(needs, name),
    });
    let mut less = Vec::new();
    for permission in needs.permissions() {
        less.push(world.key_without(permission).await);
        less.extend(match permission.least() {
            Least::Role(Role::Viewer) => None,
            Least::Role(Role::Editor) => Some(world.key_of(Role::Viewer).await),
            Least::Role(Role::Admin) => Some(world.key_of(Role::Editor).await),
            Least::Governor => Some(world.key_of(Role::Admin).await),
            Least::User => Some(world.service_token.clone()),
        });
    }
    for key in less {
        let said = requests.send(route, &path, &Credential::Bearer(&key)).await;
        assert_eq!(said.status, StatusCode::FORBIDDEN, "{route:?}: {said:?}");
    }
    if ![Method::GET, Method::HEAD, Method::OPTIONS].contains(&route.method) {
        let said = requests.send(route, &path, &Credential::Session(&world.session)).await;
        assert_eq!(said.status, StatusCode::FORBIDDEN, "{route:?}: {said:?}");
        assert!(said.body.is_empty() || said.text.contains("X-CSRF-Token"), "{route:?}: {said:?}");
    }
}

/// Whoever may do everything at home gets the declared answer about what is another workspace's, and where that hides, no hint
/// that it is there at all.
async fn as_stranger(world: &World, requests: &Requests<'_>, route: &Declaration, needs: Needs) {
    for object in needs.objects() {
        let Some(foreign) = world.foreign(object.kind) else { continue };
        let own = world.own(needs, &route.path).await;
        let with = |text: String| {
            path(route, |name| {
                if name == object.parameter {
                    return Some(text.clone());
                }
                named(needs, name).map(|other| called(other, &own[&other.kind]))
            })
        };
        // What is overseen is a stranger's only to whoever does not govern.
        let key = if object.is_overseen {
            world.key_without(Permission::ManageInstallation).await
        } else {
            world.key.clone()
        };
        let credential = Credential::Bearer(&key);
        let there = called(object, foreign);
        let nowhere = called(object, &never(object.kind));
        let (foreign_path, missing_path) = (with(there.clone()), with(nowhere.clone()));
        let foreign = requests.send(route, &foreign_path, &credential).await;
        let missing = requests.send(route, &missing_path, &credential).await;
        check_told(route, &foreign, object.answers.foreign());
        check_told(route, &missing, object.answers.missing());
        if let Answers::Hidden(_) = object.answers {
            let foreign = foreign.told_of(&there);
            assert_eq!(foreign, missing.told_of(&nowhere), "{route:?} tells that it is there");
        }
        if object.is_overseen {
            let plain = world.key_of(Role::Admin).await;
            let plain = requests.send(route, &foreign_path, &Credential::Bearer(&plain)).await;
            check_told(route, &plain, object.answers.foreign());
            let governor = Credential::Bearer(&world.key);
            let seen = requests.send(route, &foreign_path, &governor).await;
            assert_ne!(seen.status, StatusCode::FORBIDDEN, "{route:?}: {seen:?}");
            assert_eq!(route.method, Method::GET, "{route:?} lets others do more than read");
        }
    }
}

/// Its owner gets at what is there: a service that refuses everybody would pass everything else.
async fn as_owner(world: &World, requests: &Requests<'_>, route: &Declaration, needs: Needs) {
    let own = world.own(needs, &route.path).await;
    let path =
        path(route, |name| named(needs, name).map(|object| called(object, &own[&object.kind])));
    let credential = Credential::Page { session: &world.session, token: &world.csrf_token };
    let said = requests.send(route, &path, &credential).await;
    if route.method == Method::GET && !route.path.contains("{*id}") {
        assert!(said.status.is_success(), "{route:?}: {said:?}");
        return;
    }
    assert_ne!(said.status, StatusCode::UNAUTHORIZED, "{route:?}: {said:?}");
    assert_ne!(said.status, StatusCode::FORBIDDEN, "{route:?}: {said:?}");
    for object in needs.objects() {
        let Told { code, .. } = object.answers.missing();
        assert_ne!(said.code.as_deref(), Some(code.name()), "{route:?}: {said:?}");
    }
}

fn check_told(route: &Declaration, said: &Said, told: Told) {
    assert_eq!(said.status.as_u16(), told.code.status(), "{route:?}: {said:?}");
    if let Some(code) = &said.code {
        assert_eq!(code, told.code.name(), "{route:?}: {said:?}");
    }
}

fn named(needs: Needs, parameter: &str) -> Option<Object> {
    needs.objects().find(|object| object.parameter == parameter).copied()
}

/// How the path names it.
fn called(object: impl std::borrow::Borrow<Object>, made: &Made) -> String {
    match object.borrow().by {
        NamedBy::Id => made.id.clone(),
        NamedBy::Serial | NamedBy::SerialOrNothing => made.serial.to_string(),
        NamedBy::UserName => made.id.clone(),
    }
}

fn of_nobody(needs: Needs, parameter: &str) -> Option<String> {
    named(needs, parameter).map(|object| called(object, &never(object.kind)))
}

/// The route's path with its parameters filled in.
fn path(route: &Declaration, value: impl Fn(&str) -> Option<String>) -> String {
    let segments = route.path.split('/').map(|segment| {
        let Some(name) = segment.strip_prefix('{').and_then(|name| name.strip_suffix('}')) else {
            return segment.to_owned();
        };
        value(name.trim_start_matches('*')).unwrap_or_else(|| "1".to_owned())
    });
    segments.collect::<Vec<_>>().join("/")
}

#[test]
fn what_asks_for_no_credentials_has_been_reviewed() {
    let open = declarations().into_iter().filter_map(|route| {
        let access = match route.access {
            Access::Public => "public",
            Access::BodySecret => "body secret",
            Access::Known | Access::Owner(_) | Access::Role(_) => return None,
        };
        Some(format!("{} {} ({access})", route.method, route.path))
    });
    let open = BTreeSet::from_iter(open);
    let now = open.into_iter().map(|line| line + "\n").collect::<String>();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(PUBLIC);
    if option_env!("HANSARD_WRITE_DOCS").is_some() {
        fs::write(&path, &now).unwrap();
    }
    let reviewed = fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(now, reviewed, "look at each line, then write them with HANSARD_WRITE_DOCS=1");
}
