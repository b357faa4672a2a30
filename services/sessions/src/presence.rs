//! Presence: who is there, in memory alone, told only to who watches.
//!
//! An account is as present as its most present session, on whatever node. One that loses its last session is shown as
//! offline a little later, so that a reconnect is no event. Changes are told in steps: however often
//! somebody comes and goes, watchers hear of it once in a step. Nothing of this is stored, and no time
//! of it is kept longer than that.
//!
//! Invariant: one account is shown to another only while they share a room, as far as is known here.
//! Where that is in doubt, since they are watched anew or since one of them has lost a room, nothing is
//! told until the watcher's actor has looked it up; and where something is in doubt, the actor is awake.
//! Strangers are left out without a word: whether they exist is nobody's business.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use cluster_types::{AccountId, NodeId};
use parking_lot::Mutex;
use tokio::time::Instant;

use crate::limits::NEIGHBOURS_AT_ONCE;
use crate::outbox::Hint;
use crate::session::{Session, SessionId};

mod board;
#[cfg(test)]
mod tests;

use board::{Board, News, Seat};

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
    watchers: BTreeMap<AccountId, BTreeMap<SessionId, Watcher>>,
    watches: BTreeMap<SessionId, Watch>,
}

/// A session that watches an account.
#[derive(Debug)]
struct Watcher {
    session: Arc<Session>,
    sight: Sight,
}

/// Whether a watcher may see whom it watches.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Sight {
    /// It is to be looked up.
    Doubted,
    /// It is being looked up.
    Asked,
    /// They share a room.
    Clear,
}

/// Whom a session watches.
#[derive(Debug)]
struct Watch {
    accounts: BTreeSet<AccountId>,
    // The actor has been woken to look some of them up, and has not come back empty-handed.
    in_doubt: bool,
}

impl Presence {
    /// A session says how present its person is.
    pub(crate) fn set(&self, session: &Session, state: State) {
        let mut shared = self.0.lock();
        // Who has ended has been taken out, and is not put back.
        if !session.has_ended() {
            let now = Instant::now();
            let seat = Seat::Session(session.id);
            shared.board.set(session.account(), seat, state, now);
        }
    }

    /// A session has ended.
    pub(crate) fn end(&self, session: &Session) {
        let mut shared = self.0.lock();
        let now = Instant::now();
        let seat = Seat::Session(session.id);
        shared.board.end(session.account(), seat, now);
        shared.unwatch(session.id);
    }

    // --- Watching ---

    /// From here on, a session hears of those of these accounts that share a room with it, and of no
    /// others; first how they are now.
    pub(crate) fn watch(&self, session: &Arc<Session>, accounts: BTreeSet<AccountId>) {
        let mut shared = self.0.lock();
        shared.unwatch(session.id);
        session.change(|outbox| outbox.forget_presence());
        if session.has_ended() || accounts.is_empty() {
            return;
        }
        for account in &accounts {
            let watcher = Watcher {
                session: Arc::clone(session),
                sight: Sight::Doubted,
            };
            let watchers = shared.watchers.entry(*account).or_default();
            watchers.insert(session.id, watcher);
        }
        let watch = Watch {
            accounts,
            in_doubt: true,
        };
        shared.watches.insert(session.id, watch);
        session.look();
    }

    /// A session has lost a room: whom it watches may be strangers now.
    pub(crate) fn doubt_by(&self, session: SessionId) {
        let mut shared = self.0.lock();
        let watch = shared.watches.get(&session);
        for account in watch.map_or_else(Vec::new, |watch| watch.accounts.iter().copied().collect())
        {
            shared.doubt(account, session);
        }
    }

    /// An account has lost a room: it may be a stranger now to who watches it.
    pub(crate) fn doubt_of(&self, account: AccountId) {
        let mut shared = self.0.lock();
        let watchers = shared.watchers.get(&account);
        for session in watchers.map_or_else(Vec::new, |all| all.keys().copied().collect()) {
            shared.doubt(account, session);
        }
    }

    /// Some of those whom a session watches and who are to be looked up. After an empty list the actor
    /// is woken when there are more.
    pub(crate) fn next_doubted(&self, session: SessionId) -> Vec<AccountId> {
        let mut shared = self.0.lock();
        let Shared {
            watchers, watches, ..
        } = &mut *shared;
        let Some(watch) = watches.get_mut(&session) else {
            return Vec::new();
        };
        let is_doubted = |account: &&AccountId| {
            let watcher = watchers.get_mut(account);
            let watcher = watcher.and_then(|watchers| watchers.get_mut(&session));
            let watcher = watcher.filter(|watcher| watcher.sight == Sight::Doubted);
            watcher.is_some_and(|watcher| {
                watcher.sight = Sight::Asked;
                true
            })
        };
        let doubted = watch.accounts.iter().filter(is_doubted);
        let doubted: Vec<_> = doubted.take(NEIGHBOURS_AT_ONCE).copied().collect();
        watch.in_doubt = !doubted.is_empty();
        doubted
    }

