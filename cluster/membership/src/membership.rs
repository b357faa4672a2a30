//! [`Membership`]: the handle. What it answers comes from the last round that was read, without waiting.
//!
//! Leaves out: becoming a member (`entering`), the rounds (`rounds`) and the decisions (`algorithm`).

mod entering;
mod rounds;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use cluster_runtime::{TaskKind, Tasks};
use cluster_store::schema::SCHEMA_VERSION;
use cluster_store::{Store, StoreError};
use cluster_types::{BootId, Life, NodeId, Rng, Shard};
use parking_lot::{Mutex, RwLock};
use tokio::sync::Notify;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use crate::algorithm::Algorithm;
use crate::error::{JoinError, MoveError, WithdrawError};
use crate::limits::MOVE_WITHIN;
use crate::store;
use crate::{Addresses, Member, NodeState, Owner, Place, Tenant, Timing, View};

/// This node, as it shows itself to others.
#[derive(Clone, Debug)]
pub struct Myself {
    /// Its id, for ever.
    pub node: NodeId,
    /// Where it is reached.
    pub addresses: Addresses,
    /// The release that it runs.
    pub version: String,
}

/// What a membership is made of.
#[derive(Clone, Debug)]
pub struct Parts {
    /// The store of the cluster.
    pub store: Store,
    /// Where boot ids come from.
    pub rng: Rng,
    /// The rounds run among these, until they stop.
    pub tasks: Tasks,
    /// This node.
    pub myself: Myself,
    /// How fast the cluster notices and moves; the same on all nodes.
    pub timing: Timing,
}

impl Parts {
    /// A node that nobody has to reach, at the usual pace: for [`Membership::alone`].
    pub fn unreachable(store: Store, node: NodeId, rng: Rng, tasks: Tasks) -> Self {
        Self {
            store,
            rng,
            tasks,
            myself: Myself {
                node,
                addresses: Addresses::default(),
                version: String::new(),
            },
            timing: Timing::default(),
        }
    }
}

/// A node's place in the cluster. A cheap handle; clones are the same.
#[derive(Clone)]
pub struct Membership {
    inner: Arc<Inner>,
}

struct Inner {
    parts: Parts,
    alone: bool,
    /// Where its monotonic clock begins.
    start: Instant,
    algorithm: Mutex<Algorithm>,
    /// What the algorithm has read.
    view: RwLock<Arc<View>>,
    /// There is another view.
    changed: Notify,
    /// Microseconds on the clock until when this node serves.
    serves_until: AtomicU64,
    /// What the node's row should say; `algorithm` goes by what it says.
    wanted: Mutex<NodeState>,
    /// It reaches too few others.
    cut_off: AtomicBool,
    /// An operator wants it drained, as was read last: in the next life of this process, too.
    withdrawn: AtomicBool,
    rounds: Mutex<Rounds>,
    /// A round has ended. Whoever waits is woken in turn, so that a simulation is the same twice.
    round_ended: Notify,
    /// A round should begin before its time.
    hurry: Notify,
    /// Why it has not taken the store yet that it is to have alone.
    kept_out: Mutex<Option<StoreError>>,
    /// Shards handed over that no line in the log has told of, by who has them now.
    handed: Mutex<BTreeMap<NodeId, usize>>,
    tenant: OnceLock<Arc<dyn Tenant>>,
    /// The rounds should end.
    stop: CancellationToken,
    /// They have ended.
    ended: CancellationToken,
}

/// Counts rounds.
#[derive(Clone, Copy, Debug, Default)]
struct Rounds {
    begun: u64,
    ended: u64,
}

impl Membership {
    /// Becomes a member of the cluster on this store, and stays one. Takes no shards before [`Membership::serve`]. If
    /// an earlier life of this node was left behind, waits a lease to see that it is over.
    ///
    /// # Errors
    /// If another process with this node id is alive, if a node has the store to itself, if a member is too far from
    /// this release, or if the store fails.
    pub async fn join(parts: Parts) -> Result<Self, JoinError> {
        let membership = Self::outside(parts, false);
        let inner = &membership.inner;
        inner.enter().await?;
        let rounds = Arc::clone(inner);
        let tasks = &inner.parts.tasks;
        tasks.spawn(TaskKind::Membership, "membership", rounds.run());
        Ok(membership)
    }

