//! Stores, their backups, and what comes back of them.

use std::fs;

use age::x25519::Identity;
use cluster_store::erasures::{self, Erased};
use cluster_store::schema::{
    Account, AccountKey, AccountName, AccountNameHash, AccountRoom, ClientMessage, Deployment,
    Erasure, ReadMark, Room, RoomDeletion, RoomEvent, RoomHead, RoomKey, RoomMember, SignIn,
};
use cluster_store::{
    MaybeCommitted, OpenError, RowRange, Scan, Simulated, SimulatedDisk, StoreError, Table,
    Transaction, open_deployment,
};
use cluster_types::{AccountId, Month, RoomId, Seq, SignInId, Week};
use proto::storage::v1::{self, RoomKind, RoomRole};
use tempfile::TempDir;

use super::sift::Sift;
use super::writing::Rows as Writing;
use super::*;
use crate::archive::ReadError;
use crate::collect::Record;
use crate::file::back_up;
use crate::keys::Recipients;
use crate::origin::Origin;
use crate::testing::{Files, Op, Rows, SOMEBODY, World, dump};

mod files;
mod refused;
mod rotated;

const ANNA: AccountId = AccountId::from_bytes([1; 16]);
const BEN: AccountId = AccountId::from_bytes([2; 16]);
const GROUP: RoomId = RoomId::from_bytes([4; 16]);
const ALONE: RoomId = RoomId::from_bytes([6; 16]);
const OTHERS: RoomId = RoomId::from_bytes([8; 16]);

/// A server's store, and a folder for its backups.
struct Home {
    store: Store,
    files: Files,
    key: Identity,
    folder: TempDir,
}

impl Home {
    async fn empty() -> Self {
        let store = Store::new(Simulated::reliable());
        open_deployment(&store, &Rng::seeded(7))
            .await
            .expect("opens");
        Self {
            store,
            files: Files::default(),
            key: Identity::generate(),
            folder: tempfile::tempdir().expect("a folder"),
        }
    }

    /// Anna owns a group with Ben in it, and a room of her own; Ben has one too.
    async fn new() -> Self {
        let home = Self::empty().await;
        for (account, name) in [(ANNA, "anna"), (BEN, "ben")] {
            home.write(|tx| person(tx, account, name)).await;
        }
        for (room, owner, member) in [
            (GROUP, ANNA, Some(BEN)),
            (ALONE, ANNA, None),
            (OTHERS, BEN, None),
        ] {
            let mut world = World::new(home.store.clone(), room).await;
            world.info.set_kind(RoomKind::Group);
            world.info.log_id = vec![9; 16].into();
            for op in [Op::Send, Op::Send, Op::Edit(0), Op::Delete(1), Op::Link(3)] {
                world.apply(op).await;
            }
            home.write(|tx| members(tx, room, owner, member)).await;
        }
        home
    }

