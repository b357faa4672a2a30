//! Files and stores that are refused, and that a store stays as it was.

use cluster_types::FileId;
use proto::storage::v1::BackupManifest;

use super::*;
use crate::RawRow;
use crate::archive::Writer;
use crate::plan::Plan;

/// Restores into `store`, which has to refuse and stay as it was.
async fn refuses(store: &Store, source: &Source) -> RestoreError {
    let (before, files) = (dump(store).await, Files::default());
    let restored = restore(&target(store, &files), source).await;
    let error = restored.expect_err("it is refused");
    assert_eq!(dump(store).await, before, "{error}");
    assert!(files.dump().await.is_empty(), "{error}");
    error
}

fn archive_error(error: RestoreError) -> ReadError {
    let RestoreError::File(VerifyError::Archive { source, .. }) = error else {
        panic!("{error}");
    };
    source
}

/// A backup of some chunks.
async fn long(home: &Home) -> Vec<u8> {
    let mut world = World::new(home.store.clone(), RoomId::from_bytes([9; 16])).await;
    world.body = "long ".repeat(12_000);
    for _ in 0..160 {
        world.apply(Op::Send).await;
    }
    let (file, size) = (FileId::from_bytes([5; 16]), 9_000_000);
    home.files.put(&home.store, file, size, 1).await;
    let path = home.back_up(Scope::All, "long").await;
    fs::read(path).expect("reads")
}

#[tokio::test]
async fn a_damaged_file_is_refused_with_its_chunk_and_nothing_is_written() {
    let home = Home::new().await;
    let whole = long(&home).await;
    let store = Store::new(Simulated::reliable());
    let path = home.path("damaged");
    let source = home.source(path.clone(), None);
    let mut chunks = Vec::new();
    for part in 1..8 {
        let at = whole.len() * part / 8;
        fs::write(&path, &whole[..at]).expect("writes");
        let error = archive_error(refuses(&store, &source).await);
        let ReadError::Truncated { chunk: cut } = error else {
            panic!("{error}");
        };
        let mut flipped = whole.clone();
        flipped[at] ^= 1;
        fs::write(&path, flipped).expect("writes");
        let error = archive_error(refuses(&store, &source).await);
        // A length that is wrong can look like an end.
        let (ReadError::Damaged { chunk } | ReadError::Truncated { chunk }) = error else {
            panic!("{error}");
        };
        assert_eq!(chunk, cut);
        chunks.push(chunk);
    }
    assert!(chunks.is_sorted() && chunks[0] < chunks[6], "{chunks:?}");
}

#[tokio::test]
async fn what_is_no_backup_or_somebody_elses_is_refused() {
    let (home, neighbour) = (Home::new().await, Home::new().await);
    let store = Store::new(Simulated::reliable());
    let path = home.path("none");
    fs::write(&path, "something else, of some length").expect("writes");
    let error = refuses(&store, &home.source(path, None)).await;
    assert!(matches!(archive_error(error), ReadError::NotABackup));
    let foreign = neighbour.back_up(Scope::All, "all").await;
    let error = refuses(&store, &home.source(foreign, None)).await;
    assert!(matches!(archive_error(error), ReadError::WrongIdentity));
    let missing = home.source(home.path("missing"), None);
    let error = refuses(&store, &missing).await.to_string();
    assert!(error.ends_with("missing cannot be read"), "{error}");
}

#[tokio::test]
async fn lists_of_erasures_are_told_from_backups_and_belong_to_one_deployment() {
    let home = Home::new().await;
    let store = Store::new(Simulated::reliable());
    let all = home.back_up(Scope::All, "all").await;
    let list = home.back_up(Scope::Erasures, "erasures").await;
    let error = refuses(&store, &home.source(list, None)).await;
    assert!(
        matches!(error, RestoreError::OnlyErasures { .. }),
        "{error}"
    );

    let stranger = Home {
        key: home.key.clone(),
        ..Home::empty().await
    };
    stranger
        .write(|tx| deployment(tx, [5; 16], SCHEMA_VERSION))
        .await;
    let list = stranger.back_up(Scope::Erasures, "erasures").await;
    let error = refuses(&store, &home.source(all, Some(list))).await;
    assert!(
        matches!(error, RestoreError::OtherErasures { .. }),
        "{error}"
    );
}

