//! P2: one order, without a gap, the same for every reader and from both ends.

use cluster_types::Seq;

use super::facts::{Facts, broken_at};
use super::log::Log;
use super::{About, Rule, Verdict, numbered};
use crate::history::{Answer, Ask, Done, Event, Kind, What};
use crate::names::Room;

pub(super) fn check(facts: &Facts<'_>, verdict: &mut Verdict) {
    for (room, log) in &facts.logs {
        in_itself(facts, *room, log, verdict);
    }
    for sight in &facts.sights {
        let log = facts.logs.get(&sight.event.room);
        match log.and_then(|log| log.events.get(&sight.event.seq)) {
            Some(event) if event.is_the_same_as(sight.event) => {}
            Some(event) => {
                let what = format!(
                    "{} saw {:?}, and the log has {event:?}",
                    sight.by, sight.event
                );
                broken_at(verdict, Rule::SameForAll, sight, what);
            }
            None => {
                let what = format!(
                    "{} saw {:?}, and the log ends before",
                    sight.by, sight.event
                );
                broken_at(verdict, Rule::SameForAll, sight, what);
            }
        }
    }
    walks(facts, verdict);
    pages(facts, verdict);
}

/// What a log says without any reader but one.
fn in_itself(facts: &Facts<'_>, room: Room, log: &Log, verdict: &mut Verdict) {
    let about = |seq| About::entry(facts.rest).at(room, seq);
    verdict.checked.events += log.events.len() as u64;
    if log.is_complete && log.whole != log.head() {
        let missing = log.whole.next();
        let what = format!("{room} has no event {missing}, and ends at {}", log.head());
        verdict.broken(Rule::Dense, about(missing), what);
    }
    let mut messages = 0;
    let mut before: Option<&Event> = None;
    for event in log.events.values() {
        if let Some(before) = before
            && before.at > event.at
        {
            let what = format!("{room} {}: {:?} after {:?}", event.seq, event.at, before.at);
            verdict.broken(Rule::Time, about(event.seq), what);
        }
        messages += u64::from(matches!(event.kind, Kind::Message(_)));
        if event.messages != messages && event.seq <= log.whole {
            let what = format!(
                "{room} {} says {} messages, there are {messages}",
                event.seq, event.messages
            );
            verdict.broken(Rule::MessageCount, about(event.seq), what);
        }
        before = Some(event);
    }
}

/// After everything has come to rest, all readers see equal logs, to the last byte.
fn walks(facts: &Facts<'_>, verdict: &mut Verdict) {
    for (at, what) in numbered(facts.history) {
        let What::Walk {
            room,
            by,
            forward,
            events,
        } = what
        else {
            continue;
        };
        let Some(log) = facts.logs.get(room) else {
            continue;
        };
        let mut seen: Vec<&Event> = events.iter().collect();
        if !forward {
            seen.reverse();
        }
        if !seen.iter().copied().eq(log.events.values()) {
            let pairs = seen.iter().copied().zip(log.events.values());
            let differs = pairs
                .filter(|(seen, event)| seen != event)
                .map(|(seen, _)| seen.seq);
            let end = Seq(seen.len().min(log.events.len()) as u64 + 1);
            let seq = differs.min().unwrap_or(end);
            let way = if *forward { "forwards" } else { "backwards" };
            let what = format!("{by} reads {room} {way} otherwise than others, from {seq} on");
            verdict.broken(Rule::SameForAll, About::entry(at).at(*room, seq), what);
        }
    }
}

/// A page begins where it was asked to, has no gap, and says that there is more exactly if there is.
fn pages(facts: &Facts<'_>, verdict: &mut Verdict) {
    for (op, order) in &facts.orders {
        let Ask::Page {
            room,
            forward,
            from,
            size,
        } = order.ask
        else {
            continue;
        };
        for attempt in &order.attempts {
            let Some((at, Answer::Done(Done::Page { events, more }))) = attempt.answer else {
                continue;
            };
            verdict.checked.pages += 1;
            let known = facts.known(*room, attempt.asked);
            let page = Page {
                events,
                more: *more,
                forward: *forward,
                from: *from,
            };
            let wrong = page.what_is_wrong(known, *size as usize);
            for (rule, what) in wrong {
                let seq = events.first().map_or(known, |event| event.seq);
                verdict.broken(rule, About::entry(at).at(*room, seq).op(*op), what);
            }
        }
    }
}

struct Page<'a> {
    events: &'a [Event],
    more: bool,
    forward: bool,
    from: Option<Seq>,
}

impl Page<'_> {
    fn what_is_wrong(&self, known: Seq, size: usize) -> Vec<(Rule, String)> {
        let mut wrong = Vec::new();
        let follows = |one: &Event, two: &Event| {
            if self.forward {
                two.seq == one.seq.next()
            } else {
                one.seq == two.seq.next()
            }
        };
        if let Some(pair) = self
            .events
            .windows(2)
            .find(|pair| !follows(&pair[0], &pair[1]))
        {
            let what = format!("a page has {} next to {}", pair[0].seq, pair[1].seq);
            wrong.push((Rule::Dense, what));
        }
        if self.events.len() > size {
            wrong.push((
                Rule::View,
                format!("{} events in a page of {size}", self.events.len()),
            ));
        }
        let first = self.events.first().map(|event| event.seq);
        let last = self.events.last().map(|event| event.seq);
        let begins = self.from.or_else(|| self.forward.then_some(Seq(1)));
        match (begins, first) {
            (Some(begins), Some(first)) if first != begins => {
                wrong.push((
                    Rule::Dense,
                    format!("a page from {begins} begins at {first}"),
                ));
            }
            (Some(begins), None) if begins <= known => {
                wrong.push((Rule::Stale, format!("a page from {begins} is empty")));
            }
            (None, first) if first.unwrap_or_default() < known => {
                let what = format!("the newest event is {first:?}, and {known} was known");
                wrong.push((Rule::Stale, what));
            }
            _ => {}
        }
        match (self.forward, self.more, last) {
            (true, false, Some(last)) if last < known => {
                wrong.push((
                    Rule::Stale,
                    format!("the log ends at {last}, and {known} was known"),
                ));
            }
            (false, false, Some(last)) if last > Seq(1) => {
                wrong.push((Rule::Dense, format!("the log begins at {last}")));
            }
            _ => {}
        }
        wrong
    }
}
