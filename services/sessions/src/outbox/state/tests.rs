//! An outbox alone: what goes in, what comes out, and what is asked of the log.

use proto::v1::server_item::Item;
use services_rooms::{ClientMessageId, EventKind, Format, Message, Priority};

use super::*;
use crate::limits::{HINTS_MAX, OUTBOX_ITEMS_LOW, OUTBOX_ITEMS_MAX};
use crate::outbox::Event;
use crate::presence;
use crate::wire::read_back;

mod leaving;
mod model;

const ME: AccountId = AccountId::from_bytes([1; 16]);
const PEER: AccountId = AccountId::from_bytes([2; 16]);
const ROOM: RoomId = RoomId::from_bytes([3; 16]);
const LOG: LogId = LogId::from_bytes([4; 16]);

/// A message that weighs about as much as its body.
fn said(room: RoomId, seq: u64, by: AccountId, message_count: u64, body: usize) -> Event {
    let event = services_rooms::Event {
        seq: Seq(seq),
        at: cluster_types::UnixMillis(0),
        actor: by,
        message_count,
        kind: EventKind::Message(Message {
            body: "x".repeat(body),
            format: Format::Plain,
            priority: Priority::Normal,
            reply_to: None,
            client_message_id: ClientMessageId([7; 16]),
            edited: None,
            deleted: false,
        }),
    };
    Event {
        seq: Seq(seq),
        message_count,
        actor: by,
        priority: Some(Priority::Normal),
        frame: item::event(room, event),
    }
}

/// The message at `seq` of a room in which everything is a short message of somebody else.
fn message(seq: u64) -> Event {
    said(ROOM, seq, PEER, seq, 10)
}

fn deliver(state: &mut State, seqs: impl IntoIterator<Item = u64>) {
    for run in Run::of(ROOM, seqs.into_iter().map(message)) {
        state.deliver(&run);
    }
}

const fn counts(head: u64, read: u64) -> Counts {
    Counts {
        head: Seq(head),
        messages: head,
        read,
    }
}

fn ready() -> Frame {
    read_back::marker(0)
}

/// A session that has said hello, in [`ROOM`], which has come to `head`.
fn greeted(head: u64, read: u64) -> State {
    let mut state = State::new(ME);
    state.enter(ROOM);
    state.greet(ready(), [(ROOM, counts(head, read))]);
    drain(&mut state);
    assert!(state.wants_actor() && state.next_read().is_none());
    state
}

/// As [`greeted`], following the room, and up to date with it.
fn live_at(head: u64) -> State {
    let mut state = greeted(head, head);
    assert!(state.follow(ROOM, Seq(head + 1), LOG, false));
    read_on(&mut state, head);
    assert_eq!(texts(&drain(&mut state)), [format!("live {head}")]);
    state
}

/// What the actor does, with a log of short messages up to `head`.
fn read_on(state: &mut State, head: u64) {
    assert!(state.wants_actor(), "the actor is woken");
    while let Some(read) = state.next_read() {
        match read.what {
            ToRead::Counts => state.checked(read, counts(head, head)),
            ToRead::Events(next) => {
                let page = (next.0..=head).take(100).map(message);
                let page = page.map(|event| (event.seq, event.frame));
                assert_eq!(state.fill(read, page, Seq(head)), Filled::Taken);
            }
        }
    }
}

fn drain(state: &mut State) -> Vec<Item> {
    let mut items = Vec::new();
    while let Some(message) = state.take() {
        items.extend(read_back::items(&message));
    }
    items
}

fn texts(items: &[Item]) -> Vec<String> {
    let text = |item: &Item| match item {
        Item::Ready(_) => "ready".to_owned(),
        Item::Event(event) => format!("event {}", event.seq),
        Item::Live(live) if live.rebuilt => format!("rebuilt {}", live.seq),
        Item::Live(live) => format!("live {}", live.seq),
        Item::RoomCounter(counter) => {
            format!(
                "{} of {} unread",
                counter.unread_count, counter.message_count
            )
        }
        Item::RoomGained(_) => "gained".to_owned(),
        Item::RoomLost(_) => "lost".to_owned(),
        Item::Reply(reply) => format!("reply {}", reply.request_id),
        Item::Typing(typing) => format!("{} type", typing.accounts.len()),
        Item::Presence(presence) => format!("{:?}", presence.state()),
        Item::ReadMarker(marker) => format!("read {}", marker.seq),
        Item::Farewell(_) => "farewell".to_owned(),
    };
    items.iter().map(text).collect()
}

