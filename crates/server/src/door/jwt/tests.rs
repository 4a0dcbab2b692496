//! Attacks on tokens, each beside the token that it was made from and that is accepted.

use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair,
    KeyPair as _, RSA_PKCS1_SHA256, RSA_PKCS1_SHA512, RSA_PSS_SHA256, RsaKeyPair,
};
use ring::{hmac, rsa};
use serde_json::json;

use super::*;
use crate::door::jwk::KeySet;

/// When tests take place.
pub(crate) const NOW: Timestamp = Timestamp::from_micros(1_795_262_400_000_000);

const ISSUER: &str = "https://id.example/application/o/hansard/";
const AUDIENCE: &str = "hansard";

/// A private key of tests, and of nobody else (PKCS #1).
const RSA: &[u8] = include_bytes!("rsa.der");

/// [`NOW`] as tokens write it.
pub(crate) fn now_s() -> i64 {
    NOW.as_seconds()
}

/// `base` with other fields; `null` removes one.
pub(crate) fn with(base: &Value, fields: &Value) -> Value {
    let mut object = base.clone();
    for (name, value) in fields.as_object().unwrap() {
        object[name] = value.clone();
    }
    object.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    object
}

/// A token that is signed with a shared secret, whatever its header says.
pub(crate) fn hs256(header: &Value, claims: &Value, secret: &[u8]) -> String {
    let signed = unsigned(&header.to_string(), &claims.to_string());
    let signature = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), signed.as_bytes());
    format!("{signed}.{}", b64(signature.as_ref()))
}

fn b64(bytes: &[u8]) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

fn unsigned(header: &str, claims: &str) -> String {
    format!("{}.{}", b64(header.as_bytes()), b64(claims.as_bytes()))
}

/// A provider: its private keys, and the set that it publishes.
struct Provider {
    rsa: RsaKeyPair,
    p256: EcdsaKeyPair,
    p256_der: EcdsaKeyPair,
    ed25519: Ed25519KeyPair,
    keys: KeySet,
}

impl Provider {
    fn new() -> Self {
        let random = SystemRandom::new();
        let rsa = RsaKeyPair::from_der(RSA).unwrap();
        let pkcs8 =
            EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
        let p256 =
            |algorithm| EcdsaKeyPair::from_pkcs8(algorithm, pkcs8.as_ref(), &random).unwrap();
        // The two differ in how they write a signature, not in the key.
        let p256_der = p256(&ECDSA_P256_SHA256_ASN1_SIGNING);
        let p256 = p256(&ECDSA_P256_SHA256_FIXED_SIGNING);
        let pkcs8 = Ed25519KeyPair::generate_pkcs8(&random).unwrap();
        let ed25519 = Ed25519KeyPair::from_pkcs8(pkcs8.as_ref()).unwrap();
        let (modulus, exponent) = public_of(&rsa);
        let point = p256.public_key().as_ref();
        let set = json!({ "keys": [
            { "kty": "RSA", "kid": "rsa", "use": "sig", "alg": "RS256", "n": b64(&modulus), "e": b64(&exponent) },
            { "kty": "EC", "kid": "p256", "crv": "P-256", "x": b64(&point[1..33]), "y": b64(&point[33..]) },
            { "kty": "OKP", "kid": "ed", "crv": "Ed25519", "x": b64(ed25519.public_key().as_ref()) },
        ]});
        let keys = KeySet::parse(set.to_string().as_bytes()).unwrap();
        Self { rsa, p256, p256_der, ed25519, keys }
    }

    fn rs256(&self, header: &str, claims: &str) -> String {
        self.rsa(&RSA_PKCS1_SHA256, header, claims)
    }

    fn rsa(
        &self,
        padding: &'static dyn ring::signature::RsaEncoding,
        header: &str,
        claims: &str,
    ) -> String {
        let signed = unsigned(header, claims);
        let mut signature = vec![0; self.rsa.public().modulus_len()];
        self.rsa.sign(padding, &SystemRandom::new(), signed.as_bytes(), &mut signature).unwrap();
        format!("{signed}.{}", b64(&signature))
    }

    fn ecdsa(&self, key: &EcdsaKeyPair, header: &Value) -> String {
        let signed = unsigned(&header.to_string(), &claims().to_string());
        let signature = key.sign(&SystemRandom::new(), signed.as_bytes()).unwrap();
        format!("{signed}.{}", b64(signature.as_ref()))
    }

