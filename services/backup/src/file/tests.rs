//! A store, its backup, and what stands in the way.

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;

use age::x25519::Identity;
use cluster_store::{Simulated, Store};
use cluster_types::RoomId;
use futures::FutureExt as _;

use super::*;
use crate::archive::{ReadError, Reader};
use crate::collect::Record;
use crate::testing::{Files, Op, Rows, World, dump};

const ID: BackupId = BackupId([1; 16]);

fn recipients(identity: &Identity) -> Recipients {
    vec![Box::new(identity.to_public())]
}

fn from(store: &Store) -> Origin {
    Origin::Store(store.clone(), Files::default().sealed())
}

/// A store with one room, whose messages fill some chunks.
async fn store() -> Store {
    let store = Store::new(Simulated::reliable());
    let mut world = World::new(store.clone(), RoomId::from_bytes([2; 16])).await;
    world.body = "long ".repeat(12_000);
    for _ in 0..160 {
        world.apply(Op::Send).await;
    }
    store
}

fn rows(path: &Path, identity: &Identity) -> Result<(Rows, BTreeMap<String, u64>), ReadError> {
    let file = File::open(path).expect("is there");
    let mut reader = Reader::open(BufReader::new(file), vec![Box::new(identity.clone())])?;
    let mut rows = Rows::new();
    while let Some(chunk) = reader.next_chunk()? {
        for record in chunk.records {
            if let Record::Row(row) = Record::decode(record).expect("was encoded") {
                rows.insert(row.key, row.value);
            }
        }
    }
    let manifest = reader.manifest().expect("was read to its end");
    let counts = manifest.counts.clone();
    Ok((rows, counts.into_iter().collect()))
}

#[tokio::test]
async fn a_backup_holds_the_store_and_says_how_much_that_is() {
    let (store, identity) = (store().await, Identity::generate());
    let folder = tempfile::tempdir().expect("a folder");
    let to = folder.path().join("backup");
    let mut lengths = Vec::new();
    let watch = |_: &Progress, bytes| lengths.push(bytes);
    let done = back_up(
        from(&store),
        Scope::All,
        &to,
        ID,
        recipients(&identity),
        watch,
    )
    .await;
    let done = done.expect("is written");
    lengths.dedup();
    assert!(lengths.len() >= 3 && lengths.is_sorted(), "{lengths:?}");
    let (found, counts) = rows(&to, &identity).expect("is whole");
    assert_eq!(found, dump(&store).await);
    assert_eq!(counts, done.counts);
    assert_eq!((counts["rooms"], counts["events"]), (1, 160));
    assert!(!partial(&to).exists());
}

#[tokio::test]
async fn a_backup_that_was_interrupted_goes_on() {
    let (store, identity) = (store().await, Identity::generate());
    let folder = tempfile::tempdir().expect("a folder");
    let to = folder.path().join("backup");
    let cut = |_: &Progress, _| panic!("pulled the plug");
    let run = back_up(
        from(&store),
        Scope::All,
        &to,
        ID,
        recipients(&identity),
        cut,
    );
    let outcome = AssertUnwindSafe(run).catch_unwind().await;
    assert!(outcome.is_err(), "it was interrupted");
    assert!(partial(&to).exists() && !to.exists());
    let before = fs::metadata(partial(&to)).expect("is there").len();
    let mut torn = OpenOptions::new()
        .append(true)
        .open(partial(&to))
        .expect("opens");
    io::Write::write_all(&mut torn, b"half a chunk").expect("writes");

    let other = BackupId([2; 16]);
    let done = back_up(
        from(&store),
        Scope::All,
        &to,
        other,
        recipients(&identity),
        |_, _| (),
    )
    .await;
    done.expect("goes on");
    assert!(fs::metadata(&to).expect("is there").len() > before);
    let (found, _) = rows(&to, &identity).expect("is whole");
    assert_eq!(found, dump(&store).await);
    let file = File::open(&to).expect("is there");
    let reader = Reader::open(file, Vec::new()).expect("begins");
    assert_eq!(reader.id(), ID, "it is the one that was begun");
}

