//! A cluster without a runtime: several algorithms over rows in memory, in an order that a seed decides.
//!
//! Owns: [`Model`]. Each transaction happens at one moment and is answered later, or never with certainty; nodes pause,
//! die and come back, the store stalls, and clocks run up to a tenth too fast or too slow.
//!
//! Invariant: after every step, what the protocol promises is checked ([`Model::check`]).

mod links;
mod turmoil;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::sync::Arc;
use std::time::Duration;

use cluster_types::{BootId, Life, NodeId, Rng, SHARDS, Shard};

pub(super) use turmoil::Turmoil;

use super::super::{Algorithm, Beat, Mark, Move, Plan, Reading, Round, Sighting};
use crate::{Addresses, Member, NodeState, Owner, Place, Timing, View};

/// One node, or what is left of it.
pub(super) struct Node {
    pub(super) algorithm: Algorithm,
    pub(super) life: Life,
    /// Counts its processes: steps of an earlier one do not happen.
    process: u32,
    pub(super) alive: bool,
    /// Parts in 1,000 of real time.
    pub(super) rate: u32,
    paused_until: Duration,
    occupant: Option<Sighting>,
    /// When its heartbeat last happened.
    beat_at: Duration,
    drains: bool,
}

/// What a node does next.
#[derive(Debug)]
enum Step {
    Start,
    Enter,
    Begin,
    Transact {
        begun: Duration,
    },
    Return {
        begun: Duration,
        read: Option<Reading>,
    },
    Evicted,
    Act(Plan),
    HandOver(Vec<Move>),
    Hear(Vec<(Shard, Owner)>),
    Settle(Vec<(Shard, Owner)>),
}

struct Event {
    at: Duration,
    /// Of two at the same time the one that was planned first.
    order: u64,
    node: usize,
    process: u32,
    step: Step,
}

pub(super) struct Model {
    pub(super) now: Duration,
    pub(super) turmoil: Turmoil,
    pub(super) timing: Timing,
    pub(super) nodes: Vec<Node>,
    pub(super) owners: Vec<Owner>,
    pub(super) mark: u64,
    /// Evictions of nodes that were alive, and all of them.
    pub(super) evicted: (u32, u32),
    pub(super) steps: u64,
    rows: BTreeMap<NodeId, (Member, u64)>,
    events: BinaryHeap<Reverse<Event>>,
    rng: Rng,
    stalled_until: Duration,
    order: u64,
}

impl Model {
    pub(super) fn new(seed: u64, nodes: usize, turmoil: Turmoil) -> Self {
        let rng = Rng::seeded(seed);
        let timing = Timing::default();
        let mut model = Self {
            now: Duration::ZERO,
            turmoil,
            timing,
            nodes: Vec::new(),
            owners: vec![Owner::default(); usize::from(SHARDS)],
            mark: 0,
            evicted: (0, 0),
            steps: 0,
            rows: BTreeMap::new(),
            events: BinaryHeap::new(),
            rng,
            stalled_until: Duration::ZERO,
            order: 0,
        };
        (0..nodes).for_each(|_| model.add());
        model
    }

    /// One more node, which starts now.
    pub(super) fn add(&mut self) {
        let life = self.life(NodeId::random(&self.rng));
        let drift = u32::try_from(self.rng.below(200)).expect("small");
        self.nodes.push(Node {
            algorithm: Algorithm::new(life, self.timing),
            life,
            process: 0,
            alive: true,
            rate: 900 + drift,
            paused_until: Duration::ZERO,
            occupant: None,
            beat_at: Duration::ZERO,
            drains: false,
        });
        self.plan(self.nodes.len() - 1, Duration::ZERO, Step::Start);
    }

    pub(super) fn run(&mut self, span: Duration) {
        let end = self.now + span;
        self.run_until(end, |_| false);
    }

    /// Runs until `done` or `end`; whether it is done.
    pub(super) fn run_until(&mut self, end: Duration, done: impl Fn(&Self) -> bool) -> bool {
        while !done(self) {
            if self
                .events
                .peek()
                .is_none_or(|Reverse(event)| event.at > end)
            {
                self.now = end;
                return done(self);
            }
            let Some(Reverse(event)) = self.events.pop() else {
                continue;
            };
            self.now = event.at;
            let node = &self.nodes[event.node];
            if node.process != event.process {
                continue;
            }
            if node.paused_until > self.now {
                let later = node.paused_until - self.now;
                self.plan(event.node, later, event.step);
                continue;
            }
            self.steps += 1;
            let before = self.seen(event.node);
            self.step(event.node, event.step);
            if self.seen(event.node) != before {
                self.check();
            }
            self.make_trouble(event.node);
        }
        true
    }

    /// Shards whose owner serves them now.
    pub(super) fn served(&self) -> usize {
        let here = |node: &Node| {
            let now = node.clock(self.now);
            let place = move |shard: &Shard| node.place(*shard, now);
            Shard::all()
                .filter(move |shard| matches!(place(shard), Place::Here(_)))
                .count()
        };
        self.nodes.iter().filter(|node| node.alive).map(here).sum()
    }

