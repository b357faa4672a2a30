//! What administrators do with accounts. There is always one who can act.

use cluster_store::{MaybeCommitted, Transaction};
use cluster_types::{AccountId, Caller};

use super::Accounts;
use crate::error::AdministerError;
use crate::state::{Profile, Role};
use crate::store;

/// A change to somebody else's account.
#[derive(Clone, Copy, Debug)]
enum Change {
    Suspend,
    Resume,
    SetRole(Role),
}

impl Accounts {
    /// A page of all accounts, and where the next one begins.
    pub(crate) async fn list(
        &self,
        caller: Caller,
        after: Option<AccountId>,
        limit: usize,
    ) -> Result<(Vec<Profile>, Option<AccountId>), AdministerError> {
        require_administrator(caller)?;
        let vault = &self.inner.vault;
        let read =
            |tx: Transaction| async move { store::profile_page(&tx, vault, after, limit).await };
        Ok(self.inner.store.read(read).await?)
    }

    /// Ends all sign-ins of an account, and lets it make no more.
    pub(crate) async fn suspend(
        &self,
        caller: Caller,
        account: AccountId,
    ) -> Result<Profile, AdministerError> {
        self.change(caller, account, Change::Suspend).await
    }

    /// Lets a suspended account sign in again.
    pub(crate) async fn resume(
        &self,
        caller: Caller,
        account: AccountId,
    ) -> Result<Profile, AdministerError> {
        self.change(caller, account, Change::Resume).await
    }

    /// Makes an account an administrator, or a mere member.
    pub(crate) async fn set_role(
        &self,
        caller: Caller,
        account: AccountId,
        role: Role,
    ) -> Result<Profile, AdministerError> {
        self.change(caller, account, Change::SetRole(role)).await
    }

    async fn change(
        &self,
        caller: Caller,
        id: AccountId,
        change: Change,
    ) -> Result<Profile, AdministerError> {
        require_administrator(caller)?;
        let touched = self.touched();
        let (inner, touching) = (self.inner.clone(), touched.clone());
        let work = async move {
            let write = async |tx: Transaction, earlier: MaybeCommitted| {
                touching.begin(earlier);
                let account = store::account(&tx, id).await?;
                let mut account = account.ok_or(AdministerError::NotFound("account"))?;
                let could_act = account.is_active_administrator();
                match change {
                    Change::Suspend => account.set_suspended(true),
                    Change::Resume => account.set_suspended(false),
                    Change::SetRole(role) => account.set_role(role),
                }
                let steps_down = could_act && !account.is_active_administrator();
                if steps_down && store::administrator(&tx, Some(id)).await?.is_none() {
                    return Err(AdministerError::LastAdministrator);
                }
                for sign_in in store::sign_ins(&tx, id).await? {
                    if account.is_suspended() {
                        store::clear_sign_in(&tx, id, &sign_in)?;
                        touching.ended(id, &sign_in);
                    } else {
                        touching.changed(&sign_in);
                    }
                }
                store::set_account(&tx, &account)?;
                touching.leave_word(&tx).await?;
                let profile = store::profile(&tx, &inner.vault, id).await?;
                profile.ok_or(AdministerError::NotFound("account"))
            };
            inner.store.run(write).await
        };
        let profile = self.to_the_end("change an account", touched, work).await?;
        tracing::info!(by = %caller.account, account = %id, ?change, "account changed");
        Ok(profile)
    }
}

pub(crate) const fn require_administrator(caller: Caller) -> Result<(), AdministerError> {
    if caller.administrator {
        Ok(())
    } else {
        Err(AdministerError::NotAdministrator)
    }
}
