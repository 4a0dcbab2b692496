//! How often somebody may ask, counted by several nodes together.

use std::time::Duration;

use hansard_store::Error;
use hansard_store::limits::Rate;
use tokio::task::JoinSet;

use crate::db::TestDb;

const SECOND: Duration = Duration::from_secs(1);

on_both! {
    a_burst_is_let_through_and_then_one_a_second,
    nodes_count_together,
    what_is_given_back_can_be_taken_again,
    what_could_never_be_counted_is_refused,
}

async fn a_burst_is_let_through_and_then_one_a_second(db: TestDb) {
    let store = db.open().await;
    let start = db.clock.now();
    for count in 1..=3 {
        let taken = store.take_rate("k", SECOND, 3 * SECOND).await.unwrap();
        assert_eq!(taken, Rate::Left { arrival: start.after(count * SECOND) });
    }

    let refused = store.take_rate("k", SECOND, 3 * SECOND).await.unwrap();
    assert_eq!(refused, Rate::Wait { until: start.after(SECOND) });
    let other = store.take_rate("other", SECOND, 3 * SECOND).await.unwrap();
    assert_eq!(other, Rate::Left { arrival: start.after(SECOND) });
    db.clock.advance(SECOND);
    let taken = store.take_rate("k", SECOND, 3 * SECOND).await.unwrap();
    assert_eq!(taken, Rate::Left { arrival: start.after(4 * SECOND) });
    assert!(matches!(store.take_rate("k", SECOND, 3 * SECOND).await.unwrap(), Rate::Wait { .. }));
    db.clock.advance(100 * SECOND);

    let taken = store.take_rate("k", 2 * SECOND, 3 * SECOND).await.unwrap();
    assert_eq!(taken, Rate::Left { arrival: db.clock.now().after(2 * SECOND) });
}

async fn nodes_count_together(db: TestDb) {
    let nodes = [db.open().await, db.open().await];
    let mut asking = JoinSet::new();
    for index in 0..20 {
        let node = nodes[index % 2].clone();
        asking.spawn(async move { node.take_rate("k", SECOND, 5 * SECOND).await.unwrap() });
    }

    let rates = asking.join_all().await;

    let left = rates.iter().filter(|rate| matches!(rate, Rate::Left { .. })).count();
    assert_eq!(left, 5, "{rates:?}");
    let is_postgres = matches!(db.database, hansard_store::Database::Postgres { .. });
    assert_eq!(nodes[0].is_shared(), is_postgres);
}

async fn what_is_given_back_can_be_taken_again(db: TestDb) {
    let store = db.open().await;
    for _ in 0..20 {
        let taken = store.take_rate("k", SECOND, 2 * SECOND).await.unwrap();
        assert_eq!(taken, Rate::Left { arrival: db.clock.now().after(SECOND) });
        store.give_back_rate("k", SECOND).await.unwrap();
    }
    store.give_back_rate("never seen", SECOND).await.unwrap();
    store.give_back_rate("k", 100 * SECOND).await.unwrap();

    let mut left = 0;
    while let Rate::Left { .. } = store.take_rate("k", SECOND, 2 * SECOND).await.unwrap() {
        left += 1;
    }

    assert_eq!(left, 2, "never more than the burst");
    let refused = store.give_back_rate("\0", SECOND).await;
    assert!(matches!(refused, Err(Error::Invalid(_))), "{refused:?}");
}

async fn what_could_never_be_counted_is_refused(db: TestDb) {
    let store = db.open().await;

    for (key, cost) in [("k", 4 * SECOND), ("\0", SECOND)] {
        let refused = store.take_rate(key, cost, 3 * SECOND).await;
        assert!(matches!(refused, Err(Error::Invalid(_))), "{refused:?}");
    }
}