    /// Those of `asked` who share a room with the session's account are `neighbours`. Whom that is in
    /// doubt of again is left so.
    pub(crate) fn settle(&self, session: SessionId, asked: &[AccountId], neighbours: &[AccountId]) {
        let mut shared = self.0.lock();
        for account in asked {
            if neighbours.contains(account) {
                shared.show(*account, session);
            } else if shared.sight(*account, session).copied() == Some(Sight::Asked) {
                shared.unwatch_one(*account, session);
            }
        }
    }

    /// They could not be looked up.
    pub(crate) fn put_back(&self, session: SessionId, asked: &[AccountId]) {
        let mut shared = self.0.lock();
        for account in asked {
            if let Some(sight) = shared.sight(*account, session) {
                *sight = Sight::Doubted;
            }
        }
    }

    // --- Telling ---

    /// Tells what has changed since the last step. Returns who has become how present here, for other nodes.
    pub(crate) fn step(&self) -> Vec<(AccountId, State)> {
        let (now, mut here) = (Instant::now(), Vec::new());
        // The lock is let go after each account: one may have many watchers.
        while let Some((account, news)) = self.0.lock().tell_next(now) {
            here.extend(news.here.map(|state| (account, state)));
        }
        here
    }

    // --- Other nodes ---

    /// Everybody who is present here, as other nodes know it.
    pub(crate) fn everybody_here(&self) -> Vec<(AccountId, State)> {
        self.0.lock().board.here().collect()
    }

    /// Another node tells who has become how present there; `is_all`: whom it does not name is not.
    pub(crate) fn told(&self, from: NodeId, people: &[(AccountId, State)], is_all: bool) {
        let (mut shared, now, seat) = (self.0.lock(), Instant::now(), Seat::Node(from));
        if is_all {
            shared.board.end_all(seat, now);
        }
        for (account, state) in people {
            match state {
                State::Offline => shared.board.end(*account, seat, now),
                State::Away | State::Online => shared.board.set(*account, seat, *state, now),
            }
        }
    }

    /// Nothing is known any more of who is present at another node.
    pub(crate) fn node_ended(&self, node: NodeId) {
        let mut shared = self.0.lock();
        shared.board.end_all(Seat::Node(node), Instant::now());
    }
}

impl Shared {
    fn tell_next(&mut self, now: Instant) -> Option<(AccountId, News)> {
        let (account, news) = self.board.next_due(now)?;
        if let Some(state) = news.shown {
            let watchers = self.watchers.get(&account).into_iter();
            let watchers = watchers.flat_map(BTreeMap::values);
            for watcher in watchers.filter(|watcher| watcher.sight == Sight::Clear) {
                watcher.tell(account, state);
            }
        }
        Some((account, news))
    }

    fn sight(&mut self, account: AccountId, session: SessionId) -> Option<&mut Sight> {
        let watcher = self.watchers.get_mut(&account)?.get_mut(&session)?;
        Some(&mut watcher.sight)
    }

    fn doubt(&mut self, account: AccountId, session: SessionId) {
        let watchers = self.watchers.get_mut(&account);
        let watcher = watchers.and_then(|watchers| watchers.get_mut(&session));
        if let (Some(watcher), Some(watch)) = (watcher, self.watches.get_mut(&session)) {
            watcher.sight = Sight::Doubted;
            if !std::mem::replace(&mut watch.in_doubt, true) {
                watcher.session.look();
            }
        }
    }

    /// They share a room, unless that is in doubt again.
    fn show(&mut self, account: AccountId, session: SessionId) {
        let state = self.board.shown(account);
        let watchers = self.watchers.get_mut(&account);
        let watcher = watchers.and_then(|watchers| watchers.get_mut(&session));
        if let Some(watcher) = watcher.filter(|watcher| watcher.sight == Sight::Asked) {
            watcher.sight = Sight::Clear;
            watcher.tell(account, state);
        }
    }

    fn unwatch(&mut self, session: SessionId) {
        if let Some(watch) = self.watches.remove(&session) {
            for account in watch.accounts {
                self.unwatch_one(account, session);
            }
        }
    }

    fn unwatch_one(&mut self, account: AccountId, session: SessionId) {
        if let Some(watch) = self.watches.get_mut(&session) {
            watch.accounts.remove(&account);
        }
        let Some(watchers) = self.watchers.get_mut(&account) else {
            return;
        };
        watchers.remove(&session);
        if watchers.is_empty() {
            self.watchers.remove(&account);
        }
    }
}

impl Watcher {
    fn tell(&self, account: AccountId, state: State) {
        let hint = Hint::Presence { account, state };
        self.session.change(|outbox| outbox.hint(hint));
    }
}
