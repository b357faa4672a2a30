//! Following what other nodes do to sign-ins.
//!
//! Whoever ends or changes a sign-in leaves word of it in the store, in the same transaction and in one order for
//! all nodes (`store::add_changes`). Every node reads on from where it was, several times a second, and at once when
//! another node says so.
//!
//! Invariant: **a node that shares its store trusts what it remembers for [`TRUSTED_FOR`] after the beginning of its
//! last successful look, by its own monotonic clock.** So what was committed before is known to it by then, or it
//! asks the store: links, members and clocks of others are no part of this.

use std::sync::atomic::{AtomicU64, Ordering};

use cluster_runtime::TaskKind;
use cluster_store::{StoreError, Transaction};
use cluster_types::Seq;
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep, timeout};

use super::{Accounts, Inner};
use crate::limits::{LOOK_EVERY, LOOK_WITHIN, TRUSTED_FOR};
use crate::store;

/// How far a node has read.
#[derive(Debug)]
pub(super) struct Following {
    /// Looks that have begun.
    begun: AtomicU64,
    last: Mutex<Look>,
}

#[derive(Debug)]
struct Look {
    /// Of the last look that has ended.
    number: u64,
    /// The last change that was read.
    seq: Seq,
}

impl Accounts {
    /// Shares the store with other nodes from now on: what this one does to sign-ins is left there for them, and what
    /// they do is followed. To be called before anybody is authenticated, and after
    /// [`on_sign_in_ended`](Accounts::on_sign_in_ended).
    ///
    /// An ended sign-in opens nothing on another node a second later, whatever has failed; and if that node is
    /// reached over its link, when the call that ended it returns. Its streams there end with the next look: on a
    /// node that does not reach the store, when it does again.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn follow_other_nodes(&self) -> Result<(), StoreError> {
        let begun = Instant::now();
        let newest = async |tx: Transaction| store::newest_change(&tx).await;
        let seq = self.inner.store.read(newest).await?;
        let last = Mutex::new(Look { number: 0, seq });
        let following = Following {
            begun: AtomicU64::new(0),
            last,
        };
        if self.inner.following.set(following).is_err() {
            return Ok(());
        }
        self.inner.callers.trust_until(begun + TRUSTED_FOR);
        let (accounts, stopping) = (self.clone(), self.inner.tasks.stopping().clone());
        let follow = async move {
            let pause = || sleep(LOOK_EVERY);
            while stopping.run_until_cancelled(pause()).await.is_some() {
                accounts.look().await;
            }
        };
        self.inner
            .tasks
            .spawn(TaskKind::Housekeeping, "accounts: follow", follow);
        Ok(())
    }

    /// Reads what other nodes have done, and does what follows from it. Returns once a look that began after this call
    /// has ended, or has failed. Those who ask at the same time share it.
    pub async fn look(&self) {
        let Some(following) = self.inner.following.get() else {
            return;
        };
        let wanted = following.begun.load(Ordering::SeqCst) + 1;
        let mut last = following.last.lock().await;
        if last.number >= wanted {
            return;
        }
        let number = following.begun.fetch_add(1, Ordering::SeqCst) + 1;
        last.number = number;
        match timeout(LOOK_WITHIN, self.inner.catch_up(&mut last.seq)).await {
            Ok(Ok(())) => {}
            // Nothing that is remembered is trusted for long now; membership says that the store fails.
            Ok(Err(error)) => {
                tracing::debug!(%error, "what other nodes did to sign-ins is not known")
            }
            Err(_elapsed) => {
                tracing::debug!("what other nodes did to sign-ins is not known in time")
            }
        }
    }
}

impl Inner {
    /// Reads on from `seq`.
    async fn catch_up(&self, seq: &mut Seq) -> Result<(), StoreError> {
        loop {
            let (begun, after) = (Instant::now(), *seq);
            let read = async |tx: Transaction| store::changes_after(&tx, after).await;
            let (changes, more) = self.store.read(read).await?;
            if changes
                .first()
                .is_some_and(|(first, _)| first.0 > after.0 + 1)
            {
                tracing::warn!(
                    "what other nodes did to sign-ins got lost here: all streams begin anew"
                );
                self.callers.clear_all();
                if let Some(hook) = self.ended.get() {
                    hook.any_may_have_ended();
                }
            }
            self.callers
                .clear(changes.iter().map(|(_, change)| change.token));
            for (at, change) in &changes {
                if let (Some((account, sign_in)), Some(hook)) = (change.ended, self.ended.get()) {
                    hook.sign_in_ended(account, sign_in);
                }
                *seq = *at;
            }
            if !more {
                self.callers.trust_until(begun + TRUSTED_FOR);
                return Ok(());
            }
        }
    }
}
