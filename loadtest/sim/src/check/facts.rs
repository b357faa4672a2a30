//! A history, sorted by what it is about.

use std::collections::BTreeMap;

use cluster_types::Seq;

use super::log::{Log, Stand};
use super::{About, Rule, Verdict, numbered};
use crate::history::{Answer, Ask, Done, Event, History, Item, Kind, OnStream, What, Why, World};
use crate::names::{Device, Op, Person, Room, Stream};

/// What there is to know.
#[derive(Debug)]
pub(super) struct Facts<'a> {
    pub(super) history: &'a History,
    pub(super) logs: BTreeMap<Room, Log>,
    pub(super) orders: BTreeMap<Op, Order<'a>>,
    pub(super) sights: Vec<Sight<'a>>,
    /// The entry at which everything has come to rest; the end of the history if it never has.
    pub(super) rest: usize,
    /// When each device was asked to sign out, and when it was known to be.
    pub(super) sign_outs: BTreeMap<Device, (usize, Option<usize>)>,
    known: BTreeMap<Room, Vec<(usize, Seq)>>,
    causes: BTreeMap<(Room, Seq), usize>,
}

/// Something that somebody wanted done.
#[derive(Debug)]
pub(super) struct Order<'a> {
    pub(super) by: Person,
    pub(super) device: Device,
    pub(super) ask: &'a Ask,
    pub(super) attempts: Vec<Attempt<'a>>,
}

/// One attempt: where it was asked, and where and how it was answered.
#[derive(Debug)]
pub(super) struct Attempt<'a> {
    pub(super) asked: usize,
    pub(super) answer: Option<(usize, &'a Answer)>,
}

/// An event that somebody has seen, or learnt to exist.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sight<'a> {
    pub(super) entry: usize,
    pub(super) by: Person,
    pub(super) event: &'a Event,
    pub(super) from: Source,
}

/// How an event was seen.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Source {
    /// On a stream.
    Stream(Stream),
    /// In a page that was asked for at this entry.
    Page {
        /// The entry.
        asked: usize,
    },
    /// In a whole log.
    Walk,
}

impl<'a> Facts<'a> {
    pub(super) fn gather(history: &'a History, verdict: &mut Verdict) -> Self {
        let settled = |what: &What| matches!(what, What::World(World::Settled));
        let mut facts = Self {
            history,
            logs: BTreeMap::new(),
            orders: BTreeMap::new(),
            sights: Vec::new(),
            rest: numbered(history)
                .find(|(_, what)| settled(what))
                .map_or(history.entries.len(), |(at, _)| at),
            sign_outs: BTreeMap::new(),
            known: BTreeMap::new(),
            causes: BTreeMap::new(),
        };
        let mut owners = BTreeMap::new();
        for (at, what) in numbered(history) {
            facts.take(at, what, &mut owners);
        }
        facts.read_logs();
        facts.learn_effects();
        facts.find_causes();
        let orders = facts.orders.values();
        let doubtful = orders.filter(|order| order.attempts.iter().any(Attempt::is_doubtful));
        verdict.checked.doubtful += doubtful.count() as u64;
        facts
    }

    // --- Questions ---

    /// The newest event of a room of which anybody had heard before this entry: at least so much was
    /// in the log by then.
    pub(super) fn known(&self, room: Room, before: usize) -> Seq {
        let known = self.known.get(&room).map_or(&[][..], Vec::as_slice);
        let until = known.partition_point(|(at, _)| *at < before);
        known[..until].last().map_or(Seq::ZERO, |(_, seq)| *seq)
    }

    /// Whether somebody can have been a member at some moment between two entries.
    pub(super) fn may_be_member(
        &self,
        who: Person,
        room: Room,
        asked: usize,
        until: usize,
    ) -> bool {
        let Some(log) = self.logs.get(&room).filter(|log| log.is_complete) else {
            return true;
        };
        match log.outside(who, self.known(room, asked)) {
            Some((lost, gained)) => gained.is_some() && self.may_gain(who, room, lost, until),
            None => true,
        }
    }

    /// Whether somebody can have become a member, after it lost the room by the event `lost`, before
    /// the entry `until`: somebody else must have asked for it by then, and not have got the last
    /// answer before anybody asked for the loss.
    pub(super) fn may_gain(&self, who: Person, room: Room, lost: Seq, until: usize) -> bool {
        let lost = self.cause(room, lost);
        self.orders.values().any(|order| {
            let about = match order.ask {
                Ask::Add { room: r, whom, .. } => *r == room && *whom == who,
                Ask::Join { room: r } => *r == room && order.by == who,
                // Who is in a room from its beginning.
                Ask::CreateRoom { .. } => order.by == who,
                Ask::OpenDirect { peer } => order.by == who || *peer == who,
                _ => false,
            };
            about
                && order.may_have_happened()
                && order.first_asked() < until
                && order
                    .attempts
                    .iter()
                    .any(|attempt| attempt.answered() > lost)
        })
    }

