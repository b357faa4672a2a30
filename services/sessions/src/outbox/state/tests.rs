//! An outbox alone: what goes in, what comes out, and what is asked of the log.

use cluster_types::{LogId, Seq};
use proto::v1::server_item::Item;
use services_rooms::{ClientMessageId, EventKind, Format, Message, Priority};

use super::*;
use crate::limits::{
    FOLLOWED_ROOMS_MAX, HINTS_MAX, OUTBOX_FORCED_ITEMS_MAX, OUTBOX_ITEMS_LOW, OUTBOX_ITEMS_MAX,
};
use crate::outbox::{Counts, Cursor, Event, Read, ToRead};
use crate::presence;
use crate::wire::read_back;

mod following;
mod model;
mod passive;
mod rooms;

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
            attachments: Vec::new(),
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

const fn cursor(room: RoomId, next: u64, rebuilt: bool) -> Cursor {
    Cursor {
        room,
        next: Seq(next),
        log_id: LOG,
        rebuilt,
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
    let stay = state.enter(ROOM);
    state.greet(ready(), [(ROOM, stay, counts(head, read))]);
    drain(&mut state);
    assert!(state.wants_actor() && state.next_read().is_none());
    state
}

/// As [`greeted`], following the room, and up to date with it.
fn live_at(head: u64) -> State {
    let mut state = greeted(head, head);
    assert_eq!(state.follow(cursor(ROOM, head + 1, false)), Followed::Yes);
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

/// What the actor is to read of the log, once it has read the counts if it is to.
fn next_of_log(state: &mut State) -> Read {
    loop {
        let read = state.next_read().expect("it is behind");
        if read.what != ToRead::Counts {
            return read;
        }
        state.checked(read, counts(0, 0));
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
