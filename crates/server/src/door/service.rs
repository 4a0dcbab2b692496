//! MxWhisper's service tokens: signed by the operator with a shared secret (HS256), for programs.
//!
//! They have a way of their own: what verifies them knows no public key, and what verifies a provider's tokens knows no
//! secret, so that neither can be taken for the other.

use std::fmt;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use hansard_domain::access::Role;
use hansard_domain::time::Timestamp;
use ring::hmac;
use serde_json::json;

use crate::door::jwt::{Algorithm, Refusal, Token};

/// Bytes of the secret (RFC 7518, 3.2): as many as the signature has.
const SECRET_BYTES_MIN: usize = 32;

/// The secret that service tokens are signed with.
#[derive(Clone)]
pub struct ServiceSecret(hmac::Key);

impl fmt::Debug for ServiceSecret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("ServiceSecret(***)")
    }
}

/// What a service token says about its bearer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceClaims {
    /// Id of the user whose token it is.
    pub subject: String,
    /// That user's name.
    pub username: String,
    /// Id of the token, its `jti`.
    pub id: String,
    /// How often the user's tokens had been revoked when it was made.
    pub revocations: i64,
    /// When it expires, to the second.
    pub expires_at: Timestamp,
}

impl ServiceSecret {
    /// The secret in the settings; `None` for one that is too short to sign with.
    pub fn new(secret: &str) -> Option<Self> {
        let is_long = secret.len() >= SECRET_BYTES_MIN;
        is_long.then(|| Self(hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes())))
    }

    /// A token that says `claims`, made at `now` for a user who is `role`.
    ///
    /// The role is for programs that look at `roles`. Hansard does not: what a user may is in the store.
    pub fn sign(&self, claims: &ServiceClaims, role: Role, now: Timestamp) -> String {
        let mut roles = vec!["users.mxwhisper"];
        if role == Role::Admin {
            roles.push("admin.mxwhisper");
        }
        let payload = json!({
            "sub": claims.subject,
            "username": claims.username,
            "roles": roles,
            "exp": claims.expires_at.as_seconds(),
            "iat": now.as_seconds(),
            "jti": claims.id,
            "revocation_counter": claims.revocations,
        });
        let header = json!({ "alg": "HS256", "typ": "JWT" });
        let encoded = |part: &[u8]| BASE64_URL_SAFE_NO_PAD.encode(part);
        let [header, payload] = [header, payload].map(|part| encoded(part.to_string().as_bytes()));
        let signed = format!("{header}.{payload}");
        let signature = hmac::sign(&self.0, signed.as_bytes());
        format!("{signed}.{}", encoded(signature.as_ref()))
    }

    /// What `token` says, if it is signed with the secret and holds at `now`. Whether it was revoked is for the store to
    /// say.
    ///
    /// # Errors
    /// [`Refusal`].
    pub(crate) fn open(&self, token: &Token<'_>, now: Timestamp) -> Result<ServiceClaims, Refusal> {
        if token.algorithm() != Algorithm::Hs256 {
            return Err(Refusal::WrongKey);
        }
        let claims = token.claims(|signed, signature| {
            hmac::verify(&self.0, signed, signature).map_err(|_| Refusal::Signature)
        })?;
        let expires_at = claims.check_times(now)?;
        if claims.issued_at().is_none() {
            return Err(Refusal::NoStart);
        }
        let text = |name| {
            claims
                .text(name)
                .filter(|text| !text.is_empty())
                .map(str::to_owned)
                .ok_or(Refusal::Claim)
        };
        let revocations = match claims.others.get("revocation_counter") {
            None => 0,
            Some(counter) => counter.as_i64().ok_or(Refusal::Claim)?,
        };
        Ok(ServiceClaims {
            subject: claims.subject()?.to_owned(),
            username: text("username")?,
            id: text("jti")?,
            revocations,
            expires_at,
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::door::jwt::tests::{NOW, hs256, now_s, with};

    const SECRET: &str = "a-secret-of-at-least-thirty-two-bytes";

    fn claims() -> Value {
        json!({ "sub": "svc-1", "username": "uploader", "jti": "t-1", "iat": now_s(), "exp": now_s() + 3_600,
            "revocation_counter": 2, "roles": ["admin"] })
    }

    fn open(header: &Value, claims: &Value, secret: &[u8]) -> Result<ServiceClaims, Refusal> {
        let text = hs256(header, claims, secret);
        ServiceSecret::new(SECRET).unwrap().open(&Token::parse(&text)?, NOW)
    }

    fn open_claims(fields: &Value) -> Result<ServiceClaims, Refusal> {
        open(&json!({ "alg": "HS256", "typ": "JWT" }), &with(&claims(), fields), SECRET.as_bytes())
    }

    #[test]
    fn a_service_token_tells_whose_it_is() {
        let expected = ServiceClaims {
            subject: "svc-1".to_owned(),
            username: "uploader".to_owned(),
            id: "t-1".to_owned(),
            revocations: 2,
            expires_at: NOW.after(std::time::Duration::from_secs(3_600)),
        };
        assert_eq!(open_claims(&json!({})), Ok(expected));
        let old = open_claims(&json!({ "revocation_counter": null })).unwrap();
        assert_eq!(old.revocations, 0, "tokens from before there was a counter");
    }

    #[test]
    fn what_is_signed_is_read_back() {
        let claims = ServiceClaims {
            subject: "svc-1".to_owned(),
            username: "uploader \" ä".to_owned(),
            id: "t-1".to_owned(),
            revocations: 3,
            expires_at: NOW.after(std::time::Duration::from_secs(3_600)),
        };
        let secret = ServiceSecret::new(SECRET).unwrap();

        for (role, roles) in [
            (Role::Admin, json!(["users.mxwhisper", "admin.mxwhisper"])),
            (Role::Editor, json!(["users.mxwhisper"])),
        ] {
            let text = secret.sign(&claims, role, NOW);
            assert_eq!(secret.open(&Token::parse(&text).unwrap(), NOW), Ok(claims.clone()));
            let payload = BASE64_URL_SAFE_NO_PAD.decode(text.split('.').nth(1).unwrap()).unwrap();
            let payload: Value = serde_json::from_slice(&payload).unwrap();
            assert_eq!((&payload["roles"], &payload["iat"]), (&roles, &json!(now_s())));
        }
    }

    #[test]
    fn a_service_token_that_lacks_something_is_refused() {
        for (fields, refusal) in [
            (json!({ "exp": null }), Refusal::NoExpiry),
            (json!({ "exp": now_s() - 61 }), Refusal::Expired),
            (json!({ "exp": (now_s() + 60).to_string() }), Refusal::Payload),
            (json!({ "iat": null }), Refusal::NoStart),
            (json!({ "iat": null, "nbf": now_s() }), Refusal::NoStart),
            (json!({ "iat": now_s() + 61 }), Refusal::NotYet),
            (json!({ "nbf": now_s() + 61 }), Refusal::NotYet),
            (json!({ "sub": null }), Refusal::Subject),
            (json!({ "sub": 7 }), Refusal::Payload),
            (json!({ "username": null }), Refusal::Claim),
            (json!({ "username": "" }), Refusal::Claim),
            (json!({ "jti": null }), Refusal::Claim),
            (json!({ "jti": 7 }), Refusal::Claim),
            (json!({ "revocation_counter": "2" }), Refusal::Claim),
            (json!({ "revocation_counter": 1.5 }), Refusal::Claim),
        ] {
            assert_eq!(open_claims(&fields), Err(refusal), "{fields}");
        }
    }

    #[test]
    fn a_signature_of_another_secret_or_kind_is_refused() {
        let header = json!({ "alg": "HS256" });
        for secret in [&b"another-secret-of-thirty-two-bytes!"[..], b"", b"a-secret"] {
            assert_eq!(open(&header, &claims(), secret), Err(Refusal::Signature));
        }
        let rs256 = json!({ "alg": "RS256", "kid": "k1" });
        assert_eq!(open(&rs256, &claims(), SECRET.as_bytes()), Err(Refusal::WrongKey));

        let text = hs256(&header, &claims(), SECRET.as_bytes());
        let (signed, signature) = text.rsplit_once('.').unwrap();
        for cut in [format!("{signed}."), format!("{signed}.{}", &signature[..20])] {
            let token = Token::parse(&cut).unwrap();
            let opened = ServiceSecret::new(SECRET).unwrap().open(&token, NOW);
            assert_eq!(opened, Err(Refusal::Signature), "{cut}");
        }
    }

    #[test]
    fn a_short_secret_signs_nothing_and_none_is_shown() {
        assert!(ServiceSecret::new(&"x".repeat(31)).is_none());
        assert_eq!(format!("{:?}", ServiceSecret::new(SECRET).unwrap()), "ServiceSecret(***)");
    }
}
