//! Files come back with the messages that carry them, whole, and with no other.

use cluster_store::schema::{File, FileQuota};
use cluster_types::FileId;

use super::*;

const SMALL: FileId = FileId::from_bytes([1; 16]);
const LARGE: FileId = FileId::from_bytes([2; 16]);
const BENS: FileId = FileId::from_bytes([3; 16]);
const TAKEN_OFF: FileId = FileId::from_bytes([4; 16]);
const UPLOAD: FileId = FileId::from_bytes([5; 16]);
const LATER: FileId = FileId::from_bytes([6; 16]);

/// Two objects.
const LARGE_BYTES: u64 = 5_000_000;

/// Anna has sent two files into the group, and Ben one; one more was taken off a message, one is in none.
async fn home() -> Home {
    let home = Home::new().await;
    for (file, size, uses) in [
        (SMALL, 10, 1),
        (LARGE, LARGE_BYTES, 1),
        (BENS, 20, 1),
        (UPLOAD, 30, 0),
    ] {
        home.files.put(&home.store, file, size, uses).await;
    }
    home.write(|tx| {
        says(tx, 1, ANNA, &[SMALL, LARGE])?;
        says(tx, 2, BEN, &[BENS])
    })
    .await;
    home
}

/// The message at a place in the log of the group.
fn says(
    tx: &Transaction,
    seq: u64,
    account: AccountId,
    files: &[FileId],
) -> Result<(), StoreError> {
    let ids = files.iter().map(|file| file.as_bytes().to_vec().into());
    let message = v1::Message {
        file_ids: ids.collect(),
        ..Default::default()
    };
    let event = v1::RoomEvent {
        actor_id: account.as_bytes().to_vec().into(),
        sealed: vec![1; 40].into(),
        kind: Some(v1::room_event::Kind::Message(message)),
        ..Default::default()
    };
    let (room, seq) = (GROUP, Seq(seq));
    tx.set_row(&RoomEvent { room, seq }, &event)
}

/// The files that have a row, with size, sender and uses.
async fn rows(store: &Store) -> Vec<(FileId, u64, AccountId, u32)> {
    let tx = store.begin().await.expect("begins");
    let rows = tx.scan(RowRange::<File>::all(), Scan::default()).await;
    let rows = rows.expect("reads").rows.into_iter();
    rows.map(|(File { file }, row)| {
        assert_eq!(row.room_id, GROUP.as_bytes()[..]);
        let account = AccountId::try_from(&row.account_id[..]).expect("an id");
        (file, row.size, account, row.uses)
    })
    .collect()
}

async fn used(store: &Store, account: AccountId) -> Option<(u64, u32)> {
    let used = row(store, &FileQuota { account }).await?;
    Some((used.bytes, used.uploads))
}

/// The objects of a place, without those of these files.
async fn without(files: &Files, left_out: &[FileId]) -> Vec<(String, bytes::Bytes)> {
    let objects = files.dump().await.into_iter();
    let is_of = |name: &str| left_out.iter().any(|file| name.contains(&file.to_string()));
    objects.filter(|(name, _)| !is_of(name)).collect()
}

#[tokio::test]
async fn files_come_back_with_the_messages_that_carry_them() {
    let home = home().await;
    let from = home.back_up(Scope::All, "all").await;
    let verified = verify(&from, &home.key.clone().into(), |_| ()).await;
    let verified = verified.expect("is whole");
    assert_eq!((verified.files, verified.files_missing), (3, 0));
    assert_eq!(verified.counts["file_bytes"], LARGE_BYTES + 30);
    let (store, files, restored) = home.restore_all(from, None).await;
    assert_eq!((restored.files, restored.files_missing), (3, 0));
    assert_eq!(restored.file_bytes, LARGE_BYTES + 30);
    let deployment = open_deployment(&store, &Rng::seeded(1)).await;
    let deployment = deployment.expect("is one").to_string();
    let mark = files.mark().await.expect("says whose they are");
    assert_eq!(mark.trim_ascii(), deployment.as_bytes());
    let expected = without(&home.files, &[UPLOAD]).await;
    assert_eq!(expected.len(), 4);
    assert!(without(&files, &[]).await == expected, "as they lay");
    assert_eq!(
        rows(&store).await,
        [
            (SMALL, 10, ANNA, 1),
            (LARGE, LARGE_BYTES, ANNA, 1),
            (BENS, 20, BEN, 1)
        ]
    );
    assert_eq!(used(&store, ANNA).await, Some((LARGE_BYTES + 10, 0)));
    assert_eq!(used(&store, BEN).await, Some((20, 0)));
}

