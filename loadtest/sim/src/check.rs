//! What has to be true of every history, whatever went wrong in it.
//!
//! Pure: a history goes in, violations come out. Nothing is assumed of how the server works, only what it
//! promises, and that its store is strictly serializable: what was answered before something was asked
//! is seen by it.
//!
//! Each file below has the rules of one promise. All start from `Facts`, the history sorted by what it
//! is about, in which the log of a room is what its members read after everything had come to rest.
//!
//! Invariant: every rule can fail. For each there is a history that breaks it and no other.

use std::fmt;

use cluster_types::Seq;

use crate::history::{History, What, World};
use crate::names::{Op, Room, Stream};

mod delivery;
mod excerpt;
mod facts;
mod files;
mod fresh;
mod log;
mod once;
mod order;
mod removed;
mod rest;
mod signed_out;
mod sound;
#[cfg(test)]
mod tests;
mod views;

pub use excerpt::excerpt;
use facts::Facts;

/// Everything that can be broken.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Rule {
    /// P1: what was acknowledged is in the log.
    Lost,
    /// P2: a log has every seq from 1 to its newest, and so has every page.
    Dense,
    /// P2: all readers see the same event at the same place.
    SameForAll,
    /// P2: times never run backwards.
    Time,
    /// P2: each event says how many messages there are up to it.
    MessageCount,
    /// P3: what was asked for once is there once.
    Doubled,
    /// P3: what is in the log was asked for by whom it says, in these words.
    Unasked,
    /// P3: all answers to one order are equal.
    Answers,
    /// P3: what was refused, or not done by the server's own word, is not there.
    DoneThoughRefused,
    /// P3: an id that was used for one thing is not taken for another.
    IdReused,
    /// P4: what a stream sends of a room follows its cursor without a gap.
    Gap,
    /// P4: nothing is sent twice.
    Repeated,
    /// P4: nothing is sent of a room that the client does not follow.
    NotFollowed,
    /// P4: a marker stands behind the last event sent, and says which log it is.
    Marker,
    /// P4: once everything has come to rest, every stream has everything.
    Incomplete,
    /// P5: a room is written by the node that owns it, and by no other.
    Owner,
    /// P5: a write to a room is refused if the owner changes before it.
    Fence,
    /// P11: who has been removed is sent and shown nothing that came after.
    Removed,
    /// P11: who comes or goes is told on every stream.
    Untold,
    /// An ended sign-in opens nothing.
    SignedOut,
    /// What is read shows all that was answered before.
    Stale,
    /// What was answered as done was true at some moment in between.
    Effect,
    /// Nobody is refused without a reason.
    Refusal,
    /// What is shown of a room agrees with its log.
    View,
    /// Counts of unread messages agree with the log.
    Unread,
    /// A file is kept, and counted, exactly as long as messages carry it.
    Files,
    /// Nothing answers with an error that only a defect explains, or with what cannot be read.
    Sound,
}

/// Something that is not as promised.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Violation {
    /// Which rule.
    pub rule: Rule,
    /// In words.
    pub what: String,
    /// What it is about.
    pub about: About,
}

/// What a violation is about, as far as it is about any of these.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct About {
    /// The entry at which it shows.
    pub entry: usize,
    /// The room.
    pub room: Option<Room>,
    /// The event.
    pub seq: Option<Seq>,
    /// The order.
    pub op: Option<Op>,
    /// The stream.
    pub stream: Option<Stream>,
}

/// What was looked at.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Checked {
    /// Appends that were acknowledged and looked for in the log.
    pub appends: u64,
    /// Events of logs.
    pub events: u64,
    /// Events that arrived on streams.
    pub deliveries: u64,
    /// Pages of logs that were read.
    pub pages: u64,
    /// Streams that were greeted.
    pub streams: u64,
    /// Times that somebody lost a room.
    pub removals: u64,
    /// Orders of which an attempt was doubtful.
    pub doubtful: u64,
    /// Files that messages carried in the end.
    pub files: u64,
    /// Writes to rooms that were held against their owners.
    pub owned: u64,
}

/// What came of a check.
#[derive(Clone, Debug, Default)]
pub struct Verdict {
    /// What was looked at.
    pub checked: Checked,
    /// What is not as promised.
    pub violations: Vec<Violation>,
}

/// Looks at everything.
pub fn check(history: &History) -> Verdict {
    let mut verdict = Verdict::default();
    let facts = Facts::gather(history, &mut verdict);
    order::check(&facts, &mut verdict);
    once::check(&facts, &mut verdict);
    delivery::check(&facts, &mut verdict);
    removed::check(&facts, &mut verdict);
    signed_out::check(&facts, &mut verdict);
    fresh::check(&facts, &mut verdict);
    views::check(&facts, &mut verdict);
    files::check(&facts, &mut verdict);
    owned(history, &mut verdict);
    sound::check(&facts, &mut verdict);
    verdict
}

