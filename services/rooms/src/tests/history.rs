//! Reading a log: pages in both directions, from a place and from a moment, compared with the plain
//! reading of the whole log.

use std::time::Duration;

use cluster_store::Faults;
use cluster_types::{RoomId, Seq, UnixMillis};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use crate::limits::{BODY_BYTES_MAX, EVENTS_PAGE_BYTES_MAX, EVENTS_PAGE_MAX};
use crate::testing::{MEMBER, MODERATOR, NOW, OWNER, World, edit};
use crate::{Action, Direction, Event, EventKind, Message, ReadError, Start};

/// The message that an event shows.
fn shown(kind: &EventKind) -> Option<&Message> {
    if let EventKind::Message(message)
    | EventKind::Edit {
        message: Some(message),
        ..
    } = kind
    {
        Some(message)
    } else {
        None
    }
}

/// A log of all kinds of events, some at the same moment, some while the clock runs backwards.
async fn eventful(world: &World) -> RoomId {
    let room = world.room().await;
    for number in 0..80_u64 {
        let drift = [0, 0, 70, 400, 5_000, 0][usize::try_from(number % 6).expect("small")];
        match number % 11 {
            4 => world.watch.clock.set(NOW),
            _ => world.watch.clock.advance(Duration::from_millis(drift)),
        }
        let said = world.says(room, MEMBER, &format!("message {number}")).await;
        match number % 5 {
            0 => {
                _ = world
                    .does(room, MEMBER, edit(said, world.id(), "edited"))
                    .await
            }
            1 => {
                _ = world
                    .does(room, MODERATOR, Action::Delete { target: said })
                    .await
            }
            2 => {
                _ = world
                    .does(room, OWNER, Action::SetArchived(number % 2 == 0))
                    .await
            }
            _ => {}
        }
        world.does(room, OWNER, Action::SetArchived(false)).await;
    }
    room
}

/// What a page should hold, by the plain reading of the whole log, and where the next one begins.
fn naive(
    log: &[Event],
    start: Start,
    direction: Direction,
    limit: usize,
) -> (Vec<Event>, Option<Seq>) {
    let wanted = |event: &&Event| match (start, direction) {
        (Start::End, _) => true,
        (Start::Seq(seq), Direction::Forward) => event.seq >= seq,
        (Start::Seq(seq), Direction::Backward) => event.seq <= seq,
        (Start::Time(at), Direction::Forward) => event.at >= at,
        (Start::Time(at), Direction::Backward) => event.at <= at,
    };
    let mut rest: Vec<_> = log.iter().filter(wanted).cloned().collect();
    if direction == Direction::Backward {
        rest.reverse();
    }
    let next = rest.get(limit).map(|event| event.seq);
    rest.truncate(limit);
    (rest, next)
}

fn starts(last: u64, end: u64) -> impl Strategy<Value = Start> {
    prop_oneof![
        1 => Just(Start::End),
        4 => (1..=last).prop_map(|seq| Start::Seq(Seq(seq))),
        4 => (NOW.0 - 10..end + 10).prop_map(|at| Start::Time(UnixMillis(at))),
    ]
}

#[test]
fn pages_hold_what_the_log_holds_from_wherever_they_start() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("starts");
    let (world, room, log) = runtime.block_on(async {
        let (world, _disk) = World::simulated().await;
        let room = eventful(&world).await;
        let log = world.log(room, OWNER).await;
        (world, room, log)
    });
    let (last, end) = (log.len() as u64, log[log.len() - 1].at.0);
    assert!(last > 100 && log.windows(2).all(|pair| pair[1].seq == pair[0].seq.next()));
    let directions = prop_oneof![Just(Direction::Forward), Just(Direction::Backward)];
    let queries = (starts(last, end), directions, 1_usize..50);
    TestRunner::default()
        .run(&queries, |(start, direction, limit)| {
            let page = world.rooms.events(MEMBER, room, start, direction, limit);
            let page = runtime.block_on(page).expect("can be read");
            let (events, next) = naive(&log, start, direction, limit);
            prop_assert_eq!(page.events, events);
            prop_assert_eq!(page.next, next);
            prop_assert_eq!(page.head, Seq(last));
            Ok(())
        })
        .expect("holds");
}

