//! P4: what a stream sends of a room that its client follows is what comes after the client's cursor,
//! one event after the other.
//!
//! For each stream a small machine goes through what its client said and heard. A room is followed from
//! the request on, since events may arrive before the answer does, and until the answer to the request
//! that ends it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use cluster_types::Seq;

use super::facts::Facts;
use super::{About, Rule, Verdict, numbered, rest};
use crate::history::{Cursor, Item, OnStream, What, World};
use crate::names::{Person, Room, Stream};

/// What a client knows about one of its streams.
#[derive(Clone, Debug)]
pub(super) struct Track {
    pub(super) by: Person,
    /// Where it was greeted, if it was.
    pub(super) ready: Option<usize>,
    pub(super) is_paused: bool,
    pub(super) follows: BTreeMap<Room, Follow>,
    /// What was asked for of a room while an earlier request for it had no answer: in turn, each from its
    /// own answer on.
    waiting: BTreeMap<Room, VecDeque<Follow>>,
    /// Rooms that it was told of on this stream, and whether it was told that it has them.
    pub(super) told: BTreeMap<Room, bool>,
    /// Rooms that it has followed at any time.
    pub(super) followed: BTreeSet<Room>,
    /// The newest counter of each room.
    pub(super) counters: BTreeMap<Room, Counter>,
}

/// What a counter said.
#[derive(Clone, Copy, Debug)]
pub(super) struct Counter {
    pub(super) entry: usize,
    pub(super) messages: u64,
    pub(super) unread: u64,
}

/// Where a client stands in a room that it follows.
#[derive(Clone, Copy, Debug)]
pub(super) struct Follow {
    /// The event that has to come next; `None`: any that was not there when it was asked for.
    next: Option<Seq>,
    /// The newest event of which anybody knew when it was asked for.
    known: Seq,
    /// Whether the request was answered.
    is_answered: bool,
    /// Whether all that was missed has been sent.
    pub(super) is_live: bool,
}

impl Follow {
    /// The last event that the client has.
    pub(super) fn has(&self) -> Option<Seq> {
        self.next.map(Seq::previous)
    }
}

pub(super) fn check(facts: &Facts<'_>, verdict: &mut Verdict) {
    let mut tracks: BTreeMap<Stream, Track> = BTreeMap::new();
    let mut log_ids: BTreeMap<Room, &str> = BTreeMap::new();
    for (at, what) in numbered(facts.history) {
        match what {
            What::World(World::Crashed | World::Drained) => tracks.clear(),
            What::World(World::Settled) => {
                for (stream, track) in &tracks {
                    rest::check(facts, at, *stream, track, verdict);
                }
            }
            What::Stream(stream, OnStream::Opened { by, cursors, .. }) => {
                let mut track = Track::new(*by);
                for cursor in cursors {
                    track.follow(facts, at, cursor);
                }
                tracks.insert(*stream, track);
            }
            What::Stream(
                stream,
                OnStream::NotOpened(_)
                | OnStream::Leaves
                | OnStream::Ended(_)
                | OnStream::Cut
                | OnStream::Greeted(Err(_)),
            ) => _ = tracks.remove(stream),
            What::Stream(stream, what) => {
                if let Some(track) = tracks.get_mut(stream) {
                    let about = About::entry(at).stream(*stream);
                    track.take(facts, what, about, verdict);
                    if let OnStream::Got(Item::Live { room, log_id, .. }) = what {
                        let first = *log_ids.entry(*room).or_insert(log_id);
                        if first != log_id {
                            let what = format!("{room} is {log_id} here, and was {first}");
                            verdict.broken(Rule::Marker, about.room(*room), what);
                        }
                    }
                }
            }
            What::World(_) | What::Asked { .. } | What::Answered { .. } | What::Walk { .. } => {}
        }
    }
}

// === impl Track ===

impl Track {
    fn new(by: Person) -> Self {
        Self {
            by,
            ready: None,
            is_paused: false,
            follows: BTreeMap::new(),
            waiting: BTreeMap::new(),
            told: BTreeMap::new(),
            followed: BTreeSet::new(),
            counters: BTreeMap::new(),
        }
    }

