//! The body of a webhook: what happened and to what, with links to the rest.

use bytes::Bytes;
use hansard_net::Url;
use hansard_store::deliveries::Delivery;
use serde::Serialize;
use serde_json::{Map, Value};

use super::attempt::Unsendable;

/// The fields of an event that name something with an address, and the path to it.
const LINKED: [(&str, &str, &str); 3] = [
    ("recording_id", "recording", "recordings"),
    ("job_id", "job", "jobs"),
    ("transcript_id", "transcript", "transcripts"),
];

#[derive(Serialize)]
struct Body<'a> {
    r#type: &'a str,
    timestamp: String,
    data: Map<String, Value>,
}

/// The same bytes for every attempt, as long as the public address stays the same.
pub(super) fn body(delivery: &Delivery, public_url: Option<&Url>) -> Result<Bytes, Unsendable> {
    let data: Map<String, Value> = serde_json::from_str(&delivery.data)
        .map_err(|_| Unsendable::Never("the event cannot be read"))?;
    let mut data = data;
    data.insert("event_id".to_owned(), Value::from(delivery.event.to_string()));
    if let Some(public_url) = public_url {
        let links = links(&data, public_url);
        data.insert("links".to_owned(), Value::Object(links));
    }
    let (r#type, timestamp) = (delivery.kind.name(), delivery.created_at.to_string());
    let body = serde_json::to_vec(&Body { r#type, timestamp, data });
    Ok(body.expect("text keys and values that were JSON").into())
}

fn links(data: &Map<String, Value>, public_url: &Url) -> Map<String, Value> {
    let base = public_url.as_str().trim_end_matches('/');
    let link = |(field, name, path): &(&str, &str, &str)| {
        let id = data.get(*field)?.as_str()?;
        Some(((*name).to_owned(), Value::from(format!("{base}/api/v1/{path}/{id}"))))
    };
    LINKED.iter().filter_map(link).collect()
}
