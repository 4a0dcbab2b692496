//! Jobs as users meet them: what was handed in ends exactly once, whatever happens to the workers. Each story is told on both
//! databases.

#![expect(clippy::unwrap_used, reason = "in a test that is how a failure is told")]

mod delivering;
mod desk;
mod engines;
mod failing;
mod sharing;
mod sources;
mod stopping;
mod transcribing;

/// Makes a test for each database of every function that is named: it is given a [`desk::Place`].
macro_rules! on_both_databases {
    ($($story:ident),+ $(,)?) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $story() {
                super::$story(crate::desk::Place::sqlite()).await;
            })+
        }
        mod postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $story() {
                super::$story(crate::desk::Place::postgres()).await;
            })+
        }
    };
}

pub(crate) use on_both_databases;
