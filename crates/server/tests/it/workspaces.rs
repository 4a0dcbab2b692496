//! Workspaces, and who belongs to them.

use hansard_domain::access::Role;
use http::StatusCode;
use serde_json::{Value, json};

use crate::people::{GOVERNOR, Person, TOKENS, column, somebody, town};
use crate::service::id;

const WORKSPACES: &str = "/api/v1/workspaces";

/// Those of the whole installation.
const ALL: &str = "/api/v1/installation/workspaces";

#[tokio::test]
async fn a_workspace_is_made_named_and_shared() {
    let service = town().await;
    let (ana_user, ana) = somebody(&service, "ana", Role::Editor).await;
    let (ben_user, ben) = somebody(&service, "ben", Role::Editor).await;

    let made = ana.post(WORKSPACES, json!({"name": "Radio"})).await;

    assert_eq!(made.status, StatusCode::CREATED, "{}", made.text());
    let path = made.header("location").to_owned();
    let radio = made.json();
    assert_eq!(path, format!("{WORKSPACES}/{}", id(&radio)));
    assert_eq!((&radio["kind"], &radio["role"]), (&json!("shared"), &json!("admin")));
    assert_eq!(ana.get(&path).await.json(), radio);
    assert_eq!(ana.patch(&path, json!({"name": "TV"})).await.json()["name"], "TV");
    assert_eq!(column(&ana.get(WORKSPACES).await, "kind"), ["personal", "shared"]);

    assert_eq!(ben.get(&path).await.problem(), "workspace_not_found");
    let member = format!("{path}/members/{}", ben_user.id);
    let joined = ana.put(&member, json!({"role": "viewer"})).await;
    assert_eq!(joined.status, StatusCode::OK, "{}", joined.text());
    assert_eq!(joined.json()["user_id"], ben_user.id.to_string());
    assert_eq!(joined.json()["email"], "ben@example.org");
    assert_eq!(ben.get(&path).await.json()["role"], "viewer");
    let members = column(&ana.get(&format!("{path}/members")).await, "user_id");
    assert_eq!(members, [ana_user.id.to_string(), ben_user.id.to_string()]);
}

#[tokio::test]
async fn a_role_says_what_a_member_may_do_there() {
    let service = town().await;
    let (_, ana) = somebody(&service, "ana", Role::Editor).await;
    let (ben_user, ben) = somebody(&service, "ben", Role::Editor).await;
    let radio = ana.post(WORKSPACES, json!({"name": "Radio"})).await.json();
    let path = format!("{WORKSPACES}/{}", id(&radio));
    let member = format!("{path}/members/{}", ben_user.id);
    let there = ben.inside(id(&radio));
    let source = || json!({"source": {"url": "https://media.example/a.webm"}});

    ana.put(&member, json!({"role": "viewer"})).await;
    assert_eq!(there.looks().await, 200);
    assert_eq!(there.post("/api/v1/recordings", source()).await.problem(), "forbidden");
    ana.put(&member, json!({"role": "editor"})).await;
    there.hand_in().await;
    for answer in [
        ben.patch(&path, json!({"name": "Mine"})).await,
        ben.get(&format!("{path}/members")).await,
        ben.put(&member, json!({"role": "admin"})).await,
        there.get("/api/v1/audit").await,
        there.get("/api/v1/webhooks/endpoints").await,
    ] {
        assert_eq!(answer.problem(), "forbidden");
    }
    ana.put(&member, json!({"role": "admin"})).await;
    assert_eq!(ben.patch(&path, json!({"name": "Ours"})).await.status, StatusCode::OK);
    // At home one is the admin all the same.
    assert_eq!(ben.get("/api/v1/webhooks/endpoints").await.status, StatusCode::OK);
}

#[tokio::test]
async fn who_leaves_is_out_at_once_with_all_keys() {
    let service = town().await;
    let (_, ana) = somebody(&service, "ana", Role::Editor).await;
    let (ben_user, ben) = somebody(&service, "ben", Role::Editor).await;
    let radio = ana.post(WORKSPACES, json!({"name": "Radio"})).await.json();
    let member = format!("{WORKSPACES}/{}/members/{}", id(&radio), ben_user.id);
    ana.put(&member, json!({"role": "editor"})).await;
    let asked = json!({"name": "radio", "workspace_id": id(&radio)});
    let (_, secret) = ben.make_token(TOKENS, asked).await;
    let program = Person::with(&service, &secret);
    assert_eq!(program.looks().await, 200);

    assert_eq!(ana.delete(&member).await.status, StatusCode::NO_CONTENT);

    assert_eq!(program.looks().await, 401);
    assert_eq!(
        ben.inside(id(&radio)).get("/api/v1/recordings").await.problem(),
        "workspace_not_found"
    );
    assert_eq!(ana.delete(&member).await.status, StatusCode::NO_CONTENT, "as was wished");
}

