//! Bodies of requests as callers write them.
//!
//! They are described here and never built: bodies are read field by field ([`Fields`](crate::fields::Fields)), so that one
//! answer names everything that is wrong. A test holds the two together.

use serde_json::Value;
use utoipa::ToSchema;

use super::names;

/// A recording that a worker is to fetch, or that an upload has brought, and what to do with it.
#[derive(ToSchema)]
#[expect(dead_code, reason = "described, never built")]
pub(crate) struct RecordingJson {
    /// Where it is.
    source: SourceJson,
    #[schema(inline)]
    #[serde(flatten)]
    about: AboutBody,
    #[schema(inline)]
    #[serde(flatten)]
    job: NewJobBody,
}

/// Where a recording is: exactly one of these.
#[derive(ToSchema)]
#[serde(rename_all = "snake_case")]
#[expect(dead_code, reason = "described, never built")]
pub(crate) enum SourceJson {
    /// An object in a bucket.
    S3 {
        /// The bucket; the configured one if it is left out.
        bucket: Option<String>,
        /// The object's key.
        key: String,
    },
    /// The id of a resumable upload that is complete.
    Upload(String),
    /// An https address.
    Url(String),
}

/// A file with what is to be done with it.
#[derive(ToSchema)]
#[expect(dead_code, reason = "described, never built")]
pub(crate) struct RecordingForm {
    /// The audio or video.
    #[schema(value_type = String, format = Binary)]
    file: Vec<u8>,
    #[schema(inline)]
    #[serde(flatten)]
    about: AboutBody,
    #[schema(inline)]
    #[serde(flatten)]
    job: NewJobBody,
}

/// What is said about a recording.
#[derive(ToSchema)]
#[expect(dead_code, reason = "described, never built")]
pub(crate) struct AboutBody {
    /// A title for people.
    #[schema(max_length = 500)]
    title: Option<String>,
    /// What another system calls it; unique in the workspace.
    #[schema(max_length = 200)]
    external_id: Option<String>,
    /// Who may see it besides its owner; `workspace` if it is left out.
    #[schema(schema_with = names::visibility, required = false)]
    visibility: String,
    /// What the caller keeps with it: an object of up to 64 KiB; in a form, its JSON text.
    #[schema(value_type = Option<Object>)]
    metadata: Value,
}

/// What is to be done with a recording.
#[derive(ToSchema)]
#[schema(as = NewJob)]
#[expect(dead_code, reason = "described, never built")]
pub(crate) struct NewJobBody {
    /// The language that is spoken, by its code or English name; `auto`, or nothing, finds it out.
    #[schema(example = "pt")]
    language: Option<String>,
    /// Write down what is said, or `translate` it into English.
    #[schema(schema_with = names::task, required = false)]
    task: String,
    /// The model; the configured one if it is left out.
    model: Option<String>,
    /// Text that primes the model's vocabulary and style.
    #[schema(max_length = 4000)]
    prompt: Option<String>,
    /// Times for each word.
    words: Option<bool>,
    /// Each channel by itself.
    channels_apart: Option<bool>,
    /// The only sampling temperature; the engine's own ladder if it is left out.
    #[schema(minimum = 0, maximum = 1)]
    temperature: Option<f32>,
    /// Which of the waiting jobs goes first; `normal` if it is left out.
    #[schema(schema_with = names::priority, required = false)]
    priority: String,
    /// Transcribe once more what is already transcribed with these options.
    again: Option<bool>,
    /// Who is called when the job has ended.
    #[schema(format = "uri")]
    callback_url: Option<String>,
}

/// Where to begin again.
#[derive(ToSchema)]
#[schema(as = Retry)]
#[expect(dead_code, reason = "described, never built")]
pub(crate) struct RetryBody {
    /// The stage; the one that failed if it is left out.
    #[schema(schema_with = names::stage, required = false)]
    stage: String,
}

/// What is to change about a recording: a JSON merge patch (RFC 7396), in which `null` removes a value.
#[derive(ToSchema)]
#[expect(dead_code, reason = "described, never built")]
pub(crate) struct RecordingPatch {
    #[schema(inline)]
    #[serde(flatten)]
    about: AboutBody,
}

