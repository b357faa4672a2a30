//! The sessions of this node by account, and how many there may be.

use std::collections::BTreeMap;
use std::sync::Arc;

use cluster_types::AccountId;
use parking_lot::Mutex;

use crate::error::SessionError;
use crate::limits::{SESSIONS_MAX, SESSIONS_PER_ACCOUNT_MAX};
use crate::session::Session;

#[derive(Debug, Default)]
pub(super) struct Accounts(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    sessions: BTreeMap<AccountId, Vec<Arc<Session>>>,
    count: usize,
    draining: bool,
}

impl Accounts {
    pub(super) fn register(&self, session: &Arc<Session>) -> Result<(), SessionError> {
        let mut known = self.0.lock();
        if known.draining || known.count >= SESSIONS_MAX {
            return Err(SessionError::Unavailable);
        }
        let of_account = known.sessions.entry(session.account()).or_default();
        if of_account.len() >= SESSIONS_PER_ACCOUNT_MAX {
            return Err(SessionError::TooMany);
        }
        of_account.push(Arc::clone(session));
        known.count += 1;
        Ok(())
    }

    pub(super) fn forget(&self, session: &Session) {
        let mut known = self.0.lock();
        let Some(of_account) = known.sessions.get_mut(&session.account()) else {
            return;
        };
        let Some(place) = of_account.iter().position(|s| s.id == session.id) else {
            return;
        };
        of_account.swap_remove(place);
        if of_account.is_empty() {
            known.sessions.remove(&session.account());
        }
        known.count -= 1;
    }

    pub(super) fn sessions_of(&self, account: AccountId) -> Vec<Arc<Session>> {
        let known = self.0.lock();
        known.sessions.get(&account).cloned().unwrap_or_default()
    }

    pub(super) fn find(&self, is_it: impl Fn(&Session) -> bool) -> Option<Arc<Session>> {
        let known = self.0.lock();
        let mut all = known.sessions.values().flatten();
        all.find(|session| is_it(session)).cloned()
    }

    pub(super) fn all(&self) -> Vec<Arc<Session>> {
        let known = self.0.lock();
        known.sessions.values().flatten().cloned().collect()
    }

    /// Takes no more sessions. Returns all that there are.
    pub(super) fn drain(&self) -> Vec<Arc<Session>> {
        let mut known = self.0.lock();
        known.draining = true;
        known.sessions.values().flatten().cloned().collect()
    }

    pub(super) fn count(&self) -> u64 {
        self.0.lock().count as u64
    }
}
