//! Actors that die, sleep, are asked too much, or wait for a store that does not answer.

use std::time::Duration;

use cluster_store::{Faults, SimulatedDisk, StoreError};
use cluster_types::{Coded, ErrorCode, Seq};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

use crate::limits::{
    BODY_BYTES_MAX, COMMAND_DEADLINE, FAILURES_MAX, FAILURES_WINDOW, IDLE_AFTER, IDLE_SWEEP_EVERY,
    INBOX, REQUEST_OVERHEAD_BYTES,
};
use crate::testing::{MEMBER, MODERATOR, OWNER, World, send};
use crate::{Action, ClientMessageId, Command, CommandError, Standing};

/// Every call of the store takes this long.
const fn slow(span: Duration) -> Faults {
    Faults {
        stall: 1_000_000,
        stall_span: span,
        ..Faults::NONE
    }
}

#[tokio::test(start_paused = true)]
async fn a_command_survives_the_actor_that_dies_under_it() {
    let (world, _disk) = World::simulated().await;
    let room = world.room().await;
    world.watch.panic_next(2);
    let seq = world.says(room, OWNER, "hello").await;
    assert_eq!(seq, Seq(4));
    assert_eq!(world.bodies(room, OWNER).await, ["hello"]);
}

#[tokio::test(start_paused = true)]
async fn a_command_that_kills_every_actor_harms_no_other() {
    let (world, _disk) = World::simulated().await;
    let room = world.room().await;
    world.watch.panic_next(3);
    let killer = world.act(room, OWNER, send(world.id(), "killer")).await;
    assert_eq!(killer, Err(CommandError::OutcomeUnknown));
    world.says(room, OWNER, "hello").await;
    assert_eq!(world.bodies(room, OWNER).await, ["hello"]);
}

