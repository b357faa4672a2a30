//! [`Progress`]: how far a backup has come, and how much of it that is.

use std::collections::BTreeMap;

use bytes::Bytes;
use cluster_store::Table;
use cluster_types::{FileId, RoomId, Seq};

use crate::plan::Plan;
use crate::wire;
pub use crate::wire::InvalidRecord;

/// How much of a store is collected.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Scope {
    /// All that a backup holds.
    #[default]
    All,
    /// The same without files.
    Rows,
    /// Which deployment it is and what was erased: what the restore of an older backup has to know.
    Erasures,
}

/// How far a backup has come.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Progress {
    /// What is collected.
    pub scope: Scope,
    /// The id of the deployment, as stored; empty before the first step, or if the store has none.
    pub(crate) deployment: Bytes,
    /// The generation that all keys copied so far are wrapped under; 0 before the first.
    pub(crate) generation: u32,
    /// What there was at the first step.
    pub(crate) expected: Expected,
    /// What stands next.
    pub(crate) place: Place,
    /// Records so far.
    pub records: u64,
    /// Rooms, events and files that were copied whole, and rows of the other tables, by their names.
    pub counts: BTreeMap<String, u64>,
}

/// How much there is to copy.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Expected {
    /// Places in logs.
    pub(crate) events: u64,
    /// Bytes of files.
    pub(crate) file_bytes: u64,
}

#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) enum Place {
    /// What the store is.
    #[default]
    Start,
    /// The room after this one.
    RoomAfter(Option<RoomId>),
    /// This event of this room.
    Room(RoomId, Seq),
    /// The rows after this key, of the tables that come after the rooms.
    RowAfter(Bytes),
    /// The file after this one.
    FileAfter(Option<FileId>),
    /// This byte of those that a file lies in.
    File { file: FileId, size: u64, at: u64 },
}

/// What is counted, beside rows.
pub(super) const ROOMS: &str = "rooms";
pub(super) const EVENTS: &str = "events";
pub(super) const FILES: &str = "files";
pub(super) const FILE_BYTES: &str = "file_bytes";
pub(super) const FILES_GONE: &str = "files_gone";

/// How much an event is beside a byte of a file, with what is stored for it in its room.
const EVENT_BYTES: f64 = 300.0;

/// The same, of what is stored for it elsewhere: how its client message id was used.
const ROW_BYTES: f64 = 100.0;

impl Progress {
    /// The beginning of a backup.
    pub fn new(scope: Scope) -> Self {
        Self {
            scope,
            ..Self::default()
        }
    }

    /// How many there are of what is counted under this name.
    pub fn count(&self, what: &str) -> u64 {
        self.counts.get(what).copied().unwrap_or(0)
    }

    /// Under which names rooms and files are counted that were copied whole.
    pub(crate) const fn wholes() -> (&'static str, &'static str) {
        (ROOMS, FILES)
    }

    /// The part that is done, from 0 to 1, by what there was when it began.
    pub fn part_done(&self) -> f64 {
        let Expected { events, file_bytes } = self.expected;
        let (rooms, rows) = (events as f64 * EVENT_BYTES, events as f64 * ROW_BYTES + 1.0);
        let events = |more: u64| ((self.count(EVENTS) + more) as f64 * EVENT_BYTES).min(rooms);
        let files = |more: u64| rooms + rows + (self.count(FILE_BYTES) + more) as f64;
        let done = match &self.place {
            Place::Start => 0.0,
            Place::RoomAfter(_) => events(0),
            Place::Room(_, next) => events(next.previous().0),
            Place::RowAfter(key) => rooms + rows * self.tables_done(key),
            Place::FileAfter(_) => files(0),
            Place::File { at, .. } => files(*at),
        };
        (done / (rooms + rows + file_bytes as f64)).min(1.0)
    }

    /// The part of the tables after the rooms that lies before this key, as if all were of one length. Ids are
    /// random, so where one stands among all possible ones tells how many of its table are done.
    fn tables_done(&self, key: &[u8]) -> f64 {
        let tables = Plan::after_rooms(self.scope);
        let count = tables.clone().count().max(1) as f64;
        let table = Table::of_key(key);
        let before = tables.take_while(|known| Some(*known) < table).count() as f64;
        (before + among(key.get(2..).unwrap_or_default())) / count
    }

    /// Whether nothing is left after this, if nothing more comes.
    pub(crate) const fn is_at_end(&self) -> bool {
        match self.scope {
            Scope::All => matches!(self.place, Place::FileAfter(_)),
            Scope::Rows | Scope::Erasures => matches!(self.place, Place::RowAfter(_)),
        }
    }

    /// The progress, as it lies beside a chunk of an archive.
    pub fn encode(&self) -> Vec<u8> {
        wire::progress(self)
    }

    /// Reads the progress of an archive.
    ///
    /// # Errors
    /// If it is none.
    pub fn decode(bytes: &[u8]) -> Result<Self, InvalidRecord> {
        wire::read_progress(bytes)
    }

    pub(super) fn add(&mut self, what: &str, more: u64) {
        *self.counts.entry(what.to_owned()).or_default() += more;
    }
}

/// Where these bytes stand among all, from 0 to 1.
fn among(bytes: &[u8]) -> f64 {
    let first = bytes
        .iter()
        .take(4)
        .fold((0.0, 1.0 / 256.0), |(sum, unit), byte| {
            (sum + f64::from(*byte) * unit, unit / 256.0)
        });
    first.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_done_grows_within_one_room_and_one_file() {
        let (room, file) = (RoomId::from_bytes([200; 16]), FileId::from_bytes([9; 16]));
        let mut progress = Progress {
            expected: Expected {
                events: 1_000,
                file_bytes: 100_000,
            },
            ..Progress::default()
        };
        let mut before = 0.0;
        let size = 100_000;
        let mut at = |place: Place, counted: Option<(&str, u64)>| {
            counted
                .into_iter()
                .for_each(|(what, more)| progress.add(what, more));
            progress.place = place;
            let now = progress.part_done();
            assert!((before..=1.0).contains(&now), "{before} {now} {progress:?}");
            let grown = now - before;
            before = now;
            grown
        };
        assert!(at(Place::RoomAfter(None), None) < 0.01);
        assert!(at(Place::Room(room, Seq(501)), None) > 0.2);
        assert!(at(Place::RoomAfter(Some(room)), Some((EVENTS, 1_000))) > 0.2);
        assert!(at(Place::RowAfter(Bytes::new()), None) < 0.01);
        assert!(at(Place::FileAfter(None), None) > 0.1);
        assert!(
            at(
                Place::File {
                    file,
                    size,
                    at: 50_000
                },
                None
            ) > 0.05
        );
        assert!(at(Place::FileAfter(Some(file)), Some((FILE_BYTES, size))) > 0.05);
        assert!(before > 0.99, "{before}");
    }
}