/// A webhook endpoint that is to be made.
#[derive(ToSchema)]
#[schema(as = NewWebhookEndpoint)]
#[expect(dead_code, reason = "described, never built")]
pub(crate) struct NewEndpointBody {
    /// Where events are sent to.
    #[schema(format = "uri")]
    url: String,
    /// What it is for, for people.
    #[schema(max_length = 500)]
    description: Option<String>,
    /// The events that it gets; all of them if it is left out.
    #[schema(schema_with = names::event_kinds, required = false)]
    events: Vec<String>,
}

/// What is to change about a webhook endpoint: a JSON merge patch (RFC 7396), in which `null` removes a value.
#[derive(ToSchema)]
#[schema(as = WebhookEndpointPatch)]
#[expect(dead_code, reason = "described, never built")]
pub(crate) struct EndpointPatch {
    /// Where events are sent to.
    #[schema(format = "uri")]
    url: Option<String>,
    /// What it is for, for people.
    #[schema(max_length = 500)]
    description: Option<String>,
    /// The events that it gets; all of them if it is `null`.
    #[schema(schema_with = names::event_kinds, required = false)]
    events: Vec<String>,
    /// Whether nothing is sent to it.
    disabled: Option<bool>,
}

/// A topic that is to be made.
#[derive(ToSchema)]
#[schema(as = NewTopic)]
#[expect(dead_code, reason = "described, never built")]
pub(crate) struct NewTopicBody {
    /// What people call it; unique, whatever the case of its letters.
    #[schema(max_length = 100)]
    name: String,
    /// What it is about.
    #[schema(max_length = 2000)]
    description: Option<String>,
    /// The topic right above it; a root if it is left out.
    parent_id: Option<String>,
}

/// What is to change about a topic: a JSON merge patch (RFC 7396), in which `null` removes a value.
#[derive(ToSchema)]
#[expect(dead_code, reason = "described, never built")]
pub(crate) struct TopicPatch {
    /// What people call it; unique, whatever the case of its letters.
    #[schema(max_length = 100)]
    name: Option<String>,
    /// What it is about.
    #[schema(max_length = 2000)]
    description: Option<String>,
    /// The topic right above it.
    parent_id: Option<String>,
}

/// What is said about a topic of a recording.
#[derive(ToSchema)]
#[schema(as = TopicAssignment)]
#[expect(dead_code, reason = "described, never built")]
pub(crate) struct AssignmentBody {
    /// Whether a person agrees; `true` if it is left out.
    reviewed: Option<bool>,
}

/// A collection that is to be made.
#[derive(ToSchema)]
#[schema(as = NewCollection)]
#[expect(dead_code, reason = "described, never built")]
pub(crate) struct NewCollectionBody {
    /// What people call it.
    #[schema(max_length = 200)]
    name: String,
    /// What it is about.
    #[schema(max_length = 2000)]
    description: Option<String>,
    /// What it is, in a word of the caller's own, as `book` or `series`.
    #[schema(max_length = 50)]
    kind: Option<String>,
    /// Who may see it besides its owner; `workspace` if it is left out.
    #[schema(schema_with = names::visibility, required = false)]
    visibility: String,
}

/// What is to change about a collection: a JSON merge patch (RFC 7396), in which `null` removes a value.
#[derive(ToSchema)]
#[expect(dead_code, reason = "described, never built")]
pub(crate) struct CollectionPatch {
    /// What people call it.
    #[schema(max_length = 200)]
    name: Option<String>,
    /// What it is about.
    #[schema(max_length = 2000)]
    description: Option<String>,
    /// What it is, in a word of the caller's own, as `book` or `series`.
    #[schema(max_length = 50)]
    kind: Option<String>,
    /// Who may see it besides its owner.
    #[schema(schema_with = names::visibility, required = false)]
    visibility: String,
}

/// Where a recording stands in a collection.
#[derive(ToSchema)]
#[schema(as = CollectionPosition)]
#[expect(dead_code, reason = "described, never built")]
pub(crate) struct PositionBody {
    /// Its place; behind all others if it is left out.
    #[schema(minimum = 1, maximum = 1_000_000_000)]
    position: Option<i64>,
}
