//! The browser.

use std::env;
use std::fs;
use std::io::{self, BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use hansard_testkit::browser::{Browser, Visit};
use hansard_testkit::receiver::{Answer, Receiver};
use serde_json::json;

/// Longer than any machine needs to end a browser.
const GONE_WITHIN: Duration = Duration::from_secs(30);

/// Set in the process that is killed while it holds a browser.
const VICTIM: &str = "HANSARD_TESTKIT_BROWSER_VICTIM";

/// What that process prints once it holds one.
const UP: &str = "the browser is up";

fn html(body: &str) -> Answer {
    Answer::status(200).header("content-type", "text/html; charset=utf-8").body(body)
}

/// The same server, to a browser at another site.
fn elsewhere(receiver: &Receiver, path: &str) -> String {
    format!("http://localhost:{}{path}", receiver.address().port())
}

#[test]
fn somebody_fills_in_a_form_and_is_sent_on() {
    let site = Receiver::start();
    site.answer_next(html(
        "<form method=post action=/in><input name=who><button>Go</button></form>",
    ));
    site.answer_next(Answer::status(303).header("location", "/there?a=1"));
    site.answer_next(html("<h1>Welcome</h1><p hidden>nothing to see</p>"));
    let visitor = Browser::start().visitor();

    visitor.open(&site.url("/"));
    visitor.fill("[name=who]", "Anna & Zoë");
    visitor.click("button");
    let page = visitor.arrives_at(&site.url("/there"));

    assert_eq!((page.url, page.status), (site.url("/there?a=1"), 200));
    assert_eq!(page.text, "Welcome");
    let visit = |method: &str, path: &str, status| Visit {
        method: method.to_owned(),
        url: site.url(path),
        status,
    };
    let visits =
        [visit("GET", "/", 200), visit("POST", "/in", 303), visit("GET", "/there?a=1", 200)];
    assert_eq!(visitor.visits(), visits);
    assert_eq!(site.received()[1].body, b"who=Anna+%26+Zo%C3%AB");
}

#[test]
fn what_a_page_shows_later_is_waited_for() {
    let site = Receiver::start();
    let script = "fetch('/later').then(r => r.text()).then(t => { document.body.innerText = t })";
    site.answer_next(html(&format!("<body>not yet<script>{script}</script></body>")));
    site.answer_next(Answer::status(200).body("here it is"));
    let visitor = Browser::start().visitor();

    visitor.open(&site.url("/"));

    assert_eq!(visitor.sees("here it is").text, "here it is");
}

#[test]
fn cookies_go_where_their_flags_let_them() {
    let site = Receiver::start();
    let cookies = html("")
        .header("set-cookie", "session=1; HttpOnly; SameSite=Lax; Path=/")
        .header("set-cookie", "csrf=2; SameSite=Strict; Path=/");
    site.answer_next(cookies);
    site.answer_always(html(""));
    let browser = Browser::start();
    let visitor = browser.visitor();

    visitor.open(&site.url("/"));

    let session = visitor.cookie("session").expect("it was set");
    assert_eq!((session.value.as_str(), session.domain.as_str()), ("1", "127.0.0.1"));
    assert_eq!((session.path.as_str(), session.same_site.as_str()), ("/", "Lax"));
    assert!(session.http_only && !session.secure && session.expires < 0.0, "{session:?}");
    assert_eq!(visitor.run("document.cookie"), Ok(json!("csrf=2")));
    let sent = |path: &str| {
        let received = site.received();
        let request = received.iter().rfind(|request| request.target == path).cloned();
        request.expect("it came").headers.get("cookie").cloned().unwrap_or_default()
    };
    visitor.open(&site.url("/own"));
    assert_eq!(sent("/own"), "session=1; csrf=2");
    visitor.open(&elsewhere(&site, "/another-site"));
    assert_eq!(sent("/another-site"), "");
    visitor.run(&format!("location.href = '{}'", site.url("/by-link"))).expect("it may go there");
    visitor.arrives_at(&site.url("/by-link"));
    assert_eq!(sent("/by-link"), "session=1");
    assert_eq!(browser.visitor().cookie("session"), None);
}

#[test]
fn a_script_reads_what_the_browser_lets_it() {
    let site = Receiver::start();
    site.answer_always(Answer::status(200).body("text"));
    let visitor = Browser::start().visitor();
    visitor.open(&elsewhere(&site, "/"));
    let read = |url: &str| visitor.run(&format!("fetch('{url}').then(answer => answer.text())"));

    assert_eq!(read(&elsewhere(&site, "/own")), Ok(json!("text")));
    let foreign = read(&site.url("/foreign")).expect_err("it is of another origin");
    assert!(foreign.contains("Failed to fetch"), "{foreign}");
}

#[test]
fn what_is_withheld_never_reaches_the_server() {
    let site = Receiver::start();
    site.answer_always(Answer::redirect(&site.url("/back?code=7")));
    let visitor = Browser::start().visitor();
    visitor.withhold(&site.url("/back"));

    let withheld = visitor.open(&site.url("/"));

    assert_eq!((withheld.url, withheld.status), (site.url("/back?code=7"), 200));
    assert_eq!(site.received().len(), 1);
    site.answer_always(html("arrived"));
    visitor.let_through();
    assert_eq!(visitor.open(&site.url("/back?code=7")).text, "arrived");
}

#[test]
#[should_panic(expected = "ERR_NAME_NOT_RESOLVED")]
fn nothing_but_this_machine_can_be_reached() {
    Browser::start().visitor().open("http://hansard.example/");
}

/// The process that [`nothing_outlives_a_killed_process`] kills. In any other run there is nothing to it.
#[test]
fn victim() {
    if env::var_os(VICTIM).is_none() {
        return;
    }
    let browser = Browser::start();
    browser.visitor();
    writeln!(io::stdout(), "\n{UP}").expect("somebody listens");
    io::stdin().read_line(&mut String::new()).expect("it is piped");
}

#[test]
fn nothing_outlives_a_killed_process() {
    let this = env::current_exe().expect("the test has a file");
    let mut victim = Command::new(this)
        .args(["browser::victim", "--exact", "--nocapture"])
        .env(VICTIM, "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the test runs again");
    let mut lines = BufReader::new(victim.stdout.take().expect("it is piped")).lines();
    assert!(lines.any(|line| line.is_ok_and(|line| line == UP)));
    let children = descendants(victim.id());
    assert!(children.len() > 1, "{children:?}");
    assert!(children.iter().all(|child| runs(*child)));

    victim.kill().expect("it runs");
    victim.wait().expect("it was killed");

    let began = Instant::now();
    while children.iter().any(|child| runs(*child)) {
        assert!(began.elapsed() < GONE_WITHIN, "of {children:?} one still runs");
        thread::yield_now();
    }
}

/// The processes that a process has started, and those that they have.
fn descendants(process: u32) -> Vec<u32> {
    let threads = fs::read_dir(format!("/proc/{process}/task")).expect("it runs");
    let files = threads.map(|thread| thread.expect("it runs").path().join("children"));
    let children: Vec<u32> = files
        .flat_map(|file| {
            let children = fs::read_to_string(file).unwrap_or_default();
            children.split_whitespace().filter_map(|child| child.parse().ok()).collect::<Vec<_>>()
        })
        .collect();
    let theirs = children.iter().flat_map(|child| descendants(*child));
    theirs.chain(children.clone()).collect()
}

/// Whether a process is more than an entry that nobody has removed yet.
fn runs(process: u32) -> bool {
    fs::read(format!("/proc/{process}/cmdline")).is_ok_and(|line| !line.is_empty())
}