/// P5: whoever held writes against owners has found nothing.
fn owned(history: &History, verdict: &mut Verdict) {
    for (at, what) in numbered(history) {
        match what {
            What::World(World::Stray(words)) => {
                verdict.broken(Rule::Owner, About::entry(at), words);
            }
            What::World(World::Unfenced(words)) => {
                verdict.broken(Rule::Fence, About::entry(at), words);
            }
            What::World(World::Owned(writes)) => verdict.checked.owned += writes,
            _ => {}
        }
    }
}

// === impl Rule ===

impl Rule {
    /// All of them.
    pub const ALL: [Self; 27] = [
        Self::Lost,
        Self::Dense,
        Self::SameForAll,
        Self::Time,
        Self::MessageCount,
        Self::Doubled,
        Self::Unasked,
        Self::Answers,
        Self::DoneThoughRefused,
        Self::IdReused,
        Self::Gap,
        Self::Repeated,
        Self::NotFollowed,
        Self::Marker,
        Self::Incomplete,
        Self::Owner,
        Self::Fence,
        Self::Removed,
        Self::Untold,
        Self::SignedOut,
        Self::Stale,
        Self::Effect,
        Self::Refusal,
        Self::View,
        Self::Unread,
        Self::Files,
        Self::Sound,
    ];

    /// The promise behind it, as the design numbers them; empty if it has no number.
    pub const fn promise(self) -> &'static str {
        match self {
            Self::Lost => "P1",
            Self::Dense | Self::SameForAll | Self::Time | Self::MessageCount => "P2",
            Self::Doubled
            | Self::Unasked
            | Self::Answers
            | Self::DoneThoughRefused
            | Self::IdReused => "P3",
            Self::Gap | Self::Repeated | Self::NotFollowed | Self::Marker | Self::Incomplete => {
                "P4"
            }
            Self::Owner | Self::Fence => "P5",
            Self::Removed | Self::Untold => "P11",
            Self::SignedOut
            | Self::Stale
            | Self::Effect
            | Self::Refusal
            | Self::View
            | Self::Unread
            | Self::Files
            | Self::Sound => "",
        }
    }

    /// In a few words.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Lost => "acknowledged and not there",
            Self::Dense => "a gap in a log",
            Self::SameForAll => "readers disagree",
            Self::Time => "time ran backwards",
            Self::MessageCount => "messages miscounted",
            Self::Doubled => "done twice",
            Self::Unasked => "there and never asked for",
            Self::Answers => "answers to one order differ",
            Self::DoneThoughRefused => "refused and done",
            Self::IdReused => "one id for two things",
            Self::Gap => "a gap on a stream",
            Self::Repeated => "sent twice on a stream",
            Self::NotFollowed => "sent and not followed",
            Self::Marker => "a marker in the wrong place",
            Self::Incomplete => "a stream never caught up",
            Self::Owner => "written by another than the owner",
            Self::Fence => "written without a fence",
            Self::Removed => "shown to somebody removed",
            Self::Untold => "not told of a room gained or lost",
            Self::SignedOut => "opened by an ended sign-in",
            Self::Stale => "read something outdated",
            Self::Effect => "answered and not in effect",
            Self::Refusal => "refused without a reason",
            Self::View => "a view that contradicts the log",
            Self::Unread => "unread messages miscounted",
            Self::Files => "a file kept or counted wrongly",
            Self::Sound => "an answer that makes no sense",
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.promise() {
            "" => f.write_str(self.name()),
            promise => write!(f, "{promise}: {}", self.name()),
        }
    }
}

// === impl Verdict ===

impl Verdict {
    fn broken(&mut self, rule: Rule, about: About, what: impl Into<String>) {
        self.violations.push(Violation {
            rule,
            what: what.into(),
            about,
        });
    }
}

// === impl About ===

impl About {
    fn entry(entry: usize) -> Self {
        Self {
            entry,
            ..Self::default()
        }
    }

    fn at(self, room: Room, seq: Seq) -> Self {
        Self {
            room: Some(room),
            seq: Some(seq),
            ..self
        }
    }

    fn room(self, room: Room) -> Self {
        Self {
            room: Some(room),
            ..self
        }
    }

    fn op(self, op: Op) -> Self {
        Self {
            op: Some(op),
            ..self
        }
    }

    fn stream(self, stream: Stream) -> Self {
        Self {
            stream: Some(stream),
            ..self
        }
    }
}

// === impl Checked ===

impl std::ops::AddAssign for Checked {
    fn add_assign(&mut self, other: Self) {
        self.appends += other.appends;
        self.events += other.events;
        self.deliveries += other.deliveries;
        self.pages += other.pages;
        self.streams += other.streams;
        self.removals += other.removals;
        self.doubtful += other.doubtful;
        self.files += other.files;
        self.owned += other.owned;
    }
}

/// The entries of a history with their places.
fn numbered(history: &History) -> impl Iterator<Item = (usize, &What)> {
    history.entries.iter().map(|entry| &entry.what).enumerate()
}
