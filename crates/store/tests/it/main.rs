//! The store on both databases: every story is told on SQLite and on PostgreSQL.

#![expect(clippy::unwrap_used, reason = "in a test that is how a failure is told")]

/// Declares stories, `async fn name(db: TestDb)`, as tests on both databases.
macro_rules! on_both {
    ($($name:ident),+ $(,)?) => {
        mod sqlite {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $name() {
                    super::$name($crate::db::TestDb::sqlite()).await;
                }
            )+
        }

        mod postgres {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $name() {
                    super::$name($crate::db::TestDb::postgres()).await;
                }
            )+
        }
    };
}

mod accepting;
mod audit;
mod catalogue;
mod collections;
mod contending;
mod coverage;
mod db;
mod deleting_jobs;
mod erase;
mod events;
mod jobs;
mod keeping;
mod leases;
mod limits;
mod media;
mod outbox;
mod ownership;
mod people;
mod privacy;
mod recordings;
mod retention;
mod schema;
mod sessions;
mod tokens;
mod topics;
mod transcribing;
mod upgrading;
mod uploads;
mod users;
mod workspaces;
mod writing;