    fn eddsa(&self, header: &Value) -> String {
        let signed = unsigned(&header.to_string(), &claims().to_string());
        format!("{signed}.{}", b64(self.ed25519.sign(signed.as_bytes()).as_ref()))
    }

    /// What the door makes of a token, in its order.
    fn judge(&self, text: &str) -> Result<String, Refusal> {
        let token = Token::parse(text)?;
        if token.stated_issuer()? != ISSUER {
            return Err(Refusal::Issuer);
        }
        let key = self.keys.find(token.key_id()?).ok_or(Refusal::UnknownKey)?;
        let claims = key.open(&token)?;
        claims.check(ISSUER, AUDIENCE, NOW).map(str::to_owned)
    }

    fn judge_header(&self, fields: &Value) -> Result<String, Refusal> {
        self.judge(&self.rs256(&with(&header(), fields).to_string(), &claims().to_string()))
    }

    fn judge_claims(&self, fields: &Value) -> Result<String, Refusal> {
        self.judge(&self.rs256(&header().to_string(), &with(&claims(), fields).to_string()))
    }
}

fn public_of(rsa: &RsaKeyPair) -> (Vec<u8>, Vec<u8>) {
    let public = rsa::PublicKeyComponents::<Vec<u8>>::from(rsa.public());
    (public.n, public.e)
}

fn header() -> Value {
    json!({ "alg": "RS256", "typ": "JWT", "kid": "rsa" })
}

fn claims() -> Value {
    json!({ "iss": ISSUER, "sub": "ana", "aud": AUDIENCE, "iat": now_s(), "exp": now_s() + 300,
        "email": "ana@example.org", "groups": ["editors"] })
}

fn ana() -> Result<String, Refusal> {
    Ok("ana".to_owned())
}

#[test]
fn a_good_token_is_accepted_with_each_algorithm() {
    let provider = Provider::new();

    assert_eq!(provider.judge_claims(&json!({})), ana());
    let es256 = json!({ "alg": "ES256", "kid": "p256" });
    assert_eq!(provider.judge(&provider.ecdsa(&provider.p256, &es256)), ana());
    assert_eq!(provider.judge(&provider.eddsa(&json!({ "alg": "EdDSA", "kid": "ed" }))), ana());
    assert_eq!(provider.judge(&provider.eddsa(&json!({ "alg": "Ed25519", "kid": "ed" }))), ana());
}

#[test]
fn harmless_differences_are_accepted() {
    let provider = Provider::new();
    for fields in [
        json!({ "typ": null }),
        json!({ "typ": "jwt" }),
        json!({ "typ": "at+jwt" }),
        json!({ "typ": "application/at+jwt" }),
        json!({ "x5t": "abc", "other": [1, 2] }),
    ] {
        assert_eq!(provider.judge_header(&fields), ana(), "{fields}");
    }
    for fields in [
        json!({ "aud": ["other", AUDIENCE] }),
        json!({ "iat": null, "nbf": now_s() }),
        json!({ "nbf": now_s() + 60 }),
        json!({ "exp": now_s() - 59 }),
        json!({ "exp": now_s() as f64 + 0.5 }),
        json!({ "exp": 253_402_300_799_i64 }),
        json!({ "sub": "a".repeat(255) }),
    ] {
        assert!(provider.judge_claims(&fields).is_ok(), "{fields}");
    }
}

