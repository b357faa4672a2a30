//! An outbox against a model: rooms with logs, a relay that delivers late, twice or not at all, an
//! actor that reads while other things happen, and a client that takes when it likes.
//!
//! Whatever the order: of each followed room exactly the events from the cursor on are sent, in order;
//! nothing after the word that the room is lost; the marker only where all is sent that was known; the
//! queue holds its limits, and a client that lets it come to them is sent away; and once all has settled
//! the client has everything.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "a test names what it expects, and fails at anything else"
)]

use std::collections::{BTreeMap, VecDeque};

use proptest::prelude::*;
use proto::v1::server_item::Item;

use super::*;
use crate::limits::{OUTBOX_BYTES_MAX, OUTBOX_FORCED_BYTES_MAX};

const ROOMS: u8 = 3;
const PAGE: usize = 40;

#[derive(Clone, Debug)]
enum Op {
    /// Events happen: so many, large or small, mine or another's.
    Happen {
        room: u8,
        count: u8,
        large: bool,
        mine: bool,
    },
    /// The relay hands out some of what it holds.
    Deliver {
        room: u8,
        count: u8,
    },
    /// The relay tells the newest event once more.
    Again {
        room: u8,
    },
    /// The relay has lost what it holds.
    Lose {
        room: u8,
    },
    Follow {
        room: u8,
        after_percent: u8,
    },
    Unfollow {
        room: u8,
    },
    Leave {
        room: u8,
    },
    Gain {
        room: u8,
    },
    /// The account is put out and in again, so many times.
    Toggle {
        room: u8,
        times: u16,
    },
    Mark {
        room: u8,
    },
    /// The actor asks what to read, and reads it.
    BeginRead,
    /// It brings what it has read.
    EndRead,
    /// The store does not answer.
    FailRead,
    /// The connection takes the next message.
    Take,
}

fn op() -> impl Strategy<Value = Op> {
    let room = 0..ROOMS;
    let happen = (room.clone(), 1..60_u8, 0..5_u8, any::<bool>());
    prop_oneof![
        6 => happen.prop_map(|(room, count, size, mine)| {
            let large = size == 0;
            Op::Happen { room, count, large, mine }
        }),
        6 => (room.clone(), 1..80_u8).prop_map(|(room, count)| Op::Deliver { room, count }),
        1 => room.clone().prop_map(|room| Op::Again { room }),
        1 => room.clone().prop_map(|room| Op::Lose { room }),
        2 => (room.clone(), 0..=100_u8)
            .prop_map(|(room, after_percent)| Op::Follow { room, after_percent }),
        1 => room.clone().prop_map(|room| Op::Unfollow { room }),
        1 => room.clone().prop_map(|room| Op::Leave { room }),
        2 => room.clone().prop_map(|room| Op::Gain { room }),
        1 => room.clone().prop_map(|room| Op::Mark { room }),
        1 => (room, prop_oneof![20 => 1..9_u16, 1 => 9..2_000_u16])
            .prop_map(|(room, times)| Op::Toggle { room, times }),
        5 => Just(Op::BeginRead),
        5 => Just(Op::EndRead),
        1 => Just(Op::FailRead),
        4 => Just(Op::Take),
    ]
}

/// A room as the store has it, and what the relay holds of it.
#[derive(Default)]
struct Log {
    events: Vec<Event>,
    read: u64,
    is_member: bool,
    held: VecDeque<Event>,
}

impl Log {
    fn head(&self) -> u64 {
        self.events.len() as u64
    }

    fn messages(&self) -> u64 {
        self.events.last().map_or(0, |event| event.message_count)
    }
}

/// What the client knows of a room.
#[derive(Default)]
struct Seen {
    /// The next event, while the room is followed.
    next: Option<u64>,
    live: bool,
    counter: Option<(u64, u64)>,
}

enum Brought {
    Counts(Counts),
    Page(Vec<(Seq, Frame)>, Seq),
    NotAMember,
}

struct World {
    state: State,
    logs: BTreeMap<RoomId, Log>,
    client: BTreeMap<RoomId, Seen>,
    /// What each marker in the queue means for the client.
    markers: BTreeMap<u64, (RoomId, Option<u64>)>,
    last_marker: u64,
    reading: Option<(Read, Brought)>,
    /// The actor has been woken, and has not found nothing.
    awake: bool,
    /// Items in the queue that are sent in any case.
    forced: usize,
}

fn room_id(number: u8) -> RoomId {
    RoomId::from_bytes([number + 1; 16])
}

impl World {
    fn new() -> Self {
        let mut state = State::new(ME);
        state.greet(ready(), []);
        drain(&mut state);
        let rooms = || (0..ROOMS).map(room_id);
        Self {
            state,
            logs: rooms().map(|room| (room, Log::default())).collect(),
            client: rooms().map(|room| (room, Seen::default())).collect(),
            markers: BTreeMap::new(),
            last_marker: 0,
            reading: None,
            awake: false,
            forced: 0,
        }
    }

