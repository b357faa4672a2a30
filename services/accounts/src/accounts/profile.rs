//! Who somebody is, for everybody who is signed in and for the other services.

use cluster_store::{MaybeCommitted, Transaction};
use cluster_types::{AccountId, Caller};

use super::Accounts;
use crate::error::FindError;
use crate::limits::PROFILES_MAX;
use crate::state::Profile;
use crate::store;
use crate::text::{DisplayName, UserName};

impl Accounts {
    /// Whether there is such an account, suspended or not.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn exists(&self, account: AccountId) -> Result<bool, FindError> {
        let read = |tx: Transaction| async move { store::account(&tx, account).await };
        Ok(self.inner.store.read(read).await?.is_some())
    }

    /// An account as it is stored, for other services: what a caller may see of it is for them to
    /// decide.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn account(&self, account: AccountId) -> Result<Option<Profile>, FindError> {
        let vault = &self.inner.vault;
        let read = |tx: Transaction| async move { store::profile(&tx, vault, account).await };
        Ok(self.inner.store.read(read).await?)
    }

    /// As [`Accounts::account`], for many at once, in their order.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn accounts(
        &self,
        accounts: &[AccountId],
    ) -> Result<Vec<Option<Profile>>, FindError> {
        let mut profiles = Vec::with_capacity(accounts.len());
        let vault = &self.inner.vault;
        for some in accounts.chunks(PROFILES_MAX) {
            let read = |tx: Transaction| async move { store::profiles(&tx, vault, some).await };
            profiles.extend(self.inner.store.read(read).await?);
        }
        Ok(profiles)
    }

    /// What `caller` may see of an account.
    pub(crate) async fn profile(
        &self,
        caller: Caller,
        account: AccountId,
    ) -> Result<Profile, FindError> {
        let found = self.account(account).await?;
        found
            .map(|profile| profile.seen_by(caller))
            .ok_or(FindError::NotFound("account"))
    }

    /// What `caller` may see of the account with this user name.
    pub(crate) async fn look_up(
        &self,
        caller: Caller,
        name: &UserName,
    ) -> Result<Profile, FindError> {
        let vault = &self.inner.vault;
        let read = async |tx: Transaction| match store::account_of_name(&tx, vault, name.folded())
            .await?
        {
            Some(account) => store::profile(&tx, vault, account).await,
            None => Ok(None),
        };
        let found = self.inner.store.read(read).await?;
        let found = found.ok_or(FindError::NotFound("account"))?;
        Ok(found.seen_by(caller))
    }

    /// Changes the caller's display name.
    pub(crate) async fn rename(
        &self,
        caller: Caller,
        name: DisplayName,
    ) -> Result<Profile, FindError> {
        let name = name.into_string();
        let sealer = store::sealer(&self.inner.vault, caller.account).await?;
        let write = async |tx: Transaction| {
            let account = store::account(&tx, caller.account).await?;
            let mut account = account.ok_or(FindError::NotFound("account"))?;
            let profile = account.profile(Some(&sealer))?;
            let mut profile = profile.ok_or(FindError::NotFound("account"))?;
            profile.display_name.clone_from(&name);
            account.set_profile(&sealer, &profile)?;
            store::set_account(&tx, &account)?;
            Ok(profile)
        };
        self.inner
            .store
            .run(|tx, _: MaybeCommitted| write(tx))
            .await
    }
}
