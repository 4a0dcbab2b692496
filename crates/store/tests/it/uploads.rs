//! Uploads that arrive in pieces, break off, and go on.

use std::fs;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use hansard_domain::id::{Id, UploadId, WorkspaceId};
use hansard_store::uploads::{Append, Checksum, Upload, Uploaded};
use hansard_store::{Error, Eyes, Reach, WriteError};

use crate::db::{TestDb, pieces, workspace};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

const LIMIT: u64 = 1 << 20;

on_both! {
    an_upload_arrives_in_pieces_and_becomes_media,
    a_piece_goes_where_the_last_one_ended,
    a_piece_that_breaks_off_keeps_what_arrived,
    bytes_that_were_never_counted_are_overwritten,
    of_two_writers_one_is_locked_out,
    a_checksum_is_verified_before_anything_counts,
    nothing_grows_beyond_its_length,
    a_length_is_told_later_and_once,
    an_upload_is_terminated,
    an_upload_is_there_for_whoever_began_it_and_who_sees_all,
    what_expired_is_swept,
    files_without_an_upload_are_swept,
    an_upload_is_taken_again_after_a_crash,
}

fn done<T: std::fmt::Debug>(uploaded: Uploaded<T>) -> T {
    match uploaded {
        Uploaded::Done(value) => value,
        other => panic!("it is not done: {other:?}"),
    }
}

fn at(offset: u64) -> Append {
    Append { offset, checksum: None, limit: LIMIT, keep: DAY }
}

/// Writes `$text` at `$offset` and gives what came of it.
macro_rules! write {
    ($store:expr, $workspace:expr, $id:expr, $offset:expr, $text:expr) => {
        $store.write_upload($workspace, $id, at($offset), pieces(&[$text])).await
    };
}

async fn an_upload_arrives_in_pieces_and_becomes_media(db: TestDb) {
    let store = db.open().await;
    let workspace = workspace(&store).await;
    let begun = store.create_upload(&workspace, Some(6), "filename YQ==", None, DAY).await.unwrap();
    assert_eq!(store.find_upload(&workspace, &begun.id).await.unwrap(), Some(begun.clone()));
    assert_eq!(store.find_upload(&db.clock.id::<WorkspaceId>(), &begun.id).await.unwrap(), None);

    let first = done(write!(store, &workspace, &begun.id, 0, "abc").unwrap());
    assert_eq!((first.offset, first.is_complete()), (3, false));
    let early = store.take_upload(&workspace, &begun.id).await.unwrap();
    assert_eq!(early, Uploaded::Conflict(first));
    db.clock.advance(DAY / 2);
    let second = done(write!(store, &workspace, &begun.id, 3, "def").unwrap());
    assert_eq!((second.offset, second.is_complete()), (6, true));
    assert_eq!(second.expires_at, db.clock.now().after(DAY), "a piece gives it more time");

    let written = done(store.take_upload(&workspace, &begun.id).await.unwrap());
    assert_eq!((written.size, &written.head[..]), (6, &b"abcdef"[..]));
    done(store.terminate_upload(&workspace, &begun.id).await.unwrap());
    assert_eq!(fs::read_dir(db.uploads()).unwrap().count(), 0);
}

async fn a_piece_goes_where_the_last_one_ended(db: TestDb) {
    let store = db.open().await;
    let workspace = workspace(&store).await;
    let id = store.create_upload(&workspace, Some(6), "", None, DAY).await.unwrap().id;
    let first = done(write!(store, &workspace, &id, 0, "abc").unwrap());

    for offset in [0, 2, 4] {
        let refused = write!(store, &workspace, &id, offset, "x").unwrap();
        assert_eq!(refused, Uploaded::Conflict(first.clone()));
    }
    let missing: UploadId = db.clock.id();
    assert_eq!(write!(store, &workspace, &missing, 0, "x").unwrap(), Uploaded::Missing);
}

async fn a_piece_that_breaks_off_keeps_what_arrived(db: TestDb) {
    let store = db.open().await;
    let workspace = workspace(&store).await;
    let id = store.create_upload(&workspace, Some(6), "", None, DAY).await.unwrap().id;
    let cut = || stream::iter([Ok(Bytes::from("ab")), Err(std::io::Error::other("cut"))]);

    let broken = store.write_upload(&workspace, &id, at(0), cut()).await;
    assert!(matches!(broken, Err(WriteError::Source(_))), "{broken:?}");
    let offset = |upload: Option<Upload>| upload.unwrap().offset;
    assert_eq!(offset(store.find_upload(&workspace, &id).await.unwrap()), 2);

    // What cannot be verified is not kept.
    let checksum = Some(Checksum::Sha1(vec![0; 20]));
    let broken = store.write_upload(&workspace, &id, Append { checksum, ..at(2) }, cut()).await;
    assert!(matches!(broken, Err(WriteError::Source(_))), "{broken:?}");
    assert_eq!(offset(store.find_upload(&workspace, &id).await.unwrap()), 2);
    assert!(done(write!(store, &workspace, &id, 2, "cdef").unwrap()).is_complete());
}

