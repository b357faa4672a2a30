//! The protocol: who belongs to the cluster, who owns which shard, and when either changes.
//!
//! # Durable state
//!
//! Four tables, written by transactions of `store` alone.
//! - `Node`: a node is a **member** in the life whose boot id this row has. Changes rarely.
//! - `NodeHeartbeat`: a count beside it, which the member renews.
//! - `ShardOwner`: the life that owns a shard, its **epoch**, and the life that an operator wants it with (its
//!   **pin**). The owner may have ended: then the shard waits to be claimed.
//! - `ShardMark`: a random mark, new with every change of an owner, so that nobody reads 1,024 rows for nothing.
//!
//! # Local state
//!
//! The last [`View`] that was read; for each other member the heartbeat that was seen last, since when, and in
//! how many rounds ([`Sighting`]); when the last heartbeat of its own began that is known to have succeeded. **What
//! a node believes of owners is what it has read last**: after each claim and hand-over, whatever the store said of it,
//! it reads again. So an unknown outcome is no special case. Of hand-overs it believes before that what it is told by
//! whoever knows that they were committed, itself or another ([`Algorithm::hear`]), until a round that began later has
//! read them: so a shard is where it was handed to without a round of anybody in between.
//!
//! # A life
//!
//! ```text
//!          enter            serve            drain            leave
//! outside ───────► joining ───────► serving ───────► draining ───────► gone
//!    ▲                │                │                │
//!    └────────────────┴─── evicted ────┴────────────────┘   with a new boot id
//! ```
//!
//! A serving node drains too while an operator has **withdrawn** it, or while it reaches too few of the others to be
//! of use to them or does not know yet whether it does, and serves again afterwards.
//!
//! A **round** begins every [`Timing::heartbeat_every`]. In one transaction the node checks that its `Node` row has
//! its boot id, counts its heartbeat up, and reads all members with their heartbeats, and the owners if the mark is
//! new. If its row is gone or another's, it was **evicted**: it owns nothing, and enters anew. Then it decides
//! ([`Algorithm::plan`]), unless it is joining:
//! - It **evicts** who has been silent for a lease: its rows are removed, if its heartbeat has not moved since.
//! - It **claims** a shard whose owner is no member, if the shard falls to it: owner = itself, epoch + 1, if the
//!   owner row is as it was read, its life has ended still, and the claimant is a member.
//! - It **hands over** a shard of its own that falls to another member: it stops to serve it, has its rooms finish
//!   what is under way, and writes owner = the other, epoch + 1, if the owner row is as it was read, and both are
//!   members.
//!
//! A shard **falls to** the member of its pin; else to the one that [`Placement`] puts first; in both cases among
//! members that are serving. It is handed to nobody whose heartbeat is late. While no member serves, what has no owner falls
//! to those who drain, and nothing is handed over.
//!
//! A node **serves** its shards until [`Timing::serve_for`] after the beginning of its last round that is known to
//! have succeeded. Then it is **suspended** until a round succeeds: it owns them, and says that nobody does.
//!
//! # Safety
//!
//! *Rooms of a shard are written by the life that owns it, and by no other.* The owner is one row. Whoever writes
//! for a room reads that row in the same transaction (`fence`) and goes on only if it has this life and this epoch.
//! Transactions are serializable, so a write that commits does so before the next change of the row or not at all.
//! No clock, no heartbeat and no view is part of this argument. Epochs only grow, since each change reads the row that
//! it replaces.
//!
//! *Two nodes serve a shard at the same time only if clocks differ by more than a tenth* (and even then one of
//! them is fenced at its first write). A hand-over begins after its owner has stopped to serve. A claim needs an
//! eviction, and that needs a lease of the observer in which it saw one heartbeat unmoved, counted from after it was
//! read. The evicted one had begun that heartbeat before, and served for less than a lease after that; the difference
//! covers the drift ([`Timing::is_covered`]).
//!
//! *Nobody is evicted whose heartbeats commit where the observer reads them.* It counts rounds of its own that have
//! read the store: while the store stalls for all, nobody counts; when it answers again, everybody's next heartbeat
//! commits before anybody has counted enough rounds, since those are a heartbeat's period apart.
//!
//! # Liveness
//!
//! A member that dies is seen for the last time in the next round of each observer, evicted by one of them
//! [`Timing::lease_rounds`] rounds later, and its shards are claimed in the round of each member after that, in batches
//! ([`CLAIMS_AT_ONCE`]). That needs one member that is serving or drains, whose transactions commit.
//!
//! All nodes compute the same placement from the same members, so that once members stay, shards move until each is
//! where it falls, and then stay. A newcomer is handed what falls to it, [`Timing::moves_at_once`] from each owner and
//! round; nothing else moves. Two nodes that have read different members may want the same shard: the transaction of one
//! of them finds the row changed, and reads again.
//!
//! # What the caller must do
//!
//! - Hand in each round that succeeded ([`Algorithm::observe`]), with times from one monotonic clock, the beginning
//!   taken before the transaction began; hand in nothing of a round that failed or whose outcome is unknown.
//! - Ask for the plan after it, carry it out by transactions that check what is said above, and read again at once
//!   if there was anything to do.
//! - Say when a hand-over is over, however it ended ([`Algorithm::settle`]), what it is known to have changed
//!   ([`Algorithm::hear`]), and when the node has been evicted ([`Algorithm::evicted`]).
//! - Tell the other nodes what has been handed over ([`Changes::handed`]), and hand in what they tell
//!   ([`Algorithm::hear`]). That is a matter of milliseconds, and of nothing else: who is not told reads it.
//! - Never write a room but behind the fence.

