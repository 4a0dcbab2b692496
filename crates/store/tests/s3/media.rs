//! Media objects in a bucket.

use std::convert::Infallible;

use bytes::Bytes;
use futures_util::{Stream, TryStreamExt, stream};
use hansard_store::s3::S3;
use hansard_store::{Clock, Database, Settings, Store, WriteError};
use hansard_testkit::receiver::{Answer, Receiver};
use hansard_testkit::s3::{S3Server, SECRET_KEY};
use tempfile::TempDir;

use crate::account;

async fn store_on(server: &S3Server, folder: &TempDir) -> Store {
    store_with(account(&server.endpoint(), SECRET_KEY), folder).await
}

async fn store_with(s3: S3, folder: &TempDir) -> Store {
    let settings = Settings {
        database: Database::Sqlite { path: folder.path().join("hansard.db") },
        connections_max: 2,
        queue_max: 10,
        media: s3.media("media", "hansard").unwrap(),
        uploads: folder.path().join("uploads"),
        clock: Clock::system(),
    };
    Store::open(settings).await.unwrap()
}

fn pieces(count: usize, length: usize) -> impl Stream<Item = Result<Bytes, Infallible>> + Unpin {
    stream::iter((0..count).map(move |n| Ok(Bytes::from(vec![n as u8; length]))))
}

#[tokio::test]
async fn an_object_of_several_parts_is_written_and_read_in_ranges() {
    let server = S3Server::start();
    server.create_bucket("media");
    let folder = tempfile::tempdir().unwrap();
    let store = store_on(&server, &folder).await;
    let workspace = store.ensure_workspace("default").await.unwrap();

    let written = store.write_media(&workspace, pieces(20, 1 << 20), 1 << 30).await.unwrap();
    let range = store.media().read(&written.key, (3 << 20) - 1..(3 << 20) + 1).await.unwrap();
    let range: Vec<Bytes> = range.try_collect().await.unwrap();

    assert_eq!(written.size, 20 << 20);
    assert_eq!(range.concat(), [2, 3]);
    store.media().check().await.unwrap();
}

#[tokio::test]
async fn an_object_that_is_too_large_leaves_nothing() {
    let server = S3Server::start();
    server.create_bucket("media");
    let folder = tempfile::tempdir().unwrap();
    let store = store_on(&server, &folder).await;
    let workspace = store.ensure_workspace("default").await.unwrap();

    let refused = store.write_media(&workspace, pieces(20, 1 << 20), 10 << 20).await;

    assert!(matches!(refused, Err(WriteError::TooLarge { limit: 10_485_760 })), "{refused:?}");
    assert_eq!(store.sweep_media().await.unwrap(), 1);
    assert_eq!(store.sweep_media().await.unwrap(), 0);
}

#[tokio::test]
async fn a_bucket_that_refuses_us_is_an_error_and_not_a_loss() {
    let server = S3Server::start();
    server.create_bucket("media");
    let folder = tempfile::tempdir().unwrap();
    let store = store_with(account(&server.endpoint(), "not the secret"), &folder).await;
    let workspace = store.ensure_workspace("default").await.unwrap();

    let failed = store.write_media(&workspace, pieces(1, 10), 100).await;

    assert!(matches!(failed, Err(WriteError::Store(_))), "{failed:?}");
    assert!(store.media().check().await.is_err());
}

#[tokio::test]
async fn a_bucket_that_we_may_not_list_is_there_all_the_same() {
    let receiver = Receiver::start();
    let denied = "<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>";
    receiver.answer_always(Answer::status(403).body(denied));

    let media = account(&receiver.url(""), SECRET_KEY).media("media", "hansard").unwrap();

    media.check().await.unwrap();
}
