//! P4 and P11, once everything has come to rest: every stream whose client reads has all that it
//! follows, and its client knows which rooms it has.

use cluster_types::Seq;

use super::delivery::Track;
use super::facts::Facts;
use super::log::Log;
use super::{About, Rule, Verdict};
use crate::history::{Answer, Ask, Done, RoomView};
use crate::names::{Room, Stream};

pub(super) fn check(
    facts: &Facts<'_>,
    at: usize,
    stream: Stream,
    track: &Track,
    verdict: &mut Verdict,
) {
    let Some(ready) = track.ready.filter(|_| !track.is_paused) else {
        return;
    };
    for (room, log) in &facts.logs {
        let about = About::entry(at).at(*room, log.head()).stream(stream);
        let is_member = log.is_complete && log.is_member(track.by, log.head());
        follows(track, *room, log, is_member, about, verdict);
        if log.is_complete {
            knows(facts, ready, track, *room, log, about, verdict);
        }
        if let (true, Some(view)) = (is_member, last_view(facts, track, *room)) {
            counts(track, *room, view, about, verdict);
        }
    }
}

fn follows(
    track: &Track,
    room: Room,
    log: &Log,
    is_member: bool,
    about: About,
    verdict: &mut Verdict,
) {
    let Some(follow) = track.follows.get(&room) else {
        return;
    };
    if !is_member {
        let what = format!(
            "{} follows {room}, which it has lost, and was not told",
            track.by
        );
        verdict.broken(Rule::Untold, about, what);
        return;
    }
    let has = follow.has().unwrap_or(Seq::ZERO);
    if has != log.head() || !follow.is_live {
        let what = format!(
            "{} has {room} up to {has}, and it ends at {} (live: {})",
            track.by,
            log.head(),
            follow.is_live
        );
        verdict.broken(Rule::Incomplete, about, what);
    }
}

/// Whoever gained or lost the room while the stream was open was told so. Who lost it and gained it again, or gained it and
/// lost it again, before the stream's node had heard of either stands as before: there is nothing to tell but the events.
fn knows(
    facts: &Facts<'_>,
    ready: usize,
    track: &Track,
    room: Room,
    log: &Log,
    about: About,
    verdict: &mut Verdict,
) {
    let known = facts.known(room, ready);
    let mut later = log.changes(track.by).iter().filter(|(seq, _)| *seq > known);
    let told = track.told.get(&room).copied();
    let mut earlier = log
        .changes(track.by)
        .iter()
        .filter(|(seq, _)| *seq <= known);
    let had = earlier.next_back().is_some_and(|(_, is_in)| *is_in);
    let here = later
        .clone()
        .all(|(seq, _)| facts.cause(room, *seq) > ready);
    let is_as_before = |is_in| told.is_none() && had == is_in && here;
    match later.next_back() {
        // It may have happened just before the stream was greeted, and be known to nobody: then there
        // is nothing to tell. So only what was asked for afterwards counts.
        Some((lost, false))
            if told != Some(false) && !is_as_before(false) && facts.cause(room, *lost) > ready =>
        {
            let what = format!("{} lost {room} at {lost}, and was told {told:?}", track.by);
            verdict.broken(Rule::Untold, about, what);
        }
        Some((gained, true))
            if told != Some(true) && !is_as_before(true) && facts.cause(room, *gained) > ready =>
        {
            let what = format!(
                "{} gained {room} at {gained}, and was told {told:?}",
                track.by
            );
            verdict.broken(Rule::Untold, about, what);
        }
        _ => {}
    }
}

/// The newest counter of a room that is not followed says what there is to read.
fn counts(track: &Track, room: Room, view: &RoomView, about: About, verdict: &mut Verdict) {
    if track.followed.contains(&room) {
        return;
    }
    match track.counters.get(&room) {
        Some(counter) if (counter.messages, counter.unread) != (view.messages, view.unread) => {
            let what = format!(
                "the newest counter of {room} says {} of {} unread; {} of {} are",
                counter.unread, counter.messages, view.unread, view.messages
            );
            let about = About {
                entry: counter.entry,
                ..about
            };
            verdict.broken(Rule::Unread, about, what);
        }
        None if view.unread > 0 => {
            let what = format!(
                "{} messages of {room} are unread, without a counter",
                view.unread
            );
            verdict.broken(Rule::Unread, about, what);
        }
        Some(_) | None => {}
    }
}

/// The room as the client's account sees it when nothing happens any more.
fn last_view<'a>(facts: &'a Facts<'_>, track: &Track, room: Room) -> Option<&'a RoomView> {
    facts.orders.values().rev().find_map(|order| {
        let asked = *order.ask == Ask::ViewRoom { room } && order.by == track.by;
        match order.attempts.last() {
            Some(last) if asked && last.asked > facts.rest => match last.answer {
                Some((_, Answer::Done(Done::Room(view)))) => Some(view),
                _ => None,
            },
            _ => None,
        }
    })
}
