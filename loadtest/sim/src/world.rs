//! All that outlives the node: what happened so far, and what each client remembers.
//!
//! A crash takes the runtime with every task in it, those of the clients too. What a client knows, its
//! cursors and what it still wants done, is here, and its next life begins with it.
//!
//! Invariant: nothing here waits. The lock is held for a few lines at a time, and what is noted has
//! happened by then.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use cluster_types::{AccountId, FileId, RoomId, Seq};
use parking_lot::{Mutex, MutexGuard};
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::calls::Order;
use crate::history::{Entry, History, Item, Moment, OnStream, What, World as Happened};
use crate::names::{Device, Names, Op, Person, Room, Stream, count};

/// What outlives the node. Clones are the same.
#[derive(Clone, Debug, Default)]
pub(crate) struct World(Arc<Mutex<State>>);

#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) names: Names,
    history: History,
    /// Simulated time before this life.
    before: Duration,
    began: Option<Instant>,
    dies: Option<Death>,
    pub(crate) rooms: BTreeMap<Room, KnownRoom>,
    pub(crate) people: Vec<KnownPerson>,
    pub(crate) devices: Vec<KnownDevice>,
    /// What was asked for and may have happened.
    pub(crate) unresolved: BTreeMap<Op, Order>,
    ops: u32,
    streams: u32,
}

/// The node dies when the history is so long.
#[derive(Debug)]
struct Death {
    entries: usize,
    bell: Arc<Notify>,
}

/// What all clients together know of a room. It only guides what they do next.
#[derive(Debug, Default)]
pub(crate) struct KnownRoom {
    pub(crate) name: String,
    pub(crate) is_direct: bool,
    pub(crate) members: BTreeSet<Person>,
    pub(crate) head: Seq,
    /// Messages of which somebody has heard, and who said them.
    pub(crate) said: Vec<(Seq, Person)>,
    /// Files that messages came with.
    pub(crate) files: BTreeMap<Seq, Vec<FileId>>,
    /// Files that were uploaded for it, and by whom.
    pub(crate) uploads: Vec<(Person, FileId)>,
    pub(crate) link: Option<String>,
    pub(crate) is_gone: bool,
}

/// Somebody who takes part.
#[derive(Clone, Copy, Debug)]
pub(crate) struct KnownPerson {
    pub(crate) account: AccountId,
}

/// A sign-in.
#[derive(Debug)]
pub(crate) struct KnownDevice {
    pub(crate) owner: Person,
    pub(crate) token: String,
    pub(crate) is_signed_out: bool,
    /// What it has of each room.
    pub(crate) cursors: BTreeMap<Room, Seq>,
}

impl World {
    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock()
    }

    /// Notes what happened, now.
    pub(crate) fn note(&self, what: What) {
        self.lock().note(what);
    }

    /// Notes what happened to the node.
    pub(crate) fn note_world(&self, what: Happened) {
        self.note(What::World(what));
    }

    /// Notes what happened on a stream.
    pub(crate) fn note_stream(&self, stream: Stream, what: OnStream) {
        self.note(What::Stream(stream, what));
    }

    /// A life of the node begins. If it is to die by number, `bell` rings when that is reached.
    pub(crate) fn begin(&self, dies_after: Option<u64>, bell: &Arc<Notify>) {
        let mut state = self.lock();
        state.began = Some(Instant::now());
        let entries = state.history.entries.len();
        state.dies = dies_after.map(|more| Death {
            entries: entries.saturating_add(usize::try_from(more).unwrap_or(usize::MAX)),
            bell: Arc::clone(bell),
        });
    }

    /// A life is over; its last moment was now.
    pub(crate) fn end(&self) {
        let mut state = self.lock();
        state.dies = None;
        state.before = state.elapsed();
        state.began = None;
    }

    /// It is so late by now, since the first start: where no single clock says it.
    pub(crate) fn pass_to(&self, elapsed: Duration) {
        self.lock().before = elapsed;
    }

    /// Simulated time since the first start.
    pub(crate) fn elapsed(&self) -> Duration {
        self.lock().elapsed()
    }

    /// What happened, once nothing more will.
    pub(crate) fn take_history(&self) -> History {
        std::mem::take(&mut self.lock().history)
    }
}