fn deployment(tx: &Transaction, id: [u8; 16], schema_version: u32) -> Result<(), StoreError> {
    let row = v1::Deployment {
        deployment_id: id.to_vec().into(),
        schema_version,
        ..Default::default()
    };
    tx.set_row(&Deployment {}, &row)
}

#[tokio::test]
async fn a_store_that_is_not_empty_is_refused_by_name() {
    let home = Home::new().await;
    let from = home.back_up(Scope::All, "all").await;
    let source = home.source(from, None);
    let other = Home::empty().await;
    other
        .write(|tx| deployment(tx, [5; 16], SCHEMA_VERSION))
        .await;
    let newer = Home::empty().await;
    newer
        .write(|tx| deployment(tx, [5; 16], SCHEMA_VERSION + 1))
        .await;
    for (store, expected) in [
        (&home.store, Holds::Same),
        (&other.store, Holds::Other),
        (&newer.store, Holds::Newer),
    ] {
        let error = refuses(store, &source).await;
        let RestoreError::NotEmpty { holds, .. } = error else {
            panic!("{error}");
        };
        assert_eq!(holds, expected);
    }
}

#[tokio::test]
async fn rows_of_a_newer_release_are_refused_by_its_version() {
    let home = Home::new().await;
    home.write(|tx| {
        // Of a table that this release does not know.
        tx.set(&[0x01, 0xf0, 1], b"news")?;
        deployment(tx, [5; 16], SCHEMA_VERSION + 1)
    })
    .await;
    let from = home.back_up(Scope::All, "newer").await;
    let store = Store::new(Simulated::reliable());
    let error = refuses(&store, &home.source(from, None)).await.to_string();
    assert!(
        error.contains(&format!("schema version {}", SCHEMA_VERSION + 1)),
        "{error}"
    );
}

#[tokio::test]
async fn a_file_that_is_exchanged_after_it_was_verified_does_not_become_a_store() {
    let home = Home::new().await;
    let from = home.back_up(Scope::All, "all").await;
    home.write(|tx| erasures::record(tx, Erased::Room(GROUP)))
        .await;
    let other = home.back_up(Scope::All, "other").await;
    let store = Store::new(Simulated::reliable());
    let source = home.source(from.clone(), None);
    let prepared = prepare(source, |_| ()).await.expect("is sound");
    fs::rename(&other, &from).expect("renames");
    let target = target(&store, &Files::default());
    let restored = prepared.write(&target, &Rng::seeded(1), |_| ()).await;
    let error = restored.expect_err("it is another one");
    assert!(matches!(error, RestoreError::Changed { .. }), "{error}");
    assert_eq!(row(&store, &Deployment {}).await, None);
}

/// An archive of these records, after what says what the store is.
fn archive(home: &Home, name: &str, records: &[Record]) -> PathBuf {
    let about = v1::Deployment {
        deployment_id: vec![7; 16].into(),
        schema_version: SCHEMA_VERSION,
        ..Default::default()
    };
    let first = Record::Row(wire::row(&Deployment {}, &about));
    let recipients: Recipients = vec![Box::new(home.key.to_public())];
    let mut writer = Writer::create(Vec::new(), BackupId([3; 16]), recipients).expect("begins");
    for record in std::iter::once(&first).chain(records) {
        writer.push(record.encode()).expect("fits");
    }
    let bytes = writer.finish(&[], BackupManifest::default()).expect("ends");
    fs::write(home.path(name), bytes).expect("writes");
    home.path(name)
}

