//! The OpenID provider.

use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use hansard_testkit::browser::{Browser, Page};
use hansard_testkit::oidc::{CLIENT_ID, CLIENT_SECRET, ID_TOKEN_SECONDS, OidcProvider};
use hansard_testkit::receiver::Receiver;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use ring::digest::{SHA256, digest};
use ring::signature::{RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents};
use serde_json::{Value, json};

use crate::client::exchange;

/// What the client proves with that it is the one that asked for the code.
const VERIFIER: &str = "a-verifier-is-forty-three-characters-long-or-more";

/// A provider, and a client of it at another site.
struct Parties {
    provider: OidcProvider,
    client: Receiver,
}

impl Parties {
    fn meet() -> Self {
        let client = Receiver::start();
        let provider = OidcProvider::start(
            &at_localhost(&client, "/callback"),
            &at_localhost(&client, "/bye"),
        );
        Self { provider, client }
    }

    /// An address of the client, as the browser and the provider know it.
    fn at_client(&self, path: &str) -> String {
        at_localhost(&self.client, path)
    }

    /// An address that the provider publishes.
    fn endpoint(&self, name: &str) -> String {
        let at = format!("{}/.well-known/openid-configuration", self.provider.issuer());
        get(&at)[name].as_str().expect("it is published").to_owned()
    }

    fn keys(&self) -> Vec<Value> {
        let set = get(&self.endpoint("jwks_uri"));
        set["keys"].as_array().expect("they are a list").clone()
    }

    /// Where the client sends somebody to log in.
    fn login_url(&self) -> String {
        let challenge = BASE64_URL_SAFE_NO_PAD.encode(digest(&SHA256, VERIFIER.as_bytes()));
        let query = form(&[
            ("client_id", CLIENT_ID),
            ("response_type", "code"),
            ("scope", "openid profile email"),
            ("redirect_uri", &self.at_client("/callback")),
            ("state", "what-was-going-on"),
            ("nonce", "for-once"),
            ("code_challenge", &challenge),
            ("code_challenge_method", "S256"),
        ]);
        format!("{}?{query}", self.endpoint("authorization_endpoint"))
    }

    /// What the provider answers to the code in the address of `callback`.
    fn redeem(&self, callback: &Page) -> Value {
        let (_, query) = callback.url.split_once('?').expect("it brings a code");
        let code = query.split('&').find_map(|pair| pair.strip_prefix("code="));
        let body = form(&[
            ("grant_type", "authorization_code"),
            ("code", code.unwrap_or_else(|| panic!("{query}"))),
            ("redirect_uri", &self.at_client("/callback")),
            ("code_verifier", VERIFIER),
        ]);
        let basic = BASE64_STANDARD.encode(format!("{CLIENT_ID}:{CLIENT_SECRET}"));
        let head = format!(
            "POST\nauthorization: Basic {basic}\ncontent-type: application/x-www-form-urlencoded"
        );
        json_of(exchange(&self.endpoint("token_endpoint"), &head, &body))
    }

    /// The claims of an ID token, once its signature is found good.
    fn claims(&self, token: &Value) -> Value {
        let token = token.as_str().expect("there is a token");
        let (message, signature) = token.rsplit_once('.').expect("it has three parts");
        let (header, claims) = message.split_once('.').expect("it has three parts");
        let decoded = |part: &str| BASE64_URL_SAFE_NO_PAD.decode(part).expect("it is Base64");
        let read = |part: &str| serde_json::from_slice::<Value>(&decoded(part));
        let header = read(header).expect("it is JSON");
        let keys = self.keys();
        let key = keys.iter().find(|key| key["kid"] == header["kid"]).expect("it is published");
        let part = |name: &str| decoded(key[name].as_str().expect("it is an RSA key"));
        RsaPublicKeyComponents { n: part("n"), e: part("e") }
            .verify(&RSA_PKCS1_2048_8192_SHA256, message.as_bytes(), &decoded(signature))
            .expect("the provider has signed it");
        read(claims).expect("it is JSON")
    }
}

fn at_localhost(client: &Receiver, path: &str) -> String {
    format!("http://localhost:{}{path}", client.address().port())
}

fn form(fields: &[(&str, &str)]) -> String {
    let encoded = |text| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    let fields = fields.iter().map(|(name, value)| format!("{name}={}", encoded(value)));
    fields.collect::<Vec<_>>().join("&")
}