impl State {
    pub(crate) fn note(&mut self, what: What) {
        let at = Moment(u64::try_from(self.elapsed().as_micros()).unwrap_or(u64::MAX));
        self.history.entries.push(Entry { at, what });
        if let Some(death) = &self.dies
            && self.history.entries.len() >= death.entries
        {
            death.bell.notify_one();
        }
    }

    pub(crate) fn next_op(&mut self) -> Op {
        self.ops += 1;
        Op(self.ops)
    }

    pub(crate) fn next_stream(&mut self) -> Stream {
        self.streams += 1;
        Stream(self.streams)
    }

    /// A new device of somebody's.
    pub(crate) fn add_device(&mut self, owner: Person, token: String) {
        self.devices.push(KnownDevice {
            owner,
            token,
            is_signed_out: false,
            cursors: BTreeMap::new(),
        });
    }

    pub(crate) fn device(&self, device: Device) -> Option<&KnownDevice> {
        self.devices.get(device.0 as usize)
    }

    pub(crate) fn device_mut(&mut self, device: Device) -> Option<&mut KnownDevice> {
        self.devices.get_mut(device.0 as usize)
    }

    /// The devices on which somebody is signed in, as far as it knows.
    pub(crate) fn devices_of(&self, person: Person) -> Vec<Device> {
        let all = self.devices.iter().enumerate();
        let signed_in = all.filter(|(_, device)| device.owner == person && !device.is_signed_out);
        signed_in.map(|(at, _)| Device(count(at))).collect()
    }

    pub(crate) fn account(&self, person: Person) -> Option<AccountId> {
        Some(self.people.get(person.0 as usize)?.account)
    }

    /// The number of a room, which is known from here on.
    pub(crate) fn room(&mut self, id: RoomId) -> Room {
        let (room, is_new) = self.names.room(id);
        if is_new {
            let known = KnownRoom {
                name: cluster_rpc::name::of_room(id),
                ..KnownRoom::default()
            };
            self.rooms.insert(room, known);
        }
        room
    }

    /// What somebody hears of a room guides what it does next.
    pub(crate) fn hear(&mut self, who: Person, device: Device, item: &Item) {
        match item {
            Item::Event(event) => {
                if let Some(device) = self.device_mut(device) {
                    device.cursors.insert(event.room, event.seq);
                }
                self.learn(event);
            }
            Item::Gained(room) => {
                if let Some(room) = self.rooms.get_mut(room) {
                    room.members.insert(who);
                }
            }
            Item::Lost(room) => {
                if let Some(room) = self.rooms.get_mut(room) {
                    room.members.remove(&who);
                }
            }
            Item::Ready
            | Item::Live { .. }
            | Item::Counter { .. }
            | Item::Typing { .. }
            | Item::Marker { .. }
            | Item::Presence { .. }
            | Item::Farewell { .. } => {}
        }
    }

    fn learn(&mut self, event: &crate::history::Event) {
        let Some(room) = self.rooms.get_mut(&event.room) else {
            return;
        };
        room.head = room.head.max(event.seq);
        if let crate::history::Kind::Message(_) = event.kind {
            room.remember(event.seq, event.actor);
        }
    }

    fn elapsed(&self) -> Duration {
        self.before + self.began.map_or(Duration::ZERO, |began| began.elapsed())
    }
}

impl KnownRoom {
    /// Somebody has said something.
    pub(crate) fn remember(&mut self, seq: Seq, by: Person) {
        self.head = self.head.max(seq);
        if !self
            .said
            .iter()
            .rev()
            .take(200)
            .any(|(said, _)| *said == seq)
        {
            self.said.push((seq, by));
        }
    }
}
