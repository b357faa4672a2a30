//! What is read shows what was answered before; what is answered as done was so; what is refused had a
//! reason to be.
//!
//! All three compare an answer with every state that the room can have had between the question and
//! the answer: from the newest event that anybody knew before, to the end of the log.

use std::collections::BTreeMap;

use cluster_types::Seq;
use tonic::Code;

use super::facts::{Facts, Order, Source};
use super::files;
use super::log::Stand;
use super::{About, Rule, Verdict};
use crate::history::{Answer, Ask, Done, Why};
use crate::names::{Op, Room};

pub(super) fn check(facts: &Facts<'_>, verdict: &mut Verdict) {
    edits(facts, verdict);
    for (op, order) in &facts.orders {
        heads(facts, *op, order, verdict);
        effects(facts, *op, order, verdict);
        refusals(facts, *op, order, verdict);
    }
}

/// A message in a page is at least as new as the newest change of it that was answered before.
fn edits(facts: &Facts<'_>, verdict: &mut Verdict) {
    let mut changed: BTreeMap<(Room, Seq), Vec<(usize, Seq)>> = BTreeMap::new();
    for order in facts.orders.values() {
        if let Ask::Edit { room, target, .. } | Ask::Delete { room, target } = order.ask {
            let done = order.done().filter_map(|(at, done)| match done {
                Done::Changed(seq) => Some((at, *seq)),
                _ => None,
            });
            changed.entry((*room, *target)).or_default().extend(done);
        }
    }
    for sight in &facts.sights {
        let (Source::Page { asked }, Some((place, message))) = (sight.from, sight.event.message())
        else {
            continue;
        };
        let changes = changed.get(&(sight.event.room, place));
        let before = changes.into_iter().flatten().filter(|(at, _)| *at < asked);
        let newest = before.map(|(_, seq)| *seq).max().unwrap_or_default();
        if message.edited < newest {
            let what = format!(
                "{} {place} was changed at {newest}, and is read as of {}",
                sight.event.room, message.edited
            );
            verdict.broken(Rule::Stale, sight.about(), what);
        }
    }
}

/// A view of a room is at least as new as what was known of it before.
fn heads(facts: &Facts<'_>, op: Op, order: &Order<'_>, verdict: &mut Verdict) {
    for attempt in &order.attempts {
        let Some((at, Answer::Done(done))) = attempt.answer else {
            continue;
        };
        let views = match done {
            Done::Room(view) => std::slice::from_ref(view),
            Done::Rooms(views) => views.as_slice(),
            _ => continue,
        };
        for view in views {
            let known = facts.known(view.room, attempt.asked);
            if view.head < known {
                let what = format!("{} ends at {}, and {known} was known", view.room, view.head);
                verdict.broken(
                    Rule::Stale,
                    About::entry(at).at(view.room, known).op(op),
                    what,
                );
            }
        }
    }
}

/// What was answered as done was so at some moment after it was asked for.
fn effects(facts: &Facts<'_>, op: Op, order: &Order<'_>, verdict: &mut Verdict) {
    let (Some(room), Some((at, _))) = (order.ask.room(), order.done().next()) else {
        return;
    };
    let Some(log) = facts.logs.get(&room).filter(|log| log.is_complete) else {
        return;
    };
    let from = facts.known(room, order.first_asked());
    let holds = |stand: &Stand| stand.shows(order.ask, order.by).unwrap_or(true);
    if log.first_from(from, holds).is_none() {
        let what = format!(
            "{op} was done, and from {from} on {:?} never holds",
            order.ask
        );
        verdict.broken(Rule::Effect, About::entry(at).room(room).op(op), what);
    }
}

/// A message was refused for a reason that was there at some moment.
fn refusals(facts: &Facts<'_>, op: Op, order: &Order<'_>, verdict: &mut Verdict) {
    let Ask::Send { room, .. } = order.ask else {
        return;
    };
    let Some(log) = facts.logs.get(room).filter(|log| log.is_complete) else {
        return;
    };
    for attempt in &order.attempts {
        let Some((at, Answer::Refused(why))) = attempt.answer else {
            continue;
        };
        if files::are_a_reason(facts, order, why) {
            continue;
        }
        let reason = |stand: &Stand| is_reason(why, order, stand);
        let from = facts.known(*room, attempt.asked);
        let about_room = matches!(
            why.code,
            Code::NotFound | Code::PermissionDenied | Code::FailedPrecondition
        );
        if about_room && log.first_from(from, reason).is_none() {
            let what = format!("{op} was refused with {why:?}, which never held from {from} on");
            verdict.broken(Rule::Refusal, About::entry(at).room(*room).op(op), what);
        }
    }
}

fn is_reason(why: &Why, order: &Order<'_>, stand: &Stand) -> bool {
    let member = stand.members.get(&order.by);
    match why.code {
        Code::NotFound => member.is_none(),
        Code::PermissionDenied => member.is_some_and(|member| member.muted),
        Code::FailedPrecondition => stand.archived,
        _ => true,
    }
}