    /// Takes a store that one process can open at a time: owns all shards, and nobody else may join. Sends no
    /// heartbeats. If members of a cluster were left behind, waits a lease to see that they are gone. On a store
    /// without space it owns nothing yet, so that no room is written while all can be read, and goes on trying.
    ///
    /// # Errors
    /// If a member of a cluster is alive, or if the store fails in another way.
    pub async fn alone(parts: Parts) -> Result<Self, JoinError> {
        let timing = Timing {
            serve_for: Duration::MAX,
            ..parts.timing
        };
        let membership = Self::outside(Parts { timing, ..parts }, true);
        let inner = &membership.inner;
        match inner.take_store().await {
            Ok(()) => inner.ended.cancel(),
            Err(JoinError::Store(full @ StoreError::Full)) => {
                *inner.kept_out.lock() = Some(full);
                tracing::error!(
                    "no space is left in the store: rooms can be read, and written once there is some"
                );
                let later = Arc::clone(inner).take_store_later();
                let tasks = &inner.parts.tasks;
                tasks.spawn(TaskKind::Membership, "membership", later);
            }
            Err(error) => return Err(error),
        }
        Ok(membership)
    }

    fn outside(parts: Parts, alone: bool) -> Self {
        let boot = BootId::random(&parts.rng);
        let node = parts.myself.node;
        let algorithm = Algorithm::new(Life { node, boot }, parts.timing);
        let wanted = if alone {
            NodeState::Serving
        } else {
            NodeState::Joining
        };
        let inner = Inner {
            alone,
            start: Instant::now(),
            view: RwLock::new(Arc::clone(algorithm.view())),
            changed: Notify::new(),
            algorithm: Mutex::new(algorithm),
            serves_until: AtomicU64::new(0),
            wanted: Mutex::new(wanted),
            cut_off: AtomicBool::new(false),
            withdrawn: AtomicBool::new(false),
            rounds: Mutex::default(),
            round_ended: Notify::new(),
            hurry: Notify::new(),
            kept_out: Mutex::default(),
            handed: Mutex::default(),
            tenant: OnceLock::new(),
            stop: parts.tasks.stopping().child_token(),
            ended: CancellationToken::new(),
            parts,
        };
        Self {
            inner: Arc::new(inner),
        }
    }

    /// This node in the life of now: after an eviction it is another one.
    pub fn myself(&self) -> Life {
        self.view().me()
    }

    /// Where the rooms of a shard live now, as far as this node knows.
    pub fn place(&self, shard: Shard) -> Place {
        let serves = self.is_serving();
        self.view().place(shard, serves)
    }

    /// Why this node, which is [alone](Membership::alone), owns nothing yet. Until that is over there is no place
    /// for any room, and no use in waiting for one.
    pub fn kept_out(&self) -> Option<StoreError> {
        self.inner.kept_out.lock().clone()
    }

    /// Whether this node serves what it owns: it has renewed its row lately.
    pub fn is_serving(&self) -> bool {
        let until = self.inner.serves_until.load(Ordering::Acquire);
        micros(self.inner.now()) < until
    }

    /// Whether what one node does for the whole store is this one's: it has the first shard. For a moment two may
    /// think so, so whatever hangs on it has to be right if two do it.
    pub fn is_caretaker(&self) -> bool {
        matches!(self.place(Shard::FIRST), Place::Here(_))
    }

    /// Waits until this node [is the caretaker](Membership::is_caretaker).
    pub async fn until_caretaker(&self) {
        self.until(Self::is_caretaker).await;
    }

    /// Waits until this node has given up being the caretaker.
    pub async fn until_no_caretaker(&self) {
        self.until(|membership| !membership.is_caretaker()).await;
    }