#[tokio::test]
async fn what_is_in_the_way_is_named_and_left_alone() {
    let (store, identity) = (store().await, Identity::generate());
    let folder = tempfile::tempdir().expect("a folder");
    let to = folder.path().join("backup");
    fs::write(partial(&to), "something else").expect("writes");
    let error = back_up(
        from(&store),
        Scope::All,
        &to,
        ID,
        recipients(&identity),
        |_, _| (),
    )
    .await;
    let error = error.expect_err("it is in the way").to_string();
    assert!(
        error.contains("backup.partial cannot be gone on with"),
        "{error}"
    );
    assert_eq!(fs::read(partial(&to)).expect("is there"), b"something else");

    fs::rename(partial(&to), &to).expect("renames");
    let error = back_up(
        from(&store),
        Scope::All,
        &to,
        ID,
        recipients(&identity),
        |_, _| (),
    )
    .await;
    let error = error.expect_err("it is in the way");
    assert!(matches!(error, BackupError::Exists { .. }), "{error}");
    assert_eq!(fs::read(&to).expect("is there"), b"something else");
}

#[tokio::test]
async fn a_folder_that_is_not_there_is_named() {
    let (store, identity) = (store().await, Identity::generate());
    let to = Path::new("/nonexistent/backup");
    let error = back_up(
        from(&store),
        Scope::All,
        to,
        ID,
        recipients(&identity),
        |_, _| (),
    )
    .await;
    let error = error.expect_err("there is no such folder").to_string();
    assert!(
        error.starts_with("/nonexistent/backup.partial cannot be written"),
        "{error}"
    );
}

#[tokio::test]
async fn two_backups_to_one_file_do_not_write_over_each_other() {
    let (store, identity) = (store().await, Identity::generate());
    let folder = tempfile::tempdir().expect("a folder");
    let to = folder.path().join("backup");
    let run = || {
        let to = to.clone();
        let (from, recipients) = (from(&store), recipients(&identity));
        async move { back_up(from, Scope::All, &to, ID, recipients, |_, _| ()).await }
    };
    let (one, other) = futures::join!(run(), run());
    assert!(one.is_ok() != other.is_ok(), "{one:?}, {other:?}");
    let error = one.and(other).expect_err("one is refused");
    assert!(
        matches!(
            error,
            BackupError::UnderWay { .. } | BackupError::Exists { .. }
        ),
        "{error}"
    );
    let (found, _) = rows(&to, &identity).expect("is whole");
    assert_eq!(found, dump(&store).await);
}

#[tokio::test]
async fn a_file_that_somebody_writes_is_left_alone() {
    let (store, identity) = (store().await, Identity::generate());
    let folder = tempfile::tempdir().expect("a folder");
    let to = folder.path().join("backup");
    fs::write(partial(&to), "half a chunk").expect("writes");
    let held = File::open(partial(&to)).expect("opens");
    held.lock().expect("locks");
    let recipients = recipients(&identity);
    let error = back_up(from(&store), Scope::All, &to, ID, recipients, |_, _| ()).await;
    let error = error.expect_err("is refused");
    assert!(matches!(error, BackupError::UnderWay { .. }), "{error}");
    assert_eq!(fs::read(partial(&to)).expect("is there"), b"half a chunk");
}

#[tokio::test]
async fn a_whole_backup_that_was_killed_before_it_had_its_name_gets_it() {
    let (store, identity) = (store().await, Identity::generate());
    let folder = tempfile::tempdir().expect("a folder");
    let to = folder.path().join("backup");
    let again = || {
        let recipients = recipients(&identity);
        back_up(from(&store), Scope::All, &to, ID, recipients, |_, _| ())
    };
    let done = again().await.expect("is written");
    fs::rename(&to, partial(&to)).expect("renames");
    let found = again().await.expect("gets its name");
    assert_eq!((found.records, &found.counts), (done.records, &done.counts));
    assert!(!partial(&to).exists());
    let (found, _) = rows(&to, &identity).expect("is whole");
    assert_eq!(found, dump(&store).await);
}
