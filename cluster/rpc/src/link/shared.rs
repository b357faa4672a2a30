//! [`Shared`]: whom this node should be linked with, and whom it is.
//!
//! Invariant: one line per node is linked, and only of a node that is a member in the life that it said.

use std::collections::BTreeMap;
use std::sync::Arc;

use cluster_runtime::{TaskKind, Tasks};
use cluster_types::{DeploymentId, Life, NodeId, Rng};
use parking_lot::{Mutex, RwLock};
use proto::cluster::v1::Hello;
use tokio::sync::Notify;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::complaints::Complaints;
use super::error::Refused;
use super::limits::{Limits, MEMBER_WITHIN};
use super::line::Line;
use super::network::Network;
use super::{Handler, Parts, Peer, dial, hello};

/// What all links of a node have in common.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) myself: Life,
    pub(super) deployment: DeploymentId,
    pub(super) network: Arc<dyn Network>,
    pub(super) handler: Arc<dyn Handler>,
    pub(super) tasks: Tasks,
    pub(super) rng: Rng,
    pub(super) limits: Limits,
    pub(super) complaints: Complaints,
    /// Cancelled once no link is opened or taken any more.
    pub(super) leaving: CancellationToken,
    /// Cancelled once every link has to end.
    pub(super) ended: CancellationToken,
    table: RwLock<Table>,
    /// Told whenever the table has changed. Whoever waits is woken in turn, so that a simulation is the same twice.
    changed: Notify,
}

#[derive(Debug, Default)]
struct Table {
    members: BTreeMap<NodeId, Member>,
    linked: BTreeMap<NodeId, Arc<Line>>,
    places: BTreeMap<NodeId, Arc<Place>>,
}

#[derive(Debug)]
struct Member {
    peer: Peer,
    /// Cancelled once it is no member in this life any more.
    gone: CancellationToken,
}

/// Where the links of one node take turns.
#[derive(Debug, Default)]
pub(super) struct Place {
    /// Held while a link is linked.
    pub(super) turn: tokio::sync::Mutex<()>,
    newest: Mutex<Option<Arc<Line>>>,
}

// === impl Place ===

impl Place {
    /// Makes `line` the newest of its node: the one before it ends.
    pub(super) fn supersede(&self, line: &Arc<Line>) {
        let older = self.newest.lock().replace(Arc::clone(line));
        if let Some(older) = older {
            older.superseded().cancel();
        }
    }

    /// Lets go of `line`, which has ended.
    pub(super) fn release(&self, line: &Arc<Line>) {
        let mut newest = self.newest.lock();
        if newest
            .as_ref()
            .is_some_and(|newest| Arc::ptr_eq(newest, line))
        {
            *newest = None;
        }
    }
}

// === impl Shared ===

impl Shared {
    pub(super) fn new(parts: Parts) -> Arc<Self> {
        let ended = parts.tasks.stopping().child_token();
        Arc::new(Self {
            myself: parts.myself,
            deployment: parts.deployment,
            network: parts.network,
            handler: parts.handler,
            tasks: parts.tasks,
            rng: parts.rng,
            limits: parts.limits,
            complaints: Complaints::default(),
            leaving: ended.child_token(),
            ended,
            table: RwLock::default(),
            changed: Notify::new(),
        })
    }

    pub(super) fn hello(&self) -> Hello {
        hello::hello(self.myself, self.deployment, &self.limits)
    }

    /// See [`Links::set_peers`](super::Links::set_peers).
    pub(super) fn set_peers(self: &Arc<Self>, mut peers: BTreeMap<NodeId, Peer>) {
        peers.remove(&self.myself.node);
        let mut gone = Vec::new();
        let mut table = self.table.write();
        table.members.retain(|node, member| {
            let stays = peers
                .get(node)
                .is_some_and(|peer| peer.life == member.peer.life);
            if !stays {
                gone.push(member.gone.clone());
            }
            stays
        });
        for (node, peer) in peers {
            if let Some(member) = table.members.get_mut(&node) {
                member.peer = peer;
                continue;
            }
            let member = Member {
                peer,
                gone: self.ended.child_token(),
            };
            if self.myself.node < node && !self.leaving.is_cancelled() {
                let linked = dial::keep_linked(Arc::clone(self), node, member.gone.clone());
                drop(self.tasks.spawn(TaskKind::Link, "link dialled", linked));
            }
            table.members.insert(node, member);
        }
        let Table {
            members, places, ..
        } = &mut *table;
        places.retain(|node, place| members.contains_key(node) || Arc::strong_count(place) > 1);
        drop(table);
        gone.iter().for_each(CancellationToken::cancel);
        self.changed.notify_waiters();
    }

    /// Where `node` is now, if it is a member.
    pub(super) fn address(&self, node: NodeId) -> Option<String> {
        let table = self.table.read();
        Some(table.members.get(&node)?.peer.address.clone())
    }

    /// Waits for a life to be a member. Returns what is cancelled once it is none any more.
    pub(super) async fn member(&self, life: Life) -> Result<CancellationToken, Refused> {
        let found = timeout(MEMBER_WITHIN, async {
            loop {
                // From here on, for a change right after the look counts.
                let changed = self.changed.notified();
                if let Some(gone) = self.gone(life) {
                    return gone;
                }
                changed.await;
            }
        });
        found.await.map_err(|_| Refused::NotAMember { life })
    }

    /// Where the links of `node` take turns.
    pub(super) fn place(&self, node: NodeId) -> Arc<Place> {
        let mut table = self.table.write();
        Arc::clone(table.places.entry(node).or_default())
    }

    pub(super) fn line(&self, node: NodeId) -> Option<Arc<Line>> {
        self.table.read().linked.get(&node).map(Arc::clone)
    }

    pub(super) fn is_linked(&self, node: NodeId) -> bool {
        self.table.read().linked.contains_key(&node)
    }

    pub(super) fn linked(&self) -> Vec<NodeId> {
        self.table.read().linked.keys().copied().collect()
    }

    /// Puts `line` into use.
    pub(super) fn link(&self, node: NodeId, line: &Arc<Line>) {
        self.table.write().linked.insert(node, Arc::clone(line));
    }

    /// Takes the line of `node` out of use.
    pub(super) fn unlink(&self, node: NodeId) {
        self.table.write().linked.remove(&node);
        self.changed.notify_waiters();
    }

    /// Waits until no line is in use.
    pub(super) async fn none_linked(&self) {
        loop {
            let changed = self.changed.notified();
            if self.table.read().linked.is_empty() {
                return;
            }
            changed.await;
        }
    }

    fn gone(&self, life: Life) -> Option<CancellationToken> {
        let table = self.table.read();
        let member = table.members.get(&life.node)?;
        (member.peer.life == life).then(|| member.gone.clone())
    }
}