    /// Waits until all members write this version of the schema, or a newer one: rows of that form can be read by all.
    pub async fn until_all_write(&self, version: u32) {
        let all = |membership: &Self| {
            let view = membership.view();
            view.members()
                .all(|member| member.schema_version >= version)
        };
        self.until(all).await;
    }

    /// Waits for something that the next round may bring. Whether this node serves changes without one.
    async fn until(&self, is_so: impl Fn(&Self) -> bool) {
        loop {
            // From here on, for a round that ends right after the look counts.
            let ended = self.inner.round_ended.notified();
            if is_so(self) {
                return;
            }
            let _elapsed = timeout(self.inner.parts.timing.heartbeat_every, ended).await;
        }
    }

    /// The cluster as this node has read it last.
    pub fn view(&self) -> Arc<View> {
        self.inner.view()
    }

    /// Waits for a view that is not `seen`, and returns the newest. Those who wait are woken in turn, so that a
    /// simulation is the same twice; a `watch` wakes them in an order that it draws.
    pub async fn view_after(&self, seen: &Arc<View>) -> Arc<View> {
        loop {
            // From here on, for a change right after the look counts.
            let changed = self.inner.changed.notified();
            let view = self.view();
            if !Arc::ptr_eq(&view, seen) {
                return view;
            }
            changed.await;
        }
    }

    /// Reads the store now: somebody has said that an owner has changed. Returns once a round that began after
    /// this call has ended, whether or not it succeeded. Those who ask at the same time share it.
    pub async fn look(&self) {
        let inner = &self.inner;
        let wanted = inner.rounds.lock().begun + 1;
        inner.hurry.notify_one();
        inner.until(|| inner.rounds.lock().ended >= wanted).await;
    }

    /// Another node says that it has handed shards over, and to whom ([`Tenant::handed`]). Does not wait; if it is not
    /// true, the next round shows that.
    pub fn hear(&self, handed: &[(Shard, Owner)]) {
        self.inner.hear(handed);
    }

    /// From now on this node claims and is handed what falls to it, for `tenant`. To be called once.
    pub fn serve(&self, tenant: Arc<dyn Tenant>) {
        let inner = &self.inner;
        if inner.tenant.set(tenant).is_err() {
            return;
        }
        let view = self.view();
        let own: Vec<_> = view.shards_of(view.me()).collect();
        inner.tell(&own, |tenant, shards| tenant.gained(shards));
        inner.want(NodeState::Serving);
    }

    /// Gives everything away. Returns when this node owns nothing, or nobody is there to take it. For a deadline
    /// drop the future: what was begun goes on.
    pub async fn drain(&self) {
        if self.inner.alone {
            return;
        }
        self.inner.want(NodeState::Draining);
        let drained = || {
            let view = self.view();
            let serving = |member: &Arc<Member>| member.state == NodeState::Serving;
            let me = view.living(view.me());
            let owns = view.shards_of(view.me()).next().is_some();
            let draining = me.is_some_and(|member| member.state == NodeState::Draining);
            let heirs = view.members().any(serving);
            draining && (!owns || !heirs)
        };
        self.inner.until(drained).await;
    }

    /// Has a node give everything away and take nothing until its process starts anew, or take part again. Whichever node is
    /// asked; that one does it within some rounds. It serves what nobody else takes.
    ///
    /// # Errors
    /// If there is no such member, if it is alone, or if the store fails.
    pub async fn withdraw(&self, node: NodeId, withdrawn: bool) -> Result<(), WithdrawError> {
        store::withdraw(&self.inner.parts.store, node, withdrawn).await?;
        self.inner.hurry.notify_one();
        Ok(())
    }

    /// Whether this node reaches too few of the others to be of use to them: then it gives everything away as if it
    /// were [withdrawn](Membership::withdraw).
    pub fn set_cut_off(&self, cut_off: bool) {
        let before = self.inner.cut_off.swap(cut_off, Ordering::AcqRel);
        if before != cut_off {
            self.inner.hurry.notify_one();
        }
    }

