//! A whole store, with writes and with changes of hands between the steps.

use cluster_store::schema::{Account, ClientMessage, RoomDeletion, SignIn};
use cluster_store::{Simulated, Table};
use cluster_types::{AccountId, SignInId};
use proptest::prelude::*;

use super::*;
use crate::testing::{Op, Rows, World, dump, op};

/// Rows as a restore would lay them down.
#[derive(Default)]
struct Laid {
    rows: Rows,
    ended: BTreeMap<RoomId, Seq>,
}

impl Laid {
    fn lay(&mut self, record: Record) {
        match record {
            Record::Row(RawRow { key, value }) => drop(self.rows.insert(key, value)),
            Record::RoomEnd(room, head) => drop(self.ended.insert(room, head)),
            Record::RoomGone(room) => {
                let is_of = |key: &Bytes| key.get(2..18) == Some(room.as_bytes().as_slice());
                self.rows.retain(|key, _| !is_of(key));
            }
        }
    }
}

/// Accounts, and rows that are not to be copied.
async fn people(store: &Store) {
    let tx = store.begin().await.expect("begins");
    let sign_in = SignInId::from_bytes([3; 16]);
    for number in 0..4 {
        let account = AccountId::from_bytes([number; 16]);
        tx.set_row(&Account { account }, &Default::default())
            .expect("sets");
        tx.set_row(&SignIn { account, sign_in }, &Default::default())
            .expect("sets");
    }
    let room = RoomId::from_bytes([1; 16]);
    tx.set_row(&RoomDeletion { room }, &Default::default())
        .expect("sets");
    tx.commit().await.expect("commits");
}

/// Collects all, with operations between the steps, each step by a collector of its own that knows what
/// the one before said of its progress.
async fn collect(store: &Store, worlds: &mut [World], ops: &[(usize, Op)], at_once: usize) -> Laid {
    let (mut laid, mut said) = (Laid::default(), Vec::new());
    let (mut ops, mut records) = (ops.iter(), 0);
    loop {
        let progress = Progress::decode(&said).expect("was encoded");
        let mut collector = Collector::new(store.clone(), progress);
        let Some(found) = collector.step().await.expect("reads") else {
            assert_eq!(collector.progress().records, records);
            return laid;
        };
        records += found.len() as u64;
        for record in found {
            laid.lay(Record::decode(record.encode()).expect("was encoded"));
        }
        said = collector.progress().encode();
        for (world, op) in ops.by_ref().take(at_once) {
            let count = worlds.len();
            worlds[world % count].apply(*op).await;
        }
    }
}

fn is_copied(key: &Bytes) -> bool {
    Table::of_key(key).is_some_and(|table| Plan::of(table) != Plan::Never)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_was_there_before_is_in_the_records(
        before in prop::collection::vec((0..3_usize, op()), 0..40),
        during in prop::collection::vec((0..3_usize, op()), 0..40),
        at_once in 0..6_usize,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .expect("starts");
        runtime.block_on(async {
            let store = Store::new(Simulated::reliable());
            people(&store).await;
            let mut worlds = Vec::new();
            for number in [2, 4, 6] {
                worlds.push(World::new(store.clone(), RoomId::from_bytes([number; 16])).await);
            }
            for (world, op) in before {
                worlds[world].apply(op).await;
            }
            let heads: Vec<_> = worlds.iter().map(|world| (world.room, Seq(world.head))).collect();
            let before = dump(&store).await;
            let laid = collect(&store, &mut worlds, &during, at_once).await;
            for (room, head) in heads {
                prop_assert!(laid.ended[&room] >= head, "what was acknowledged is there");
            }
            if during.is_empty() || at_once == 0 {
                let copied: Rows = before.into_iter().filter(|(key, _)| is_copied(key)).collect();
                prop_assert_eq!(laid.rows, copied);
            } else {
                prop_assert!(laid.rows.keys().all(is_copied));
            }
            Ok(())
        })?;
    }
}

#[tokio::test(start_paused = true)]
async fn rows_after_the_rooms_speak_of_all_events_that_were_copied() {
    let store = Store::new(Simulated::reliable());
    people(&store).await;
    let mut world = World::new(store.clone(), RoomId::from_bytes([2; 16])).await;
    let mut collector = Collector::new(store.clone(), Progress::default());
    let mut laid = Laid::default();
    let mut sent = 0;
    while let Some(records) = collector.step().await.expect("reads") {
        records.into_iter().for_each(|record| laid.lay(record));
        if sent < 3 {
            sent += 1;
            let tx = store.begin().await.expect("begins");
            let account = AccountId::from_bytes([1; 16]);
            let client_message_id = [sent; 16];
            let row = ClientMessage {
                account,
                client_message_id,
            };
            tx.set_row(&row, &Default::default()).expect("sets");
            tx.commit().await.expect("commits");
            world.apply(Op::Send).await;
        }
    }
    let known = laid
        .rows
        .keys()
        .filter(|key| Table::of_key(key) == Some(Table::ClientMessage));
    let messages = laid.ended.values().next().expect("a room").0;
    assert!(
        known.count() as u64 >= messages,
        "never less than what is in the log"
    );
}

#[tokio::test(start_paused = true)]
async fn a_room_that_goes_on_the_way_leaves_nothing() {
    let store = Store::new(Simulated::reliable());
    let mut world = World::new(store.clone(), RoomId::from_bytes([2; 16])).await;
    world.apply(Op::Send).await;
    let place = Place::Room(world.room, Seq(1));
    let progress = Progress {
        place,
        ..Progress::default()
    };
    world.info.deleted = true;
    world.apply(Op::Link(1)).await;
    let mut collector = Collector::new(store.clone(), progress);
    let records = collector.step().await.expect("reads");
    assert_eq!(records, Some(vec![Record::RoomGone(world.room)]));
    assert!(!collector.progress().counts.contains_key("rooms"));
}
