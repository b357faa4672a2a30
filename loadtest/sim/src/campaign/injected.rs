//! [`Injected`]: what went wrong around nodes, counted by kind.
//!
//! Leaves out: what came of it.

use cluster_store::FaultCounts;

use crate::history::{Answer, OnNode, OnWay, What, World};
use crate::limits::PACE_RIGHT;
use crate::plan::FaultKind;
use crate::run::Outcome;

/// What went wrong around the node, by kind.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Injected {
    pub(crate) store: FaultCounts,
    pub(crate) crashes: u64,
    pub(crate) restarts: u64,
    pub(crate) clock_jumps: u64,
    pub(crate) disks_full: u64,
    pub(crate) given_up: u64,
    pub(crate) pauses: u64,
    pub(crate) held: u64,
    pub(crate) late: u64,
    pub(crate) broken: u64,
    pub(crate) drifts: u64,
    pub(crate) cut_off: u64,
}

// === impl Injected ===

impl Injected {
    pub(super) fn of(outcome: &Outcome) -> Self {
        let mut injected = Self {
            store: outcome.faults,
            ..Self::default()
        };
        for entry in &outcome.history.entries {
            if let What::World(world) = &entry.what {
                injected.add_world(world);
            } else if let What::Answered { answer, .. } = &entry.what
                && let Answer::Doubtful(why) = answer
                && why.code == tonic::Code::Cancelled
            {
                injected.given_up += 1;
            }
        }
        injected
    }

    const fn add_world(&mut self, world: &World) {
        match world {
            World::Crashed => self.crashes += 1,
            World::Drained => self.restarts += 1,
            World::Clock { .. } => self.clock_jumps += 1,
            World::Full(true) => self.disks_full += 1,
            World::Node(_, on) => self.add_node(on),
            World::Way(_, _, OnWay::Held) => self.held += 1,
            World::Way(_, _, OnWay::Late(1..)) => self.late += 1,
            World::Way(_, _, OnWay::Broken) => self.broken += 1,
            World::Way(_, _, OnWay::Released | OnWay::Late(0))
            | World::Full(false)
            | World::Started { .. }
            | World::Weather(_)
            | World::Stray(_)
            | World::Unfenced(_)
            | World::Owned(_)
            | World::Settled
            | World::Files { .. } => {}
        }
    }

    const fn add_node(&mut self, on: &OnNode) {
        match on {
            OnNode::Dies => self.crashes += 1,
            OnNode::Ends => self.restarts += 1,
            OnNode::Stands => self.pauses += 1,
            OnNode::CutOff(true) => self.cut_off += 1,
            OnNode::Starts(PACE_RIGHT)
            | OnNode::Fails(_)
            | OnNode::Serves
            | OnNode::Drains
            | OnNode::GoesOn
            | OnNode::CutOff(false) => {}
            OnNode::Starts(_) => self.drifts += 1,
        }
    }

    /// How often what this kind stands for happened.
    pub(crate) const fn of_kind(&self, kind: FaultKind) -> u64 {
        let store = &self.store;
        match kind {
            FaultKind::Unknown => store.unknown_committed + store.unknown_lost,
            FaultKind::Conflicts => store.conflict + store.too_old + store.unavailable,
            FaultKind::Stalls => store.stall,
            FaultKind::Full => store.full,
            FaultKind::Crash => self.crashes + self.restarts,
            FaultKind::Clocks => self.clock_jumps,
            FaultKind::Pause => self.pauses,
            FaultKind::Partition => self.held,
            FaultKind::Links => self.broken + self.late,
            FaultKind::Drift => self.drifts,
            FaultKind::CutOff => self.cut_off,
            FaultKind::All => 0,
        }
    }

    /// Each kind by its name.
    pub(crate) const fn by_kind(&self) -> [(&'static str, u64); 19] {
        let store = &self.store;
        [
            ("unknown commits that happened", store.unknown_committed),
            ("unknown commits that did not", store.unknown_lost),
            ("conflicts", store.conflict),
            ("snapshots lost", store.too_old),
            ("store unavailable", store.unavailable),
            ("stalls", store.stall),
            ("delays", store.delay),
            ("commits without space", store.full),
            ("times the disk was full", self.disks_full),
            ("crashes", self.crashes),
            ("orderly restarts", self.restarts),
            ("clock jumps", self.clock_jumps),
            ("calls given up by clients", self.given_up),
            ("nodes that stood still", self.pauses),
            ("ways between nodes held", self.held),
            ("ways between nodes late", self.late),
            ("links broken", self.broken),
            ("lives of nodes with drifting clocks", self.drifts),
            ("nodes cut off from the store", self.cut_off),
        ]
    }
}

impl std::ops::AddAssign for Injected {
    fn add_assign(&mut self, other: Self) {
        let (to, from) = (&mut self.store, other.store);
        to.unknown_committed += from.unknown_committed;
        to.unknown_lost += from.unknown_lost;
        to.conflict += from.conflict;
        to.too_old += from.too_old;
        to.unavailable += from.unavailable;
        to.delay += from.delay;
        to.stall += from.stall;
        to.full += from.full;
        self.crashes += other.crashes;
        self.restarts += other.restarts;
        self.clock_jumps += other.clock_jumps;
        self.disks_full += other.disks_full;
        self.given_up += other.given_up;
        self.pauses += other.pauses;
        self.held += other.held;
        self.late += other.late;
        self.broken += other.broken;
        self.drifts += other.drifts;
        self.cut_off += other.cut_off;
    }
}