    pub(super) fn shards_of(&self, node: usize) -> usize {
        let life = Some(self.nodes[node].life);
        self.owners
            .iter()
            .filter(|owner| owner.life == life)
            .count()
    }

    /// What a step can change of who serves what.
    fn seen(&self, node: usize) -> (u64, bool, Arc<View>) {
        let node = &self.nodes[node];
        let serves = node.clock(self.now) < node.algorithm.serves_until();
        (self.mark, serves, Arc::clone(node.algorithm.view()))
    }

    fn life(&self, node: NodeId) -> Life {
        let boot = BootId::random(&self.rng);
        Life { node, boot }
    }

    fn plan(&mut self, node: usize, later: Duration, step: Step) {
        self.order += 1;
        self.events.push(Reverse(Event {
            at: self.now + later,
            order: self.order,
            node,
            process: self.nodes[node].process,
            step,
        }));
    }

    /// A step that takes the time of a message to the store or back; to the store not before it answers.
    fn plan_away(&mut self, node: usize, step: Step) {
        let delay = self.rng.jitter(self.turmoil.delay_max);
        let stalled = self.stalled_until.saturating_sub(self.now);
        self.plan(node, delay + stalled, step);
    }

    /// Whether a transaction that can happen does, and whether its node hears so.
    fn outcome(&self) -> (bool, bool) {
        if self.rng.one_in_million(self.turmoil.unknown) {
            (self.rng.below(2) == 0, false)
        } else {
            (true, true)
        }
    }

    fn step(&mut self, node: usize, step: Step) {
        match step {
            Step::Start => self.plan_away(node, Step::Enter),
            Step::Enter => self.enter(node),
            Step::Begin => {
                let begun = self.nodes[node].clock(self.now);
                self.plan_away(node, Step::Transact { begun });
            }
            Step::Transact { begun } => self.heartbeat(node, begun),
            Step::Return { begun, read } => self.returned(node, begun, read),
            Step::Evicted => {
                let life = self.life(self.nodes[node].life.node);
                self.nodes[node].life = life;
                self.nodes[node].algorithm.evicted(life);
                self.plan_away(node, Step::Enter);
            }
            Step::Act(plan) => self.act(node, &plan),
            Step::HandOver(moves) => self.hand_over(node, &moves),
            Step::Hear(handed) => self.hear(node, &handed),
            Step::Settle(handed) => {
                self.hear(node, &handed);
                let now = self.nodes[node].clock(self.now);
                self.nodes[node].algorithm.settle(now);
            }
        }
    }

    fn enter(&mut self, node: usize) {
        let now = self.nodes[node].clock(self.now);
        let round = Round {
            begun: now,
            ended: now,
        };
        let life = self.nodes[node].life;
        let timing = self.timing;
        if let Some((found, count)) = self.rows.get(&life.node) {
            let beat = Beat {
                boot: found.life.boot,
                count: *count,
            };
            let occupant = &mut self.nodes[node].occupant;
            let sighting = occupant.get_or_insert(Sighting::new(beat, round));
            sighting.see(beat, round, &timing);
            if !sighting.is_silent(round, &timing) {
                let later = self.nodes[node].real(timing.heartbeat_every);
                return self.plan(node, later, Step::Enter);
            }
        }
        let member = Member {
            life,
            addresses: Addresses::default(),
            version: String::new(),
            schema_version: 1,
            state: NodeState::Serving,
            alone: false,
            withdrawn: false,
        };
        self.rows.insert(life.node, (member, 1));
        self.nodes[node].occupant = None;
        self.nodes[node].beat_at = self.now;
        self.plan_away(node, Step::Begin);
    }

    fn heartbeat(&mut self, node: usize, begun: Duration) {
        let Node {
            life, algorithm, ..
        } = &self.nodes[node];
        let (life, known) = (*life, algorithm.mark());
        let (happens, heard) = self.outcome();
        let own = self.rows.get_mut(&life.node);
        let Some(own) = own.filter(|(member, _)| member.life == life) else {
            return self.plan_away(node, Step::Evicted);
        };
        if happens {
            own.1 += 1;
            self.nodes[node].beat_at = self.now;
        }
        let read = heard.then(|| self.reading(known));
        self.plan_away(node, Step::Return { begun, read });
    }

    fn reading(&self, known: Option<Mark>) -> Reading {
        let mark = u128::from(self.mark).to_be_bytes();
        let owners = || (mark, Arc::from(&self.owners[..]));
        Reading {
            members: self.rows.values().cloned().collect(),
            owners: (known != Some(mark)).then(owners),
        }
    }