    /// Before this entry, nobody can have caused this change of somebody's standing.
    pub(super) fn cause(&self, room: Room, seq: Seq) -> usize {
        self.causes.get(&(room, seq)).copied().unwrap_or_default()
    }

    // --- Gathering ---

    fn take(&mut self, at: usize, what: &'a What, owners: &mut BTreeMap<Stream, Person>) {
        match what {
            What::World(_) => {}
            What::Asked {
                op,
                by,
                device,
                ask,
                ..
            } => {
                if *ask == Ask::SignOut {
                    self.sign_outs.entry(*device).or_insert((at, None));
                }
                let order = self.orders.entry(*op).or_insert(Order {
                    by: *by,
                    device: *device,
                    ask,
                    attempts: Vec::new(),
                });
                order.attempts.push(Attempt {
                    asked: at,
                    answer: None,
                });
            }
            What::Answered {
                op,
                attempt,
                answer,
            } => self.take_answer(at, *op, *attempt, answer),
            What::Stream(stream, OnStream::Opened { by, .. }) => _ = owners.insert(*stream, *by),
            What::Stream(stream, OnStream::Got(item)) => {
                let by = owners.get(stream).copied().unwrap_or_default();
                self.take_item(at, *stream, by, item);
            }
            What::Stream(..) => {}
            What::Walk { by, events, .. } => {
                self.see(at, *by, events, Source::Walk);
            }
        }
    }

    fn take_answer(&mut self, at: usize, op: Op, attempt: u32, answer: &'a Answer) {
        let Some(order) = self.orders.get_mut(&op) else {
            return;
        };
        let place = (attempt as usize).saturating_sub(1);
        let Some(attempt) = order.attempts.get_mut(place) else {
            return;
        };
        attempt.answer = Some((at, answer));
        let (by, device, ask, asked) = (order.by, order.device, order.ask, attempt.asked);
        let Answer::Done(done) = answer else { return };
        if let (Ask::SignOut, Some((_, ended))) = (ask, self.sign_outs.get_mut(&device)) {
            ended.get_or_insert(at);
        }
        match done {
            Done::Said { seq, .. } | Done::Changed(seq) => {
                if let Some(room) = ask.room() {
                    self.learn(at, room, *seq);
                }
            }
            Done::Room(view) => self.learn(at, view.room, view.head),
            Done::Rooms(views) => {
                for view in views {
                    self.learn(at, view.room, view.head);
                }
            }
            Done::Page { events, .. } => self.see(at, by, events, Source::Page { asked }),
            Done::Nothing | Done::Marked { .. } | Done::Members(_) | Done::People(_) => {}
        }
    }

    fn take_item(&mut self, at: usize, stream: Stream, by: Person, item: &'a Item) {
        match item {
            Item::Event(event) => {
                self.see(at, by, std::slice::from_ref(event), Source::Stream(stream));
            }
            Item::Live { room, seq, .. } => self.learn(at, *room, *seq),
            Item::Counter { room, head, .. } => self.learn(at, *room, *head),
            Item::Ready
            | Item::Gained(_)
            | Item::Lost(_)
            | Item::Typing { .. }
            | Item::Marker { .. }
            | Item::Presence { .. }
            | Item::Farewell { .. } => {}
        }
    }

    fn see(&mut self, entry: usize, by: Person, events: &'a [Event], from: Source) {
        for event in events {
            self.learn(entry, event.room, event.seq);
            self.sights.push(Sight {
                entry,
                by,
                event,
                from,
            });
        }
    }

    fn learn(&mut self, at: usize, room: Room, seq: Seq) {
        let known = self.known.entry(room).or_default();
        if known.last().is_none_or(|(_, newest)| seq > *newest) {
            known.push((at, seq));
        }
    }

    /// What was answered as done shows in the log, where it did so first or later: so much was there by
    /// the time of the answer.
    fn learn_effects(&mut self) {
        let mut learnt: BTreeMap<Room, Vec<(usize, Seq)>> = BTreeMap::new();
        for order in self.orders.values() {
            let (Some(room), Some((at, _))) = (order.ask.room(), order.done().next()) else {
                continue;
            };
            let Some(log) = self.logs.get(&room).filter(|log| log.is_complete) else {
                continue;
            };
            let from = self.known(room, order.first_asked());
            let shows = |stand: &Stand| stand.shows(order.ask, order.by) == Some(true);
            if let Some(seq) = log.first_from(from, shows) {
                learnt.entry(room).or_default().push((at, seq));
            }
        }
        for (room, more) in learnt {
            let known = self.known.entry(room).or_default();
            known.extend(more);
            known.sort_unstable();
            let mut newest = Seq::ZERO;
            known.retain(|(_, seq)| {
                let grows = *seq > newest;
                newest = newest.max(*seq);
                grows
            });
        }
    }

