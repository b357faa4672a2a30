//! What goes wrong between nodes, and with one of them: drawn from the seed, like everything.
//!
//! Invariant: whatever is done is undone after a while, and at the end ([`Cluster::calm_down`]), so that
//! nothing has to hold for ever that a network cannot.

use std::time::Duration;

use cluster_types::Rng;

use super::{Cluster, Place};
use crate::history::{OnNode, OnWay, World as Happened};
use crate::limits::{
    CUT_OFF, DOWN, LATE_MAX, PACE_DRIFT, PACE_RIGHT, PAUSE, TROUBLE_EVERY, WAY_HELD,
};
use crate::node::node_id;
use crate::plan::{FaultKind, FaultKinds, among, millis, percent};

/// What can go wrong with nodes, in one seed.
#[derive(Clone, Debug)]
pub(super) struct Troubles {
    kinds: Vec<FaultKind>,
    /// Whether clocks of nodes go too fast and too slow.
    pub(super) drift: bool,
    /// The longest quiet between two, in milliseconds.
    quiet: u64,
}

/// What undoes something.
#[derive(Clone, Copy, Debug)]
pub(super) enum Repair {
    GoOn(usize),
    Release(usize, usize),
    InTime(usize, usize),
    Reach(usize),
}

impl Troubles {
    /// Some of what is allowed.
    pub(super) fn draw(rng: &Rng, kinds: &FaultKinds) -> Self {
        let of_nodes = [
            FaultKind::Crash,
            FaultKind::Pause,
            FaultKind::Partition,
            FaultKind::Links,
            FaultKind::CutOff,
        ];
        let drawn = of_nodes.map(|kind| (kind, percent(rng, 60) && kinds.has(kind)));
        let drawn = drawn.into_iter().filter(|(_, is_drawn)| *is_drawn);
        Self {
            kinds: drawn.map(|(kind, _)| kind).collect(),
            drift: percent(rng, 60) && kinds.has(FaultKind::Drift),
            quiet: among(rng, TROUBLE_EVERY),
        }
    }

    /// How fast the clock of a node goes that starts now.
    pub(super) fn pace(&self, rng: &Rng) -> u32 {
        if !self.drift {
            return PACE_RIGHT;
        }
        u32::try_from(among(rng, PACE_DRIFT)).unwrap_or(PACE_RIGHT)
    }

    pub(super) fn quiet(&self, rng: &Rng) -> Duration {
        millis(among(rng, 1..=self.quiet))
    }
}

impl Cluster {
    /// One more thing goes wrong.
    pub(super) fn make_trouble(&mut self) {
        let kinds = self.troubles.kinds.len() as u64;
        let kind = usize::try_from(self.rng.below(kinds.max(1))).unwrap_or_default();
        let Some(kind) = self.troubles.kinds.get(kind).copied() else {
            return;
        };
        let (one, other) = self.two();
        match kind {
            FaultKind::Crash => self.crash(one),
            FaultKind::Pause => self.pause(one),
            FaultKind::Partition => self.part(one, other),
            FaultKind::Links => self.disturb(one, other),
            FaultKind::CutOff => self.cut_off(one),
            // They are the store's and the clocks', and go their own ways.
            FaultKind::Unknown
            | FaultKind::Conflicts
            | FaultKind::Stalls
            | FaultKind::Full
            | FaultKind::Clocks
            | FaultKind::Drift
            | FaultKind::All => {}
        }
    }

    /// Undoes what has lasted long enough.
    pub(super) fn repair(&mut self) {
        while let Some(entry) = self.repairs.first_entry() {
            if entry.key().0 > self.now {
                break;
            }
            let repair = entry.remove();
            self.undo(repair);
        }
    }

    /// Undoes everything, at once.
    pub(super) fn calm_down(&mut self) {
        for repair in std::mem::take(&mut self.repairs).into_values() {
            self.undo(repair);
        }
        for place in &mut self.places {
            if let Place::Down(until) = place {
                *until = self.now;
            }
        }
    }