fn events(seqs: impl IntoIterator<Item = u64>) -> Vec<String> {
    seqs.into_iter().map(|seq| format!("event {seq}")).collect()
}

// --- Following ---

#[test]
fn what_was_missed_comes_before_the_marker_and_what_happens_after_it() {
    let mut state = greeted(3, 3);
    assert!(state.follow(ROOM, Seq(2), LOG, false));
    deliver(&mut state, [4]);
    assert!(drain(&mut state).is_empty(), "it is behind");
    read_on(&mut state, 4);
    deliver(&mut state, [5]);
    let expected = ["event 2", "event 3", "event 4", "live 4", "event 5"];
    assert_eq!(texts(&drain(&mut state)), expected);
}

#[test]
fn an_event_that_was_read_and_comes_again_is_not_sent_again() {
    let mut state = live_at(4);
    deliver(&mut state, [3, 4, 5, 5]);
    deliver(&mut state, [4, 5, 6]);
    assert_eq!(texts(&drain(&mut state)), events([5, 6]));
}

#[test]
fn a_gap_is_filled_from_the_log() {
    let mut state = live_at(4);
    deliver(&mut state, [7]);
    assert!(drain(&mut state).is_empty());
    read_on(&mut state, 7);
    let mut expected = events([5, 6, 7]);
    expected.push("live 7".to_owned());
    assert_eq!(texts(&drain(&mut state)), expected);
}

#[test]
fn a_full_queue_leaves_events_in_the_log() {
    let mut state = live_at(0);
    for seq in 1..=1_000 {
        deliver(&mut state, [seq]);
    }
    assert_eq!(state.queue.size().0, OUTBOX_ITEMS_MAX);
    assert!(!state.wants_actor(), "there is no room to read on");
    let mut items = Vec::new();
    while items.last() != Some(&"live 1000".to_owned()) {
        let message = state.take().expect("something to send");
        items.extend(texts(&read_back::items(&message)));
        if state.queue.size().0 <= OUTBOX_ITEMS_LOW && !state.has_everything() {
            read_on(&mut state, 1_000);
        }
    }
    items.pop();
    assert_eq!(items, events(1..=1_000));
}

#[test]
fn a_run_that_does_not_fit_is_taken_as_far_as_it_does() {
    let mut state = live_at(0);
    deliver(&mut state, 1..=250);
    deliver(&mut state, 251..=300);
    assert_eq!(state.queue.size().0, OUTBOX_ITEMS_MAX);
    assert_eq!(texts(&drain(&mut state)), events(1..=256));
}

#[test]
fn large_events_fill_the_queue_by_bytes() {
    let mut state = live_at(0);
    for seq in 1..=20 {
        let large = said(ROOM, seq, PEER, seq, 64 * 1024);
        for run in Run::of(ROOM, [large]) {
            state.deliver(&run);
        }
    }
    assert_eq!(state.queue.size().0, 15, "a MiB takes fifteen of them");
}

#[test]
fn a_marker_says_once_that_the_log_is_another_one() {
    let mut state = greeted(1, 1);
    assert!(state.follow(ROOM, Seq(1), LOG, true));
    read_on(&mut state, 1);
    assert_eq!(texts(&drain(&mut state)), ["event 1", "rebuilt 1"]);
    deliver(&mut state, [3]);
    read_on(&mut state, 3);
    assert_eq!(texts(&drain(&mut state)), ["event 2", "event 3", "live 3"]);
}

#[test]
fn a_log_that_ends_before_the_cursor_is_sent_from_its_start() {
    let mut state = greeted(9, 9);
    assert!(state.follow(ROOM, Seq(10), LOG, false));
    assert!(state.wants_actor());
    let read = state.next_read().expect("it is behind");
    state.start_over(read, LogId::from_bytes([5; 16]));
    let read = state.next_read().expect("it is behind");
    assert_eq!(read.what, ToRead::Events(Seq(1)));
}