    /// For each change of somebody's standing, the first entry at which somebody asked for it who had not
    /// got the last answer before the change that came before it could be.
    fn find_causes(&mut self) {
        let orders: Vec<_> = self
            .orders
            .values()
            .filter(|order| order.may_have_happened())
            .collect();
        let orders = orders
            .into_iter()
            .filter(|order| order.ask.moves_somebody());
        let orders: Vec<_> = orders.collect();
        for (room, log) in &self.logs {
            for (whom, changes) in log.all_changes() {
                let mut before = 0;
                for (seq, _) in changes {
                    let Some(event) = log.events.get(seq) else {
                        continue;
                    };
                    let Kind::Membership { change, .. } = event.kind else {
                        continue;
                    };
                    let causes = orders.iter().filter(|order| {
                        order.by == event.actor
                            && order.ask.room().is_none_or(|r| r == *room)
                            && order.ask.may_cause(order.by, whom, change)
                            && order
                                .attempts
                                .iter()
                                .any(|attempt| attempt.answered() > before)
                    });
                    let first = causes.map(|order| order.first_asked()).min();
                    before = before.max(first.unwrap_or_default());
                    self.causes.insert((*room, *seq), before);
                }
            }
        }
    }

    /// A log is what the first reader has read in the end, or what was seen of it if nobody has.
    fn read_logs(&mut self) {
        for (_, what) in numbered(self.history) {
            if let What::Walk {
                room,
                forward: true,
                events,
                ..
            } = what
            {
                let log = self.logs.entry(*room).or_default();
                if !log.is_complete {
                    log.events = events
                        .iter()
                        .map(|event| (event.seq, event.clone()))
                        .collect();
                    log.is_complete = true;
                }
            }
        }
        for sight in &self.sights {
            let log = self.logs.entry(sight.event.room).or_default();
            if !log.is_complete {
                let first = || sight.event.clone();
                log.events.entry(sight.event.seq).or_insert_with(first);
            }
        }
        for log in self.logs.values_mut() {
            log.close();
        }
    }
}

// === impl Order ===

impl Order<'_> {
    /// Whether any attempt may have done it: its answer says so, says nothing, or never came.
    pub(super) fn may_have_happened(&self) -> bool {
        self.attempts.iter().any(|attempt| {
            let nothing = |(_, answer): (usize, &Answer)| {
                answer.says_nothing_happened() && !self.is_of_afterwards(answer)
            };
            !attempt.answer.is_some_and(nothing)
        })
    }

    /// Whether an answer tells of what was there once the order had been done: who joins is shown the room, and may be
    /// out of it by then.
    fn is_of_afterwards(&self, answer: &Answer) -> bool {
        let is_no_room = |why: &Why| why.reason == "ROOM_NOT_FOUND";
        matches!(self.ask, Ask::Join { .. })
            && matches!(answer, Answer::Refused(why) if is_no_room(why))
    }

    /// The answers that say that it is done, each with its entry.
    pub(super) fn done(&self) -> impl Iterator<Item = (usize, &Done)> {
        self.attempts
            .iter()
            .filter_map(|attempt| match attempt.answer {
                Some((at, Answer::Done(done))) => Some((at, done)),
                _ => None,
            })
    }

    pub(super) fn first_asked(&self) -> usize {
        self.attempts
            .first()
            .map_or(usize::MAX, |attempt| attempt.asked)
    }
}

// === impl Attempt ===

impl Attempt<'_> {
    /// Where it was answered; after everything if it never was.
    pub(super) fn answered(&self) -> usize {
        self.answer.map_or(usize::MAX, |(at, _)| at)
    }

    fn is_doubtful(&self) -> bool {
        matches!(self.answer, None | Some((_, Answer::Doubtful(_))))
    }
}

// === impl Sight ===

impl Sight<'_> {
    pub(super) fn about(&self) -> About {
        let about = About::entry(self.entry).at(self.event.room, self.event.seq);
        match self.from {
            Source::Stream(stream) => about.stream(stream),
            Source::Page { .. } | Source::Walk => about,
        }
    }
}

/// Shorthand for a rule broken at a sight.
pub(super) fn broken_at(verdict: &mut Verdict, rule: Rule, sight: &Sight<'_>, what: String) {
    verdict.broken(rule, sight.about(), what);
}
