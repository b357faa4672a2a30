//! What goes wrong in a model, and how often.

use std::time::Duration;

use cluster_types::{SHARDS, Shard};

use super::{Algorithm, Model, NodeState, Step};

/// What goes wrong: odds are parts in 1,000,000.
#[derive(Clone, Copy, Debug)]
pub(in super::super) struct Turmoil {
    /// Transactions whose outcome nobody hears; half of them happen.
    pub(in super::super) unknown: u64,
    /// A transaction takes up to this, twice.
    pub(in super::super) delay_max: Duration,
    /// How long rooms take to finish before a hand-over, at most.
    pub(in super::super) release_max: Duration,
    /// Steps after which a node does nothing for up to three leases.
    pub(in super::super) pause: u64,
    /// Steps after which the store does nothing for up to three leases.
    pub(in super::super) stall: u64,
    /// Steps after which a node dies.
    pub(in super::super) death: u64,
    /// Steps after which a node that is gone comes back.
    pub(in super::super) birth: u64,
    /// Steps after which a node is drained.
    pub(in super::super) drain: u64,
    /// Steps after which somebody pins a shard somewhere.
    pub(in super::super) pin: u64,
}

impl Turmoil {
    pub(in super::super) const NONE: Self = Self {
        unknown: 0,
        delay_max: Duration::from_millis(5),
        release_max: Duration::ZERO,
        pause: 0,
        stall: 0,
        death: 0,
        birth: 0,
        drain: 0,
        pin: 0,
    };

    pub(in super::super) const ROUGH: Self = Self {
        unknown: 50_000,
        delay_max: Duration::from_millis(40),
        release_max: Duration::from_millis(500),
        pause: 3_000,
        stall: 1_000,
        death: 2_000,
        birth: 100_000,
        drain: 1_000,
        pin: 10_000,
    };
}

impl Model {
    pub(in super::super) fn kill(&mut self, node: usize) {
        self.nodes[node].alive = false;
        self.nodes[node].process += 1;
    }

    pub(in super::super) fn restart(&mut self, node: usize) {
        let life = self.life(self.nodes[node].life.node);
        let node_state = &mut self.nodes[node];
        node_state.process += 1;
        node_state.alive = true;
        node_state.drains = false;
        node_state.occupant = None;
        node_state.life = life;
        node_state.algorithm = Algorithm::new(life, self.timing);
        self.plan(node, Duration::ZERO, Step::Start);
    }

    pub(in super::super) fn pause(&mut self, node: usize, span: Duration) {
        self.nodes[node].paused_until = self.now + span;
    }

    pub(in super::super) fn stall(&mut self, span: Duration) {
        self.stalled_until = self.now + span;
    }

    pub(in super::super) fn drain(&mut self, node: usize) {
        let id = self.nodes[node].life;
        self.nodes[node].drains = true;
        if let Some((member, _)) = self.rows.get_mut(&id.node).filter(|row| row.0.life == id) {
            member.state = NodeState::Draining;
        }
    }

    pub(in super::super) fn pin(&mut self, shard: Shard, node: usize) {
        self.owners[shard.index()].pin = Some(self.nodes[node].life);
        self.mark += 1;
    }

    pub(super) fn make_trouble(&mut self, node: usize) {
        let Turmoil {
            pause,
            stall,
            death,
            birth,
            drain,
            pin,
            ..
        } = self.turmoil;
        let span = self.rng.jitter(self.timing.lease * 3);
        let other = usize::try_from(self.rng.below(self.nodes.len() as u64)).expect("small");
        if self.rng.one_in_million(pause) {
            self.pause(node, span);
        }
        if self.rng.one_in_million(stall) {
            self.stall(span);
        }
        if self.rng.one_in_million(death) {
            self.kill(node);
        }
        if !self.nodes[other].alive && self.rng.one_in_million(birth) {
            self.restart(other);
        }
        if self.nodes[other].alive && self.rng.one_in_million(drain) {
            self.drain(other);
        }
        if self.rng.one_in_million(pin) {
            let shard = u16::try_from(self.rng.below(u64::from(SHARDS))).expect("small");
            self.pin(Shard::try_from(shard).expect("a shard"), other);
        }
    }
}