#[test]
fn a_token_chooses_no_algorithm() {
    let provider = Provider::new();
    assert_eq!(provider.judge_header(&json!({})), ana());
    for alg in [
        "none", "None", "NONE", "", "HS384", "HS512", "RS384", "RS512", "PS256", "ES384", "rs256",
        "RS256 ",
    ] {
        assert_eq!(
            provider.judge_header(&json!({ "alg": alg })),
            Err(Refusal::Algorithm),
            "{alg:?}"
        );
        let bare =
            unsigned(&with(&header(), &json!({ "alg": alg })).to_string(), &claims().to_string());
        assert_eq!(provider.judge(&format!("{bare}.")), Err(Refusal::Algorithm), "{alg:?}");
    }
    for alg in ["HS256", "ES256", "EdDSA"] {
        assert_eq!(provider.judge_header(&json!({ "alg": alg })), Err(Refusal::WrongKey), "{alg}");
    }
    for wrong in [json!({ "alg": null }), json!({ "alg": 256 }), json!({ "alg": ["RS256"] })] {
        assert_eq!(provider.judge_header(&wrong), Err(Refusal::Header), "{wrong}");
    }
    // The key's other paddings and digests.
    let (header, claims) = (header().to_string(), claims().to_string());
    for text in [
        provider.rsa(&RSA_PKCS1_SHA512, &header, &claims),
        provider.rsa(&RSA_PSS_SHA256, &header, &claims),
    ] {
        assert_eq!(provider.judge(&text), Err(Refusal::Signature));
    }
}

#[test]
fn a_public_key_is_no_secret() {
    let provider = Provider::new();
    assert_eq!(provider.judge_header(&json!({})), ana());
    let (modulus, exponent) = public_of(&provider.rsa);
    let pkcs1 = provider.rsa.public_key().as_ref().to_vec();
    // SubjectPublicKeyInfo around it, as a PEM file of the public key holds it.
    let head: [u8; 24] = [
        0x30, 0x82, 0x01, 0x22, 0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01,
        0x01, 0x01, 0x05, 0x00, 0x03, 0x82, 0x01, 0x0f, 0x00,
    ];
    let spki = [head.as_slice(), &pkcs1].concat();
    let base64 = base64::prelude::BASE64_STANDARD.encode(&spki);
    let lines: Vec<_> =
        base64.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
    let pem =
        format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", lines.join("\n"));
    let n = b64(&modulus);
    let jwk = json!({ "kty": "RSA", "n": n, "e": b64(&exponent) }).to_string();
    for secret in [
        &modulus[..],
        &pkcs1,
        &spki,
        pem.as_bytes(),
        pem.trim().as_bytes(),
        n.as_bytes(),
        jwk.as_bytes(),
        b"",
    ] {
        let forged = hs256(&with(&header(), &json!({ "alg": "HS256" })), &claims(), secret);
        assert_eq!(provider.judge(&forged), Err(Refusal::WrongKey));
    }
}

#[test]
fn a_token_brings_no_key() {
    let provider = Provider::new();
    assert_eq!(provider.judge_header(&json!({})), ana());
    let own = Ed25519KeyPair::from_seed_unchecked(&[7; 32]).unwrap();
    let jwk = json!({ "kty": "OKP", "crv": "Ed25519", "kid": "own", "x": b64(own.public_key().as_ref()) });
    let forge = |fields: &Value| {
        let header = with(&json!({ "alg": "EdDSA", "kid": "ed" }), fields).to_string();
        let signed = unsigned(&header, &claims().to_string());
        provider.judge(&format!("{signed}.{}", b64(own.sign(signed.as_bytes()).as_ref())))
    };
    for fields in [
        json!({ "jwk": jwk }),
        json!({ "jku": "https://evil.example/keys" }),
        json!({ "x5u": "https://evil.example/cert", "x5c": ["MIIC"] }),
    ] {
        assert_eq!(forge(&fields), Err(Refusal::Signature), "{fields}");
    }
    assert_eq!(forge(&json!({ "kid": "own", "jwk": jwk })), Err(Refusal::UnknownKey));
    for kid in ["", "../../dev/null", "rsa\0", "' OR 1=1 --", "RSA"] {
        assert!(provider.judge_header(&json!({ "kid": kid })).is_err(), "{kid:?}");
    }
    assert_eq!(provider.judge_header(&json!({ "kid": "k".repeat(257) })), Err(Refusal::KeyId));
    assert_eq!(provider.judge_header(&json!({ "kid": null })), Err(Refusal::KeyId));
    assert_eq!(provider.judge_header(&json!({ "kid": "p256" })), Err(Refusal::WrongKey));
}