mod placement;
mod sighting;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use cluster_types::{Epoch, Life, NodeId, Shard};

pub(crate) use sighting::{Beat, Round, Sighting};

use crate::limits::{CLAIMS_AT_ONCE, DRAIN_AT_ONCE, QUIET_ROUNDS};
use crate::{Member, NodeState, Owner, Timing, View};
use placement::Placement;

/// What is random in the row that changes with every owner; zeros before the first.
pub(crate) type Mark = [u8; 16];

/// What one round has read, of one moment of the store.
#[derive(Clone, Debug)]
pub(crate) struct Reading {
    /// All members with their heartbeats.
    pub(crate) members: Vec<(Member, u64)>,
    /// All owners, by shard, under which mark; nothing if the mark is the one of the last reading.
    pub(crate) owners: Option<(Mark, Arc<[Owner]>)>,
}

/// What a reading has changed for this node.
#[derive(Debug, Default, Eq, PartialEq)]
pub(crate) struct Changes {
    /// Shards that it owns, and did not own under this epoch.
    pub(crate) gained: Vec<Shard>,
    /// Shards that it does not own any more and has not handed over.
    pub(crate) lost: Vec<Shard>,
    /// Shards that it has handed over, with their owners.
    pub(crate) handed: Vec<(Shard, Owner)>,
}

/// What to do next.
#[derive(Debug, Default, Eq, PartialEq)]
pub(crate) struct Plan {
    /// Members to evict, if this is their heartbeat still.
    pub(crate) evict: Vec<(NodeId, Beat)>,
    /// Shards to claim, with their rows as read.
    pub(crate) claim: Vec<(Shard, Owner)>,
    /// Shards to hand over, after they have been released.
    pub(crate) hand_over: Vec<Move>,
}

/// A shard to hand over.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Move {
    pub(crate) shard: Shard,
    /// Its row as read.
    pub(crate) found: Owner,
    pub(crate) to: Life,
}

/// What one node knows, and how it decides. Times are on its own monotonic clock.
#[derive(Debug)]
pub(crate) struct Algorithm {
    timing: Timing,
    view: Arc<View>,
    /// All owners as they were read last.
    read: Arc<[Owner]>,
    mark: Option<Mark>,
    /// Later owners that it was told of, and when.
    told: BTreeMap<Shard, (Owner, Duration)>,
    placement: Placement,
    sightings: BTreeMap<NodeId, Sighting>,
    /// What it owned in the last reading.
    held: BTreeMap<Shard, Epoch>,
    /// The owners that `held` was made of, and as whom.
    compared: Option<(Life, Arc<[Owner]>)>,
    /// The last view in which nothing was left to claim: most rounds see the same.
    claimed: Option<Arc<View>>,
    /// When its last heartbeat began that succeeded, in this life.
    renewed: Option<Duration>,
    /// When the round began in which shards were handed over last.
    moved: Option<Duration>,
    /// From when it is planned until a round has read what became of it.
    hand_over: Option<HandOver>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum HandOver {
    UnderWay,
    /// Since then; rounds that began earlier may not have seen it.
    Over(Duration),
}

impl Algorithm {
    pub(crate) fn new(me: Life, timing: Timing) -> Self {
        let view = View::new(me);
        Self {
            timing,
            read: Arc::clone(&view.owners),
            view: Arc::new(view),
            mark: None,
            told: BTreeMap::new(),
            placement: Placement::default(),
            sightings: BTreeMap::new(),
            held: BTreeMap::new(),
            compared: None,
            claimed: None,
            renewed: None,
            moved: None,
            hand_over: None,
        }
    }

