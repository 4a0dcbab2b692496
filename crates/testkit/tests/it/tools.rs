//! The programs of others.

use std::process::Command;

use hansard_testkit::tools;

#[test]
fn python_has_the_clients() {
    let mut python = Command::new(tools::python());
    let output = python.args(["-c", "import openai, standardwebhooks"]).output().expect("it runs");

    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn node_has_the_upload_client() {
    let mut node = Command::new(tools::node());
    node.args(["--eval", "require('tus-js-client').Upload"]);
    let output = node.env("NODE_PATH", tools::node_modules()).output().expect("it runs");

    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
