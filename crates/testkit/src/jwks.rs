//! The keys of an issuer of tokens: what it publishes, and what it signs. Tests sign wrong tokens too.
//!
//! A [`crate::receiver::Receiver`] that answers with [`key_set`] is the server, and counts who fetches it.

use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use ring::rand::SystemRandom;
use ring::rsa::PublicKeyComponents;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256,
    RsaKeyPair,
};
use serde_json::{Value, json};

use crate::process;
use crate::receiver::Answer;
use crate::tools;

/// `ring` makes no RSA keys; this prints one in PKCS #8 and Base64.
const MAKE_RSA: &str =
    "const { privateKey } = crypto.generateKeyPairSync('rsa', { modulusLength: 2048 });
process.stdout.write(privateKey.export({ type: 'pkcs8', format: 'der' }).toString('base64'))";

/// The length of each coordinate of a point on P-256, in bytes.
const P256_BYTES: usize = 32;

/// A key pair with the id under which it is published.
#[derive(Debug)]
pub struct SigningKey {
    kid: String,
    pair: Pair,
}

#[derive(Debug)]
enum Pair {
    Rsa(RsaKeyPair),
    P256(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

impl SigningKey {
    /// A new RSA key of 2048 bits, for RS256.
    pub fn rsa(kid: &str) -> Self {
        let output = process::command(tools::node()).args(["--eval", MAKE_RSA]).output();
        let key = BASE64_STANDARD.decode(output.expect("Node.js runs").stdout);
        let pair = RsaKeyPair::from_pkcs8(&key.expect("the script prints Base64"));
        Self { kid: kid.to_owned(), pair: Pair::Rsa(pair.expect("it is long enough")) }
    }

    /// A new key on P-256, for ES256.
    pub fn p256(kid: &str) -> Self {
        let (algorithm, random) = (&ECDSA_P256_SHA256_FIXED_SIGNING, SystemRandom::new());
        let key = EcdsaKeyPair::generate_pkcs8(algorithm, &random).expect("there is randomness");
        let pair = EcdsaKeyPair::from_pkcs8(algorithm, key.as_ref(), &random);
        Self { kid: kid.to_owned(), pair: Pair::P256(pair.expect("it was just made")) }
    }

    /// A new key on Curve25519, for EdDSA.
    pub fn ed25519(kid: &str) -> Self {
        let key = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new());
        let pair = Ed25519KeyPair::from_pkcs8(key.expect("there is randomness").as_ref());
        Self { kid: kid.to_owned(), pair: Pair::Ed25519(pair.expect("it was just made")) }
    }

    /// Its public half as a JSON Web Key.
    pub fn public_jwk(&self) -> Value {
        let mut jwk = match &self.pair {
            Pair::Rsa(pair) => {
                let public = PublicKeyComponents::<Vec<u8>>::from(pair.public());
                json!({"kty": "RSA", "n": encoded(public.n), "e": encoded(public.e)})
            }
            Pair::P256(pair) => {
                // A byte that says "not compressed", then the two coordinates.
                let (x, y) = pair.public_key().as_ref()[1..].split_at(P256_BYTES);
                json!({"kty": "EC", "crv": "P-256", "x": encoded(x), "y": encoded(y)})
            }
            Pair::Ed25519(pair) => {
                json!({"kty": "OKP", "crv": "Ed25519", "x": encoded(pair.public_key())})
            }
        };
        jwk["kid"] = json!(self.kid);
        jwk["alg"] = json!(self.algorithm());
        jwk["use"] = json!("sig");
        jwk
    }

    /// The header that goes with it.
    pub fn header(&self) -> Value {
        json!({"alg": self.algorithm(), "kid": self.kid, "typ": "JWT"})
    }

    /// A token with this header, whatever that claims, and this key's signature.
    pub fn token(&self, header: &Value, claims: &Value) -> String {
        let message = unsigned(header, claims);
        let signature = encoded(self.sign(message.as_bytes()));
        format!("{message}.{signature}")
    }

    /// The signature of a message, in the form of its algorithm.
    pub fn sign(&self, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match &self.pair {
            Pair::Rsa(pair) => {
                let mut signature = vec![0; pair.public().modulus_len()];
                let signed = pair.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature);
                signed.expect("there is randomness");
                signature
            }
            Pair::P256(pair) => {
                pair.sign(&random, message).expect("there is randomness").as_ref().to_vec()
            }
            Pair::Ed25519(pair) => pair.sign(message).as_ref().to_vec(),
        }
    }

    fn algorithm(&self) -> &'static str {
        match self.pair {
            Pair::Rsa(_) => "RS256",
            Pair::P256(_) => "ES256",
            Pair::Ed25519(_) => "EdDSA",
        }
    }
}

/// What an issuer with these keys answers at its `jwks_uri`.
pub fn key_set(keys: &[&SigningKey]) -> Answer {
    let keys: Vec<Value> = keys.iter().map(|key| key.public_jwk()).collect();
    let set = json!({"keys": keys}).to_string();
    Answer::status(200).header("content-type", "application/jwk-set+json").body(set)
}

/// A token without the last dot and the signature: what is signed.
pub fn unsigned(header: &Value, claims: &Value) -> String {
    format!("{}.{}", encoded(header.to_string()), encoded(claims.to_string()))
}

fn encoded(bytes: impl AsRef<[u8]>) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}
