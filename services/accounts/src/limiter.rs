//! [`Limiter`]: how often somebody may try passwords, decided before anything is hashed.
//!
//! Owns: a count of tries per user name, with a delay that doubles and never becomes a lock; a bucket
//! of tries per address. Both keyed by an HMAC under a key that exists in memory only: neither a name
//! nor an address can be read out of it.
//!
//! Invariant: a try counts as failed from the moment it is admitted until it is known to be good, so
//! a thousand tries at once are worth no more than a thousand in a row. Only [`Limiter::succeeded`]
//! and [`Limiter::not_tried`] take it back; a caller who leaves in the middle has tried.
//!
//! Leaves out: accounts. A name counts whether or not somebody has it, or the limiter would tell.

mod bounded;
#[cfg(test)]
mod tests;

use std::fmt;
use std::time::Duration;

use aws_lc_rs::hmac;
use cluster_types::{PeerAddr, Rng};
use parking_lot::Mutex;
use tokio::time::Instant;

use crate::limits::{
    NAME_DELAY_FIRST, NAME_DELAY_MAX, NAME_FORGET_AFTER, NAME_FREE_TRIES, NAMES_MAX, PEER_BURST,
    PEER_REFILL, PEERS_MAX,
};
use bounded::{BoundedMap, Forget};

/// How many tries one address has.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct PeerLimit {
    /// Failed tries at once.
    pub burst: u32,
    /// One more after each span of this.
    pub refill: Duration,
}

impl Default for PeerLimit {
    fn default() -> Self {
        Self {
            burst: PEER_BURST,
            refill: PEER_REFILL,
        }
    }
}

/// Too many tries. Nothing was checked.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("too many tries: wait before the next one")]
pub(crate) struct Throttled {
    /// How long to wait.
    pub(crate) retry_after: Duration,
}

/// Who is behind a try. What is not known has a bucket of its own: all unknown peers share it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tried<'a> {
    /// The folded user name, where a password for one is tried.
    pub(crate) name: Option<&'a str>,
    pub(crate) peer: Option<PeerAddr>,
}

/// A try that was admitted, and counts as failed unless it is given back.
#[derive(Debug)]
#[must_use = "say how the try ended"]
pub(crate) struct Attempt {
    name: Option<Tag>,
    peer: Tag,
}

/// A keyed hash, cut to 128 bits: nobody can aim for a collision without the key.
type Tag = [u8; 16];

pub(crate) struct Limiter {
    key: hmac::Key,
    peer_limit: PeerLimit,
    state: Mutex<State>,
}

struct State {
    names: BoundedMap<Tag, NameTries>,
    peers: BoundedMap<Tag, PeerTries>,
}

#[derive(Clone, Copy, Debug)]
struct NameTries {
    failed: u32,
    not_before: Instant,
    last: Instant,
}

/// The bucket as one moment: when it will be full again.
#[derive(Clone, Copy, Debug)]
struct PeerTries {
    full_at: Instant,
}

impl Forget for NameTries {
    fn forgotten_at(&self) -> Instant {
        self.last + NAME_FORGET_AFTER
    }
}

impl Forget for PeerTries {
    fn forgotten_at(&self) -> Instant {
        self.full_at
    }
}

// === impl Limiter ===

impl Limiter {
    pub(crate) fn new(rng: &Rng, peer_limit: PeerLimit) -> Self {
        Self {
            key: hmac::Key::new(hmac::HMAC_SHA256, &rng.bytes::<32>()),
            peer_limit,
            state: Mutex::new(State {
                names: BoundedMap::new(NAMES_MAX),
                peers: BoundedMap::new(PEERS_MAX),
            }),
        }
    }

