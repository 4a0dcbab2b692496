//! The S3 server.

use std::process::Command;

use hansard_testkit::s3::{ACCESS_KEY, S3Server, SECRET_KEY};
use hansard_testkit::tools;

use crate::client::exchange;

/// Asks for an object with a signature (AWS Signature Version 4) and prints status and body.
const SIGNED_GET: &str = r#"
import datetime, hashlib, hmac, sys, urllib.request, urllib.error
endpoint, path, key, secret = sys.argv[1:]
now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y%m%dT%H%M%SZ")
scope = f"{now[:8]}/eu-west-3/s3/aws4_request"
headers = {"host": endpoint.split("/")[2], "x-amz-content-sha256": "UNSIGNED-PAYLOAD", "x-amz-date": now}
names = ";".join(headers)
lines = "".join(f"{name}:{value}\n" for name, value in headers.items())
request = f"GET\n{path}\n\n{lines}\n{names}\nUNSIGNED-PAYLOAD"
digest = hashlib.sha256(request.encode()).hexdigest()
signature = ("AWS4" + secret).encode()
for part in [*scope.split("/"), f"AWS4-HMAC-SHA256\n{now}\n{scope}\n{digest}"]:
    signature = hmac.digest(signature, part.encode(), "sha256")
headers["authorization"] = (f"AWS4-HMAC-SHA256 Credential={key}/{scope}, "
    f"SignedHeaders={names}, Signature={signature.hex()}")
opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
try:
    answer = opener.open(urllib.request.Request(endpoint + path, headers=headers), timeout=30)
except urllib.error.HTTPError as error:
    answer = error
print(answer.status, answer.read().decode())
"#;

fn get(server: &S3Server, path: &str, secret: &str) -> String {
    let mut python = Command::new(tools::python());
    let output = python
        .args(["-c", SIGNED_GET, &server.endpoint(), path, ACCESS_KEY, secret])
        .output()
        .expect("it runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

#[test]
fn an_object_is_given_to_the_owner_of_the_key_only() {
    let server = S3Server::start();
    server.create_bucket("talks");
    server.put_file("talks", "2026/sermon.wav", b"sound");

    assert_eq!(get(&server, "/talks/2026/sermon.wav", SECRET_KEY), "200 sound");
    let forged = get(&server, "/talks/2026/sermon.wav", "another secret");
    assert!(forged.starts_with("403 ") && forged.contains("SignatureDoesNotMatch"), "{forged}");
    let unsigned = exchange(&format!("{}/talks/2026/sermon.wav", server.endpoint()), "GET", "");
    assert!(unsigned.expect("it answers").starts_with("HTTP/1.1 403 "));
}

#[test]
fn what_is_missing_is_told() {
    let server = S3Server::start();
    server.create_bucket("talks");

    let object = get(&server, "/talks/none.wav", SECRET_KEY);
    let bucket = get(&server, "/nowhere/none.wav", SECRET_KEY);

    assert!(object.starts_with("404 ") && object.contains("NoSuchKey"), "{object}");
    assert!(bucket.starts_with("404 ") && bucket.contains("NoSuchBucket"), "{bucket}");
}
