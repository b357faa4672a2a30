//! What is shown of a room agrees with its log, at every moment: members, roles, bans, names, counts.
//!
//! A view is one snapshot of the store, so it must agree exactly with the log up to the newest event
//! that it names.

use std::collections::{BTreeMap, BTreeSet};

use cluster_types::Seq;

use super::facts::{Facts, Order};
use super::log::{Log, Member};
use super::{About, Rule, Verdict};
use crate::history::{Answer, Ask, Done, MemberView, RoomView};
use crate::names::{Op, Person, Room};

pub(super) fn check(facts: &Facts<'_>, verdict: &mut Verdict) {
    let mut log_ids: BTreeMap<Room, String> = BTreeMap::new();
    for (op, order) in &facts.orders {
        for attempt in &order.attempts {
            let Some((at, Answer::Done(done))) = attempt.answer else {
                continue;
            };
            let look = Look {
                facts,
                order,
                about: About::entry(at).op(*op),
                at_rest: attempt.asked > facts.rest,
            };
            let views = match done {
                Done::Room(view) => std::slice::from_ref(view),
                Done::Rooms(views) => {
                    look.rooms(views, verdict);
                    views.as_slice()
                }
                Done::Members(members) => {
                    look.members(members, verdict);
                    continue;
                }
                Done::People(people) => {
                    look.bans(people, verdict);
                    continue;
                }
                Done::Marked { seq, unread } => {
                    look.mark(*seq, *unread, verdict);
                    continue;
                }
                _ => continue,
            };
            for view in views {
                look.room(view, verdict);
                let first = log_ids
                    .entry(view.room)
                    .or_insert_with(|| view.log_id.clone());
                if *first != view.log_id {
                    let what = format!("{} is {}, and was {first}", view.room, view.log_id);
                    verdict.broken(Rule::View, look.about.room(view.room), what);
                }
            }
        }
    }
    marks_stay(facts, verdict);
}

/// One answer.
struct Look<'a> {
    facts: &'a Facts<'a>,
    order: &'a Order<'a>,
    about: About,
    /// Whether nothing happens any more.
    at_rest: bool,
}

impl Look<'_> {
    fn room(&self, view: &RoomView, verdict: &mut Verdict) {
        let Some(log) = self
            .facts
            .logs
            .get(&view.room)
            .filter(|log| view.head <= log.whole)
        else {
            return;
        };
        let about = self.about.at(view.room, view.head);
        let stand = log.stand(view.head);
        let role = stand.members.get(&self.order.by).map(|member| member.role);
        let agrees = view.messages == stand.messages
            && view.members == stand.members.len() as u64
            && Some(view.role) == role
            && view.archived == stand.archived
            && stand
                .display_name
                .is_none_or(|name| name == view.display_name);
        if !agrees {
            let what = format!(
                "{} is shown as {view:?}, and its log says otherwise",
                view.room
            );
            verdict.broken(Rule::View, about, what);
        }
        let unread = stand.messages.checked_sub(log.messages(view.read));
        if view.read > view.head || unread != Some(view.unread) {
            let what = format!(
                "{} has {} unread after {}, there are {unread:?}",
                view.room, view.unread, view.read
            );
            verdict.broken(Rule::Unread, about, what);
        }
    }

    /// Once everything has come to rest: all rooms of the account and no other.
    fn rooms(&self, views: &[RoomView], verdict: &mut Verdict) {
        if !self.at_rest {
            return;
        }
        let shown: BTreeSet<_> = views.iter().map(|view| view.room).collect();
        let logs = self.facts.logs.iter().filter(|(_, log)| log.is_complete);
        let own = logs.filter(|(_, log)| log.is_member(self.order.by, log.head()));
        let own: BTreeSet<_> = own.map(|(room, _)| *room).collect();
        if shown != own {
            let what = format!("{} is shown {shown:?}, and is in {own:?}", self.order.by);
            verdict.broken(Rule::View, self.about, what);
        }
    }

    fn members(&self, members: &[MemberView], verdict: &mut Verdict) {
        let Some((room, log)) = self.log_at_rest() else {
            return;
        };
        let shown: BTreeMap<_, _> = members
            .iter()
            .map(|view| (view.who, as_member(view)))
            .collect();
        let stand = log.stand(log.head());
        if matches!(self.order.ask, Ask::Members { .. }) && shown != stand.members {
            let what = format!(
                "{room} is shown with {shown:?}, and has {:?}",
                stand.members
            );
            verdict.broken(Rule::View, self.about.room(room), what);
        }
    }

    fn bans(&self, people: &[Person], verdict: &mut Verdict) {
        let Some((room, log)) = self.log_at_rest() else {
            return;
        };
        let shown: BTreeSet<_> = people.iter().copied().collect();
        let stand = log.stand(log.head());
        if matches!(self.order.ask, Ask::Bans { .. }) && shown != stand.banned {
            let what = format!(
                "{room} bans {:?}, and is shown to ban {shown:?}",
                stand.banned
            );
            verdict.broken(Rule::View, self.about.room(room), what);
        }
    }

    fn log_at_rest(&self) -> Option<(Room, &Log)> {
        let room = self.order.ask.room().filter(|_| self.at_rest)?;
        let log = self.facts.logs.get(&room).filter(|log| log.is_complete)?;
        Some((room, log))
    }

    /// The newest event is not known here, but no log has more after the mark than all that there is.
    fn mark(&self, seq: Seq, unread: u64, verdict: &mut Verdict) {
        let Ask::MarkRead { room, seq: asked } = self.order.ask else {
            return;
        };
        let Some(log) = self.facts.logs.get(room).filter(|log| log.is_complete) else {
            return;
        };
        let left = log.messages(log.head()).checked_sub(log.messages(seq));
        if seq < *asked || left.is_none_or(|left| unread > left) {
            let what = format!(
                "{room} read up to {asked}: the mark is at {seq}, {unread} unread, {left:?} at most"
            );
            verdict.broken(Rule::Unread, self.about.at(*room, seq), what);
        }
    }
}

const fn as_member(view: &MemberView) -> Member {
    Member {
        role: view.role,
        muted: view.muted,
    }
}

/// Where it was asked for and answered, where it stands, and whose order it was.
type Mark = (usize, usize, Seq, Op);

/// A mark never moves back while its owner stays in the room.
fn marks_stay(facts: &Facts<'_>, verdict: &mut Verdict) {
    let mut marks: BTreeMap<(Person, Room), Vec<Mark>> = BTreeMap::new();
    for (op, order) in &facts.orders {
        for attempt in &order.attempts {
            if let (
                Ask::MarkRead { room, .. },
                Some((at, Answer::Done(Done::Marked { seq, .. }))),
            ) = (order.ask, attempt.answer)
            {
                let marks = marks.entry((order.by, *room)).or_default();
                marks.push((attempt.asked, at, *seq, *op));
            }
        }
    }
    for ((by, room), marks) in &marks {
        let Some(log) = facts.logs.get(room).filter(|log| log.is_complete) else {
            continue;
        };
        if log.changes(*by).iter().any(|(_, is_member)| !is_member) {
            continue;
        }
        for (asked, at, seq, op) in marks {
            let before = marks.iter().filter(|(_, answered, ..)| answered < asked);
            let furthest = before.map(|(_, _, seq, _)| *seq).max().unwrap_or_default();
            if *seq < furthest {
                let what = format!("the mark of {by} in {room} was at {furthest}, and is at {seq}");
                verdict.broken(
                    Rule::Unread,
                    About::entry(*at).at(*room, *seq).op(*op),
                    what,
                );
            }
        }
    }
}