fn get(url: &str) -> Value {
    json_of(exchange(url, "GET", ""))
}

fn json_of(answer: std::io::Result<String>) -> Value {
    let answer = answer.expect("it answers");
    let (_, body) = answer.split_once("\r\n\r\n").expect("it has a head");
    serde_json::from_str(body).unwrap_or_else(|error| panic!("{error} in {answer}"))
}

#[test]
fn somebody_logs_in_and_out_again() {
    let parties = Parties::meet();
    let anna =
        json!({"email": "anna@hansard.example", "email_verified": true, "groups": ["editors"]});
    parties.provider.set_claims("anna", &anna);
    let visitor = Browser::start().visitor();

    visitor.open(&parties.login_url());
    OidcProvider::log_in(&visitor, "anna");
    let callback = visitor.arrives_at(&parties.at_client("/callback"));

    assert!(callback.url.contains("state=what-was-going-on"), "{}", callback.url);
    let tokens = parties.redeem(&callback);
    let claims = parties.claims(&tokens["id_token"]);
    assert_eq!(claims["iss"], parties.provider.issuer());
    assert_eq!((&claims["sub"], &claims["aud"]), (&json!("anna"), &json!(CLIENT_ID)));
    assert_eq!((&claims["nonce"], &claims["email_verified"]), (&json!("for-once"), &json!(true)));
    assert_eq!(claims["groups"], json!(["editors"]));
    let lives = claims["exp"].as_u64().unwrap() - claims["iat"].as_u64().unwrap();
    assert_eq!(lives, ID_TOKEN_SECONDS);
    assert_eq!(parties.redeem(&callback)["error"], "invalid_grant");

    // Who is known there is not asked again, until after a logout.
    visitor.open(&parties.login_url());
    visitor.arrives_at(&parties.at_client("/callback"));
    let logout =
        form(&[("client_id", CLIENT_ID), ("post_logout_redirect_uri", &parties.at_client("/bye"))]);
    visitor.open(&format!("{}?{logout}", parties.endpoint("end_session_endpoint")));
    visitor.arrives_at(&parties.at_client("/bye"));
    let page = visitor.open(&parties.login_url());
    assert!(page.url.starts_with(parties.provider.issuer()), "{}", page.url);
}

#[test]
fn what_is_said_of_somebody_may_change() {
    let parties = Parties::meet();
    let browser = Browser::start();
    let claims_of = |login| {
        let visitor = browser.visitor();
        visitor.open(&parties.login_url());
        OidcProvider::log_in(&visitor, login);
        let callback = visitor.arrives_at(&parties.at_client("/callback"));
        parties.claims(&parties.redeem(&callback)["id_token"])
    };

    for groups in [json!(["editors"]), json!(["viewers"])] {
        parties.provider.set_claims("ben", &json!({"groups": groups}));
        assert_eq!(claims_of("ben")["groups"], groups);
    }
    let nobody = claims_of("nobody");
    assert_eq!((&nobody["sub"], &nobody["email"]), (&json!("nobody"), &Value::Null));
}

#[test]
fn keys_rotate_while_it_runs() {
    let parties = Parties::meet();
    parties.provider.set_claims("anna", &json!({"name": "Anna"}));
    let visitor = Browser::start().visitor();
    let token = || {
        visitor.open(&parties.login_url());
        OidcProvider::log_in(&visitor, "anna");
        parties.redeem(&visitor.arrives_at(&parties.at_client("/callback")))
    };
    let before = parties.keys();
    parties.claims(&token()["id_token"]);

    parties.provider.rotate_keys();

    let after = parties.keys();
    assert_eq!((before.len(), after.len()), (1, 1));
    assert!(before[0]["kid"] != after[0]["kid"] && before[0]["n"] != after[0]["n"]);
    assert_eq!(parties.claims(&token()["id_token"])["sub"], "anna");
    assert_eq!(parties.provider.requests("/jwks"), 4);
}

#[test]
fn it_goes_down_and_comes_back_as_it_was() {
    let parties = Parties::meet();
    let keys = parties.keys();
    let address = format!("{}/jwks", parties.provider.issuer());

    parties.provider.stop();
    assert!(exchange(&address, "GET", "").is_err());
    parties.provider.start_again();

    assert_eq!(parties.keys(), keys);
}
