//! [`SignInEnded`]: who wants to know that a sign-in is over; and how it is told.
//!
//! Invariant: once a call that ends sign-ins has returned, their tokens open nothing on this node and
//! their streams are gone. If the store could not say whether they ended, both happen all the same: a
//! device whose sign-in still stands just comes back.

use std::collections::BTreeMap;
use std::sync::Arc;

use cluster_store::{MaybeCommitted, StoreError};
use cluster_types::{AccountId, SignInId};
use parking_lot::Mutex;

use crate::callers::Callers;
use crate::secret::Digest;
use crate::state::SignIn;

/// Told of each sign-in that has ended, after that is durable and before the call that ended it
/// returns.
pub trait SignInEnded: Send + Sync + 'static {
    /// Ends whatever lives by this sign-in, and has done so when it returns. Must be quick, and may be
    /// told of one ending twice.
    fn sign_in_ended(&self, account: AccountId, sign_in: SignInId);
}

/// The sign-ins that a transaction ends or changes. Clones are the same collection: the body of a
/// transaction [begins](Touched::begin) it and adds to it each time it runs.
///
/// Invariant: what is in it was done by the last run, or may have been done by an earlier one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Touched {
    ended: Arc<Mutex<BTreeMap<SignInId, (AccountId, Digest)>>>,
    changed: Arc<Mutex<Vec<Digest>>>,
}

impl Touched {
    /// A run begins. If no earlier one may have committed, what they wanted has not happened and is
    /// forgotten: this one may want something else.
    pub(crate) fn begin(&self, earlier: MaybeCommitted) {
        if !earlier.is_yes() {
            self.ended.lock().clear();
            self.changed.lock().clear();
        }
    }

    pub(crate) fn ended(&self, account: AccountId, sign_in: &SignIn) {
        self.ended
            .lock()
            .insert(sign_in.id, (account, sign_in.token));
    }

    /// It goes on, but what its token opens has changed.
    pub(crate) fn changed(&self, sign_in: &SignIn) {
        self.changed.lock().push(sign_in.token);
    }

    /// Lets everybody know, now that the outcome of the transaction is. Bodies add to the collection
    /// after their last rule, so that a refused run leaves nothing in it.
    pub(crate) fn settle(
        &self,
        failure: Option<&StoreError>,
        callers: &Callers,
        hook: Option<&Arc<dyn SignInEnded>>,
    ) {
        let ended = std::mem::take(&mut *self.ended.lock());
        let changed = std::mem::take(&mut *self.changed.lock());
        let tokens = ended.values().map(|(_, token)| *token);
        callers.clear(tokens.chain(changed));
        let may_have_happened = failure.is_none_or(StoreError::maybe_committed);
        if let Some(hook) = hook.filter(|_| may_have_happened) {
            for (sign_in, (account, _)) in ended {
                hook.sign_in_ended(account, sign_in);
            }
        }
    }
}
