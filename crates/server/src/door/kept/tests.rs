use std::sync::Mutex as SyncMutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::FutureExt;
use futures_util::future::join_all;
use tokio::sync::Semaphore;

use super::*;

const NOW: Timestamp = Timestamp::from_micros(1_795_262_400_000_000);

const MINUTE: Duration = Duration::from_secs(60);

/// Ids of keys.
type Ids = Vec<&'static str>;

/// A provider that publishes ids.
#[derive(Clone)]
struct Provider(Arc<Inside>);

struct Inside {
    /// `None` while it is down.
    ids: SyncMutex<Option<Ids>>,
    fetches: AtomicUsize,
    /// How many of the fetches may be answered.
    answers: Semaphore,
}

impl Provider {
    fn with(ids: &[&'static str]) -> (Self, Kept<Ids>, Clock) {
        let ids = SyncMutex::new(Some(ids.to_vec()));
        let inside = Inside { ids, fetches: AtomicUsize::new(0), answers: Semaphore::new(1_000) };
        let (provider, clock) = (Self(Arc::new(inside)), Clock::manual(NOW));
        let asked = provider.clone();
        let fetch: Fetch<Ids> = Box::new(move || asked.clone().fetch().boxed());
        (provider, Kept::new(fetch, clock.clone()), clock)
    }

    async fn fetch(self) -> Result<Ids, Box<dyn Error + Send + Sync>> {
        self.0.fetches.fetch_add(1, Ordering::SeqCst);
        self.0.answers.acquire().await?.forget();
        self.0.ids.lock().unwrap().clone().ok_or_else(|| "down".into())
    }

    fn publishes(&self, ids: Option<&[&'static str]>) {
        *self.0.ids.lock().unwrap() = ids.map(<[_]>::to_vec);
    }

    fn fetches(&self) -> usize {
        self.0.fetches.load(Ordering::SeqCst)
    }
}

async fn has(kept: &Kept<Ids>, id: &str) -> Result<bool, Unavailable> {
    kept.get(|ids| ids.contains(&id)).await.map(|ids| ids.contains(&id))
}

#[tokio::test]
async fn it_is_fetched_once_and_kept_for_an_hour() {
    let (provider, kept, clock) = Provider::with(&["k1", "k2"]);

    assert_eq!(provider.fetches(), 0, "only when somebody needs it");
    let found = join_all((0..50).map(|_| has(&kept, "k1"))).await;
    assert!(found.iter().all(|found| *found == Ok(true)));
    clock.advance(FRESH - MINUTE);
    assert_eq!((has(&kept, "k2").await, provider.fetches()), (Ok(true), 1));

    clock.advance(MINUTE);
    provider.publishes(Some(&["k3"]));
    assert_eq!(has(&kept, "k2").await, Ok(false), "withdrawn");
    assert_eq!((has(&kept, "k3").await, provider.fetches()), (Ok(true), 2));
}

#[tokio::test]
async fn what_is_new_is_found_when_somebody_first_needs_it() {
    let (provider, kept, _) = Provider::with(&["k1"]);
    assert_eq!(has(&kept, "k1").await, Ok(true));

    provider.publishes(Some(&["k1", "k2"]));

    let found = join_all((0..50).map(|_| has(&kept, "k2"))).await;
    assert!(found.iter().all(|found| *found == Ok(true)));
    assert_eq!(provider.fetches(), 2);
}

#[tokio::test]
async fn a_flood_of_unknown_keys_costs_the_provider_a_handful_of_requests() {
    let (provider, kept, clock) = Provider::with(&["k1"]);

    let ids: Vec<_> = (0..1_000).map(|number| format!("unknown-{number}")).collect();
    let found = join_all(ids.iter().map(|id| has(&kept, id))).await;
    assert!(found.iter().all(|found| *found == Ok(false)));
    for id in &ids {
        assert_eq!(has(&kept, id).await, Ok(false));
    }
    assert_eq!(provider.fetches(), 3);
    assert_eq!(has(&kept, "k1").await, Ok(true), "others go on");

    // The flood itself brings the new keys, a minute later.
    provider.publishes(Some(&["k2"]));
    assert_eq!(has(&kept, "k2").await, Ok(false));
    clock.advance(MINUTE);
    assert_eq!((has(&kept, "unknown-1").await, provider.fetches()), (Ok(false), 4));
    assert_eq!((has(&kept, "k2").await, provider.fetches()), (Ok(true), 4));
}

#[tokio::test]
async fn a_provider_may_be_down_for_a_day() {
    let (provider, kept, clock) = Provider::with(&["k1"]);
    assert_eq!(has(&kept, "k1").await, Ok(true));
    provider.publishes(None);

    for _ in 0..23 {
        clock.advance(FRESH);
        assert_eq!(has(&kept, "k1").await, Ok(true));
    }
    clock.advance(FRESH);
    let refused = has(&kept, "k1").await.unwrap_err();
    assert!(refused.retry_after <= MINUTE, "{refused:?}");

    provider.publishes(Some(&["k1"]));
    clock.advance(MINUTE);
    assert_eq!(has(&kept, "k1").await, Ok(true));
}

#[tokio::test]
async fn a_provider_that_was_never_there_is_told_from_a_key_that_is_not() {
    let (provider, kept, clock) = Provider::with(&["k1"]);
    provider.publishes(None);

    let refused = join_all((0..100).map(|_| has(&kept, "k1"))).await;
    assert!(refused.iter().all(|refused| refused.is_err_and(|error| error.retry_after <= MINUTE)));
    assert_eq!(provider.fetches(), 3);

    provider.publishes(Some(&["k1"]));
    clock.advance(MINUTE);
    assert_eq!(has(&kept, "k1").await, Ok(true));
}

#[tokio::test]
async fn nobody_waits_for_a_slow_provider_who_has_enough() {
    let (provider, kept, clock) = Provider::with(&["k1"]);
    assert_eq!(has(&kept, "k1").await, Ok(true));
    provider.0.answers.forget_permits(1_000);

    let mut unknown = Box::pin(has(&kept, "k2"));
    assert!((&mut unknown).now_or_never().is_none(), "this one has to wait");
    assert_eq!(has(&kept, "k1").now_or_never(), Some(Ok(true)));
    clock.advance(FRESH);
    assert_eq!(has(&kept, "k1").now_or_never(), Some(Ok(true)), "stale, and good enough");

    provider.publishes(Some(&["k1", "k2"]));
    provider.0.answers.add_permits(1);
    assert_eq!((unknown.await, provider.fetches()), (Ok(true), 2));
}

#[tokio::test]
async fn a_client_that_hangs_up_leaves_the_answer_to_others() {
    let (provider, kept, _) = Provider::with(&["k1"]);
    provider.0.answers.forget_permits(1_000);

    for _ in 0..100 {
        assert!(has(&kept, "k1").now_or_never().is_none(), "this one does not wait");
    }

    provider.0.answers.add_permits(1);
    assert_eq!((has(&kept, "k1").await, provider.fetches()), (Ok(true), 1));
}