    fn returned(&mut self, node: usize, begun: Duration, read: Option<Reading>) {
        let state = &mut self.nodes[node];
        let ended = state.clock(self.now);
        let next = (begun + self.timing.heartbeat_every).saturating_sub(ended);
        let next = state.real(next);
        let Some(read) = read else {
            return self.plan(node, next, Step::Begin);
        };
        let round = Round { begun, ended };
        let changes = state.algorithm.observe(round, read);
        let mut plan = state.algorithm.plan(round);
        let hand_over = std::mem::take(&mut plan.hand_over);
        let view = Arc::clone(state.algorithm.view());
        let others = view
            .members()
            .any(|member| member.state == NodeState::Serving);
        let leaves = state.drains && (!others || view.shards_of(state.life).next().is_none());
        if leaves {
            let life = state.life;
            self.kill(node);
            self.rows.retain(|_, (member, _)| member.life != life);
            return;
        }
        self.tell(node, &changes);
        if !hand_over.is_empty() {
            let release = self.rng.jitter(self.turmoil.release_max);
            self.plan(node, release, Step::HandOver(hand_over));
        }
        if plan == Plan::default() {
            self.plan(node, next, Step::Begin);
        } else {
            self.plan_away(node, Step::Act(plan));
        }
    }

    fn act(&mut self, node: usize, plan: &Plan) {
        for (victim, beat) in &plan.evict {
            let row = self.rows.get(victim);
            let unmoved = row.is_some_and(|(member, count)| {
                let boot = member.life.boot;
                Beat {
                    boot,
                    count: *count,
                } == *beat
            });
            if unmoved && self.outcome().0 {
                self.check_eviction(*victim, *beat);
                self.rows.remove(victim);
            }
        }
        let life = self.nodes[node].life;
        if !plan.claim.is_empty() && self.is_member(life) && self.outcome().0 {
            for (shard, found) in &plan.claim {
                let ended = !found.life.is_some_and(|life| self.is_member(life));
                if self.owners[shard.index()] == *found && ended {
                    self.own(*shard, *found, life);
                }
            }
        }
        self.plan_away(node, Step::Begin);
    }

    fn hand_over(&mut self, node: usize, moves: &[Move]) {
        let life = self.nodes[node].life;
        let (happens, heard) = self.outcome();
        let mut handed = Vec::new();
        if self.is_member(life) && happens {
            for Move { shard, found, to } in moves {
                if self.owners[shard.index()] == *found && self.is_member(*to) {
                    self.own(*shard, *found, *to);
                    handed.push((*shard, self.owners[shard.index()]));
                }
            }
        }
        handed.retain(|_| heard);
        self.plan_away(node, Step::Settle(handed));
    }

    fn own(&mut self, shard: Shard, found: Owner, life: Life) {
        let epoch = found.epoch.next();
        let pin = found.pin.filter(|pin| *pin == life);
        self.owners[shard.index()] = Owner {
            life: Some(life),
            epoch,
            pin,
        };
        self.mark += 1;
    }

    fn is_member(&self, life: Life) -> bool {
        let row = self.rows.get(&life.node);
        row.is_some_and(|(member, _)| member.life == life)
    }

    /// Whoever is evicted was silent for a lease, on the fastest clock.
    fn check_eviction(&mut self, victim: NodeId, beat: Beat) {
        let node = self.nodes.iter().find(|node| node.life.node == victim);
        let node = node.expect("all nodes are known");
        self.evicted.1 += 1;
        if node.alive && node.life.boot == beat.boot {
            self.evicted.0 += 1;
            let silent = self.now - node.beat_at;
            assert!(
                silent * 11 >= self.timing.lease * 10,
                "evicted after {silent:?}"
            );
        }
    }

    /// At most one node serves a shard, and it is the one that the store names.
    fn check(&self) {
        let mut served = vec![None; usize::from(SHARDS)];
        for node in self.nodes.iter().filter(|node| node.alive) {
            let now = node.clock(self.now);
            if now >= node.algorithm.serves_until() {
                continue;
            }
            for shard in node.algorithm.view().shards_of(node.life) {
                let Place::Here(ownership) = node.place(shard, now) else {
                    continue;
                };
                let (life, epoch) = (Some(ownership.life), ownership.epoch);
                let other = served[shard.index()].replace(life);
                assert_eq!(other, None, "{shard} is served twice at {:?}", self.now);
                let owner = self.owners[shard.index()];
                assert_eq!(
                    (owner.life, owner.epoch),
                    (life, epoch),
                    "at {:?}",
                    self.now
                );
            }
        }
    }
}

impl Node {
    /// Where it believes a shard to be.
    fn place(&self, shard: Shard, now: Duration) -> Place {
        let serves = now < self.algorithm.serves_until();
        self.algorithm.view().place(shard, serves)
    }

    /// Its clock.
    fn clock(&self, now: Duration) -> Duration {
        now * self.rate / 1_000
    }

    /// How long a span on its clock takes; never too short.
    fn real(&self, span: Duration) -> Duration {
        span * 1_000 / self.rate + Duration::from_micros(1)
    }
}

impl PartialEq for Event {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Event {}

impl PartialOrd for Event {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Event {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.order).cmp(&(other.at, other.order))
    }
}
