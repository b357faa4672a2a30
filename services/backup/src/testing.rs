//! A room and files as their services write them, for tests: rows and objects alone, without the services.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use cluster_store::schema::{
    AccountRoom, File, ReadMark, Room, RoomBan, RoomEvent, RoomHead, RoomLink, RoomMember,
};
use cluster_store::{RangeQuery, Store, Transaction};
use cluster_types::{AccountId, DeploymentId, FileId, RoomId, Seq};
use futures::TryStreamExt as _;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectStore as _, ObjectStoreExt as _};
use proptest::prelude::*;
use proto::storage::v1;
use proto::storage::v1::room_event::Kind;
use services_files::SealedFiles;

/// Whose files are, unless a restore has made them another's.
pub(crate) const SOMEBODY: DeploymentId = DeploymentId::from_bytes([9; 16]);

/// The object that says whose files are.
const MARK: &str = "rookery-deployment";

pub(crate) type Rows = BTreeMap<Bytes, Bytes>;

/// What happens in a room. Numbers are taken modulo what there is.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Op {
    Send,
    Edit(u8),
    Delete(u8),
    Join(u8),
    Leave(u8),
    Ban(u8),
    Read(u8),
    Link(u8),
}

pub(crate) fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        4 => Just(Op::Send),
        4 => any::<u8>().prop_map(Op::Edit),
        2 => any::<u8>().prop_map(Op::Delete),
        1 => (0..8_u8).prop_map(Op::Join),
        1 => (0..8_u8).prop_map(Op::Leave),
        1 => (0..8_u8).prop_map(Op::Ban),
        1 => (0..8_u8).prop_map(Op::Read),
        1 => any::<u8>().prop_map(Op::Link),
    ]
}

/// A room as its service writes it.
pub(crate) struct World {
    pub(crate) store: Store,
    pub(crate) room: RoomId,
    pub(crate) info: v1::Room,
    pub(crate) head: u64,
    messages: Vec<u64>,
    edits: u64,
    pub(crate) body: String,
}

impl World {
    pub(crate) async fn new(store: Store, room: RoomId) -> Self {
        let mut world = Self {
            store,
            room,
            info: v1::Room::default(),
            head: 0,
            messages: Vec::new(),
            edits: 0,
            body: "as it was sent".to_owned(),
        };
        world.apply(Op::Link(0)).await;
        world
    }

    pub(crate) async fn apply(&mut self, op: Op) {
        let tx = self.store.begin().await.expect("begins");
        self.write(&tx, op);
        tx.commit().await.expect("commits");
    }

    fn write(&mut self, tx: &Transaction, op: Op) {
        let room = self.room;
        let account = |number| AccountId::from_bytes([number; 16]);
        match op {
            Op::Send => {
                self.event(tx, Kind::Message(message(&self.body)));
                self.messages.push(self.head);
            }
            Op::Edit(which) => {
                if let Some(target_seq) = self.target(which) {
                    self.edits += 1;
                    let text = format!("edited {} times", self.edits);
                    self.rewrite(tx, target_seq, message(&text));
                    self.event(tx, Kind::Edit(v1::MessageEdit { target_seq }));
                }
            }
            Op::Delete(which) => {
                if let Some(target_seq) = self.target(which) {
                    self.rewrite(tx, target_seq, v1::Message::default());
                    self.event(tx, Kind::Deletion(v1::MessageDeletion { target_seq }));
                }
            }
            Op::Join(number) => {
                let account = account(number);
                let row = &Default::default();
                tx.set_row(&RoomMember { room, account }, row)
                    .expect("sets");
                let row = &Default::default();
                tx.set_row(&AccountRoom { account, room }, row)
                    .expect("sets");
                self.event(tx, Kind::Membership(Default::default()));
            }
            Op::Leave(number) => {
                let account = account(number);
                tx.clear_row(&RoomMember { room, account }).expect("clears");
                tx.clear_row(&AccountRoom { account, room })
                    .expect("clears");
                self.event(tx, Kind::Membership(Default::default()));
            }
            Op::Ban(number) => {
                let account = account(number);
                let row = &Default::default();
                tx.set_row(&RoomBan { room, account }, row).expect("sets");
            }
            Op::Read(number) => {
                let account = account(number);
                let row = v1::ReadMark {
                    seq: self.head,
                    ..Default::default()
                };
                tx.set_row(&ReadMark { room, account }, &row).expect("sets");
            }
            Op::Link(number) => {
                if let Ok(hash) = <[u8; 32]>::try_from(&self.info.link_hash[..]) {
                    tx.clear_row(&RoomLink { hash }).expect("clears");
                }
                let mut hash = [number; 32];
                hash[0] = self.room.as_bytes()[0];
                self.info.link_hash = hash.to_vec().into();
                let room_id = Bytes::copy_from_slice(&self.room.as_bytes()[..]);
                let link = v1::RoomLink { room_id };
                tx.set_row(&RoomLink { hash }, &link).expect("sets");
                tx.set_row(&Room { room }, &self.info).expect("sets");
            }
        }
    }

