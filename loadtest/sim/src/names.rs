//! Small numbers for what a simulation is about, in place of ids of 26 characters.
//!
//! Invariant: a thing gets its number when it is first seen and keeps it, so the numbers of two runs of
//! one seed agree exactly if the runs do.

use std::collections::BTreeMap;
use std::fmt;

use cluster_types::{AccountId, FileId, RoomId};

macro_rules! numbers {
    ($($(#[$doc:meta])* $name:ident $mark:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Default, Eq, Ord, PartialEq, PartialOrd)]
        pub struct $name(pub u32);

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($mark, "{}"), self.0)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(self, f)
            }
        }
    )*};
}

numbers! {
    /// Somebody with an account.
    Person "p";
    /// A room or a direct conversation.
    Room "r";
    /// Something that a person wants done, with all its retries.
    Op "op";
    /// One stream, from its request to its end.
    Stream "s";
    /// One sign-in of a person.
    Device "d";
    /// A file that somebody sends.
    File "f";
}

/// Who and what has which number.
#[derive(Debug, Default)]
pub(crate) struct Names {
    people: BTreeMap<AccountId, Person>,
    rooms: BTreeMap<RoomId, Room>,
    files: BTreeMap<FileId, File>,
}

impl Names {
    /// The next person.
    pub(crate) fn enrol(&mut self, account: AccountId) -> Person {
        let next = Person(count(self.people.len()));
        *self.people.entry(account).or_insert(next)
    }

    /// The person with this account; `None` for an account that nobody here has.
    pub(crate) fn person(&self, account: AccountId) -> Option<Person> {
        self.people.get(&account).copied()
    }

    /// The number of a room, and whether it was new.
    pub(crate) fn room(&mut self, room: RoomId) -> (Room, bool) {
        let next = Room(count(self.rooms.len()));
        let number = *self.rooms.entry(room).or_insert(next);
        (number, number == next)
    }

    /// The number of a file.
    pub(crate) fn file(&mut self, file: FileId) -> File {
        let next = File(count(self.files.len()));
        *self.files.entry(file).or_insert(next)
    }
}

/// How many there are, as far as a number of 32 bits tells.
pub(crate) fn count(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}