    pub(crate) const fn view(&self) -> &Arc<View> {
        &self.view
    }

    /// The mark of the owners that were read last.
    pub(crate) const fn mark(&self) -> Option<Mark> {
        self.mark
    }

    /// Until when this node serves what it owns.
    pub(crate) fn serves_until(&self) -> Duration {
        let until = |begun: Duration| begun.saturating_add(self.timing.serve_for);
        self.renewed.map_or(Duration::ZERO, until)
    }

    /// Takes in a round whose heartbeat has succeeded.
    pub(crate) fn observe(&mut self, round: Round, reading: Reading) -> Changes {
        self.renewed = Some(round.begun);
        self.see(round, &reading);
        let released = self.view.releasing.clone();
        self.told.retain(|_, (_, since)| *since > round.begun);
        if matches!(self.hand_over, Some(HandOver::Over(since)) if since <= round.begun) {
            self.hand_over = None;
        }
        self.read(reading);
        self.compare(&released)
    }

    /// Takes in owners to whom shards were handed, as somebody says who knows.
    pub(crate) fn hear(&mut self, now: Duration, handed: &[(Shard, Owner)]) -> Changes {
        let later = |(shard, owner): &&(Shard, Owner)| owner.epoch > self.view.owner(*shard).epoch;
        let later: Vec<_> = handed.iter().filter(later).copied().collect();
        let told = later.iter().map(|(shard, owner)| (*shard, (*owner, now)));
        self.told.extend(told);
        if !later.is_empty() {
            let owners = self.owners();
            Arc::make_mut(&mut self.view).owners = owners;
        }
        self.compare(&self.view.releasing.clone())
    }

    /// What to do after a round.
    pub(crate) fn plan(&mut self, round: Round) -> Plan {
        let myself = self.view.living(self.view.me);
        let Some(state) = myself.map(|member| member.state) else {
            return Plan::default();
        };
        if state == NodeState::Joining {
            return Plan::default();
        }
        Plan {
            evict: self.silent(round),
            claim: self.claims(),
            hand_over: self.moves(round, state),
        }
    }

    /// The hand-over that was planned is over, well or not: the next round that begins now or later tells.
    pub(crate) fn settle(&mut self, now: Duration) {
        self.hand_over = self.hand_over.map(|_| HandOver::Over(now));
    }

    /// Whether, after a plan, all is handed over that falls to others.
    pub(crate) fn is_at_rest(&self, round: Round) -> bool {
        self.hand_over.is_none() && !self.has_just_moved(round)
    }

    /// This node has been evicted and goes on as `me`. Returns what it has lost.
    pub(crate) fn evicted(&mut self, me: Life) -> Vec<Shard> {
        self.renewed = None;
        let view = Arc::make_mut(&mut self.view);
        view.members.remove(&view.me.node);
        view.me = me;
        std::mem::take(&mut self.held).into_keys().collect()
    }

    fn see(&mut self, round: Round, reading: &Reading) {
        let mut seen = BTreeMap::new();
        for (member, count) in &reading.members {
            let Life { node, boot } = member.life;
            let beat = Beat {
                boot,
                count: *count,
            };
            let mut sighting = Sighting::new(beat, round);
            if let Some(earlier) = self.sightings.get(&node) {
                sighting = *earlier;
                sighting.see(beat, round, &self.timing);
            }
            if node != self.view.me.node {
                seen.insert(node, sighting);
            }
        }
        self.sightings = seen;
    }

    /// Makes a new view of what was read, if it differs.
    fn read(&mut self, reading: Reading) {
        let mut view = View::clone(&self.view);
        let members = reading.members.into_iter();
        view.members = members
            .map(|(member, _)| (member.life.node, Arc::new(member)))
            .collect();
        if let Some((mark, owners)) = reading.owners {
            self.mark = Some(mark);
            self.read = owners;
        }
        view.owners = self.owners();
        if self.hand_over.is_none() {
            view.releasing.clear();
        }
        // If nobody serves, those who drain take what has no owner.
        let takes = if view.has_heirs() {
            NodeState::Serving
        } else {
            NodeState::Draining
        };
        let takers = view.members.values();
        let takers = takers.filter(|member| member.state == takes);
        self.placement.update(takers.map(|member| member.life.node));
        if view != *self.view {
            self.view = Arc::new(view);
        }
    }

    /// What was read, and what was told since.
    fn owners(&self) -> Arc<[Owner]> {
        let mut owners = Arc::clone(&self.read);
        for (shard, (told, _)) in &self.told {
            if told.epoch > owners[shard.index()].epoch {
                Arc::make_mut(&mut owners)[shard.index()] = *told;
            }
        }
        owners
    }

