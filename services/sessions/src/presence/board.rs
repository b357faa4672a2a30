//! The pure part of presence: who is there, and of whom there may be news.

use std::collections::{BTreeMap, BTreeSet};

use cluster_types::AccountId;
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

#[derive(Debug, Default)]
struct Person {
    sessions: Vec<(SessionId, State)>,
    // As those who watch know it.
    shown: State,
    // Without sessions since then.
    gone: Option<Instant>,
    due: Option<Instant>,
}

impl Board {
    /// A session says how present its person is.
    pub(super) fn set(
        &mut self,
        account: AccountId,
        session: SessionId,
        state: State,
        at: Instant,
    ) {
        let person = self.people.entry(account).or_default();
        person.gone = None;
        match person.sessions.iter_mut().find(|(id, _)| *id == session) {
            Some(entry) => entry.1 = state,
            None => person.sessions.push((session, state)),
        }
        self.look_at(account, at);
    }

    /// A session has ended.
    pub(super) fn end(&mut self, account: AccountId, session: SessionId, at: Instant) {
        let Some(person) = self.people.get_mut(&account) else {
            return;
        };
        person.sessions.retain(|(id, _)| *id != session);
        if person.sessions.is_empty() {
            person.gone = Some(at);
        }
        let due = person.gone.map_or(at, |gone| gone + OFFLINE_AFTER);
        self.look_at(account, due);
    }

    /// How present those who watch know somebody to be.
    pub(super) fn shown(&self, account: AccountId) -> State {
        let person = self.people.get(&account);
        person.map_or(State::Offline, |person| person.shown)
    }

    /// The next one to look at by `now`, and what is news about it.
    pub(super) fn next_due(&mut self, now: Instant) -> Option<(AccountId, Option<State>)> {
        let (due, account) = *self.agenda.first()?;
        if due > now {
            return None;
        }
        self.agenda.pop_first();
        let Some(person) = self.people.get_mut(&account) else {
            return Some((account, None));
        };
        person.due = None;
        if let Some(gone) = person.gone {
            let offline = gone + OFFLINE_AFTER;
            if now < offline {
                self.look_at(account, offline);
                return Some((account, None));
            }
        }
        let states = person.sessions.iter().map(|(_, state)| *state);
        let state = states.max().unwrap_or_default();
        let is_news = std::mem::replace(&mut person.shown, state) != state;
        if person.sessions.is_empty() {
            self.people.remove(&account);
        }
        Some((account, is_news.then_some(state)))
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
