//! A store of version 1 says the same before, during and after its upgrade, and nothing of it can be read
//! afterwards. What such a store holds is a life under this version with every row opened; that the release
//! which had it wrote the same is pinned by the golden stores of the server.

use std::time::Duration;

use bytes::Bytes;
use cluster_store::limits::UPGRADE_ROWS;
use cluster_store::schema::Deployment;
use cluster_store::{Faults, RowRange, Scan, SimulatedDisk, Upgrade, open_deployment};
use cluster_types::{AccountId, Rng, Seq};

use super::*;
use crate::store::{Opener, values};
use crate::testing::{MEMBER, MODERATOR, NOW, OWNER, STRANGER, World, edit, send};
use crate::{
    Action, ClientMessageId, CommandError, Direction, Event, EventPage, Member, NewRoom, Outcome,
    RoomView, Start,
};

const HOUR: Duration = Duration::from_secs(60 * 60);

/// More messages than one transaction of an upgrade rewrites events.
const MESSAGES: u32 = 120;

const _: () = assert!(MESSAGES as usize > UPGRADE_ROWS);

const WORDS: [&str; 5] = ["magpie", "jackdaw", "nightingale", "wagtail", "bullfinch"];

/// What happened before the upgrade.
struct Life {
    room: RoomId,
    rooms: Vec<RoomId>,
    /// What was said under which id, and in which order.
    said: Vec<(ClientMessageId, String)>,
    new: NewRoom,
}

async fn live(world: &World) -> Life {
    let request_id = world.id();
    let new = NewRoom {
        display_name: "magpie".to_owned(),
        topic: "jackdaw".to_owned(),
        request_id,
    };
    let kept = world.rooms.create(OWNER, &new).await.expect("is made").room;
    let room = world.room().await;
    let direct = world.rooms.open_direct(OWNER, MEMBER).await.expect("opens");
    world.says(direct.room, MEMBER, "bullfinch").await;
    let mut said = Vec::new();
    for number in 0..MESSAGES {
        world.watch.clock.set(NOW.plus(HOUR * number));
        let (id, text) = (world.id(), format!("nightingale {number}"));
        world.does(room, MEMBER, send(id, &text)).await;
        said.push((id, text));
    }
    let [target, gone] = [4, 5].map(Seq);
    world
        .does(room, MEMBER, edit(target, world.id(), "wagtail"))
        .await;
    world
        .does(room, MODERATOR, Action::Delete { target: gone })
        .await;
    let until = Some(NOW.plus(HOUR * 1_000_000));
    let account = MODERATOR;
    world
        .does(room, OWNER, Action::Mute { account, until })
        .await;
    world.does(room, OWNER, Action::Ban(STRANGER)).await;
    let (display_name, topic) = (Some("wagtail".to_owned()), None);
    world
        .does(
            room,
            OWNER,
            Action::Update {
                display_name,
                topic,
            },
        )
        .await;
    world
        .rooms
        .mark_read(OWNER, room, Seq(20))
        .await
        .expect("reads");
    world.rooms.make_link(OWNER, room).await.expect("is made");
    let rooms = vec![kept, room, direct.room];
    Life {
        room,
        rooms,
        said,
        new,
    }
}

/// All that can be asked of rooms.
#[derive(Debug, PartialEq)]
struct Answers {
    views: Vec<RoomView>,
    logs: Vec<Vec<Event>>,
    members: Vec<(AccountId, Member)>,
    by_time: Vec<EventPage>,
    again: Vec<Outcome>,
    made_again: RoomView,
}