    /// What this node owns now against what it owned before.
    fn compare(&mut self, released: &BTreeSet<Shard>) -> Changes {
        let me = self.view.me;
        let owners = &self.view.owners;
        let is_same = |(as_whom, of): &(Life, _)| *as_whom == me && Arc::ptr_eq(of, owners);
        if self.compared.as_ref().is_some_and(is_same) {
            return Changes::default();
        }
        self.compared = Some((me, Arc::clone(owners)));
        let held = self.view.shards_of(me);
        let held: BTreeMap<_, _> = held
            .map(|shard| (shard, self.view.owner(shard).epoch))
            .collect();
        let only = |one: &BTreeMap<Shard, Epoch>, other: &BTreeMap<Shard, Epoch>| -> Vec<Shard> {
            let differs = |(shard, epoch): &(&Shard, &Epoch)| other.get(shard) != Some(*epoch);
            one.iter()
                .filter(differs)
                .map(|(shard, _)| *shard)
                .collect()
        };
        let gained = only(&held, &self.held);
        let gone = only(&self.held, &held).into_iter();
        let (handed, lost): (Vec<_>, _) = gone.partition(|shard| released.contains(shard));
        self.held = held;
        let handed = handed
            .into_iter()
            .map(|shard| (shard, self.view.owner(shard)));
        Changes {
            gained,
            lost,
            handed: handed.collect(),
        }
    }

    fn silent(&self, round: Round) -> Vec<(NodeId, Beat)> {
        let silent = self.sightings.iter();
        silent
            .filter(|(_, sighting)| sighting.is_silent(round, &self.timing))
            .map(|(node, sighting)| (*node, sighting.beat()))
            .collect()
    }

    fn claims(&mut self) -> Vec<(Shard, Owner)> {
        let is_same = |claimed: &Arc<View>| Arc::ptr_eq(claimed, &self.view);
        if self.claimed.as_ref().is_some_and(is_same) {
            return Vec::new();
        }
        let me = Some(self.view.me);
        let orphans = Shard::all().map(|shard| (shard, self.view.owner(shard)));
        let claims: Vec<_> = orphans
            .filter(|(_, owner)| {
                owner
                    .life
                    .is_none_or(|life| self.view.living(life).is_none())
            })
            .filter(|(shard, owner)| self.falls_to(*shard, *owner) == me)
            .take(CLAIMS_AT_ONCE)
            .collect();
        self.claimed = claims.is_empty().then(|| Arc::clone(&self.view));
        claims
    }

    fn moves(&mut self, round: Round, state: NodeState) -> Vec<Move> {
        let draining = state == NodeState::Draining;
        let is_early = !draining && self.has_just_moved(round);
        if self.hand_over.is_some() || is_early || !self.view.has_heirs() {
            return Vec::new();
        }
        let me = self.view.me;
        let misplaced = |shard: &Shard| {
            let (shard, found) = (*shard, self.view.owner(*shard));
            let to = self.falls_to(shard, found)?;
            (to != me && !self.is_quiet(to.node)).then_some(Move { shard, found, to })
        };
        let at_once = if draining {
            DRAIN_AT_ONCE
        } else {
            self.timing.moves_at_once
        };
        let moves: Vec<_> = self
            .held
            .keys()
            .filter_map(misplaced)
            .take(at_once)
            .collect();
        if !moves.is_empty() {
            self.hand_over = Some(HandOver::UnderWay);
            self.moved = Some(round.begun);
            let view = Arc::make_mut(&mut self.view);
            view.releasing = moves.iter().map(|a_move| a_move.shard).collect();
        }
        moves
    }

    /// Whether it is too early for the next shards to be handed over.
    fn has_just_moved(&self, round: Round) -> bool {
        let since = |begun: Duration| round.begun < begun + self.timing.heartbeat_every;
        self.moved.is_some_and(since)
    }

    /// The member that should own a shard.
    fn falls_to(&self, shard: Shard, owner: Owner) -> Option<Life> {
        let serving = |member: &&Arc<Member>| member.state == NodeState::Serving;
        let pinned = owner
            .pin
            .and_then(|life| self.view.living(life))
            .filter(serving);
        let first = || self.view.member(self.placement.of(shard)?);
        pinned.or_else(first).map(|member| member.life)
    }

    /// Whether a node's heartbeat is late.
    fn is_quiet(&self, node: NodeId) -> bool {
        let sighting = self.sightings.get(&node);
        sighting.is_some_and(|sighting| sighting.rounds() >= QUIET_ROUNDS)
    }
}