#[tokio::test(start_paused = true)]
async fn messages_given_together_stay_in_their_order_in_a_room_that_sleeps() {
    let disk = SimulatedDisk::new();
    for seed in 0..5 {
        let world = World::on_disk(&disk, seed).await;
        let room = world.lonely_room().await;
        disk.set_faults(Faults {
            delay: 500_000,
            delay_max: Duration::from_millis(9),
            ..Faults::NONE
        });
        let commands: Vec<_> = (0..20)
            .map(|n| Command {
                account: OWNER,
                action: send(world.id(), &format!("{n}")),
            })
            .collect();
        let mut done = Vec::new();
        let rooms = world.rooms.clone();
        let note = |at, outcome: Result<_, _>| done.push((at, outcome.map(drop)));
        rooms.commands(room, commands, note).await;
        disk.set_faults(Faults::NONE);
        done.sort_unstable_by_key(|(at, _)| *at);
        let expected: Vec<_> = (0..20).map(|at| (at, Ok(()))).collect();
        assert_eq!(done, expected);
        let expected: Vec<_> = (0..20).map(|n| n.to_string()).collect();
        assert_eq!(world.bodies(room, OWNER).await, expected, "seed {seed}");
        world.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_node_that_stops_has_other_nodes_wait_for_the_next_owner() {
    let (world, _disk) = World::simulated().await;
    let room = world.room().await;
    world.rooms.stop().await;
    let command = Command {
        account: OWNER,
        action: send(world.id(), "hello"),
    };
    let asked = world.rooms.command_here(room, command).await;
    assert_eq!(asked, Err(CommandError::Moving));
}

#[tokio::test(start_paused = true)]
async fn what_must_not_be_done_twice_is_not_asked_twice() {
    let (world, _disk) = World::simulated().await;
    let room = world.room().await;
    world.watch.panic_next(1);
    let outcome = world.act(room, OWNER, Action::Remove(MEMBER)).await;
    assert_eq!(outcome, Err(CommandError::OutcomeUnknown));
    world.says(room, MEMBER, "still here").await;
}

#[tokio::test(start_paused = true)]
async fn a_room_that_dies_and_dies_is_left_alone_for_a_while() {
    let (world, _disk) = World::simulated().await;
    let room = world.room().await;
    let other = world.lonely_room().await;
    world.watch.panic_next(1_000);
    for _ in 0..FAILURES_MAX {
        let outcome = world.act(room, OWNER, Action::Remove(MEMBER)).await;
        assert_eq!(outcome, Err(CommandError::OutcomeUnknown));
    }
    let refused = world.act(room, OWNER, Action::Remove(MEMBER)).await;
    assert_eq!(refused, Err(CommandError::Unavailable));
    world.watch.panic_next(0);
    let refused = world.act(room, OWNER, Action::Remove(MEMBER)).await;
    assert_eq!(refused, Err(CommandError::Unavailable));
    world.says(other, OWNER, "other rooms go on").await;
    tokio::time::sleep(FAILURES_WINDOW).await;
    world.says(room, MEMBER, "here again").await;
}

#[tokio::test(start_paused = true)]
async fn a_room_that_gets_something_done_is_never_given_up() {
    let (world, _disk) = World::simulated().await;
    let room = world.room().await;
    for _ in 0..FAILURES_MAX * 3 {
        world.heard.panic_next();
        world.says(room, OWNER, "hello").await;
    }
    assert_eq!(world.bodies(room, OWNER).await.len(), 24);
}

#[tokio::test(start_paused = true)]
async fn what_a_dying_actor_could_not_tell_is_told_by_the_next() {
    let (world, _disk) = World::simulated().await;
    let room = world.room().await;
    world.heard.panic_next();
    let seq = world.says(room, OWNER, "durable and untold").await;
    // Nobody asks anything.
    world.heard.until_seq(room, seq).await;
    let next = world.says(room, OWNER, "told").await;
    world.heard.until_seq(room, next).await;
    let events = world.heard.events.lock();
    let times = events.iter().filter(|event| event.seq == seq).count();
    assert_eq!(times, 1, "what is told is not told over and over");
}

#[tokio::test(start_paused = true)]
async fn a_removal_with_an_unknown_outcome_is_told_at_once_if_it_happened() {
    let (world, disk) = World::simulated().await;
    let room = world.room().await;
    disk.set_faults(Faults {
        unknown_committed: 1_000_000,
        ..Faults::NONE
    });
    let started = Instant::now();
    let outcome = world.act(room, OWNER, Action::Remove(MEMBER)).await;
    assert_eq!(outcome, Err(CommandError::OutcomeUnknown));
    let lost = Some(Standing::Lost(MEMBER));
    let is_told = |events: &[crate::Published]| {
        let told = events.iter().any(|event| event.standing == lost);
        told.then_some(())
    };
    world.heard.until(is_told).await;
    assert!(
        started.elapsed() < Duration::from_secs(1),
        "{:?}",
        started.elapsed()
    );
}

/// Commits whose outcome is unknown, so many of them; from then on nothing goes wrong.
async fn unknown(world: &World, disk: &SimulatedDisk, committed: bool, times: u64) {
    let odds = |is_it: bool| if is_it { 1_000_000 } else { 0 };
    let count = || {
        let counts = disk.faults_injected();
        counts.unknown_committed + counts.unknown_lost
    };
    let before = count();
    disk.set_faults(Faults {
        unknown_committed: odds(committed),
        unknown_lost: odds(!committed),
        ..slow(Duration::from_millis(100))
    });
    world.until(|_| count() == before + times).await;
    disk.set_faults(Faults::NONE);
}

#[tokio::test(start_paused = true)]
async fn an_unknown_outcome_is_found_out_for_the_caller() {
    let (world, disk) = World::simulated().await;
    let room = world.room().await;
    world.make_keys(room, &[OWNER]).await;
    for (committed, times, seq) in [(true, 1, Seq(4)), (false, 2, Seq(5))] {
        let weather = unknown(&world, &disk, committed, times);
        let (said, ()) = tokio::join!(world.says(room, OWNER, "hello"), weather);
        assert_eq!(said, seq);
        world.heard.until_seq(room, seq).await;
    }
    assert_eq!(world.bodies(room, OWNER).await, ["hello", "hello"]);
}

#[test]
fn only_some_refusals_say_that_an_unknown_attempt_did_nothing() {
    let command = |action| Command {
        account: MEMBER,
        action,
    };
    let said = command(send(ClientMessageId([1; 16]), "hello"));
    assert!(CommandError::Muted.settles(&said), "its id was looked up");
    // Who was removed since is refused before anything is looked up.
    assert!(!CommandError::NoSuchRoom.settles(&said));
    assert!(!CommandError::Overloaded.settles(&said));
    let archived = command(Action::SetArchived(true));
    assert!(!CommandError::Muted.settles(&archived), "it has no id");
}

#[tokio::test(start_paused = true)]
async fn what_an_actor_had_not_begun_when_it_died_is_done_by_the_next() {
    let (world, disk) = World::simulated().await;
    let room = world.room().await;
    world.make_keys(room, &[OWNER]).await;
    // Not to be repeated by itself, and yet asked again.
    let remove = async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        world.act(room, OWNER, Action::Remove(MEMBER)).await
    };
    let weather = unknown(&world, &disk, false, 1);
    let (said, removed, ()) = tokio::join!(world.says(room, OWNER, "hello"), remove, weather);
    let mut seqs = [said, removed.expect("is done").seq];
    seqs.sort();
    assert_eq!(seqs, [Seq(4), Seq(5)]);
}

#[tokio::test(start_paused = true)]
async fn of_two_nodes_that_believe_to_own_a_room_only_the_owner_writes() {
    let (stale, disk) = World::simulated().await;
    let room = stale.room().await;
    stale.says(room, OWNER, "before").await;
    // The same node in its next life: it takes all shards, and nobody tells the old one.
    let owner = World::on_disk(&disk, 1).await;
    for number in 0..3 {
        let text = format!("message {number}");
        assert_eq!(owner.says(room, OWNER, &text).await, Seq(5 + number));
        let (account, action) = (OWNER, send(stale.id(), "from the past"));
        let refused = stale.rooms.command(room, Command { account, action }).await;
        assert_eq!(refused, Err(CommandError::Moving));
    }
    let said = ["before", "message 0", "message 1", "message 2"];
    assert_eq!(owner.bodies(room, OWNER).await, said);
}

#[tokio::test(start_paused = true)]
async fn an_idle_room_sleeps_and_wakes_when_it_is_asked() {
    let (world, _disk) = World::simulated().await;
    let room = world.room().await;
    assert_eq!(world.rooms.active(), 1);
    tokio::time::sleep(IDLE_AFTER + IDLE_SWEEP_EVERY).await;
    assert_eq!(world.rooms.active(), 0);
    assert_eq!(world.says(room, MEMBER, "hello").await, Seq(4));
    assert_eq!(world.rooms.active(), 1);
    let events = world.heard.events.lock();
    assert_eq!(events.len(), 3, "waking up is not told");
}

#[tokio::test(start_paused = true)]
async fn who_comes_when_there_is_no_place_is_told_so_at_once() {
    let (world, disk) = World::simulated().await;
    let room = world.room().await;
    disk.set_faults(slow(Duration::from_millis(100)));
    let mut at_work = JoinSet::new();
    for _ in 0..INBOX.count_max + 10 {
        let (rooms, action) = (world.rooms.clone(), send(world.id(), "hello"));
        let account = OWNER;
        at_work.spawn(async move { rooms.command(room, Command { account, action }).await });
    }
    let outcomes = at_work.join_all().await;
    let refused = outcomes.iter().filter(|outcome| outcome.is_err());
    assert!(
        refused
            .clone()
            .all(|outcome| *outcome == Err(CommandError::Overloaded))
    );
    assert_eq!(refused.count(), 10);
    disk.set_faults(Faults::NONE);
    assert_eq!(world.bodies(room, OWNER).await.len(), INBOX.count_max);
    let overloaded = CommandError::Overloaded;
    assert_eq!(overloaded.code(), ErrorCode::Exhausted);
    assert!(overloaded.retry_after().is_some());
}

#[tokio::test(start_paused = true)]
async fn large_messages_fill_an_inbox_by_their_bytes() {
    let (world, disk) = World::simulated().await;
    let room = world.room().await;
    disk.set_faults(slow(Duration::from_millis(10)));
    let body = "x".repeat(BODY_BYTES_MAX);
    let fit = INBOX.bytes_max / (BODY_BYTES_MAX + REQUEST_OVERHEAD_BYTES);
    let mut at_work = JoinSet::new();
    for _ in 0..fit + 5 {
        let (rooms, action) = (world.rooms.clone(), send(world.id(), &body));
        let account = OWNER;
        at_work.spawn(async move { rooms.command(room, Command { account, action }).await });
    }
    let outcomes = at_work.join_all().await;
    let overloaded = outcomes
        .iter()
        .filter(|outcome| **outcome == Err(CommandError::Overloaded));
    assert_eq!(overloaded.count(), 5);
    assert_eq!(
        outcomes.iter().filter(|outcome| outcome.is_ok()).count(),
        fit
    );
}

#[tokio::test(start_paused = true)]
async fn a_stalled_store_costs_time_and_no_message() {
    let (world, disk) = World::simulated().await;
    let room = world.room().await;
    disk.set_faults(slow(COMMAND_DEADLINE));
    let (id, started) = (world.id(), Instant::now());
    let outcome = world.act(room, OWNER, send(id, "hello")).await;
    assert_eq!(outcome, Err(CommandError::TimedOut));
    assert_eq!(started.elapsed(), COMMAND_DEADLINE);
    disk.set_faults(Faults::NONE);
    world.does(room, OWNER, send(id, "hello")).await;
    assert_eq!(world.bodies(room, OWNER).await, ["hello"]);
}

#[tokio::test(start_paused = true)]
async fn what_nobody_waits_for_is_not_begun() {
    let (world, disk) = World::simulated().await;
    let room = world.room().await;
    disk.set_faults(slow(Duration::from_millis(100)));
    let second = async {
        // After the first has been begun.
        tokio::time::sleep(Duration::from_millis(50)).await;
        let given_up = world.act(room, MEMBER, send(world.id(), "given up"));
        timeout(Duration::from_millis(50), given_up).await
    };
    let (_, second) = tokio::join!(world.says(room, OWNER, "first"), second);
    assert!(second.is_err());
    disk.set_faults(Faults::NONE);
    world.says(room, OWNER, "third").await;
    assert_eq!(world.bodies(room, OWNER).await, ["first", "third"]);
}

#[tokio::test(start_paused = true)]
async fn a_full_disk_refuses_and_leaves_no_gap() {
    let (world, disk) = World::simulated().await;
    let room = world.room().await;
    disk.set_full(true);
    let refused = world.act(room, OWNER, send(world.id(), "x")).await;
    let refused = refused.expect_err("there is no space");
    assert_eq!(refused, CommandError::Store(StoreError::Full));
    assert_eq!(
        (refused.code(), refused.reason()),
        (ErrorCode::Exhausted, "STORE_FULL")
    );
    assert!(refused.retry_after().is_some());
    assert_eq!(
        refused.to_string(),
        StoreError::Full.to_string(),
        "the caller is told why"
    );
    assert_eq!(world.log(room, OWNER).await.len(), 3, "reading goes on");
    disk.set_full(false);
    assert_eq!(world.says(room, OWNER, "hello").await, Seq(4));
}

#[tokio::test(start_paused = true)]
async fn a_node_that_was_started_on_a_full_disk_refuses_at_once() {
    let (before, disk) = World::simulated().await;
    let room = before.room().await;
    before.stop().await;
    disk.set_full(true);
    let world = World::on_disk(&disk, 1).await;
    let started = Instant::now();
    let refused = world.act(room, OWNER, send(world.id(), "x")).await;
    assert_eq!(refused, Err(CommandError::Store(StoreError::Full)));
    assert_eq!(started.elapsed().as_millis(), 0);
    assert_eq!(world.log(room, OWNER).await.len(), 3, "reading goes on");
    disk.set_full(false);
    world.rooms.with.membership.look().await;
    assert_eq!(world.says(room, OWNER, "hello").await, Seq(4));
}

#[tokio::test(start_paused = true)]
async fn a_store_that_is_contended_for_long_says_so_and_nothing_has_happened() {
    let (world, disk) = World::simulated().await;
    let room = world.room().await;
    disk.set_faults(Faults {
        conflict: 1_000_000,
        ..Faults::NONE
    });
    let refused = world.act(room, OWNER, send(world.id(), "x")).await;
    assert_eq!(refused, Err(CommandError::Store(StoreError::Contended)));
    disk.set_faults(Faults::NONE);
    assert_eq!(world.says(room, OWNER, "hello").await, Seq(4));
    assert_eq!(world.bodies(room, OWNER).await, ["hello"]);
}

#[tokio::test(start_paused = true)]
async fn stopping_finishes_what_is_under_way_and_turns_the_rest_away() {
    let (world, disk) = World::simulated().await;
    let room = world.room().await;
    disk.set_faults(slow(Duration::from_millis(100)));
    let waiting = async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        world.act(room, MEMBER, send(world.id(), "waiting")).await
    };
    let stop = async {
        tokio::time::sleep(Duration::from_millis(60)).await;
        world.rooms.stop().await;
    };
    let (under_way, waiting, ()) =
        tokio::join!(world.says(room, OWNER, "under way"), waiting, stop);
    assert_eq!(under_way, Seq(4));
    assert_eq!(waiting, Err(CommandError::Unavailable));
    let late = world.act(room, MODERATOR, send(world.id(), "late")).await;
    assert_eq!(late, Err(CommandError::Unavailable));
    assert_eq!(world.rooms.active(), 0);
    disk.set_faults(Faults::NONE);
    assert_eq!(world.bodies(room, OWNER).await, ["under way"]);
}
