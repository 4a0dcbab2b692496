//! The public keys that providers publish (RFC 7517), and what may be verified with each.

use std::fmt;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents,
    UnparsedPublicKey,
};
use serde::Deserialize;
use serde_json::Value;

use crate::door::jwt::{Algorithm, Claims, KEY_ID_BYTES_MAX, Refusal, Token};

/// Keys of a set.
const KEYS_MAX: usize = 100;

/// Bits of an RSA modulus.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2_048..=8_192;

/// A public key with the one algorithm that it is for.
#[derive(Clone)]
pub(crate) struct Key {
    id: String,
    algorithm: Algorithm,
    public: Public,
}

#[derive(Clone)]
enum Public {
    Rsa {
        modulus: Vec<u8>,
        exponent: Vec<u8>,
    },
    /// A point, uncompressed.
    P256(Vec<u8>),
    Ed25519(Vec<u8>),
}

impl fmt::Debug for Key {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Key({:?}, {:?})", self.id, self.algorithm)
    }
}

impl Key {
    /// What `token` says, if it is signed with this key.
    ///
    /// # Errors
    /// [`Refusal::WrongKey`] for a token with another algorithm than the key's; [`Refusal::Signature`];
    /// [`Refusal::Payload`].
    pub(crate) fn open(&self, token: &Token<'_>) -> Result<Claims, Refusal> {
        if token.algorithm() != self.algorithm {
            return Err(Refusal::WrongKey);
        }
        token.claims(|signed, signature| {
            let verified = match &self.public {
                Public::Rsa { modulus, exponent } => {
                    let key = RsaPublicKeyComponents { n: modulus, e: exponent };
                    key.verify(&RSA_PKCS1_2048_8192_SHA256, signed, signature)
                }
                Public::P256(point) => UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point)
                    .verify(signed, signature),
                Public::Ed25519(point) => {
                    UnparsedPublicKey::new(&ED25519, point).verify(signed, signature)
                }
            };
            verified.map_err(|_| Refusal::Signature)
        })
    }

    /// The key that a provider describes so; `None` for one that is not for verifying, or not with an algorithm of ours.
    fn read(jwk: Jwk) -> Option<Self> {
        let Jwk { kty, kid, usage, key_ops, alg, crv, n, e, x, y } = jwk;
        let is_for_signatures = usage.as_deref().is_none_or(|usage| usage == "sig")
            && key_ops.is_none_or(|ops| ops.iter().any(|op| op == "verify"));
        let id = kid.filter(|kid| (1..=KEY_ID_BYTES_MAX).contains(&kid.len()))?;
        // A symmetric key in a public document would be a mistake, and a way to pass a public key off as a secret.
        let (algorithm, public) = match (kty.as_str(), crv.as_deref()) {
            ("RSA", _) => {
                let (modulus, exponent) = (number(n?)?, number(e?)?);
                let bits = modulus.len() * 8 - modulus.first()?.leading_zeros() as usize;
                if !RSA_BITS.contains(&bits) {
                    return None;
                }
                (Algorithm::Rs256, Public::Rsa { modulus, exponent })
            }
            ("EC", Some("P-256")) => {
                let point = [vec![0x04], coordinate(x?)?, coordinate(y?)?].concat();
                (Algorithm::Es256, Public::P256(point))
            }
            ("OKP", Some("Ed25519")) => (Algorithm::EdDsa, Public::Ed25519(coordinate(x?)?)),
            _ => return None,
        };
        let is_pinned = alg.is_none_or(|alg| Algorithm::named(&alg) == Some(algorithm));
        (is_for_signatures && is_pinned).then_some(Self { id, algorithm, public })
    }
}

/// A key as it is published.
#[derive(Deserialize)]
struct Jwk {
    kty: String,
    kid: Option<String>,
    #[serde(rename = "use")]
    usage: Option<String>,
    key_ops: Option<Vec<String>>,
    alg: Option<String>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

/// The big number in `text`, without the zeros in front that some providers write.
fn number(text: String) -> Option<Vec<u8>> {
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(text).ok()?;
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    Some(bytes[zeros..].to_vec())
}

/// One coordinate of a point.
fn coordinate(text: String) -> Option<Vec<u8>> {
    BASE64_URL_SAFE_NO_PAD.decode(text).ok().filter(|bytes| bytes.len() == 32)
}

/// All keys of a provider that are of use.
#[derive(Debug, Clone, Default)]
pub(crate) struct KeySet(Vec<Key>);

/// A document that is no set of keys.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InvalidSet {
    /// It cannot be read.
    #[error("the document is no set of keys")]
    Json(#[source] serde_json::Error),
    /// It is not a provider's.
    #[error("the set has more than {KEYS_MAX} keys")]
    TooMany,
}

impl KeySet {
    /// Reads a set. A key that is of no use here is left out.
    ///
    /// # Errors
    /// See [`InvalidSet`].
    pub(crate) fn parse(json: &[u8]) -> Result<Self, InvalidSet> {
        #[derive(Deserialize)]
        struct Document {
            keys: Vec<Value>,
        }

        let Document { keys } = serde_json::from_slice(json).map_err(InvalidSet::Json)?;
        if keys.len() > KEYS_MAX {
            return Err(InvalidSet::TooMany);
        }
        let keys = keys.into_iter().filter_map(|key| Key::read(serde_json::from_value(key).ok()?));
        Ok(Self(keys.collect()))
    }

