//! Signatures after Standard Webhooks (<https://www.standardwebhooks.com>).

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hansard_domain::id::DeliveryId;
use hansard_domain::time::Timestamp;
use http::{HeaderName, HeaderValue};
use ring::hmac;

const ID: HeaderName = HeaderName::from_static("webhook-id");
const TIMESTAMP: HeaderName = HeaderName::from_static("webhook-timestamp");
const SIGNATURE: HeaderName = HeaderName::from_static("webhook-signature");

/// What a secret begins with.
const PREFIX: &str = "whsec_";

/// Text that is not a secret for signatures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the secret is not whsec_ and base64")]
pub struct InvalidKey;

/// A key that signs webhooks. Never shown, not even by `Debug`.
#[derive(Clone)]
pub struct SigningKey(hmac::Key);

impl SigningKey {
    /// The key that the secret `whsec_<base64>` stands for.
    ///
    /// # Errors
    /// [`InvalidKey`] for any other text.
    pub fn parse(secret: &str) -> Result<Self, InvalidKey> {
        let encoded = secret.strip_prefix(PREFIX).ok_or(InvalidKey)?;
        let key = STANDARD.decode(encoded).map_err(|_| InvalidKey)?;
        if key.is_empty() {
            return Err(InvalidKey);
        }
        Ok(Self(hmac::Key::new(hmac::HMAC_SHA256, &key)))
    }

    fn sign(&self, id: &DeliveryId, seconds: i64, body: &[u8]) -> String {
        let mut signing = hmac::Context::with_key(&self.0);
        signing.update(format!("{id}.{seconds}.").as_bytes());
        signing.update(body);
        format!("v1,{}", STANDARD.encode(signing.sign()))
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("SigningKey(hidden)")
    }
}

/// The headers of a webhook sent at `now`: its id, the time, and a signature by each of `keys` if there are any.
pub(super) fn headers(
    id: &DeliveryId,
    now: Timestamp,
    body: &[u8],
    keys: &[SigningKey],
) -> Vec<(HeaderName, HeaderValue)> {
    let seconds = now.as_seconds();
    let value = |text: &str| HeaderValue::from_str(text).expect("ids, digits and base64 are ASCII");
    let mut headers = vec![(ID, value(&id.to_string())), (TIMESTAMP, HeaderValue::from(seconds))];
    if !keys.is_empty() {
        let signatures: Vec<_> = keys.iter().map(|key| key.sign(id, seconds, body)).collect();
        headers.push((SIGNATURE, value(&signatures.join(" "))));
    }
    headers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_prefixed_secret_is_one_and_it_is_never_shown() {
        let key = SigningKey::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();

        assert_eq!(format!("{key:?}"), "SigningKey(hidden)");
        for wrong in ["", "whsec_", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_%%"] {
            assert_eq!(SigningKey::parse(wrong).err(), Some(InvalidKey), "{wrong}");
        }
    }
}
