//! Presence: who is there, in memory alone, told only to who watches.
//!
//! An account is as present as its most present session. One that loses its last session is shown as
//! offline a little later, so that a reconnect is no event. Changes are told in steps: however often
//! somebody comes and goes, watchers hear of it once in a step. Nothing of this is stored, and no time
//! of it is kept longer than that.

use std::collections::BTreeMap;
use std::sync::Arc;

use cluster_types::AccountId;
use parking_lot::Mutex;
use tokio::time::Instant;

use crate::outbox::Hint;
use crate::session::{Session, SessionId};

mod board;
#[cfg(test)]
mod tests;

use board::Board;

/// How present somebody is, least first.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum State {
    /// Not there, or does not want to be seen.
    #[default]
    Offline,
    /// There, and not looking.
    Away,
    /// There.
    Online,
}

#[derive(Debug, Default)]
pub(crate) struct Presence(Mutex<Shared>);

#[derive(Debug, Default)]
struct Shared {
    board: Board,
    watchers: BTreeMap<AccountId, BTreeMap<SessionId, Arc<Session>>>,
    watched: BTreeMap<SessionId, Vec<AccountId>>,
}

impl Presence {
    /// A session says how present its person is.
    pub(crate) fn set(&self, session: &Session, state: State) {
        let mut shared = self.0.lock();
        // Who has ended has been taken out, and is not put back.
        if !session.has_ended() {
            let now = Instant::now();
            shared.board.set(session.account(), session.id, state, now);
        }
    }

    /// A session has ended.
    pub(crate) fn end(&self, session: &Session) {
        let mut shared = self.0.lock();
        let now = Instant::now();
        shared.board.end(session.account(), session.id, now);
        shared.unwatch(session.id);
    }

    /// From here on, a session hears of these accounts and no others; first how they are now.
    pub(crate) fn watch(&self, session: &Arc<Session>, accounts: Vec<AccountId>) {
        let mut shared = self.0.lock();
        shared.unwatch(session.id);
        if session.has_ended() {
            return;
        }
        for account in &accounts {
            let watchers = shared.watchers.entry(*account).or_default();
            watchers.insert(session.id, Arc::clone(session));
        }
        session.change(|outbox| {
            outbox.forget_presence();
            for account in &accounts {
                let (account, state) = (*account, shared.board.shown(*account));
                outbox.hint(Hint::Presence { account, state });
            }
        });
        if !accounts.is_empty() {
            shared.watched.insert(session.id, accounts);
        }
    }

    /// Tells what has changed since the last step.
    pub(crate) fn step(&self) {
        let now = Instant::now();
        while self.0.lock().tell_next(now) {
            // The lock is let go after each account: one may have many watchers.
        }
    }
}

impl Shared {
    fn tell_next(&mut self, now: Instant) -> bool {
        let Some((account, news)) = self.board.next_due(now) else {
            return false;
        };
        if let Some(state) = news {
            let watchers = self.watchers.get(&account).into_iter();
            for session in watchers.flat_map(BTreeMap::values) {
                session.change(|outbox| outbox.hint(Hint::Presence { account, state }));
            }
        }
        true
    }

    fn unwatch(&mut self, session: SessionId) {
        for account in self.watched.remove(&session).unwrap_or_default() {
            let Some(watchers) = self.watchers.get_mut(&account) else {
                continue;
            };
            watchers.remove(&session);
            if watchers.is_empty() {
                self.watchers.remove(&account);
            }
        }
    }
}