#[tokio::test]
async fn a_row_that_does_not_read_is_found_by_who_verifies() {
    let home = Home::empty().await;
    let copied = Table::ALL.into_iter();
    for table in copied.filter(|table| Plan::of(*table) != Plan::Never) {
        let good = dump(&Home::new().await.store).await;
        let key = good.keys().find(|key| Table::of_key(key) == Some(table));
        let prefix = (table as u16).to_be_bytes();
        let broken_key = [&prefix[..], &[0xff; 5]].concat();
        let mut rows = vec![(broken_key.into(), bytes::Bytes::new())];
        // A value that ends within its first field.
        rows.extend(key.map(|key| (key.clone(), vec![0x0a, 9].into())));
        for (key, value) in rows {
            let row = Record::Row(RawRow { key, value });
            let path = archive(&home, "broken", &[row]);
            let error = verify(&path, &home.key.clone().into(), |_| ()).await;
            assert!(
                matches!(error, Err(VerifyError::Unknown { chunk: 1, .. })),
                "{table:?}: {error:?}"
            );
        }
    }
}

#[tokio::test]
async fn a_file_that_is_not_whole_is_refused() {
    let home = Home::empty().await;
    let [file, other] = [1, 2].map(|number| FileId::from_bytes([number; 16]));
    // Ten bytes lie in 34.
    let bytes = |count: usize| Record::FileBytes(vec![1; count].into());
    for records in [
        vec![Record::File(file, 10), bytes(33)],
        vec![Record::File(file, 10), bytes(35)],
        vec![Record::File(file, 10), bytes(30), bytes(5)],
        vec![Record::File(file, 10), bytes(34), bytes(1)],
        vec![bytes(1)],
        vec![
            Record::File(file, 10),
            bytes(33),
            Record::File(other, 10),
            bytes(34),
        ],
        vec![Record::File(file, 10), Record::FileGone(other)],
        vec![Record::FileGone(file)],
        vec![Record::File(file, 0)],
        vec![Record::File(file, u64::MAX)],
    ] {
        let path = archive(&home, "cut", &records);
        let error = verify(&path, &home.key.clone().into(), |_| ()).await;
        assert!(
            matches!(error, Err(VerifyError::NotWhole { .. })),
            "{records:?}: {error:?}"
        );
    }
    // It says that there are none.
    let path = archive(&home, "more", &[Record::File(file, 10), bytes(34)]);
    let error = verify(&path, &home.key.clone().into(), |_| ()).await;
    let Err(VerifyError::Archive { source, .. }) = error else {
        panic!("{error:?}");
    };
    assert!(
        matches!(source, ReadError::OtherManifest { .. }),
        "{source}"
    );
}

#[tokio::test]
async fn a_place_with_files_is_refused() {
    let home = Home::new().await;
    let from = home.back_up(Scope::All, "all").await;
    let (store, files) = (Store::new(Simulated::reliable()), Files::default());
    let elsewhere = Store::new(Simulated::reliable());
    let file = FileId::from_bytes([1; 16]);
    files.put(&elsewhere, file, 10, 1).await;
    let before = files.dump().await;
    let restored = restore(&target(&store, &files), &home.source(from, None)).await;
    let error = restored.expect_err("somebody else's would be taken away");
    assert!(
        matches!(error, RestoreError::FilesNotEmpty { .. }),
        "{error}"
    );
    assert_eq!(files.dump().await, before);
    assert!(dump(&store).await.is_empty());
}

#[tokio::test]
async fn a_place_of_another_deployment_is_refused() {
    let home = Home::new().await;
    let from = home.back_up(Scope::All, "all").await;
    let (store, files) = (Store::new(Simulated::reliable()), Files::default());
    let marked = files.sealed().mark(SOMEBODY).await;
    marked.expect("is nobody's yet");
    let restored = restore(&target(&store, &files), &home.source(from, None)).await;
    let error = restored.expect_err("its server would find nothing of its own there");
    assert!(matches!(error, RestoreError::Place(_)), "{error}");
    assert!(dump(&store).await.is_empty());
}
