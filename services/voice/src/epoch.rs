//! Epochs of keys: which there are, and when one takes the place of another.
//!
//! Everybody in a call derives the senders' keys from the secret of an epoch ([`crate::KeyRing`], [`crate::base_key`]). An epoch
//! is **offered**: all who are connected learn its secret, open frames under it, and acknowledge. It becomes the **present**
//! one, under which frames are sealed, once all have acknowledged or [`EPOCH_OFFER_MAX`] has passed; the one before is
//! the **former** one, and accepted for [`EPOCH_OVERLAP`] more. So a switch loses no frame of anybody who acknowledged.
//!
//! A new epoch is offered when the present one is as old as configured, and when somebody has left, who knows its
//! secret. Somebody may leave while one is offered, and know that one too: then the next one is offered right after it.
//! **Whoever has left knows no secret under which anybody seals two seconds later** ([`EPOCH_EVERY_MIN`] +
//! [`EPOCH_OFFER_MAX`]). Until then, and from the first moment on, they hear nothing because nothing is sent to them.
//!
//! Where the members bring the secret themselves, epochs are the same, and only their secrets are others: each client
//! derives them from the shared key and the epoch. That epochs never come again matters more there: an epoch carries
//! the **term** of its home, and counts on from the seconds of the home's clock, so no two calls of a room have one
//! in common.
//!
//! Leaves out: secrets, and whom to tell.

mod schedule;
#[cfg(test)]
mod tests;

use std::fmt;
use std::time::Duration;

use cluster_types::Epoch;

use crate::{Slot, sframe};

pub use schedule::Schedule;

#[cfg(doc)]
use crate::limits::{EPOCH_EVERY_MIN, EPOCH_OFFER_MAX, EPOCH_OVERLAP};

/// Which secret. Later ones are larger, whoever made them: the home's term stands in the upper half.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct KeyEpoch(pub u64);

/// The low two bits of an epoch, which stand in a KID. Of the three epochs that a call can know at a time, no
/// two have the same.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Mark(u8);

/// The epochs that a call knows now.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Epochs {
    /// Under which frames are sealed.
    pub present: KeyEpoch,
    /// Under which frames are still accepted.
    pub former: Option<KeyEpoch>,
    /// Which takes the present one's place next.
    pub offered: Option<KeyEpoch>,
}

/// A KID of this server's calls: `slot << 2 | mark`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct KeyId {
    /// Whose key.
    pub slot: Slot,
    /// Of which epoch.
    pub mark: Mark,
}

const TERM_BITS: u32 = 32;

impl KeyEpoch {
    /// The first one of a call whose home has this term.
    pub const fn first(term: Epoch, now: Duration) -> Self {
        let count = now.as_secs() & ((1 << TERM_BITS) - 1);
        // 2^32 owners of one shard are more than there are seconds in which to take it over.
        Self(term.0 << TERM_BITS | count)
    }

    /// The first one of a home that goes on with a call in which this was the newest. Its mark is the next.
    pub const fn taken_over(self, term: Epoch, now: Duration) -> Self {
        let first = Self::first(term, now);
        let ahead = self.0.wrapping_add(1).wrapping_sub(first.0) & Mark::BITS;
        Self(first.0 + ahead)
    }

    /// The one after this.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }

    /// Whether the home with this term made it.
    pub const fn is_of(self, term: Epoch) -> bool {
        self.0 >> TERM_BITS == term.0 & ((1 << TERM_BITS) - 1)
    }

    /// What of it stands in a KID.
    pub const fn mark(self) -> Mark {
        Mark(self.0.to_be_bytes()[7] & Mark::BITS.to_be_bytes()[7])
    }
}

impl fmt::Display for KeyEpoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Mark {
    const BITS: u64 = 0b11;

    /// How many marks there are.
    pub const COUNT: usize = 4;

    /// Its place in a list by marks.
    pub fn index(self) -> usize {
        usize::from(self.0)
    }
}

impl Epochs {
    /// All of them, oldest first.
    pub fn iter(&self) -> impl Iterator<Item = KeyEpoch> {
        self.former
            .into_iter()
            .chain([self.present])
            .chain(self.offered)
    }

    /// The oldest under which frames are accepted.
    pub fn oldest(&self) -> KeyEpoch {
        self.former.unwrap_or(self.present)
    }

    /// The newest of which anybody knows the secret.
    pub fn newest(&self) -> KeyEpoch {
        self.offered.unwrap_or(self.present)
    }
}

impl KeyId {
    /// The key of whoever has `slot` in `epoch`.
    pub const fn new(slot: Slot, epoch: KeyEpoch) -> Self {
        let mark = epoch.mark();
        Self { slot, mark }
    }

    /// The KID.
    pub fn number(self) -> u64 {
        u64::from(self.slot.number()) << 2 | u64::from(self.mark.0)
    }

    /// What the header of a frame names, if that can be a key of a call.
    pub fn of(header: sframe::Header) -> Option<Self> {
        let slot = u16::try_from(header.key >> 2).ok()?;
        Some(Self {
            slot: Slot::try_from(slot).ok()?,
            mark: KeyEpoch(header.key).mark(),
        })
    }
}
