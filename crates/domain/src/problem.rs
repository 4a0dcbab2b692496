//! Everything that can be wrong, in one table: the codes of HTTP problems (RFC 9457) and of failed jobs.
//!
//! A code is a promise: it is never renamed and never gets another meaning. Each has a page, `docs/errors/<code>.md`.

macro_rules! problems {
    ($($(#[$doc:meta])+ $name:ident = $status:literal $code:literal $title:literal;)+) => {
        /// What is wrong.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum ProblemCode {
            $($(#[$doc])+ $name,)+
        }

        impl ProblemCode {
            /// Every code, in the order of the table.
            pub const ALL: &'static [Self] = &[$(Self::$name),+];

            /// The stable name.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => $code,)+ }
            }

            /// The HTTP status of an answer with this code.
            pub const fn status(self) -> u16 {
                match self { $(Self::$name => $status,)+ }
            }

            /// What it means, in a few words; the same for every occurrence.
            pub const fn title(self) -> &'static str {
                match self { $(Self::$name => $title,)+ }
            }

            /// The code with this name.
            pub fn from_name(name: &str) -> Option<Self> {
                match name { $($code => Some(Self::$name),)+ _ => None }
            }
        }
    };
}

problems! {
    /// A field, parameter or header has a value that it cannot have.
    InvalidRequest = 422 "invalid_request" "The request is not valid";
    /// The body is not what its content type says.
    MalformedBody = 400 "malformed_body" "The body cannot be read";
    /// A header has a value that its protocol does not know.
    InvalidHeader = 400 "invalid_header" "A header of the request is not valid";
    /// The content type of the request is not one that the route takes.
    UnsupportedContentType = 415 "unsupported_content_type" "The content type is not supported";
    /// No answer in a form that the caller accepts.
    NotAcceptable = 406 "not_acceptable" "No acceptable form of the answer";
    /// No credentials, or wrong ones.
    Unauthorized = 401 "unauthorized" "Valid credentials are needed";
    /// The caller is known and may not do this.
    Forbidden = 403 "forbidden" "This is not allowed";
    /// A token against forged requests came without the session that it belongs to.
    CsrfSessionMissing = 403 "csrf_session_missing" "The session is missing";
    /// A request of a session that changes something lacks the token against forged requests.
    CsrfTokenMissing = 403 "csrf_token_missing" "The token against forged requests is missing";
    /// The token against forged requests is wrong, or the request comes from another origin.
    CsrfTokenInvalid = 403 "csrf_token_invalid" "The token against forged requests is not valid";
    /// An adapter's original refuses the request with this status.
    Refused = 400 "refused" "The request is refused";
    /// There is no such route.
    RouteNotFound = 404 "route_not_found" "There is nothing at this address";
    /// The route exists, with other methods.
    MethodNotAllowed = 405 "method_not_allowed" "The method is not allowed here";
    /// No model of this name among those that jobs may ask for.
    ModelNotFound = 404 "model_not_found" "Model not found";
    /// No workspace with this id that the caller belongs to.
    WorkspaceNotFound = 404 "workspace_not_found" "Workspace not found";
    /// No user with this id.
    UserNotFound = 404 "user_not_found" "User not found";
    /// No session of the caller with this id.
    SessionNotFound = 404 "session_not_found" "Session not found";
    /// No token with this id that is the caller's or its workspace's.
    TokenNotFound = 404 "token_not_found" "Token not found";
    /// No recording with this id in the caller's workspace.
    RecordingNotFound = 404 "recording_not_found" "Recording not found";
    /// No job with this id in the caller's workspace.
    JobNotFound = 404 "job_not_found" "Job not found";
    /// No transcript with this id in the caller's workspace.
    TranscriptNotFound = 404 "transcript_not_found" "Transcript not found";
    /// No upload with this id in the caller's workspace, or it has expired.
    UploadNotFound = 404 "upload_not_found" "Upload not found";
    /// No webhook endpoint with this id in the caller's workspace.
    EndpointNotFound = 404 "endpoint_not_found" "Webhook endpoint not found";
    /// No delivery with this id in the caller's workspace.
    DeliveryNotFound = 404 "delivery_not_found" "Delivery not found";
    /// The recording's media are not stored, or not yet.
    MediaNotFound = 404 "media_not_found" "The recording's media are not stored";
    /// No topic with this id.
    TopicNotFound = 404 "topic_not_found" "Topic not found";
    /// No collection with this id in the caller's workspace.
    CollectionNotFound = 404 "collection_not_found" "Collection not found";
    /// The job is in a state in which this cannot be done to it.
    JobStateConflict = 409 "job_state_conflict" "The job's state does not allow this";
    /// The delivery is in a state in which this cannot be done to it.
    DeliveryStateConflict = 409 "delivery_state_conflict" "The delivery's state does not allow this";
    /// The workspace has as many webhook endpoints as it may.
    TooManyEndpoints = 409 "too_many_endpoints" "There are as many webhook endpoints as may be";
    /// Another recording of the workspace has this external id.
    ExternalIdTaken = 409 "external_id_taken" "The external id belongs to another recording";
    /// Another user logs in with this e-mail address.
    EmailTaken = 409 "email_taken" "The e-mail address is taken";
    /// Another user has this name.
    UsernameTaken = 409 "username_taken" "The username is taken";
    /// Another user logs in with this account of a provider.
    IdentityTaken = 409 "identity_taken" "The account belongs to another user";
    /// Nobody would administer it any more.
    LastAdmin = 409 "last_admin" "This is the last administrator";
    /// The user or workspace has as many tokens as it may.
    TooManyTokens = 409 "too_many_tokens" "There are as many tokens as may be";
    /// Another topic has this name.
    TopicNameTaken = 409 "topic_name_taken" "The name belongs to another topic";
    /// The topic has others below it.
    TopicHasChildren = 409 "topic_has_children" "The topic has topics below it";
    /// The topic would be below itself.
    TopicCycle = 422 "topic_cycle" "The topic would be below itself";
    /// The collection holds the recording already.
    AlreadyInCollection = 409 "already_in_collection" "The recording is in the collection already";
    /// The idempotency key came with another request before.
    IdempotencyKeyReused = 422 "idempotency_key_reused" "The idempotency key belongs to another request";
    /// A piece of an upload does not begin where the last one ended.
    UploadOffsetConflict = 409 "upload_offset_conflict" "The upload goes on at another offset";
    /// The upload lacks some of its bytes.
    UploadIncomplete = 409 "upload_incomplete" "The upload is not complete";
    /// Another request writes to the upload.
    UploadLocked = 423 "upload_locked" "The upload is in use";
    /// The bytes that arrived do not have the checksum that was stated.
    ChecksumMismatch = 460 "checksum_mismatch" "The checksum does not match";
    /// The protocol version in the request is not spoken here.
    UnsupportedVersion = 412 "unsupported_version" "The protocol version is not supported";
    /// The range lies outside of the object.
    RangeNotSatisfiable = 416 "range_not_satisfiable" "The range is outside of the object";
    /// More bytes than allowed.
    PayloadTooLarge = 413 "payload_too_large" "The body is too large";
    /// The request did not arrive in time.
    RequestTimeout = 408 "request_timeout" "The request took too long";
    /// The caller has waited for a result as long as may be; its job goes on.
    ResultPending = 504 "result_pending" "The result is not there yet";
    /// More requests than the caller may make in a while, or too many wrong credentials.
    RateLimited = 429 "rate_limited" "Too many requests";
    /// The queue of jobs is full.
    QueueFull = 429 "queue_full" "The queue is full";
    /// More requests at once than this server takes.
    Overloaded = 503 "overloaded" "The server is busy";
    /// The server is on its way down.
    ShuttingDown = 503 "shutting_down" "The server is shutting down";
    /// The database does not answer.
    DatabaseUnavailable = 503 "database_unavailable" "The database is not available";
    /// The media store does not answer.
    MediaStoreUnavailable = 503 "media_store_unavailable" "The media store is not available";
    /// A feature that the configuration leaves off.
    NotConfigured = 503 "not_configured" "This is not configured";
    /// No way of logging in is configured.
    LoginNotConfigured = 501 "login_not_configured" "There is no login";
    /// The answer of the identity provider belongs to no login that was begun in this browser.
    LoginStateInvalid = 400 "login_state_invalid" "The login cannot go on";
    /// The identity provider's answer cannot be used.
    LoginFailed = 400 "login_failed" "The login failed";
    /// The e-mail address or the password is wrong.
    LoginRefused = 401 "login_refused" "The e-mail address or the password is wrong";
    /// The identity provider has not verified the e-mail address.
    EmailNotVerified = 403 "email_not_verified" "The e-mail address is not verified";
    /// The e-mail address is not one that may log in.
    NotInvited = 403 "not_invited" "This address may not log in";
    /// The identity provider does not answer.
    IdentityProviderUnavailable = 503 "identity_provider_unavailable" "The identity provider is not available";
    /// A bug, or damage; the log knows more.
    Internal = 500 "internal" "Internal error";

    /// The bytes are not audio or video in a format that Hansard reads.
    UnsupportedMedia = 415 "unsupported_media" "The media format is not supported";
    /// The media are damaged, or hold no sound.
    UnreadableMedia = 422 "unreadable_media" "The media cannot be read";
    /// The source does not exist: no such key, no such page.
    SourceNotFound = 422 "source_not_found" "The source does not exist";
    /// The bucket does not exist.
    SourceBucketNotFound = 422 "source_bucket_not_found" "The source's bucket does not exist";
    /// The source refuses the credentials, or access with them.
    SourceDenied = 502 "source_denied" "The source refuses access";
    /// The source is an address that callers may not reach.
    SourceForbidden = 422 "source_forbidden" "The source's address is not allowed";
    /// The source is larger than allowed.
    SourceTooLarge = 413 "source_too_large" "The source is too large";
    /// The source does not answer, answers with errors, or wants fewer requests.
    SourceUnavailable = 502 "source_unavailable" "The source is not available";
    /// No engine or model to transcribe with.
    EngineUnavailable = 503 "engine_unavailable" "No speech engine is available";
    /// The engine refuses these options or this audio.
    EngineRefused = 422 "engine_refused" "The engine refuses the request";
    /// The engine broke down.
    EngineFailed = 502 "engine_failed" "The engine failed";
    /// The job's workers died on it again and again.
    WorkersLost = 500 "workers_lost" "The job's workers were lost";
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn names_are_unique_and_read_back() {
        let names: HashSet<_> = ProblemCode::ALL.iter().map(|code| code.name()).collect();

        assert_eq!(names.len(), ProblemCode::ALL.len());
        for code in ProblemCode::ALL {
            assert_eq!(ProblemCode::from_name(code.name()), Some(*code));
            assert!((400..600).contains(&code.status()), "{code:?}");
        }
    }
}
