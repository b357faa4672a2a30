//! A copy against the room itself, with writes between the steps.

use std::collections::BTreeMap;

use cluster_store::Simulated;
use proptest::prelude::*;
use proto::storage::v1::room_event::Kind;

use super::*;

const ROOM: RoomId = RoomId::from_bytes([5; 16]);

type Rows = BTreeMap<Bytes, Bytes>;

/// What happens in a room. Numbers are taken modulo what there is.
#[derive(Clone, Copy, Debug)]
enum Op {
    Send,
    Edit(u8),
    Delete(u8),
    Join(u8),
    Leave(u8),
    Ban(u8),
    Read(u8),
    Link(u8),
}

fn op() -> impl Strategy<Value = Op> {
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
struct World {
    store: Store,
    room: RoomId,
    info: v1::Room,
    head: u64,
    messages: Vec<u64>,
    edits: u64,
}

impl World {
    async fn new(store: Store, room: RoomId) -> Self {
        let mut world = Self {
            store,
            room,
            info: v1::Room::default(),
            head: 0,
            messages: Vec::new(),
            edits: 0,
        };
        world.apply(Op::Link(0)).await;
        world
    }

    async fn apply(&mut self, op: Op) {
        let tx = self.store.begin().await.expect("begins");
        self.write(&tx, op);
        tx.commit().await.expect("commits");
    }

    fn write(&mut self, tx: &Transaction, op: Op) {
        let room = self.room;
        let account = |number| AccountId::from_bytes([number; 16]);
        match op {
            Op::Send => {
                self.event(tx, Kind::Message(message("as it was sent")));
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
async fn dump(store: &Store) -> Rows {
    let tx = store.begin().await.expect("begins");
    let page = tx.get_range(RangeQuery::new(&[][..], &[0xff][..])).await;
    let page = page.expect("reads");
    assert!(!page.more);
    page.rows.into_iter().collect()
}

/// Copies a room, with `ops` spread over the pauses between the steps.
async fn copy(world: &mut World, page_rows: usize, ops: &[Op], at_once: usize) -> (Rows, Seq) {
    let mut copy = RoomCopy::in_pages(world.room, page_rows);
    let mut ops = ops.iter();
    let mut rows = Rows::new();
    loop {
        let (found, head) = match copy.step(&world.store).await.expect("reads") {
            Step::Rows(found) => (found, None),
            Step::Last(found, head) => (found, Some(head)),
            Step::Gone => panic!("the room is there"),
        };
        rows.extend(found.into_iter().map(|row| (row.key, row.value)));
        if let Some(head) = head {
            return (rows, head);
        }
        for op in ops.by_ref().take(at_once) {
            world.apply(*op).await;
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn a_copy_is_the_room_as_it_stood_at_its_last_step(
        before in prop::collection::vec(op(), 0..40),
        during in prop::collection::vec(op(), 0..40),
        page_rows in 1..6_usize,
        at_once in 0..4_usize,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .expect("starts");
        runtime.block_on(async {
            let store = Store::new(Simulated::reliable());
            let mut neighbour = World::new(store.clone(), RoomId::from_bytes([6; 16])).await;
            for op in [Op::Send, Op::Join(1), Op::Read(1), Op::Ban(2)] {
                neighbour.apply(op).await;
            }
            let others = dump(&store).await;
            let mut world = World::new(store.clone(), ROOM).await;
            for op in before {
                world.apply(op).await;
            }
            let (copied, head) = copy(&mut world, page_rows, &during, at_once).await;
            let mut expected = dump(&store).await;
            expected.retain(|key, _| !others.contains_key(key));
            // A mark outlives a membership, and a member can have no mark: both are rows of the room.
            prop_assert_eq!(copied, expected);
            prop_assert_eq!(head, Seq(world.head));
            Ok(())
        })?;
    }
}

#[tokio::test(start_paused = true)]
async fn a_direct_conversation_brings_the_index_of_its_pair() {
    let store = Store::new(Simulated::reliable());
    let mut world = World::new(store.clone(), ROOM).await;
    let [one, other] = [1, 2].map(|number| AccountId::from_bytes([number; 16]));
    world.info.set_kind(RoomKind::Direct);
    for op in [Op::Link(1), Op::Join(1), Op::Join(2)] {
        world.apply(op).await;
    }
    let tx = store.begin().await.expect("begins");
    for (account, peer) in [(one, other), (other, one)] {
        let row = v1::AccountRoom {
            peer_id: Bytes::copy_from_slice(&peer.as_bytes()[..]),
            ..Default::default()
        };
        let room = ROOM;
        tx.set_row(&AccountRoom { account, room }, &row)
            .expect("sets");
    }
    let pair = DirectRoom::between(one, other);
    tx.set_row(&pair, &Default::default()).expect("sets");
    tx.commit().await.expect("commits");
    let (copied, _) = copy(&mut world, 10, &[], 0).await;
    assert!(copied.contains_key(&pair.encode()));
    assert_eq!(copied, dump(&store).await);
}

#[tokio::test(start_paused = true)]
async fn a_room_that_is_deleted_on_the_way_is_gone() {
    let store = Store::new(Simulated::reliable());
    let mut world = World::new(store.clone(), ROOM).await;
    for _ in 0..3 {
        world.apply(Op::Send).await;
    }
    let mut copy = RoomCopy::in_pages(ROOM, 1);
    let first = copy.step(&store).await.expect("reads");
    assert!(matches!(first, Step::Rows(_)), "{first:?}");
    world.info.deleted = true;
    world.apply(Op::Link(1)).await;
    assert_eq!(copy.step(&store).await, Ok(Step::Gone));
    let mut unknown = RoomCopy::new(RoomId::from_bytes([9; 16]));
    assert_eq!(unknown.step(&store).await, Ok(Step::Gone));
}
