//! The part of a history that explains a violation, as short as it gets.

use std::collections::BTreeSet;

use super::{About, Violation};
use crate::history::{Answer, Done, Entry, History, Item, Kind, OnStream, What, World};
use crate::limits::{EXCERPT_LINES_MAX, EXCERPT_REACH};
use crate::names::Op;

/// Characters of a line that are shown; a page of a log would fill the screen.
const LINE_CHARS_MAX: usize = 320;

/// The lines of `history` that `violation` is about, in their order.
pub fn excerpt(history: &History, violation: &Violation) -> Vec<String> {
    let topic = Topic::of(history, &violation.about);
    let about = topic.about;
    let weigh = |at: usize, entry: &Entry| {
        let near = at.abs_diff(about.entry) <= EXCERPT_REACH;
        if at == about.entry {
            u8::MAX
        } else {
            topic.weight(&entry.what, near)
        }
    };
    let all = history.entries.iter().enumerate();
    let mut chosen: Vec<_> = all.filter(|(at, entry)| weigh(*at, entry) > 0).collect();
    if chosen.len() > EXCERPT_LINES_MAX {
        // What weighs most stays, and among equals what lies nearest.
        chosen.sort_by_key(|(at, entry)| (u8::MAX - weigh(*at, entry), at.abs_diff(about.entry)));
        chosen.truncate(EXCERPT_LINES_MAX);
        chosen.sort_by_key(|(at, _)| *at);
    }
    chosen
        .into_iter()
        .map(|(at, entry)| line(at, entry))
        .collect()
}

fn line(at: usize, entry: &Entry) -> String {
    let text = format!("{at:>6} {entry}");
    if text.chars().count() <= LINE_CHARS_MAX {
        return text;
    }
    let cut: String = text.chars().take(LINE_CHARS_MAX).collect();
    format!("{cut}...")
}

/// What a violation is about, and the orders that are about the same room.
struct Topic<'a> {
    about: &'a About,
    orders: BTreeSet<Op>,
}

impl<'a> Topic<'a> {
    fn of(history: &History, about: &'a About) -> Self {
        let here = |entry: &Entry| match &entry.what {
            What::Asked { op, ask, .. } if about.room.is_some() && ask.room() == about.room => {
                Some(*op)
            }
            _ => None,
        };
        Self {
            about,
            orders: history.entries.iter().filter_map(here).collect(),
        }
    }

    /// How much an entry has to do with it; 0 for nothing.
    fn weight(&self, what: &What, near: bool) -> u8 {
        match what {
            What::World(World::Crashed | World::Started { .. } | World::Drained) if near => 1,
            What::World(World::Node(..) | World::Way(..)) if near => 1,
            What::World(World::Stray(_) | World::Unfenced(_)) => 9,
            What::World(_) | What::Walk { .. } => 0,
            What::Asked { op, .. } if Some(*op) == self.about.op => 9,
            What::Asked { op, ask, .. } if self.orders.contains(op) => match ask.moves_somebody() {
                true => 5,
                false => u8::from(near),
            },
            What::Asked { .. } => 0,
            What::Answered { op, .. } if Some(*op) == self.about.op => 9,
            What::Answered { op, answer, .. } if self.orders.contains(op) => match answer {
                Answer::Done(Done::Said { seq, .. } | Done::Changed(seq)) => {
                    4 * u8::from(Some(*seq) == self.about.seq)
                }
                Answer::Done(Done::Nothing | Done::Members(_)) => 2,
                Answer::Doubtful(_) => 2,
                _ => 0,
            },
            What::Answered { .. } => 0,
            What::Stream(stream, on) => {
                let same = Some(*stream) == self.about.stream;
                match on {
                    OnStream::Got(item) => self.got(item, same),
                    _ => 6 * u8::from(same),
                }
            }
        }
    }

    fn got(&self, item: &Item, same_stream: bool) -> u8 {
        match item {
            Item::Event(event) if Some(event.room) == self.about.room => {
                let apart = self.about.seq.map(|seq| seq.0.abs_diff(event.seq.0));
                let membership = matches!(event.kind, Kind::Membership { .. });
                match (apart, same_stream) {
                    (Some(0..=2), true) => 7,
                    (Some(0), false) => 3,
                    (_, true) if membership => 4,
                    _ => 0,
                }
            }
            Item::Live { room, .. }
            | Item::Gained(room)
            | Item::Lost(room)
            | Item::Counter { room, .. }
                if Some(*room) == self.about.room && same_stream =>
            {
                6
            }
            Item::Ready | Item::Farewell { .. } if same_stream => 5,
            _ => 0,
        }
    }
}