#[test]
fn nested_encrypted_and_extended_tokens_are_refused() {
    let provider = Provider::new();
    assert_eq!(provider.judge_header(&json!({})), ana());
    for fields in [
        json!({ "cty": "JWT" }),
        json!({ "cty": "" }),
        json!({ "crit": ["exp"] }),
        json!({ "crit": [] }),
        json!({ "crit": ["b64"], "b64": false }),
        json!({ "enc": "A256GCM" }),
    ] {
        assert_eq!(provider.judge_header(&fields), Err(Refusal::Nested), "{fields}");
    }
    let null = r#"{"alg":"RS256","kid":"rsa","crit":null}"#;
    assert_eq!(provider.judge(&provider.rs256(null, &claims().to_string())), Err(Refusal::Nested));
    for typ in ["JWE", "dpop+jwt", "logout+jwt", "secevent+jwt", ""] {
        assert_eq!(provider.judge_header(&json!({ "typ": typ })), Err(Refusal::Type), "{typ:?}");
    }
    let inner = provider.rs256(&header().to_string(), &claims().to_string());
    let outer = provider.rs256(&header().to_string(), &inner);
    assert_eq!(provider.judge(&outer), Err(Refusal::Payload));
    let five = format!("{inner}.e30.e30");
    assert_eq!(provider.judge(&five), Err(Refusal::Shape));
}

#[test]
fn a_claim_that_is_missing_or_wrong_refuses_the_token() {
    let provider = Provider::new();
    assert_eq!(provider.judge_header(&json!({})), ana());
    for (fields, refusal) in [
        (json!({ "iss": null }), Refusal::Issuer),
        (json!({ "iss": "https://id.example/application/o/hansard" }), Refusal::Issuer),
        (json!({ "iss": "https://evil.example/" }), Refusal::Issuer),
        (json!({ "iss": [ISSUER] }), Refusal::Payload),
        (json!({ "aud": null }), Refusal::Audience),
        (json!({ "aud": "" }), Refusal::Audience),
        (json!({ "aud": "other" }), Refusal::Audience),
        (json!({ "aud": "hansard2" }), Refusal::Audience),
        (json!({ "aud": [] }), Refusal::Audience),
        (json!({ "aud": ["other"] }), Refusal::Audience),
        (json!({ "aud": { "0": AUDIENCE } }), Refusal::Payload),
        (json!({ "aud": [AUDIENCE, 1] }), Refusal::Payload),
        (json!({ "exp": null }), Refusal::NoExpiry),
        (json!({ "exp": now_s() - 60 }), Refusal::Expired),
        (json!({ "exp": 0 }), Refusal::Expired),
        (json!({ "exp": -1 }), Refusal::Payload),
        (json!({ "exp": (now_s() + 300).to_string() }), Refusal::Payload),
        (json!({ "exp": true }), Refusal::Payload),
        (json!({ "exp": 1e300 }), Refusal::Payload),
        (json!({ "exp": u64::MAX }), Refusal::Payload),
        // Milliseconds, as some write by mistake: good for the next fifty thousand years.
        (json!({ "exp": now_s() * 1_000 }), Refusal::Payload),
        (json!({ "iat": null }), Refusal::NoStart),
        (json!({ "iat": now_s() + 61 }), Refusal::NotYet),
        (json!({ "nbf": now_s() + 61 }), Refusal::NotYet),
        (json!({ "nbf": "soon" }), Refusal::Payload),
        (json!({ "sub": null }), Refusal::Subject),
        (json!({ "sub": "" }), Refusal::Subject),
        (json!({ "sub": "a".repeat(256) }), Refusal::Subject),
        (json!({ "sub": 7 }), Refusal::Payload),
    ] {
        assert_eq!(provider.judge_claims(&fields), Err(refusal), "{fields}");
    }
}

