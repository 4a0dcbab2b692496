//! The audit log: who did what, and what was refused.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use hansard_domain::access::Role;
use hansard_domain::audit::AuditKind;
use hansard_domain::id::RecordingId;
use hansard_speech::fake::Fake;
use hansard_store::audit::NewAudit;
use http::{Method, Request, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::people::{GOVERNOR, Person, TOKENS, column, somebody, town};
use crate::service::{Answer, Service, WAV, form, form_request, id};
use crate::things;
use crate::working::{BOUND, worker};

const AUDIT: &str = "/api/v1/audit";

/// The entries of an export, the newest first.
fn lines(answer: &Answer) -> Vec<Value> {
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    assert_eq!(answer.header("content-type"), "application/x-ndjson");
    answer.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

async fn kinds(person: &Person<'_>, query: &str) -> Vec<Value> {
    column(&person.get(&format!("{AUDIT}?limit=200&{query}")).await, "kind")
}

#[tokio::test]
async fn the_log_says_who_did_what_by_ids_only() {
    let service = town().await;
    let governor = Person::with(&service, GOVERNOR);
    let (user, ana) = somebody(&service, "ana", Role::Editor).await;
    let radio = ana.post("/api/v1/workspaces", json!({"name": "Zebra Radio"})).await.json();
    let made = ana.post(TOKENS, json!({"name": "Zebra plugin", "role": "viewer"})).await;
    let secret = made.json()["token"].as_str().unwrap().to_owned();
    let token = id(&made.json()).to_owned();
    Person::with(&service, &secret).looks().await;
    ana.post(&format!("{TOKENS}/{token}/rotate"), json!({})).await;
    ana.delete(&format!("{TOKENS}/{token}")).await;

    let story = kinds(&governor, &format!("actor_id={}", user.id)).await;

    assert_eq!(
        story,
        [
            "token.revoked",
            "token.rotated",
            "token.created",
            "member.added",
            "workspace.created",
            "login.succeeded"
        ]
    );
    assert_eq!(kinds(&governor, &format!("actor_id={token}")).await, ["token.first_used"]);
    let about = governor.get(&format!("{AUDIT}?subject_id={token}&kind=token.created")).await;
    let entry = about.json()["items"][0].clone();
    assert_eq!(entry["actor"], json!({"kind": "user", "id": user.id.to_string()}));
    assert_eq!((&entry["outcome"], &entry["subject_id"]), (&json!("done"), &json!(token)));
    assert_eq!(entry["workspace_id"], user.workspace.to_string());
    assert_eq!(entry["address"], "127.0.0.1");
    assert_eq!(entry["request_id"], made.header("x-request-id"));
    assert_eq!(entry["data"]["role"], "viewer");
    let named = kinds(&governor, &format!("subject_id={}", id(&radio))).await;
    assert_eq!(named, ["workspace.created"]);
    let all = governor.get(&format!("{AUDIT}/export")).await;
    for told in ["Zebra", "ana@example.org", "hsk_", &secret] {
        assert!(!all.text().contains(told), "{told}");
    }
}

#[tokio::test]
async fn admins_read_what_is_about_their_workspace_and_governors_all() {
    let service = town().await;
    let (ana_user, ana) = somebody(&service, "ana", Role::Editor).await;
    let (ben_user, ben) = somebody(&service, "ben", Role::Editor).await;
    ben.make_token(TOKENS, json!({"name": "bens"})).await;
    ana.make_token(TOKENS, json!({"name": "anas"})).await;

    let anas = ana.get(AUDIT).await;

    let own = json!(ana_user.workspace.to_string());
    assert!(column(&anas, "workspace_id").iter().all(|workspace| *workspace == own));
    assert!(column(&anas, "kind").contains(&json!("token.created")));
    assert!(kinds(&ana, &format!("actor_id={}", ben_user.id)).await.is_empty());
    let governor = Person::with(&service, GOVERNOR);
    assert_eq!(kinds(&governor, "kind=token.created").await.len(), 2);
    let (_, reader) = ana.make_token(TOKENS, json!({"name": "x", "role": "editor"})).await;
    let reader = Person::with(&service, &reader);
    assert_eq!(reader.get(AUDIT).await.problem(), "forbidden");
    assert_eq!(reader.get(&format!("{AUDIT}/export")).await.problem(), "forbidden");
}

#[tokio::test]
async fn refusals_are_in_the_log() {
    let service = town().await;
    let governor = Person::with(&service, GOVERNOR);
    let (ana_user, ana) = somebody(&service, "ana", Role::Editor).await;
    Person::with(&service, "zebra-wrong").looks().await;
    ana.get("/api/v1/users").await;
    ana.post(TOKENS, json!({"name": "x", "governs": true})).await;

    let refused = governor.get(&format!("{AUDIT}?kind=access.refused")).await;

    assert_eq!(column(&refused, "code"), ["forbidden", "forbidden", "unauthorized"]);
    assert_eq!(column(&refused, "outcome"), ["refused", "refused", "refused"]);
    let who = column(&refused, "actor");
    assert_eq!(who[0], json!({"kind": "user", "id": ana_user.id.to_string()}));
    assert_eq!(who[2], json!({"kind": "anonymous", "id": null}));
}

#[tokio::test]
async fn looks_into_foreign_workspaces_and_forged_requests_are_in_the_log() {
    let service = town().await;
    let governor = Person::with(&service, GOVERNOR);
    let (ana_user, ana) = somebody(&service, "ana", Role::Editor).await;
    let (ben, _) = somebody(&service, "ben", Role::Editor).await;
    let foreign = ben.workspace.to_string();

    assert_eq!(ana.inside(&foreign).get("/api/v1/recordings").await.status, 404);
    let into = json!({"name": "x", "workspace_id": foreign});
    assert_eq!(ana.post(TOKENS, into).await.problem(), "workspace_not_found");
    assert_eq!(ana.forged().post(TOKENS, json!({"name": "x"})).await.status, 403);
    assert_eq!(ana.forged().post("/auth/logout", json!({})).await.status, 403);
    let stranger = Request::post(TOKENS).header("x-csrf-token", "x").body(Body::empty()).unwrap();
    assert_eq!(service.send(stranger).await.problem(), "csrf_session_missing");

    let refused = governor.get(&format!("{AUDIT}?kind=access.refused")).await;
    let missing = ["csrf_session_missing", "csrf_token_missing", "csrf_token_missing"];
    let elsewhere = ["workspace_not_found", "workspace_not_found"];
    assert_eq!(column(&refused, "code"), [&missing[..], &elsewhere].concat());
    let who = column(&refused, "actor");
    assert_eq!(who[0], json!({"kind": "anonymous", "id": null}));
    let anas = json!({"kind": "user", "id": ana_user.id.to_string()});
    assert!(who[1..].iter().all(|actor| *actor == anas), "{who:?}");
    let own = json!(ana_user.workspace.to_string());
    assert!(column(&refused, "workspace_id")[1..].iter().all(|workspace| *workspace == own));
}

#[tokio::test]
async fn an_export_has_every_line_however_many_and_is_an_entry_itself() {
    let service = town().await;
    let governor = Person::with(&service, GOVERNOR);
    let recordings: [RecordingId; 250] = std::array::from_fn(|_| service.clock.id());
    for recording in &recordings {
        let entry = NewAudit::done(AuditKind::ObjectDeleted).about(recording);
        service.store.audit(entry, &things::by()).await.unwrap();
    }

    let export = governor.get(&format!("{AUDIT}/export")).await;

    let entries = lines(&export);
    assert_eq!(export.header("content-disposition"), "attachment; filename=\"audit.ndjson\"");
    assert_eq!(entries.len(), 251, "in two steps");
    assert_eq!(entries[0]["kind"], "audit.exported");
    assert_eq!(entries[0]["actor"], json!({"kind": "static_key", "id": "server.super_key"}));
    let told = entries[1..].iter().rev().map(|entry| entry["subject_id"].clone());
    assert_eq!(told.collect::<Vec<_>>(), recordings.map(|id| json!(id.to_string())));
    let some = governor.get(&format!("{AUDIT}/export?kind=object.deleted")).await;
    assert_eq!(lines(&some).len(), 250);
    let wrong = governor.get(&format!("{AUDIT}/export?kind=all&from=now&limit=1")).await;
    assert_eq!(wrong.problem(), "invalid_request");
}

#[tokio::test]
async fn the_log_is_searched_by_time_and_kind() {
    let service = town().await;
    let governor = Person::with(&service, GOVERNOR);
    things::user(&service.store, "ana", Role::Editor).await;
    service.clock.advance(Duration::from_secs(60));
    let between = service.clock.now().to_string();
    things::user(&service.store, "ben", Role::Editor).await;

    let after = governor.get(&format!("{AUDIT}?from={between}")).await;
    let before = governor.get(&format!("{AUDIT}?before={between}&kind=user.created")).await;
    let wrong = governor.get(&format!("{AUDIT}?kind=user&from=now&before=&cursor=x")).await;

    assert_eq!(column(&after, "kind"), ["user.created"]);
    assert_eq!(column(&before, "kind"), ["user.created"]);
    assert_ne!(column(&after, "subject_id"), column(&before, "subject_id"));
    assert_eq!(wrong.mistakes(), ["/kind", "/from", "/before", "/cursor"]);
    assert_eq!(governor.get(&format!("{AUDIT}?actor_id=%00")).await.problem(), "invalid_request");
}

async fn accepted(service: &Service, person: &Person<'_>) -> String {
    let sent = person.send(form_request("/api/v1/recordings", form(&[("file", WAV)]))).await;
    assert_eq!(sent.status, StatusCode::ACCEPTED, "{}", sent.text());
    assert!(!service.media_files().await.is_empty());
    id(&sent.json()["recording"]).to_owned()
}

#[tokio::test]
async fn what_is_deleted_or_taken_away_is_in_the_log() {
    let service = town().await;
    let (user, ana) = somebody(&service, "ana", Role::Editor).await;
    let transcribed = things::transcribed(&service.store, &user, "Hello.").await;
    let transcript = format!("/api/v1/transcripts/{}", transcribed.transcript.id);
    let recording = accepted(&service, &ana).await;
    let path = format!("/api/v1/recordings/{recording}");
    let media = format!("{path}/media");
    let part = async |range: &str| {
        let request = Request::get(&media).header("range", range);
        ana.send(request.body(axum::body::Body::empty()).unwrap()).await
    };

    // To look at it is not to take it away.
    ana.get(&transcript).await;
    ana.call(Method::HEAD, &media).await;
    ana.call(Method::HEAD, &format!("{transcript}?format=srt")).await;
    ana.call(Method::HEAD, &format!("{transcript}?format=json")).await;
    let download = format!("/jobs/{}/download", transcribed.job.serial);
    assert_eq!(ana.call(Method::HEAD, &download).await.status, StatusCode::OK);
    assert!(kinds(&ana, "kind=object.exported").await.is_empty());
    // Neither is to go on with it; but to leave the first byte to others is.
    part("bytes=1-").await;
    part("bytes=8-").await;
    ana.get(&download).await;
    ana.get(&format!("{transcript}?format=srt")).await;
    ana.get(&format!("{transcript}?format=json")).await;
    ana.get(&media).await;
    part("bytes=0-3").await;
    let exported = ana.get(&format!("{AUDIT}?kind=object.exported")).await;
    let forms =
        ["media", "media", "json", "srt", "txt", "media"].map(|form| json!({ "form": form }));
    assert_eq!(column(&exported, "data"), forms);
    let (recording_id, transcript_id) = (json!(recording), json!(transcribed.transcript.id));
    assert_eq!(
        column(&exported, "subject_id"),
        [
            &recording_id,
            &recording_id,
            &transcript_id,
            &transcript_id,
            &transcript_id,
            &recording_id
        ]
        .map(Clone::clone)
    );

    let hook =
        ana.post("/api/v1/webhooks/endpoints", json!({"url": "https://receiver.example/"})).await;
    let endpoint = id(&hook.json()).to_owned();
    ana.delete(&path).await;
    ana.delete(&path).await;
    ana.delete(hook.header("location")).await;
    let deleted = ana.get(&format!("{AUDIT}?kind=object.deleted")).await;
    assert_eq!(column(&deleted, "subject_id"), [json!(endpoint), recording_id], "each once");
    let who = json!({"kind": "user", "id": user.id.to_string()});
    assert_eq!(column(&deleted, "actor"), [who.clone(), who]);
}

#[tokio::test]
async fn workers_forget_what_was_kept_long_enough() {
    let service = town().await;
    let governor = Person::with(&service, GOVERNOR);
    things::user(&service.store, "ana", Role::Editor).await;
    assert_eq!(kinds(&governor, "").await, ["user.created"]);
    service.clock.advance(Duration::from_secs(2 * 24 * 60 * 60));
    let scratch = TempDir::new().unwrap();
    let path = scratch.path().to_owned();

    let worker = worker(&service.store, Fake::new(), None, &Arc::default(), path);

    let forgetting = async {
        while !kinds(&governor, "").await.is_empty() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    assert!(tokio::time::timeout(BOUND, forgetting).await.is_ok(), "it keeps a day");
    drop(worker);
}