#[tokio::test]
async fn files_of_who_was_erased_do_not_come_back() {
    let home = home().await;
    let from = home.back_up(Scope::All, "all").await;
    home.write(|tx| erasures::record(tx, Erased::Account(ANNA)))
        .await;
    let ledger = home.back_up(Scope::Erasures, "account").await;
    let (store, files, restored) = home.restore_all(from.clone(), Some(ledger)).await;
    assert_eq!((restored.files, restored.files_missing), (1, 0));
    assert_eq!(rows(&store).await, [(BENS, 20, BEN, 1)]);
    assert_eq!(used(&store, ANNA).await, None);
    let others = without(&home.files, &[SMALL, LARGE, UPLOAD]).await;
    assert!(without(&files, &[]).await == others);

    home.write(|tx| erasures::record(tx, Erased::Room(GROUP)))
        .await;
    let ledger = home.back_up(Scope::Erasures, "room").await;
    let (store, files, restored) = home.restore_all(from, Some(ledger)).await;
    assert_eq!((restored.files, rows(&store).await), (0, Vec::new()));
    assert!(files.dump().await.is_empty());
}

#[tokio::test]
async fn of_a_message_that_changed_on_the_way_the_last_row_says_what_it_carries() {
    let home = home().await;
    let mut survey = Survey::default();
    survey.accounts.insert(ANNA);
    let mut records = Vec::new();
    for (seq, files) in [
        (1, &[SMALL, TAKEN_OFF][..]),
        (3, &[BENS]),
        (1, &[SMALL]),
        (3, &[]),
    ] {
        home.write(|tx| says(tx, seq, ANNA, files)).await;
        let (room, seq) = (GROUP, Seq(seq));
        let event = row(&home.store, &RoomEvent { room, seq }).await;
        let event = wire::row(&RoomEvent { room, seq }, &event.expect("was set"));
        records.push(Record::Row(event));
    }
    records.push(Record::RoomEnd(GROUP, Seq(4)));
    for file in [SMALL, TAKEN_OFF, LATER] {
        records.push(Record::File(file, 10));
        records.push(Record::FileBytes(vec![0; 34].into()));
    }
    for record in &records {
        survey.add(record).expect("is sound");
    }
    survey.erase();
    assert_eq!(survey.files.restored(), (1, 10));
    assert!(survey.files.is_restored(SMALL));
    assert_eq!(survey.files.missing(), 0);
}

#[tokio::test]
async fn a_backup_without_files_says_so_and_none_has_a_row() {
    let home = home().await;
    let from = home.back_up(Scope::Rows, "rows").await;
    let verified = verify(&from, &home.key.clone().into(), |_| ()).await;
    let verified = verified.expect("is whole");
    assert_eq!((verified.scope, verified.files), (Scope::Rows, 0));
    assert_eq!(verified.files_missing, 3);
    let (store, files, restored) = home.restore_all(from, None).await;
    assert_eq!((restored.files, restored.files_missing), (0, 3));
    assert_eq!(
        (rows(&store).await, used(&store, ANNA).await),
        (Vec::new(), None)
    );
    assert!(files.dump().await.is_empty());
}

#[tokio::test]
async fn a_file_that_was_released_while_the_backup_ran_is_not_in_it() {
    let home = home().await;
    let file = BENS;
    home.write(|tx| tx.clear_row(&File { file })).await;
    let from = home.back_up(Scope::All, "all").await;
    let (store, files, restored) = home.restore_all(from, None).await;
    assert_eq!((restored.files, restored.files_missing), (2, 1));
    assert_eq!(rows(&store).await.len(), 2);
    assert_eq!(used(&store, BEN).await, None);
    let others = without(&home.files, &[UPLOAD, BENS]).await;
    assert!(without(&files, &[]).await == others);
}

#[tokio::test]
async fn an_archive_of_the_first_format_is_restored() {
    let home = Home::new().await;
    let path = home.path("old.backup");
    fs::write(&path, include_bytes!("../../../golden/format-1.backup")).expect("writes");
    let key = home.path("old.key");
    fs::write(&key, include_bytes!("../../../golden/format-1.key")).expect("writes");
    let identities = Identities::read(&key).expect("reads");
    let verified = verify(&path, &identities, |_| ()).await;
    assert_eq!(verified.expect("is whole").scope, Scope::Rows);
    let (store, files) = (Store::new(Simulated::reliable()), Files::default());
    let source = Source {
        from: path.clone(),
        erasures: None,
        identities,
    };
    let restored = restore(&target(&store, &files), &source).await;
    assert_eq!(restored.expect("is restored").rooms, 3);
    assert_eq!(comparable(&store).await, comparable(&home.store).await);

    // It has no files, so it is not gone on with.
    let partial = crate::file::partial(&home.path("on"));
    fs::rename(&path, partial).expect("renames");
    let from = Origin::Store(home.store.clone(), home.files.sealed());
    let recipients: Recipients = vec![Box::new(home.key.to_public())];
    let to = home.path("on");
    let id = BackupId([4; 16]);
    let error = back_up(from, Scope::All, &to, id, recipients, |_, _| ()).await;
    let error = error.expect_err("is refused").to_string();
    assert!(error.contains("cannot be gone on with"), "{error}");
}
