//! Fetching a model from a hub, or over a line, that fails.

use std::fs;
use std::time::Duration;

use hansard_net::Error as NetError;
use hansard_speech::hub::Error;
use hansard_testkit::hub_server::Fault;

use crate::desk::Desk;

const WEIGHTS: &str = "model.safetensors";
const WEIGHTS_BYTES: u64 = 16_593_200;

/// The ranges that were asked for of the weights, which alone are cut in these tests.
fn ranges(desk: &Desk) -> Vec<String> {
    let downloads = desk.server.downloads().into_iter().filter(|seen| seen.by_cdn);
    downloads.filter_map(|seen| seen.headers.get("range").cloned()).collect()
}

#[test]
fn a_cut_download_goes_on_where_it_stopped() {
    let desk = Desk::new();
    desk.server.next(WEIGHTS, Fault::Cut(5_000_000));
    desk.server.next(WEIGHTS, Fault::Cut(3_000_000));

    desk.pull("tiny").unwrap();

    let ranges = ranges(&desk);
    assert_eq!(ranges.len(), 2, "{ranges:?}");
    assert!(ranges.iter().all(|range| *range != "bytes=0-"), "{ranges:?}");
    // Each asks for the rest of the version that it has the beginning of.
    let downloads = desk.server.downloads();
    let mut resumed = downloads.iter().filter(|seen| seen.headers.contains_key("range"));
    assert!(resumed.all(|seen| seen.headers.contains_key("if-range")));
    assert!(desk.names_in_tiny("blobs").iter().all(|name| !name.ends_with("incomplete")));
}

#[test]
fn the_next_pull_goes_on_where_one_gave_up() {
    let desk = Desk::new();
    // The first attempt makes progress, so that three failures in a row begin with it.
    desk.server.next(WEIGHTS, Fault::Cut(5_000_000));
    for _ in 0..2 {
        desk.server.next(WEIGHTS, Fault::Cut(0));
    }
    let error = desk.pull("tiny").unwrap_err();
    assert!(matches!(error, Error::Net(NetError::Broken { .. })), "{error:?}");
    assert!(desk.hub().list().unwrap().is_empty(), "a model that is not whole is not seen");
    assert!(matches!(desk.hub().resolve("tiny"), Err(Error::NotInstalled { .. })));

    let before = ranges(&desk).len();
    let pulled = desk.pull("tiny").unwrap();

    assert_eq!(ranges(&desk).len(), before + 1);
    assert!(pulled.fetched < WEIGHTS_BYTES, "{}", pulled.fetched);
}

#[test]
fn a_hub_that_knows_no_ranges_sends_all_again() {
    let desk = Desk::new();
    desk.server.next(WEIGHTS, Fault::Cut(5_000_000));
    desk.server.next(WEIGHTS, Fault::IgnoreRange);

    desk.pull("tiny").unwrap();

    assert_eq!(desk.hub().list().unwrap()[0].missing, [""; 0]);
}

#[test]
fn damaged_bytes_are_refused_and_nothing_of_them_stays() {
    let desk = Desk::new();
    desk.server.next(WEIGHTS, Fault::WrongByte);

    let error = desk.pull("tiny").unwrap_err();

    assert!(matches!(error, Error::Net(NetError::Checksum { .. })), "{error:?}");
    assert!(desk.hub().list().unwrap().is_empty());
    assert!(desk.names_in_tiny("blobs").iter().all(|name| !name.ends_with("incomplete")));
    desk.pull("tiny").unwrap();
}

#[test]
fn a_damaged_beginning_is_fetched_again() {
    let desk = Desk::new();
    let blobs = desk.tiny("blobs");
    desk.pull("tiny").unwrap();
    let weights = fs::read_dir(&blobs).unwrap().flatten();
    let weights = weights.max_by_key(|entry| entry.metadata().unwrap().len()).unwrap().path();
    fs::write(weights.with_added_extension("incomplete"), [7; 1000]).unwrap();
    fs::remove_file(&weights).unwrap();

    let pulled = desk.pull("tiny").unwrap();

    assert_eq!(desk.hub().resolve("tiny").unwrap(), pulled.folder);
    assert!(ranges(&desk).contains(&"bytes=1000-".to_owned()));
}

#[test]
fn a_busy_hub_is_asked_again() {
    let desk = Desk::new();
    desk.server.next("api", Fault::Status(429, Some("0".into())));
    desk.server.next("config.json", Fault::Status(500, None));
    desk.server.next("config.json", Fault::Status(500, None));
    desk.server.next(WEIGHTS, Fault::Status(503, None));

    desk.pull("tiny").unwrap();
}

#[test]
fn a_hub_that_wants_to_be_left_alone_is() {
    let desk = Desk::new();
    desk.server.next("api", Fault::Status(429, Some("3600".into())));

    let error = desk.pull("tiny").unwrap_err();

    assert!(
        matches!(&error, Error::Net(NetError::Status { status: 429, retry_after: Some(3600), .. })),
        "{error:?}"
    );
    assert_eq!(desk.server.seen().len(), 1);
}

#[test]
fn a_hub_that_falls_silent_is_given_up() {
    let mut desk = Desk::new();
    desk.config.network.idle_timeout = Duration::from_millis(100);
    desk.config.network.retries.attempts = 2;
    for _ in 0..2 {
        desk.server.next(WEIGHTS, Fault::Silence);
    }

    let error = desk.pull("tiny").unwrap_err();

    assert!(matches!(error, Error::Net(NetError::Timeout { .. })), "{error:?}");
}

#[test]
fn no_error_shows_where_large_files_come_from() {
    let desk = Desk::new();
    for _ in 0..3 {
        desk.server.next(WEIGHTS, Fault::Status(500, None));
    }

    let error = desk.pull("tiny").unwrap_err();

    // The address of the delivery network carries a signature.
    let mut shown = format!("{error:?} {error}");
    let mut source = std::error::Error::source(&error);
    while let Some(error) = source {
        shown.push_str(&error.to_string());
        source = error.source();
    }
    assert!(shown.contains("500"), "{shown}");
    assert!(!shown.contains("secret"), "{shown}");
}
