//! P11: whoever is not a member is shown nothing. Who has been removed gets nothing that came after,
//! not even the event that says so; who is added again gets it all.

use cluster_types::Seq;

use super::facts::{Facts, Source};
use super::{About, Rule, Verdict, numbered};
use crate::history::{Item, OnStream, What};
use crate::names::{Person, Room, Stream};
use std::collections::BTreeMap;

pub(super) fn check(facts: &Facts<'_>, verdict: &mut Verdict) {
    for log in facts.logs.values() {
        verdict.checked.removals += log.losses() as u64;
    }
    for sight in &facts.sights {
        let (room, seq) = (sight.event.room, sight.event.seq);
        let what = match sight.from {
            Source::Stream(_) => shown(facts, sight.by, room, seq, sight.entry),
            Source::Page { asked } => {
                let may = facts.may_be_member(sight.by, room, asked, sight.entry);
                (!may).then(|| format!("{} is not in {room}, and reads {seq}", sight.by))
            }
            Source::Walk => None,
        };
        if let Some(what) = what {
            verdict.broken(Rule::Removed, sight.about(), what);
        }
    }
    hints(facts, verdict);
}

/// What is wrong with somebody's being sent something of a room as it is at `seq`.
fn shown(facts: &Facts<'_>, by: Person, room: Room, seq: Seq, at: usize) -> Option<String> {
    let log = facts.logs.get(&room).filter(|log| seq <= log.whole)?;
    let (lost, gained) = log.outside(by, seq)?;
    // Of a room that is gone, nobody has read the end of the log: it may have been gained there.
    let again = gained.is_some() || !log.is_complete;
    let again = again && facts.may_gain(by, room, lost, at);
    (!again).then(|| format!("{by} lost {room} at {lost}, and is shown {seq}"))
}

/// Counters and marks of others tell of a room too.
fn hints(facts: &Facts<'_>, verdict: &mut Verdict) {
    let mut owners: BTreeMap<Stream, Person> = BTreeMap::new();
    for (at, what) in numbered(facts.history) {
        let (stream, item) = match what {
            What::Stream(stream, OnStream::Opened { by, .. }) => {
                owners.insert(*stream, *by);
                continue;
            }
            What::Stream(stream, OnStream::Got(item)) => (*stream, item),
            _ => continue,
        };
        let (room, seq) = match item {
            Item::Counter { room, head, .. } => (*room, *head),
            Item::Live { room, seq, .. } | Item::Marker { room, seq, .. } => (*room, *seq),
            _ => continue,
        };
        let by = owners.get(&stream).copied().unwrap_or_default();
        if let Some(what) = shown(facts, by, room, seq, at) {
            verdict.broken(
                Rule::Removed,
                About::entry(at).at(room, seq).stream(stream),
                what,
            );
        }
    }
}
