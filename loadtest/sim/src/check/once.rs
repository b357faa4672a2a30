//! P1 and P3: what was acknowledged is there, at its place and in its words; what was asked for once is
//! there once, whatever was asked again; and nothing is there that nobody asked for.

use std::collections::BTreeMap;

use cluster_types::Seq;

use super::facts::{Facts, Order};
use super::log::Log;
use super::{About, Rule, Verdict};
use crate::history::{Answer, Ask, Body, Done, Event, Kind, Message, MessageId, Said};
use crate::names::{Op, Person, Room};

/// Who used which id.
type Key = (Person, MessageId);

pub(super) fn check(facts: &Facts<'_>, verdict: &mut Verdict) {
    let used = Used::gather(facts);
    for (op, order) in &facts.orders {
        acknowledged(facts, *op, order, verdict);
        answers_agree(*op, order, verdict);
    }
    for (key, ops) in &used.sends {
        one_id(facts, *key, ops, &used, verdict);
    }
    for (room, log) in &facts.logs {
        logged(facts, &used, *room, log, verdict);
    }
    seen_once(facts, verdict);
    rooms_once(facts, verdict);
}

/// What was asked for, by what it was asked with.
struct Used {
    sends: BTreeMap<Key, Vec<Op>>,
    edits: BTreeMap<(Room, Person, Seq), Vec<Op>>,
    /// Where the message of an id was seen, first of all.
    places: BTreeMap<Key, (Room, Seq)>,
}

impl Used {
    fn gather(facts: &Facts<'_>) -> Self {
        let mut used = Self {
            sends: BTreeMap::new(),
            edits: BTreeMap::new(),
            places: BTreeMap::new(),
        };
        for (op, order) in &facts.orders {
            match order.ask {
                Ask::Send { id, .. } => {
                    used.sends.entry((order.by, *id)).or_default().push(*op);
                }
                Ask::Edit { room, target, .. } => {
                    let key = (*room, order.by, *target);
                    used.edits.entry(key).or_default().push(*op);
                }
                _ => {}
            }
        }
        for sight in &facts.sights {
            if let Kind::Message(Message { id: Some(id), .. }) = sight.event.kind {
                let place = (sight.event.room, sight.event.seq);
                used.places.entry((sight.event.actor, id)).or_insert(place);
            }
        }
        used
    }
}

/// What an answer says was appended is in the log.
fn acknowledged(facts: &Facts<'_>, op: Op, order: &Order<'_>, verdict: &mut Verdict) {
    for (at, done) in order.done() {
        let (seq, room) = match (done, order.ask.room()) {
            (Done::Said { seq, .. } | Done::Changed(seq), Some(room)) => (*seq, room),
            _ => continue,
        };
        let about = About::entry(at).at(room, seq).op(op);
        let Some(log) = facts.logs.get(&room) else {
            continue;
        };
        let Some(event) = log.events.get(&seq) else {
            if log.is_complete {
                let what = format!("{op} was answered with {room} {seq}, which is not there");
                verdict.broken(Rule::Lost, about, what);
            }
            continue;
        };
        verdict.checked.appends += 1;
        // Of a room that is gone, what was seen of the message may be older than its deletion.
        let is_old = !log.is_complete && may_be_taken_back(facts, room, seq, at);
        if let Some(what) = differs(order, done, event, is_old) {
            verdict.broken(Rule::Lost, about, format!("{op} was answered with {what}"));
        }
    }
}

/// What is wrong with the event that an order was answered with. The words of a message are not compared
/// if it had other ones before, or may have had none by then.
fn differs(order: &Order<'_>, done: &Done, event: &Event, is_old: bool) -> Option<String> {
    let wrong = |what: &str| Some(format!("{} {}, {what}: {event:?}", event.room, event.seq));
    if event.actor != order.by {
        let moderated = matches!(order.ask, Ask::Delete { .. });
        // A message that was deleted before is answered with that deletion, whoever's it was.
        return if moderated {
            None
        } else {
            wrong("which is somebody else's")
        };
    }
    match (order.ask, done, &event.kind) {
        (Ask::Send { id, said, .. }, Done::Said { at, .. }, Kind::Message(message)) => {
            if *at != event.at {
                return wrong("said at another time");
            }
            let same_id = message.id.is_none_or(|found| found == *id);
            let same_words = is_old || message.edited != Seq::ZERO || message.said == *said;
            if same_id && same_words {
                None
            } else {
                wrong("another message")
            }
        }
        (Ask::Edit { target, .. }, Done::Changed(_), Kind::Edit { target: t, .. })
        | (Ask::Delete { target, .. }, Done::Changed(_), Kind::Deletion { target: t })
            if target == t =>
        {
            None
        }
        _ => wrong("which is something else"),
    }
}