#[tokio::test]
async fn the_last_admin_stays() {
    let service = town().await;
    let (ana_user, ana) = somebody(&service, "ana", Role::Editor).await;
    let (ben_user, _) = somebody(&service, "ben", Role::Editor).await;
    let radio = ana.post(WORKSPACES, json!({"name": "Radio"})).await.json();
    let members = format!("{WORKSPACES}/{}/members", id(&radio));
    let (mine, bens) = (format!("{members}/{}", ana_user.id), format!("{members}/{}", ben_user.id));
    ana.put(&bens, json!({"role": "editor"})).await;

    let lowered = ana.put(&mine, json!({"role": "viewer"})).await;
    let left = ana.delete(&mine).await;

    assert_eq!(
        (lowered.status, lowered.problem()),
        (StatusCode::CONFLICT, "last_admin".to_owned())
    );
    assert_eq!(left.problem(), "last_admin");
    ana.put(&bens, json!({"role": "admin"})).await;
    assert_eq!(ana.delete(&mine).await.status, StatusCode::NO_CONTENT);
    assert_eq!(ana.get(&members).await.problem(), "workspace_not_found");
}

#[tokio::test]
async fn a_personal_workspace_takes_no_further_members() {
    let service = town().await;
    let (ana_user, ana) = somebody(&service, "ana", Role::Editor).await;
    let (ben_user, _) = somebody(&service, "ben", Role::Editor).await;
    let members = format!("{WORKSPACES}/{}/members", ana_user.workspace);

    let answer = ana.put(&format!("{members}/{}", ben_user.id), json!({"role": "viewer"})).await;

    assert_eq!(answer.problem(), "forbidden");
    assert_eq!(column(&ana.get(&members).await, "user_id"), [ana_user.id.to_string()]);
}

#[tokio::test]
async fn whoever_only_reads_in_the_installation_reads_everywhere() {
    let service = town().await;
    let (_, ana) = somebody(&service, "ana", Role::Editor).await;
    let (eve_user, eve) = somebody(&service, "eve", Role::Viewer).await;
    let radio = ana.post(WORKSPACES, json!({"name": "Radio"})).await.json();
    let path = format!("{WORKSPACES}/{}", id(&radio));
    let joined =
        ana.put(&format!("{path}/members/{}", eve_user.id), json!({"role": "admin"})).await;
    assert_eq!(joined.status, StatusCode::OK, "{}", joined.text());

    assert_eq!(eve.get(&path).await.json()["role"], "viewer");
    assert_eq!(column(&eve.get(WORKSPACES).await, "role"), ["viewer", "viewer"]);
    assert_eq!(eve.patch(&path, json!({"name": "Mine"})).await.problem(), "forbidden");
    let source = json!({"source": {"url": "https://media.example/a.webm"}});
    assert_eq!(eve.post("/api/v1/recordings", source).await.problem(), "forbidden");
}

#[tokio::test]
async fn who_governs_is_at_home_everywhere() {
    let service = town().await;
    let (ana_user, ana) = somebody(&service, "ana", Role::Editor).await;
    let radio = ana.post(WORKSPACES, json!({"name": "Radio"})).await.json();
    let members = format!("{WORKSPACES}/{}/members", id(&radio));
    let (_, boss) = somebody(&service, "boss", Role::Admin).await;

    for governor in [&boss, &Person::with(&service, GOVERNOR)] {
        assert_eq!(column(&governor.get(&members).await, "user_id"), [ana_user.id.to_string()]);
    }
    assert_eq!(boss.inside(id(&radio)).looks().await, 200);
}