    /// Lets a try through and counts it, or says how long to wait. A refused try counts for nothing.
    pub(crate) fn admit(&self, tried: Tried<'_>) -> Result<Attempt, Throttled> {
        let now = Instant::now();
        let attempt = Attempt {
            name: tried.name.map(|name| self.tag(b"name", name.as_bytes())),
            peer: match tried.peer {
                Some(peer) => self.tag(b"peer", &peer.limiter_key()),
                None => self.tag(b"unknown peer", &[]),
            },
        };
        let mut state = self.state.lock();
        let name = attempt.name.map(|tag| state.names.get(&tag, now));
        let name = name.map(|tries| next_name_try(tries, now)).transpose()?;
        let peer = next_peer_try(state.peers.get(&attempt.peer, now), self.peer_limit, now)?;
        if let (Some(tag), Some(tries)) = (attempt.name, name) {
            state.names.insert(tag, tries, now);
        }
        state.peers.insert(attempt.peer, peer, now);
        Ok(attempt)
    }

    /// The password was right: the name starts anew, and the address gets its try back.
    pub(crate) fn succeeded(&self, attempt: Attempt) {
        let mut state = self.state.lock();
        if let Some(name) = attempt.name {
            state.names.remove(&name);
        }
        self.refill_one(&mut state, attempt.peer);
    }

    /// Nothing was tried after all: both get it back.
    pub(crate) fn not_tried(&self, attempt: Attempt) {
        let now = Instant::now();
        let mut state = self.state.lock();
        if let Some(name) = attempt.name
            && let Some(mut tries) = state.names.get(&name, now)
        {
            tries.failed = tries.failed.saturating_sub(1);
            tries.not_before = now;
            state.names.insert(name, tries, now);
        }
        self.refill_one(&mut state, attempt.peer);
    }

    fn refill_one(&self, state: &mut State, peer: Tag) {
        let now = Instant::now();
        if let Some(tries) = state.peers.get(&peer, now) {
            let full_at = tries
                .full_at
                .checked_sub(self.peer_limit.refill)
                .unwrap_or(now);
            state.peers.insert(peer, PeerTries { full_at }, now);
        }
    }

    fn tag(&self, kind: &[u8], value: &[u8]) -> Tag {
        let mut context = hmac::Context::with_key(&self.key);
        context.update(kind);
        context.update(&[0]);
        context.update(value);
        let mut tag = Tag::default();
        tag.copy_from_slice(&context.sign().as_ref()[..size_of::<Tag>()]);
        tag
    }
}

impl fmt::Debug for Limiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.state.lock();
        f.debug_struct("Limiter")
            .field("names", &state.names.len())
            .field("peers", &state.peers.len())
            .finish_non_exhaustive()
    }
}

fn next_name_try(tries: Option<NameTries>, now: Instant) -> Result<NameTries, Throttled> {
    let failed = match tries {
        Some(tries) if now < tries.not_before => {
            return Err(Throttled {
                retry_after: tries.not_before - now,
            });
        }
        Some(tries) => tries.failed + 1,
        None => 1,
    };
    Ok(NameTries {
        failed,
        not_before: now + delay_after(failed),
        last: now,
    })
}

/// How long to wait after so many failed tries.
fn delay_after(failed: u32) -> Duration {
    match failed.checked_sub(NAME_FREE_TRIES + 1) {
        None => Duration::ZERO,
        // 2^16 seconds are far past the longest delay.
        Some(past_free) => (NAME_DELAY_FIRST * (1 << past_free.min(16))).min(NAME_DELAY_MAX),
    }
}

fn next_peer_try(
    tries: Option<PeerTries>,
    limit: PeerLimit,
    now: Instant,
) -> Result<PeerTries, Throttled> {
    let full_at = tries.map_or(now, |tries| tries.full_at.max(now)) + limit.refill;
    let empty_bucket = limit.refill * limit.burst;
    match (full_at - now).checked_sub(empty_bucket) {
        Some(over) if !over.is_zero() => Err(Throttled { retry_after: over }),
        _ => Ok(PeerTries { full_at }),
    }
}