#[test]
fn what_can_be_read_in_two_ways_is_refused() {
    let provider = Provider::new();
    assert_eq!(provider.judge_header(&json!({})), ana());
    let (plain_header, plain_claims) = (header().to_string(), claims().to_string());
    for header in [
        r#"{"alg":"none","alg":"RS256","kid":"rsa"}"#,
        r#"{"alg":"RS256","alg":"none","kid":"rsa"}"#,
        r#"{"alg":"RS256","kid":"rsa","kid":"p256"}"#,
        r#"["RS256","JWT","rsa"]"#,
        r#"{"alg":"RS256","kid":"rsa"} {}"#,
        r#"{"alg":"RS256","kid":"rsa",}"#,
        r#""RS256""#,
        "",
    ] {
        assert_eq!(
            provider.judge(&provider.rs256(header, &plain_claims)),
            Err(Refusal::Header),
            "{header}"
        );
    }
    let twice = plain_claims.replacen('{', r#"{"sub":"eve","#, 1);
    for claims in [twice.as_str(), "[]", "null", "", "{", "\u{feff}{}"] {
        assert_eq!(
            provider.judge(&provider.rs256(&plain_header, claims)),
            Err(Refusal::Payload),
            "{claims}"
        );
    }
}

#[test]
fn a_token_has_one_spelling() {
    let provider = Provider::new();
    let text = provider.rs256(&header().to_string(), &claims().to_string());
    let (signed, signature) = text.rsplit_once('.').unwrap();
    let (head, payload) = signed.split_once('.').unwrap();
    // 256 bytes leave four bits of the last letter unused.
    let last = signature.chars().last().unwrap();
    let loose = char::from(last as u8 + 1);
    for wrong in [
        String::new(),
        ".".to_owned(),
        "..".to_owned(),
        signed.to_owned(),
        format!("{text}="),
        format!("{text}=="),
        format!("{}{loose}", text.strip_suffix(last).unwrap()),
        format!("{text} "),
        format!(" {text}"),
        format!("{text}\n"),
        format!("{text}.{signature}"),
        format!("{head}=.{payload}.{signature}"),
        text.replace('.', ".."),
        text.replace('-', "+").replace('_', "/") + "/",
    ] {
        assert!(provider.judge(&wrong).is_err(), "{wrong}");
    }
    assert_eq!(provider.judge(&format!("{signed}.")), Err(Refusal::Signature));
    assert_eq!(provider.judge(&format!("{signed}.AAAA")), Err(Refusal::Signature));
    let other = b64(with(&claims(), &json!({ "sub": "eve" })).to_string().as_bytes());
    assert_eq!(provider.judge(&format!("{head}.{other}.{signature}")), Err(Refusal::Signature));
    assert_eq!(provider.judge(&text), ana());
}

#[test]
fn an_ecdsa_signature_is_two_numbers_of_one_length() {
    let provider = Provider::new();
    let header = json!({ "alg": "ES256", "kid": "p256" });

    assert_eq!(provider.judge(&provider.ecdsa(&provider.p256, &header)), ana());
    let der = provider.ecdsa(&provider.p256_der, &header);
    assert_eq!(provider.judge(&der), Err(Refusal::Signature));
    // The numbers that made others accept anything (CVE-2022-21449).
    let bare = unsigned(&header.to_string(), &claims().to_string());
    assert_eq!(provider.judge(&format!("{bare}.{}", b64(&[0; 64]))), Err(Refusal::Signature));
}

#[test]
fn a_token_is_not_endless() {
    let provider = Provider::new();
    let sized = |length: usize| {
        let empty = provider
            .rs256(&header().to_string(), &with(&claims(), &json!({ "x": "" })).to_string());
        let room = (length - empty.len()) * 3 / 4;
        let longest = (0..=room + 3).rev().map(|count| {
            let claims = with(&claims(), &json!({ "x": "x".repeat(count) })).to_string();
            provider.rs256(&header().to_string(), &claims)
        });
        longest.take(8).find(|text| text.len() <= length).unwrap()
    };
    let longest = sized(BYTES_MAX);
    assert!(longest.len() > BYTES_MAX - 4, "{}", longest.len());
    assert_eq!(provider.judge(&longest), ana());
    assert_eq!(provider.judge(&sized(BYTES_MAX + 4)), Err(Refusal::TooLong));
    let deep = format!("{}{}", "[".repeat(2_000), "]".repeat(2_000));
    let deep = claims().to_string().replacen('{', &format!(r#"{{"x":{deep},"#), 1);
    assert_eq!(
        provider.judge(&provider.rs256(&header().to_string(), &deep)),
        Err(Refusal::Payload)
    );
}

#[test]
fn only_three_parts_of_base64url_look_like_a_token() {
    for text in ["a.b.c", "..", "eyJ.e30.A-_9"] {
        assert!(Token::is_like(text), "{text}");
    }
    for text in ["", "a", "a.b", "a.b.c.d", "a.b.c=", "a b.c.d", "hsk_01.x/y.z", "ä.b.c"] {
        assert!(!Token::is_like(text), "{text}");
    }
}