    async fn write(&self, write: impl Fn(&Transaction) -> Result<(), StoreError> + Sync) {
        let write = |tx: Transaction, _: MaybeCommitted| {
            let written = write(&tx);
            async move { written }
        };
        self.store.run(write).await.expect("writes");
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    async fn back_up(&self, scope: Scope, name: &str) -> PathBuf {
        let from = Origin::Store(self.store.clone(), self.files.sealed());
        let to = self.path(name);
        let recipients: Recipients = vec![Box::new(self.key.to_public())];
        back_up(from, scope, &to, BackupId([3; 16]), recipients, |_, _| ())
            .await
            .expect("is backed up");
        to
    }

    fn source(&self, from: PathBuf, erasures: Option<PathBuf>) -> Source {
        Source {
            from,
            erasures,
            identities: self.key.clone().into(),
        }
    }

    async fn restore(&self, from: PathBuf, erasures: Option<PathBuf>) -> (Store, Restored) {
        let (store, _, restored) = self.restore_all(from, erasures).await;
        (store, restored)
    }

    /// The same with the files.
    async fn restore_all(
        &self,
        from: PathBuf,
        erasures: Option<PathBuf>,
    ) -> (Store, Files, Restored) {
        let (store, files) = (Store::new(Simulated::reliable()), Files::default());
        let source = self.source(from, erasures);
        let restored = restore(&target(&store, &files), &source).await;
        (store, files, restored.expect("is restored"))
    }
}

fn target(store: &Store, files: &Files) -> Target {
    Target {
        store: store.clone(),
        files: files.sealed(),
    }
}

/// Restores as the program does.
async fn restore(target: &Target, source: &Source) -> Result<Restored, RestoreError> {
    check_store(&target.store).await?;
    let prepared = prepare(source.clone(), |_| ()).await?;
    prepared.write(target, &Rng::seeded(1), |_| ()).await
}

fn person(tx: &Transaction, account: AccountId, name: &str) -> Result<(), StoreError> {
    let stored = v1::Account {
        user_name: name.to_owned(),
        ..Default::default()
    };
    tx.set_row(&Account { account }, &stored)?;
    let folded = name.to_owned();
    let account_id = account.as_bytes().to_vec().into();
    let owner = v1::AccountName { account_id };
    tx.set_row(&AccountName { folded }, &owner)?;
    let hash = [account.as_bytes()[0]; 32];
    tx.set_row(&AccountNameHash { hash }, &owner)?;
    for month in [Month::NONE, Month(7)] {
        tx.set_row(&AccountKey { account, month }, &Default::default())?;
    }
    let sign_in = SignInId::from_bytes([5; 16]);
    tx.set_row(&SignIn { account, sign_in }, &Default::default())
}

fn members(
    tx: &Transaction,
    room: RoomId,
    owner: AccountId,
    member: Option<AccountId>,
) -> Result<(), StoreError> {
    let people = std::iter::once((owner, RoomRole::Owner))
        .chain(member.map(|account| (account, RoomRole::Member)));
    let mut member_count = 0;
    for (account, role) in people {
        member_count += 1;
        let role = role.into();
        let member = v1::RoomMember {
            role,
            ..Default::default()
        };
        tx.set_row(&RoomMember { room, account }, &member)?;
        tx.set_row(&AccountRoom { account, room }, &Default::default())?;
        tx.set_row(&ReadMark { room, account }, &Default::default())?;
        let used = v1::ClientMessage {
            room_id: room.as_bytes().to_vec().into(),
            seq: 1,
            ..Default::default()
        };
        let mut client_message_id = *room.as_bytes();
        client_message_id[0] = account.as_bytes()[0];
        let key = ClientMessage {
            account,
            client_message_id,
        };
        tx.set_row(&key, &used)?;
    }
    let week = Week(3);
    tx.set_row(&RoomKey { room, week }, &Default::default())?;
    let head = v1::RoomHead {
        seq: 4,
        member_count,
        ..Default::default()
    };
    tx.set_row(&RoomHead { room }, &head)
}

/// The rows that a restore is to lay down, with the same id for all logs.
async fn comparable(store: &Store) -> Rows {
    let mut rows = dump(store).await;
    rows.retain(|key, _| Table::of_key(key) != Some(Table::SignIn));
    for (key, value) in &mut rows {
        if Table::of_key(key) == Some(Table::Room) {
            let mut room = wire::decoded::<Room>(value).expect("decodes");
            room.log_id = vec![0; 16].into();
            let key = wire::key::<Room>(key).expect("decodes");
            *value = wire::row(&key, &room).value;
        }
    }
    rows
}

async fn row<K: cluster_store::Row>(store: &Store, key: &K) -> Option<K::Value> {
    let tx = store.begin().await.expect("begins");
    tx.row(key).await.expect("reads")
}

/// The keys of rows that say this id, in key or value.
async fn mentions(store: &Store, id: &[u8]) -> Vec<Table> {
    let says = |bytes: &[u8]| bytes.windows(id.len()).any(|part| part == id);
    let rows = dump(store).await.into_iter();
    rows.filter(|(key, value)| says(key) || says(value))
        .filter_map(|(key, _)| Table::of_key(&key))
        .collect()
}

#[tokio::test]
async fn what_comes_back_is_what_there_was_under_new_ids_of_logs() {
    let home = Home::new().await;
    let from = home.back_up(Scope::All, "all").await;
    let (store, restored) = home.restore(from, None).await;
    assert_eq!(comparable(&store).await, comparable(&home.store).await);
    assert_eq!((restored.rooms, restored.accounts), (3, 2));
    assert_eq!(restored.rows, dump(&store).await.len() as u64);
    let tx = store.begin().await.expect("begins");
    let rooms = tx.scan(RowRange::<Room>::all(), Scan::default()).await;
    let logs: Vec<_> = rooms
        .expect("reads")
        .rows
        .into_iter()
        .map(|(_, room)| room.log_id)
        .collect();
    assert!(
        logs.iter().all(|log| log.len() == 16 && log[..] != [9; 16]),
        "{logs:?}"
    );
    assert!(logs[0] != logs[1] && logs[1] != logs[2], "{logs:?}");
    let id = open_deployment(&store, &Rng::seeded(1))
        .await
        .expect("opens");
    let same = open_deployment(&home.store, &Rng::seeded(2))
        .await
        .expect("opens");
    assert_eq!(id, same);
}

#[tokio::test]
async fn nothing_of_an_erased_account_comes_back_and_the_other_rooms_are_as_they_were() {
    let home = Home::new().await;
    let from = home.back_up(Scope::All, "all").await;
    home.write(|tx| erasures::record(tx, Erased::Account(ANNA)))
        .await;
    let ledger = home.back_up(Scope::Erasures, "erasures").await;
    let (store, restored) = home.restore(from, Some(ledger)).await;
    assert_eq!((restored.accounts, restored.accounts_erased), (1, 1));
    assert_eq!(mentions(&store, ANNA.as_bytes()).await, []);
    assert_eq!(mentions(&store, b"anna").await, []);

    // What she alone was in is cleared at the start.
    let about = row(&store, &Room { room: ALONE }).await.expect("is listed");
    assert!(about.deleted);
    assert!(row(&store, &RoomDeletion { room: ALONE }).await.is_some());
    assert_eq!(row(&store, &RoomHead { room: ALONE }).await, None);
    // Where she was the owner, somebody is.
    let (room, account) = (GROUP, BEN);
    let heir = row(&store, &RoomMember { room, account }).await;
    assert_eq!(heir.expect("is there").role(), RoomRole::Owner);
    let head = row(&store, &RoomHead { room }).await.expect("is there");
    assert_eq!(head.member_count, 1);
    // The rest is as it was.
    let of_room = |rows: Rows, room: RoomId| -> Rows {
        let rows = rows.into_iter();
        rows.filter(|(key, _)| key.get(2..18) == Some(room.as_bytes().as_slice()))
            .collect()
    };
    let (now, before) = (comparable(&store).await, comparable(&home.store).await);
    let others = of_room(before.clone(), OTHERS);
    assert_eq!(of_room(now.clone(), OTHERS), others);
    assert_eq!(others.len(), 9);
    let is_event = |key: &bytes::Bytes| Table::of_key(key) == Some(Table::RoomEvent);
    let log = |rows: Rows| -> Rows {
        let rows = of_room(rows, GROUP).into_iter();
        rows.filter(|(key, _)| is_event(key)).collect()
    };
    assert_eq!(log(now), log(before));
}

#[tokio::test]
async fn what_an_erased_account_said_before_messages_were_sealed_has_no_words() {
    let home = Home::empty().await;
    home.write(|tx| erasures::record(tx, Erased::Account(ANNA)))
        .await;
    let tx = home.store.begin().await.expect("begins");
    let entries = tx.scan(RowRange::<Erasure>::all(), Scan::default()).await;
    let entries = entries.expect("reads").rows;
    let (room, seq) = (OTHERS, Seq(9));
    // Her account may have gone before the backup came to it.
    let both = [(1, vec![ANNA, BEN]), (0, vec![BEN])];
    let cases = both.into_iter().flat_map(|(erased, accounts)| {
        [(ANNA, false), (BEN, true)]
            .map(|(actor, is_kept)| (erased, accounts.clone(), actor, is_kept))
    });
    for (erased, accounts, actor, is_kept) in cases {
        let message = v1::Message {
            body: "a canary".to_owned(),
            ..Default::default()
        };
        let said = v1::RoomEvent {
            actor_id: actor.as_bytes().to_vec().into(),
            kind: Some(v1::room_event::Kind::Message(message)),
            ..Default::default()
        };
        let mut survey = Survey::default();
        survey.rooms.insert(room, seq);
        survey.accounts.extend(accounts);
        for (entry, about) in &entries {
            survey.ledger.add(entry.clone(), *about);
        }
        assert_eq!(survey.erase(), (erased, 0));
        let said = Record::Row(wire::row(&RoomEvent { room, seq }, &said));
        let rows = Sift::new(survey, Rng::seeded(1)).take(said).expect("sifts");
        let is_readable = rows[0].value.windows(6).any(|part| part == b"canary");
        assert_eq!(is_readable, is_kept);
    }
}

#[tokio::test]
async fn a_room_that_was_deleted_since_does_not_come_back() {
    let home = Home::new().await;
    let from = home.back_up(Scope::All, "all").await;
    home.write(|tx| erasures::record(tx, Erased::Room(GROUP)))
        .await;
    let newer = home.back_up(Scope::All, "newer").await;
    for erasures in [newer, home.back_up(Scope::Erasures, "erasures").await] {
        let (store, restored) = home.restore(from.clone(), Some(erasures)).await;
        assert_eq!((restored.rooms, restored.rooms_erased), (2, 1));
        let left = mentions(&store, GROUP.as_bytes()).await;
        // So that a retry does not make it a second time.
        assert_eq!(left, [Table::ClientMessage; 2]);
        let link = dump(&store).await.into_keys();
        let link = link.filter(|key| Table::of_key(key) == Some(Table::RoomLink));
        assert_eq!(link.count(), 2);
        // The new store knows it too, and so do its backups.
        let tx = store.begin().await.expect("begins");
        let entries = tx.scan(RowRange::<Erasure>::all(), Scan::default());
        assert_eq!(entries.await.expect("reads").rows.len(), 1);
    }
}

#[test]
fn what_hangs_on_what_came_later_is_left_out() {
    let (later, room) = (AccountId::from_bytes([3; 16]), RoomId::from_bytes([5; 16]));
    let mut survey = Survey::default();
    survey.rooms.insert(GROUP, Seq(4));
    survey.accounts.insert(ANNA);
    let mut sift = Sift::new(survey, Rng::seeded(1));
    let used = |account, room: RoomId, seq| {
        let key = ClientMessage {
            account,
            client_message_id: [0; 16],
        };
        let row = v1::ClientMessage {
            room_id: room.as_bytes().to_vec().into(),
            seq,
            ..Default::default()
        };
        Record::Row(wire::row(&key, &row))
    };
    let name = v1::AccountName {
        account_id: later.as_bytes().to_vec().into(),
    };
    let folded = "later".to_owned();
    let name = Record::Row(wire::row(&AccountName { folded }, &name));
    for (record, is_kept) in [
        (used(ANNA, GROUP, 4), true),
        (used(ANNA, GROUP, 5), false),
        (used(ANNA, room, 1), false),
        (used(later, GROUP, 1), false),
        (name, false),
    ] {
        let kept = sift.take(record.clone()).expect("sifts");
        assert_eq!(!kept.is_empty(), is_kept, "{record:?}");
    }
}

#[tokio::test]
async fn a_restore_that_is_cut_off_leaves_what_does_not_open() {
    let home = Home::new().await;
    let from = home.back_up(Scope::All, "all").await;
    let disk = SimulatedDisk::new();
    let store = Store::new(Simulated::new(disk.clone(), Rng::seeded(1)));
    let source = home.source(from, None);
    // The first transaction is the last but one: the one after it says what the store is.
    let mut writing = Writing::new(store.clone());
    let some = wire::row(&Room { room: GROUP }, &Default::default());
    writing.add(vec![some]).await.expect("is held");
    writing.write().await.expect("is written");
    disk.set_full(true);
    let row = wire::row(&Deployment {}, &Default::default());
    let error = writing.end(Some(row)).await.expect_err("the disk is full");
    assert!(matches!(error, RestoreError::Store { .. }), "{error}");
    disk.set_full(false);
    let opened = open_deployment(&store, &Rng::seeded(1)).await;
    assert!(
        matches!(opened, Err(OpenError::Unfinished { .. })),
        "{opened:?}"
    );
    let again = restore(&target(&store, &Files::default()), &source).await;
    let error = again.expect_err("it is not empty").to_string();
    assert!(
        error.contains("part of a restore that was not finished"),
        "{error}"
    );
}
