//! A copy against the room itself, with writes between the steps.

use cluster_store::Simulated;
use proptest::prelude::*;

use super::*;
use crate::testing::{Op, Rows, World, dump, op};

const ROOM: RoomId = RoomId::from_bytes([5; 16]);

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

#[tokio::test(start_paused = true)]
async fn a_step_holds_few_messages_however_many_its_events_edit() {
    let store = Store::new(Simulated::reliable());
    let mut world = World::new(store.clone(), ROOM).await;
    let count = REWRITTEN_AT_ONCE + REWRITTEN_AT_ONCE / 2;
    for _ in 0..count {
        world.apply(Op::Send).await;
    }
    let mut copy = RoomCopy::in_pages(ROOM, count - 1);
    let mut copied = Rows::new();
    for number in 0..count {
        if number == 1 {
            let Step::Rows(found) = copy.step(&store).await.expect("reads") else {
                panic!("one is left");
            };
            copied.extend(found.into_iter().map(|row| (row.key, row.value)));
        }
        world
            .apply(Op::Edit(u8::try_from(number).expect("few")))
            .await;
    }
    let mut steps = 0;
    loop {
        steps += 1;
        match copy.step(&store).await.expect("reads") {
            Step::Rows(found) => {
                assert!(found.len() <= 2 * REWRITTEN_AT_ONCE + 1, "{}", found.len());
                copied.extend(found.into_iter().map(|row| (row.key, row.value)));
            }
            Step::Last(found, _) => {
                copied.extend(found.into_iter().map(|row| (row.key, row.value)));
                break;
            }
            Step::Gone => panic!("the room is there"),
        }
    }
    assert!(steps >= 2, "{steps}");
    assert_eq!(copied, dump(&store).await);
}
