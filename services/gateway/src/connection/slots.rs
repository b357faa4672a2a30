//! Places for connections: on the node, among the unauthenticated ones, and per address.
//!
//! Invariant: a place is given back by dropping it, so none is lost. Addresses are counted as keyed
//! hashes, and only while they have an unauthenticated connection.

use std::sync::Arc;

use cluster_types::{PeerAddr, Rng};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::counts::{Counted, Counts};
use crate::limits::ConnectionLimits;
use crate::metrics::{Gauged, Metrics};
use crate::peers::{PeerHash, Peers};

/// All places of a node.
#[derive(Debug)]
pub(crate) struct Slots {
    total: Arc<Semaphore>,
    total_max: u32,
    unauthenticated: Arc<Semaphore>,
    peers: Peers,
    per_peer: Counts<PeerHash>,
    metrics: Arc<Metrics>,
}

/// A place on the node.
#[derive(Debug)]
pub(crate) struct Slot {
    _permit: OwnedSemaphorePermit,
    _open: Gauged,
}

/// A place among the unauthenticated, not for any address yet.
#[derive(Debug)]
pub(crate) struct Waiting {
    permit: OwnedSemaphorePermit,
}

/// A place among the unauthenticated, and among those of one address.
#[derive(Debug)]
pub(crate) struct UnauthenticatedSlot {
    peer: Counted<PeerHash>,
    _permit: OwnedSemaphorePermit,
    _open: Gauged,
}

/// No place.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Full {
    /// On the node.
    Node,
    /// For this address.
    Address,
}

// === impl Slots ===

impl Slots {
    pub(crate) fn new(limits: &ConnectionLimits, rng: &Rng, metrics: Arc<Metrics>) -> Self {
        Self {
            total: semaphore(limits.count_max),
            total_max: limits.count_max,
            unauthenticated: semaphore(limits.unauthenticated_max),
            peers: Peers::new(rng),
            per_peer: Counts::new(limits.unauthenticated_per_address_max),
            metrics,
        }
    }

    /// Waits for a place among the unauthenticated.
    pub(crate) async fn wait(&self) -> Waiting {
        let permit = Arc::clone(&self.unauthenticated).acquire_owned().await;
        Waiting {
            permit: permit.expect("the semaphore of this node is never closed"),
        }
    }

    /// Places for a connection from `peer`.
    pub(crate) fn admit(
        &self,
        waiting: Waiting,
        peer: PeerAddr,
    ) -> Result<(Slot, UnauthenticatedSlot), Full> {
        let total = Arc::clone(&self.total).try_acquire_owned();
        let total = total.map_err(|_| Full::Node)?;
        let peer = self.per_peer.add(self.peers.hash(peer));
        let peer = peer.ok_or(Full::Address)?;
        let slot = Slot {
            _permit: total,
            _open: Gauged::new(&self.metrics, |m| &m.connections_open),
        };
        let unauthenticated = UnauthenticatedSlot {
            peer,
            _permit: waiting.permit,
            _open: Gauged::new(&self.metrics, |m| &m.connections_unauthenticated),
        };
        Ok((slot, unauthenticated))
    }

    /// Waits until every place on the node is free.
    pub(crate) async fn all_free(&self) {
        // The permits come back at once, and an error is impossible: it is never closed.
        let _ = self.total.acquire_many(self.total_max).await;
    }
}

fn semaphore(permits: u32) -> Arc<Semaphore> {
    let permits = usize::try_from(permits).unwrap_or(usize::MAX);
    Arc::new(Semaphore::new(permits.min(Semaphore::MAX_PERMITS)))
}

// === impl UnauthenticatedSlot ===

impl UnauthenticatedSlot {
    /// Whose it is.
    pub(crate) fn peer(&self) -> PeerHash {
        self.peer.key()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(host: u8) -> PeerAddr {
        PeerAddr::of(([127, 0, 0, host], 1).into())
    }

    fn slots(total: u32, unauthenticated: u32, per_peer: u32) -> (Slots, Arc<Metrics>) {
        let metrics = Arc::new(Metrics::default());
        let limits = ConnectionLimits {
            count_max: total,
            unauthenticated_max: unauthenticated,
            unauthenticated_per_address_max: per_peer,
            ..ConnectionLimits::default()
        };
        (
            Slots::new(&limits, &Rng::seeded(1), Arc::clone(&metrics)),
            metrics,
        )
    }

    #[tokio::test]
    async fn one_address_fills_its_own_places_and_no_others() {
        let (slots, metrics) = slots(10, 10, 2);
        let first = slots.admit(slots.wait().await, peer(1)).expect("free");
        let _second = slots.admit(slots.wait().await, peer(1)).expect("free");
        let third = slots.admit(slots.wait().await, peer(1));
        assert_eq!(third.map(drop), Err(Full::Address));
        let _other = slots.admit(slots.wait().await, peer(2)).expect("free");
        assert_eq!(metrics.snapshot().connections_open, 3);
        drop(first);
        let again = slots.admit(slots.wait().await, peer(1));
        assert_eq!(again.map(drop), Ok(()));
    }

    #[tokio::test]
    async fn an_authenticated_connection_counts_on_the_node_alone() {
        let (slots, metrics) = slots(2, 1, 1);
        let (_kept, unauthenticated) = slots.admit(slots.wait().await, peer(1)).expect("free");
        drop(unauthenticated);
        let next = slots.admit(slots.wait().await, peer(1)).expect("free");
        assert_eq!(metrics.snapshot().connections_open, 2);
        assert_eq!(metrics.snapshot().connections_unauthenticated, 1);
        drop(next.1);
        let full = slots.admit(slots.wait().await, peer(2));
        assert_eq!(full.map(drop), Err(Full::Node));
    }

    #[tokio::test]
    async fn all_places_are_free_once_their_connections_are_gone() {
        let (slots, _) = slots(10, 10, 10);
        let held = slots.admit(slots.wait().await, peer(1)).expect("free");
        let free = slots.all_free();
        let mut free = std::pin::pin!(free);
        assert!(futures::poll!(&mut free).is_pending());
        drop(held);
        free.await;
    }

    #[tokio::test(start_paused = true)]
    async fn the_node_waits_for_a_place_among_the_unauthenticated() {
        let (slots, _) = slots(10, 1, 10);
        let held = slots.admit(slots.wait().await, peer(1)).expect("free");
        let soon = std::time::Duration::from_secs(1);
        assert!(tokio::time::timeout(soon, slots.wait()).await.is_err());
        drop(held);
        assert!(tokio::time::timeout(soon, slots.wait()).await.is_ok());
    }
}
