//! JSON Web Tokens (RFC 7519) as bearers send them, judged by the rules of RFC 8725.
//!
//! A [`Token`] is a text taken apart, and nothing of it is believed. A key makes [`Claims`] of it, and those say something
//! about its bearer once [`Claims::check`] has passed. Which algorithm counts is a matter of the key, never of the token.

#[cfg(test)]
pub(crate) mod tests;

use std::fmt;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use hansard_domain::time::Timestamp;
use serde::de::{DeserializeOwned, IgnoredAny, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

/// Bytes of a token.
const BYTES_MAX: usize = 8_192;

/// Bytes of a key's id.
pub(crate) const KEY_ID_BYTES_MAX: usize = 256;

/// Bytes of a subject (OpenID Connect Core 2).
const SUBJECT_BYTES_MAX: usize = 255;

/// Seconds by which the clock of a token's maker may differ from ours.
const LEEWAY_S: i64 = 60;

/// The last second that a date can have four digits for the year in: what lies behind it is a mistake.
const LAST_SECOND: i64 = 253_402_300_799;

/// How a token may be signed. There are others, and nobody here needs them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Algorithm {
    /// HMAC with SHA-256 and a shared secret.
    Hs256,
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Rs256,
    /// ECDSA on P-256 with SHA-256.
    Es256,
    /// Ed25519.
    EdDsa,
}

impl Algorithm {
    /// The algorithm that is called so in a token or a key.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "HS256" => Self::Hs256,
            "RS256" => Self::Rs256,
            "ES256" => Self::Es256,
            "EdDSA" | "Ed25519" => Self::EdDsa,
            _ => return None,
        })
    }
}

/// Why a token is refused. For the log and the audit log; its bearer learns only that it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("it has more than {BYTES_MAX} bytes")]
    TooLong,
    #[error("it is not three parts of base64url")]
    Shape,
    #[error("its header cannot be read")]
    Header,
    #[error("its algorithm is not accepted")]
    Algorithm,
    #[error("it is of another type")]
    Type,
    #[error("it holds another token, or asks for an extension")]
    Nested,
    #[error("it names no key")]
    KeyId,
    #[error("its claims cannot be read")]
    Payload,
    #[error("its issuer is not one of those configured")]
    Issuer,
    #[error("its issuer has no such key")]
    UnknownKey,
    #[error("its algorithm is not that of the key")]
    WrongKey,
    #[error("its signature is wrong")]
    Signature,
    #[error("it is meant for somebody else")]
    Audience,
    #[error("it does not say when it expires")]
    NoExpiry,
    #[error("it has expired")]
    Expired,
    #[error("it does not say from when on it holds")]
    NoStart,
    #[error("it does not hold yet")]
    NotYet,
    #[error("it names no subject")]
    Subject,
    #[error("it lacks a claim that its kind has")]
    Claim,
}

/// A token taken apart. Nothing of it has been verified.
pub(crate) struct Token<'a> {
    algorithm: Algorithm,
    key_id: Option<String>,
    signed: &'a str,
    payload: Vec<u8>,
    signature: Vec<u8>,
}

/// What matters of a token's first part. What would bring a key of its own (`jwk`, `jku`, `x5u`, `x5c`) is not looked at.
#[derive(Deserialize)]
struct Header {
    alg: String,
    typ: Option<String>,
    kid: Option<String>,
    /// Says that the payload is a token again.
    #[serde(default, deserialize_with = "is_there")]
    cty: bool,
    /// Says which extensions have to be understood. None is.
    #[serde(default, deserialize_with = "is_there")]
    crit: bool,
    /// Says that it is encrypted.
    #[serde(default, deserialize_with = "is_there")]
    enc: bool,
}

impl<'a> Token<'a> {
    /// Whether `text` has the shape of a token: three parts of base64url with dots between them.
    pub(crate) fn is_like(text: &str) -> bool {
        let is_base64url = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        text.bytes().filter(|byte| *byte == b'.').count() == 2 && text.bytes().all(is_base64url)
    }

    /// Takes `text` apart.
    ///
    /// # Errors
    /// [`Refusal`] for what is not a plain signed token with an algorithm of ours.
    pub(crate) fn parse(text: &'a str) -> Result<Self, Refusal> {
        if text.len() > BYTES_MAX {
            return Err(Refusal::TooLong);
        }
        let (signed, signature) = text.rsplit_once('.').ok_or(Refusal::Shape)?;
        let (header, payload) = signed.split_once('.').ok_or(Refusal::Shape)?;
        // One spelling for each token: neither padding nor loose bits at the end.
        let decoded = |part| BASE64_URL_SAFE_NO_PAD.decode(part).map_err(|_| Refusal::Shape);
        let (header, payload, signature) =
            (decoded(header)?, decoded(payload)?, decoded(signature)?);
        let Header { alg, typ, kid, cty, crit, enc } = object(&header).ok_or(Refusal::Header)?;
        let algorithm = Algorithm::named(&alg).ok_or(Refusal::Algorithm)?;
        let is_known = |typ: &str| {
            let typ = typ.strip_prefix("application/").unwrap_or(typ);
            typ.eq_ignore_ascii_case("JWT") || typ.eq_ignore_ascii_case("at+jwt")
        };
        if !typ.as_deref().is_none_or(is_known) {
            return Err(Refusal::Type);
        }
        if cty || crit || enc {
            return Err(Refusal::Nested);
        }
        if !kid.as_ref().is_none_or(|kid| (1..=KEY_ID_BYTES_MAX).contains(&kid.len())) {
            return Err(Refusal::KeyId);
        }
        Ok(Self { algorithm, key_id: kid, signed, payload, signature })
    }