async fn ask(world: &World, life: &Life) -> Answers {
    let (room, rooms) = (life.room, &world.rooms);
    let mut logs = Vec::new();
    for room in &life.rooms {
        logs.push(world.log(*room, OWNER).await);
    }
    let mut by_time = Vec::new();
    for hours in [0, 1, 7, MESSAGES / 2] {
        let start = Start::Time(NOW.plus(HOUR * hours));
        for direction in [Direction::Forward, Direction::Backward] {
            let page = rooms.events(MEMBER, room, start, direction, 3).await;
            by_time.push(page.expect("reads"));
        }
    }
    let mut again = Vec::new();
    for (id, text) in life.said.iter().step_by(9) {
        again.push(world.does(room, MEMBER, send(*id, text)).await);
    }
    Answers {
        views: rooms.memberships(OWNER).await.expect("reads"),
        logs,
        members: rooms.members(OWNER, room, None, 10).await.expect("reads").0,
        by_time,
        again,
        made_again: rooms.create(OWNER, &life.new).await.expect("is there"),
    }
}

async fn all<K: Row>(tx: &Transaction) -> Vec<(K, K::Value)> {
    let page = tx.scan(RowRange::all(), Scan::default()).await;
    page.expect("reads").rows
}

/// Opens every row, and leaves it so, as version 1 had it.
async fn take_back(world: &World) {
    let vault = &world.vault;
    let write = |tx: Transaction, _| async move {
        for (key, row) in all::<Room>(&tx).await {
            let opener = Opener::of(vault, key.room).await?;
            tx.set_row(&key, &opener.open(&key, row)?)?;
        }
        for (key, row) in all::<RoomMember>(&tx).await {
            let opener = Opener::of(vault, key.room).await?;
            tx.set_row(&key, &opener.open(&key, row)?)?;
        }
        for (key, row) in all::<RoomEvent>(&tx).await {
            let opener = Opener::of(vault, key.room).await?;
            let opened = opener.events([(key.seq, row)]).await?.pop().expect("one");
            let mut row = values::stored_event(opened.event, opened.salt);
            row.day = 0;
            tx.set_row(&key, &row)?;
        }
        for (key, mut row) in all::<RoomHead>(&tx).await {
            let (room, seq) = (key.room, Seq(row.seq));
            let newest = tx.row(&RoomEvent { room, seq }).await?;
            row.time_ms = newest.expect("is there").time_ms;
            tx.set_row(&key, &row)?;
        }
        for (key, mut row) in all::<ClientMessage>(&tx).await {
            let room = RoomId::try_from(&row.room_id[..]).expect("an id");
            let seq = Seq(row.seq);
            let event = tx.row(&RoomEvent { room, seq }).await?;
            row.time_ms = event.expect("is there").time_ms;
            tx.set_row(&key, &row)?;
        }
        let deployment = v1::Deployment {
            deployment_id: Bytes::from_static(&[1; 16]),
            schema_version: 1,
            ..Default::default()
        };
        tx.set_row(&Deployment {}, &deployment)
    };
    world.store.run(write).await.expect("is written");
    for room in world.rooms.memberships(OWNER).await.expect("reads") {
        let destroyed = vault.destroy_room(room.room).await;
        destroyed.expect("version 1 had no keys");
    }
    for account in [OWNER, MODERATOR, MEMBER] {
        vault.destroy_account(account).await.expect("nor these");
    }
    open_deployment(&world.store, &Rng::seeded(1))
        .await
        .expect("opens");
}

/// A disk of version 1, on which the life was led.
async fn version_1() -> (SimulatedDisk, Life, Answers) {
    let (world, disk) = World::simulated().await;
    let life = live(&world).await;
    let answers = ask(&world, &life).await;
    take_back(&world).await;
    world.stop().await;
    (disk, life, answers)
}

async fn upgrade(world: &World) -> Upgrade {
    let pending = Upgrade::pending(&world.store).await.expect("reads");
    pending.expect("it is not finished")
}

/// How many rows of rooms hold something that should be sealed.
async fn readable(world: &World) -> usize {
    async fn of<K: Row<Value: Sealable + PartialEq + Default>>(tx: &Transaction) -> usize {
        let rows = all::<K>(tx).await.into_iter();
        rows.filter_map(|(_, mut row)| (row.take_private() != Default::default()).then_some(()))
            .count()
    }
    let tx = world.store.begin().await.expect("begins");
    let timed = all::<ClientMessage>(&tx).await.into_iter();
    let heads = all::<RoomHead>(&tx).await.into_iter();
    of::<Room>(&tx).await
        + of::<RoomMember>(&tx).await
        + of::<RoomEvent>(&tx).await
        + timed.filter(|(_, row)| row.time_ms != 0).count()
        + heads.filter(|(_, row)| row.time_ms != 0).count()
}