async fn bytes_that_were_never_counted_are_overwritten(db: TestDb) {
    let store = db.open().await;
    let workspace = workspace(&store).await;
    let id = store.create_upload(&workspace, Some(4), "", None, DAY).await.unwrap().id;
    done(write!(store, &workspace, &id, 0, "ab").unwrap());
    let file = db.uploads().join(id.as_str());
    fs::write(&file, "abXXXXXX").unwrap();

    done(write!(store, &workspace, &id, 2, "cd").unwrap());

    assert_eq!(fs::read(&file).unwrap(), b"abcd");
    // A file that lost bytes which were counted is damage.
    fs::write(&file, "a").unwrap();
    let damaged = store.take_upload(&workspace, &id).await;
    assert!(matches!(damaged, Err(WriteError::Store(Error::Corrupt { .. }))), "{damaged:?}");
}

async fn of_two_writers_one_is_locked_out(db: TestDb) {
    let store = db.open().await;
    let workspace = workspace(&store).await;
    let id = store.create_upload(&workspace, Some(4), "", None, DAY).await.unwrap().id;
    let (body, mut arriving) = tokio::sync::mpsc::channel::<Result<_, std::io::Error>>(1);
    let arriving = stream::poll_fn(move |context| arriving.poll_recv(context));
    let writer = tokio::spawn({
        let (store, workspace, id) = (store.clone(), workspace.clone(), id.clone());
        async move { store.write_upload(&workspace, &id, at(0), arriving).await }
    });
    // The second piece is let in when the first was taken: the writer has the lock.
    for piece in ["a", "b", "c"] {
        body.send(Ok(Bytes::from(piece))).await.unwrap();
    }

    assert_eq!(write!(store, &workspace, &id, 0, "x").unwrap(), Uploaded::Locked);
    let refused = store.terminate_upload(&workspace, &id).await.unwrap();
    assert_eq!(refused, Uploaded::Locked);
    drop(body);

    assert_eq!(done(writer.await.unwrap().unwrap()).offset, 3);
}

async fn a_checksum_is_verified_before_anything_counts(db: TestDb) {
    let store = db.open().await;
    let workspace = workspace(&store).await;
    let id = store.create_upload(&workspace, Some(6), "", None, DAY).await.unwrap().id;
    // Of "abc", by the examples of FIPS 180.
    let sha1 = hex("a9993e364706816aba3e25717850c26c9cd0d89d");
    let sha256 = hex("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    let write = async |offset, text: &str, checksum| {
        let body = pieces(&[text]).boxed();
        let append = Append { checksum: Some(checksum), ..at(offset) };
        store.write_upload(&workspace, &id, append, body).await.unwrap()
    };

    assert_eq!(write(0, "abd", Checksum::Sha1(sha1.clone())).await, Uploaded::Mismatch);
    assert_eq!(done(write(0, "abc", Checksum::Sha1(sha1)).await).offset, 3);
    assert_eq!(write(3, "ABC", Checksum::Sha256(sha256.clone())).await, Uploaded::Mismatch);
    assert!(done(write(3, "abc", Checksum::Sha256(sha256)).await).is_complete());
    let bytes = fs::read(db.uploads().join(id.as_str())).unwrap();
    assert_eq!(bytes, b"abcabc");
}

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<_> = text.chars().map(|digit| digit.to_digit(16).unwrap() as u8).collect();
    digits.chunks(2).map(|pair| pair[0] * 16 + pair[1]).collect()
}

async fn nothing_grows_beyond_its_length(db: TestDb) {
    let store = db.open().await;
    let workspace = workspace(&store).await;
    let known = store.create_upload(&workspace, Some(3), "", None, DAY).await.unwrap().id;
    let unknown = store.create_upload(&workspace, None, "", None, DAY).await.unwrap().id;

    let refused = write!(store, &workspace, &known, 0, "abcd");
    assert!(matches!(refused, Err(WriteError::TooLarge { limit: 3 })), "{refused:?}");
    let body = pieces(&["ab", "cd"]);
    let refused =
        store.write_upload(&workspace, &unknown, Append { limit: 3, ..at(0) }, body).await;
    assert!(matches!(refused, Err(WriteError::TooLarge { limit: 3 })), "{refused:?}");

    for id in [known, unknown] {
        assert_eq!(store.find_upload(&workspace, &id).await.unwrap().unwrap().offset, 0);
    }
    let refused = store.create_upload(&workspace, Some(u64::MAX), "", None, DAY).await;
    assert!(matches!(refused, Err(Error::Invalid(_))), "{refused:?}");
    let refused = store.create_upload(&workspace, None, "\0", None, DAY).await;
    assert!(matches!(refused, Err(Error::Invalid(_))), "{refused:?}");
}