    fn log(&mut self, room: RoomId) -> &mut Log {
        self.logs.get_mut(&room).expect("a room")
    }

    fn seen(&mut self, name: &str) -> &mut Seen {
        let room = cluster_rpc::name::room(name, "room").expect("a name");
        self.client.get_mut(&room).expect("a room")
    }

    /// From here on in the queue, this is what the client may get of a room.
    fn mark(&mut self, room: RoomId, next: Option<u64>) {
        self.last_marker += 1;
        self.markers.insert(self.last_marker, (room, next));
        self.state.push(read_back::marker(self.last_marker));
        self.forced += 1;
    }

    fn run(&mut self, op: &Op) {
        match *op {
            Op::Happen {
                room,
                count,
                large,
                mine,
            } => self.happen(room_id(room), count, large, mine),
            Op::Deliver { room, count } => self.deliver(room_id(room), usize::from(count)),
            Op::Again { room } => {
                let newest = self.log(room_id(room)).events.last().cloned();
                self.hand_out(room_id(room), newest);
            }
            Op::Lose { room } => self.lose(room_id(room)),
            Op::Follow {
                room,
                after_percent,
            } => self.follow(room_id(room), after_percent),
            Op::Unfollow { room } => {
                self.state.unfollow(room_id(room));
                self.mark(room_id(room), None);
            }
            Op::Leave { room } => self.leave(room_id(room)),
            Op::Gain { room } => self.gain(room_id(room)),
            Op::Toggle { room, times } => {
                for _ in 0..times {
                    self.leave(room_id(room));
                    self.gain(room_id(room));
                }
            }
            Op::Mark { room } => {
                let log = self.log(room_id(room));
                log.read = log.messages();
                let read = log.read;
                self.state.mark(room_id(room), read);
            }
            Op::BeginRead => self.begin_read(),
            Op::EndRead => self.end_read(),
            Op::FailRead => {
                if let Some((read, _)) = self.reading.take() {
                    self.state.put_back(read);
                }
            }
            Op::Take => {
                if let Some(message) = self.state.take() {
                    self.receive(read_back::items(&message));
                }
            }
        }
        self.awake |= self.state.wants_actor();
        self.check();
    }

    fn happen(&mut self, room: RoomId, count: u8, large: bool, mine: bool) {
        let log = self.log(room);
        for _ in 0..count.div_ceil(if large { 8 } else { 1 }) {
            let (seq, said_before) = (log.head() + 1, log.messages());
            let body = if large { 60_000 } else { 20 };
            let mut event = said(room, seq, PEER, said_before + 1, body);
            if seq.is_multiple_of(7) {
                // Not a message.
                event.priority = None;
                event.message_count = said_before;
            } else if mine && log.is_member {
                event.actor = ME;
                log.read = event.message_count;
            }
            log.events.push(event.clone());
            log.held.push_back(event);
        }
    }

    fn deliver(&mut self, room: RoomId, count: usize) {
        let log = self.log(room);
        let count = count.min(log.held.len());
        let events: Vec<_> = log.held.drain(..count).collect();
        self.hand_out(room, events);
    }

    fn hand_out(&mut self, room: RoomId, events: impl IntoIterator<Item = Event>) {
        for run in Run::of(room, events) {
            self.state.deliver(&run);
        }
    }

    fn lose(&mut self, room: RoomId) {
        let held = std::mem::take(&mut self.log(room).held);
        let mut missed: Option<Missed> = None;
        for event in &held {
            missed =
                Some(missed.map_or_else(|| Missed::from(event), |missed| missed.and(event.into())));
            if event.is_said_by(ME) {
                self.state.mark(room, event.message_count);
            }
        }
        if let Some(missed) = missed {
            self.state.miss(room, missed);
        }
    }

    fn follow(&mut self, room: RoomId, after_percent: u8) {
        let log = self.log(room);
        if log.is_member {
            let after = log.head() * u64::from(after_percent) / 100;
            assert_eq!(
                self.state.follow(cursor(room, after + 1, false)),
                Followed::Yes
            );
            self.mark(room, Some(after + 1));
        }
    }

    /// Taken out as the publisher does it: before the event that says so is handed out.
    fn leave(&mut self, room: RoomId) {
        self.log(room).is_member = false;
        self.forced += usize::from(self.state.leave(room, None));
    }

    fn gain(&mut self, room: RoomId) {
        let log = self.log(room);
        if !std::mem::replace(&mut log.is_member, true) {
            log.read = log.messages();
            self.state.gain(room, Seq::ZERO);
            self.forced += 1;
        }
    }

