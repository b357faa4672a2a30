//! The sign-ins of an account: listing and ending them.

use cluster_store::{MaybeCommitted, Transaction};
use cluster_types::{AccountId, Caller, SignInId};

use super::Accounts;
use crate::error::FindError;
use crate::state::{self, is_over};
use crate::store;

impl Accounts {
    /// Ends the sign-in that asks. One that has ended already is fine: that is what was wanted.
    pub(crate) async fn sign_out(&self, caller: Caller) -> Result<(), FindError> {
        match self
            .end_sign_in(caller, caller.account, caller.sign_in)
            .await
        {
            Err(FindError::NotFound(_)) => Ok(()),
            outcome => outcome,
        }
    }

    /// Ends one of the caller's sign-ins.
    pub(crate) async fn end_sign_in(
        &self,
        caller: Caller,
        account: AccountId,
        sign_in: SignInId,
    ) -> Result<(), FindError> {
        if account != caller.account {
            return Err(FindError::NotFound("sign-in"));
        }
        let touched = self.touched();
        let (inner, ending) = (self.inner.clone(), touched.clone());
        let change = async move {
            let write = async |tx: Transaction, earlier: MaybeCommitted| {
                ending.begin(earlier);
                match store::sign_in(&tx, account, sign_in).await? {
                    Some(found) => {
                        store::clear_sign_in(&tx, account, &found)?;
                        ending.ended(account, &found);
                    }
                    None if earlier.is_yes() => {}
                    None => return Err(FindError::NotFound("sign-in")),
                }
                Ok(ending.leave_word(&tx).await?)
            };
            inner.store.run(write).await
        };
        self.to_the_end("end a sign-in", touched, change).await
    }

    /// A page of the caller's sign-ins with what their devices are called, without those that are over,
    /// and where the next one begins.
    pub(crate) async fn sign_ins(
        &self,
        caller: Caller,
        after: Option<SignInId>,
        limit: usize,
    ) -> Result<(Vec<(state::SignIn, String)>, Option<SignInId>), FindError> {
        let vault = &self.inner.vault;
        let read = |tx: Transaction| async move {
            store::sign_in_page(&tx, vault, caller.account, after, limit).await
        };
        let (mut page, next) = self.inner.store.read(read).await?;
        let today = self.inner.clock.today();
        page.retain(|(sign_in, _)| !is_over(sign_in.expiry, today));
        Ok((page, next))
    }
}