async fn a_length_is_told_later_and_once(db: TestDb) {
    let store = db.open().await;
    let workspace = workspace(&store).await;
    let id = store.create_upload(&workspace, None, "", None, DAY).await.unwrap().id;
    done(write!(store, &workspace, &id, 0, "abc").unwrap());

    let short = store.set_upload_length(&workspace, &id, 2).await.unwrap();
    assert!(matches!(short, Uploaded::Conflict(_)), "{short:?}");
    let told = done(store.set_upload_length(&workspace, &id, 3).await.unwrap());
    assert!(told.is_complete());
    done(store.set_upload_length(&workspace, &id, 3).await.unwrap());
    let other = store.set_upload_length(&workspace, &id, 4).await.unwrap();
    assert_eq!(other, Uploaded::Conflict(told));
    let missing = store.set_upload_length(&workspace, &db.clock.id(), 4).await.unwrap();
    assert_eq!(missing, Uploaded::Missing);
}

async fn an_upload_is_there_for_whoever_began_it_and_who_sees_all(db: TestDb) {
    let store = db.open().await;
    let workspace = workspace(&store).await;
    let creator = Some("usr_ana".to_owned());
    let id = store.create_upload(&workspace, Some(3), "", creator, DAY).await.unwrap().id;
    let reach = |eyes| Reach { workspace: workspace.clone(), eyes };

    for eyes in [Eyes::Actor("usr_ben".to_owned()), Eyes::Nobody, Eyes::Guest] {
        let reach = reach(eyes);
        assert_eq!(store.find_upload(&reach, &id).await.unwrap(), None);
        assert_eq!(write!(store, &reach, &id, 0, "abc").unwrap(), Uploaded::Missing);
        assert_eq!(store.set_upload_length(&reach, &id, 3).await.unwrap(), Uploaded::Missing);
        assert_eq!(store.take_upload(&reach, &id).await.unwrap(), Uploaded::Missing);
        assert_eq!(store.terminate_upload(&reach, &id).await.unwrap(), Uploaded::Missing);
    }
    let ana = reach(Eyes::Actor("usr_ana".to_owned()));
    assert!(done(write!(store, &ana, &id, 0, "abc").unwrap()).is_complete());
    done(store.take_upload(reach(Eyes::All), &id).await.unwrap());
    done(store.terminate_upload(&ana, &id).await.unwrap());
}

async fn an_upload_is_terminated(db: TestDb) {
    let store = db.open().await;
    let workspace = workspace(&store).await;
    let id = store.create_upload(&workspace, Some(3), "", None, DAY).await.unwrap().id;

    done(store.terminate_upload(&workspace, &id).await.unwrap());

    assert_eq!(store.find_upload(&workspace, &id).await.unwrap(), None);
    assert_eq!(store.terminate_upload(&workspace, &id).await.unwrap(), Uploaded::Missing);
    assert_eq!(store.take_upload(&workspace, &id).await.unwrap(), Uploaded::Missing);
    assert!(!db.uploads().join(id.as_str()).exists());
}

async fn what_expired_is_swept(db: TestDb) {
    let store = db.open().await;
    let workspace = workspace(&store).await;
    let old = store.create_upload(&workspace, Some(3), "", None, DAY).await.unwrap().id;
    let new = store.create_upload(&workspace, Some(3), "", None, DAY * 2).await.unwrap().id;
    let lost = store.create_upload(&workspace, Some(3), "", None, DAY).await.unwrap().id;
    fs::remove_file(db.uploads().join(lost.as_str())).unwrap();

    db.clock.advance(DAY);

    assert_eq!(store.find_upload(&workspace, &old).await.unwrap(), None);
    assert_eq!(store.sweep_uploads().await.unwrap(), 2);
    assert!(!db.uploads().join(old.as_str()).exists());
    assert!(store.find_upload(&workspace, &new).await.unwrap().is_some());
    assert_eq!(db.count("SELECT COUNT(*) FROM uploads").await, 1);
}

async fn files_without_an_upload_are_swept(db: TestDb) {
    let store = db.open().await;
    let workspace = workspace(&store).await;
    let kept = store.create_upload(&workspace, Some(3), "", None, DAY).await.unwrap().id;
    let orphan: UploadId = db.clock.id();
    for name in [orphan.as_str(), "README"] {
        fs::write(db.uploads().join(name), "x").unwrap();
    }

    assert_eq!(store.sweep_uploads().await.unwrap(), 0, "an upload may just begin");
    db.clock.advance(Duration::from_secs(2 * 60 * 60));

    assert_eq!(store.sweep_uploads().await.unwrap(), 1);
    assert!(!db.uploads().join(orphan.as_str()).exists());
    assert!(db.uploads().join(kept.as_str()).exists());
    assert!(db.uploads().join("README").exists(), "what is not ours stays");
}

async fn an_upload_is_taken_again_after_a_crash(db: TestDb) {
    let store = db.open().await;
    let workspace = workspace(&store).await;
    let id = store.create_upload(&workspace, Some(3), "", None, DAY).await.unwrap().id;
    done(write!(store, &workspace, &id, 0, "abc").unwrap());
    let first = done(store.take_upload(&workspace, &id).await.unwrap());
    store.close().await;
    let store = db.open().await;

    let second = done(store.take_upload(&workspace, &id).await.unwrap());

    assert_eq!((first.sha256, first.size), (second.sha256, second.size));
    assert_ne!(first.key, second.key);
    db.clock.advance(DAY);
    assert_eq!(store.sweep_media().await.unwrap(), 2, "neither was accepted");
}