    fn begin_read(&mut self) {
        if !self.awake || self.reading.is_some() {
            return;
        }
        let Some(read) = self.state.next_read() else {
            self.awake = false;
            return;
        };
        let log = &self.logs[&read.room];
        let head = Seq(log.head());
        let brought = match read.what {
            _ if !log.is_member => Brought::NotAMember,
            ToRead::Counts => Brought::Counts(Counts {
                head,
                messages: log.messages(),
                read: log.read,
            }),
            ToRead::Events(next) => {
                let events = log.events.iter().filter(|event| event.seq >= next);
                let page = events.map(|event| (event.seq, event.frame.clone()));
                Brought::Page(page.take(PAGE).collect(), head)
            }
        };
        self.reading = Some((read, brought));
    }

    fn end_read(&mut self) {
        let Some((read, brought)) = self.reading.take() else {
            return;
        };
        match brought {
            Brought::Counts(counts) => self.state.checked(read, counts),
            Brought::NotAMember => {
                self.forced += usize::from(self.state.leave(read.room, Some(read.stay)));
            }
            Brought::Page(page, head) => {
                let was_live = self.state.is_live(read.room);
                assert_eq!(self.state.fill(read, page, head), Filled::Taken);
                self.forced += usize::from(!was_live && self.state.is_live(read.room));
            }
        }
    }

    fn receive(&mut self, items: Vec<Item>) {
        for item in items {
            match item {
                Item::Event(event) => {
                    let seen = self.seen(&event.room);
                    assert_eq!(Some(event.seq), seen.next, "of {}", event.room);
                    seen.next = Some(event.seq + 1);
                    continue;
                }
                Item::RoomCounter(counter) => {
                    let seen = self.seen(&counter.room);
                    seen.counter = Some((counter.message_count, counter.unread_count));
                    continue;
                }
                Item::Live(live) => {
                    let seen = self.seen(&live.room);
                    assert_eq!(Some(live.seq + 1), seen.next, "of {}", live.room);
                    seen.live = true;
                }
                Item::Reply(reply) => {
                    let (room, next) = self.markers.remove(&reply.request_id).expect("a marker");
                    let seen = self.client.get_mut(&room).expect("a room");
                    (seen.next, seen.live) = (next, false);
                }
                Item::RoomLost(lost) => *self.seen(&lost.room) = Seen::default(),
                Item::RoomGained(_) => {}
                other => panic!("unexpected: {other:?}"),
            }
            self.forced -= 1;
        }
    }

    fn check(&self) {
        let (items, bytes) = self.state.queue.size();
        // Of events alone, and of all.
        let events = items.saturating_sub(self.forced);
        assert!(events <= OUTBOX_ITEMS_MAX, "{events} events");
        let items_max = OUTBOX_ITEMS_MAX + OUTBOX_FORCED_ITEMS_MAX;
        assert!(items <= items_max, "{items} items");
        let bytes_max = OUTBOX_BYTES_MAX + OUTBOX_FORCED_BYTES_MAX;
        assert!(bytes <= bytes_max, "{bytes} bytes");
        assert!(self.state.to_read.len() <= usize::from(ROOMS));
        assert!(self.state.counters.len() <= usize::from(ROOMS));
        for room in self.state.rooms.values() {
            if let Some(follow) = room.follow.as_ref().filter(|follow| follow.live) {
                assert!(follow.next > room.head(), "live, and not up to date");
            }
        }
    }

    /// Everything that is under way arrives.
    fn settle(&mut self) {
        for number in 0..ROOMS {
            self.deliver(room_id(number), usize::MAX);
        }
        loop {
            self.run(&Op::EndRead);
            self.run(&Op::BeginRead);
            self.run(&Op::Take);
            if !self.awake && self.reading.is_none() && self.state.is_idle() {
                break;
            }
        }
        assert!(self.state.has_everything());
        for (room, log) in &self.logs {
            let seen = &self.client[room];
            let is_in = self.state.rooms.contains_key(room);
            assert_eq!(is_in, log.is_member, "{room}");
            if let Some(next) = seen.next {
                assert!(is_in && seen.live, "{room} is live");
                assert_eq!(next, log.head() + 1, "{room} is complete");
            } else if is_in && log.messages() > log.read {
                let unread = log.messages() - log.read;
                assert_eq!(seen.counter, Some((log.messages(), unread)), "{room}");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn every_followed_room_is_complete_and_in_order(ops in prop::collection::vec(op(), 1..150)) {
        let mut world = World::new();
        for op in &ops {
            world.run(op);
            if world.state.is_overfull() {
                // Its actor ends it, and the client comes back to a new one.
                prop_assert!(world.awake);
                return Ok(());
            }
        }
        world.settle();
    }
}
