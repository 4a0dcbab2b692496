//! Texts that are one of a few names, as schemas.

use hansard_domain::access::{Permission, Role};
use hansard_domain::audit::{AuditKind, Outcome};
use hansard_domain::event::{DeliveryState, EventKind};
use hansard_domain::job::{JobState, Priority, Stage, Visibility};
use hansard_domain::transcript::{Suspicion, Task};
use utoipa::openapi::schema::{Array, SchemaType};
use utoipa::openapi::schema::{ArrayBuilder, Object, ObjectBuilder, Type};

/// Declares the schema of each enum's names.
macro_rules! schemas {
    ($($function:ident $names:ident)+) => {
        $(
            #[doc = concat!("A name of [`", stringify!($names), "`].")]
            pub(crate) fn $function() -> Object {
                one_of($names::ALL.iter().map(|value| value.name()))
            }
        )+
    };
}

schemas! {
    job_state JobState
    stage Stage
    priority Priority
    visibility Visibility
    task Task
    delivery_state DeliveryState
    event_kind EventKind
    role Role
    permission Permission
    audit_kind AuditKind
    outcome Outcome
}

/// Names of the events that an endpoint may get.
pub(crate) fn event_kinds() -> Array {
    let kinds = EventKind::ALL.iter().filter(|kind| kind.is_deliverable());
    ArrayBuilder::new().items(one_of(kinds.map(|kind| kind.name()))).build()
}

/// Names of [`Suspicion`].
pub(crate) fn suspicions() -> Array {
    ArrayBuilder::new().items(one_of(Suspicion::ALL.iter().map(|value| value.name()))).build()
}

/// Names of [`Permission`].
pub(crate) fn permissions() -> Array {
    ArrayBuilder::new().items(permission()).build()
}

/// The same, or `null` for all of them.
pub(crate) fn scopes() -> Array {
    let types = SchemaType::from_iter([Type::Array, Type::Null]);
    ArrayBuilder::new().schema_type(types).items(permission()).build()
}

/// One of `names`.
pub(crate) fn one_of(names: impl Iterator<Item = &'static str>) -> Object {
    ObjectBuilder::new().schema_type(Type::String).enum_values(Some(names)).build()
}
