//! Files: each is kept and counted exactly as long as messages carry it, and readers see it with those messages
//! and no others.

use std::collections::BTreeSet;

use cluster_types::Seq;

use super::facts::{Facts, Order};
use super::{About, Rule, Verdict, numbered};
use crate::history::{Ask, KeptFile, Kind, Quota, What, Why, World};
use crate::names::{File, Room};

pub(super) fn check(facts: &Facts<'_>, verdict: &mut Verdict) {
    for (at, what) in numbered(facts.history) {
        let What::World(World::Files { kept, quotas }) = what else {
            continue;
        };
        let about = About::entry(at);
        verdict.checked.files += kept.len() as u64;
        for file in kept {
            if let Some(what) = wrong(file) {
                verdict.broken(Rule::Files, about, format!("{what}: {file:?}"));
            }
        }
        for quota in quotas {
            let Quota {
                counted,
                kept,
                uploads,
                ..
            } = quota;
            if counted != kept || *uploads != 0 {
                verdict.broken(Rule::Files, about, format!("counted wrongly: {quota:?}"));
            }
        }
        let named = kept.iter().flat_map(|kept| {
            let places = kept.carried.iter();
            places.map(|(room, seq)| (*room, *seq, kept.file))
        });
        let named: BTreeSet<_> = named.collect();
        for (room, seq, file) in named.symmetric_difference(&seen(facts, &named)) {
            let what = format!("{file} is kept for {room} {seq}, or seen there, and not both");
            verdict.broken(Rule::Files, about.at(*room, *seq), what);
        }
    }
}

fn wrong(kept: &KeptFile) -> Option<&'static str> {
    if kept.is_upload {
        Some("an upload that nobody swept")
    } else if kept.carried.is_empty() {
        Some("kept, and carried by no message")
    } else if kept.uses.map(u64::from) != Some(kept.carried.len() as u64) {
        Some("carried, and counted otherwise")
    } else if kept.objects != 1 {
        Some("carried, and its bytes are not there")
    } else if kept.carried.len() > 1 {
        Some("carried by two messages")
    } else {
        None
    }
}

/// What readers have seen in the end; of logs that nobody has read in the end, what is `named`.
fn seen(facts: &Facts<'_>, named: &BTreeSet<(Room, Seq, File)>) -> BTreeSet<(Room, Seq, File)> {
    let is_complete = |room: &Room| facts.logs.get(room).is_some_and(|log| log.is_complete);
    let unread = named.iter().filter(|(room, ..)| !is_complete(room));
    let mut seen: BTreeSet<_> = unread.copied().collect();
    for (room, log) in facts.logs.iter().filter(|(_, log)| log.is_complete) {
        for event in log.events.values() {
            if let Kind::Message(message) = &event.kind {
                let files = message.said.files.iter();
                seen.extend(files.map(|file| (*room, event.seq, file)));
            }
        }
    }
    seen
}

/// Whether a message was refused for its files, and may have been: one that another message may have taken, or
/// one that may have been swept or is somebody else's.
pub(super) fn are_a_reason(facts: &Facts<'_>, order: &Order<'_>, why: &Why) -> bool {
    let Ask::Send { said, .. } = order.ask else {
        return false;
    };
    let shares = |other: &Order<'_>| match other.ask {
        Ask::Send { said: theirs, .. } => said
            .files
            .iter()
            .any(|file| theirs.files.iter().any(|f| f == file)),
        _ => false,
    };
    match why.reason.as_str() {
        "UPLOAD_TAKEN" => {
            let mut others = facts
                .orders
                .values()
                .filter(|other| !std::ptr::eq(*other, order));
            others.any(|other| shares(other) && other.may_have_happened())
        }
        "UPLOAD_NOT_FOUND" | "UPLOAD_FOR_ANOTHER_ROOM" => !said.files.is_empty(),
        _ => false,
    }
}