fn answers_agree(op: Op, order: &Order<'_>, verdict: &mut Verdict) {
    let once = matches!(
        order.ask,
        Ask::Send { .. } | Ask::Edit { .. } | Ask::Delete { .. }
    );
    let mut done = order.done();
    let Some((_, first)) = done.next().filter(|_| once) else {
        return;
    };
    if let Some((at, other)) = done.find(|(_, other)| *other != first) {
        let what = format!("{op} was answered with {first:?}, then with {other:?}");
        verdict.broken(Rule::Answers, About::entry(at).op(op), what);
    }
}

/// One id of one person: one message at most, and only if it may have been said at all. A message that was
/// taken back cannot be compared with any more, so its id gets the first answer whatever it is asked for.
fn one_id(facts: &Facts<'_>, key: Key, ops: &[Op], used: &Used, verdict: &mut Verdict) {
    let orders = || {
        ops.iter()
            .filter_map(|op| Some((*op, facts.orders.get(op)?)))
    };
    let mut done = orders().filter(|(_, order)| order.done().next().is_some());
    if let (Some((one, first)), Some((two, second))) = (done.next(), done.next())
        && !is_answered_for_what_was_taken_back(facts, first, second)
    {
        let at = first.first_asked().max(second.first_asked());
        let what = format!(
            "{one} and {two} use {:?} for two things, and both were done",
            key.1
        );
        verdict.broken(Rule::IdReused, About::entry(at).op(two), what);
    }
    let possible = orders().any(|(_, order)| order.may_have_happened());
    if let (Some((room, seq)), false) = (used.places.get(&key), possible)
        && let Some((op, order)) = orders().next()
    {
        let about = About::entry(order.first_asked()).at(*room, *seq).op(op);
        let what = format!("every attempt of {op} failed, and it is in {room} at {seq}");
        verdict.broken(Rule::DoneThoughRefused, about, what);
    }
}

/// Whether the same was answered to both, and to the later one not before somebody asked for the message to
/// be deleted.
fn is_answered_for_what_was_taken_back(
    facts: &Facts<'_>,
    first: &Order<'_>,
    second: &Order<'_>,
) -> bool {
    let (Some((one, answer)), Some((two, again))) = (first.done().next(), second.done().next())
    else {
        return false;
    };
    let (Done::Said { seq, .. }, Some(room)) = (answer, first.ask.room()) else {
        return false;
    };
    let stands = |log: &Log| {
        let event = log.events.get(seq).map(|event| &event.kind);
        log.is_complete && !matches!(event, Some(Kind::Message(message)) if message.deleted)
    };
    answer == again
        && second.ask.room() == Some(room)
        && may_be_taken_back(facts, room, *seq, one.max(two))
        && !facts.logs.get(&room).is_some_and(stands)
}

/// Whether somebody has asked for a message to be deleted before this entry, and may have got it.
fn may_be_taken_back(facts: &Facts<'_>, room: Room, target: Seq, before: usize) -> bool {
    facts.orders.values().any(|order| {
        let is_deletion = *order.ask == Ask::Delete { room, target };
        is_deletion && order.may_have_happened() && order.first_asked() < before
    })
}

/// What is in a log was asked for.
fn logged(facts: &Facts<'_>, used: &Used, room: Room, log: &Log, verdict: &mut Verdict) {
    let mut edits: BTreeMap<(Person, Seq), usize> = BTreeMap::new();
    let mut deletions: BTreeMap<Seq, Seq> = BTreeMap::new();
    for event in log.events.values() {
        let about = About::entry(facts.rest).at(room, event.seq);
        match &event.kind {
            Kind::Message(message) => {
                if let Some(what) = unasked(facts, used, event, message) {
                    verdict.broken(Rule::Unasked, about, what);
                }
            }
            Kind::Edit { target, .. } => {
                let asked = used.edits.get(&(room, event.actor, *target));
                let asked = asked.map_or(&[][..], Vec::as_slice);
                let possible = asked
                    .iter()
                    .filter(|op| facts.orders[op].may_have_happened());
                let (possible, count) = (
                    possible.count(),
                    edits.entry((event.actor, *target)).or_default(),
                );
                *count += 1;
                if *count > possible {
                    let rule = if asked.is_empty() {
                        Rule::Unasked
                    } else {
                        Rule::Doubled
                    };
                    let what = format!(
                        "{} has changed {room} {target} {count} times, and asked for {possible}",
                        event.actor
                    );
                    verdict.broken(rule, about, what);
                }
            }
            Kind::Deletion { target } => {
                if let Some(before) = deletions.insert(*target, event.seq) {
                    let what = format!("{room} {target} was deleted at {before} and {}", event.seq);
                    verdict.broken(Rule::Doubled, about, what);
                }
                if !may_delete(facts, room, event.actor, *target) {
                    let what = format!("nobody asked for {room} {target} to be deleted");
                    verdict.broken(Rule::Unasked, about, what);
                }
            }
            Kind::Membership { whom, change, .. } => {
                let asked = facts.orders.values().any(|order| {
                    let here = order.ask.room().is_none_or(|r| r == room);
                    let by = order.by == event.actor && order.may_have_happened();
                    here && by && order.ask.may_cause(order.by, *whom, *change)
                });
                if !asked {
                    let what = format!("{} never asked for {:?}", event.actor, event.kind);
                    verdict.broken(Rule::Unasked, about, what);
                }
            }
            Kind::Room { .. } => {}
        }
    }
}