    fn crash(&mut self, one: usize) {
        let down = millis(among(&self.rng, DOWN));
        let drains = percent(&self.rng, 30);
        let Some(Place::Up(process)) = self.places.get_mut(one) else {
            return;
        };
        if drains && process.is_serving() {
            process.drain();
            self.note(one, OnNode::Drains);
        } else {
            self.note(one, OnNode::Dies);
            self.take_down(one, down);
        }
    }

    fn pause(&mut self, one: usize) {
        let span = self.a_while(PAUSE);
        let Some(Place::Up(process)) = self.places.get_mut(one) else {
            return;
        };
        if !std::mem::replace(&mut process.stands, true) {
            self.note(one, OnNode::Stands);
            self.later(span, Repair::GoOn(one));
        }
    }

    fn part(&mut self, one: usize, other: usize) {
        let span = self.a_while(WAY_HELD);
        let both = percent(&self.rng, 50);
        for (from, to) in [(one, other), (other, one)]
            .into_iter()
            .take(1 + usize::from(both))
        {
            self.network.hold(self.id(from), self.id(to));
            self.note_way(from, to, OnWay::Held);
            self.later(span, Repair::Release(from, to));
        }
    }

    fn disturb(&mut self, one: usize, other: usize) {
        if percent(&self.rng, 50) {
            self.network.sever(self.id(one), self.id(other));
            self.note_way(one, other, OnWay::Broken);
            return;
        }
        let (late, span) = (self.a_while(LATE_MAX), self.a_while(WAY_HELD));
        self.network.delay(self.id(one), self.id(other), late);
        let millis = u64::try_from(late.as_millis()).unwrap_or_default();
        self.note_way(one, other, OnWay::Late(millis));
        self.later(span, Repair::InTime(one, other));
    }

    fn cut_off(&mut self, one: usize) {
        let span = self.a_while(CUT_OFF);
        self.run.ground.disk.set_cut_off(number(one), true);
        self.note(one, OnNode::CutOff(true));
        self.later(span, Repair::Reach(one));
    }

    fn undo(&mut self, repair: Repair) {
        match repair {
            Repair::GoOn(one) => {
                if let Some(Place::Up(process)) = self.places.get_mut(one)
                    && process.stands
                {
                    process.go_on();
                    self.note(one, OnNode::GoesOn);
                }
            }
            Repair::Release(from, to) => {
                self.network.release(self.id(from), self.id(to));
                self.note_way(from, to, OnWay::Released);
            }
            Repair::InTime(from, to) => {
                self.network
                    .delay(self.id(from), self.id(to), Duration::ZERO);
                self.note_way(from, to, OnWay::Late(0));
            }
            Repair::Reach(one) => {
                self.run.ground.disk.set_cut_off(number(one), false);
                self.note(one, OnNode::CutOff(false));
            }
        }
    }

    /// Two that differ, in any order.
    fn two(&self) -> (usize, usize) {
        let count = self.places.len() as u64;
        let one = self.rng.below(count);
        let other = (one + 1 + self.rng.below(count - 1)) % count;
        let place = |number: u64| usize::try_from(number).unwrap_or_default();
        (place(one), place(other))
    }

    /// As likely short as long: each order of magnitude like any other.
    fn a_while(&self, longest: u64) -> Duration {
        let longest = longest >> self.rng.below(7);
        millis(among(&self.rng, 1..=longest.max(1)))
    }

    fn later(&mut self, span: Duration, repair: Repair) {
        self.serial += 1;
        self.repairs.insert((self.now + span, self.serial), repair);
    }

    fn id(&self, place: usize) -> cluster_types::NodeId {
        node_id(number(place))
    }

    pub(super) fn note(&self, place: usize, what: OnNode) {
        self.run
            .world
            .note_world(Happened::Node(number(place), what));
    }

    fn note_way(&self, from: usize, to: usize, what: OnWay) {
        let way = Happened::Way(number(from), number(to), what);
        self.run.world.note_world(way);
    }
}

/// The number of the node at this place: from 1, as the node that makes everything has 0.
pub(super) fn number(place: usize) -> u32 {
    u32::try_from(place + 1).unwrap_or(u32::MAX)
}
