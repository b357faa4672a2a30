//! [`Shard`]: the unit in which rooms belong to nodes; [`Epoch`], which ownership of a shard it is; and
//! [`Life`], who owns it.
//!
//! Invariant: the shard of a room follows from its id alone, for ever: it is in no row, and every node of
//! every release finds the same one.
//!
//! Leaves out: who owns what, which is the membership's.

use std::fmt;

use crate::{BootId, NodeId, RoomId};

/// Shards of a cluster, whatever its size. About ten for each node of the largest cluster that anybody
/// plans, and few enough that all of them are looked through in microseconds.
pub const SHARDS: u16 = 1_024;

/// One of [`SHARDS`] parts of all rooms.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Shard(u16);

/// A number that is no shard's.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("not a shard: 0 to {} are", SHARDS - 1)]
pub struct InvalidShard;

impl Shard {
    /// The first. Its owner does what one node does for all.
    pub const FIRST: Self = Self(0);

    /// Where a room belongs.
    pub const fn of_room(room: RoomId) -> Self {
        // Ids are chance all through, so any of their bits spread rooms evenly.
        let [.., high, low] = *room.as_bytes();
        Self(u16::from_be_bytes([high, low]) % SHARDS)
    }

    /// Every shard, in order.
    pub fn all() -> impl DoubleEndedIterator<Item = Self> + ExactSizeIterator {
        (0..SHARDS).map(Self)
    }

    /// Its number, below [`SHARDS`].
    pub const fn number(self) -> u16 {
        self.0
    }

    /// Its place in a list of all shards.
    pub fn index(self) -> usize {
        usize::from(self.0)
    }
}

impl TryFrom<u16> for Shard {
    type Error = InvalidShard;

    fn try_from(number: u16) -> Result<Self, InvalidShard> {
        (number < SHARDS)
            .then_some(Self(number))
            .ok_or(InvalidShard)
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Counts the owners of a shard, one after the other; 0 before the first. Whoever writes under an epoch
/// that is not the newest is fenced.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Epoch(pub u64);

impl Epoch {
    /// That of the next owner.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A node in one of its lives. What a node has owned it does not own any more after a restart.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Life {
    /// Which node.
    pub node: NodeId,
    /// Which life.
    pub boot: BootId,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Rng;

    #[test]
    fn rooms_spread_over_all_shards() {
        let rng = Rng::seeded(1);
        let mut counts = [0_u32; SHARDS as usize];
        for _ in 0..100 * u32::from(SHARDS) {
            counts[Shard::of_room(RoomId::random(&rng)).index()] += 1;
        }
        let (least, most) = (counts.iter().min(), counts.iter().max());
        assert!(
            least > Some(&50) && most < Some(&150),
            "100 each are expected: {least:?} to {most:?}"
        );
    }

    #[test]
    fn the_shard_of_a_room_stays_what_it_was() {
        let room = |text: &str| text.parse::<RoomId>().expect("an id");
        let of = |text| Shard::of_room(room(text)).number();
        assert_eq!(of("00000000000000000000000000"), 0);
        assert_eq!(of("zzzzzzzzzzzzzzzzzzzzzzzzzw"), 1_023);
        assert_eq!(of("4444444444444444444444444g"), 36);
    }

    #[test]
    fn only_numbers_below_the_count_are_shards() {
        assert_eq!(Shard::all().len(), usize::from(SHARDS));
        for shard in Shard::all() {
            assert_eq!(Shard::try_from(shard.number()), Ok(shard));
        }
        assert_eq!(Shard::try_from(SHARDS), Err(InvalidShard));
    }
}