    fn take(&mut self, facts: &Facts<'_>, what: &OnStream, about: About, verdict: &mut Verdict) {
        match what {
            OnStream::Greeted(_) => {
                self.ready = Some(about.entry);
                verdict.checked.streams += 1;
                // What was lost by then, and not gained again, is answered with that.
                let told = &self.told;
                self.follows
                    .retain(|room, _| told.get(room) != Some(&false));
                self.follows
                    .values_mut()
                    .for_each(|follow| follow.is_answered = true);
            }
            OnStream::Follows(cursor) => self.follow(facts, about.entry, cursor),
            OnStream::Followed(room, Ok(())) => {
                if self.is_answered(*room) {
                    self.next_waiting(*room);
                }
                if let Some(follow) = self.follows.get_mut(room) {
                    follow.is_answered = true;
                    // What can be followed is not lost, whatever was said before.
                    // Who may follow a room knows by that that it has it, also before it is told.
                    self.told.insert(*room, true);
                }
            }
            OnStream::Followed(room, Err(_)) => self.ended(*room),
            // Answers come in the order of what was asked, so one that comes before that to the newest wish
            // to follow is to something that was asked before it.
            OnStream::Unfollowed(room, Ok(())) if self.is_answered(*room) => self.ended(*room),
            OnStream::Pauses => self.is_paused = true,
            OnStream::ReadsOn => self.is_paused = false,
            OnStream::Got(item) => self.get(item, about, verdict),
            OnStream::Opened { .. }
            | OnStream::NotOpened(_)
            | OnStream::Unfollows(_)
            | OnStream::Unfollowed(..)
            | OnStream::Leaves
            | OnStream::Ended(_)
            | OnStream::Cut
            | OnStream::Broken(_) => {}
        }
    }

    fn follow(&mut self, facts: &Facts<'_>, at: usize, cursor: &Cursor) {
        self.followed.insert(cursor.room);
        let follow = Follow {
            next: cursor.after.map(Seq::next),
            known: facts.known(cursor.room, at),
            is_answered: false,
            is_live: false,
        };
        if self.follows.contains_key(&cursor.room) && !self.is_answered(cursor.room) {
            self.waiting
                .entry(cursor.room)
                .or_default()
                .push_back(follow);
        } else {
            self.follows.insert(cursor.room, follow);
        }
    }

    /// The room is not followed any more, unless that was asked for again.
    fn ended(&mut self, room: Room) {
        self.follows.remove(&room);
        self.next_waiting(room);
    }

    fn is_answered(&self, room: Room) -> bool {
        let follow = self.follows.get(&room);
        follow.is_some_and(|follow| follow.is_answered)
    }

    /// From here on, what was asked for next of a room counts, if anything was.
    fn next_waiting(&mut self, room: Room) {
        let waiting = self.waiting.get_mut(&room);
        if let Some(next) = waiting.and_then(VecDeque::pop_front) {
            self.follows.insert(room, next);
        }
    }

    fn get(&mut self, item: &Item, about: About, verdict: &mut Verdict) {
        match item {
            Item::Event(event) => {
                verdict.checked.deliveries += 1;
                self.event(
                    event.room,
                    event.seq,
                    about.at(event.room, event.seq),
                    verdict,
                );
            }
            Item::Live {
                room, seq, rebuilt, ..
            } => self.live(*room, *seq, *rebuilt, about.at(*room, *seq), verdict),
            Item::Gained(room) => _ = self.told.insert(*room, true),
            Item::Lost(room) => {
                self.told.insert(*room, false);
                self.counters.remove(room);
                // What is asked for and not answered is answered after this, for a room that was lost
                // and may have been gained again.
                if self.is_answered(*room) {
                    self.follows.remove(room);
                    self.next_waiting(*room);
                }
            }
            Item::Counter {
                room,
                messages,
                unread,
                ..
            } => {
                let counter = Counter {
                    entry: about.entry,
                    messages: *messages,
                    unread: *unread,
                };
                self.counters.insert(*room, counter);
            }
            Item::Ready
            | Item::Typing { .. }
            | Item::Marker { .. }
            | Item::Presence { .. }
            | Item::Farewell { .. } => {}
        }
    }

    fn event(&mut self, room: Room, seq: Seq, about: About, verdict: &mut Verdict) {
        let Some(follow) = self.follows.get_mut(&room) else {
            let what = format!("{} got {room} {seq}, and does not follow it", self.by);
            verdict.broken(Rule::NotFollowed, about, what);
            return;
        };
        match follow.next {
            Some(next) if seq > next => {
                let what = format!("{} got {room} {seq}, and {next} was next", self.by);
                verdict.broken(Rule::Gap, about, what);
            }
            Some(next) if seq < next => {
                let what = format!("{} got {room} {seq} again: {next} was next", self.by);
                verdict.broken(Rule::Repeated, about, what);
            }
            None if seq <= follow.known => {
                let what = format!("{} got {room} {seq}, and wanted what comes", self.by);
                verdict.broken(Rule::Repeated, about, what);
            }
            Some(_) | None => {}
        }
        follow.next = Some(seq.next());
    }

    fn live(&mut self, room: Room, seq: Seq, rebuilt: bool, about: About, verdict: &mut Verdict) {
        let Some(follow) = self.follows.get_mut(&room) else {
            let what = format!("a marker of {room}, which {} does not follow", self.by);
            verdict.broken(Rule::NotFollowed, about, what);
            return;
        };
        let fits = match follow.next {
            Some(next) => seq == next.previous(),
            None => seq >= follow.known,
        };
        if !fits || rebuilt {
            let what = format!(
                "the marker of {room} stands at {seq}, and {:?} was next (rebuilt: {rebuilt})",
                follow.next
            );
            verdict.broken(Rule::Marker, about, what);
        }
        follow.next = Some(seq.next());
        follow.is_live = true;
    }
}
