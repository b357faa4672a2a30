//! The pure part of presence: who is there, and of whom there may be news.

use std::collections::{BTreeMap, BTreeSet};

use cluster_types::{AccountId, NodeId};
use tokio::time::Instant;

use super::State;
use crate::limits::OFFLINE_AFTER;
use crate::session::SessionId;

/// Everybody who is there, or was a moment ago.
#[derive(Debug, Default)]
pub(super) struct Board {
    people: BTreeMap<AccountId, Person>,
    // When to look at whom. One entry for each person at most.
    agenda: BTreeSet<(Instant, AccountId)>,
}

/// Where somebody is present: on a device of theirs, or at another node, with whatever devices.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Seat {
    Session(SessionId),
    Node(NodeId),
}

/// What has changed about somebody.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct News {
    /// For those who watch.
    pub(super) shown: Option<State>,
    /// For other nodes: how present somebody is on this one.
    pub(super) here: Option<State>,
}

#[derive(Debug, Default)]
struct Person {
    seats: Vec<(Seat, State)>,
    // As those who watch know it.
    shown: State,
    // As other nodes know it.
    here: State,
    // Less present since then, or without sessions: maybe for a moment.
    gone: Option<Instant>,
    due: Option<Instant>,
}

impl Board {
    /// How present somebody is in this place.
    pub(super) fn set(&mut self, account: AccountId, seat: Seat, state: State, at: Instant) {
        let person = self.people.entry(account).or_default();
        person.gone = None;
        match person.seats.iter_mut().find(|(of, _)| *of == seat) {
            Some(entry) => entry.1 = state,
            None => person.seats.push((seat, state)),
        }
        self.look_at(account, at);
    }

    /// Somebody is in this place no more.
    pub(super) fn end(&mut self, account: AccountId, seat: Seat, at: Instant) {
        let Some(person) = self.people.get_mut(&account) else {
            return;
        };
        person.seats.retain(|(of, _)| *of != seat);
        if person.seats.is_empty() {
            person.gone = Some(at);
        }
        // Other nodes hear of it before those who watch.
        self.look_at(account, at);
    }

    /// Nobody is known to be in this place any more. Those who are elsewhere, too, may be back as soon.
    pub(super) fn end_all(&mut self, seat: Seat, at: Instant) {
        let is_there = |person: &Person| person.seats.iter().any(|(of, _)| *of == seat);
        let there = self.people.iter().filter(|(_, person)| is_there(person));
        for account in there.map(|(account, _)| *account).collect::<Vec<_>>() {
            self.end(account, seat, at);
            if let Some(person) = self.people.get_mut(&account) {
                person.gone = Some(at);
            }
        }
    }

    /// Everybody who is present here, as other nodes know it.
    pub(super) fn here(&self) -> impl Iterator<Item = (AccountId, State)> {
        let people = self.people.iter();
        people
            .map(|(account, person)| (*account, person.here))
            .filter(|(_, here)| *here != State::Offline)
    }

    /// How present those who watch know somebody to be.
    pub(super) fn shown(&self, account: AccountId) -> State {
        let person = self.people.get(&account);
        person.map_or(State::Offline, |person| person.shown)
    }

    /// The next one to look at by `now`, and what is news about it.
    pub(super) fn next_due(&mut self, now: Instant) -> Option<(AccountId, News)> {
        let (due, account) = *self.agenda.first()?;
        if due > now {
            return None;
        }
        self.agenda.pop_first();
        let mut news = News::default();
        let Some(person) = self.people.get_mut(&account) else {
            return Some((account, news));
        };
        person.due = None;
        let here = person.most_present(|seat| matches!(seat, Seat::Session(_)));
        news.here = (std::mem::replace(&mut person.here, here) != here).then_some(here);
        if let Some(gone) = person.gone {
            let offline = gone + OFFLINE_AFTER;
            if now < offline {
                self.look_at(account, offline);
                return Some((account, news));
            }
        }
        let state = person.most_present(|_| true);
        news.shown = (std::mem::replace(&mut person.shown, state) != state).then_some(state);
        if person.seats.is_empty() {
            self.people.remove(&account);
        }
        Some((account, news))
    }

    /// Looks at somebody at that time, or earlier if that is due already.
    fn look_at(&mut self, account: AccountId, at: Instant) {
        let Some(person) = self.people.get_mut(&account) else {
            return;
        };
        if person.due.is_some_and(|due| due <= at) {
            return;
        }
        if let Some(later) = person.due.replace(at) {
            self.agenda.remove(&(later, account));
        }
        self.agenda.insert((at, account));
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.people.is_empty() && self.agenda.is_empty()
    }
}

impl Person {
    fn most_present(&self, counts: impl Fn(Seat) -> bool) -> State {
        let seats = self.seats.iter().filter(|(seat, _)| counts(*seat));
        seats.map(|(_, state)| *state).max().unwrap_or_default()
    }
}