#[test]
fn a_hole_in_the_log_is_not_passed_over() {
    for page in [vec![], vec![message(2)], vec![message(1), message(3)]] {
        let mut state = greeted(3, 3);
        assert!(state.follow(ROOM, Seq(1), LOG, false));
        assert!(state.wants_actor());
        let read = state.next_read().expect("it is behind");
        let page = page.into_iter().map(|event| (event.seq, event.frame));
        assert_eq!(state.fill(read, page, Seq(3)), Filled::Hole);
    }
}

#[test]
fn an_event_that_was_told_and_cannot_be_read_yet_is_read_later() {
    let mut state = live_at(3);
    deliver(&mut state, [5]);
    assert!(state.wants_actor());
    let read = state.next_read().expect("it is behind");
    assert_eq!(state.fill(read, [], Seq(3)), Filled::Early);
    assert_eq!(state.next_read(), Some(read));
}

#[test]
fn only_so_many_rooms_are_followed() {
    let mut state = greeted(0, 0);
    for number in 0..FOLLOWED_ROOMS_MAX {
        let room = RoomId::from_bytes([u8::try_from(number).expect("small") + 10; 16]);
        state.enter(room);
        assert!(state.follow(room, Seq(1), LOG, false));
        assert!(state.follow(room, Seq(1), LOG, false), "again is not more");
    }
    assert!(!state.follow(ROOM, Seq(1), LOG, false));
}

#[test]
fn rooms_that_are_behind_are_read_in_turn() {
    let mut state = greeted(0, 0);
    let rooms = [10, 11, 12].map(|n| RoomId::from_bytes([n; 16]));
    for room in rooms {
        state.enter(room);
        assert!(state.follow(room, Seq(1), LOG, false));
    }
    assert!(state.wants_actor());
    let mut read = Vec::new();
    for _ in 0..9 {
        let next = state.next_read().expect("all are behind");
        read.push(next.room);
        match next.what {
            ToRead::Counts => state.checked(next, counts(500, 500)),
            ToRead::Events(seq) => {
                let event = said(next.room, seq.0, PEER, seq.0, 10);
                let page = [(event.seq, event.frame)];
                assert_eq!(state.fill(next, page, Seq(500)), Filled::Taken);
            }
        }
    }
    assert_eq!(read, [rooms, rooms, rooms].concat());
}

// --- Waking the actor ---

#[test]
fn the_actor_is_woken_once_until_it_has_found_nothing() {
    let mut state = live_at(0);
    deliver(&mut state, [2]);
    assert!(state.wants_actor() && !state.wants_actor());
    let read = state.next_read().expect("it is behind");
    deliver(&mut state, [3]);
    assert!(!state.wants_actor(), "it is reading, and asks again");
    let page = [1, 2].map(message).map(|event| (event.seq, event.frame));
    assert_eq!(state.fill(read, page, Seq(2)), Filled::Taken);
    let again = state.next_read().expect("one has come meanwhile");
    assert_eq!(again.what, ToRead::Events(Seq(3)));
    let page = [message(3)].map(|event| (event.seq, event.frame));
    assert_eq!(state.fill(again, page, Seq(3)), Filled::Taken);
    assert_eq!(state.next_read(), None);
    assert!(!state.wants_actor(), "nothing is behind");
    deliver(&mut state, [9]);
    assert!(state.wants_actor());
}

#[test]
fn what_could_not_be_read_is_read_next() {
    let mut state = live_at(0);
    deliver(&mut state, [2]);
    assert!(state.wants_actor());
    let read = state.next_read().expect("it is behind");
    state.put_back(read);
    assert!(!state.has_everything());
    assert!(!state.wants_actor(), "the actor comes back by itself");
    assert_eq!(state.next_read(), Some(read));
}

#[test]
fn a_page_for_a_cursor_that_was_moved_is_ignored() {
    let mut state = live_at(5);
    deliver(&mut state, [7]);
    assert!(state.wants_actor());
    let read = state.next_read().expect("it is behind");
    assert!(state.follow(ROOM, Seq(2), LOG, false));
    let page = [6, 7].map(message).map(|event| (event.seq, event.frame));
    assert_eq!(state.fill(read, page, Seq(7)), Filled::Taken);
    assert!(drain(&mut state).is_empty());
    let again = state.next_read().expect("it is behind still");
    assert_eq!(again.what, ToRead::Events(Seq(2)));
}