    /// Whether this node gives its shards away and takes none, as all others know, and one of them takes them.
    pub fn gives_away(&self) -> bool {
        let view = self.view();
        let me = view.living(view.me());
        let drains = me.is_some_and(|member| member.state == NodeState::Draining);
        drains && view.has_heirs()
    }

    /// Moves a shard to a member, where it stays as long as that member lives and takes shards. Whichever node is
    /// asked; its owner hands it over.
    ///
    /// # Errors
    /// If the node takes no shards, the shard has not moved in time, or the store fails.
    pub async fn move_shard(&self, shard: Shard, to: NodeId) -> Result<(), MoveError> {
        let Parts { store, rng, .. } = &self.inner.parts;
        let life = store::pin(store, rng, shard, to).await?;
        self.inner.hurry.notify_one();
        let moved = || self.view().owner(shard).life == Some(life);
        let _waited = timeout(MOVE_WITHIN, self.inner.until(moved)).await;
        if moved() {
            Ok(())
        } else {
            Err(MoveError::Late)
        }
    }

    /// An orderly end: this node's row is removed, and its rounds end. What it still owns is claimed by others at
    /// once, so [drain](Membership::drain) first.
    pub async fn leave(&self) {
        let inner = &self.inner;
        inner.stop.cancel();
        // Nothing may enter anew behind the removal.
        inner.ended.cancelled().await;
        inner.serves_until.store(0, Ordering::Release);
        let node = self.myself();
        match store::leave(&inner.parts.store, node).await {
            Ok(()) if inner.alone => {}
            Ok(()) => tracing::info!(node = %node.node, "left the cluster"),
            Err(error) => tracing::warn!(
                node = %node.node,
                error = &error as &dyn std::error::Error,
                "could not say that it leaves: others wait a lease for it"
            ),
        }
    }
}

impl Inner {
    fn now(&self) -> Duration {
        self.start.elapsed()
    }

    /// This node as its row should say.
    fn member(&self) -> Member {
        let Myself {
            addresses, version, ..
        } = &self.parts.myself;
        Member {
            life: self.view().me(),
            addresses: addresses.clone(),
            version: version.clone(),
            schema_version: SCHEMA_VERSION,
            state: self.due_state(),
            alone: self.alone,
            withdrawn: self.withdrawn.load(Ordering::Acquire),
        }
    }

    fn view(&self) -> Arc<View> {
        Arc::clone(&self.view.read())
    }

    /// What this node's row should say: who would serve drains if it is not to.
    fn due_state(&self) -> NodeState {
        let wanted = *self.wanted.lock();
        let is = |flag: &AtomicBool| flag.load(Ordering::Acquire);
        if wanted == NodeState::Serving && (is(&self.withdrawn) || is(&self.cut_off)) {
            NodeState::Draining
        } else {
            wanted
        }
    }

    fn want(&self, state: NodeState) {
        *self.wanted.lock() = state;
        self.hurry.notify_one();
    }

    fn tell<T>(&self, about: &[T], what: impl Fn(&dyn Tenant, &[T])) {
        if let Some(tenant) = self.tenant.get()
            && !about.is_empty()
        {
            what(&**tenant, about);
        }
    }

    /// Waits until something is so, which is looked at after each round, or there will be no more rounds.
    async fn until(&self, is_so: impl Fn() -> bool) {
        let so = async {
            loop {
                // From here on, for a round that ends right after the look counts.
                let ended = self.round_ended.notified();
                if is_so() {
                    return;
                }
                ended.await;
            }
        };
        tokio::select! {
            biased;
            () = self.ended.cancelled() => {}
            () = so => {}
        }
    }
}

fn micros(span: Duration) -> u64 {
    u64::try_from(span.as_micros()).unwrap_or(u64::MAX)
}

impl fmt::Debug for Membership {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Membership")
            .field("myself", &self.myself())
            .finish_non_exhaustive()
    }
}
