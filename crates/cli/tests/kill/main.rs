//! The service is killed, `kill -9`, again and again while it is given work, and nothing that it accepted is lost:
//! every job ends once, no window is run again after its commit, every callback arrives, nothing is left behind.

mod client;
mod service;
mod witness;

use std::time::Duration;

use hansard_testkit::postgres::{Fsync, Postgres};
use hansard_testkit::receiver::Receiver;

use client::Client;
use service::{Parts, Service};
use witness::Witness;

/// Recordings that are handed in, each of two windows.
const JOBS: usize = 200;

/// Times that the program is killed.
const KILLS: usize = 100;

/// The moments of the kills differ, and are the same in every run.
const SEED: u64 = 0x5EED;

/// Nothing that the test waits for takes longer.
const PATIENCE: Duration = Duration::from_secs(240);

#[test]
fn nothing_is_lost_on_sqlite_when_the_one_process_is_killed() {
    survives(Parts::Together, None);
}

#[test]
fn nothing_is_lost_on_postgres_when_service_and_worker_are_killed() {
    let postgres = Postgres::start(Fsync::Off);
    survives(Parts::Apart, Some(postgres.create_database()));
}

fn survives(parts: Parts, database: Option<String>) {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let receiver = Receiver::start();
    let mut service = Service::new(folder.path(), parts, database);
    let mut witness = Witness::new(&service);
    let mut moments = Moments(SEED);

    service.start();
    let client = Client::start(service.port(), &receiver.url("/callback"), JOBS);
    for _ in 0..KILLS {
        std::thread::sleep(moments.next());
        service.kill_one(moments.next().as_millis() as usize);
        witness.look(&service);
        service.start();
    }
    let accepted = client.finish(PATIENCE);

    witness.wait_for_ends(&accepted, PATIENCE);
    let callbacks = witness.wait_for_callbacks(&receiver, &accepted, PATIENCE);
    service.stop();
    witness.check_windows();
    witness.check_callbacks(&accepted, &callbacks);
    witness.check_nothing_is_left(&service, &accepted);
}

/// Times between 10 and 300 milliseconds: xorshift, so that each run kills at the same moments.
struct Moments(u64);

impl Moments {
    fn next(&mut self) -> Duration {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        Duration::from_millis(10 + self.0 % 291)
    }
}
