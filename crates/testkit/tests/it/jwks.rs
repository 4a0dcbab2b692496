//! Keys and what they sign, judged by a library that is not ours.

use hansard_testkit::jwks::{SigningKey, key_set, unsigned};
use hansard_testkit::receiver::Receiver;
use hansard_testkit::{process, tools};
use serde_json::json;

/// Prints for each token who it speaks of, or why it is refused.
const VERIFY: &str = "const { createRemoteJWKSet, jwtVerify } = require('jose');
const [url, ...tokens] = process.argv.slice(1);
const keys = createRemoteJWKSet(new URL(url));
(async () => {
  for (const token of tokens) {
    const verified = jwtVerify(token, keys, { issuer: 'https://id.example', audience: 'hansard' });
    console.log(await verified.then(({ payload }) => payload.sub, (error) => error.code));
  }
})();";

fn verified(issuer: &Receiver, tokens: &[String]) -> Vec<String> {
    let mut node = process::command(tools::node());
    node.args(["--eval", VERIFY, "--", &issuer.url("/jwks")]).args(tokens);
    let output = node.env("NODE_PATH", tools::node_modules()).output().expect("it runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect()
}

#[test]
fn tokens_of_every_algorithm_are_good_and_wrong_ones_are_not() {
    let keys = [SigningKey::rsa("r"), SigningKey::p256("p"), SigningKey::ed25519("e")];
    let stranger = SigningKey::ed25519("e");
    let issuer = Receiver::start();
    issuer.answer_always(key_set(&keys.each_ref()));
    let claims = json!({"iss": "https://id.example", "aud": "hansard", "sub": "anna", "exp": 4_000_000_000_u64});
    let none = format!("{}.", unsigned(&json!({"alg": "none"}), &claims));
    let confused = keys[0].token(&json!({"alg": "ES256", "kid": "p"}), &claims);
    let good = keys.each_ref().map(|key| key.token(&key.header(), &claims));
    let tokens =
        [&good[..], &[stranger.token(&stranger.header(), &claims), none, confused]].concat();

    let verdicts = verified(&issuer, &tokens);

    let bad = "ERR_JWS_SIGNATURE_VERIFICATION_FAILED";
    assert_eq!(verdicts, ["anna", "anna", "anna", bad, "ERR_JOSE_NOT_SUPPORTED", bad]);
    assert_eq!(issuer.received().len(), 1);
    assert_eq!(keys[0].public_jwk()["kid"], "r");
}
