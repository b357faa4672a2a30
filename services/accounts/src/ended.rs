//! [`SignInEnded`]: who wants to know that a sign-in is over; and how it is told.
//!
//! Invariant: once a call that ends sign-ins has returned, their tokens open nothing on this node and
//! their streams are gone. If the store could not say whether they ended, both happen all the same: a
//! device whose sign-in still stands just comes back. What holds on other nodes stands at
//! [`Accounts::follow_other_nodes`](crate::Accounts::follow_other_nodes).

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use cluster_store::{MaybeCommitted, StoreError, Transaction};
use cluster_types::{AccountId, SignInId};
use parking_lot::Mutex;

use crate::callers::Callers;
use crate::secret::Digest;
use crate::state::SignIn;
use crate::store::{self, Change};

/// Told of each sign-in that has ended, after that is durable and before the call that ended it
/// returns.
#[async_trait]
pub trait SignInEnded: Send + Sync + 'static {
    /// Ends whatever lives by this sign-in, and has done so when it returns. Must be quick, and may be
    /// told of one ending twice.
    fn sign_in_ended(&self, account: AccountId, sign_in: SignInId);

    /// Which sign-ins were ended by other nodes got lost: ends whatever lives by any. Devices whose sign-ins
    /// still stand come back.
    fn any_may_have_ended(&self);

    /// This node has ended sign-ins or changed them. Has the other nodes that it reaches
    /// [look](crate::Accounts::look), and returns when they have, or soon.
    async fn tell_other_nodes(&self);
}

/// The sign-ins that a transaction ends or changes. Clones are the same collection: the body of a
/// transaction [begins](Touched::begin) it and adds to it each time it runs.
///
/// Invariant: what is in it was done by the last run, or may have been done by an earlier one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Touched {
    changes: Arc<Mutex<BTreeMap<Digest, Change>>>,
    /// Whether other nodes have to know.
    shared: bool,
}

impl Touched {
    /// A collection that tells other nodes by the store, if it is `shared` with any.
    pub(crate) fn new(shared: bool) -> Self {
        Self {
            shared,
            ..Self::default()
        }
    }

    /// A run begins. If no earlier one may have committed, what they wanted has not happened and is
    /// forgotten: this one may want something else.
    pub(crate) fn begin(&self, earlier: MaybeCommitted) {
        if !earlier.is_yes() {
            self.changes.lock().clear();
        }
    }

    pub(crate) fn ended(&self, account: AccountId, sign_in: &SignIn) {
        self.add(sign_in.token, Some((account, sign_in.id)));
    }

    /// It goes on, but what its token opens has changed.
    pub(crate) fn changed(&self, sign_in: &SignIn) {
        self.add(sign_in.token, None);
    }

    fn add(&self, token: Digest, ended: Option<(AccountId, SignInId)>) {
        let change = Change { token, ended };
        self.changes.lock().insert(token, change);
    }

    /// Leaves word for other nodes, in the transaction itself: the last thing that its body does.
    pub(crate) async fn leave_word(&self, tx: &Transaction) -> Result<(), StoreError> {
        let changes: Vec<Change> = self.changes.lock().values().copied().collect();
        if !self.shared || changes.is_empty() {
            return Ok(());
        }
        store::add_changes(tx, &changes).await
    }

    /// Lets everybody know, now that the outcome of the transaction is. Bodies add to the collection
    /// after their last rule, so that a refused run leaves nothing in it.
    pub(crate) async fn settle(
        &self,
        failure: Option<&StoreError>,
        callers: &Callers,
        hook: Option<&Arc<dyn SignInEnded>>,
    ) {
        let changes: Vec<Change> = std::mem::take(&mut *self.changes.lock())
            .into_values()
            .collect();
        callers.clear(changes.iter().map(|change| change.token));
        let may_have_happened = failure.is_none_or(StoreError::maybe_committed);
        let Some(hook) = hook.filter(|_| may_have_happened && !changes.is_empty()) else {
            return;
        };
        for (account, sign_in) in changes.iter().filter_map(|change| change.ended) {
            hook.sign_in_ended(account, sign_in);
        }
        if self.shared {
            hook.tell_other_nodes().await;
        }
    }
}
