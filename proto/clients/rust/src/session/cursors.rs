//! How far each followed room has come: what is new, what came twice, what is missing.
//!
//! Invariant: of one log of a room, [`Cursors::event`] says [`Seen::New`] for each `seq` once, and in
//! order without a hole. Pure: no clock, no network.

use std::collections::BTreeMap;

use proto::v1::{FollowRoom, Live};

use crate::limits;

/// The rooms that a session follows.
#[derive(Debug, Default)]
pub(super) struct Cursors {
    rooms: BTreeMap<String, Cursor>,
}

#[derive(Debug)]
struct Cursor {
    /// The last event given to the program.
    seq: u64,
    /// Of which log; empty until a Live marker names it.
    log_id: String,
    phase: Phase,
    /// Whether the server has agreed to send the room. Until then, a new stream's Hello leaves it out.
    agreed: bool,
}

/// What is expected next of a room.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Phase {
    /// Wherever the log stands: the next marker says.
    Head,
    /// The event after the last, or the first one of a log that was rebuilt. Nothing has come yet.
    Asked,
    /// The event after the last.
    Running,
    /// The event after the last, and nothing else: later ones have come and were dropped, or left.
    Behind,
    /// The first event of a log that was rebuilt, and nothing else: it came and was left. A later one
    /// that happens to have the number after the last is not the next.
    Rewound,
}

/// What an event is to the one who follows its room.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Seen {
    /// The next one.
    New,
    /// The first one of a log that was rebuilt.
    Rebuilt,
    /// Had before; or of a room that is not followed; or after a hole that is being filled.
    Known,
    /// Events before it are missing. Ask for them.
    Gap {
        /// The one that should have come.
        expected: u64,
    },
}

/// What a Live marker is to the one who follows its room.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Reached {
    /// All is there.
    Live,
    /// All is there of a log that was rebuilt, and none of it had to be sent.
    Rebuilt,
    /// Of no use: the room is not followed, or a hole is being filled.
    Stale,
    /// Events before it are missing. Ask for them.
    Gap {
        /// The one that should have come.
        expected: u64,
    },
}

impl Cursors {
    /// Begins to follow a room. False if it would be one too many.
    pub(super) fn follow(&mut self, room: &FollowRoom, agreed: bool) -> bool {
        let one_more = !self.rooms.contains_key(&room.room);
        if one_more && self.rooms.len() >= limits::FOLLOWED_ROOMS_MAX {
            return false;
        }
        let cursor = Cursor {
            seq: room.after_seq,
            log_id: room.log_id.clone(),
            phase: if room.from_head {
                Phase::Head
            } else {
                Phase::Asked
            },
            agreed,
        };
        self.rooms.insert(room.room.clone(), cursor);
        true
    }

    /// The server has agreed to send this room.
    pub(super) fn agree(&mut self, room: &str) {
        if let Some(cursor) = self.rooms.get_mut(room) {
            cursor.agreed = true;
        }
    }

    /// Ends following a room.
    pub(super) fn forget(&mut self, room: &str) {
        self.rooms.remove(room);
    }

    /// Judges an event; if it is new, the cursor moves.
    pub(super) fn event(&mut self, room: &str, seq: u64) -> Seen {
        let Some(cursor) = self.rooms.get_mut(room) else {
            return Seen::Known;
        };
        let next = cursor.seq + 1;
        match cursor.phase {
            // The server went live before its marker came through; whatever it sends is the head.
            Phase::Head => cursor.advance(seq),
            Phase::Rewound if seq != 1 => Seen::Known,
            Phase::Rewound => cursor.rewind(),
            _ if seq == next => cursor.advance(seq),
            Phase::Asked if seq == 1 => cursor.rewind(),
            Phase::Behind => Seen::Known,
            Phase::Asked | Phase::Running if seq < next => Seen::Known,
            Phase::Asked | Phase::Running => {
                cursor.phase = Phase::Behind;
                Seen::Gap { expected: next }
            }
        }
    }

    /// Judges a Live marker.
    pub(super) fn live(&mut self, marker: &Live) -> Reached {
        let Some(cursor) = self.rooms.get_mut(&marker.room) else {
            return Reached::Stale;
        };
        let next = cursor.seq + 1;
        let untouched = cursor.phase == Phase::Asked;
        let reached = match cursor.phase {
            Phase::Head => Reached::Live,
            // A log that was rebuilt and is empty, or that the program has none of.
            _ if marker.rebuilt && untouched && marker.seq == 0 => Reached::Rebuilt,
            Phase::Asked | Phase::Running if marker.seq >= next => {
                cursor.phase = Phase::Behind;
                return Reached::Gap { expected: next };
            }
            Phase::Behind if marker.seq >= next => return Reached::Stale,
            Phase::Rewound => return Reached::Stale,
            Phase::Asked | Phase::Running | Phase::Behind => Reached::Live,
        };
        if reached == Reached::Rebuilt || cursor.phase == Phase::Head {
            cursor.seq = marker.seq;
        }
        cursor.phase = Phase::Running;
        cursor.log_id.clone_from(&marker.log_id);
        reached
    }

    /// This event of a room is left on the server: the program is slow. It is asked for later.
    pub(super) fn leave(&mut self, room: &str, seq: u64) {
        let Some(cursor) = self.rooms.get_mut(room) else {
            return;
        };
        cursor.phase = match cursor.phase {
            Phase::Head => Phase::Head,
            Phase::Asked if seq == 1 && cursor.seq > 0 => Phase::Rewound,
            Phase::Rewound => Phase::Rewound,
            Phase::Asked | Phase::Running | Phase::Behind => Phase::Behind,
        };
    }

    /// Whether an event was left or is missing.
    pub(super) fn any_behind(&self) -> bool {
        self.rooms.values().any(Cursor::is_behind)
    }

    /// The rooms of which something was left or is missing.
    pub(super) fn behind(&self) -> Vec<String> {
        let behind = self.rooms.iter();
        let behind = behind.filter(|(_, cursor)| cursor.is_behind());
        behind.map(|(room, _)| room.clone()).collect()
    }

    /// What to ask for of a room, from where it stands.
    pub(super) fn resume(&self, room: &str) -> Option<FollowRoom> {
        let cursor = self.rooms.get(room)?;
        Some(FollowRoom {
            room: room.to_owned(),
            after_seq: cursor.seq,
            log_id: cursor.log_id.clone(),
            from_head: cursor.phase == Phase::Head,
        })
    }

    /// What a new stream asks for. Rooms that the server has not agreed to are left out: their commands
    /// are sent again.
    pub(super) fn hello(&mut self) -> Vec<FollowRoom> {
        for cursor in self.rooms.values_mut() {
            if cursor.phase != Phase::Head {
                cursor.phase = Phase::Asked;
            }
        }
        let agreed = self.rooms.iter().filter(|(_, cursor)| cursor.agreed);
        agreed.filter_map(|(room, _)| self.resume(room)).collect()
    }
}

impl Cursor {
    const fn advance(&mut self, seq: u64) -> Seen {
        self.seq = seq;
        self.phase = Phase::Running;
        Seen::New
    }

    /// The first event of another log.
    fn rewind(&mut self) -> Seen {
        self.log_id.clear();
        self.advance(1);
        Seen::Rebuilt
    }

    fn is_behind(&self) -> bool {
        matches!(self.phase, Phase::Behind | Phase::Rewound)
    }
}

#[cfg(test)]
mod tests;