    /// The key with this id.
    pub(crate) fn find(&self, id: &str) -> Option<&Key> {
        self.0.iter().find(|key| key.id == id)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn b64(bytes: &[u8]) -> String {
        BASE64_URL_SAFE_NO_PAD.encode(bytes)
    }

    fn read(key: &Value) -> Option<Algorithm> {
        let set = KeySet::parse(json!({ "keys": [key] }).to_string().as_bytes()).unwrap();
        set.find("k1").map(|key| key.algorithm)
    }

    /// `base` with other fields; `null` removes one.
    fn with(base: &Value, fields: &Value) -> Value {
        let mut key = base.clone();
        for (name, value) in fields.as_object().unwrap() {
            key[name] = value.clone();
        }
        key.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        key
    }

    fn rsa() -> Value {
        json!({ "kty": "RSA", "kid": "k1", "n": b64(&[0xff; 256]), "e": "AQAB" })
    }

    fn p256() -> Value {
        json!({ "kty": "EC", "crv": "P-256", "kid": "k1", "x": b64(&[1; 32]), "y": b64(&[2; 32]) })
    }

    fn ed25519() -> Value {
        json!({ "kty": "OKP", "crv": "Ed25519", "kid": "k1", "x": b64(&[1; 32]) })
    }

    #[test]
    fn each_kind_of_key_is_for_one_algorithm() {
        assert_eq!(read(&rsa()), Some(Algorithm::Rs256));
        assert_eq!(read(&p256()), Some(Algorithm::Es256));
        assert_eq!(read(&ed25519()), Some(Algorithm::EdDsa));
        for fields in [
            json!({ "use": "sig", "alg": "RS256" }),
            json!({ "key_ops": ["verify"], "x5c": ["MIIC"], "something": { "new": 1 } }),
            json!({ "n": b64(&[&[0, 0], [0xff; 256].as_slice()].concat()) }),
        ] {
            assert_eq!(read(&with(&rsa(), &fields)), Some(Algorithm::Rs256), "{fields}");
        }
        assert_eq!(read(&with(&ed25519(), &json!({ "alg": "Ed25519" }))), Some(Algorithm::EdDsa));
    }

    #[test]
    fn a_key_for_something_else_is_left_out() {
        for fields in [
            json!({ "use": "enc" }),
            json!({ "key_ops": ["encrypt"] }),
            json!({ "alg": "RS512" }),
            json!({ "alg": "PS256" }),
            json!({ "alg": "HS256" }),
            json!({ "alg": "none" }),
            json!({ "alg": "ES256" }),
            json!({ "alg": "RSA-OAEP" }),
            json!({ "kid": null }),
            json!({ "kid": "" }),
            json!({ "kid": "k".repeat(257) }),
            json!({ "n": null }),
            json!({ "e": null }),
            json!({ "n": "" }),
            json!({ "n": "+/+/" }),
            json!({ "n": b64(&[0xff; 255]) }),
            json!({ "n": b64(&[0x7f; 256]) }),
            json!({ "n": b64(&[0xff; 1_025]) }),
            json!({ "n": b64(&[&[0; 200], [0xff; 56].as_slice()].concat()) }),
            json!({ "kty": "oct", "k": "c2VjcmV0" }),
            json!({ "kty": "EC" }),
            json!({ "kty": 1 }),
        ] {
            assert_eq!(read(&with(&rsa(), &fields)), None, "{fields}");
        }
        for fields in [
            json!({ "crv": "P-384" }),
            json!({ "crv": "secp256k1" }),
            json!({ "y": null }),
            json!({ "x": b64(&[1; 31]) }),
            json!({ "alg": "ES384" }),
        ] {
            assert_eq!(read(&with(&p256(), &fields)), None, "{fields}");
        }
        assert_eq!(read(&with(&ed25519(), &json!({ "crv": "X25519" }))), None);
        assert_eq!(read(&json!("k1")), None);
    }

    #[test]
    fn a_document_that_is_no_set_is_refused_and_a_strange_key_spoils_nothing() {
        for wrong in ["", "[]", "{}", "null", r#"{"keys":{}}"#, r#"{"keys":null}"#] {
            assert!(matches!(KeySet::parse(wrong.as_bytes()), Err(InvalidSet::Json(_))), "{wrong}");
        }
        let many = json!({ "keys": vec![rsa(); 101] }).to_string();
        assert!(matches!(KeySet::parse(many.as_bytes()), Err(InvalidSet::TooMany)));

        let mixed =
            json!({ "keys": [7, { "kty": "oct", "kid": "k1", "k": "AA" }, rsa()] }).to_string();
        let set = KeySet::parse(mixed.as_bytes()).unwrap();
        assert_eq!(set.find("k1").map(|key| key.algorithm), Some(Algorithm::Rs256));
        assert!(set.find("k2").is_none() && KeySet::parse(br#"{"keys":[]}"#).is_ok());
    }
}
