//! A real browser, Chromium without a window, for what only a browser decides: which cookies go where, what a script of a
//! page may do, where a redirect leads.
//!
//! It reaches this machine only. `127.0.0.1` and `localhost` are two sites to it, and two ports of either are one, so a
//! server at `localhost` beside one at `127.0.0.1` shows what `SameSite` does.
//!
//! All methods block. A test whose own runtime serves the pages needs a second thread for that:
//! `#[tokio::test(flavor = "multi_thread")]`.

use std::sync::Arc;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::script::Script;
use crate::tools;

/// A running browser. It ends when it and its visitors are dropped.
#[derive(Debug)]
pub struct Browser {
    script: Arc<Script>,
}

/// Somebody who uses the browser: one tab, and cookies of their own.
///
/// # Panics
///
/// All methods do when the browser cannot do what is asked or what is waited for does not come, with what it says of it.
#[derive(Debug)]
pub struct Visitor {
    script: Arc<Script>,
    number: u64,
}

/// What the tab shows.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Page {
    /// What the address bar says, after all redirects.
    pub url: String,
    /// The status of the last answer that led here.
    pub status: u16,
    /// The text that can be seen.
    pub text: String,
}

/// One answer on the tab's way, redirects included.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Visit {
    /// `GET` or `POST`.
    pub method: String,
    /// What was asked for.
    pub url: String,
    /// The status of the answer.
    pub status: u16,
}

/// A cookie as the browser keeps it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Cookie {
    /// What it is called.
    pub name: String,
    /// What it says.
    pub value: String,
    /// The host it is sent to.
    pub domain: String,
    /// The path below which it is sent.
    pub path: String,
    /// When it ends, in seconds since 1970; -1 if with the browser.
    pub expires: f64,
    /// Whether scripts cannot read it.
    pub http_only: bool,
    /// Whether it is sent over TLS only.
    pub secure: bool,
    /// `Strict`, `Lax` or `None`.
    pub same_site: String,
}

impl Browser {
    /// Starts one.
    pub fn start() -> Self {
        Self { script: Arc::new(Script::start("browser.mjs", [tools::chromium()])) }
    }

    /// Somebody whom no server has seen yet.
    pub fn visitor(&self) -> Visitor {
        let number = read(self.script.ask("enter", &Value::Null));
        Visitor { script: Arc::clone(&self.script), number }
    }
}

impl Visitor {
    /// Goes to an address, and waits until the page there is loaded.
    pub fn open(&self, url: &str) -> Page {
        read(self.act("open", json!({"url": url})))
    }

    /// Waits until the tab has loaded a page whose address begins with `prefix`; it may be there already.
    pub fn arrives_at(&self, prefix: &str) -> Page {
        read(self.act("arrive", json!({"prefix": prefix})))
    }

    /// Waits until the page shows a text.
    pub fn sees(&self, text: &str) -> Page {
        read(self.act("see", json!({"text": text})))
    }

    /// Types a text into the field that a CSS selector finds.
    pub fn fill(&self, selector: &str, text: &str) {
        self.act("fill", json!({"selector": selector, "text": text}));
    }

    /// Clicks on what a CSS selector finds. Where that leads is for [`Visitor::arrives_at`] or [`Visitor::sees`] to wait for.
    pub fn click(&self, selector: &str) {
        self.act("click", json!({"selector": selector}));
    }

    /// The value of a JavaScript expression in the page, or of what it promises.
    ///
    /// # Errors
    ///
    /// What it throws: also what the browser lets no script of this page do.
    pub fn run(&self, script: &str) -> Result<Value, String> {
        self.script.try_ask("run", &self.input(json!({"script": script})))
    }

    /// The cookie of this name, of whichever host.
    pub fn cookie(&self, name: &str) -> Option<Cookie> {
        let cookies: Vec<Cookie> = read(self.act("cookies", json!({})));
        cookies.into_iter().find(|cookie| cookie.name == name)
    }

    /// Where the tab has been so far.
    pub fn visits(&self) -> Vec<Visit> {
        read(self.act("visits", json!({})))
    }

    /// From now on the browser itself answers what begins with `prefix`, with an empty page, and the server never hears of
    /// it. So a test comes by the address that a redirect leads to while it is still of use.
    pub fn withhold(&self, prefix: &str) {
        self.act("withhold", json!({"prefix": prefix}));
    }

    /// Withholds nothing any more.
    pub fn let_through(&self) {
        self.act("letThrough", json!({}));
    }

    #[track_caller]
    fn act(&self, command: &str, input: Value) -> Value {
        self.script.ask(command, &self.input(input))
    }

    fn input(&self, mut input: Value) -> Value {
        input["visitor"] = self.number.into();
        input
    }
}

fn read<T: DeserializeOwned>(answer: Value) -> T {
    serde_json::from_value(answer).expect("browser.mjs answers in this shape")
}