#[tokio::test]
async fn who_governs_is_shown_all_workspaces() {
    let service = town().await;
    let (ana_user, ana) = somebody(&service, "ana", Role::Editor).await;
    let radio = ana.post(WORKSPACES, json!({"name": "Radio"})).await.json();
    let (boss_user, boss) = somebody(&service, "boss", Role::Admin).await;
    let (own, anas) = (boss_user.workspace.to_string(), ana_user.workspace.to_string());

    let first = boss.get(&format!("{ALL}?limit=2")).await;
    assert_eq!(column(&first, "id"), [json!(own), radio["id"].clone()]);
    let next = first.json()["next_cursor"].as_str().unwrap().to_owned();
    let second = boss.get(&format!("{ALL}?limit=2&cursor={next}")).await;
    assert_eq!(column(&second, "id")[0], anas);
    let personal = boss.get(&format!("{ALL}?kind=personal")).await;
    assert_eq!(column(&personal, "id"), [own, anas]);
    let shared = Person::with(&service, GOVERNOR).get(&format!("{ALL}?kind=shared")).await;
    assert_eq!(column(&shared, "name")[0], "Radio");
    assert!(column(&shared, "role").iter().all(|role| role == "admin"));

    assert_eq!(
        boss.get(&format!("{ALL}?kind=private&limit=0")).await.mistakes(),
        ["/kind", "/limit"]
    );
    assert_eq!(ana.get(ALL).await.problem(), "forbidden");
    assert_eq!(column(&boss.get(WORKSPACES).await, "kind"), ["shared", "personal"], "one's own");
}

#[tokio::test]
async fn what_cannot_be_is_said_to_be_wrong() {
    let service = town().await;
    let (ana_user, ana) = somebody(&service, "ana", Role::Editor).await;
    let nobody = "usr_01KAJ2Z1GQ8C3T0V7M5N9XQ4RS";
    let members = format!("{WORKSPACES}/{}/members", ana_user.workspace);

    for wrong in
        [json!({}), json!({"name": ""}), json!({"name": "x".repeat(201)}), json!({"name": 7})]
    {
        assert_eq!(ana.post(WORKSPACES, wrong.clone()).await.mistakes(), ["/name"], "{wrong}");
    }
    let answer = ana.put(&format!("{members}/{nobody}"), json!({"role": "viewer"})).await;
    assert_eq!(answer.problem(), "user_not_found");
    let answer = ana.put(&format!("{members}/{}", ana_user.id), json!({"role": "owner"})).await;
    assert_eq!(answer.mistakes(), ["/role"]);
    for path in ["wsp_01KAJ2Z1GQ8C3T0V7M5N9XQ4RS", "wsp_%00", "default"] {
        let answer = ana.get(&format!("{WORKSPACES}/{path}/members")).await;
        assert_eq!(answer.problem(), "workspace_not_found", "{path}");
    }
}

#[tokio::test]
async fn everybody_learns_who_they_are() {
    let service = town().await;
    let (ana_user, ana) = somebody(&service, "ana", Role::Editor).await;
    let asked = json!({"name": "ci", "role": "viewer", "scopes": ["recordings:read"]});
    let (key, secret) = ana.make_token(TOKENS, asked).await;
    let me = async |person: &Person<'_>| {
        let answer = person.get("/api/v1/me").await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
        answer.json()
    };

    let (by_session, by_key) = (me(&ana).await, me(&Person::with(&service, &secret)).await);
    let by_setting = me(&Person::with(&service, GOVERNOR)).await;
    let asked = json!({"name": "ops", "role": "viewer"});
    let (_, token) =
        Person::with(&service, GOVERNOR).make_token("/api/v1/service-tokens", asked).await;
    let by_token = me(&Person::with(&service, &token)).await;

    assert_eq!(by_session["actor"], json!({"kind": "user", "id": ana_user.id.to_string()}));
    assert_eq!(by_session["user"]["email"], "ana@example.org");
    assert_eq!(by_session["workspace_id"], ana_user.workspace.to_string());
    assert_eq!((&by_session["role"], &by_session["governs"]), (&json!("admin"), &json!(false)));
    assert_eq!(by_key["actor"], json!({"kind": "token", "id": key}));
    assert_eq!(by_key["user"]["id"], by_session["user"]["id"]);
    assert_eq!(by_key["permissions"], json!(["recordings:read"]));
    assert_eq!(by_setting["actor"], json!({"kind": "static_key", "id": "server.super_key"}));
    assert_eq!((&by_setting["user"], &by_setting["governs"]), (&Value::Null, &json!(true)));
    assert_eq!(by_token["user"], Value::Null);
    assert_eq!(by_token["workspaces"].as_array().unwrap().len(), 1);
    assert_eq!(service.get("/api/v1/me").await.problem(), "unauthorized");
}
