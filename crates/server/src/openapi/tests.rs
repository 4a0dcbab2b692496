use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde_json::{Map, Value, json};

use super::*;
use crate::api::asks;
use crate::fields::Fields;

/// Set this variable to write the document anew.
const WRITE: &str = "HANSARD_WRITE_DOCS";

fn json() -> Value {
    serde_json::to_value(document()).unwrap()
}

#[test]
fn the_document_in_the_repository_is_fresh() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/openapi.json");
    let text = document().to_pretty_json().unwrap() + "\n";
    if std::env::var_os(WRITE).is_some() {
        fs::write(&path, &text).unwrap();
    }
    let written = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        written == text,
        "docs/openapi.json is stale; {WRITE}=1 cargo test -p hansard-server writes it"
    );
}

#[test]
fn what_is_listed_is_described_and_nothing_else() {
    let mut listed = BTreeSet::new();
    for declaration in declarations().into_iter().filter(|declaration| declaration.is_listed) {
        listed.insert((path_of(&declaration), declaration.method.as_str().to_lowercase()));
    }
    let paths = json()["paths"].as_object().unwrap().clone();
    let methods = |item: &Value| item.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    let described: BTreeSet<_> = paths
        .iter()
        .flat_map(|(path, item)| methods(item).into_iter().map(|method| (path.clone(), method)))
        .collect();

    assert_eq!(described, listed);
}

#[test]
fn every_operation_has_a_name_of_its_own_a_summary_and_a_tag() {
    let document = json();
    let tags = document["tags"].as_array().unwrap();
    let tags: BTreeSet<_> = tags.iter().map(|tag| tag["name"].as_str()).collect();
    let mut names = BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let place = format!("{method} {path}");
            assert!(names.insert(operation["operationId"].as_str().unwrap()), "{place}");
            assert!(operation["summary"].is_string(), "{place}");
            assert!(tags.contains(&operation["tags"][0].as_str()), "{place}");
        }
    }
}

#[test]
fn references_lead_somewhere() {
    fn collect(value: &Value, found: &mut BTreeSet<String>) {
        match value {
            Value::Object(members) => {
                found.extend(members.get("$ref").and_then(Value::as_str).map(str::to_owned));
                members.values().for_each(|member| collect(member, found));
            }
            Value::Array(items) => items.iter().for_each(|item| collect(item, found)),
            _ => {}
        }
    }
    let (document, mut references) = (json(), BTreeSet::new());
    collect(&document, &mut references);

    assert!(references.len() > 20);
    for reference in references {
        let pointer = reference.strip_prefix('#').unwrap();
        assert!(document.pointer(pointer).is_some(), "{reference}");
    }
}

/// The names of the properties of a schema, wherever they are in it.
fn properties(schema: &Value) -> BTreeSet<String> {
    let own = schema["properties"].as_object().into_iter().flat_map(Map::keys).cloned();
    let parts = schema["allOf"].as_array().into_iter().flatten();
    own.chain(parts.flat_map(properties)).collect()
}

#[test]
fn bodies_are_read_as_they_are_described() {
    let document = json();
    let schema = |name: &str| properties(&document["components"]["schemas"][name]);
    let described = schema("RecordingJson");
    assert!(described.len() > 10, "{described:?}");

    // A list is nothing that any field takes: a reader that knows the field says so.
    let body = described.iter().map(|name| (name.clone(), json!([]))).collect();
    let mut fields = Fields::of_json(Value::Object(body)).unwrap();
    asks::origin(&mut fields, None);
    asks::about(&mut fields);
    asks::job(None, &mut fields);
    let problem = fields.finish().unwrap_err();
    let named: BTreeSet<_> = problem
        .field_problems()
        .iter()
        .filter(|field| !field.detail.contains("there is no such field"))
        .map(|field| field.pointer.trim_start_matches('/').to_owned())
        .collect();

    assert_eq!(named, described);
    let mut form = schema("RecordingForm");
    form.remove("file");
    let mut without_source = described;
    without_source.remove("source");
    assert_eq!(form, without_source);
}
