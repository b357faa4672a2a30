//! [`Limiter`]: how often somebody may try passwords, decided before anything is hashed.
//!
//! Owns three counts, all keyed by an HMAC under a key that exists in memory only, so that neither a
//! name nor an address can be read out of it:
//! - per user name, the tries of everybody together, with a delay that doubles and never becomes a lock;
//! - per user name and address, a few tries that the delay does not hold up: who polls a name takes
//!   every turn that the delay leaves, and must not keep out the person whose name it is;
//! - per address, the tries for all names.
//!
//! Invariant: a try counts as failed from the moment it is admitted until it is known to be good, so
//! a thousand tries at once are worth no more than a thousand in a row. Only [`Limiter::succeeded`]
//! and [`Limiter::not_tried`] take it back; a caller who leaves in the middle has tried.
//!
//! Invariant: for one name, however many addresses there are, tries past the free ones are admitted at
//! one per [`NAME_DELAY_MAX`] and one per [`BESIDE_REFILL`] in the long run.
//!
//! Leaves out: accounts. A name counts whether or not somebody has it, or the limiter would tell.

mod bucket;
#[cfg(test)]
mod tests;

use std::fmt;
use std::time::Duration;

use aws_lc_rs::hmac;
use cluster_types::{PeerAddr, Rng};
use parking_lot::Mutex;
use tokio::time::Instant;

use crate::bounded::{BoundedMap, Forget};
use crate::limits::{
    BESIDE_BURST, BESIDE_REFILL, NAME_DELAY_FIRST, NAME_DELAY_MAX, NAME_FORGET_AFTER,
    NAME_FREE_TRIES, NAMES_MAX, OWN_REFILL, OWN_TRIES, OWN_TRIES_MAX, PEER_BURST, PEER_REFILL,
    PEERS_MAX,
};
use bucket::{Bucket, Rate};

/// What one address has for one name, whatever others do to that name.
const OWN: Rate = Rate {
    burst: OWN_TRIES,
    refill: OWN_REFILL,
};

/// What all addresses together have for one name beside its delay.
const BESIDE: Rate = Rate {
    burst: BESIDE_BURST,
    refill: BESIDE_REFILL,
};

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
    name: Option<Named>,
    peer: Tag,
}

/// What a try for a name was taken from.
#[derive(Clone, Copy, Debug)]
struct Named {
    name: Tag,
    /// The name and the address.
    pair: Tag,
    /// A turn that the name's delay left; else it went beside the delay.
    turn: bool,
    /// One of the address's own tries. There may be none left when a turn is taken.
    own: bool,
}

/// A keyed hash, cut to 128 bits: nobody can aim for a collision without the key.
type Tag = [u8; 16];

pub(crate) struct Limiter {
    key: hmac::Key,
    peer_rate: Rate,
    state: Mutex<State>,
}

struct State {
    names: BoundedMap<Tag, NameTries>,
    /// By name and address.
    own: BoundedMap<Tag, Bucket>,
    peers: BoundedMap<Tag, Bucket>,
}

#[derive(Clone, Copy, Debug)]
struct NameTries {
    /// Turns taken.
    failed: u32,
    not_before: Instant,
    last: Instant,
    /// The tries that went beside the delay.
    beside: Bucket,
}

impl Forget for NameTries {
    fn forgotten_at(&self) -> Instant {
        self.last + NAME_FORGET_AFTER
    }
}

// === impl Limiter ===

impl Limiter {
    pub(crate) fn new(rng: &Rng, peer_limit: PeerLimit) -> Self {
        Self {
            key: hmac::Key::new(hmac::HMAC_SHA256, &rng.bytes::<32>()),
            peer_rate: peer_limit.into(),
            state: Mutex::new(State {
                names: BoundedMap::new(NAMES_MAX),
                own: BoundedMap::new(OWN_TRIES_MAX),
                peers: BoundedMap::new(PEERS_MAX),
            }),
        }
    }

    /// Lets a try through and counts it, or says how long to wait. A refused try counts for nothing.
    pub(crate) fn admit(&self, tried: Tried<'_>) -> Result<Attempt, Throttled> {
        let now = Instant::now();
        let peer = match tried.peer {
            Some(peer) => self.tag(b"peer", &peer.limiter_key()),
            None => self.tag(b"unknown peer", &[]),
        };
        let tags = tried.name.map(|name| {
            let name = self.tag(b"name", name.as_bytes());
            (name, self.tag(b"name and peer", &[name, peer].concat()))
        });
        let mut state = self.state.lock();
        let name = tags.map(|(name, pair)| state.next_name_try(name, pair, now));
        let name = name.transpose()?;
        let left = bucket(&state.peers, &peer, now).take(self.peer_rate, now);
        let left = left.map_err(|retry_after| Throttled { retry_after })?;
        state.peers.insert(peer, left, now);
        if let Some((named, tries, own)) = name {
            state.names.insert(named.name, tries, now);
            state.own.insert(named.pair, own, now);
        }
        Ok(Attempt {
            name: name.map(|(named, _, _)| named),
            peer,
        })
    }

