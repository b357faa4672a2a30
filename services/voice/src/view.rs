//! [`View`]: a call as its home tells everybody of it, at one moment.
//!
//! Whoever has a view knows all that it needs: nothing is told by what changes alone. So a view may be lost if a later one
//! arrives, and what is new in one follows from the one before ([`View::news`]).
//!
//! Invariant: of two views the one with the larger [`Version`] is the later one, also if they are of two homes, or of
//! two calls in one room. An earlier one is not taken any more.

use std::collections::BTreeMap;
use std::fmt;

use cluster_types::{AccountId, Epoch, NodeId, RoomId, SignInId};

use crate::{Epochs, KeyEpoch, Slot};

/// 16 bytes that a client draws for each connection. Keys are derived from it, so its connections never share one; and all
/// that is said of a connection names it by them.
#[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Nonce(pub [u8; 16]);

/// Who is in a call: an account on one of its devices, which a sign-in stands for.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Seat {
    /// Whose.
    pub account: AccountId,
    /// With which device.
    pub sign_in: SignInId,
}

/// One who is in a call.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Participant {
    /// Who.
    pub seat: Seat,
    /// By which connection, or which was the last.
    pub nonce: Nonce,
    /// To which node that is.
    pub node: NodeId,
    /// Whether the connection stands. If not, the place is kept for a while.
    pub is_connected: bool,
    /// What it may and wants to do.
    pub flags: Flags,
}

/// What a participant may and wants to do.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Flags {
    /// Does not want to be heard.
    pub is_muted: bool,
    /// Does not want to hear.
    pub is_deafened: bool,
    /// A moderator does not want it to be heard.
    pub is_silenced: bool,
}

/// Who makes the secrets of a call.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Keys {
    /// Its home. That protects against networks and disks, not against the server.
    #[default]
    OfServer,
    /// The members, who agree on one without the server: from end to end.
    OfMembers,
}

/// Which view of a room's calls.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Version {
    /// Of the home: the epoch under which its node owns the room's shard.
    pub term: Epoch,
    /// Counts within the term.
    pub number: u64,
}

/// A call at one moment.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct View {
    /// Of which room.
    pub room: RoomId,
    /// Which one it is.
    pub version: Version,
    /// Who makes the secrets.
    pub keys: Keys,
    /// Whose secrets those are.
    pub epochs: Epochs,
    /// Everybody.
    pub participants: BTreeMap<Slot, Participant>,
}

/// What a view says that an earlier one did not.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct News {
    /// Who has left, and their slots.
    pub gone: Vec<(Slot, Participant)>,
    /// Who has come, or is different, by a new connection, too.
    pub new: Vec<(Slot, Participant)>,
    /// An epoch of which everybody has to learn the secret.
    pub offered: Option<KeyEpoch>,
    /// An epoch under which everybody has to seal from now on.
    pub present: Option<KeyEpoch>,
    /// Epochs of which everybody has to overwrite the secrets.
    pub over: Vec<KeyEpoch>,
}

impl Flags {
    /// Whether it may be heard.
    pub const fn may_speak(self) -> bool {
        !self.is_muted && !self.is_silenced
    }
}

impl Participant {
    /// Whether the node sends it what others say.
    pub const fn hears(&self) -> bool {
        self.is_connected && !self.flags.is_deafened
    }
}

impl View {
    /// What is new since `earlier`, a view of the same call.
    pub fn news(&self, earlier: &Self) -> News {
        let (old, new) = (&earlier.participants, &self.participants);
        let is_new = |(slot, participant): &(&Slot, &Participant)| {
            old.get(*slot).is_none_or(|old| old != *participant)
        };
        let is_gone = |(slot, participant): &(&Slot, &Participant)| {
            new.get(*slot)
                .is_none_or(|new| new.seat != participant.seat)
        };
        let owned = |(slot, participant): (&Slot, &Participant)| (*slot, *participant);
        let knew = |epoch: &KeyEpoch| earlier.epochs.iter().any(|known| known == *epoch);
        let is_over = |epoch: &KeyEpoch| self.epochs.iter().all(|known| known != *epoch);
        let present = self.epochs.present;
        News {
            gone: old.iter().filter(is_gone).map(owned).collect(),
            new: new.iter().filter(is_new).map(owned).collect(),
            offered: self.epochs.offered.filter(|epoch| !knew(epoch)),
            present: (present != earlier.epochs.present).then_some(present),
            over: earlier.epochs.iter().filter(is_over).collect(),
        }
    }
}

impl fmt::Debug for Nonce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Nonce({:032x})", u128::from_be_bytes(self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{epochs, participant, slot, view};

    #[test]
    fn news_are_the_difference_of_two_views() {
        let mut one = view(
            epochs(None, 4, Some(5)),
            [(0, participant(1)), (1, participant(2))],
        );
        let none = one.news(&one);
        assert_eq!(none, News::default());

        let mut muted = participant(1);
        muted.flags.is_muted = true;
        let two = view(epochs(Some(4), 5, None), [(0, muted), (2, participant(3))]);
        let news = two.news(&one);
        assert_eq!(news.gone, [(slot(1), participant(2))]);
        assert_eq!(news.new, [(slot(0), muted), (slot(2), participant(3))]);
        assert_eq!((news.offered, news.present), (None, Some(KeyEpoch(5))));
        assert_eq!(news.over, []);

        one.epochs = epochs(None, 5, Some(6));
        let news = one.news(&two);
        assert_eq!((news.offered, news.present), (Some(KeyEpoch(6)), None));
        assert_eq!(news.over, [KeyEpoch(4)]);
    }

    #[test]
    fn a_slot_with_another_owner_is_news_twice() {
        let one = view(epochs(None, 4, None), [(0, participant(1))]);
        let two = view(epochs(None, 4, None), [(0, participant(2))]);
        let news = two.news(&one);
        assert_eq!(news.gone, [(slot(0), participant(1))]);
        assert_eq!(news.new, [(slot(0), participant(2))]);
    }

    #[test]
    fn a_later_term_is_later_whatever_its_number() {
        let version = |term, number| Version {
            term: Epoch(term),
            number,
        };
        assert!(version(2, 0) > version(1, 900));
        assert!(version(2, 1) > version(2, 0));
    }
}
