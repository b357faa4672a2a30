//! [`KeyName`]: which data key, and where it lies; [`PairName`]: which two open a message.
//!
//! Invariant: a name and the key of its row are the same thing in two forms, so whatever is bound to one
//! is bound to the other.

use bytes::Bytes;
use cluster_store::schema::{AccountKey, RoomKey, Row, ServerKey};
use cluster_types::{AccountId, Month, RoomId, UnixMillis, Week};

/// What the server itself uses a key for. The numbers are stored; one that this release does not know
/// is of another release, and is wrapped anew like the rest.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(crate) struct Purpose(u8);

impl Purpose {
    /// Seals what belongs to no account and no room.
    pub(crate) const FIELDS: Self = Self(1);

    /// Makes look-ups of personal data.
    pub(crate) const LOOKUPS: Self = Self(2);

    pub(crate) const fn row(self) -> ServerKey {
        ServerKey { purpose: [self.0] }
    }
}

/// One data key.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(crate) enum KeyName {
    Server(Purpose),
    Account(AccountId, Month),
    Room(RoomId, Week),
}

/// Whose month and which room's week: the two keys that one message is sealed under.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct PairName {
    /// Who said it.
    pub author: AccountId,
    /// In which month, of the message's own time.
    pub month: Month,
    /// Where.
    pub room: RoomId,
    /// In which week, of the message's own time.
    pub week: Week,
}

impl PairName {
    /// The pair of what `author` says in `room` at `time`. That is the time which is stored with the
    /// message, since whoever opens it has no other.
    pub fn at(author: AccountId, room: RoomId, time: UnixMillis) -> Self {
        Self {
            author,
            month: time.into(),
            room,
            week: time.into(),
        }
    }

    pub(crate) const fn keys(&self) -> [KeyName; 2] {
        [
            KeyName::Account(self.author, self.month),
            KeyName::Room(self.room, self.week),
        ]
    }
}

impl KeyName {
    /// The key of its row.
    pub(crate) fn encode(self) -> Bytes {
        match self {
            Self::Server(purpose) => purpose.row().encode(),
            Self::Account(account, month) => AccountKey { account, month }.encode(),
            Self::Room(room, week) => RoomKey { room, week }.encode(),
        }
    }

    /// Reads the key of a row of one of the three tables.
    pub(crate) fn decode(key: &[u8]) -> Option<Self> {
        let server = ServerKey::decode(key).ok().map(|row| Self::from(&row));
        let account = || AccountKey::decode(key).ok().map(|row| Self::from(&row));
        let room = || RoomKey::decode(key).ok().map(|row| Self::from(&row));
        server.or_else(account).or_else(room)
    }
}

impl From<&ServerKey> for KeyName {
    fn from(row: &ServerKey) -> Self {
        let [purpose] = row.purpose;
        Self::Server(Purpose(purpose))
    }
}

impl From<&AccountKey> for KeyName {
    fn from(row: &AccountKey) -> Self {
        Self::Account(row.account, row.month)
    }
}

impl From<&RoomKey> for KeyName {
    fn from(row: &RoomKey) -> Self {
        Self::Room(row.room, row.week)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_reads_back_from_the_key_of_its_row() {
        let (account, room) = (AccountId::from_bytes([1; 16]), RoomId::from_bytes([2; 16]));
        for name in [
            KeyName::Server(Purpose::FIELDS),
            KeyName::Server(Purpose::LOOKUPS),
            KeyName::Account(account, Month(24_000)),
            KeyName::Room(room, Week::NONE),
        ] {
            assert_eq!(KeyName::decode(&name.encode()), Some(name));
        }
        let to_come = KeyName::decode(&[3, 2, 9]);
        assert_eq!(to_come, Some(KeyName::Server(Purpose(9))));
        assert_eq!(KeyName::decode(b""), None);
    }

    #[test]
    fn the_time_of_a_message_names_its_pair() {
        let (author, room) = (AccountId::from_bytes([1; 16]), RoomId::from_bytes([2; 16]));
        let pair = PairName::at(author, room, UnixMillis(1_709_251_200_000));
        assert_eq!(pair.month, Month(2024 * 12 + 2));
        assert_eq!(pair.week, Week(19_783 / 7 + 1));
    }
}
