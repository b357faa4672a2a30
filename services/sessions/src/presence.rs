//! Presence: who is there, in memory alone, told only to who watches.
//!
//! An account is as present as its most present session. One that loses its last session is shown as
//! offline a little later, so that a reconnect is no event. Nothing of this is stored, and no time of
//! it is kept longer than that.

use std::collections::BTreeMap;
use std::sync::Arc;

use cluster_types::AccountId;
use parking_lot::Mutex;
use proto::v1::presence::State;
use tokio::time::Instant;

use crate::actor::{Session, SessionId};
use crate::limits::OFFLINE_AFTER;
use crate::outbox::Note;

#[derive(Debug, Default)]
pub(crate) struct Presence(Mutex<Board>);

#[derive(Debug, Default)]
struct Board {
    accounts: BTreeMap<AccountId, Shown>,
    watchers: BTreeMap<AccountId, BTreeMap<SessionId, Arc<Session>>>,
    watched: BTreeMap<SessionId, Vec<AccountId>>,
}

#[derive(Debug, Default)]
struct Shown {
    sessions: BTreeMap<SessionId, State>,
    // Without sessions since then.
    gone: Option<Instant>,
    state: State,
}

impl Presence {
    /// A session says how present its person is.
    pub(crate) fn set(&self, session: &Session, state: State) {
        let mut board = self.0.lock();
        let shown = board.accounts.entry(session.account).or_default();
        shown.sessions.insert(session.id, state);
        shown.gone = None;
        board.show(session.account);
    }

    /// A session has ended.
    pub(crate) fn end(&self, session: &Session) {
        let mut board = self.0.lock();
        for account in board.watched.remove(&session.id).unwrap_or_default() {
            board.unwatch(account, session.id);
        }
        let Some(shown) = board.accounts.get_mut(&session.account) else {
            return;
        };
        shown.sessions.remove(&session.id);
        if shown.sessions.is_empty() {
            shown.gone = Some(Instant::now());
        } else {
            board.show(session.account);
        }
    }

    /// From here on, a session hears of these accounts and no others; first how they are now.
    pub(crate) fn watch(&self, session: &Arc<Session>, accounts: Vec<AccountId>) {
        let mut board = self.0.lock();
        for account in board.watched.remove(&session.id).unwrap_or_default() {
            board.unwatch(account, session.id);
        }
        if session.has_ended() {
            return;
        }
        for account in &accounts {
            board
                .watchers
                .entry(*account)
                .or_default()
                .insert(session.id, Arc::clone(session));
            let state = board
                .accounts
                .get(account)
                .map_or(State::Offline, |shown| shown.state);
            session.outbox.with(|out| {
                out.note(Note::Presence {
                    account: *account,
                    state,
                })
            });
        }
        board.watched.insert(session.id, accounts);
    }

    /// Shows as offline whoever has been gone for long enough.
    pub(crate) fn sweep(&self) {
        let mut board = self.0.lock();
        let now = Instant::now();
        let is_gone = |shown: &Shown| {
            shown
                .gone
                .is_some_and(|since| now.duration_since(since) >= OFFLINE_AFTER)
        };
        let gone = board.accounts.extract_if(.., |_, shown| is_gone(shown));
        let gone: Vec<_> = gone.map(|(account, _)| account).collect();
        for account in gone {
            board.tell(account, State::Offline);
        }
    }
}

impl Board {
    fn show(&mut self, account: AccountId) {
        let Some(shown) = self.accounts.get_mut(&account) else {
            return;
        };
        let online = shown.sessions.values().any(|state| *state == State::Online);
        let state = if online { State::Online } else { State::Away };
        if std::mem::replace(&mut shown.state, state) != state {
            self.tell(account, state);
        }
    }

    fn tell(&self, account: AccountId, state: State) {
        for session in self
            .watchers
            .get(&account)
            .into_iter()
            .flat_map(BTreeMap::values)
        {
            session
                .outbox
                .with(|out| out.note(Note::Presence { account, state }));
        }
    }

    fn unwatch(&mut self, account: AccountId, session: SessionId) {
        let Some(watchers) = self.watchers.get_mut(&account) else {
            return;
        };
        watchers.remove(&session);
        if watchers.is_empty() {
            self.watchers.remove(&account);
        }
    }
}