#[tokio::test(start_paused = true)]
async fn the_place_after_the_newest_event_is_where_a_reader_waits() {
    let (world, _disk) = World::simulated().await;
    let room = world.room().await;
    let head = Seq(3);
    let events = |seq, direction| {
        world
            .rooms
            .events(OWNER, room, Start::Seq(seq), direction, 5)
    };
    let page = events(head.next(), Direction::Forward)
        .await
        .expect("is empty");
    assert_eq!(
        (page.events, page.next, page.head),
        (Vec::new(), None, head)
    );
    let field = "from_seq";
    for (seq, direction) in [
        (Seq(5), Direction::Forward),
        (Seq(4), Direction::Backward),
        (Seq(u64::MAX), Direction::Forward),
        (Seq(u64::MAX), Direction::Backward),
    ] {
        let refused = events(seq, direction).await;
        assert_eq!(
            refused,
            Err(ReadError::FutureSeq(crate::FutureSeq { field, seq, head }))
        );
    }
    let missing = world.rooms.event(OWNER, room, Seq(4)).await;
    assert_eq!(missing, Err(ReadError::NoSuchEvent));
}

#[tokio::test(start_paused = true)]
async fn an_edit_shows_what_the_message_says_now() {
    let (world, _disk) = World::simulated().await;
    let room = world.room().await;
    let target = world.says(room, MEMBER, "first").await;
    world
        .does(room, MEMBER, edit(target, world.id(), "second"))
        .await;
    world
        .does(room, MEMBER, edit(target, world.id(), "third"))
        .await;
    let log = world.log(room, OWNER).await;
    let shown = log.iter().filter_map(|event| shown(&event.kind));
    let shown = shown.map(|message| (&message.body[..], message.edited));
    assert_eq!(shown.collect::<Vec<_>>(), [("third", Some(Seq(6))); 3]);
    let told: Vec<_> = world
        .heard
        .events
        .lock()
        .iter()
        .map(|event| event.seq)
        .collect();
    assert_eq!(told, (2..=6).map(Seq).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn a_page_is_bounded_in_bytes_whatever_is_on_it() {
    let (world, _disk) = World::simulated().await;
    let room = world.room().await;
    let large = "x".repeat(BODY_BYTES_MAX);
    let mut said = Vec::new();
    for _ in 0..40 {
        said.push(world.says(room, MEMBER, &large).await);
    }
    // One message again and again, then all of them.
    for target in [[said[0]; 40].as_slice(), &said].concat() {
        world
            .does(room, MEMBER, edit(target, world.id(), &large))
            .await;
    }
    for direction in [Direction::Forward, Direction::Backward] {
        let (mut start, mut read) = (Start::End, Vec::new());
        loop {
            let page = world
                .rooms
                .events(OWNER, room, start, direction, EVENTS_PAGE_MAX);
            let page = page.await.expect("can be read");
            let bodies = page.events.iter().filter_map(|event| shown(&event.kind));
            let bodies = bodies.map(|message| message.body.len());
            assert!(bodies.sum::<usize>() <= EVENTS_PAGE_BYTES_MAX);
            assert!(!page.events.is_empty());
            read.extend(page.events.iter().map(|event| event.seq.0));
            match page.next {
                Some(seq) => start = Start::Seq(seq),
                None => break,
            }
        }
        read.sort_unstable();
        assert!(
            read.into_iter().eq(1..=123),
            "nothing is skipped, nothing read twice"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_that_loses_snapshots_is_read_all_the_same() {
    let (world, disk) = World::simulated().await;
    let room = eventful(&world).await;
    let log = world.log(room, OWNER).await;
    disk.set_faults(Faults {
        too_old: 200_000,
        ..Faults::NONE
    });
    assert_eq!(world.log(room, OWNER).await, log);
}