#[tokio::test(start_paused = true)]
async fn every_answer_is_the_same_before_and_after_and_nothing_is_readable_any_more() {
    let (disk, life, answers) = version_1().await;
    let world = World::on_disk(&disk, 1).await;
    assert_eq!(
        ask(&world, &life).await,
        answers,
        "version 1 is read as it is"
    );
    for word in WORDS {
        assert_ne!(world.mentions(word.as_bytes()).await, [], "{word}");
    }
    assert!(readable(&world).await > UPGRADE_ROWS);
    world
        .rooms
        .upgrade(&upgrade(&world).await)
        .await
        .expect("is upgraded");
    assert_eq!(readable(&world).await, 0);
    for word in WORDS {
        assert_eq!(world.mentions(word.as_bytes()).await, [], "{word}");
    }
    assert_eq!(ask(&world, &life).await, answers);
    world.stop().await;
    let world = World::on_disk(&disk, 2).await;
    assert_eq!(ask(&world, &life).await, answers, "after a restart too");
}

/// Rough weather, an upgrade that is cut off and goes on, and people who edit what it is rewriting.
#[tokio::test(start_paused = true)]
async fn an_actor_and_the_upgrade_that_meet_in_a_row_lose_nothing() {
    // Ids of seed 0 are taken.
    for seed in 1..=10 {
        let (disk, life, _) = version_1().await;
        let world = World::on_disk(&disk, seed).await;
        let step = upgrade(&world).await;
        disk.set_faults(Faults {
            conflict: 200_000,
            unknown_committed: 50_000,
            unknown_lost: 50_000,
            ..Faults::NONE
        });
        let edits = async {
            for number in 0..MESSAGES {
                let target = Seq(4 + u64::from(number));
                if target != Seq(5) {
                    let action = edit(target, world.id(), &format!("wagtail {number}"));
                    while let Err(error) = world.act(life.room, MEMBER, action.clone()).await {
                        let is_weather = matches!(
                            error,
                            CommandError::Store(StoreError::Contended)
                                | CommandError::OutcomeUnknown
                                | CommandError::Unavailable
                        );
                        assert!(is_weather, "seed {seed}: {error:?}");
                        tokio::time::sleep(Duration::from_millis(10)).await;
                    }
                }
            }
        };
        let rewrites = async {
            while world.rooms.upgrade(&step).await.is_err() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::join!(edits, rewrites);
        disk.set_faults(Faults::NONE);
        let bodies = world.bodies(life.room, OWNER).await;
        let said = |number: u32| format!("wagtail {number}");
        let mut expected: Vec<_> = (0..MESSAGES).map(said).collect();
        expected[1].clear();
        assert_eq!(bodies, expected, "seed {seed}");
        assert_eq!(readable(&world).await, 0, "seed {seed}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_deleted_room_has_no_key_after_an_upgrade() {
    let (disk, life, _) = version_1().await;
    let world = World::on_disk(&disk, 1).await;
    world.tasks.stop();
    world.tasks.ended(Duration::from_secs(1)).await;
    let by_administrator = true;
    for room in &life.rooms {
        let delete = Action::DeleteRoom { by_administrator };
        world.does(*room, OWNER, delete).await;
        world.vault.destroy_room(*room).await.expect("is destroyed");
    }
    // As a step has it made that found the room a moment before.
    let late = world.vault.room_sealer(life.room).await;
    late.expect("is made");
    world
        .rooms
        .upgrade(&upgrade(&world).await)
        .await
        .expect("is upgraded");
    let tx = world.store.begin().await.expect("begins");
    assert_eq!(all::<RoomKey>(&tx).await, []);
}
