//! [`Known`]: the transfers of this node by account, and how many there may be.
//!
//! Invariant: a [`Place`] is known from when it was given until it is dropped.

use std::collections::BTreeMap;
use std::sync::Arc;

use cluster_types::{AccountId, SignInId};
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use super::TransferError;
use crate::limits::{TRANSFERS_MAX, TRANSFERS_PER_ACCOUNT_MAX};

#[derive(Debug, Default)]
pub(super) struct Known {
    all: Mutex<All>,
    /// Cancelled once the node takes no more.
    draining: CancellationToken,
}

#[derive(Debug, Default)]
struct All {
    by_account: BTreeMap<AccountId, Vec<One>>,
    count: usize,
    next: u64,
}

#[derive(Debug)]
struct One {
    number: u64,
    sign_in: SignInId,
    signed_out: CancellationToken,
}

/// The place of one transfer.
pub(super) struct Place {
    known: Arc<Known>,
    account: AccountId,
    number: u64,
    signed_out: CancellationToken,
}

impl Known {
    /// A place for a transfer of this sign-in.
    pub(super) fn place(
        known: &Arc<Self>,
        account: AccountId,
        sign_in: SignInId,
    ) -> Result<Place, TransferError> {
        let mut all = known.all.lock();
        if known.draining.is_cancelled() {
            return Err(TransferError::Draining);
        }
        if all.count >= TRANSFERS_MAX {
            return Err(TransferError::TooMany);
        }
        let number = all.next;
        let of_account = all.by_account.entry(account).or_default();
        if of_account.len() >= TRANSFERS_PER_ACCOUNT_MAX {
            return Err(TransferError::TooManyOfAccount);
        }
        let signed_out = CancellationToken::new();
        of_account.push(One {
            number,
            sign_in,
            signed_out: signed_out.clone(),
        });
        all.next += 1;
        all.count += 1;
        Ok(Place {
            known: Arc::clone(known),
            account,
            number,
            signed_out,
        })
    }

    pub(super) fn end(&self, account: AccountId, sign_in: SignInId) {
        let all = self.all.lock();
        let of_account = all.by_account.get(&account).into_iter().flatten();
        for one in of_account.filter(|one| one.sign_in == sign_in) {
            one.signed_out.cancel();
        }
    }

    pub(super) fn end_all(&self) {
        for one in self.all.lock().by_account.values().flatten() {
            one.signed_out.cancel();
        }
    }

    pub(super) fn drain(&self) {
        // Under the lock: whoever has a place by now hears of it, and nobody gets one after.
        let _all = self.all.lock();
        self.draining.cancel();
    }

    pub(super) fn count(&self) -> u64 {
        self.all.lock().count as u64
    }
}

impl Place {
    /// Done when the transfer has to end.
    pub(super) async fn ended(&self) {
        tokio::select! {
            biased;
            () = self.signed_out.cancelled() => {}
            () = self.known.draining.cancelled() => {}
        }
    }

    pub(super) fn check(&self) -> Result<(), TransferError> {
        if self.signed_out.is_cancelled() {
            Err(TransferError::SignedOut)
        } else if self.known.draining.is_cancelled() {
            Err(TransferError::Draining)
        } else {
            Ok(())
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut all = self.known.all.lock();
        let Some(of_account) = all.by_account.get_mut(&self.account) else {
            return;
        };
        of_account.retain(|one| one.number != self.number);
        if of_account.is_empty() {
            all.by_account.remove(&self.account);
        }
        all.count -= 1;
    }
}
