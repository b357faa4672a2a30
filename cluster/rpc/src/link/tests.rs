//! Links between nodes that are wired in memory, under paused time: what is promised, under trouble too.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use cluster_runtime::Tasks;
use cluster_types::{BootId, DeploymentId, Life, NodeId, Rng};
use parking_lot::Mutex;
use tokio::sync::watch;

use super::*;

mod asks;
mod life;
mod refused;

pub(in crate::link) const DEPLOYMENT: DeploymentId = DeploymentId::from_bytes([7; 16]);
pub(in crate::link) const A: NodeId = NodeId::from_bytes([1; 16]);
pub(in crate::link) const B: NodeId = NodeId::from_bytes([2; 16]);
pub(in crate::link) const SOON: Duration = Duration::from_secs(5);
/// Whoever is told this panics.
const PANIC: &[u8] = b"panic";

pub(in crate::link) const fn life(node: NodeId, boot: u8) -> Life {
    Life {
        node,
        boot: BootId::from_bytes([boot; 16]),
    }
}

/// What a handler has heard.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(in crate::link) enum Heard {
    Linked(NodeId),
    Unlinked(NodeId),
    Told(NodeId, Bytes),
    Asked(NodeId, Bytes),
}

/// Writes everything down. An ask is answered with its own body, unless it should be kept.
#[derive(Debug)]
pub(in crate::link) struct Ear {
    heard: watch::Sender<Vec<Heard>>,
    kept: Mutex<Option<Vec<Answer>>>,
}

impl Ear {
    pub(in crate::link) fn new() -> Arc<Self> {
        Arc::new(Self {
            heard: watch::Sender::new(Vec::new()),
            kept: Mutex::new(None),
        })
    }

    pub(in crate::link) fn keep_asks(&self) {
        *self.kept.lock() = Some(Vec::new());
    }

    pub(in crate::link) fn kept(&self) -> Vec<Answer> {
        self.kept.lock().replace(Vec::new()).unwrap_or_default()
    }

    pub(in crate::link) fn heard(&self) -> Vec<Heard> {
        self.heard.borrow().clone()
    }

    /// Waits until what was heard is as wanted.
    pub(in crate::link) async fn until(&self, wanted: impl FnMut(&Vec<Heard>) -> bool) {
        let mut heard = self.heard.subscribe();
        let waited = timeout(SOON, heard.wait_for(wanted)).await;
        assert!(waited.is_ok(), "heard only {:?}", self.heard());
    }

    pub(in crate::link) async fn until_last(&self, last: Heard) {
        self.until(|heard| heard.last() == Some(&last)).await;
    }

    fn hears(&self, heard: Heard) {
        self.heard.send_modify(|all| all.push(heard));
    }
}

impl Handler for Ear {
    fn linked(&self, peer: NodeId) {
        self.hears(Heard::Linked(peer));
    }

    fn unlinked(&self, peer: NodeId) {
        self.hears(Heard::Unlinked(peer));
    }

    fn told(&self, peer: NodeId, body: Bytes) {
        assert_ne!(body, PANIC, "asked for");
        self.hears(Heard::Told(peer, body));
    }

    fn asked(&self, peer: NodeId, body: Bytes, answer: Answer) {
        self.hears(Heard::Asked(peer, body.clone()));
        match &mut *self.kept.lock() {
            Some(kept) => kept.push(answer),
            None => answer.send(body),
        }
    }
}

/// One node.
#[derive(Debug)]
pub(in crate::link) struct Node {
    pub(in crate::link) links: Links,
    pub(in crate::link) ear: Arc<Ear>,
    pub(in crate::link) tasks: Tasks,
}

pub(in crate::link) fn start_with(
    network: &MemoryNetwork,
    myself: Life,
    deployment: DeploymentId,
    limits: Limits,
) -> Node {
    let (ear, tasks) = (Ear::new(), Tasks::new());
    let links = Links::start(Parts {
        myself,
        deployment,
        network: Arc::new(network.node(myself.node)),
        handler: Arc::clone(&ear) as Arc<dyn Handler>,
        tasks: tasks.clone(),
        rng: Rng::seeded(1),
        limits,
    });
    Node { links, ear, tasks }
}

pub(in crate::link) fn start(network: &MemoryNetwork, myself: Life) -> Node {
    start_with(network, myself, DEPLOYMENT, Limits::default())
}

pub(in crate::link) fn peers(lives: &[Life]) -> BTreeMap<NodeId, Peer> {
    let peer = |life: &Life| Peer {
        life: *life,
        address: life.node.to_string(),
    };
    lives.iter().map(|life| (life.node, peer(life))).collect()
}

/// Two nodes that are linked.
pub(in crate::link) async fn pair(network: &MemoryNetwork, limits: Limits) -> (Node, Node) {
    let (life_a, life_b) = (life(A, 1), life(B, 1));
    let a = start_with(network, life_a, DEPLOYMENT, limits);
    let b = start_with(network, life_b, DEPLOYMENT, limits);
    for node in [&a, &b] {
        node.links.set_peers(peers(&[life_a, life_b]));
    }
    a.ear.until_last(Heard::Linked(B)).await;
    b.ear.until_last(Heard::Linked(A)).await;
    (a, b)
}

pub(in crate::link) fn body(number: usize) -> Bytes {
    number.to_string().into()
}