fn may_delete(facts: &Facts<'_>, room: Room, by: Person, target: Seq) -> bool {
    facts.orders.values().any(|order| {
        let ask = Ask::Delete { room, target };
        order.by == by && *order.ask == ask && order.may_have_happened()
    })
}

/// What is wrong with a message of a log: that its author never asked for it.
fn unasked(facts: &Facts<'_>, used: &Used, event: &Event, message: &Message) -> Option<String> {
    if message.deleted {
        // Only the place is left. Who asked for it to be deleted is asked elsewhere.
        let empty = message.said.body == Body::of("");
        return (!empty).then(|| format!("a deleted message still says something: {event:?}"));
    }
    let id = message.id?;
    let ops = used.sends.get(&(event.actor, id));
    let mut asked = ops.into_iter().flatten().filter_map(|op| {
        let order = facts.orders.get(op)?;
        match order.ask {
            Ask::Send { room, said, .. } if order.may_have_happened() => Some((*room, *said)),
            _ => None,
        }
    });
    let same = |said: Said| {
        if message.edited == Seq::ZERO {
            said == message.said
        } else {
            (said.priority, said.reply_to) == (message.said.priority, message.said.reply_to)
                && message.said.files.are_left_of(&said.files)
        }
    };
    let found = asked.any(|(room, said)| room == event.room && same(said));
    if found {
        None
    } else {
        Some(format!("nobody asked for {event:?}"))
    }
}

/// No id is seen in two places, by any reader at any time.
fn seen_once(facts: &Facts<'_>, verdict: &mut Verdict) {
    let mut places: BTreeMap<Key, (Room, Seq)> = BTreeMap::new();
    for sight in &facts.sights {
        let Kind::Message(Message { id: Some(id), .. }) = sight.event.kind else {
            continue;
        };
        let place = (sight.event.room, sight.event.seq);
        let first = *places.entry((sight.event.actor, id)).or_insert(place);
        if first != place {
            let what = format!(
                "{id:?} of {} is in {} at {} and in {} at {}",
                sight.event.actor, first.0, first.1, place.0, place.1
            );
            verdict.broken(Rule::Doubled, sight.about(), what);
        }
    }
}

/// One order makes one room, two people have one conversation, and two orders make two rooms.
fn rooms_once(facts: &Facts<'_>, verdict: &mut Verdict) {
    let mut pairs: BTreeMap<(Person, Person), Room> = BTreeMap::new();
    let mut made: BTreeMap<Room, Op> = BTreeMap::new();
    for (op, order) in &facts.orders {
        for attempt in &order.attempts {
            let Some((at, Answer::Done(Done::Room(view)))) = attempt.answer else {
                continue;
            };
            let about = About::entry(at).room(view.room).op(*op);
            match order.ask {
                Ask::CreateRoom { .. } => {
                    let first = *made.entry(view.room).or_insert(*op);
                    let own = made.iter().find(|(_, maker)| **maker == *op);
                    if first != *op || own.is_some_and(|(room, _)| *room != view.room) {
                        let what = format!("{op} made {}, and {first} too or another", view.room);
                        verdict.broken(Rule::Doubled, about, what);
                    }
                }
                Ask::OpenDirect { peer } => {
                    let pair = (order.by.min(*peer), order.by.max(*peer));
                    let first = *pairs.entry(pair).or_insert(view.room);
                    if first != view.room {
                        let what = format!("{pair:?} talk in {first} and in {}", view.room);
                        verdict.broken(Rule::Doubled, about, what);
                    }
                }
                _ => {}
            }
        }
    }
}
