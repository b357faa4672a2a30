//! What the limiters know of an address: a keyed hash of it, and nothing else.
//!
//! Invariant: an address is never kept; the key of the hash is random, lives in memory alone and is
//! made anew every hour, so that two hashes of different hours cannot be matched.

use std::fmt;

use aws_lc_rs::hmac;
use cluster_types::{PeerAddr, Rng};
use parking_lot::Mutex;
use tokio::time::Instant;

use crate::limits::PEER_KEY_AGE_MAX;

/// A keyed hash of an address, good until the key changes.
#[derive(Clone, Copy, Eq, Hash, PartialEq)]
pub(crate) struct PeerHash(u64);

/// Makes [`PeerHash`]es.
pub(crate) struct Peers {
    rng: Rng,
    key: Mutex<Key>,
}

struct Key {
    hmac: hmac::Key,
    since: Instant,
}

// === impl PeerHash ===

impl fmt::Debug for PeerHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PeerHash(..)")
    }
}

// === impl Peers ===

impl Peers {
    pub(crate) fn new(rng: &Rng) -> Self {
        let rng = rng.fork();
        let key = Mutex::new(Key::random(&rng));
        Self { rng, key }
    }

    /// The hash of `peer` under the key of this hour.
    pub(crate) fn hash(&self, peer: PeerAddr) -> PeerHash {
        let mut key = self.key.lock();
        if key.since.elapsed() >= PEER_KEY_AGE_MAX {
            *key = Key::random(&self.rng);
        }
        let tag = hmac::sign(&key.hmac, &peer.limiter_key());
        let mut hash = [0; 8];
        hash.copy_from_slice(&tag.as_ref()[..8]);
        PeerHash(u64::from_ne_bytes(hash))
    }
}

impl fmt::Debug for Peers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Peers")
    }
}

// === impl Key ===

impl Key {
    fn random(rng: &Rng) -> Self {
        Self {
            hmac: hmac::Key::new(hmac::HMAC_SHA256, &rng.bytes::<32>()),
            since: Instant::now(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(text: &str) -> PeerAddr {
        PeerAddr::of(text.parse().expect("an address"))
    }

    #[tokio::test(start_paused = true)]
    async fn a_hash_tells_hosts_apart_for_an_hour() {
        let peers = Peers::new(&Rng::seeded(1));
        let hash = peers.hash(peer("127.0.0.1:1"));
        assert_eq!(hash, peers.hash(peer("127.0.0.1:2")));
        assert_ne!(hash, peers.hash(peer("127.0.0.2:1")));
        tokio::time::advance(PEER_KEY_AGE_MAX).await;
        assert_ne!(hash, peers.hash(peer("127.0.0.1:1")));
    }

    #[tokio::test]
    async fn two_nodes_hash_differently_and_neither_prints() {
        let (a, b) = (Peers::new(&Rng::seeded(1)), Peers::new(&Rng::seeded(2)));
        let address = peer("127.66.77.88:1");
        assert_ne!(a.hash(address), b.hash(address));
        assert_eq!(format!("{:?}", a.hash(address)), "PeerHash(..)");
    }
}
