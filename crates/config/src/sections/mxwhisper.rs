use crate::reader::Reader;
use crate::secret::Secret;
use crate::setting::{default, section, unset};
use crate::value::Choice;

/// Bytes that the secret has at least: as many as the signature (RFC 7518, 3.2).
const SECRET_MIN: usize = 32;

section! {
    /// The service tokens of MxWhisper.
    pub struct MxwhisperConfig: "mxwhisper" {
        /// Secret that MxWhisper's service tokens are signed with, at least 32 bytes.
        /// Without one, none is accepted.
        service_secret: Option<Secret> = unset("change-me").named(&["SERVICE_ACCOUNT_JWT_SECRET"]),

        /// How they are signed.
        service_algorithm: ServiceAlgorithm =
            default("HS256").named(&["SERVICE_ACCOUNT_JWT_ALGORITHM"]),

        /// Days for which a new one is good unless told otherwise.
        token_expiry_days: u32 =
            default("365").within("1", "3650").named(&["DEFAULT_TOKEN_EXPIRY_DAYS"]),
    }
}

/// How service tokens are signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServiceAlgorithm {
    /// HMAC with SHA-256.
    Hs256,
}

impl Choice for ServiceAlgorithm {
    const CHOICES: &'static [(&'static str, Self)] = &[("HS256", Self::Hs256)];
}

impl MxwhisperConfig {
    pub(crate) fn check(&self, reader: &mut Reader) {
        let is_short = |secret: &Secret| secret.expose().len() < SECRET_MIN;
        if self.service_secret.as_ref().is_some_and(is_short) {
            reader.refuse_together(&["mxwhisper.service_secret"], "expected at least 32 bytes");
        }
    }
}
