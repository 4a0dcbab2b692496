//! Names of stored things: text ids with a prefix per kind, in order of time.
//!
//! An id is `<prefix>_<ULID>`, as `rec_01KAJ2Z1GQ8C3T0V7M5N9XQ4RS`: 48 bits of milliseconds and 80 random bits in
//! Crockford's base 32 (<https://github.com/ulid/spec>). Ids made later sort later, up to the millisecond.

use std::fmt;

use ulid::Ulid;

/// Text that is not an id of the wanted kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not an id that begins with {prefix}_")]
pub struct InvalidId {
    /// The prefix of the wanted kind.
    pub prefix: &'static str,
}

/// What every kind of id can do.
pub trait Id: Sized + fmt::Display {
    /// The letters before the underscore.
    const PREFIX: &'static str;

    /// The id made at `millis` after 1970 with these random bits, of which 80 are used.
    fn from_parts(millis: u64, random: u128) -> Self;

    /// Reads an id of this kind and refuses everything else.
    ///
    /// # Errors
    /// [`InvalidId`] for another prefix, length or alphabet.
    fn parse(text: &str) -> Result<Self, InvalidId>;

    /// The id as text.
    fn as_str(&self) -> &str;
}

/// `<prefix>_<ULID>` for these parts.
fn render(prefix: &str, millis: u64, random: u128) -> String {
    format!("{prefix}_{}", Ulid::from_parts(millis, random))
}

/// Whether `text` is exactly what [`render`] writes for `prefix`.
fn is_rendered(prefix: &str, text: &str) -> bool {
    let ulid = text.strip_prefix(prefix).and_then(|rest| rest.strip_prefix('_'));
    // Lower case and look-alike letters would decode too, but one thing has one name.
    ulid.is_some_and(|ulid| Ulid::from_string(ulid).is_ok_and(|read| read.to_string() == ulid))
}

macro_rules! ids {
    ($($(#[$doc:meta])+ $name:ident = $prefix:literal;)+) => {$(
        $(#[$doc])+
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(String);

        impl Id for $name {
            const PREFIX: &'static str = $prefix;

            fn from_parts(millis: u64, random: u128) -> Self {
                Self(render($prefix, millis, random))
            }

            fn parse(text: &str) -> Result<Self, InvalidId> {
                if is_rendered($prefix, text) {
                    Ok(Self(text.to_owned()))
                } else {
                    Err(InvalidId { prefix: $prefix })
                }
            }

            fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(&self.0)
            }
        }
    )+};
}

ids! {
    /// Names a workspace, to which every row belongs.
    WorkspaceId = "wsp";
    /// Names a recording.
    RecordingId = "rec";
    /// Names a job.
    JobId = "job";
    /// Names a transcript.
    TranscriptId = "trn";
    /// Names an upload in pieces.
    UploadId = "upl";
    /// Names an event of the log.
    EventId = "evt";
    /// Names a webhook endpoint.
    EndpointId = "whe";
    /// Names a delivery: one event on its way to one receiver, the same over all attempts.
    DeliveryId = "dlv";
    /// Names a worker process, as the holder of leases.
    WorkerId = "wrk";
    /// Names a user.
    UserId = "usr";
    /// Names a session: a browser in which a user is logged in.
    SessionId = "ses";
    /// Names a token: a user's key, a service token, or one of MxWhisper's.
    TokenId = "tok";
    /// Names an entry of the audit log.
    AuditId = "aud";
    /// Names a topic.
    TopicId = "top";
    /// Names a collection.
    CollectionId = "col";
    /// Names a request, for log lines and error bodies.
    RequestId = "req";
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_id_is_read_back_and_only_as_its_own_kind() {
        let id = RecordingId::from_parts(1_700_000_000_000, 7);

        assert_eq!(RecordingId::parse(id.as_str()), Ok(id.clone()));
        assert_eq!(JobId::parse(id.as_str()), Err(InvalidId { prefix: "job" }));
    }

    #[test]
    fn other_spellings_of_an_id_are_not_ids() {
        let id = JobId::from_parts(1_700_000_000_000, u128::MAX).to_string();
        let spellings = [
            id.to_lowercase(),
            format!("{id}0"),
            format!(" {id}"),
            id.replace('_', ""),
            "job_".into(),
        ];

        for spelling in spellings {
            assert!(JobId::parse(&spelling).is_err(), "{spelling}");
        }
    }

    proptest! {
        #[test]
        fn later_ids_sort_later(millis in 0u64..1 << 47, a: u128, b: u128) {
            prop_assert!(JobId::from_parts(millis, a) < JobId::from_parts(millis + 1, b));
        }

        #[test]
        fn no_text_makes_parsing_panic(text in "\\PC*") {
            let _ = JobId::parse(&text);
        }
    }
}