    /// How it says that it is signed.
    pub(crate) fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Which key it says that it is signed with.
    ///
    /// # Errors
    /// [`Refusal::KeyId`] if it does not say.
    pub(crate) fn key_id(&self) -> Result<&str, Refusal> {
        self.key_id.as_deref().ok_or(Refusal::KeyId)
    }

    /// Who says to have issued it: good for choosing whose keys to look at, and for nothing else.
    ///
    /// # Errors
    /// [`Refusal::Payload`] or [`Refusal::Issuer`] if that cannot be told.
    pub(crate) fn stated_issuer(&self) -> Result<String, Refusal> {
        let claims: Claims = object(&self.payload).ok_or(Refusal::Payload)?;
        claims.iss.ok_or(Refusal::Issuer)
    }

    /// What it says, if `verify` finds the signature (its second argument) to be one of the text (its first).
    ///
    /// # Errors
    /// What `verify` refuses it for, or [`Refusal::Payload`].
    pub(crate) fn claims(
        &self,
        verify: impl FnOnce(&[u8], &[u8]) -> Result<(), Refusal>,
    ) -> Result<Claims, Refusal> {
        verify(self.signed.as_bytes(), &self.signature)?;
        object(&self.payload).ok_or(Refusal::Payload)
    }
}

/// What a token says about its bearer, in the words of its issuer.
#[derive(Debug, Deserialize)]
pub(crate) struct Claims {
    iss: Option<String>,
    sub: Option<String>,
    #[serde(default)]
    aud: Audience,
    exp: Option<Seconds>,
    nbf: Option<Seconds>,
    iat: Option<Seconds>,
    /// Everything else.
    #[serde(flatten)]
    pub(crate) others: Map<String, Value>,
}

impl Claims {
    /// Who bears it, if `issuer` has issued it for `audience` and it holds at `now`.
    ///
    /// # Errors
    /// [`Refusal`].
    pub(crate) fn check(
        &self,
        issuer: &str,
        audience: &str,
        now: Timestamp,
    ) -> Result<&str, Refusal> {
        if self.iss.as_deref() != Some(issuer) {
            return Err(Refusal::Issuer);
        }
        if !self.aud.holds(audience) {
            return Err(Refusal::Audience);
        }
        self.check_times(now)?;
        self.subject()
    }

    /// Whom it is about.
    ///
    /// # Errors
    /// [`Refusal::Subject`] if it does not say, or at too great a length.
    pub(crate) fn subject(&self) -> Result<&str, Refusal> {
        let is_subject = |sub: &&str| (1..=SUBJECT_BYTES_MAX).contains(&sub.len());
        self.sub.as_deref().filter(is_subject).ok_or(Refusal::Subject)
    }

    /// When it expires, if it holds at `now`.
    ///
    /// # Errors
    /// [`Refusal`] if it does not, or does not say.
    pub(crate) fn check_times(&self, now: Timestamp) -> Result<Timestamp, Refusal> {
        let now = now.as_seconds();
        let Seconds(expires) = self.exp.ok_or(Refusal::NoExpiry)?;
        if expires <= now.saturating_sub(LEEWAY_S) {
            return Err(Refusal::Expired);
        }
        if self.nbf.is_none() && self.iat.is_none() {
            return Err(Refusal::NoStart);
        }
        if self
            .nbf
            .into_iter()
            .chain(self.iat)
            .any(|Seconds(start)| start > now.saturating_add(LEEWAY_S))
        {
            return Err(Refusal::NotYet);
        }
        Ok(Timestamp::from_micros(expires.saturating_mul(1_000_000)))
    }

    /// When it was issued, as far as it says.
    pub(crate) fn issued_at(&self) -> Option<Timestamp> {
        self.iat.map(|Seconds(seconds)| Timestamp::from_micros(seconds.saturating_mul(1_000_000)))
    }

    /// A further claim that is a text.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.others.get(name)?.as_str()
    }
}

/// For whom a token is.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Several(Vec<String>),
}

impl Default for Audience {
    fn default() -> Self {
        Self::Several(Vec::new())
    }
}

impl Audience {
    fn holds(&self, wanted: &str) -> bool {
        match self {
            Self::One(audience) => audience == wanted,
            Self::Several(audiences) => audiences.iter().any(|audience| audience == wanted),
        }
    }
}

/// A point in time, in seconds since 1970. A number, never a text; parts of a second are cut off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Seconds(i64);

impl<'de> Deserialize<'de> for Seconds {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Number;

        impl Visitor<'_> for Number {
            type Value = Seconds;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("seconds since 1970")
            }

            fn visit_u64<E: serde::de::Error>(self, seconds: u64) -> Result<Seconds, E> {
                let seconds = i64::try_from(seconds).ok().filter(|seconds| *seconds <= LAST_SECOND);
                seconds.map(Seconds).ok_or_else(|| E::custom("out of range"))
            }

            fn visit_f64<E: serde::de::Error>(self, seconds: f64) -> Result<Seconds, E> {
                if (0.0..=LAST_SECOND as f64).contains(&seconds) {
                    Ok(Seconds(seconds as i64))
                } else {
                    Err(E::custom("out of range"))
                }
            }
        }

        // Negative numbers are visited as such, and refused.
        deserializer.deserialize_any(Number)
    }
}

/// Reads a JSON object. A list that happens to fit is none.
fn object<T: DeserializeOwned>(bytes: &[u8]) -> Option<T> {
    let begins = bytes.iter().find(|byte| !byte.is_ascii_whitespace());
    if begins != Some(&b'{') {
        return None;
    }
    serde_json::from_slice(bytes).ok()
}

/// Whether a field is there, whatever it holds, `null` included.
fn is_there<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    IgnoredAny::deserialize(deserializer)?;
    Ok(true)
}