    fn target(&self, which: u8) -> Option<u64> {
        let count = self.messages.len();
        (count > 0).then(|| self.messages[usize::from(which) % count])
    }

    fn rewrite(&self, tx: &Transaction, seq: u64, message: v1::Message) {
        let row = v1::RoomEvent {
            kind: Some(Kind::Message(message)),
            ..Default::default()
        };
        let (room, seq) = (self.room, Seq(seq));
        tx.set_row(&RoomEvent { room, seq }, &row).expect("sets");
    }

    fn event(&mut self, tx: &Transaction, kind: Kind) {
        self.head += 1;
        let (room, seq) = (self.room, Seq(self.head));
        let row = v1::RoomEvent {
            kind: Some(kind),
            ..Default::default()
        };
        tx.set_row(&RoomEvent { room, seq }, &row).expect("sets");
        let head = v1::RoomHead {
            seq: self.head,
            ..Default::default()
        };
        tx.set_row(&RoomHead { room }, &head).expect("sets");
    }
}

fn message(body: &str) -> v1::Message {
    v1::Message {
        body: body.to_owned(),
        ..Default::default()
    }
}

/// Every row of the store.
pub(crate) async fn dump(store: &Store) -> Rows {
    let tx = store.begin().await.expect("begins");
    let mut rest = Some(RangeQuery::new(&[][..], &[0xff][..]));
    let mut rows = Rows::new();
    while let Some(query) = rest {
        let page = tx.get_range(query.clone()).await.expect("reads");
        rest = query.after(&page);
        rows.extend(page.rows);
    }
    rows
}

/// A place for files.
#[derive(Clone, Debug, Default)]
pub(crate) struct Files {
    pub(crate) objects: Arc<InMemory>,
}

impl Files {
    pub(crate) fn sealed(&self) -> SealedFiles {
        SealedFiles::new(self.objects.clone())
    }

    /// A file of so many bytes, which as many messages carry.
    pub(crate) async fn put(&self, store: &Store, file: FileId, size: u64, uses: u32) {
        let marked = self.sealed().mark(SOMEBODY).await;
        marked.expect("is nobody else's");
        let row = v1::File {
            size,
            uses,
            ..Default::default()
        };
        let tx = store.begin().await.expect("begins");
        tx.set_row(&File { file }, &row).expect("sets");
        tx.commit().await.expect("commits");
        let lies_in = SealedFiles::bytes(size).expect("a file has this size");
        let bytes: Vec<u8> = (0..lies_in)
            .map(|at| (at % 251) as u8 ^ file.as_bytes()[0])
            .collect();
        let mut writer = self.sealed().writer(file, size).expect("a writer");
        writer.write(&bytes).await.expect("is written");
    }

    /// Whose they are.
    pub(crate) async fn mark(&self) -> Option<Bytes> {
        let mark = self.objects.get(&Path::from(MARK)).await.ok()?;
        Some(mark.bytes().await.expect("reads"))
    }

    /// All objects of files.
    pub(crate) async fn dump(&self) -> BTreeMap<String, Bytes> {
        let mut listed: Vec<_> = self.objects.list(None).try_collect().await.expect("lists");
        listed.retain(|object| object.location.as_ref() != MARK);
        let mut found = BTreeMap::new();
        for object in listed {
            let read = self.objects.get(&object.location).await.expect("is there");
            found.insert(
                object.location.to_string(),
                read.bytes().await.expect("reads"),
            );
        }
        found
    }
}