    /// The password was right: the address gets its tries back, and the name's delay ends. Not so if
    /// the try went beside the delay, which is somebody else's doing and goes on for them.
    pub(crate) fn succeeded(&self, attempt: Attempt) {
        let now = Instant::now();
        let mut state = self.state.lock();
        if let Some(Named {
            name, pair, turn, ..
        }) = attempt.name
        {
            state.own.remove(&pair);
            if turn {
                state.start_anew(name, now);
            } else {
                state.give_back_beside(name, now);
            }
        }
        give_back(&mut state.peers, attempt.peer, self.peer_rate, now);
    }

    /// Nothing was tried after all: everything gets it back.
    pub(crate) fn not_tried(&self, attempt: Attempt) {
        let now = Instant::now();
        let mut state = self.state.lock();
        if let Some(named) = attempt.name {
            if named.own {
                give_back(&mut state.own, named.pair, OWN, now);
            }
            if named.turn {
                state.give_back_turn(named.name, now);
            } else {
                state.give_back_beside(named.name, now);
            }
        }
        give_back(&mut state.peers, attempt.peer, self.peer_rate, now);
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
            .field("own", &state.own.len())
            .field("peers", &state.peers.len())
            .finish_non_exhaustive()
    }
}

// === impl State ===

impl State {
    /// What a try for this name would be taken from, and what it would leave: a turn if the name has
    /// one now, else one of the address's own tries.
    fn next_name_try(
        &self,
        name: Tag,
        pair: Tag,
        now: Instant,
    ) -> Result<(Named, NameTries, Bucket), Throttled> {
        let tries = self.names.get(&name, now).unwrap_or_else(|| NameTries {
            failed: 0,
            not_before: now,
            last: now,
            beside: Bucket::full(now),
        });
        let before = bucket(&self.own, &pair, now);
        let own = before.take(OWN, now);
        let named = Named {
            name,
            pair,
            turn: now >= tries.not_before,
            own: own.is_ok(),
        };
        if named.turn {
            let failed = tries.failed + 1;
            let tries = NameTries {
                failed,
                not_before: now + delay_after(failed),
                last: now,
                ..tries
            };
            return Ok((named, tries, own.unwrap_or(before)));
        }
        let (Ok(own), Ok(beside)) = (own, tries.beside.take(BESIDE, now)) else {
            return Err(Throttled {
                retry_after: tries.not_before - now,
            });
        };
        let tries = NameTries {
            last: now,
            beside,
            ..tries
        };
        Ok((named, tries, own))
    }

    /// Ends the delay. What many addresses have used up beside it stays used up.
    fn start_anew(&mut self, name: Tag, now: Instant) {
        let tries = self.names.get(&name, now);
        match tries.filter(|tries| tries.beside.forgotten_at() > now) {
            Some(tries) => {
                let anew = NameTries {
                    failed: 0,
                    not_before: now,
                    ..tries
                };
                self.names.insert(name, anew, now);
            }
            None => self.names.remove(&name),
        }
    }

    fn give_back_turn(&mut self, name: Tag, now: Instant) {
        if let Some(mut tries) = self.names.get(&name, now) {
            tries.failed = tries.failed.saturating_sub(1);
            tries.not_before = now;
            self.names.insert(name, tries, now);
        }
    }

    fn give_back_beside(&mut self, name: Tag, now: Instant) {
        if let Some(mut tries) = self.names.get(&name, now) {
            tries.beside = tries.beside.give_back(BESIDE, now);
            self.names.insert(name, tries, now);
        }
    }
}

/// The bucket under `key`; one that is full if nothing is remembered.
fn bucket(buckets: &BoundedMap<Tag, Bucket>, key: &Tag, now: Instant) -> Bucket {
    buckets.get(key, now).unwrap_or_else(|| Bucket::full(now))
}

fn give_back(buckets: &mut BoundedMap<Tag, Bucket>, key: Tag, rate: Rate, now: Instant) {
    if let Some(left) = buckets.get(&key, now) {
        buckets.insert(key, left.give_back(rate, now), now);
    }
}

/// How long to wait after so many failed tries.
fn delay_after(failed: u32) -> Duration {
    match failed.checked_sub(NAME_FREE_TRIES + 1) {
        None => Duration::ZERO,
        // 2^16 seconds are far past the longest delay.
        Some(past_free) => (NAME_DELAY_FIRST * (1 << past_free.min(16))).min(NAME_DELAY_MAX),
    }
}
